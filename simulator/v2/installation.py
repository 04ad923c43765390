"""What an installed openWB 2.x keeps in its broker before anything is measured: ids, names, settings, templates.

Pure. Ids are shared by all kinds of components and have gaps. Passwords, tokens and addresses are made up; they stand
where the real ones do, so that a test can show where they must not go.
"""

from typing import Any

from simulator.physics import Site
from simulator.v2 import factory_settings, templates

COUNTER, INVERTER, BATTERY = 0, 1, 2
SUB_COUNTER = 5  # below the grid's, where a knob installs it
STANDARD_VEHICLE = 0

_SECOND_NAME = "Grüne "  # the second vehicle's, so that a name has an umlaut


def charge_point_ids(n_points: int) -> tuple[int, ...]:
    """3, 7, 8, …: what had the numbers between was removed long ago."""
    return tuple(range(3, 4))[:n_points] + tuple(range(7, 6 + n_points))


def installed(site: Site) -> dict[str, Any]:
    """All values of a new installation for this household, but for its charge points."""
    values: dict[str, Any] = {**factory_settings.VALUES, **_devices()}
    values["counter/0/config/max_currents"] = [35, 35, 35]
    values["counter/0/config/max_power_errorcase"] = 7000
    values["counter/0/config/max_total_power"] = 24000
    values["counter/config/consider_less_charging"] = False
    values["counter/config/home_consumption_source_id"] = None
    values["pv/config/configured"] = True
    values["pv/1/config/max_ac_out"] = 0
    values |= _battery(is_there=site.battery is not None)
    values["chargepoint/template/0"] = {
        "autolock": {"active": False, "plans": [], "wait_for_charging_end": False},
        "charging_type": "AC",
        "id": 0,
        "max_current_multi_phases": 32,
        "max_current_single_phase": 32,
        "dc_max_current": 435,
        "name": "Ladepunkt-Profil",
        "disable_after_unplug": False,
        "valid_tags": [],
    }
    values["vehicle/template/charge_template/0"] = templates.new_charge_template(0, "Standard-Lade-Profil")
    values["vehicle/template/charge_template/1"] = templates.new_charge_template(1, "Überschuss und Mindeststrom")
    values["vehicle/template/charge_template/1"]["chargemode"]["selected"] = templates.PV
    values["vehicle/template/charge_template/1"]["chargemode"]["pv_charging"]["min_current"] = 6
    values["vehicle/template/ev_template/0"] = templates.new_ev_template(
        0, "Standard-Fahrzeug-Profil", phases=3, most_a=16, capacity_wh=82000
    )
    values |= _vehicle(STANDARD_VEHICLE, "Standard-Fahrzeug", charge_template=0, ev_template=0, tags=())
    for number, point in enumerate(site.charge_points, 1):
        car = point.car
        name = car.name if number != 2 else _SECOND_NAME + car.name
        values[f"vehicle/template/ev_template/{number}"] = templates.new_ev_template(
            number, name, phases=car.phases, most_a=car.most_current_a, capacity_wh=car.capacity_wh
        )
        template = 1 if number == 1 else 0
        values |= _vehicle(number, name, charge_template=template, ev_template=number, tags=point.tags)
    values["vehicle/set/vehicle_update_completed"] = True
    # Only the first vehicle has a SoC module, the one into which people type.
    values["vehicle/1/soc_module/config"] = {"name": "Manueller SoC", "type": "manual", "configuration": {}}
    values["vehicle/1/soc_module/calculated_soc_state"] = {"last_imported": 0, "manual_soc": None}
    return values


def charge_point_config(number: int, name: str, vehicle: int) -> dict[str, Any]:
    """A charge point's configuration as a person saves it; see `as_core_writes` for what becomes of it."""
    return {
        "configuration": {"ip_address": "192.0.2.30", "password": "simulated-charge-point-password"},
        "ev": vehicle,
        "name": name,
        "color": "#007bff",
        "type": "openwb_pro",
        "template": 0,
        "connected_phases": 3,
        "phase_1": 1,
        "auto_phase_switch_hw": False,
        "control_pilot_interruption_hw": False,
        "id": number,
        "ocpp_chargebox_id": None,
        "charging_type": "AC",
        "visibility": True,
    }


