"""Time-based one-time codes (RFC 6238: SHA-1, 6 digits, 30 s steps), by pyotp.

A code is accepted for its own time step and one to either side, and tells which step it belongs to: the caller
stores that step with a compare-and-set and refuses any step that is not newer, so that each is used once.
"""

import hmac
import re

import pyotp

STEP_S = 30
DRIFT_STEPS = 1


def new_secret() -> str:
    """A fresh secret, 160 bits in base32, as authenticator apps take it."""
    return pyotp.random_base32()


def uri(secret: str, *, user: str, site: str) -> str:
    """The `otpauth://` text that such an app reads from a QR code. It holds the secret."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=user, issuer_name=f"Wallport {site}")


def matching_step(secret: str, code: str, now: float) -> int | None:
    """The time step that `code` belongs to; None if it is wrong or not of now. `now` is real time, Unix seconds."""
    if not re.fullmatch(r"[0-9]{6}", code):
        return None
    totp = pyotp.TOTP(secret, interval=STEP_S)
    current = int(now) // STEP_S
    found = None
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        if step >= 0 and hmac.compare_digest(totp.generate_otp(step), code):
            found = step
    return found
