"""The tokens of the small api in site_api.py, which a relay lets pass: its key is the same in every process."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.security.tokens import ACCESS, TICKET, TokenKey

KEY = TokenKey(Ed25519PrivateKey.from_private_bytes(b"a key for tests, known to anyone"), "site of the tests")


def token(key: TokenKey = KEY, *, user: str = "viewer", ttl_s: int = 900) -> str:
    return key.issue(ACCESS, user=user, role="viewer", session_id="session", ttl_s=ttl_s)[0]


def ticket(key: TokenKey = KEY) -> str:
    return key.issue(f"{TICKET}:process", user="viewer", role="viewer", session_id="session", ttl_s=30)[0]


def headers(key: TokenKey = KEY) -> dict[str, str]:
    """What a phone that is logged in sends."""
    return {"authorization": f"Bearer {token(key)}"}
