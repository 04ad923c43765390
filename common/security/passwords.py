"""Passwords as argon2id hashes, with argon2-cffi's defaults (RFC 9106, low-memory profile: 0.1 s and 64 MiB each).

Hashing blocks for that long: the api calls this in a small executor of its own. Hashes made with older parameters
still verify, and say that they should be renewed.
"""

import unicodedata
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from common.errors import FieldError

SHORTEST = 10  # characters; NIST SP 800-63B asks for 8, and these logins can be tried from the internet
LONGEST = 256  # characters; far above any passphrase, and bounds what an attacker can make us hash

FEWEST_GUESSES = 1_000_000
"""Below this zxcvbn calls a password very guessable: it is in its list of common ones, or much like one of them."""

LOOKED_AT = 16
"""Characters of a password that are judged: zxcvbn takes 0.1 to 0.3 s for the worst of that length, like argon2, and
many seconds for 64. What begins with so many characters that nobody would try first is good enough."""

OUR_WORDS = ("wallport", "openwb", "wallbox", "passwort", "ladestation")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`needs_rehash` is True only for a right password whose hash has outdated parameters."""

    is_right: bool
    needs_rehash: bool = False


class Passwords:
    """Hashes and verifies. Thread-safe; every method blocks for about 0.1 s, also the constructor."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobodys_hash = self._hasher.hash("no user has this hash")

    def hash(self, password: str) -> str:
        """The text to store of a new password. Raises FieldError for one that `checked` refuses."""
        return self._hasher.hash(_prepared(checked(password)))

    def rehash(self, password: str) -> str:
        """The text to store of a password that is in use: what was good enough once is not judged again."""
        return self._hasher.hash(_prepared(password))

    def verify(self, stored_hash: str | None, password: str) -> Verdict:
        """Whether `password` belongs to `stored_hash`; None (no such user) costs the same time and is never right."""
        try:
            self._hasher.verify(stored_hash or self._nobodys_hash, _prepared(password))
        except (VerificationError, InvalidHashError, UnicodeEncodeError):  # the last: a damaged row, a lone surrogate
            return Verdict(is_right=False)
        if stored_hash is None:
            return Verdict(is_right=False)
        return Verdict(is_right=True, needs_rehash=self._hasher.check_needs_rehash(stored_hash))


def checked(password: str) -> str:
    """The password as it is, or FieldError if it cannot be a new one."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise FieldError("bad password", {"password": f"must have {SHORTEST} to {LONGEST} characters"})
    if any("\ud800" <= character <= "\udfff" for character in password):
        raise FieldError("bad password", {"password": "must be valid text"})
    if zxcvbn(password[:LOOKED_AT], user_inputs=OUR_WORDS)["guesses"] < FEWEST_GUESSES:
        raise FieldError("bad password", {"password": "is among those that are tried first; choose a less common one"})
    return password


def _prepared(password: str) -> str:
    """One form for what a phone and a desktop may send as different code points (RFC 8265, OpaqueString: NFC)."""
    return unicodedata.normalize("NFC", password)
