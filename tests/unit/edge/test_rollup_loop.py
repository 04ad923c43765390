"""The rollup loop on a store with knobs: how fast it works, and when it forgets."""

from zoneinfo import ZoneInfo

from common.errors import StoreUnavailable
from common.health import Health, Status
from edge.loops.rollups import BREATH_S, LOOK_S, RollupLoop
from edge.retention import DAY_S, Kept, limits, not_before, samples_before
from edge.rollups import Reckoner
from tests.kit.clock import ManualClock

BERLIN = ZoneInfo("Europe/Berlin")
NOW = 1_796_036_400.0  # 2026-11-30 12:00 in Berlin
NOVEMBER, OCTOBER = 1_793_487_600, 1_790_805_600


class Pieces:
    """A store with so many pieces of work, and so many rows to forget; `is_away` makes it fail."""

    def __init__(self, marks: int = 0, old: int = 0) -> None:
        self.marks, self.old = marks, old
        self.is_away = False
        self.forgotten: list[tuple[Kept, int]] = []

    def advance(self, reckoner: Reckoner) -> int:
        if self.is_away:
            raise StoreUnavailable("away")
        self.marks = max(0, self.marks - 1)
        return self.marks

    def adopt_zone(self, not_before: int) -> bool:
        return False

    def forget(self, kept: Kept, before: int) -> int:
        self.forgotten.append((kept, before))
        self.old = max(0, self.old - 1)
        return self.old


def loop(store: Pieces, clock: ManualClock, keep_days: dict[Kept, int], settled_s: float = 0.0) -> RollupLoop:
    return RollupLoop(store, 60, BERLIN, keep_days, Health(clock), clock, settled_s=settled_s)


def test_a_backlog_is_worked_off_and_then_it_looks_now_and_then() -> None:
    """With a breath between two pieces, so that recording comes first."""
    subject = loop(Pieces(marks=3), ManualClock(NOW), {})
    assert [subject._turn() for _ in range(4)] == [BREATH_S, BREATH_S, LOOK_S, LOOK_S]


def test_an_outage_is_said_and_waited_for() -> None:
    """And it goes on by itself."""
    store, clock = Pieces(marks=3), ManualClock(NOW)
    health = Health(clock)
    subject = RollupLoop(store, 60, BERLIN, {}, health, clock)
    store.is_away = True
    assert subject._turn() > 0
    assert health.components()["rollups"].status is Status.FAILING
    store.is_away = False
    subject._turn()
    assert health.components()["rollups"].status is Status.OK


def test_what_is_old_goes_piece_by_piece() -> None:
    """Samples a day less than the rest: the first bucket that may be computed needs the one before it."""
    store = Pieces(old=3)
    subject = loop(store, ManualClock(NOW), {Kept.SAMPLES: 20, Kept.QUARTERS: 0, Kept.HOURS: 40})
    assert [subject._turn() for _ in range(3)] == [BREATH_S, BREATH_S, LOOK_S]
    assert store.forgotten == [(Kept.SAMPLES, NOVEMBER - DAY_S)] * 3 + [(Kept.HOURS, OCTOBER)]
    subject._turn()
    assert len(store.forgotten) == 4  # again in an hour


def test_a_clock_that_was_just_set_forgets_nothing() -> None:
    """It may be wrong by years, and what is deleted is gone."""
    store, clock = Pieces(old=3), ManualClock(NOW)
    subject = loop(store, clock, {Kept.SAMPLES: 20}, settled_s=3600.0)
    subject._turn()
    clock.advance(10 * 365 * DAY_S)
    subject._turn()
    assert store.forgotten == []


class TestLimits:
    def test_nothing_is_forgotten_unless_it_is_wished(self) -> None:
        assert limits(dict.fromkeys(Kept, 0), NOW, BERLIN) == {}
        assert not_before({}) == 0

    def test_whole_months_are_kept(self) -> None:
        """The limit is the start of the month in which it lies."""
        found = limits({Kept.SAMPLES: 20, Kept.QUARTERS: 31, Kept.HOURS: 1, Kept.MONTHS: 36_500}, NOW, BERLIN)
        assert found == {Kept.SAMPLES: NOVEMBER, Kept.QUARTERS: OCTOBER, Kept.HOURS: NOVEMBER, Kept.MONTHS: -3600}
        assert not_before(found) == NOVEMBER
        assert samples_before(NOVEMBER) == NOVEMBER - DAY_S
