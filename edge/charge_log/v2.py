"""The charge log of openWB 2.x: the answer to `getChargeLog`, one object for each section of a charge.

Pure. Source: openWB's `control/chargelog/process_chargelog.py`. A change of mode while charging ends a section, and so
does unplugging; older entries lack some members.
"""

import math
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

import orjson

from common.model import LoggedMode
from edge.charge_log import entries, local_times
from edge.charge_log.entries import BadEntry, BadLine, Entry, Parsed
from edge.openwb import v2_objects

COUNTING_WH = 2  # what two counters of one meter may differ by after rounding
SHARES_SUM = 0.02  # three shares with two decimals each

MODES: Mapping[str, str] = {
    **v2_objects.MODES,
    "time_charging": LoggedMode.TIME,
    "bidi_charging": LoggedMode.BIDI,
}

_SOURCES = ("grid", "pv", "bat")
_HIGHEST_METER_WH = 1e12


def parse(content: bytes, zone: tzinfo) -> Parsed | None:
    """All entries of an answer, None when it is no answer. Whatever the bytes are, nothing is raised."""
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    listed = answer.get("entries") if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        return None
    found: list[Entry] = []
    bad: list[BadLine] = []
    ends: dict[str, int] = {}
    last_end: int | None = None
    for number, part in enumerate(listed, 1):
        try:
            entry = _entry(part, zone, ends, last_end)
        except BadEntry as exc:
            bad.append(BadLine(number, str(exc)))
            continue
        ends[entry.charge_point] = last_end = entry.ended_at
        found.append(entry)
    return Parsed(tuple(found), tuple(bad))


def _entry(part: Any, zone: tzinfo, ends: dict[str, int], last_end: int | None) -> Entry:
    point, vehicle, times, data = (_object(part, name) for name in ("chargepoint", "vehicle", "time", "data"))
    number = point.get("id")
    charge_point = entries.charge_point(str(number) if isinstance(number, int) else "")
    charging_s = _seconds(times.get("time_charged"))
    started_at, ended_at = local_times.span(
        _time(times.get("begin")),
        _time(times.get("end")),
        zone,
        least_s=charging_s or 0,
        not_before=ends.get(charge_point),
        ends_after=last_end,
    )
    energy_wh = entries.energy(_number(data.get("imported_since_mode_switch")))
    start_wh, end_wh = _meter(point.get("imported_at_start")), _meter(point.get("imported_at_end"))
    if start_wh is None or end_wh is None or abs(end_wh - start_wh - energy_wh) > COUNTING_WH:
        start_wh = end_wh = None  # a meter that was reset meanwhile, or one that the log does not know
    else:
        energy_wh = end_wh - start_wh
    since_plugged_wh = _number(data.get("imported_since_plugged"))
    is_continued = since_plugged_wh is not None and since_plugged_wh - energy_wh > COUNTING_WH
    return Entry(
        charge_point=charge_point,
        started_at=started_at,
        ended_at=ended_at,
        energy_wh=energy_wh,
        charging_s=charging_s,
        mode=MODES.get(chargemode) if isinstance(chargemode := vehicle.get("chargemode"), str) else None,
        vehicle=_text(vehicle.get("name")),
        tag=entries.tag(rfid) if isinstance(rfid := vehicle.get("rfid"), str) else None,
        cost_millicents=entries.cost(_number(data.get("costs"))),
        meter_start_wh=start_wh,
        meter_end_wh=end_wh,
        soc_start_percent=_percent(vehicle.get("soc_at_start")),
        soc_end_percent=_percent(vehicle.get("soc_at_end")),
        sources=_sources(data.get("power_source", data.get("energy_source")), energy_wh),
        discharged_wh=_discharged(point, data),
        is_continued=is_continued,
        begins_plug_in=since_plugged_wh is not None and not is_continued,
    )


def _object(part: Any, name: str) -> dict[str, Any]:
    found = part.get(name) if isinstance(part, dict) else None
    if not isinstance(found, dict):
        raise BadEntry(f"there is no {name}")
    return found


def _time(text: Any) -> datetime:
    try:
        return datetime.strptime(text, "%m/%d/%Y, %H:%M:%S")  # noqa: DTZ007 -- local, as the log has it
    except (TypeError, ValueError):
        raise BadEntry("a time is not mm/dd/YYYY, HH:MM:SS") from None


def _seconds(text: Any) -> int | None:
    """`H:MM`."""
    hours, _, minutes = text.partition(":") if isinstance(text, str) else ("", "", "")
    if not (hours.isdecimal() and minutes.isdecimal() and len(hours) <= 4 and len(minutes) == 2):
        return None
    return 3600 * int(hours) + 60 * int(minutes)


def _number(content: Any) -> float | None:
    if isinstance(content, bool) or not isinstance(content, int | float) or not math.isfinite(content):
        return None
    return float(content)


def _meter(content: Any) -> int | None:
    number = _number(content)
    return round(number) if number is not None and 0 <= number <= _HIGHEST_METER_WH else None


def _percent(content: Any) -> int | None:
    """0 is what openWB has for a car of which it knows nothing."""
    number = _number(content)
    return round(number) if number is not None and 0 < number <= 100 else None


def _text(content: Any) -> str | None:
    return entries.one_line(content) if isinstance(content, str) else None


def _discharged(point: dict[str, Any], data: dict[str, Any]) -> int | None:
    """Wh that a bidirectional car gave back, by the charge point's counter; None: none that the log knows of."""
    wh = _number(data.get("exported_since_mode_switch"))
    if wh is None:
        start_wh, end_wh = _meter(point.get("exported_at_start")), _meter(point.get("exported_at_end"))
        wh = None if start_wh is None or end_wh is None else float(end_wh - start_wh)
    return round(wh) or None if wh is not None and 0 < wh <= entries.MOST_WH else None


def _sources(content: Any, energy_wh: int) -> tuple[int, int, int] | None:
    """Wh from grid, PV and battery; what they lack of the whole is unknown, as energy from another car is.

    None when none of the three is known, as of short sections, or when they are more than the whole.
    """
    if not isinstance(content, dict):
        return None
    shares = [_number(content.get(name, 0.0)) for name in _SOURCES]
    known = [share if share is not None and 0 <= share <= 1 else 0.0 for share in shares]
    if not 0 < sum(known) <= 1 + SHARES_SUM:
        return None
    parts = [round(energy_wh * share) for share in known]
    if sum(known) >= 1 - SHARES_SUM or sum(parts) > energy_wh:
        largest = max(range(len(parts)), key=lambda index: parts[index])
        parts[largest] += energy_wh - sum(parts)
    grid_wh, pv_wh, battery_wh = parts
    return grid_wh, pv_wh, battery_wh
