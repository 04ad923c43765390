"""The answers of the backend that an iOS app was written for, made of today's state and sessions. Pure.

The app decodes strictly: a field that is null, missing, or a fraction where it wants a whole number voids the whole
answer. It has no word for "unknown", so here, and nowhere else, what is unknown or not there shows as 0. Names, signs
and units are the old ones, also openWB's German; docs/legacy-app.md lists them. Served by handlers/legacy.py.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from common.model import ChargePoint, Mode, Number, PerPhase, SiteState, Snapshot
from common.store.rows import SessionRow

KM_PER_WH = 1 / 170.0
"""The app shows how far a charge goes. openWB itself starts from 17 kWh per 100 km."""

MODES: Mapping[Mode, tuple[int, str]] = {
    Mode.INSTANT: (0, "Sofortladen"),
    Mode.MIN_PV: (1, "Min + PV"),
    Mode.PV: (2, "PV Überschuss"),
    Mode.STOP: (3, "Stop"),
    Mode.STANDBY: (4, "Standby"),
    # Modes of openWB 2.x that the app does not know: by what they do, charge towards a time, or cheaply.
    Mode.SCHEDULED: (0, "Sofortladen"),
    Mode.ECO: (1, "Min + PV"),
}
"""Mode → openWB 1.9's number and the app's name for it."""

WISHED_MODES: Mapping[str, Mode] = {
    **{str(number): mode for mode, (number, _) in list(MODES.items())[:5]},
    "jetzt": Mode.INSTANT,
    "minundpv": Mode.MIN_PV,
    "pvuberschuss": Mode.PV,
    "stop": Mode.STOP,
    "standby": Mode.STANDBY,
}
"""What `POST lademodus/{…}` takes. 3 is Stop and 4 Standby, as in openWB; the old backend had them swapped."""


def values(snapshot: Snapshot) -> dict[str, Any]:
    """Powers in W; import and battery charging +; PV +. `time` is the wallbox's last word, in milliseconds."""
    state = snapshot.state
    first, second, _ = _first_three(state)
    consumers = [state.devices.get(f"consumer-{number}") for number in (1, 2)]
    return {
        "time": float(round(snapshot.updated_at * 1000)),
        "evu": _of(state.grid, "power_w"),
        "photovoltaik": max(0, _of(state.pv, "power_w")),
        "hausverbrauch": max(0, _of(state.home, "power_w")),
        "ladeleistung": _charging_power_w(state),
        "ladeleistung_lp1": _of(first, "power_w"),
        "ladeleistung_lp2": _of(second, "power_w"),
        "speicherleistung": _of(state.battery, "power_w"),
        "speicher_soc": _of(state.battery, "soc_percent"),
        "soc_lp1": _of(first, "soc_percent"),
        "soc_lp2": _of(second, "soc_percent"),
        "vb1": _of(consumers[0], "power_w"),
        "vb2": _of(consumers[1], "power_w"),
    }


def charge_mode(state: SiteState) -> dict[str, Any] | None:
    """The site's mode, with openWB 2.x that of the first charge point; None while it is unknown."""
    mode = next((point.mode for point in state.charge_points.values() if point.mode is not None), None)
    if mode is None:
        return None
    number, name = MODES[mode]
    return {"modusName": name, "modus": number}


def charge_log(rows: Iterable[SessionRow], now: float) -> dict[str, Any]:
    """Sessions newest first. A start stands once: the app takes it for the entry's identity."""
    log: list[dict[str, Any]] = []
    starts: set[int] = set()
    for row in rows:
        start_ms = row.started_at * 1000
        while start_ms in starts:
            start_ms += 1
        starts.add(start_ms)
        energy_wh = row.energy_wh or 0
        ended_at = row.ended_at if row.ended_at is not None else int(now)
        charging_s = row.charging_s or max(0, ended_at - row.started_at)
        log.append(
            {
                "start": start_ms,
                "ende": ended_at * 1000,
                "km": round(energy_wh * KM_PER_WH),
                "kWh": energy_wh / 1000,
                "kW": round(energy_wh * 3.6 / charging_s, 2) if charging_s else 0.0,
                "ladepunkt": row.charge_point,
                "modus": MODES[Mode(row.mode)][0]
                if row.mode in tuple(Mode)
                else 0,  # instant, as others charge by plan
            }
        )
    return {"log": log}


def person(name: str, *, is_admin: bool) -> dict[str, Any]:
    """`tagName` names an icon, `<tag>.circle`: the first letter or digit of the name that there is one for."""
    initial = next((letter for letter in name.lower() if letter.isascii() and letter.isalnum()), "p")
    return {"username": name, "tagName": initial, "admin": is_admin}


def charge_point(state: SiteState) -> dict[str, Any]:
    """The first charge point."""
    point = _first_three(state)[0]
    return {
        "name": point.name or "",
        "soc": _whole(point.soc_percent),
        "phase": {"Pf": [0, 0, 0], "V": _decimals(point.voltages_v), "A": _wholes(point.currents_a)},
        "kWhDaily": 0,
        "kWhCounter": (point.meter_wh or 0) / 1000,
        "W": _whole(point.power_w),
        "enabled": int(point.is_enabled is True),
    }


