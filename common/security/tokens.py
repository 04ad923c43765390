"""Signed tokens: EdDSA (Ed25519) JWTs (RFC 7519, RFC 8037) and the key file they are signed with.

The algorithm is fixed, never read from the token. Each kind of token has its own audience, so that none passes for
another. The key lives in the data folder of the site and never leaves it; whoever holds its public half can check
tokens but not make them. The api signs and judges with `TokenKey`; the relay's door has `TokenCheck`, which knows the
public half.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from common.errors import AppError
from common.private_folder import make_private

ALGORITHM = "EdDSA"
ACCESS = "wallport-access"
"""Audience of access tokens. Tokens that live longer name their kind behind it; the relay's door takes all of them."""
API = f"{ACCESS}:api"
"""Audience of personal API tokens."""
LEGACY = f"{ACCESS}:legacy"
"""Audience of the existing app's tokens, which it cannot renew."""
BEARER = frozenset({ACCESS, API, LEGACY})
"""What may stand in an Authorization field."""
TICKET = "wallport-ticket"
"""Audience of tickets: what a browser puts into a URL, since it cannot set a header there. The process that made one
is named behind it, `wallport-ticket:…`."""

ACCESS_TTL_S = 15 * 60
TICKET_TTL_S = 30
LEEWAY_S = 2  # between two processes on one machine; more would only keep expired tokens alive

DOOR_LEEWAY_S = 60
"""By how much the clock of another machine may differ: the door is generous with an end that the api judges exactly."""

DOOR_TICKET_S = 60
"""So long after a ticket was made the door lets it pass at most, whatever end it names: its 30 s, and a clock at home
that is late by as much. It may be early by half of that."""

LATEST = (1 << 53) - 1  # seconds; what every reader of JSON holds exactly

LONGEST_TOKEN = 2048  # characters; ours have about 400
LARGEST_KEY_FILE = 8192  # bytes; a PKCS 8 Ed25519 key has 119


class InvalidToken(AppError):
    """The token is malformed, expired, of another site or kind, or not signed by us; which one is in `detail` only."""

    code = "invalid_token"


