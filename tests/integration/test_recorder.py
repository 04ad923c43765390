"""Recorder, spool, delivery and a real MariaDB together: every tick arrives, once and in order, whatever happens."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from common.backoff import Backoff
from common.health import Health, Status
from common.model import ChargePoint, Home, Meta, SiteState, Snapshot
from common.store import samples
from common.store.bind import Store, open_store
from edge.adapters.spool import Spool
from edge.loops.delivery import DeliveryLoop
from edge.loops.recorder import RecorderLoop
from tests.kit import servers
from tests.kit.clock import ManualClock
from tests.kit.waiting import eventually

START = 1_800_000_000
INTERVAL_S = 60


@contextmanager
def running(run: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive(), "the loop did not stop"


class Site:
    """Everything that records, on a clock that runs as fast as it can until it is held."""

    def __init__(self, store: Store, path: Path) -> None:
        self.clock = ManualClock(START + 1.0)
        self.health = Health(self.clock)
        self.store = store
        self.spool = Spool(path, self.health)

    @contextmanager
    def running(self) -> Iterator[None]:
        recorder = RecorderLoop(self._snapshot, self.spool, INTERVAL_S, self.health, self.clock)
        delivery = DeliveryLoop(
            self.spool,
            partial(samples.insert, self.store),
            self.store.ping,
            self.health,
            Backoff(first_s=0.05, longest_s=0.2),
        )
        with ExitStack() as stack:
            stack.enter_context(running(recorder.run))
            stack.enter_context(running(delivery.run))
            yield
        self.spool.close()

    def _snapshot(self) -> Snapshot:
        now = self.clock.now()
        meter = ChargePoint(meter_wh=int(now) - START, is_plugged=True)
        state = SiteState(
            meta=Meta(generation="1.9", is_stale=False), home=Home(power_w=412), charge_points={"1": meter}
        )
        return Snapshot(seq=1, updated_at=now, state=state)

    def stored_ticks(self) -> list[int]:
        return [row.sampled_at for row in samples.between(self.store, 0, START * 2, 100_000)]

    def store_is(self, status: Status) -> bool:
        part = self.health.components().get("store")
        return part is not None and part.status is status


def ticks_until(last: int) -> list[int]:
    return list(range(START + INTERVAL_S, last + 1, INTERVAL_S))


def test_outages_in_the_middle_lose_no_tick(own_mariadb: servers.Mariadb, tmp_path: Path) -> None:
    """Six hours with the database, six without, six with, six without, and it comes back; each tick is there once."""
    store = open_store(own_mariadb.url)
    site = Site(store, tmp_path / "spool.sqlite")
    quarter_s = 6 * 3600
    with site.running():
        for quarter in range(4):
            is_away = quarter % 2 == 1
            if is_away:
                own_mariadb.stop()
            else:
                own_mariadb.start()
                eventually(lambda: site.store_is(Status.OK), what="the store being back")
            end = START + (quarter + 1) * quarter_s
            site.clock.run_until(end)
            eventually(lambda end=end: site.clock.now() == end, within_s=30)  # type: ignore[misc]
            if is_away:
                eventually(lambda: site.store_is(Status.FAILING), what="health telling of the outage")
        own_mariadb.start()
        eventually(lambda: site.stored_ticks() == ticks_until(end), within_s=20, what="all ticks being stored")
    rows = samples.between(store, 0, START * 2, 100_000)
    assert all(row.charge_points[0].meter_wh == row.sampled_at - START for row in rows)
    assert "recorder_ticks_missed" not in site.health.counters()
    store.close()


def test_site_that_starts_without_its_database(own_mariadb: servers.Mariadb, tmp_path: Path) -> None:
    """Recorded before the database was ever seen, delivered by the next run of the program."""
    own_mariadb.stop()
    path = tmp_path / "spool.sqlite"
    first = Site(open_store(own_mariadb.url), path)
    with first.running():
        first.clock.run_until(START + 600)
        eventually(lambda: first.clock.now() == START + 600)
        eventually(lambda: first.health.counters().get("recorder_samples") == 10)
    own_mariadb.start()
    store = open_store(own_mariadb.url)
    second = Site(store, path)
    with second.running():
        eventually(lambda: second.stored_ticks() == ticks_until(START + 600))
    store.close()


def test_records_to_sqlite_too(sqlite_url: str, tmp_path: Path) -> None:
    """The first try's database."""
    store = open_store(sqlite_url)
    site = Site(store, tmp_path / "spool.sqlite")
    with site.running():
        site.clock.run_until(START + 3600)
        eventually(lambda: site.stored_ticks() == ticks_until(START + 3600))
    store.close()
