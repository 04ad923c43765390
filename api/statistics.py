"""Statistics: a site's energies by day, month and year, sums of charge sessions, and whether the two agree. Pure.

All amounts are whole numbers, added up from whole numbers, so that they equal what lists and documents add up to.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from api import instants, odd_readings
from api.periods import boundary
from common.errors import FieldError
from common.local_time import Unit, end_of, spans, start_of
from common.meters import OddReading
from common.store.rollup_rows import CHARGE_POINT, METER_COLUMNS, Method, RollupRow, SeriesKey
from common.store.rows import SessionGroup, SessionRow, SessionSums

MOST_PERIODS = 400  # a year of days; as many SELECTs as SQLite joins to one
LATEST_S = 253370678400  # 9998-12-31: the calendar ends with 9999, and each period has an end in it

YEARS_SHOWN = 10

SITE_SERIES: tuple[SeriesKey, ...] = (*METER_COLUMNS, "home")

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_SUMS = tuple(item.name for item in fields(SessionSums) if item.name not in ("from_s", "name"))


@dataclass(frozen=True, slots=True)
class Periods:
    """`spans` are the local days, months or years, each with start and end in Unix seconds; at least one."""

    by: Unit
    spans: tuple[tuple[int, int], ...]
    zone: ZoneInfo

    @property
    def from_s(self) -> int:
        return self.spans[0][0]

    @property
    def to_s(self) -> int:
        return self.spans[-1][1]


def periods(parameters: Mapping[str, str], *, now: float, zone: ZoneInfo) -> Periods:
    """What `?by&from&to` ask for; raises FieldError. The periods in which `from` and the instant before `to` lie count
    whole. Without `from`: the month of `to` by days, its year by months, ten years by years."""
    faults: dict[str, str] = {}
    read: dict[str, float] = {}
    for name in ("from", "to"):
        try:
            if name in parameters:
                read[name] = boundary(parameters[name], zone)
                if not 0 <= read[name] <= LATEST_S:
                    raise ValueError("must be from 1970 to 9998")
        except ValueError as exc:
            faults[name] = str(exc)
    by = parameters.get("by", Unit.MONTH.value)
    if by not in (unit.value for unit in Unit):
        faults["by"] = "must be day, month or year"
    if faults:
        raise FieldError("some parameters are wrong", faults)
    unit = Unit(by)
    to_s = read.get("to", now)
    from_s = read["from"] if "from" in read else _usual_start(unit, to_s, zone)
    if from_s > to_s:
        raise FieldError("the period is empty", {"from": "must not be after to"})
    found: list[tuple[int, int]] = []
    for span in spans(unit, from_s, max(to_s, from_s + 1), zone):
        found.append(span)
        if len(found) > MOST_PERIODS:
            raise FieldError("the period is too long", {"from": f"must leave at most {MOST_PERIODS} periods before to"})
    return Periods(unit, tuple(found), zone)


def month(parameters: Mapping[str, str], *, now: float, zone: ZoneInfo) -> Periods:
    """The days of `?month=2026-11`; without it the present month's. Raises FieldError."""
    start = start_of(Unit.MONTH, now, zone)
    if "month" in parameters:
        found = _MONTH.fullmatch(parameters["month"])
        if found is None or not 1970 < int(found[1]) < 9999:
            raise FieldError("some parameters are wrong", {"month": "must be a month like 2026-11"})
        start = int(datetime(int(found[1]), int(found[2]), 1, tzinfo=zone).timestamp())
    return Periods(Unit.DAY, tuple(spans(Unit.DAY, start, end_of(Unit.MONTH, start, zone), zone)), zone)


def group(parameters: Mapping[str, str]) -> SessionGroup | None:
    """`?group=`; raises FieldError."""
    name = parameters.get("group")
    if name is not None and name not in (known.value for known in SessionGroup):
        raise FieldError("some parameters are wrong", {"group": f"must be one of {', '.join(SessionGroup)}"})
    return SessionGroup(name) if name is not None else None