def as_core_writes(config: dict[str, Any], vehicle: int, *, keeps_ev: bool) -> dict[str, Any]:
    """The core's own rewriting: `_ev` besides or in place of `ev`, and two keys lost."""
    kept = {key: value for key, value in config.items() if key not in ("_ev", "ev", "charging_type", "visibility")}
    return kept | {"_ev": vehicle} | ({"ev": vehicle} if keeps_ev else {})


def component(number: int, kind: str, name: str) -> dict[str, Any]:
    """The configuration of a component of a device."""
    return {
        "name": name,
        "info": {"manufacturer": None, "model": None},
        "type": kind,
        "id": number,
        "configuration": {"modbus_id": 1, "ip_address": "192.0.2.31", "password": "simulated-inverter-password"},
        "color": "#28a745",
    }


def hierarchy(charge_points: list[int], *, has_battery: bool, has_sub_counter: bool = False) -> list[dict[str, Any]]:
    """What hangs behind which meter; the first root is the grid's."""
    children = [(INVERTER, "inverter"), *([(BATTERY, "bat")] if has_battery else [])]
    children += [(SUB_COUNTER, "counter")] if has_sub_counter else []
    children += [(number, "cp") for number in charge_points]
    parts = [{"id": number, "type": kind, "children": []} for number, kind in children]
    return [{"id": COUNTER, "type": "counter", "children": parts}]


def _vehicle(
    number: int, name: str, *, charge_template: int, ev_template: int, tags: tuple[str, ...]
) -> dict[str, Any]:
    return {
        f"vehicle/{number}/name": name,
        f"vehicle/{number}/color": "#17a2b8",
        f"vehicle/{number}/info": {"manufacturer": None, "model": None},
        f"vehicle/{number}/charge_template": charge_template,
        f"vehicle/{number}/ev_template": ev_template,
        f"vehicle/{number}/tag_id": list(tags),
        f"vehicle/{number}/soc_module/config": {"type": None, "configuration": {}},
        f"vehicle/{number}/soc_module/general_config": {
            "use_soc_from_cp": False,
            "request_interval_charging": 300,
            "request_interval_not_charging": 43200,
            "request_only_plugged": False,
        },
        f"vehicle/{number}/get/soc": None,
        f"vehicle/{number}/get/force_soc_update": True,
    }


def _battery(*, is_there: bool) -> dict[str, Any]:
    return {
        "bat/config/bat_control_activated": False,
        "bat/config/bat_control_max_soc": 90,
        "bat/config/bat_control_min_soc": 5,
        "bat/config/charge_limit": 0.3,
        "bat/config/configured": is_there,
        "bat/config/manual_mode": "manual_disable",
        "bat/config/power_limit_condition": "vehicle_charging",
        "bat/config/power_limit_mode": "mode_no_discharge",
        "bat/config/price_charge_activated": False,
        "bat/config/price_limit": 0.3,
        "bat/config/price_limit_activated": False,
    }


def _devices() -> dict[str, Any]:
    components = (
        (COUNTER, "counter", "EVU-Zähler"),
        (INVERTER, "inverter", "Wechselrichter"),
        (BATTERY, "bat", "Speicher"),
    )
    values: dict[str, Any] = {
        f"system/device/0/component/{number}/config": component(number, kind, name) for number, kind, name in components
    }
    values["system/device/0/config"] = {
        "name": "Wechselrichter mit Speicher",
        "type": "kostal_plenticore",
        "vendor": "kostal",
        "id": 0,
        "configuration": {"ip_address": "192.0.2.31", "password": "simulated-inverter-password"},
    }
    return values
