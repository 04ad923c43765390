"""A wallbox that is deaf, slow or refusing, and a person at its display: the same for every generation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.clock import SystemClock
from common.errors import FieldError
from common.health import Health
from simulator.manners import MOST_HELD, Manners
from simulator.physics import Site
from simulator.v1.wallbox import Wallbox
from simulator.wallbox import Message

AT = 1_795_420_800.0  # Mon Nov 23 09:00:00 CET 2026
SET_MODE = "openWB/set/ChargeMode"
CLEARED = Message(SET_MODE, "", qos=2)


@pytest.fixture
def health() -> Health:
    return Health(SystemClock())


@pytest.fixture
def manners(health: Health) -> Manners:
    return Manners(Wallbox(Site(), 1, AT), health)


def turn(manners: Manners, knob: str, payload: str) -> list[Message]:
    return manners.handle(f"simulator/control/{knob}", payload.encode(), AT)


def set_mode(manners: Manners, mode: int, now: float = AT) -> list[Message]:
    return manners.handle(SET_MODE, str(mode).encode(), now)


def echo(mode: int) -> list[Message]:
    return [Message("openWB/global/ChargeMode", str(mode)), CLEARED]


def test_it_answers_at_once_unless_told_otherwise(manners: Manners) -> None:
    """With the echo and the emptied topic."""
    assert set_mode(manners, 2) == echo(2)
    assert manners.next_due_at() == AT + 10
    assert manners.take_held(AT + 100) == []


def test_a_deaf_one_does_nothing_at_all(manners: Manners) -> None:
    """Until it hears again; what it did not hear is lost."""
    turn(manners, "deaf", "1")
    assert set_mode(manners, 2) == []
    turn(manners, "deaf", "0")
    assert set_mode(manners, 3) == echo(3)


def test_a_refusing_one_empties_the_topic_only(manners: Manners) -> None:
    """As for a value out of range; the emptied topic itself, which it hears too, is not emptied again."""
    turn(manners, "refuse", "1")
    assert set_mode(manners, 2) == [CLEARED]
    assert manners.handle(SET_MODE, b"", AT) == []
    turn(manners, "refuse", "0")
    assert set_mode(manners, 2) == echo(2)


def test_a_slow_one_answers_late_and_in_order(manners: Manners) -> None:
    """Also what comes after it was told to be prompt again, as long as something waits."""
    turn(manners, "slow", "4")
    assert set_mode(manners, 2, AT) == []
    assert set_mode(manners, 3, AT + 1) == []
    turn(manners, "slow", "0")
    assert set_mode(manners, 4, AT + 2) == []
    assert manners.next_due_at() == AT + 4
    assert manners.take_held(AT + 3.9) == []
    assert manners.take_held(AT + 4) == echo(2)
    assert manners.take_held(AT + 4) == []
    assert [manners.take_held(AT + 5) for _ in range(3)] == [echo(3), echo(4), []]
    assert set_mode(manners, 0, AT + 5) == echo(0)


def test_a_slow_one_holds_so_many_and_counts_the_rest(manners: Manners, health: Health) -> None:
    """A flood does not fill the memory."""
    turn(manners, "slow", "60")
    for _ in range(MOST_HELD + 3):
        set_mode(manners, 2)
    assert health.counters() == {"manners.held_dropped": 3}


def test_a_person_changes_values_without_a_set_message(manners: Manners) -> None:
    """Also while the wallbox is deaf to others; a person's mistake changes nothing."""
    turn(manners, "deaf", "1")
    assert turn(manners, "person/set/ChargeMode", "3") == [Message("openWB/global/ChargeMode", "3")]
    assert turn(manners, "person/set/ChargeMode", "9") == []


@pytest.mark.parametrize(
    ("knob", "payload"),
    [
        ("deaf", "yes"),
        ("refuse", ""),
        ("slow", "-1"),
        ("slow", "nan"),
        ("slow", "3601"),
        ("slow", "soon"),
        ("person", "3"),
        ("vanish", "1"),
        ("vanish", "3"),
        ("appear", "two"),
        ("car/1", "parked"),
        ("car/9", "away"),
        ("soc/1", "101"),
        ("soc/1", "full"),
        ("rse", "on"),
        ("mark", ""),
        ("nothing", "1"),
    ],
)
def test_what_no_knob_takes_is_named(manners: Manners, knob: str, payload: str) -> None:
    """And changes nothing."""
    with pytest.raises(FieldError):
        turn(manners, knob, payload)
    assert set_mode(manners, 2) == echo(2)


@given(knob=st.text(max_size=30), payload=st.binary(max_size=20))
def test_no_knob_fails_in_another_way(knob: str, payload: bytes) -> None:
    """Whatever comes on the control topics, it is done or named."""
    manners = Manners(WALLBOX, Health(SystemClock()))
    try:
        manners.handle(f"simulator/control/{knob}", payload, AT)
    except FieldError as error:
        assert error.faults  # noqa: PT017 - either outcome is right


WALLBOX = Wallbox(Site(), 1, AT)
