"""Energy by quarter, hour, day and month: computed from samples a bounded piece at a time, and read.

`samples.insert` leaves a mark for what it stored in the same transaction; `advance` takes marks, lets the caller's
reckoner compute, stores the buckets and forgets the marks, all in one transaction. So each late sample corrects its
buckets, whoever is killed meanwhile. One process at a time calls `advance`: the edge.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from common.local_time import Unit, spans
from common.store import odd_readings, rollup_marks, samples
from common.store.bind import Store
from common.store.rollup_rows import (
    CHARGE_POINT,
    HOUR_S,
    METER_COLUMNS,
    MOST_GAP_S,
    QUARTER_S,
    Edges,
    Mark,
    Method,
    Reading,
    Reckoner,
    Resolution,
    RollupRow,
    SeriesKey,
    Window,
)
from common.store.rows import SampleRow
from common.store.sql import Sql

MOST_MARKS = 1_000  # a turn looks at so many at most; a site leaves 1,440 a day

_MONTH_MOST_S = 32 * 86_400
_FORGET = "DELETE FROM energy_rollup WHERE resolution = ? AND starts_at >= ? AND starts_at < ?"
_COLUMNS = "starts_at, series, energy_wh, covered_s, method"


def advance(store: Store, reckoner: Reckoner, zone: ZoneInfo) -> int:
    """Compute one bounded piece of what is marked; answers how many marks are left. Blocks; raises like `samples`."""

    def work(db: Any) -> int:
        sql = Sql(db, store.dialect)
        found = sql.rows("SELECT id, from_s, to_s, is_new FROM rollup_mark ORDER BY id LIMIT ?", MOST_MARKS)
        if not found:
            return 0
        # Exactly these: a transaction that began earlier may still commit a smaller number.
        sql.many("DELETE FROM rollup_mark WHERE id = ?", [(number,) for number, *_ in found])
        window, left = reckoner.window([Mark(from_s, to_s, bool(is_new)) for _, from_s, to_s, is_new in found])
        if window is not None:
            rows = samples.read(db, window.from_s - window.reach_s, window.to_s + window.reach_s + 1)
            quarters, more = reckoner.reckon(window, rows, _edges(sql, window, rows))
            left += more
            _store_quarters(sql, window, quarters)
            _add_up(sql, window, zone)
        rollup_marks.add(sql, left)
        return len(left) + int(len(found) == MOST_MARKS)

    return store.run(work)


def adopt_zone(store: Store, name: str, not_before: int) -> bool:
    """Forget the days and months from `not_before` on if they are those of another zone, so that they come anew.

    Answers whether they were.
    """

    def work(db: Any) -> bool:
        sql = Sql(db, store.dialect)
        known = [found for found, _ in sql.rows("SELECT name, 1 FROM rollup_zone")]
        if known == [name]:
            return False
        sql.run("DELETE FROM rollup_zone")
        sql.run("INSERT INTO rollup_zone (name) VALUES (?)", name)
        if not known:
            return False
        for resolution in (Resolution.DAY, Resolution.MONTH):
            sql.run("DELETE FROM energy_rollup WHERE resolution = ? AND starts_at >= ?", resolution, not_before)
        first, last = sql.rows(
            "SELECT MIN(starts_at), MAX(starts_at) FROM energy_rollup WHERE resolution = ? AND starts_at >= ?",
            Resolution.QUARTER,
            not_before,
        )[0]
        if first is not None:
            rollup_marks.add(sql, [Mark(first, last + QUARTER_S, is_new=False)])
        return True

    return store.run(work)


def between(
    store: Store, resolution: Resolution, from_s: int, to_s: int, series: Sequence[SeriesKey] | None = None
) -> list[RollupRow]:
    """Buckets with from_s ≤ starts_at < to_s of some or all series, oldest first. Blocks; raises like `samples`."""
    if series is not None and not series:
        return []

    def work(db: Any) -> list[RollupRow]:
        sql = Sql(db, store.dialect)
        some = f" AND series IN ({', '.join('?' * len(series))})" if series is not None else ""
        return [
            RollupRow(starts_at=at, series=key, energy_wh=wh, covered_s=covered_s, method=Method(method))
            for at, key, wh, covered_s, method in sql.rows(
                f"SELECT {_COLUMNS} FROM energy_rollup WHERE resolution = ? AND starts_at >= ? AND starts_at < ?{some}"  # noqa: S608 -- our own words
                " ORDER BY starts_at, series",
                resolution,
                from_s,
                to_s,
                *(series or ()),
            )
        ]

    return store.run(work)


def _edges(sql: Sql, window: Window, rows: Sequence[SampleRow]) -> dict[SeriesKey, Edges]:
    """Of each series with a meter that may have counted over the window's ends."""
    first, last = window.from_s - window.reach_s, window.to_s + window.reach_s
    read = _series_read(rows)
    found = {key: Edges() for key in read}
    # A month's row tells that there was a reading in it or a gap over it, so that nobody searches for what never was.
    months = sql.rows(
        "SELECT series, MIN(starts_at), MAX(starts_at) FROM energy_rollup WHERE resolution = ? AND method <> ?"
        " GROUP BY series",
        Resolution.MONTH,
        Method.POWER,
    )
    for key, first_month, last_month in months:
        after = None
        if last_month + _MONTH_MOST_S > last:
            after = _reading(sql, key, last + 1, min(last + MOST_GAP_S, last_month + _MONTH_MOST_S), "ASC")
        before = None
        if first_month < first and (after is not None or key in read):
            before = _reading(sql, key, max(first - MOST_GAP_S, first_month), first - 1, "DESC")
        found[key] = Edges(before, after)
    if found:
        earliest = min((edges.before.at for edges in found.values() if edges.before), default=first)
        latest = max((edges.after.at for edges in found.values() if edges.after), default=last)
        begun = odd_readings.begun_counts(sql, earliest, latest)
        for key, edges in found.items():
            found[key] = replace(edges, begun_at=tuple(begun.get(_meter(key), ())))
    return found


