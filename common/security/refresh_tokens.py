"""Refresh tokens and other one-time secrets: opaque random texts, of which only SHA-256 is kept.

They have 128 bits and more, so a slow hash would add nothing. A refresh token is `wpr_{family}.{secret}`: the family
stays while the secret changes with each use, and it stands nowhere else. Whoever presents a known family with another
secret held an earlier token of it: that is how reuse shows, without keeping every token there ever was. Each token has
one successor, made by a key of the site, so that an answer that was lost can be given again, though only its hash is
kept.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

LASTS_S = 60 * 86_400
"""Without being used; a phone that is used every other month stays logged in."""

_FORM = re.compile(r"wpr_([\w-]{22})\.([\w-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """`text` is for the client alone; the hashes are for the store."""

    text: str = field(repr=False)
    family: str = field(repr=False)

    @property
    def family_hash(self) -> str:
        return digest(self.family)

    @property
    def token_hash(self) -> str:
        return digest(self.text)

    def next(self, derived: Callable[[str], bytes]) -> "RefreshToken":
        """The one token of the same family that follows: `derived` makes 32 bytes of this one that nobody else can."""
        return _of(self.family, derived(self.text))


def new() -> RefreshToken:
    """The first token of a new family."""
    return _of(secrets.token_urlsafe(16), secrets.token_bytes(32))


def read(text: str) -> RefreshToken | None:
    """What a client sent; None if it cannot be one of ours."""
    match = _FORM.fullmatch(text)
    return RefreshToken(text, match[1]) if match else None


def one_time_secret(prefix: str) -> str:
    """256 random bits behind a prefix that says what for, `wpp_…`."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def digest(secret: str) -> str:
    """SHA-256 of a secret text, in hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _of(family: str, secret: bytes) -> RefreshToken:
    return RefreshToken(f"wpr_{family}.{base64.urlsafe_b64encode(secret).rstrip(b'=').decode()}", family)
