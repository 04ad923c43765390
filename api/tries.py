"""Counts wrong codes and passwords by what no network can change: the login that sent them, and the account. Pure.

A relay that lies names another network for each try, so nothing here asks for one. MOST_WRONG in a row end the login
that they came from. Codes are also counted per account, since whoever knows the password opens login after login; apart
for each origin, so that tries through the relay never keep the household waiting at home.

A try counts as wrong from the moment it is admitted until it is found right, so that many at once gain nothing.
Single-threaded: the api's event loop owns both.
"""

from collections import OrderedDict
from dataclasses import dataclass

from api.errors import TooManyAttempts

MOST_WRONG = 5
"""In one login. Ten thousand logins would be needed for a likely guess of a code, at three in a million each."""

ACCOUNT_CODES = 20
ANOTHER_CODE_S = 3600.0
"""Wrong codes of one account from one origin: these at once, then one an hour. In a year that is one guess in forty."""

MOST_ENTRIES = 10_000
"""Of each table, about 1 MB; only who knows a password adds to them, and the one touched longest ago goes first."""


class LoginTries:
    """How many wrong secrets in a row each login sent."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, int] = OrderedDict()

    def admit(self, session_id: str) -> None:
        """Count a try as wrong, or raise TooManyAttempts while that many are being judged; `right`, `undo` or `left`
        follow."""
        wrong = self._wrong.pop(session_id, 0)
        self._wrong[session_id] = min(wrong + 1, MOST_WRONG)
        while len(self._wrong) > MOST_ENTRIES:
            self._wrong.popitem(last=False)
        if wrong >= MOST_WRONG:
            raise TooManyAttempts("too many tries at once", retry_after_s=1.0)

    def right(self, session_id: str) -> None:
        """It starts over."""
        self._wrong.pop(session_id, None)

    def undo(self, session_id: str) -> None:
        """The try was neither right nor wrong, since it could not be checked."""
        if session_id in self._wrong:
            self._wrong[session_id] = max(0, self._wrong[session_id] - 1)

    def left(self, session_id: str) -> int:
        """How many wrong ones are left before the login must end; 0: now."""
        return MOST_WRONG - self._wrong.get(session_id, 0)


@dataclass(slots=True)
class Budget:
    """What refills with time: `left` at the instant `at`."""

    left: float
    at: float


class Budgets:
    """For each key `size` tries at once, then one each `another_s`. `now` is any steady seconds."""

    def __init__(self, size: int, another_s: float) -> None:
        self._size = size
        self._another_s = another_s
        self._budgets: OrderedDict[tuple[str, ...], Budget] = OrderedDict()

    def wait_s(self, key: tuple[str, ...], now: float) -> float:
        """How long until a try is left; 0 or less if one is. Asking keeps nothing: who is refused pushes nobody out."""
        return (1.0 - self._left(key, now)) * self._another_s

    def take(self, key: tuple[str, ...], now: float) -> None:
        """Use up one try; `give_back` returns it if it was not wrong. Raises TooManyAttempts if none is left."""
        wait_s = self.wait_s(key, now)
        if wait_s > 0:
            raise TooManyAttempts("too many wrong tries; wait a little", retry_after_s=wait_s)
        self._put(key, self._left(key, now) - 1.0, now)

    def give_back(self, key: tuple[str, ...], now: float) -> None:
        self._put(key, min(float(self._size), self._left(key, now) + 1.0), now)

    def _left(self, key: tuple[str, ...], now: float) -> float:
        budget = self._budgets.get(key)
        if budget is None:
            return float(self._size)
        return min(float(self._size), budget.left + (now - budget.at) / self._another_s)

    def _put(self, key: tuple[str, ...], left: float, now: float) -> None:
        self._budgets.pop(key, None)
        self._budgets[key] = Budget(left, now)
        while len(self._budgets) > MOST_ENTRIES:
            self._budgets.popitem(last=False)


def code_budgets() -> Budgets:
    """Of codes, by account and origin."""
    return Budgets(ACCOUNT_CODES, ANOTHER_CODE_S)
