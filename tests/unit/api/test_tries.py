"""Wrong codes by login and by account, and budgets that refill, with time as an argument."""

import pytest

from api import tries
from api.errors import TooManyAttempts
from api.tries import ACCOUNT_CODES, ANOTHER_CODE_S, MOST_WRONG, Budgets, LoginTries, code_budgets


def test_five_wrong_ones_in_a_row_use_a_login_up() -> None:
    """A right one in between starts over."""
    guard = LoginTries()
    for left in range(MOST_WRONG - 1, 0, -1):
        guard.admit("s")
        assert guard.left("s") == left
    guard.right("s")
    for left in range(MOST_WRONG - 1, -1, -1):
        guard.admit("s")
        assert guard.left("s") == left
    with pytest.raises(TooManyAttempts):
        guard.admit("s")
    guard.admit("another")


def test_many_at_once_are_no_more_tries() -> None:
    """What is being judged counts as wrong until it is found right."""
    guard = LoginTries()
    for _ in range(MOST_WRONG):
        guard.admit("s")
    for _ in range(3):
        with pytest.raises(TooManyAttempts):
            guard.admit("s")
    guard.undo("s")
    guard.admit("s")


def test_an_account_has_few_wrong_codes_whatever_the_login() -> None:
    """In a year of trying, a code is found once in forty years."""
    guard = code_budgets()
    admitted = 0
    for quarter in range(365 * 24 * 4):
        now = quarter * 900.0
        wait_s = guard.wait_s(("anna", "relay"), now)
        assert wait_s <= ANOTHER_CODE_S
        if wait_s <= 0:
            guard.take(("anna", "relay"), now)
            admitted += 1
    with pytest.raises(TooManyAttempts):
        guard.take(("anna", "relay"), now)
    assert admitted == pytest.approx(ACCOUNT_CODES + 365 * 24, abs=1)
    guard.take(("anna", "lan"), 0.0)
    guard.take(("bob", "relay"), 0.0)


def test_what_was_not_wrong_is_given_back() -> None:
    guard = Budgets(2, 10.0)
    for _ in range(10):
        guard.take(("a",), 0.0)
        guard.give_back(("a",), 0.0)
    guard.take(("a",), 0.0)
    guard.take(("a",), 0.0)
    assert guard.wait_s(("a",), 4.0) == pytest.approx(6.0)
    guard.take(("a",), 10.0)


def test_the_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "MOST_ENTRIES", 10)
    logins, budgets = LoginTries(), Budgets(1, 1.0)
    for n in range(100):
        logins.admit(f"s{n}")
        budgets.take((f"a{n}",), 0.0)
    assert len(logins._wrong) == len(budgets._budgets) == 10