def consumption(state: SiteState) -> dict[str, Any]:
    """Grid, consumers, PV and battery. PV power is − here, as openWB 1.9 has it."""
    grid, consumers = state.grid, [state.devices.get(f"consumer-{number}") for number in (1, 2)]
    currents = [
        abs(current) for current in (grid.currents_a if grid and grid.currents_a else ()) if current is not None
    ]
    return {
        "evu": {
            "W": _of(grid, "power_w"),
            "phase": {
                "Pf": [0, 0, 0],
                "V": _decimals(grid.voltages_v if grid else None),
                "A": _wholes(grid.currents_a if grid else None),
            },
            "WhImported": float(grid.imported_wh or 0) if grid else 0.0,
            "WhExported": float(grid.exported_wh or 0) if grid else 0.0,
            "ASchieflast": _whole(max(currents) - min(currents)) if currents else 0,
        },
        "verbraucher": {
            name: _of(consumer, part)
            for number, consumer in enumerate(consumers, 1)
            for name, part in (
                (f"WNr{number}", "power_w"),
                (f"WhImportedNr{number}", "energy_wh"),
                (f"WhExportedNr{number}", None),
            )
        },
        "pv": {
            "W": -_of(state.pv, "power_w"),
            "WhCounter": _of(state.pv, "produced_wh"),
            "CounterTillStartPvCharging": 0,
        },
        "housebattery": {
            "W": _of(state.battery, "power_w"),
            "Soc": _of(state.battery, "soc_percent"),
            "WhImported": _of(state.battery, "charged_wh"),
            "WhExported": _of(state.battery, "discharged_wh"),
        },
    }


def site(state: SiteState, topics: Mapping[str, str]) -> dict[str, Any]:
    """`globals`: what the site does and shows; flags are 0 or 1. `topics` is the raw mirror, for openWB 1.9's flags."""
    mode = charge_mode(state)
    flags = (
        "boolChargeAtNight_direct",
        "boolChargeAtNight_nurpv",
        "boolChargeAtNight_minpv",
        "boolDisplayHouseConsumption",
        "boolDisplayDailyCharged",
        "boolEvuSmoothedActive",
        "boolDisplayHouseBatteryPriority",
    )
    return {
        "WHouseConsumption": _of(state.home, "power_w"),
        "WAllChargePoints": _charging_power_w(state),
        "ChargeMode": mode["modus"] if mode else 0,
        **{flag: int(topics.get(f"openWB/{flag}", "").strip() == "1") for flag in flags},
        "strLastmanagementActive": 0,
    }


def rest(snapshot: Snapshot) -> dict[str, str]:
    """`raw/rest`: texts under the keys of openWB 1.9's `api.php?get=all`, as far as the state has them."""
    state = snapshot.state
    told: dict[str, Any] = {
        "lademodus": (charge_mode(state) or {"modus": 0})["modus"],
        "llgesamt": _charging_power_w(state),
        "evuw": _of(state.grid, "power_w"),
        "pvw": -_of(state.pv, "power_w"),
        "evubezugWh": _of(state.grid, "imported_wh"),
        "evueinspeisungWh": _of(state.grid, "exported_wh"),
        "pvWh": _of(state.pv, "produced_wh"),
        "speichersoc": _of(state.battery, "soc_percent"),
        "speicherleistung": _of(state.battery, "power_w"),
    }
    for phase in range(3):
        told[f"evua{phase + 1}"] = _phase(state.grid.currents_a if state.grid else None, phase)
        told[f"evuv{phase + 1}"] = _phase(state.grid.voltages_v if state.grid else None, phase)
    for number, point in zip(("1", "2", "3"), _first_three(state), strict=True):
        told[f"lllp{number}"] = _whole(point.power_w)
        told[f"llkwhLP{number}"] = (point.meter_wh or 0) / 1000
        told[f"gelkwhlp{number}"] = (point.energy_charged_wh or 0) / 1000
        told[f"ladungaktivLP{number}"] = int(point.is_charging is True)
        for phase in range(3):
            told[f"lla{phase + 1}LP{number}"] = _phase(point.currents_a, phase)
        if number != "3":
            told[f"socLP{number}"] = _whole(point.soc_percent)
            told[f"chargestatLP{number}"] = int(point.is_charging is True)
            told[f"plugstatLP{number}"] = int(point.is_plugged is True)
    return {name: str(value) for name, value in told.items()}


def _first_three(state: SiteState) -> list[ChargePoint]:
    """In the order of their numbers, which openWB 2.x gives to other things too: 3 and 7 may be the first two."""
    points = [
        state.charge_points[number] for number in sorted(state.charge_points, key=lambda number: (len(number), number))
    ]
    return [*points, ChargePoint(), ChargePoint(), ChargePoint()][:3]


def _charging_power_w(state: SiteState) -> int:
    return max(0, sum(_whole(point.power_w) for point in state.charge_points.values()))


def _of(part: object | None, name: str | None) -> int:
    return _whole(getattr(part, name)) if part is not None and name is not None else 0


def _whole(value: Number | None) -> int:
    return round(value) if value is not None else 0


def _wholes(values: PerPhase | None) -> list[int]:
    return [_whole(value) for value in values or (None, None, None)]


def _decimals(values: PerPhase | None) -> list[float]:
    return [float(value or 0) for value in values or (None, None, None)]


def _phase(values: PerPhase | None, phase: int) -> Number:
    return (values[phase] if values is not None else None) or 0
