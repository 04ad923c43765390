"""The measured topics of openWB 2.x: what stands where, in which unit, sign and type.

Pure. Names lack the leading `openWB/`. Grid import, charging and consumption are positive, PV power is negative; but
`lastlivevaluesJson` has kW and positive PV. Energies are Wh. `every_cycle` topics go out each time, those of `changing`
when they change, and those of `daily` come from the five-minute job.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulator.local_time import local_time
from simulator.physics import ChargePointState, PerPhase, Site, State
from simulator.v2.installation import BATTERY, COUNTER, INVERTER, SUB_COUNTER
from simulator.v2.payloads import rounded

NO_FAULT = "Kein Fehler."

_SUB_COUNTERS_SHARE = 0.3  # of the house, such as a heat pump's


@dataclass(frozen=True, slots=True, kw_only=True)
class PointView:
    """A charge point at the end of a cycle. `index` is its place in the household.

    `phases_in_use` are those of now or else of the last charge, None before the first; `fault` None is no fault.
    """

    number: int
    index: int
    current_a: float
    phases_in_use: int | None
    phases_to_use: int
    state_text: str
    fault: str | None
    connected: Mapping[str, Any]
    log: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the wallbox knows at the end of a cycle. `socs` are the vehicles' known states of charge, in %.

    `faults` are texts by part: pv, battery and tariff.
    """

    site: Site
    state: State
    day_start: State
    points: tuple[PointView, ...]
    socs: Mapping[int, float]
    faults: Mapping[str, str]
    has_sub_counter: bool

    def point(self, view: PointView) -> ChargePointState:
        return self.state.charge_points[view.index]


def every_cycle(view: View) -> dict[str, Any]:
    """All that goes out each cycle, changed or not."""
    topics = _counter(view.state) | _inverter(view)
    if view.has_sub_counter:
        topics |= _sub_counter(view.state)
    if view.site.battery is not None:
        topics |= _battery(view)
    for point in view.points:
        topics |= _charge_point(view, point)
        if point.log["timestamp_start_charging"] is not None:
            topics[f"chargepoint/{point.number}/set/log"] = dict(point.log)
    live = live_values(view)
    return topics | {"graph/lastlivevaluesJson": live, "system/lastlivevaluesJson": live, "optional/dc_charging": False}


def changing(view: View) -> dict[str, Any]:
    """All that goes out when it changes."""
    state = view.state
    points = [view.point(point) for point in view.points]
    topics: dict[str, Any] = {
        "chargepoint/get/power": rounded(sum(point.power_w for point in points)),
        "chargepoint/get/imported": rounded(sum(point.meter_wh for point in points)),
        "chargepoint/get/exported": 0,
        "chargepoint/get/fault_state": 0,
        "chargepoint/get/fault_str": NO_FAULT,
        "counter/set/home_consumption": home_w(view),
        "counter/set/imported_home_consumption": state.house_wh,
        "counter/set/invalid_home_consumption": 0,
        "pv/get/power": -rounded(state.pv_w),
        "pv/get/exported": rounded(state.pv_wh),
        **_sum_fault(view, "pv", "pv", "Wechselrichter"),
        **_fault("optional/ep/flexible_tariff", view.faults.get("tariff")),
    }
    for name in ("monthly_exported", "yearly_exported"):
        topics[f"pv/{INVERTER}/get/{name}"] = 0
    if view.site.battery is not None:
        topics |= {
            "bat/get/power": rounded(state.battery_w),
            "bat/get/soc": battery_soc(view.site, state),
            "bat/get/imported": rounded(state.battery_charged_wh),
            "bat/get/exported": rounded(state.battery_discharged_wh),
            "bat/get/power_limit_controllable": False,
            **_sum_fault(view, "bat", "battery", "Speicher"),
        }
    for point in view.points:
        prefix = f"chargepoint/{point.number}"
        topics |= {f"{prefix}/get/connected_vehicle/{name}": value for name, value in point.connected.items()}
        topics |= {
            f"{prefix}/set/current": rounded(point.current_a),
            f"{prefix}/set/phases_to_use": point.phases_to_use,
            f"{prefix}/set/log": dict(point.log),
        }
        if point.phases_in_use is not None:
            topics[f"{prefix}/get/phases_in_use"] = point.phases_in_use
    return topics


