"""The three rules of the throttle, with time as an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import throttle
from api.errors import TooManyAttempts
from api.throttle import ACCOUNT_TRIES, FREE_TRIES, NETWORK_TRIES, WINDOW_S, Throttle

OWNER = "192.168.1.20"


def wait_s(of: Throttle, account: str, network: str, now: float) -> float:
    """How long this try is told to wait; 0 if it was admitted (and counts as wrong)."""
    try:
        of.admit(account, network, now)
    except TooManyAttempts as exc:
        return exc.retry_after_s
    return 0.0


def test_free_tries_then_waits_that_double() -> None:
    """2 s, 4 s, 8 s … up to the window, however long one waits in between."""
    guard, now = Throttle(), 1000.0
    for _ in range(FREE_TRIES):
        assert wait_s(guard, "anna", "a", now) == 0
    waits = []
    for _ in range(12):
        waits.append(wait_s(guard, "anna", "a", now))
        now += waits[-1]
        assert wait_s(guard, "anna", "a", now) == 0
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] <= WINDOW_S


def test_a_refused_try_does_not_count() -> None:
    """An impatient client does not make it worse."""
    guard = Throttle()
    for _ in range(FREE_TRIES):
        guard.admit("anna", "a", 0)
    assert [wait_s(guard, "anna", "a", 1) for _ in range(50)] == [1.0] * 50
    assert wait_s(guard, "anna", "a", 2) == 0


def test_everything_is_forgotten_after_a_quiet_window() -> None:
    """Free tries are back."""
    guard = Throttle()
    for _ in range(FREE_TRIES):
        guard.admit("anna", "a", 0)
    for _ in range(FREE_TRIES):
        assert wait_s(guard, "anna", "a", WINDOW_S) == 0


def test_an_attacker_elsewhere_locks_nobody_out() -> None:
    """Ten thousand addresses at one account: the owner's first try passes, and so does the known phone's every try."""
    guard, now = Throttle(), 1000.0
    guard.admit("anna", OWNER, now)
    guard.succeeded("anna", OWNER, now)
    admitted = sum(wait_s(guard, "anna", f"net-{n % 3000}", now) == 0 for n in range(9000))
    assert admitted <= 3000 + ACCOUNT_TRIES
    assert wait_s(guard, "anna", "new-phone", now) == 0
    assert wait_s(guard, "anna", OWNER, now) == 0


def test_under_attack_each_new_network_has_one_try() -> None:
    """In place of the free ones, per window."""
    guard = Throttle()
    for n in range(ACCOUNT_TRIES):
        guard.admit("anna", f"net-{n}", 0)
    assert wait_s(guard, "anna", "fresh", 1) == 0
    assert wait_s(guard, "anna", "fresh", 2) == pytest.approx(WINDOW_S - 1)
    assert wait_s(guard, "bob", "fresh", 2) == 0


def test_a_walk_through_names_is_stopped_but_not_for_the_household() -> None:
    """A guest on the same network cannot block those who logged in from it before."""
    guard = Throttle()
    guard.admit("anna", "home", 0)
    guard.succeeded("anna", "home", 0)
    for n in range(NETWORK_TRIES):
        assert wait_s(guard, f"name-{n}", "home", 1) == 0
    assert wait_s(guard, "another", "home", 2) > WINDOW_S / 2
    assert wait_s(guard, "anna", "home", 2) == 0


def test_what_could_not_be_checked_does_not_count() -> None:
    """A database outage must not lock anybody out."""
    guard = Throttle()
    for _ in range(50):
        guard.admit("anna", "a", 0)
        guard.undo("anna", "a", 0)


def test_the_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest entry goes."""
    monkeypatch.setattr(throttle, "MOST_ENTRIES", 10)
    guard = Throttle()
    for n in range(100):
        guard.admit(f"name-{n}", f"net-{n}", 0)
    assert len(guard._pairs.counts) == len(guard._networks.counts) == len(guard._accounts.counts) == 10


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(0, 100)), max_size=60))
def test_no_pair_ever_waits_longer_than_the_window(tries: list[tuple[str, str, float]]) -> None:
    """Whatever happened before."""
    guard, now = Throttle(), 0.0
    for account, network, pause in tries:
        now += pause
        assert wait_s(guard, account, network, now) <= WINDOW_S
