"""The charge log of openWB 1.9: a CSV file a month, `web/logging/data/ladelog/YYYYMM.csv`, the newest row first.

Pure. Source: openWB's `ladelog.sh`. Rows have 10 columns, 9 before July 2022 (no cost), 8 before February 2020 (no
tag). Files that a spreadsheet saved again are read, too: edge/charge_log/resaved.py.
"""

import re
from dataclasses import replace
from datetime import datetime, tzinfo
from decimal import Decimal

from common.model import Mode
from edge.charge_log import entries, local_times, resaved
from edge.charge_log.entries import BadEntry, BadLine, Entry, Parsed

COLUMNS = (8, 9, 10)

_TIME = re.compile(r"([0-9]{2})\.([0-9]{2})\.([0-9]{2})-([0-9]{2}):([0-9]{2})")
_DURATION = re.compile(r"(?:([0-9]{1,4}) H )?([0-9]{1,2}) Min")
MODES = {"0": Mode.INSTANT, "1": Mode.MIN_PV, "2": Mode.PV, "3": Mode.STOP, "4": Mode.STANDBY, "7": Mode.SCHEDULED}
"""7 is charging by night or by a target time, both by a plan. The mode may be that of another charge point: openWB has
one note of it for all."""


def parse(content: bytes, zone: tzinfo) -> Parsed:
    """All rows; empty lines are none. Whatever the bytes are, nothing is raised."""
    try:
        lines = resaved.lines(content)
    except BadEntry as exc:
        return Parsed(bad=(BadLine(1, str(exc)),))
    found: list[Entry] = []
    bad: list[BadLine] = []
    before: dict[str, Entry] = {}
    last_end: int | None = None
    seen: set[str] = set()
    for number in range(len(lines), 0, -1):
        line = lines[number - 1]
        if not line:
            continue
        try:
            if line in seen:
                raise BadEntry("it is there twice")
            seen.add(line)
            entry = replace(_entry(resaved.fields(line, COLUMNS), zone, before, last_end), line=number)
        except BadEntry as exc:
            bad.append(BadLine(number, str(exc)))
            continue
        before[entry.charge_point], last_end = entry, entry.ended_at
        found.append(entry)
    return Parsed(tuple(found), tuple(reversed(bad)))


def _entry(fields: list[str], zone: tzinfo, before: dict[str, Entry], last_end: int | None) -> Entry:
    start, end, _km, kwh, _kw, duration, number, mode, *more = fields
    charge_point = entries.charge_point(number)
    elapsed_s = _seconds(duration)
    last = before.get(charge_point)
    started_at, ended_at = local_times.span(
        _time(start),
        _time(end),
        zone,
        elapsed_s=elapsed_s,
        not_before=last.ended_at if last is not None else None,
        ends_after=last_end,
    )
    started_at = local_times.start_after(started_at, last)
    return Entry(
        charge_point=charge_point,
        started_at=started_at,
        ended_at=max(started_at, ended_at),
        energy_wh=entries.energy(_times(resaved.decimal(kwh), 1000)),
        charging_s=elapsed_s,
        mode=MODES.get(mode),
        tag=resaved.tag(more[0]) if more else None,
        cost_millicents=entries.cost(resaved.decimal(more[1])) if len(more) > 1 else None,
    )


def _time(text: str) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise BadEntry("a time is not dd.mm.yy-HH:MM")
    day, month, year, hour, minute = (int(part) for part in match.groups())
    try:
        return datetime(2000 + year, month, day, hour, minute)  # noqa: DTZ001 -- local, as the log has it
    except ValueError:
        raise BadEntry("a time does not exist") from None


def _seconds(text: str) -> int | None:
    """`3 H 35 Min`, `45 Min`, or `--`."""
    match = _DURATION.fullmatch(text)
    return 3600 * int(match[1] or 0) + 60 * int(match[2]) if match else None


def _times(number: Decimal | None, factor: int) -> Decimal | None:
    return None if number is None else number * factor