def daily(view: View) -> dict[str, Any]:
    """Wh since local midnight."""
    now, then = view.state, view.day_start
    topics: dict[str, Any] = {
        f"counter/{COUNTER}/get/daily_imported": rounded(now.grid_imported_wh - then.grid_imported_wh),
        f"counter/{COUNTER}/get/daily_exported": rounded(now.grid_exported_wh - then.grid_exported_wh),
        "counter/set/daily_yield_home_consumption": rounded(now.house_wh - then.house_wh, 3),
        "pv/get/daily_exported": rounded(now.pv_wh - then.pv_wh),
        f"pv/{INVERTER}/get/daily_exported": rounded(now.pv_wh - then.pv_wh),
    }
    total_wh = 0.0
    for view_point in view.points:
        index = view_point.index
        day_wh = now.charge_points[index].meter_wh - then.charge_points[index].meter_wh
        total_wh += day_wh
        topics[f"chargepoint/{view_point.number}/get/daily_imported"] = rounded(day_wh)
        topics[f"chargepoint/{view_point.number}/get/daily_exported"] = 0
    topics |= {"chargepoint/get/daily_imported": rounded(total_wh), "chargepoint/get/daily_exported": 0}
    if view.site.battery is not None:
        for prefix in ("bat", f"bat/{BATTERY}"):
            topics[f"{prefix}/get/daily_imported"] = rounded(now.battery_charged_wh - then.battery_charged_wh)
            topics[f"{prefix}/get/daily_exported"] = rounded(now.battery_discharged_wh - then.battery_discharged_wh)
    return topics


def live_values(view: View) -> dict[str, Any]:
    """The newest row of the graph: kW, PV positive; what is absent or faulty has no key."""
    state = view.state
    at = int(state.at)
    row: dict[str, Any] = {
        "timestamp": at,
        "time": f"{local_time(at):%H:%M:%S}",
        "grid": _kw(state.grid_w),
        "house-power": _kw(home_w(view)),
        "charging-all": _kw(sum(view.point(point).power_w for point in view.points)),
        "pv-all": _kw(state.pv_w),
    }
    for point in view.points:
        if point.fault is None:
            row[f"cp{point.number}-power"] = _kw(view.point(point).power_w)
    row |= {f"ev{vehicle}-soc": soc for vehicle, soc in view.socs.items()}
    if view.site.battery is not None:
        row["bat-all-power"] = _kw(state.battery_w)
        row["bat-all-soc"] = battery_soc(view.site, state)
    return row


def home_w(view: View) -> int:
    """Worked out from the grid's power and all that is measured behind it."""
    state = view.state
    points_w = sum(view.point(point).power_w for point in view.points)
    rest_w = state.grid_w + state.pv_w - points_w - state.battery_w
    return max(0, round(rest_w - (_SUB_COUNTERS_SHARE * state.house_w if view.has_sub_counter else 0)))


def battery_soc(site: Site, state: State) -> int:
    return int(100 * state.battery_energy_wh / site.battery.capacity_wh) if site.battery else 0


def _counter(state: State) -> dict[str, Any]:
    currents_a = [power_w / volts for power_w, volts in zip(state.grid_powers_w, state.voltages_v, strict=True)]
    readings = {
        "power": rounded(state.grid_w),
        "powers": _three(state.grid_powers_w),
        "currents": [rounded(current_a) for current_a in currents_a],
        "voltages": _three(state.voltages_v),
        "power_factors": [1, 1, 1],
        "frequency": 50.0,
        "imported": rounded(state.grid_imported_wh),
        "exported": rounded(state.grid_exported_wh),
        "fault_state": 0,
        "fault_str": NO_FAULT,
    }
    return {f"counter/{COUNTER}/get/{name}": value for name, value in readings.items()}


