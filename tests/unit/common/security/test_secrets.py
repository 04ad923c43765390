"""Refresh tokens, recovery codes, and the existing app's token."""

import base64
import json
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from common import logs
from common.security import recovery_codes, refresh_tokens
from common.security.tokens import LEGACY, InvalidToken, TokenKey

KEY = TokenKey(Ed25519PrivateKey.generate(), "höme", lambda: 1_800_000_000)


def test_a_family_stays_and_its_secret_changes() -> None:
    """Neither hash is the text, and the text is in no log. The same key makes the same successor, another does not."""
    first = refresh_tokens.new()
    second = first.next(KEY.derived)
    assert second == first.next(TokenKey(KEY._private_key, "another name").derived)
    assert second != first.next(TokenKey(Ed25519PrivateKey.generate(), "höme").derived)
    assert refresh_tokens.read(second.text) == second
    assert len({first.text, second.text, second.next(KEY.derived).text, refresh_tokens.new().text}) == 4
    assert first.family_hash == second.family_hash
    assert first.token_hash != second.token_hash
    assert refresh_tokens.read(first.text) == first
    assert first.text not in repr(first)
    assert first.text not in logs.redact_text(f"sent {first.text} away")


@given(st.text())
def test_nothing_else_reads_as_a_refresh_token(text: str) -> None:
    """And any text has a digest, also half a character."""
    assert refresh_tokens.read(text) is None
    assert re.fullmatch("[0-9a-f]{64}", refresh_tokens.digest(text + "\ud800"))


def test_recovery_codes_are_taken_as_people_type_them() -> None:
    """In upper case, without dashes, with blanks; six digits and rubbish are none."""
    codes = recovery_codes.new_codes()
    assert len(set(codes)) == recovery_codes.HOW_MANY == len(set(recovery_codes.hashes(codes)))
    kept = recovery_codes.code_hash(codes[0])
    assert kept is not None
    assert recovery_codes.code_hash(f" {codes[0].upper().replace('-', ' ')} ") == kept
    assert recovery_codes.code_hash("123456") is None
    assert recovery_codes.code_hash("a" * 17) is None


@given(st.text(max_size=64), st.text(max_size=5))
@settings(deadline=None)
def test_the_existing_app_can_read_its_token(user: str, tag: str) -> None:
    """Its decoder knows the standard alphabet only, and pads with as many "=" as are too many, not too few."""
    claims = {"username": user, "tagName": tag, "admin": True}
    token = KEY.issue_legacy(user="anna", role="admin", session_id="s-_", ttl_s=10**7, is_limited=True, claims=claims)
    payload = token.split(".")[1]
    assert re.fullmatch("[A-Za-z0-9]+", payload)
    padded = payload + "=" * (len(payload) % 4)
    assert len(padded) % 4 == 0
    told = json.loads(base64.b64decode(padded, validate=True))
    assert {name: told[name] for name in claims} == claims
    read = KEY.verify_bearer(token)
    assert (read.audience, read.user, read.is_limited) == (LEGACY, "anna", True)
    with pytest.raises(InvalidToken):
        KEY.verify("wallport-access", token)


def test_claims_of_the_app_do_not_replace_ours() -> None:
    """Whatever a user's name or tag is made of."""
    token = KEY.issue_legacy(
        user="anna", role="viewer", session_id="s", ttl_s=1, is_limited=False, claims={"role": "admin", "sid": "x"}
    )
    read = KEY.verify_bearer(token)
    assert (read.role, read.session_id) == ("viewer", "s")