def site(asked: Periods, rows: Sequence[RollupRow], now: float) -> dict[str, Any]:
    """The answer made of daily or monthly buckets."""
    by_span: dict[int, list[RollupRow]] = defaultdict(list)
    position = 0
    for row in sorted(rows, key=lambda row: row.starts_at):
        while position + 1 < len(asked.spans) and asked.spans[position + 1][0] <= row.starts_at:
            position += 1
        by_span[asked.spans[position][0]].append(row)
    return {
        "by": asked.by.value,
        "time_zone": asked.zone.key,
        "items": [
            {**_span(start, end), **_energies(by_span[start], min(end, now) - start)} for start, end in asked.spans
        ],
        "total": {**_span(asked.from_s, asked.to_s), **_energies(rows, min(asked.to_s, now) - asked.from_s)},
    }


def sessions(asked: Periods, by: SessionGroup | None, sums: Sequence[SessionSums]) -> dict[str, Any]:
    """The answer made of the database's sums: one item for each period and group that has sessions."""
    ends = dict(asked.spans)
    totals: dict[str | None, list[SessionSums]] = defaultdict(list)
    for row in sums:
        totals[row.name].append(row)
    key = by.value if by is not None else None
    return {
        "by": asked.by.value,
        "time_zone": asked.zone.key,
        "group": key,
        "items": [{**_span(row.from_s, ends[row.from_s]), **_named(key, row.name), **_added([row])} for row in sums],
        "totals": [{**_named(key, name), **_added(rows)} for name, rows in totals.items()] if key else [],
        "total": _added(sums),
    }


def readings_needed(asked: Periods, charged: Sequence[SessionRow]) -> list[tuple[str, int]]:
    """(charge point, midnight) of every midnight that lies inside a session."""
    midnights = [start for start, _ in asked.spans] + [asked.to_s]
    return sorted(
        {(row.charge_point, at) for row in charged for at in midnights if row.started_at < at < _ended(row, at + 1)}
    )


def charged(asked: Periods, sessions: Sequence[SessionRow], now: float) -> list[SessionRow]:
    """Of the sessions that reach into the period those that can have charged in it: a car that is plugged in may stay
    for months to come, but has charged nothing there."""
    return [session for session in sessions if session.ended_at is not None or asked.from_s <= now]


def reconciled(
    asked: Periods,
    rows: Sequence[RollupRow],
    charged: Sequence[SessionRow],
    readings: Mapping[tuple[str, int], int],
    odd: Sequence[OddReading] = (),
) -> dict[str, Any]:
    """A month's meters beside its sessions, by charge point, and each day on which they differ; and what was odd.

    A session over midnight counts for each day with what its meter shows of it, or for the day on which it began where
    nobody knows. What no session has is `unexplained_wh`; below 0 the sessions have more than the meter.
    """
    metered: dict[str, dict[int, RollupRow]] = defaultdict(dict)
    for row in rows:
        if row.series.startswith(CHARGE_POINT):
            metered[row.series.removeprefix(CHARGE_POINT)][row.starts_at] = row
    explained: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for session in charged:
        for start, wh in _by_day(asked, session, readings):
            explained[session.charge_point][start] += wh
    items = []
    for name in sorted(metered.keys() | explained.keys()):
        days = [
            (start, end, metered[name][start].energy_wh if start in metered[name] else 0, explained[name][start])
            for start, end in asked.spans
        ]
        meter_wh, sessions_wh = sum(day[2] for day in days), sum(day[3] for day in days)
        own = [row for row in charged if row.charge_point == name]
        items.append(
            {
                "charge_point": name,
                "meter_wh": meter_wh,
                "method": _method(metered[name].values()),
                "covered_s": sum(row.covered_s for row in metered[name].values()),
                "sessions": len(own),
                "sessions_without_energy": sum(1 for row in own if row.energy_wh is None),
                "sessions_wh": sessions_wh,
                "unexplained_wh": meter_wh - sessions_wh,
                "days": [
                    {
                        **_span(start, end),
                        "meter_wh": of_meter,
                        "sessions_wh": of_sessions,
                        "unexplained_wh": of_meter - of_sessions,
                    }
                    for start, end, of_meter, of_sessions in days
                    if of_meter != of_sessions
                ],
            }
        )
    return {
        **_span(asked.from_s, asked.to_s),
        "time_zone": asked.zone.key,
        "items": items,
        "odd_readings": odd_readings.shown(odd),
    }