def _sub_counter(state: State) -> dict[str, Any]:
    """It counts a part of what the house draws."""
    readings = {
        "power": rounded(_SUB_COUNTERS_SHARE * state.house_w),
        "imported": rounded(_SUB_COUNTERS_SHARE * state.house_wh),
        "exported": 0,
        "fault_state": 0,
        "fault_str": NO_FAULT,
    }
    return {f"counter/{SUB_COUNTER}/get/{name}": value for name, value in readings.items()}


def _fault(topic: str, text: str | None) -> dict[str, Any]:
    return {f"{topic}/get/fault_state": 2 if text else 0, f"{topic}/get/fault_str": text or NO_FAULT}


def _sum_fault(view: View, topic: str, part: str, word: str) -> dict[str, Any]:
    """The sum does not say what is wrong, only where to look."""
    text = f"Bitte die Statusmeldungen der {word} prüfen. Es haben nicht alle Module aktuelle Zählerstände geliefert."
    return _fault(topic, text if part in view.faults else None)


def _inverter(view: View) -> dict[str, Any]:
    state = view.state
    readings = {
        "power": -rounded(state.pv_w),
        "currents": [rounded(-state.pv_w / 3 / volts) for volts in state.voltages_v],
        "exported": rounded(state.pv_wh),
    }
    topics = {f"pv/{INVERTER}/get/{name}": value for name, value in readings.items()}
    return topics | _fault(f"pv/{INVERTER}", view.faults.get("pv"))


def _battery(view: View) -> dict[str, Any]:
    site, state = view.site, view.state
    readings = {
        "power": rounded(state.battery_w),
        "currents": [round(state.battery_w / 3 / volts, 2) + 0.0 for volts in state.voltages_v],
        "soc": battery_soc(site, state),
        "imported": rounded(state.battery_charged_wh),
        "exported": rounded(state.battery_discharged_wh),
        "max_charge_power": 0,
        "max_discharge_power": 0,
        "power_limit_controllable": False,
        "state_str": "Keine Steuerung",
    }
    topics = {f"bat/{BATTERY}/get/{name}": value for name, value in readings.items()}
    return topics | _fault(f"bat/{BATTERY}", view.faults.get("battery"))


_UNKNOWN = (
    "current_branch current_commit error_code error_timestamp evse_signaling max_charge_power max_discharge_power "
    "max_evse_current soc soc_timestamp vehicle_id version"
)


def _charge_point(view: View, point: PointView) -> dict[str, Any]:
    state = view.point(point)
    readings: dict[str, Any] = dict.fromkeys(_UNKNOWN.split())
    readings |= {
        "charge_state": state.is_drawing,
        "power": rounded(state.power_w),
        "powers": [rounded(a * v) for a, v in zip(state.currents_a, view.state.voltages_v, strict=True)],
        "currents": _three(state.currents_a),
        "voltages": _three(view.state.voltages_v),
        "power_factors": [1.0, 1.0, 1.0],
        "evse_current": rounded(point.current_a),
        "charging_current": 0,
        "charging_power": 0,
        "charging_voltage": 0,
        "frequency": 50.0,
        "serial_number": f"simulated-{point.number}",
        "state_str": point.state_text,
        "fault_state": 0 if point.fault is None else 2,
        "fault_str": NO_FAULT if point.fault is None else point.fault,
    }
    if state.is_drawing:  # 0 is never published
        readings["phases_in_use"] = point.phases_in_use
    if point.fault is None:  # withheld while it cannot be reached
        readings |= {"plug_state": state.is_plugged, "imported": rounded(state.meter_wh), "exported": 0}
    return {f"chargepoint/{point.number}/get/{name}": value for name, value in readings.items()}


def _three(values: PerPhase) -> list[int | float]:
    return [rounded(value) for value in values]


def _kw(watts: float) -> float:
    return round(watts / 1000, 3) + 0.0  # no -0.0
