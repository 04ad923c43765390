"""The charge log: finished sections in the months in which they were written, and the answer to `getChargeLog`.

Pure. The format is openWB's own: local times in American order without a zone, Wh, W, €, km
(`control/chargelog/process_chargelog.py`).
"""

from collections import deque
from typing import Any

from simulator.local_time import local_time
from simulator.v2.sessions import Section

MOST_ENTRIES = 5000  # some years of a busy household; the oldest go first


class BadRequest(ValueError):
    """The question lacks something that openWB insists on."""


class ChargeLog:
    """All entries, the oldest first."""

    def __init__(self) -> None:
        self._entries: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MOST_ENTRIES)

    def add(self, section: Section, charge_point: tuple[int, str], vehicle_name: str) -> None:
        """Write a section down, in the month of its end."""
        self._entries.append((f"{local_time(section.end):%Y%m}", _entry(section, charge_point, vehicle_name)))

    def answer(self, data: Any) -> dict[str, Any]:
        """The answer to `getChargeLog` with this `data`. Raises BadRequest where openWB fails, too."""
        try:
            month = f"{data['year']}{data['month']}"
            charge_points = data["filter"]["chargepoint"].get("id") or []
            vehicle = data["filter"]["vehicle"]
            vehicles, tags, modes = (vehicle.get(name) or [] for name in ("id", "tag", "chargemode"))
            is_prio = data["filter"].get("prio")
            found = [
                entry
                for written_in, entry in self._entries
                if written_in == month
                and (not charge_points or entry["chargepoint"]["id"] in charge_points)
                and (not vehicles or entry["vehicle"]["id"] in vehicles)
                and (not tags or entry["vehicle"]["rfid"] in tags)
                and (not modes or entry["vehicle"]["chargemode"] in modes)
                and (is_prio is None or entry["vehicle"]["prio"] is is_prio)
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise BadRequest(f"{type(error).__name__}: {error}") from error
        return {"entries": found, "totals": _totals(found) if found else {}}


def hours_and_minutes(seconds: float) -> str:
    """`H:MM`, the seconds cut off."""
    minutes = int(seconds // 60)
    return f"{minutes // 60}:{minutes % 60:02d}"


def _entry(section: Section, charge_point: tuple[int, str], vehicle_name: str) -> dict[str, Any]:
    number, name = charge_point
    return {
        "chargepoint": {
            "id": number,
            "name": name,
            "serial_number": None,
            "imported_at_start": section.meter_start_wh,
            "imported_at_end": section.meter_end_wh,
            "exported_at_start": 0,
            "exported_at_end": 0,
        },
        "vehicle": {
            "id": section.vehicle,
            "name": vehicle_name,
            "chargemode": section.mode,
            "prio": section.is_prio,
            "rfid": section.rfid,
            "odometer": None,
            "soc_at_start": section.soc_at_start,
            "soc_at_end": section.soc_at_end,
            "range_at_start": section.range_at_start,
            "range_at_end": section.range_at_end,
        },
        "time": {
            "begin": f"{local_time(section.begin):%m/%d/%Y, %H:%M:%S}",
            "end": f"{local_time(section.end):%m/%d/%Y, %H:%M:%S}",
            "time_charged": hours_and_minutes(section.charged_s),
        },
        "data": {
            "range_charged": round(section.range_km, 2),
            "imported_since_mode_switch": round(section.energy_wh, 2),
            "imported_since_plugged": round(section.since_plugged_wh, 2),
            "exported_since_mode_switch": 0,
            "exported_since_plugged": 0,
            "power": round(section.energy_wh * 3600 / section.charged_s, 2),
            "costs": round(section.costs, 2),
            "power_source": {name: round(section.shares[name], 2) for name in sorted(section.shares)},
        },
    }


def _totals(entries: list[dict[str, Any]]) -> dict[str, Any]:
    minutes = 0
    for entry in entries:
        hours, _, rest = entry["time"]["time_charged"].partition(":")
        minutes += 60 * int(hours) + int(rest)

    def total(name: str) -> float:
        return round(sum(float(entry["data"][name]) for entry in entries), 2)

    return {
        "time_charged": f"{minutes // 60}:{minutes % 60:02d}",
        "range_charged": total("range_charged"),
        "imported_since_mode_switch": total("imported_since_mode_switch"),
        "power": round(total("power") / len(entries), 2),
        "costs": total("costs"),
    }