class KeyFileUnusable(AppError):
    """The file of the signing key cannot be read or made, or holds something else."""

    code = "key_file_unusable"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. `session_id` names one login, `token_id` this very token; instants in Unix seconds.

    `lasts_until` is when what this token opens must end: its own end, or for a ticket that of the login behind it.
    `is_limited` and `has_totp` were true of the user when it was issued; they count while the database is away.
    """

    user: str
    role: str
    session_id: str
    issued_at: int
    expires_at: int
    lasts_until: int
    token_id: str
    audience: str = ACCESS
    is_limited: bool = False
    has_totp: bool = False


class TokenKey:
    """Signs and checks the tokens of one site. Thread-safe."""

    def __init__(self, private_key: Ed25519PrivateKey, site: str, now: Callable[[], float] = time.time) -> None:
        self._private_key = private_key
        self._public_key = private_key.public_key()
        self.site = site
        self._now = now
        raw = self._public_key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]
        secret = private_key.private_bytes_raw()
        self._deriving_key = HKDF(hashes.SHA256(), 32, salt=None, info=b"wallport refresh tokens").derive(secret)
        self.public_text = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        """The public half, as TokenCheck takes it: 43 characters."""

    @classmethod
    def from_file(cls, path: Path, site: str) -> "TokenKey":
        """The key in `path`, made there (mode 0600) if there is none. Raises KeyFileUnusable."""
        return cls(_load_or_create(path), site)

    def derived(self, text: str) -> bytes:
        """32 bytes that are the same for the same text, and that nobody makes without the key (RFC 5869, RFC 2104)."""
        return hmac.digest(self._deriving_key, text.encode(), "sha256")

    def issue(
        self,
        audience: str,
        *,
        user: str,
        role: str,
        session_id: str,
        ttl_s: int,
        lasts_until: int | None = None,
        is_limited: bool = False,
        has_totp: bool = False,
    ) -> tuple[str, Claims]:
        """A fresh token and what it says. Valid from now, for `ttl_s` seconds of real time."""
        issued_at = int(self._now())
        expires_at = issued_at + ttl_s
        claims = Claims(
            user=user,
            role=role,
            session_id=session_id,
            issued_at=issued_at,
            expires_at=expires_at,
            lasts_until=expires_at if lasts_until is None else lasts_until,
            token_id=secrets.token_urlsafe(12),
            audience=audience,
            is_limited=is_limited,
            has_totp=has_totp,
        )
        return jwt.encode(self._payload(claims), self._private_key, ALGORITHM, headers={"kid": self.key_id}), claims

    def issue_legacy(
        self, *, user: str, role: str, session_id: str, ttl_s: int, is_limited: bool, claims: Mapping[str, Any]
    ) -> str:
        """A token that the existing app can read: `claims` stand in it besides ours.

        That app decodes the payload with the standard alphabet and pads it wrongly, so its base64 has neither `-` nor
        `_` and a length that needs no padding or two characters of it.
        """
        issued_at = int(self._now())
        own = Claims(
            user=user,
            role=role,
            session_id=session_id,
            issued_at=issued_at,
            expires_at=issued_at + ttl_s,
            lasts_until=issued_at + ttl_s,
            token_id=secrets.token_urlsafe(12),
            audience=LEGACY,
            is_limited=is_limited,
        )
        payload = _plain_json({**claims, **self._payload(own)})
        while len(payload) % 3 == 2:  # base64 takes three bytes at a time
            payload = payload[:-1] + b" }"  # white space means nothing in JSON
        return jwt.PyJWS().encode(payload, self._private_key, ALGORITHM, headers={"kid": self.key_id})

    def _payload(self, claims: Claims) -> dict[str, Any]:
        marks = {"lim": claims.is_limited, "otp": claims.has_totp}
        return {
            "sub": claims.user,
            "role": claims.role,
            "site": self.site,
            "sid": claims.session_id,
            "jti": claims.token_id,
            "iat": claims.issued_at,
            "exp": claims.expires_at,
            "until": claims.lasts_until,
            "aud": claims.audience,
            **{name: True for name, is_set in marks.items() if is_set},
        }

    def verify_bearer(self, token: str) -> Claims:
        """What a valid token of an Authorization field says, whatever its kind; raises InvalidToken."""
        return self._verify(BEARER, token)

    def verify(self, audience: str, token: str) -> Claims:
        """What a valid token of this audience says; raises InvalidToken for anything else."""
        return self._verify({audience}, token)

    def was_bearer(self, token: str) -> Claims | None:
        """What a token says that once was valid in an Authorization field here, perhaps long ago; None for any other.

        It proves that whoever has it once was logged in, and opens nothing.
        """
        try:
            claims = self._read(BEARER, token)
        except InvalidToken:
            return None
        return claims

    def _verify(self, audiences: Collection[str], token: str) -> Claims:
        claims = self._read(audiences, token)
        now = self._now()
        if claims.expires_at <= now:
            raise InvalidToken("the token is not valid", detail="expired")
        if claims.issued_at > now + LEEWAY_S:
            raise InvalidToken("the token is not valid", detail="issued in the future")
        return claims

    def _read(self, audiences: Collection[str], token: str) -> Claims:
        """What a token of this site says that is of one of `audiences`, whenever it is valid; raises InvalidToken."""
        try:
            payload = _signed(
                self._public_key, token, ("sub", "role", "site", "sid", "jti", "iat", "exp", "until", "aud")
            )
            claims = _claims_of(payload)
        except ValueError as exc:
            raise InvalidToken("the token is not valid", detail=str(exc)) from exc
        if claims.audience not in audiences:
            raise InvalidToken("the token is not valid", detail="of another audience")
        if payload["site"] != self.site:
            raise InvalidToken("the token is not valid", detail="of another site")
        return claims


class TokenCheck:
    """Tells the valid tokens of one site from all others, with the public half of its key. Thread-safe.

    Less strict than `TokenKey.verify`, which has the last word: it does not look at who the token is for, and grants
    DOOR_LEEWAY_S at the end.
    """

    def __init__(self, public_key: bytes, site: str, now: Callable[[], float] = time.time) -> None:
        """`public_key`: 32 bytes; raises ValueError for anything else."""
        self._public_key = Ed25519PublicKey.from_public_bytes(public_key)
        self._site = site
        self._now = now

    def check(self, audience: str, token: str) -> float:
        """The instant until which a valid token passes; raises InvalidToken. `audience` is ACCESS or TICKET."""
        payload = _signed(self._public_key, token, ("site", "iat", "exp", "aud"))
        told, site, issued_at, expires_at = payload["aud"], payload["site"], payload["iat"], payload["exp"]
        if not isinstance(told, str) or told.partition(":")[0] != audience:
            raise InvalidToken("the token is not valid", detail="of another audience")
        if site != self._site:
            raise InvalidToken("the token is not valid", detail="of another site")
        if type(issued_at) is not int or type(expires_at) is not int or not 0 <= issued_at <= expires_at <= LATEST:
            raise InvalidToken("the token is not valid", detail="of no sound time")
        now, until = self._now(), float(expires_at + DOOR_LEEWAY_S)
        if audience == TICKET:
            if issued_at > now + DOOR_TICKET_S / 2:
                raise InvalidToken("the token is not valid", detail="issued in the future")
            until = min(until, float(issued_at + DOOR_TICKET_S))
        if until <= now:
            raise InvalidToken("the token is not valid", detail="expired")
        return until


def _signed(public_key: Ed25519PublicKey, token: str, claims: tuple[str, ...]) -> dict[str, Any]:
    """The claims of a token that this key signed and that has all of `claims`; their values are for the caller."""
    if len(token) > LONGEST_TOKEN:
        raise InvalidToken("the token is not valid", detail="too long")
    try:
        payload: dict[str, Any] = jwt.decode(
            token,
            public_key,
            algorithms=[ALGORITHM],
            options={  # values are judged by our own clock and names; PyJWT only makes sure that they are there
                "require": list(claims),
                "verify_aud": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as exc:
        raise InvalidToken("the token is not valid", detail=str(exc)) from exc
    return payload


def _claims_of(payload: dict[str, Any]) -> Claims:
    texts = [payload[name] for name in ("sub", "role", "site", "sid", "jti", "aud")]
    numbers = [payload[name] for name in ("iat", "exp", "until")]
    if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in numbers):
        raise ValueError("a claim has the wrong type")
    return Claims(
        user=payload["sub"],
        role=payload["role"],
        session_id=payload["sid"],
        issued_at=payload["iat"],
        expires_at=payload["exp"],
        lasts_until=payload["until"],
        token_id=payload["jti"],
        audience=payload["aud"],
        is_limited=payload.get("lim") is True,
        has_totp=payload.get("otp") is True,
    )


def _plain_json(value: Mapping[str, Any]) -> bytes:
    """ASCII without the three characters whose bits can become `-` or `_` in base64."""
    text = json.dumps(value, separators=(",", ":"))
    return re.sub("[>?~]", lambda match: f"\\u{ord(match[0]):04x}", text).encode("ascii")


def _load_or_create(path: Path) -> Ed25519PrivateKey:
    try:
        make_private(path.parent)
        if not path.exists():
            _create(path)
        with path.open("rb") as file:
            pem = file.read(LARGEST_KEY_FILE)
        key = serialization.load_pem_private_key(pem, password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise KeyFileUnusable(f"the signing key {path} cannot be used", detail=str(exc)) from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileUnusable(f"the signing key {path} cannot be used", detail="not an Ed25519 key")
    return key


def _create(path: Path) -> None:
    """Make the file whole or not at all; of two processes that try at once, both end up with the same key."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)  # fails if the file exists by now, unlike a rename
        except FileExistsError:
            return
    finally:
        temporary.unlink()