def _usual_start(unit: Unit, to_s: float, zone: ZoneInfo) -> float:
    last = max(0.0, to_s - 1)
    if unit is Unit.YEAR:
        year = datetime.fromtimestamp(last, zone).year
        return datetime(max(1971, year - YEARS_SHOWN + 1), 1, 1, tzinfo=zone).timestamp()
    return max(0, start_of(Unit.MONTH if unit is Unit.DAY else Unit.YEAR, last, zone))


def _span(start: int, end: int) -> dict[str, str]:
    return {"from": instants.text(start), "to": instants.text(end)}


def _energies(rows: Sequence[RollupRow], lasted_s: float) -> dict[str, Any]:
    """Sums by series, how they were computed, and the shares that follow."""
    of: dict[SeriesKey, list[RollupRow]] = defaultdict(list)
    for row in rows:
        of[row.series].append(row)
    wh = {key: sum(row.energy_wh for row in of[key]) if key in of else None for key in SITE_SERIES}
    return {
        **{f"{key}_wh": wh[key] for key in SITE_SERIES},
        "charge_points_wh": {
            key.removeprefix(CHARGE_POINT): sum(row.energy_wh for row in found)
            for key, found in sorted(of.items())
            if key.startswith(CHARGE_POINT)
        },
        **_shares(wh),
        "methods": {key: _method(found) for key, found in sorted(of.items())},
        "covered_percent": {
            key: min(100.0, round(100 * sum(row.covered_s for row in found) / lasted_s, 1)) if lasted_s > 0 else 0.0
            for key, found in sorted(of.items())
        },
    }


def _shares(wh: Mapping[SeriesKey, int | None]) -> dict[str, Any]:
    """What a site without PV or battery lacks is 0; without a grid meter nothing is known."""
    imported, exported = wh["grid_import"], wh["grid_export"]
    if imported is None or exported is None:
        return {"consumption_wh": None, "self_consumption_percent": None, "autarky_percent": None}
    produced = wh["pv"] or 0
    consumed = imported - exported + produced + (wh["battery_discharge"] or 0) - (wh["battery_charge"] or 0)
    return {
        "consumption_wh": consumed,
        "self_consumption_percent": _percent(produced - exported, produced),
        "autarky_percent": _percent(consumed - imported, consumed),
    }


def _percent(part: int, whole: int) -> float | None:
    return round(min(100.0, max(0.0, 100 * part / whole)), 1) if whole > 0 else None


def _method(rows: Iterable[RollupRow]) -> str | None:
    methods = {row.method for row in rows}
    return None if not methods else methods.pop().value if len(methods) == 1 else Method.MIXED.value


def _named(key: str | None, name: str | None) -> dict[str, str | None]:
    return {key: name} if key is not None else {}


def _added(rows: Sequence[SessionSums]) -> dict[str, int]:
    return {name: sum(getattr(row, name) for row in rows) for name in _SUMS}


def _by_day(asked: Periods, session: SessionRow, readings: Mapping[tuple[str, int], int]) -> Iterable[tuple[int, int]]:
    """(start of a day, Wh) of a session's parts in the month."""
    start_wh, end_wh = session.meter_start_wh, session.meter_end_wh
    if session.energy_wh is None:
        return
    at, so_far, began_on = session.started_at, 0, None
    for start, end in asked.spans:
        if _ended(session, end) <= start or session.started_at >= end:
            continue
        if at < start:  # it began before the month
            so_far = _up_to(start_wh, end_wh, readings.get((session.charge_point, start)), session.energy_wh)
        began_on = start if began_on is None else began_on
        if _ended(session, end + 1) <= end:
            yield start, session.energy_wh - so_far
            return
        until = _up_to(start_wh, end_wh, readings.get((session.charge_point, end)), session.energy_wh)
        until = max(until, so_far)
        yield start, until - so_far
        at, so_far = end, until


def _up_to(start_wh: int | None, end_wh: int | None, reading_wh: int | None, energy_wh: int) -> int:
    """What of a session was charged when the meter showed this; all of it where nobody knows.

    As it is not where the meter began a new count in between: then the readings differ by something else.
    """
    if start_wh is None or end_wh is None or reading_wh is None or end_wh - start_wh != energy_wh:
        return energy_wh
    return min(max(0, reading_wh - start_wh), energy_wh)


def _ended(session: SessionRow, running: int) -> int:
    return session.ended_at if session.ended_at is not None else running
