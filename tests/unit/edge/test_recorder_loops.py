"""The recorder's and the delivery's threads, with a clock and a database that the test holds in its hands."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from common.backoff import Backoff
from common.errors import StoreUnavailable
from common.health import Health, Status
from common.model import Home, Meta, SiteState, Snapshot
from common.store.rows import SampleRow
from edge.loops.delivery import DeliveryLoop
from edge.loops.recorder import RecorderLoop
from edge.recorder import Batch
from tests.kit.clock import ManualClock
from tests.kit.waiting import eventually

START = 1_800_000_000  # divisible by 60


class Line:
    """A sink and a queue in memory."""

    def __init__(self) -> None:
        self.rows: list[SampleRow] = []

    def append(self, row: SampleRow) -> None:
        self.rows.append(row)

    def take(self, most: int) -> Batch | None:
        return Batch(self.rows[:most], 1, len(self.rows[:most])) if self.rows else None

    def remove(self, batch: Batch) -> None:
        del self.rows[: batch.through]

    def ticks(self) -> list[int]:
        return [row.sampled_at for row in self.rows]


class Database:
    """Stores by natural key; `is_away` makes it fail."""

    def __init__(self) -> None:
        self.is_away = False
        self.stored: dict[int, SampleRow] = {}
        self.refusals = 0
        self.pings = 0

    def deliver(self, rows: Sequence[SampleRow]) -> None:
        self._answer()
        for row in rows:
            self.stored.setdefault(row.sampled_at, row)

    def ping(self) -> None:
        self._answer()
        self.pings += 1

    def _answer(self) -> None:
        if self.is_away:
            self.refusals += 1
            raise StoreUnavailable("the database cannot be reached or cannot write")


@contextmanager
def running(run: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive(), "the loop did not stop"


def recorder(line: Line, health: Health, clock: ManualClock) -> RecorderLoop:
    def current() -> Snapshot:
        state = SiteState(meta=Meta(generation="1.9", is_stale=False), home=Home(power_w=412))
        return Snapshot(seq=1, updated_at=clock.now(), state=state)

    return RecorderLoop(current, line, 60, health, clock)


class TestRecorderLoop:
    def test_records_every_tick_of_a_week(self) -> None:
        """Nothing before the first tick, then one sample a minute."""
        line, clock = Line(), ManualClock(START + 1.0)
        last = START + 7 * 86_400
        clock.run_until(last)
        with running(recorder(line, Health(clock), clock).run):
            eventually(lambda: len(line.rows) == 7 * 1440)
        assert line.ticks() == list(range(START + 60, last + 1, 60))

    def test_jumps_leave_gaps_and_never_bursts(self) -> None:
        """Forward: the ticks between are missed and counted. Back by a second: nothing twice."""
        line, clock = Line(), ManualClock(START + 1.0)
        health = Health(clock)
        with running(recorder(line, health, clock).run):
            eventually(lambda: "recorder" in health.components())
            clock.set(START + 60.5)
            eventually(lambda: line.ticks() == [START + 60])
            clock.set(START + 59.5)
            clock.set(START + 120.5)
            eventually(lambda: len(line.rows) == 2)
            clock.set(START + 3600 + 30)  # half an interval after a tick: too late for it
            eventually(lambda: health.counters().get("recorder_ticks_missed") == 58)
            clock.set(START + 3660)
            eventually(lambda: len(line.rows) == 3)
        assert line.ticks() == [START + 60, START + 120, START + 3660]
        assert health.components()["recorder"].status is Status.OK

    def test_silence_is_counted(self) -> None:
        line, clock = Line(), ManualClock(START + 1.0, runs_until=START + 120)
        health = Health(clock)
        with running(RecorderLoop(lambda: None, line, 60, health, clock).run):
            eventually(lambda: len(line.rows) == 2)
        assert health.counters() == {"recorder_samples": 2, "recorder_samples_unknown": 2}


class TestDeliveryLoop:
    def test_delivers_in_batches_until_nothing_waits(self) -> None:
        line, database, health = Line(), Database(), Health(ManualClock())
        for tick in range(1_234):
            line.append(SampleRow(sampled_at=tick))
        with running(DeliveryLoop(line, database.deliver, database.ping, health).run):
            eventually(lambda: not line.rows)
            eventually(lambda: health.counters().get("samples_delivered") == 1_234)
        assert sorted(database.stored) == list(range(1_234))
        assert health.components()["store"].status is Status.OK

    def test_database_that_answers_is_ready_without_samples(self) -> None:
        """Right at the start: readiness must not wait for the first tick."""
        line, database, health = Line(), Database(), Health(ManualClock())
        with running(DeliveryLoop(line, database.deliver, database.ping, health).run):
            eventually(lambda: "store" in health.components())
            eventually(lambda: health.components()["store"].status is Status.OK)
        assert database.pings == 1

    def test_outage_shows_and_heals_by_itself(self) -> None:
        """Samples stay where they are, the loop asks again with pauses, and everything arrives afterwards."""
        line, database, health = Line(), Database(), Health(ManualClock())
        database.is_away = True
        backoff = Backoff(first_s=0.02, longest_s=0.02)
        with running(DeliveryLoop(line, database.deliver, database.ping, health, backoff).run):
            eventually(lambda: "store" in health.components())
            eventually(lambda: health.components()["store"].status is Status.FAILING)
            for tick in range(3):
                line.append(SampleRow(sampled_at=tick))
            eventually(lambda: database.refusals > 3)
            assert len(line.rows) == 3
            database.is_away = False
            eventually(lambda: health.components()["store"].status is Status.OK)
            eventually(lambda: not line.rows)
        assert sorted(database.stored) == [0, 1, 2]
