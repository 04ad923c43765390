"""Charge sessions from the wallbox to a real database: once each, with the right energy, whatever dies or is away."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from common.backoff import Backoff
from common.clock import SimulatedClock
from common.health import Health
from common.model import ChargePoint, Mode, Snapshot
from common.store import sessions
from common.store.bind import Store, open_store
from common.store.rows import SessionFilter, SessionRow
from edge.adapters.session_file import SessionFile
from edge.loops.session_delivery import SessionDelivery
from edge.loops.sessions import SessionLoop
from edge.sessions.moves import FLAP_S
from tests.kit import charging, servers
from tests.kit.clock import ManualClock
from tests.kit.commanded_site import Site, commanded_site
from tests.kit.waiting import eventually

DAY_S = 24 * 3600


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


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = open_store(str(request.getfixturevalue(f"{request.param}_url")))
    yield store
    store.close()


def stored(store: Store) -> list[SessionRow]:
    return sessions.page(store, SessionFilter(), limit=1_000, newest_first=False)


class Edge:
    """What a process of the edge has of sessions; made again after each kill, with the same file."""

    def __init__(self, site: charging.Site, path: Path, store: Store) -> None:
        health = Health(ManualClock())
        self.file = SessionFile(path, health)
        self.loop = SessionLoop(site.snapshot, self.file, health, ManualClock())
        self.loop.restore()
        self.delivery = SessionDelivery(
            self.file, partial(sessions.upsert, store), lambda tag: tag.lower(), health, Backoff(0.01, 0.01)
        )


def test_edge_that_dies_at_every_step(store: Store, tmp_path: Path) -> None:
    """Before and after each look, and between a delivery and its being forgotten: one session, right energy."""
    site = charging.Site()
    path = tmp_path / "sessions.sqlite"
    for number in range(48):
        if number == 4:
            site.plug().power_w = 7_200
        if number == 20:
            site.power_w = 0
        if number == 32:
            site.power_w = 3_600
        if number == 36:
            site.unplug()
        site.pass_time(10)
        edge = Edge(site, path, store)
        edge.loop.turn(site.now)
        if number % 3 != 1:
            edge.delivery.turn()
        elif batch := edge.file.take(9):
            sessions.upsert(store, batch.records)  # and it dies before it can forget
        edge.file.close()
    (row,) = stored(store)
    assert row.ended_at == charging.START + 370
    assert (row.energy_wh, row.meter_start_wh) == (16 * 20 + 4 * 10, 1_000_000)
    assert (row.charging_s, row.grid_wh, row.sources_method) == (200, 360, "shares")
    record = sessions.get(store, row.id or 0)
    assert record is not None
    assert [part.is_charging for part in record.segments] == [True, False, True]


class Routine:
    """A car that charges four hours each day, at a time that the clock says."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._site = charging.Site(now=clock.now(), power_w=3_600, mode=Mode.INSTANT)

    def snapshot(self) -> Snapshot:
        site, now = self._site, self._clock.now()
        while site.now < now:
            site.pass_time(min(now - site.now, 60 - site.now % 60))
            is_plugged = site.now % DAY_S < 4 * 3600
            site.plug() if is_plugged else site.unplug()
        return site.snapshot()


def test_database_that_is_away_for_days(own_mariadb: servers.Mariadb, tmp_path: Path) -> None:
    """MariaDB is stopped on every other day: every session is there once, and whole."""
    clock = ManualClock(charging.START)
    first_day = charging.START // DAY_S + 1
    clock.set(first_day * DAY_S - 3_600)
    health = Health(clock)
    store = open_store(own_mariadb.url)
    file = SessionFile(tmp_path / "sessions.sqlite", health)
    loop = SessionLoop(Routine(clock).snapshot, file, health, clock, least_pause_s=0.0)
    delivery = SessionDelivery(
        file, partial(sessions.upsert, store), lambda _tag: None, health, Backoff(first_s=0.05, longest_s=0.2)
    )
    with ExitStack() as stack:
        stack.enter_context(running(delivery.run))
        stack.enter_context(running(loop.run))
        for day in range(5):
            if day % 2:
                own_mariadb.stop()
            else:
                own_mariadb.start()
            until = (first_day + day) * DAY_S + 12 * 3_600
            clock.run_until(until)
            eventually(lambda until=until: clock.now() > until - 5, within_s=50)  # type: ignore[misc]
        own_mariadb.start()
        eventually(lambda: len(stored(store)) == 5 and file.take(1) is None, within_s=30)
    rows = stored(store)
    assert [row.energy_wh for row in rows] == [14_400] * 5
    assert all(row.started_at % DAY_S < 10 and row.ended_at is not None for row in rows)
    assert health.counters()["sessions_ended"] == 5
    file.close()
    store.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("dialect", "point"), [("1.9", "1"), ("2.x", "3")])
def test_kill_9_in_the_middle_of_a_charge(
    request: pytest.FixtureRequest, tmp_path: Path, dialect: str, point: str
) -> None:
    """Edge killed, wallbox rebooted, edge gone for minutes: one session, from the meter before to the meter after."""
    database_url = request.getfixturevalue("mariadb_url") if dialect == "2.x" else None
    now = time.time()
    clock = SimulatedClock(now - 30 * DAY_S, now, speed=60)
    with commanded_site(tmp_path, dialect, clock.spec(), database_url) as site:
        store = open_store(site.settings["WALLPORT_DATABASE_URL"])

        def since_away() -> list[SessionRow]:
            """Older charges may still be read from the wallbox's own log."""
            return [row for row in stored(store) if row.charge_point == point and (row.ended_at or away_at) >= away_at]

        def running_wh() -> float:
            return next((row.energy_wh or 0 for row in since_away() if row.ended_at is None), 0)

        site.turn(f"car/{point}", "away")  # in the evening it is plugged in
        eventually(lambda: _point(site, point).is_plugged is False, 60, "the car being away")
        gone_at = clock.now()
        eventually(lambda: clock.now() > gone_at + 2 * FLAP_S, what="its coming not being taken for a loose plug")
        eventually(lambda: all(row.ended_at for row in stored(store) if row.charge_point == point), 60)
        away_at = clock.now()
        meter_before_wh = _point(site, point).meter_wh
        site.do(point, mode="instant")
        site.turn(f"soc/{point}", "20")
        site.turn(f"car/{point}", "plugged")
        eventually(lambda: running_wh() > 50, 60, "a session that charges")
        site.kill_edge()
        site.turn("restart")
        known_wh = running_wh()
        site.start_edge()
        site.do(point, mode="instant")
        eventually(lambda: running_wh() > known_wh + 100, 60, "the same session going on")
        site.kill_edge()
        site.turn(f"car/{point}", "away")
        site.start_edge()
        eventually(lambda: _point(site, point).is_plugged is False, 60, "the car being gone")
        eventually(lambda: running_wh() == 0, 60, "the session having ended")
        (row,) = since_away()
        meter_after_wh = _point(site, point).meter_wh
        assert meter_before_wh is not None
        assert meter_after_wh is not None
        assert (row.meter_start_wh, row.meter_end_wh) == (round(meter_before_wh), round(meter_after_wh))
        assert row.energy_wh == round(meter_after_wh) - round(meter_before_wh) > 100
        store.close()


def _point(site: Site, name: str) -> ChargePoint:
    snapshot = site.state()
    assert snapshot is not None
    return snapshot.state.charge_points[name]
