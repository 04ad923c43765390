"""A week of samples at high speed while the database is killed and comes back: every tick once, and all of it added up.

The clocks go back in the middle of it. Recorder, spool, delivery and rollups as the edge runs them, on both databases.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from common.backoff import Backoff
from common.health import Health, Status
from common.model import ChargePoint, Grid, Meta, SiteState, Snapshot
from common.store import rollups, samples
from common.store.bind import Store, open_store
from common.store.location import parse_location
from common.store.rollup_rows import Method, Resolution
from edge.adapters.rollup_store import StoredRollups
from edge.adapters.spool import Spool
from edge.loops.delivery import DeliveryLoop
from edge.loops.recorder import RecorderLoop
from edge.loops.rollups import RollupLoop
from tests.kit import servers
from tests.kit.clock import ManualClock
from tests.kit.waiting import eventually

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = int(datetime(2026, 10, 19, tzinfo=BERLIN).timestamp())
NEXT_MONDAY = int(datetime(2026, 10, 26, tzinfo=BERLIN).timestamp())
DAY_S = 86_400
INTERVAL_S = 300
NEVER = 2**40


@contextmanager
def running(run: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive(), "the loop did not stop"


class Week:
    """Everything that records. The grid's meter counts 1 Wh in 10 s, the charge point's 1 Wh a second."""

    def __init__(self, url: str, folder: Path) -> None:
        self.clock = ManualClock(MONDAY - 1.0)
        self.health = Health(self.clock)
        self.store: Store = open_store(url)
        self.spool = Spool(folder / "spool.sqlite", self.health)

    @contextmanager
    def running(self) -> Iterator[None]:
        hasty = partial(Backoff, first_s=0.05, longest_s=0.2)
        insert = partial(samples.insert, self.store)
        stored = StoredRollups(self.store, BERLIN)
        loops = (
            RecorderLoop(self._snapshot, self.spool, INTERVAL_S, self.health, self.clock),
            DeliveryLoop(self.spool, insert, self.store.ping, self.health, hasty()),
            RollupLoop(stored, INTERVAL_S, BERLIN, {}, self.health, self.clock, hasty()),
        )
        with ExitStack() as stack:
            for loop in loops:
                stack.enter_context(running(loop.run))
            yield
        self.spool.close()

    def live_until(self, instant: float) -> None:
        self.clock.run_until(instant)
        eventually(lambda: self.clock.now() == instant, 30, "the clock")

    def is_away(self) -> bool:
        part = self.health.components().get("store")
        return part is not None and part.status is Status.FAILING

    def ticks(self) -> list[int]:
        return [row.sampled_at for row in samples.between(self.store, 0, NEVER, 100_000)]

    def _snapshot(self) -> Snapshot:
        now = self.clock.now()
        past_s = int(now) - MONDAY + DAY_S
        state = SiteState(
            meta=Meta(generation="2.x", is_stale=False),
            grid=Grid(power_w=360, imported_wh=past_s / 10),
            charge_points={"1": ChargePoint(power_w=3600, meter_wh=past_s, soc_percent=50)},
        )
        return Snapshot(seq=1, updated_at=now, state=state)


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else has the SQLite file for themselves, and the disk writes nothing for us."""
    with closing(sqlite3.connect(parse_location(url).file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def killed(server: servers.Mariadb) -> Iterator[None]:
    server.process.kill()
    yield
    server.start()


@pytest.mark.parametrize("database", ["sqlite", "mariadb"])
@pytest.mark.timeout(180)
def test_a_week_with_the_database_killed_twice(database: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Two outages of a day each: every tick is there once, and the rollups have what the meters counted, to the Wh."""
    if database == "mariadb":
        server: servers.Mariadb = request.getfixturevalue("own_mariadb")
        url, outage = server.url, partial(killed, server)
    else:
        url = str(request.getfixturevalue("sqlite_url"))
        outage = partial(locked, url)
    week = Week(url, tmp_path)
    with week.running():
        for day in (1, 4):
            week.live_until(MONDAY + day * DAY_S)
            eventually(lambda: len(week.ticks()) > 0, 30, "samples in the database")
            with outage():
                week.live_until(MONDAY + (day + 1) * DAY_S)
                eventually(week.is_away, 30, "health telling of the outage")
        week.live_until(NEXT_MONDAY)
        expected = list(range(MONDAY, NEXT_MONDAY + 1, INTERVAL_S))
        eventually(lambda: week.ticks() == expected, 60, "all ticks")
    assert "recorder_ticks_missed" not in week.health.counters()
    assert "samples_dropped" not in week.health.counters()
    loop = RollupLoop(StoredRollups(week.store, BERLIN), INTERVAL_S, BERLIN, {}, week.health, week.clock)
    with running(loop.run):
        month = partial(rollups.between, week.store, Resolution.MONTH, 0, NEVER)
        lasted_s = NEXT_MONDAY - MONDAY
        wanted = {"grid_import": (lasted_s // 10, Method.METER), "charge_point:1": (lasted_s, Method.METER)}

        def found() -> dict[str, tuple[int, Method]]:
            return {row.series: (row.energy_wh, row.method) for row in month()}

        eventually(lambda: wanted.items() <= found().items(), 60, "the month's sum")
    days = rollups.between(week.store, Resolution.DAY, 0, NEVER, ["charge_point:1"])
    assert [row.energy_wh for row in days] == [DAY_S] * 6 + [DAY_S + 3600]
    assert all(row.covered_s == row.energy_wh for row in days)
    week.store.close()
