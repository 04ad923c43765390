"""TOTP: the RFC's own vectors, the accepted drift, and garbage."""

import base64
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.security import totp

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("instant", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_codes_of_rfc_6238_match_their_step(instant: int, code: str) -> None:
    """Appendix B, last six digits."""
    assert totp.matching_step(RFC_SECRET, code, instant) == instant // 30


@pytest.mark.parametrize(("drift_s", "is_accepted"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_one_step_of_drift_is_accepted(drift_s: int, is_accepted: bool) -> None:
    """And the step that is returned is the code's own, not the present one."""
    now = 1_800_000_000
    code = pyotp.TOTP(RFC_SECRET).at(now + drift_s)
    assert totp.matching_step(RFC_SECRET, code, now) == ((now + drift_s) // 30 if is_accepted else None)


@given(st.text(max_size=12))
def test_any_other_text_is_no_code(text: str) -> None:
    """Also digits of other scripts, which `int` would take."""
    if text != pyotp.TOTP(RFC_SECRET).at(0) and text != pyotp.TOTP(RFC_SECRET).at(30):
        assert totp.matching_step(RFC_SECRET, text, 0) is None


def test_a_new_secret_is_long_enough_and_fits_into_a_uri() -> None:
    """160 bits, and the uri names site and user."""
    secret = totp.new_secret()
    assert len(base64.b32decode(secret)) == 20
    parts = urlsplit(totp.uri(secret, user="anna", site="home"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parse_qs(parts.query) == {"secret": [secret], "issuer": ["Wallport home"]}