def _meter(key: SeriesKey) -> str:
    """The path in the state of a series' meter."""
    if key.startswith(CHARGE_POINT):
        return f"charge_points.{key.removeprefix(CHARGE_POINT)}.meter_wh"
    return METER_COLUMNS.get(key, "").replace("_", ".", 1)


def _series_read(rows: Sequence[SampleRow]) -> set[SeriesKey]:
    found = {key for key, column in METER_COLUMNS.items() if any(getattr(row, column) for row in rows)}
    return found | {CHARGE_POINT + part.charge_point for row in rows for part in row.charge_points if part.meter_wh}


def _reading(sql: Sql, key: SeriesKey, from_s: int, to_s: int, order: str) -> Reading | None:
    """The first or last reading in from_s ≤ t ≤ to_s."""
    if key.startswith(CHARGE_POINT):
        table, column, more = "charge_point_sample", "meter_wh", " AND charge_point = ?"
        values = [from_s, to_s, key.removeprefix(CHARGE_POINT)]
    else:
        table, column, more, values = "sample", METER_COLUMNS[key], "", [from_s, to_s]
    found = sql.rows(
        f"SELECT sampled_at, {column} FROM {table} WHERE sampled_at >= ? AND sampled_at <= ?{more} AND {column} > 0"  # noqa: S608 -- our own names
        f" ORDER BY sampled_at {order} LIMIT 1",
        *values,
    )
    return Reading(*found[0]) if found else None


def _store_quarters(sql: Sql, window: Window, rows: Sequence[RollupRow]) -> None:
    sql.run(_FORGET, Resolution.QUARTER, window.from_s, window.to_s)
    sql.many(
        f"INSERT INTO energy_rollup (resolution, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 -- our own names
        [(Resolution.QUARTER, row.starts_at, row.series, row.energy_wh, row.covered_s, row.method) for row in rows],
    )


def _add_up(sql: Sql, window: Window, zone: ZoneInfo) -> None:
    """Hours and days from quarters, months from days: whole numbers, so that all of them have the same sum."""
    from_s, to_s = window.from_s // HOUR_S * HOUR_S, -(-window.to_s // HOUR_S) * HOUR_S
    _sum(sql, Resolution.HOUR, f"starts_at - starts_at % {HOUR_S}", Resolution.QUARTER, from_s, to_s)
    for start, end in spans(Unit.DAY, window.from_s, window.to_s, zone):
        _sum(sql, Resolution.DAY, str(start), Resolution.QUARTER, start, end)
    for start, end in spans(Unit.MONTH, window.from_s, window.to_s, zone):
        _sum(sql, Resolution.MONTH, str(start), Resolution.DAY, start, end)


def _sum(sql: Sql, into: Resolution, starts_at: str, of: Resolution, from_s: int, to_s: int) -> None:
    """Put the buckets of a stretch together to greater ones, each of which begins at `starts_at`."""
    sql.run(_FORGET, into, from_s, to_s)
    sql.run(
        f"INSERT INTO energy_rollup (resolution, {_COLUMNS})"  # noqa: S608 -- our own words and numbers
        f" SELECT ?, {starts_at} AS began_at, series, SUM(energy_wh), SUM(covered_s),"
        " CASE WHEN MIN(method) = MAX(method) THEN MIN(method) ELSE ? END"
        " FROM energy_rollup WHERE resolution = ? AND starts_at >= ? AND starts_at < ? GROUP BY began_at, series",
        into,
        Method.MIXED,
        of,
        from_s,
        to_s,
    )
