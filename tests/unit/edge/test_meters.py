"""What a meter reading is worth: the table, and that one odd message of any size changes nothing."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.meters import Meter, OddOutcome, OddReading
from edge.meters import GAP_S, ODD_S, STOOD_S, first, hear, is_settled, is_silent, lasting, wait

PATH = "grid.imported_wh"
START = 1_780_000_000.0
LOOP_S = 10.0
KW = 11_040.0


@dataclass
class Played:
    """A meter that is heard every 10 s while the wallbox speaks; `power_w` flows."""

    meter: Meter = field(default_factory=lambda: replace(first("topic", 2_000_000, START), is_lone=False))
    now: float = START
    power_w: float | None = 0.0
    odd: list[OddReading] = field(default_factory=list)

    def hear(self, wh: int, after_s: float = LOOP_S) -> "Played":
        self.now += after_s
        is_gap = self.now - self.meter.seen_at > GAP_S
        judged = hear(self.meter, PATH, "topic", wh, self.now, self.power_w, is_gap=is_gap)
        self.meter = judged.meter
        self.odd += judged.settled
        return self

    def wait(self, seconds: float) -> "Played":
        for _ in range(int(seconds)):
            self.now += 1
            judged = wait(self.meter, PATH, self.now, self.power_w, is_gap=False)
            self.meter = judged.meter
            self.odd += judged.settled
        return self

    @property
    def outcomes(self) -> list[OddOutcome]:
        return [reading.outcome for reading in self.odd]


def test_a_rise_that_the_power_explains_counts_at_once_and_is_sure_with_the_next() -> None:
    """The live meter is never late, and what was billed is never taken back by more than one message."""
    played = Played(power_w=KW)
    for number in range(1, 100):
        played.hear(2_000_000 + 31 * number)
        assert (played.meter.wh, played.meter.sure_wh) == (2_000_000 + 31 * number, 2_000_000 + 31 * (number - 1))
    assert played.odd == []


def test_a_last_reading_is_sure_when_it_has_stood() -> None:
    """What does not change is not said again."""
    played = Played(power_w=KW).hear(2_000_030)
    assert not is_settled(played.meter, START)
    assert played.wait(STOOD_S - 1).meter.sure_wh == 2_000_000
    assert played.wait(2).meter.sure_wh == 2_000_030
    assert is_settled(played.meter, START)


@pytest.mark.parametrize("spike", [1, 9, 50, 300, 3_000, 65_536, 9_113_000])
def test_a_rise_that_does_not_last_is_nothing(spike: int) -> None:
    """Whether power explains it or not; what was odd is kept unless it is no more than rounding."""
    played = Played(power_w=KW).hear(2_000_030).hear(2_000_060 + spike).hear(2_000_090).hear(2_000_120)
    assert (played.meter.wh, played.meter.sure_wh, played.meter.count) == (2_000_120, 2_000_090, None)
    assert played.outcomes == ([OddOutcome.DROPPED] if spike > 40 else [])
    assert all(reading.first_wh == 2_000_060 + spike for reading in played.odd)


def test_a_rise_that_lasts_counts() -> None:
    """The meter stood still, or its messages were late; it is told as odd all the same."""
    played = Played(power_w=0.0)
    for number in range(13):
        assert played.meter.wh == 2_000_000
        played.hear(2_003_000 + number)
    played.wait(1)
    assert (played.meter.wh, played.meter.count) == (2_003_012, None)
    assert played.outcomes == [OddOutcome.COUNTED]


def test_the_bound_does_not_grow_while_a_reading_is_odd() -> None:
    """However long the odd reading stands, what it is compared with is what was possible when it came."""
    played = Played(power_w=0.0).hear(9_000_000).wait(ODD_S - 5)
    assert played.meter.wh == 2_000_000
    assert played.hear(2_000_001, 1).meter.wh == 2_000_001
    assert played.outcomes == [OddOutcome.DROPPED]


@pytest.mark.parametrize("new", [3, 1_934_464, 9_000_000])
def test_a_count_that_lasts_is_a_new_one_from_its_first_reading_on(new: int) -> None:
    """And what flowed in the seconds before that reading is reckoned from power, so that nothing is lost."""
    played = Played(power_w=KW).hear(2_000_031)
    for number in range(13):
        assert played.meter.wh == 2_000_031
        played.hear(new + 31 * number)
    played.wait(1)
    assert played.meter.wh == new + 31 * 12
    assert played.meter.count is not None
    assert (played.meter.count.before_wh, played.meter.count.seen_wh) == (2_000_031, new)
    assert played.meter.count.first_wh == pytest.approx(max(0, new - KW * LOOP_S / 3600))
    assert played.outcomes == [OddOutcome.NEW_COUNT]


def test_a_meter_that_counts_on_from_zero_began_at_zero() -> None:
    """Its first reading above 0 may be late: what it shows is all its own."""
    played = Played(power_w=KW).hear(0)
    for number in range(1, 15):
        played.hear(31 * number)
    played.wait(1)
    assert played.meter.count is not None
    assert (played.meter.count.first_wh, played.meter.wh) == (0, 31 * 14)


def test_zero_is_never_believed() -> None:
    """After two minutes nobody knows what the meter stands at; the count goes on when it is back."""
    played = Played(power_w=0.0).hear(0).wait(100)
    assert not is_silent(played.meter)
    assert is_silent(played.wait(100_000).meter)
    assert is_settled(played.meter, START)
    assert played.hear(2_000_004).meter.wh == 2_000_004
    assert played.meter.count is None


def test_silence_makes_nothing_last() -> None:
    """A gap is no evidence; afterwards anything that 500 kW can carry is possible."""
    played = Played(power_w=0.0).hear(5)
    played.now += 3600
    judged = wait(played.meter, PATH, played.now, 0.0, is_gap=True)
    assert judged.meter.held is not None
    assert judged.meter.wh == 2_000_000
    played.meter = judged.meter
    assert played.hear(2_030_000).meter.wh == 2_030_000


def test_a_first_reading_that_is_odd_is_no_energy() -> None:
    """There was nothing to doubt it by: what is said afterwards, and lasts, is no rise from it."""
    played = Played(meter=replace(first("topic", 1_998_270, START), power_w=KW), power_w=KW)
    for number in range(14):
        played.hear(2_000_000 + 31 * number)
    played.wait(1)
    assert played.meter.wh > 2_000_000
    assert played.meter.count is not None
    assert played.meter.count.first_wh == 2_000_000


def test_another_topic_is_another_meter() -> None:
    """As when another counter of 2.x becomes the grid's: there is nothing to compare with."""
    meter = hear(Played().meter, PATH, "other", 5, START + 10, 0.0, is_gap=False).meter
    assert (meter.wh, meter.source, meter.count) == (5, "other", None)


