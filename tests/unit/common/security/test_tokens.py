"""Tokens: what a valid one says, and every way in which one is refused."""

import base64
import hmac
import json
import stat
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from common.security.device_keys import decode_public_key
from common.security.tokens import (
    ACCESS,
    DOOR_LEEWAY_S,
    DOOR_TICKET_S,
    TICKET,
    InvalidToken,
    KeyFileUnusable,
    TokenCheck,
    TokenKey,
)

NOW = 1_800_000_000
PRIVATE = Ed25519PrivateKey.generate()


def key(site: str = "home", now: float = NOW, private: Ed25519PrivateKey = PRIVATE) -> TokenKey:
    return TokenKey(private, site, lambda: now)


def issue(issuer: TokenKey, audience: str = ACCESS) -> str:
    token, _ = issuer.issue(audience, user="anna", role="admin", session_id="s1", ttl_s=900)
    return token


def test_a_token_says_what_it_was_issued_for() -> None:
    """User, role, session and times come back; the header names the key and the one algorithm."""
    token, issued = key().issue(ACCESS, user="anna", role="driver", session_id="s1", ttl_s=900)
    claims = key().verify(ACCESS, token)
    assert claims == issued
    assert (claims.user, claims.role, claims.session_id) == ("anna", "driver", "s1")
    assert (claims.issued_at, claims.expires_at, claims.lasts_until) == (NOW, NOW + 900, NOW + 900)
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": key().key_id, "typ": "JWT"}


def test_a_ticket_says_when_the_login_behind_it_ends() -> None:
    """It is valid for seconds, what it opens may last longer."""
    token, _ = key().issue(TICKET, user="anna", role="viewer", session_id="s", ttl_s=30, lasts_until=NOW + 500)
    claims = key().verify(TICKET, token)
    assert (claims.expires_at, claims.lasts_until) == (NOW + 30, NOW + 500)


def test_two_tokens_have_two_ids() -> None:
    """A ticket is used once by its id."""
    first, second = (key().verify(ACCESS, issue(key())) for _ in range(2))
    assert first.token_id != second.token_id


@pytest.mark.parametrize(
    ("checker", "audience"),
    [
        (key(now=NOW + 900), ACCESS),  # expired, to the second
        (key(now=NOW - 3600), ACCESS),  # from the future
        (key(site="neighbour"), ACCESS),
        (key(private=Ed25519PrivateKey.generate()), ACCESS),
        (key(), TICKET),  # another kind
    ],
)
def test_a_token_is_refused(checker: TokenKey, audience: str) -> None:
    """Expired, early, of another site, key or kind; the public message never says which."""
    with pytest.raises(InvalidToken) as caught:
        checker.verify(audience, issue(key()))
    assert caught.value.message == "the token is not valid"


def test_the_last_second_of_a_token_counts() -> None:
    """It ends at `exp`, not before."""
    assert key(now=NOW + 899).verify(ACCESS, issue(key())).user == "anna"


def _unsigned(payload: dict[str, Any], algorithm: str, signature: bytes = b"") -> str:
    parts = [json.dumps({"alg": algorithm, "typ": "JWT"}).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


PAYLOAD: dict[str, Any] = {
    "sub": "anna",
    "role": "admin",
    "site": "home",
    "sid": "s",
    "jti": "t",
    "iat": NOW,
    "exp": NOW + 900,
    "until": NOW + 900,
    "aud": ACCESS,
}


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "EdDSA"])
def test_an_unsigned_token_is_refused_whatever_it_claims(algorithm: str) -> None:
    """`alg: none` and a missing signature."""
    with pytest.raises(InvalidToken):
        key().verify(ACCESS, _unsigned(PAYLOAD, algorithm))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_the_public_key_is_no_hmac_secret() -> None:
    """The classic confusion: signed with HS256 and the public key's bytes."""
    public = PRIVATE.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    with pytest.raises(InvalidToken):
        key().verify(ACCESS, jwt.encode(PAYLOAD, public, "HS256"))


@pytest.mark.parametrize("claim", sorted(PAYLOAD))
def test_a_token_without_a_claim_is_refused(claim: str) -> None:
    """Even with a good signature."""
    payload = {name: value for name, value in PAYLOAD.items() if name != claim}
    with pytest.raises(InvalidToken):
        key().verify(ACCESS, jwt.encode(payload, PRIVATE, "EdDSA"))


@pytest.mark.parametrize(
    ("claim", "value"), [("role", 1), ("sid", None), ("exp", "soon"), ("exp", 1e300), ("iat", True), ("jti", ["a"])]
)
def test_a_claim_of_a_wrong_type_is_refused(claim: str, value: object) -> None:
    """Even with a good signature."""
    with pytest.raises(InvalidToken):
        key().verify(ACCESS, jwt.encode({**PAYLOAD, claim: value}, PRIVATE, "EdDSA"))


