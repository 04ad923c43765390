"""Years of minute samples in a real MariaDB and in SQLite: insert rate, size, and what a chart and statistics take.

    python -m bench.records [--years 3] [--only sqlite]

Each figure is for the work of one answer: the query, and the JSON made of it; "own" is this process's own processor
time, which tells a slow query from a busy machine (SQLite works within it, MariaDB beside it). MariaDB runs with
the buffer pool that docker-compose.yml gives it, which is also its own default: a quarter of three years is in memory.
"""

import argparse
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from api import history, instants, statistics
from common.local_time import Unit, spans
from common.store import rollups, samples, session_sums, sessions
from common.store.bind import Store, open_store
from common.store.location import Dialect
from common.store.rollup_rows import Resolution
from common.store.rows import ChargePointSampleRow, SampleRow, SessionGroup, SessionRecord, SessionRow
from common.store.sql import Sql
from edge.rollups import Reckoner
from tests.kit import servers

END = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
YEAR_S = 365 * 86_400
BATCH = 500
ROUNDS = 100
BUFFER_POOL_MIB = 128
ZONE = ZoneInfo("Europe/Berlin")
TARGETS_MS = {Dialect.MARIADB: 100, Dialect.SQLITE: 200}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--years", type=float, default=3)
    parser.add_argument("--only", choices=["mariadb", "sqlite"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wallport-bench-") as name:
        folder = Path(name)
        if arguments.only != "mariadb":
            with _sqlite(folder) as (url, size):
                _measure(url, size, arguments.years)
        if arguments.only != "sqlite":
            with _mariadb(folder) as (url, size):
                _measure(url, size, arguments.years)


@contextmanager
def _sqlite(folder: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    path = folder / "records.sqlite"
    yield f"sqlite://{path}", lambda: path.stat().st_size


@contextmanager
def _mariadb(folder: Path) -> Iterator[tuple[str, Callable[[], int]]]:
    installed = servers.install_mariadb(folder / "installed")
    with servers.mariadb(folder / "server", installed, buffer_pool_mib=BUFFER_POOL_MIB) as server:
        files = folder / "server" / "data" / "wallport"
        yield server.url, lambda: sum(file.stat().st_size for file in files.glob("*.ibd"))


def _measure(url: str, size: Callable[[], int], years: float) -> None:
    store = open_store(url)
    store.ping()
    start = END - int(years * YEAR_S) // 86_400 * 86_400
    print(f"\n{store.dialect.value}, {years:g} years of samples once a minute, one charge point")
    empty = size()
    count, took_s = _insert(store, start)
    print(f"  {'samples stored':<34} {count:>9,} in {took_s:,.0f} s: {count / took_s:,.0f} a second, {BATCH} at once")
    sampled = size()
    began = time.perf_counter()
    turns = 1
    while rollups.advance(store, Reckoner(60), ZONE):
        turns += 1
    took_s = time.perf_counter() - began
    print(f"  {'rollups made of them':<34} {turns:>9,} turns, {took_s:,.0f} s: {1000 * took_s / turns:,.0f} ms each")
    _charge(store, start)
    of_samples, of_rollups = (sampled - empty) / years / 1e6, (size() - sampled) / years / 1e6
    print(f"  {'size of a year':<34} {of_samples:>9,.0f} MB of samples, {of_rollups:,.0f} MB of rollups and sessions")
    limit_ms = TARGETS_MS[store.dialect]
    print(f"  {'':<34} {'p50 ms':>9} {'p95 ms':>9} {'own p95':>9}   wanted: p95 below {limit_ms} ms")
    dice = random.Random(1)
    for name, work in _answers(store, start).items():
        work(0.5)
        times, own = [], []
        for _ in range(ROUNDS):
            began, began_own = time.perf_counter(), time.thread_time()
            work(dice.random())
            own.append(1000 * (time.thread_time() - began_own))
            times.append(1000 * (time.perf_counter() - began))
        p50, p95 = sorted(times)[ROUNDS // 2], sorted(times)[ROUNDS * 95 // 100]
        own_p95 = sorted(own)[ROUNDS * 95 // 100]
        verdict = "" if p95 < limit_ms else "  TOO SLOW"
        print(f"  {name:<34} {p50:>9.1f} {p95:>9.1f} {own_p95:>9.1f} {verdict}", flush=True)
    _explain(store)
    store.close()


def _insert(store: Store, start: int) -> tuple[int, float]:
    took_s, count = 0.0, 0
    rows: list[SampleRow] = []
    for sample in _samples(start):
        rows.append(sample)
        if len(rows) == BATCH:
            began = time.perf_counter()
            samples.insert(store, rows)
            took_s += time.perf_counter() - began
            count += len(rows)
            rows = []
    samples.insert(store, rows)
    return count + len(rows), took_s


def _samples(start: int) -> Iterator[SampleRow]:
    """A house with PV and battery, and a car that charges from seven in the evening on."""
    imported = exported = produced = charged = discharged = metered = 1_000_000.0
    for at in range(start, END, 60):
        hour = at % 86_400 / 3600
        pv_w = max(0.0, 6000 * math.sin((hour - 6) / 12 * math.pi))
        car_w = 11_000.0 if 19 <= hour < 21 else 0.0
        home_w = 300 + 200 * math.sin(hour)
        battery_w = max(-2000.0, min(2000.0, pv_w - home_w - car_w))
        grid_w = home_w + car_w + battery_w - pv_w
        imported += max(0.0, grid_w) / 60
        exported += max(0.0, -grid_w) / 60
        produced += pv_w / 60
        charged += max(0.0, battery_w) / 60
        discharged += max(0.0, -battery_w) / 60
        metered += car_w / 60
        point = ChargePointSampleRow(
            charge_point="1",
            power_w=int(car_w),
            meter_wh=int(metered),
            soc_percent=50,
            is_plugged=hour > 18,
            is_charging=car_w > 0,
            current_a=16.0,
        )
        yield SampleRow(
            sampled_at=at,
            grid_power_w=int(grid_w),
            grid_imported_wh=int(imported),
            grid_exported_wh=int(exported),
            pv_power_w=int(pv_w),
            pv_produced_wh=int(produced),
            battery_power_w=int(battery_w),
            battery_soc_percent=50,
            battery_charged_wh=int(charged),
            battery_discharged_wh=int(discharged),
            home_power_w=int(home_w),
            charge_points=(point,),
        )


def _charge(store: Store, start: int) -> None:
    """Two sessions a day."""
    records = [
        SessionRecord(
            session=SessionRow(
                charge_point="1",
                started_at=at,
                ended_at=at + 7200,
                charging_s=7200,
                meter_start_wh=at,
                meter_end_wh=at + 9000,
                energy_wh=9000,
                grid_wh=4000,
                pv_wh=4000,
                battery_wh=1000,
                sources_method="shares",
                cost_millicents=270_000,
                cost_method="tariff",
                user_name=("anna", "bert", None)[at // 43_200 % 3],
                origin="recorded",
            ),
            segments=(),
        )
        for at in range(start, END, 43_200)
    ]
    for first in range(0, len(records), BATCH):
        sessions.upsert(store, records[first : first + BATCH])


def _answers(store: Store, start: int) -> dict[str, Callable[[float], Any]]:
    """name → what makes one answer; the argument, 0 to 1, says where in the years it lies."""

    def chart(length_s: int, series: str | None = None, resolution: str = "auto") -> Callable[[float], bytes]:
        def work(place: float) -> bytes:
            to_s = int(min(END, start + length_s) + place * max(0, END - start - length_s))
            parameters = {"from": instants.text(max(start, to_s - length_s)), "to": instants.text(to_s)}
            parameters |= {"resolution": resolution} | ({"series": series} if series else {})
            asked = history.steps(parameters, interval_s=60, now=END, zone=ZONE)
            return msgspec.json.encode(_chart(store, asked))

        return work

    def monthly(_: float) -> bytes:
        asked = statistics.periods({"from": instants.text(END - YEAR_S)}, now=END, zone=ZONE)
        rows = rollups.between(store, Resolution.MONTH, asked.from_s, asked.to_s)
        sums = session_sums.by_period(store, asked.spans, SessionGroup.USER)
        answers = (statistics.site(asked, rows, END), statistics.sessions(asked, SessionGroup.USER, sums))
        return msgspec.json.encode(answers)

    def daily(_: float) -> bytes:
        asked = statistics.periods({"by": "day", "from": instants.text(END - YEAR_S)}, now=END, zone=ZONE)
        rows = rollups.between(store, Resolution.DAY, asked.from_s, asked.to_s)
        sums = session_sums.by_period(store, asked.spans, SessionGroup.USER)
        answers = (statistics.site(asked, rows, END), statistics.sessions(asked, SessionGroup.USER, sums))
        return msgspec.json.encode(answers)

    def reconciliation(_: float) -> bytes:
        asked = statistics.month({"month": "2026-09"}, now=END, zone=ZONE)
        rows = rollups.between(store, Resolution.DAY, asked.from_s, asked.to_s)
        charged = session_sums.within(store, asked.from_s, asked.to_s)
        readings = samples.meter_readings(store, statistics.readings_needed(asked, charged))
        return msgspec.json.encode(statistics.reconciled(asked, rows, charged, readings))

    return {
        "year chart, energies and powers": chart(YEAR_S, "grid.power_w,pv.power_w,pv.energy_wh,home.energy_wh"),
        "year chart, all series": chart(YEAR_S),
        "month chart by hour, all series": chart(30 * 86_400),
        "week chart by 10 minutes, all": chart(7 * 86_400, None, "600"),
        "day chart, all samples": chart(86_400),
        "monthly statistics of a year": monthly,
        "daily statistics of a year": daily,
        "reconciliation of a month": reconciliation,
    }


def _chart(store: Store, asked: history.Steps) -> dict[str, list[Any]]:
    """As api/handlers/records.py does it."""
    if asked.bucket is None and not asked.is_mean:
        return history.samples(asked, samples.between(store, asked.first_s, asked.end_s, 2 * history.MOST_STEPS))
    points = samples.at(store, asked.starts) if asked.wants_points() else []
    if asked.bucket is None:
        return history.means(asked, samples.power_means(store, asked.first_s, asked.end_s, asked.step_s), points)
    return history.buckets(asked, rollups.between(store, asked.bucket, asked.first_s, asked.end_s), points, END)


def _explain(store: Store) -> None:
    """The plans on which the figures rest."""
    month = next(iter(spans(Unit.MONTH, END - YEAR_S, END, ZONE)))
    queries = {
        "year chart": (
            "SELECT starts_at, series, energy_wh, covered_s, method FROM energy_rollup"
            " WHERE resolution = ? AND starts_at >= ? AND starts_at < ? ORDER BY starts_at, series",
            (Resolution.DAY, END - YEAR_S, END),
        ),
        "session sums": (
            "SELECT CASE WHEN s.started_at < ? THEN ? END AS from_s, COUNT(*), SUM(s.energy_wh) FROM charge_session s"
            " WHERE s.started_at >= ? AND s.started_at < ? GROUP BY from_s",
            (month[1], month[0], *month),
        ),
        "values at the steps": (
            "SELECT sampled_at, grid_power_w FROM sample WHERE sampled_at IN (?, ?, ?) ORDER BY sampled_at",
            (END - 180, END - 120, END - 60),
        ),
        "reading before a gap": (
            "SELECT sampled_at, meter_wh FROM charge_point_sample WHERE sampled_at >= ? AND sampled_at <= ?"
            " AND charge_point = ? AND meter_wh > 0 ORDER BY sampled_at DESC LIMIT 1",
            (END - YEAR_S, END, "1"),
        ),
    }
    plan = "EXPLAIN QUERY PLAN " if store.dialect is Dialect.SQLITE else "EXPLAIN "
    print("  query plans")
    for name, (query, values) in queries.items():
        # Pony takes only what begins with SELECT for a read, so this is a statement like those that write.
        rows = store.run(lambda db, query=query, values=values: Sql(db, store.dialect).found(plan + query, *values))  # type: ignore[misc]
        for row in rows:
            print(f"    {name:<22} {' '.join(str(part) for part in row if part is not None)}")


if __name__ == "__main__":
    main()
