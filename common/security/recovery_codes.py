"""Recovery codes: what opens a second factor when the phone is lost. Each works once; only SHA-256 is kept.

80 random bits in the letters of base32, in four groups that a person can type: `abcd-2345-efgh-6723`.
"""

import re
import secrets

from common.security.refresh_tokens import digest

HOW_MANY = 10
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_FORM = re.compile(r"[a-z2-7]{16}")


def new_codes() -> list[str]:
    """HOW_MANY fresh ones, as they are shown."""
    return [_grouped("".join(secrets.choice(_LETTERS) for _ in range(16))) for _ in range(HOW_MANY)]


def code_hash(code: str) -> str | None:
    """What is kept of a code, however it was typed; None if it cannot be one."""
    bare = re.sub(r"[\s-]", "", code).lower()
    return digest(bare) if _FORM.fullmatch(bare) else None


def hashes(codes: list[str]) -> list[str]:
    """What is kept of fresh codes."""
    return [kept for code in codes if (kept := code_hash(code)) is not None]


def _grouped(bare: str) -> str:
    return "-".join(bare[at : at + 4] for at in range(0, 16, 4))
