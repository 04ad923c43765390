"""Sums of charge sessions by period and group, made by the database: whole numbers, so that they equal any other sum.

A session belongs to the period in which it began, as in every list and document. Also what the comparison with the
meters needs. All functions block and raise StoreUnavailable or StoreError.
"""

from collections.abc import Sequence
from typing import Any

from common.store.bind import Store
from common.store.rows import SessionGroup, SessionRow, SessionSums
from common.store.sql import Sql

MOST_PERIODS = 400  # a year has 366 days

MOST_ROWS = 10_000  # some 25 groups with sessions on each day of a year; 3 MB of answer

_COLUMNS = {
    SessionGroup.USER: "user_name",
    SessionGroup.TAG: "tag",
    SessionGroup.VEHICLE: "vehicle",
    SessionGroup.CHARGE_POINT: "charge_point",
}


def by_period(
    store: Store,
    periods: Sequence[tuple[int, int]],
    group: SessionGroup | None,
    user_name: str | None = None,
    charge_points: tuple[str, ...] | None = None,
) -> list[SessionSums]:
    """Sums for each period (from ≤ start < to) and each value of `group` that has sessions, in order of both.

    Each period begins where the one before it ends: sessions are read once, and each finds its period by its start.
    `user_name` leaves the sessions of others out, `charge_points` those at others. At most MOST_PERIODS periods are
    looked at and MOST_ROWS answered.
    """
    if not periods or charge_points == ():
        return []
    first, last = periods[0], periods[:MOST_PERIODS][-1]
    conditions: list[str] = ["s.started_at >= ?", "s.started_at < ?"]
    chosen: list[Any] = [first[0], last[1]]
    if user_name is not None:
        conditions.append("s.user_name = ?")
        chosen.append(user_name)
    if charge_points is not None:
        conditions.append(f"s.charge_point IN ({', '.join('?' * len(charge_points))})")
        chosen += charge_points
    ends = [value for from_s, to_s in periods[:MOST_PERIODS] for value in (to_s, from_s)]
    period = f"CASE {'WHEN s.started_at < ? THEN ? ' * (len(ends) // 2)}END"
    name = f"s.{_COLUMNS[group]}" if group is not None else "NULL"
    query = (
        f"SELECT {period} AS from_s, {name} AS name, COUNT(*), COUNT(*) - COUNT(s.ended_at), SUM(s.charging_s),"  # noqa: S608 -- our own words
        " SUM(s.energy_wh), COUNT(s.energy_wh), SUM(s.grid_wh), SUM(s.pv_wh), SUM(s.battery_wh),"
        " COUNT(s.sources_method), SUM(s.cost_millicents), COUNT(s.cost_millicents)"
        f" FROM charge_session s WHERE {' AND '.join(conditions)}"
        f" GROUP BY from_s, name ORDER BY from_s, name LIMIT {MOST_ROWS}"
    )

    def work(db: Any) -> list[SessionSums]:
        return [
            SessionSums(int(from_s), found, *(int(number or 0) for number in numbers))
            for from_s, found, *numbers in Sql(db, store.dialect).rows(query, *ends, *chosen)
        ]

    return store.run(work)


def within(store: Store, from_s: int, to_s: int) -> list[SessionRow]:
    """Sessions that have a part in from_s ≤ t < to_s, in order of their start: of which only charge point, instants,
    meter readings and energy are read."""

    def work(db: Any) -> list[SessionRow]:
        return [
            SessionRow(
                charge_point=charge_point,
                started_at=started_at,
                ended_at=ended_at,
                meter_start_wh=meter_start_wh,
                meter_end_wh=meter_end_wh,
                energy_wh=energy_wh,
            )
            for charge_point, started_at, ended_at, meter_start_wh, meter_end_wh, energy_wh in Sql(
                db, store.dialect
            ).rows(
                "SELECT charge_point, started_at, ended_at, meter_start_wh, meter_end_wh, energy_wh FROM charge_session"
                " WHERE started_at < ? AND (ended_at IS NULL OR ended_at > ?) ORDER BY started_at, id",
                to_s,
                from_s,
            )
        ]

    return store.run(work)
