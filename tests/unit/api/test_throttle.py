"""The rules of the throttle of passwords, with time as an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import throttle
from api.addresses import area_of, network_of
from api.errors import TooManyAttempts
from api.throttle import (
    ANOTHER_WALK_S,
    AREA_TRIES,
    AREA_WALK,
    FORGOTTEN_S,
    FREE_TRIES,
    MOST_KNOWN,
    STRANGERS,
    STRANGERS_WALK,
    WINDOW_S,
    SecretThrottle,
    Source,
    Throttle,
)

DAY_S = 86_400.0


def source(network: str, area: str = "", *, origin: str = "relay", device: str | None = None) -> Source:
    return Source(origin, network, area or network, device)


OWNER = source("192.0.2.20")


def wait_s(of: Throttle, account: str, where: Source, now: float) -> float:
    """How long this try is told to wait; 0 if it was admitted (and counts as wrong)."""
    try:
        of.admit(account, where, now)
    except TooManyAttempts as exc:
        return exc.retry_after_s
    return 0.0


def logged_in(of: Throttle, account: str, where: Source, now: float) -> None:
    of.admit(account, where, now)
    of.succeeded(account, where, now)


def guesses_of_a_day(of: Throttle, account: str, sources: list[Source]) -> int:
    """How many wrong passwords somebody gets judged who tries from all of these as often as they may, in rounds that
    end before the waits grow long, each as soon as the one before is forgotten."""
    made, now = 0, 1.0
    while now < DAY_S:
        for second in range(120):
            made += sum(wait_s(of, account, where, now + second) == 0 for where in sources)
        now += 120 + FORGOTTEN_S
    return made


@pytest.mark.parametrize("is_known", [True, False])
def test_free_tries_then_waits_that_double(is_known: bool) -> None:
    """2 s, 4 s, 8 s … up to the window, however long one waits in between."""
    guard, now = Throttle(), 1000.0
    if is_known:
        logged_in(guard, "anna", OWNER, now)
    for _ in range(FREE_TRIES):
        assert wait_s(guard, "anna", OWNER, now) == 0
    waits = []
    for _ in range(12):
        waits.append(wait_s(guard, "anna", OWNER, now))
        now += waits[-1]
        assert wait_s(guard, "anna", OWNER, now) == 0
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] <= WINDOW_S


def test_a_refused_try_does_not_count() -> None:
    """An impatient client does not make it worse."""
    guard = Throttle()
    for _ in range(FREE_TRIES):
        guard.admit("anna", OWNER, 0)
    assert [wait_s(guard, "anna", OWNER, 1) for _ in range(50)] == [1.0] * 50
    assert wait_s(guard, "anna", OWNER, 2) == 0


def test_everything_is_forgotten_after_a_quiet_hour() -> None:
    """Free tries are back."""
    guard = Throttle()
    for _ in range(FREE_TRIES):
        guard.admit("anna", OWNER, 0)
    for _ in range(FREE_TRIES):
        assert wait_s(guard, "anna", OWNER, FORGOTTEN_S) == 0


def test_whoever_names_another_network_each_time_gains_nothing() -> None:
    """A relay that lies: of 31,000 tries within 40 s, and of one each 4 s for a day, few are judged."""
    guard = Throttle()
    assert sum(wait_s(guard, "anna", source(f"n{n}"), n / 775) == 0 for n in range(31_000)) == STRANGERS
    guard = Throttle()
    judged = sum(wait_s(guard, "anna", source(f"n{n}"), n * DAY_S / 20_000) == 0 for n in range(20_000))
    assert judged <= STRANGERS + DAY_S / 60 + 1


def test_a_network_of_ones_own_is_one_stranger() -> None:
    """The /48 that anybody gets from a provider: 65,536 networks, and as many tries as one."""
    guard = Throttle()
    addresses = [f"2001:db8:7:{n:x}::1" for n in range(65_536)]
    sources = [source(network_of(address), area_of(address)) for address in addresses]
    assert len({where.network for where in sources}) == 65_536
    assert sum(wait_s(guard, "anna", where, n / 100) == 0 for n, where in enumerate(sources)) == AREA_TRIES
    assert wait_s(guard, "anna", OWNER, 656) == 0, "others are not kept out by it"


def test_strangers_keep_nobody_of_the_household_out() -> None:
    """While ten thousand networks try: neither the known network, nor the known device anywhere, nor anybody at home,
    each with typing errors of their own."""
    guard, now = Throttle(), 1000.0
    logged_in(guard, "anna", OWNER, now)
    for n in range(10_000):
        wait_s(guard, "anna", source(f"n{n}"), now)
    assert wait_s(guard, "anna", source("fresh"), now) > 0
    for where in (OWNER, source("fresh", device="phone"), source("192.168.1.7", origin="lan")):
        for _ in range(FREE_TRIES):
            assert wait_s(guard, "anna", where, now) == 0


def test_a_guest_on_the_owners_network_does_not_stop_the_owners_device() -> None:
    """Only a new device there waits, and no longer than the window."""
    guard = Throttle()
    logged_in(guard, "anna", OWNER, 0)
    while wait_s(guard, "anna", OWNER, 1) == 0:
        pass
    assert wait_s(guard, "anna", source(OWNER.network, device="phone"), 1) == 0
    assert wait_s(guard, "anna", OWNER, 1 + WINDOW_S) == 0


def test_what_is_known_can_be_tried_out_by_few() -> None:
    """A relay that claims every network of the household, and has seen a token of each device: bounded, too."""
    guard = Throttle()
    networks = [source(f"known{n}") for n in range(3 * MOST_KNOWN)]
    for where in networks:
        logged_in(guard, "anna", where, 0)
    devices = [source("any", device=f"d{n}") for n in range(4)]
    strangers = STRANGERS + DAY_S / 60 + 1
    a_source = 11 * DAY_S / FORGOTTEN_S
    assert guesses_of_a_day(guard, "anna", networks + devices) <= strangers + (MOST_KNOWN + len(devices)) * a_source


def test_a_walk_through_names_is_stopped_but_not_for_the_household() -> None:
    """A guest on the same network cannot block those who logged in from it before; many networks are stopped, too."""
    guard = Throttle()
    logged_in(guard, "anna", OWNER, 0)
    for n in range(AREA_WALK):
        assert wait_s(guard, f"name-{n}", OWNER, 1) == 0
    assert wait_s(guard, "another", OWNER, 2) > WINDOW_S / 2
    assert wait_s(guard, "anna", OWNER, 2) == 0
    judged = sum(wait_s(guard, f"somebody-{n}", source(f"n{n}"), 3) == 0 for n in range(1000))
    assert judged == STRANGERS_WALK - AREA_WALK
    assert wait_s(guard, "anna", OWNER, 3) == 0


def test_tries_for_other_names_wash_nothing_away() -> None:
    """Ten thousand names from as many networks push no count out, and do not make a known network strange; nor do those
    that are refused, when a stranger may try again."""
    guard = Throttle()
    logged_in(guard, "anna", OWNER, 0)
    for n in range(STRANGERS):
        guard.admit("anna", source(f"n{n}"), 1)
    for n in range(11_000):
        wait_s(guard, f"name-{n}", source(f"m{n}"), 2)
    assert wait_s(guard, "bob", source("other"), 2 + ANOTHER_WALK_S) == 0
    assert wait_s(guard, "anna", source("fresh"), 2 + 2 * ANOTHER_WALK_S) > 30
    assert wait_s(guard, "anna", OWNER, 2 + 2 * ANOTHER_WALK_S) == 0


def test_whoever_is_refused_does_not_wash_the_own_network_white() -> None:
    guard = Throttle()
    for n in range(AREA_TRIES):
        guard.admit("anna", source(f"n{n}", "mine"), 1)
    for n in range(11_000):
        wait_s(guard, f"name-{n}", source(f"m{n}", "mine"), 2)
    assert wait_s(guard, "anna", source("fresh", "mine"), 2) > 0
    assert guard._areas.counts["anna", "relay", "mine"].wrong == AREA_TRIES


def test_what_could_not_be_checked_or_was_right_does_not_count() -> None:
    """A database outage must not lock anybody out, nor a script that logs in often."""
    guard = Throttle()
    for n in range(3 * STRANGERS_WALK):
        guard.admit("anna", source(f"n{n}", "one"), 0)
        guard.undo("anna", source(f"n{n}", "one"), 0)
    for _ in range(3 * STRANGERS_WALK):
        logged_in(guard, "anna", OWNER, 0)
        guard.admit("anna", source("a", device="phone"), 0)
        guard.undo("anna", source("a", device="phone"), 0)


def test_one_time_secrets_are_bounded_by_area_alone() -> None:
    """Nobody guesses 256 bits: the bound is for the work, and strangers must not keep a phone from being paired."""
    guard = SecretThrottle()
    for _ in range(FREE_TRIES):
        guard.admit(source("a1", "a"), 0)
    with pytest.raises(TooManyAttempts):
        guard.admit(source("a2", "a"), 0)
    for n in range(1000):
        guard.admit(source(f"n{n}"), 0)
    guard.admit(source("b"), 0)


def test_the_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest entry goes."""
    monkeypatch.setattr(throttle, "MOST_ENTRIES", 10)
    guard = Throttle()
    for n in range(100):
        logged_in(guard, f"name-{n}", source(f"net-{n}"), 0)
        logged_in(guard, f"name-{n}", source("x", device=f"d{n}"), 0)
    tables = (guard._of_known, guard._of_strangers, guard._areas, guard._walks)
    assert all(len(table.counts) <= 10 for table in tables)
    assert len(guard._known) == 10


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(0, 100)), max_size=60))
def test_nobody_ever_waits_longer_than_the_window(tries: list[tuple[str, str, float]]) -> None:
    """Whatever happened before."""
    guard, now = Throttle(), 0.0
    for account, network, pause in tries:
        now += pause
        assert wait_s(guard, account, source(network), now) <= WINDOW_S