def test_rounding_is_no_fall() -> None:
    """A reading lower by some Wh changes nothing, however long it stands."""
    played = Played(power_w=0.0)
    for _ in range(100):
        played.hear(1_999_993)
    assert (played.meter.wh, played.meter.held, played.odd) == (2_000_000, None, [])


odd_words = st.one_of(st.integers(0, 400), st.integers(0, 10_000_000), st.integers(1_999_000, 2_020_000))


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.integers(0, 31), min_size=4, max_size=60),
    odd=odd_words,
    at=st.integers(0, 57),
    power=st.sampled_from([None, 0.0, 1_400.0, KW]),
)
def test_one_odd_message_of_any_size_changes_nothing(steps: list[int], odd: int, at: int, power: float | None) -> None:
    """Wherever it comes, whatever the power says: two messages later everything is as if it had not been."""
    at = min(at, len(steps) - 3)
    plain, shaken, wh = Played(power_w=power), Played(power_w=power), 2_000_000
    for number, step in enumerate(steps):
        wh += step
        plain.hear(wh)
        shaken.hear(odd if number == at else wh)
    for played in (plain, shaken):
        played.wait(ODD_S + STOOD_S)
    assert shaken.meter.wh == plain.meter.wh == wh
    assert shaken.meter.sure_wh == wh
    assert shaken.meter.count is None
    assert OddOutcome.NEW_COUNT not in shaken.outcomes


@settings(max_examples=200, deadline=None)
@given(words=st.lists(odd_words, max_size=40), waits=st.lists(st.sampled_from([1, 10, 70, 130]), max_size=40))
def test_what_is_believed_never_falls_but_for_one_message_or_a_new_count(words: list[int], waits: list[int]) -> None:
    """Whatever is said: within a count what is sure only grows, and what is believed is never less."""
    played = Played()
    for word, seconds in zip(words, waits, strict=False):
        before = played.meter
        played.hear(word, 5).wait(seconds)
        assert played.meter.sure_wh <= played.meter.wh
        if played.meter.count == before.count:
            assert played.meter.sure_wh >= before.sure_wh


class TestStored:
    """Readings that were stored before anybody judged them, or by another program."""

    @dataclass(frozen=True)
    class Read:
        wh: int

    @pytest.mark.parametrize(
        ("stored", "kept"),
        [
            ([1, 2, 3], [1, 2, 3]),
            ([1, 900, 3], [1, 3]),
            ([9_000, 2, 9_003], [9_000, 9_003]),
            ([10, 2, 5], [10, 2, 5]),
            ([100, 2, 105], [100, 2, 105]),
            ([1, 900, 903], [1, 900, 903]),
            ([5, 5, 900, 5, 6], [5, 5, 5, 6]),
            ([900, 3], [900, 3]),
            ([], []),
        ],
    )
    def test_one_reading_that_its_neighbours_make_odd(self, stored: list[int], kept: list[int]) -> None:
        """Above both of them, or so far below that no power explains how the meter came back."""
        readings = [self.Read(wh) for wh in stored]
        assert [reading.wh for reading in lasting(readings, lambda _first, _second: 200.0)] == kept
