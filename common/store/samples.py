"""The site's samples: one row a tick, and one for each charge point, in and out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from pony import orm

from common.store import odd_readings, rollup_marks
from common.store.bind import Store
from common.store.location import Dialect
from common.store.rows import ChargePointSampleRow, PowerMeans, SampleRow
from common.store.sql import Sql

AT_ONCE = 500  # values in one statement
SHORTLY_S = 900

_SITE_COLUMNS = tuple(item.name for item in fields(SampleRow) if item.name not in ("charge_points", "odd_readings"))
_CHARGE_POINT_COLUMNS = ("sampled_at", *(item.name for item in fields(ChargePointSampleRow)))
_POWERS = tuple(name for name in _SITE_COLUMNS if name.endswith("power_w"))
_FLAGS = ("is_plugged", "is_charging")


def insert(store: Store, rows: Sequence[SampleRow]) -> None:
    """Store all of `rows` in one transaction, or nothing.

    A tick or an odd reading that is there already stays as it is, so that delivering twice is harmless. Their stretches
    are marked for `common.store.rollups` in the same transaction. Blocks; raises StoreUnavailable (try again, also with
    the same rows) or StoreError.
    """
    if not rows:
        return
    site = [tuple(getattr(row, name) for name in _SITE_COLUMNS) for row in rows]
    marks = rollup_marks.of_samples([row.sampled_at for row in rows])
    charge_points = [
        (row.sampled_at, *(getattr(part, name) for name in _CHARGE_POINT_COLUMNS[1:]))
        for row in rows
        for part in row.charge_points
    ]

    odd = [reading for row in rows for reading in row.odd_readings]

    def work(db: Any) -> None:
        # Ten times as fast on MariaDB as entities: PyMySQL folds executemany into one INSERT of many rows.
        cursor = db.get_connection().cursor()
        cursor.executemany(_insertion("sample", _SITE_COLUMNS, store.dialect), site)
        if charge_points:
            cursor.executemany(_insertion("charge_point_sample", _CHARGE_POINT_COLUMNS, store.dialect), charge_points)
        sql = Sql(db, store.dialect)
        rollup_marks.add(sql, marks)
        odd_readings.add(sql, store.dialect, odd)

    store.run(work)


def between(store: Store, from_s: int, to_s: int, limit: int) -> list[SampleRow]:
    """Samples with from_s ≤ sampled_at < to_s, oldest first, at most `limit` ticks. Blocks; raises like `insert`.

    To page on, ask again from the last row's `sampled_at` + 1.
    """

    return store.run(lambda db: read(db, from_s, to_s, limit))


def at(store: Store, instants: Sequence[int]) -> list[SampleRow]:
    """The samples of exactly these instants, in order, as far as there are any. Blocks; raises like `insert`."""

    def work(db: Any) -> list[SampleRow]:
        found: list[SampleRow] = []
        for first in range(0, len(instants), AT_ONCE):
            wanted = sorted(instants[first : first + AT_ONCE])
            some = f"WHERE sampled_at IN ({', '.join('?' * len(wanted))}) ORDER BY sampled_at"
            sql = Sql(db, store.dialect)
            site = sql.rows(f"SELECT {', '.join(_SITE_COLUMNS)} FROM sample {some}", *wanted)  # noqa: S608 -- our own names
            names = ", ".join(_CHARGE_POINT_COLUMNS)
            parts = _by_instant(sql.rows(f"SELECT {names} FROM charge_point_sample {some}, charge_point", *wanted))  # noqa: S608 -- our own names
            found += _sample_rows(site, parts)
        return found

    return store.run(work)


def power_means(store: Store, from_s: int, to_s: int, step_s: int) -> list[PowerMeans]:
    """Mean powers for each step in from_s ≤ t < to_s that has samples, oldest first. Blocks; raises like `insert`."""

    def work(db: Any) -> list[PowerMeans]:
        sql = Sql(db, store.dialect)
        sums = ", ".join(f"SUM({name}), COUNT({name})" for name in _POWERS)
        period = "WHERE sampled_at >= ? AND sampled_at < ? GROUP BY began_at"
        began = "sampled_at - sampled_at % ? AS began_at"
        points: dict[int, dict[str, int | None]] = defaultdict(dict)
        for start, name, total, count in sql.rows(
            f"SELECT {began}, charge_point, SUM(power_w), COUNT(power_w) FROM charge_point_sample"  # noqa: S608 -- our own words
            f" {period}, charge_point ORDER BY began_at, charge_point",
            step_s,
            from_s,
            to_s,
        ):
            points[start][name] = _mean(total, count)
        site = sql.rows(f"SELECT {began}, {sums} FROM sample {period} ORDER BY began_at", step_s, from_s, to_s)  # noqa: S608 -- our own words
        return [
            PowerMeans(
                start,
                {name: _mean(*sums[2 * number : 2 * number + 2]) for number, name in enumerate(_POWERS)},
                points[start],
            )
            for start, *sums in site
        ]

    return store.run(work)


def ticks(store: Store, from_s: int, to_s: int) -> set[int]:
    """The stored ticks with from_s ≤ sampled_at < to_s; for periods of some days. Blocks; raises like `insert`."""
    query = "SELECT sampled_at FROM sample WHERE sampled_at >= $from_s AND sampled_at < $to_s"
    return store.run(lambda db: set(db.select(query, {}, {"from_s": from_s, "to_s": to_s})))


def meter_readings(store: Store, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """(charge point, instant) → what its meter showed then, or shortly before. Blocks; raises like `insert`."""

    def work(db: Any) -> dict[tuple[str, int], int]:
        sql = Sql(db, store.dialect)
        found = {}
        for name, instant in wanted:
            rows = sql.rows(
                "SELECT sampled_at, meter_wh FROM charge_point_sample WHERE sampled_at <= ? AND sampled_at > ?"
                " AND charge_point = ? AND meter_wh > 0 ORDER BY sampled_at DESC LIMIT 1",
                instant,
                instant - SHORTLY_S,
                name,
            )
            if rows:
                found[name, instant] = rows[0][1]
        return found

    return store.run(work)


def read(db: Any, from_s: int, to_s: int, limit: int | None = None) -> list[SampleRow]:
    """Like `between`, within a unit of work; without `limit` all of them."""
    site = _site_rows(db, from_s, to_s, limit)
    if not site:
        return []
    return _sample_rows(site, _charge_point_rows(db, site[0][0], site[-1][0]))


def _site_rows(db: Any, from_s: int, to_s: int, limit: int | None) -> list[tuple[Any, ...]]:
    # fmt: off
    query = orm.select(
        (s.sampled_at, s.grid_power_w, s.grid_imported_wh, s.grid_exported_wh, s.pv_power_w, s.pv_produced_wh,
         s.battery_power_w, s.battery_soc_percent, s.battery_charged_wh, s.battery_discharged_wh, s.home_power_w)
        for s in db.Sample if s.sampled_at >= from_s and s.sampled_at < to_s
    )
    # fmt: on
    ordered = query.without_distinct().order_by(1)
    return list(ordered if limit is None else ordered.limit(limit))


def _charge_point_rows(db: Any, first_s: int, last_s: int) -> dict[int, list[ChargePointSampleRow]]:
    # fmt: off
    query = orm.select(
        (c.sampled_at, c.charge_point, c.power_w, c.meter_wh, c.soc_percent, c.is_plugged, c.is_charging, c.current_a)
        for c in db.ChargePointSample if c.sampled_at >= first_s and c.sampled_at <= last_s
    )
    # fmt: on
    return _by_instant(query.without_distinct().order_by(1, 2))


def _by_instant(rows: Iterable[Sequence[Any]]) -> dict[int, list[ChargePointSampleRow]]:
    found: dict[int, list[ChargePointSampleRow]] = defaultdict(list)
    for sampled_at, *values in rows:
        for name in _FLAGS:
            position = _CHARGE_POINT_COLUMNS.index(name) - 1
            values[position] = None if values[position] is None else bool(values[position])
        found[sampled_at].append(ChargePointSampleRow(**dict(zip(_CHARGE_POINT_COLUMNS[1:], values, strict=True))))
    return found


def _sample_rows(site: Iterable[Sequence[Any]], parts: Mapping[int, Sequence[ChargePointSampleRow]]) -> list[SampleRow]:
    return [
        SampleRow(**dict(zip(_SITE_COLUMNS, values, strict=True)), charge_points=tuple(parts.get(values[0], ())))
        for values in site
    ]


def _mean(total: int | None, count: int) -> int | None:
    """To the nearest whole number, alike on both databases."""
    return (2 * int(total) + count) // (2 * count) if count and total is not None else None


def _insertion(table: str, columns: tuple[str, ...], dialect: Dialect) -> str:
    names = ", ".join(columns)
    if dialect is Dialect.MARIADB:
        marks = ", ".join(["%s"] * len(columns))
        # Not INSERT IGNORE: that would also swallow values that do not fit.
        return f"INSERT INTO {table} ({names}) VALUES ({marks}) ON DUPLICATE KEY UPDATE sampled_at = sampled_at"  # noqa: S608 -- our own names
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 -- our own names