@given(st.text(max_size=200) | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True))
def test_any_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    """The parser's contract: a text in, InvalidToken out."""
    with pytest.raises(InvalidToken):
        key().verify(ACCESS, text)


def test_a_huge_token_is_refused_before_it_is_parsed() -> None:
    """Its length is bounded."""
    with pytest.raises(InvalidToken) as caught:
        key().verify(ACCESS, "a" * 5000)
    assert caught.value.detail == "too long"


def test_the_key_file_survives_a_restart_and_is_private(tmp_path: Path) -> None:
    """Made once with mode 0600, its folder too; a second process reads the same key; nothing else stays behind."""
    path = tmp_path / "data" / "token_key.pem"
    first = TokenKey.from_file(path, "home")
    second = TokenKey.from_file(path, "home")
    assert first.key_id == second.key_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [child.name for child in path.parent.iterdir()] == ["token_key.pem"]
    second.verify(ACCESS, issue(first))


def test_a_damaged_key_file_is_named_and_never_replaced(tmp_path: Path) -> None:
    """Replacing it would silently log everybody out."""
    path = tmp_path / "token_key.pem"
    path.write_text("not a key")
    with pytest.raises(KeyFileUnusable, match="token_key"):
        TokenKey.from_file(path, "home")
    assert path.read_text() == "not a key"


def door(issuer: TokenKey, site: str = "home", now: float = NOW) -> TokenCheck:
    return TokenCheck(decode_public_key(issuer.public_text), site, lambda: now)


def test_the_public_half_tells_the_sites_tokens_from_others() -> None:
    """Valid until a minute after its end, since the door's clock is another machine's."""
    token = issue(key())
    assert door(key()).check(ACCESS, token) == NOW + 900 + DOOR_LEEWAY_S
    assert door(key(), now=NOW + 900 + DOOR_LEEWAY_S - 1).check(ACCESS, token)
    ticket = issue(key(), f"{TICKET}:process")
    assert door(key()).check(TICKET, ticket)


def test_a_ticket_at_the_door_lives_a_minute_whatever_end_it_names() -> None:
    for ttl_s in (30, 10 * 365 * 86_400):
        ticket = forged({"aud": f"{TICKET}:process", "exp": NOW + ttl_s})
        assert door(key(), now=NOW + DOOR_TICKET_S - 1).check(TICKET, ticket) == NOW + DOOR_TICKET_S
        with pytest.raises(InvalidToken):
            door(key(), now=NOW + DOOR_TICKET_S).check(TICKET, ticket)
        assert door(key(), now=NOW - 30).check(TICKET, ticket)  # by a clock at home that is early
        with pytest.raises(InvalidToken):
            door(key(), now=NOW - 31).check(TICKET, ticket)


def forged(payload: dict[str, Any], secret: Any = PRIVATE, algorithm: str = "EdDSA") -> str:
    whole = {"site": "home", "iat": NOW, "exp": NOW + 60, "aud": ACCESS} | payload
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, secret, algorithm)


@pytest.mark.parametrize(
    "token",
    [
        forged({"exp": NOW - DOOR_LEEWAY_S}),
        forged({"exp": None}),
        forged({"exp": float(NOW + 60)}),
        forged({"exp": True}),
        forged({"exp": 10**400}),
        forged({"iat": None}),
        forged({"iat": float(NOW)}),
        forged({"iat": NOW + 61}),
        forged({"site": "neighbour"}),
        forged({"site": None}),
        forged({"site": ["home"]}),
        forged({"aud": f"{TICKET}:process"}),
        forged({"aud": [ACCESS]}),
        forged({"aud": None}),
        forged({}, Ed25519PrivateKey.generate()),
        forged({}, None, "none"),
        forged({}, "0" * 64, "HS256"),
        forged({"x": "y" * 4000}),
        "",
        "a.b.c",
        "\ud800",
    ],
)
def test_nothing_else_passes_the_door(token: str) -> None:
    """One error for all of them."""
    with pytest.raises(InvalidToken):
        door(key()).check(ACCESS, token)


def test_the_public_half_is_no_secret_for_another_algorithm() -> None:
    """The old confusion: HMAC with the public key as its secret."""
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (
        {"alg": "HS256", "typ": "JWT"}, {"site": "home", "exp": NOW + 60, "aud": ACCESS},
    ))  # fmt: skip
    mac = hmac.digest(decode_public_key(key().public_text), f"{head}.{body}".encode(), "sha256")
    with pytest.raises(InvalidToken):
        door(key()).check(ACCESS, f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")
