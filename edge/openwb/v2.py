"""The table of openWB 2.x: the only place, with its commands' table, where its topic names stand.

Obeys openWB 2.3 (core 3039a2101), and what 2.1 published otherwise. Its objects mix what is wanted with secrets and
personal data: rows name the members that may be kept. RFID tags, the car's own id, ranges and mileages, SoC modules,
devices' configurations, tariff providers, addresses and everything under `set/` are not named here on purpose.

Components have ids from one counter for all kinds, so a charge point may be 3 and a meter 4. Which there are stands in
the hierarchy; a charge point also has a configuration, which is emptied when it is removed.
"""

from collections.abc import Callable
from typing import Any

from edge.openwb import json_values, v2_capabilities, v2_objects
from edge.openwb.dialect import Dialect, Fill, Gate, Range, Reading, plain
from edge.openwb.discretion import discreet_content
from edge.openwb.json_values import at
from edge.openwb.parsing import Value
from edge.openwb.plausible import (
    CHARGED,
    CLOCK,
    FREQUENCY,
    LOAD_POWER,
    METER,
    PERCENT,
    PHASE_CURRENT,
    PHASE_POWER,
    PRICE,
    PRODUCTION,
    SITE_POWER,
    VOLTAGE,
)
from edge.openwb.rfid import without_tags
from edge.openwb.smarthome import smarthome

HEARTBEAT = "openWB/system/time"
VERSION = "openWB/system/version"

_ANY_ID = range(10_000)
_CHARGE_POWER = Range(-400_000, 400_000)  # a car may give back
_CHARGE_CURRENT = Range(-600, 600)
_SET_CURRENT = Range(0, 32)
_SET_DC_CURRENT = Range(0, 450)

# Listed in the hierarchy, as far as that is known; not removed; and known from one of both.
_IS_CHARGE_POINT = (
    Gate(("fact.charge_points",), "{n}", when_unknown=True),
    Gate(("fact.charge_points", "fact.is_charge_point.{n}"), wanted=False, must=False),
)
_IS_GRID = (Gate(("fact.grid_counter",), "{n}"),)
_IS_METER = (Gate(("fact.other_counters",), "{n}"),)
_HAS_PV = (Gate(("fact.has_pv",), when_unknown=True),)
_IS_INVERTER = (*_HAS_PV, Gate(("fact.inverters",), "{n}"))
_HAS_BATTERY = (Gate(("fact.has_battery",), when_unknown=True),)
_IS_BATTERY = (*_HAS_BATTERY, Gate(("fact.batteries",), "{n}"))
_IS_VEHICLE = (Gate(("fact.is_vehicle.{n}",)),)
_HAS_SOC_MODULE = (Gate(("fact.has_soc_module.{n}",)),)
_KNOWS_SOC = (Gate(("fact.knows_soc.{n}",)),)
_HAS_FIXED_PRICE = (Gate(("fact.has_tariff", "fact.has_prices", "fact.has_old_prices"), must=False, when_unknown=True),)
_HAS_TARIFF = (Gate(("fact.has_tariff",)),)
_HAS_OLD_TARIFF = (Gate(("fact.has_tariff",), must=False, when_unknown=True),)
_IS_DC = (Gate(("fact.charging_type.{n}",), "DC"),)
_IS_AC = (Gate(("fact.charging_type.{n}",), "DC", must=False, when_unknown=True),)


def _row(
    topic: str,
    field: str,
    read: Callable[[Any], Value],
    plausible: Range | None = None,
    gates: tuple[Gate, ...] = (),
    *,
    is_meter: bool = False,
) -> Reading:
    return _rows_of(topic, Fill(field, read, plausible, gates, is_meter=is_meter))


def _rows_of(
    topic: str,
    *fills: Fill,
    kept: tuple[str, ...] | None = None,
    cut: Callable[[Any], Any] = discreet_content,
    is_written_back: bool = False,
) -> Reading:
    members = None if kept is None else frozenset(kept)
    codec = json_values.decode, json_values.compact
    return Reading(topic, fills, *codec, members, cut, _ANY_ID, is_written_back)


def _sentence(content: Any) -> Any:
    return discreet_content(json_values.without_html(content))


def _sentence_of_charge_point(content: Any) -> Any:
    """It tells why a tag was thrown away, and names it."""
    said = _sentence(content)
    return without_tags(said) if isinstance(said, str) else said


def _members_with_sentences(content: Any) -> Any:
    return discreet_content({name: json_values.without_html(value) for name, value in content.items()})


def _fault(topic: str, field: str, gates: tuple[Gate, ...]) -> tuple[Reading, Reading]:
    return (
        _row(f"{topic}/fault_state", f"{field}.level", v2_objects.fault_level, None, gates),
        _rows_of(
            f"{topic}/fault_str", Fill(f"{field}.text", json_values.prose, gates=gates), cut=_sentence_of_charge_point
        ),
    )


_SITE = (
    _row(HEARTBEAT, "fact.clock", json_values.number, CLOCK),
    _row("openWB/system/boot_done", "fact.is_booted", json_values.boolean),
    _rows_of(VERSION, Fill("meta.version", json_values.version), cut=plain),  # nothing else passes
    _row("openWB/general/extern", "meta.is_secondary", json_values.boolean),
    _row("openWB/general/temporary_charge_templates_active", "fact.templates_are_temporary", json_values.boolean),
    _row("openWB/general/control_interval", "fact.control_interval_s", json_values.whole, Range(1, 300)),
    _row("openWB/counter/set/home_consumption", "home.power_w", json_values.number, LOAD_POWER),
    _rows_of(
        "openWB/counter/get/hierarchy",
        Fill("fact.charge_points", v2_objects.ids("cp")),
        Fill("fact.inverters", v2_objects.ids("inverter")),
        Fill("fact.batteries", v2_objects.ids("bat")),
        Fill("fact.grid_counter", v2_objects.grid_counter),
        Fill("fact.other_counters", v2_objects.other_counters),
        cut=v2_objects.bare_hierarchy,
    ),
)

_TARIFF = (
    _row("openWB/general/prices/grid", "tariff.price_per_kwh", json_values.per_wh_as_per_kwh, PRICE, _HAS_FIXED_PRICE),
    _row("openWB/general/prices/pv", "tariff.pv_price_per_kwh", json_values.per_wh_as_per_kwh, PRICE),
    _row("openWB/general/prices/bat", "tariff.battery_price_per_kwh", json_values.per_wh_as_per_kwh, PRICE),
    _rows_of(
        "openWB/optional/ep/configured",
        Fill("fact.has_tariff", json_values.boolean),
        Fill("tariff.is_dynamic", json_values.boolean),
    ),
    _rows_of(
        "openWB/optional/ep/get/prices",
        Fill("tariff.prices", json_values.prices, rank=1),
        Fill("fact.has_prices", v2_objects.has_prices),
    ),
    _rows_of(  # until 2.1.8
        "openWB/optional/et/get/prices",
        Fill("tariff.prices", json_values.prices),
        Fill("fact.has_old_prices", v2_objects.has_prices),
    ),
    *_fault("openWB/optional/ep/flexible_tariff/get", "tariff.fault.1", _HAS_TARIFF),
    *_fault("openWB/optional/ep/grid_fee/get", "tariff.fault.2", _HAS_TARIFF),
    *_fault("openWB/optional/et/get", "tariff.fault.3", _HAS_OLD_TARIFF),
)

_COUNTERS = (
    _rows_of(
        "openWB/system/device/{d}/component/{n}/config",
        Fill("devices.meter-{n}.name", at("name", read=json_values.name), gates=_IS_METER),
        Fill("pv.fault.{n}.name", at("name", read=json_values.name), gates=_IS_INVERTER),
        Fill("battery.fault.{n}.name", at("name", read=json_values.name), gates=_IS_BATTERY),
        kept=("name",),
    ),
    _rows_of(
        "openWB/counter/{n}/get/power",
        Fill("grid.power_w", json_values.number, SITE_POWER, _IS_GRID),
        Fill("devices.meter-{n}.power_w", json_values.number, SITE_POWER, _IS_METER),
    ),
    _rows_of(
        "openWB/counter/{n}/get/imported",
        Fill("grid.imported_wh", json_values.wh, METER, _IS_GRID, is_meter=True),
        Fill("devices.meter-{n}.energy_wh", json_values.wh, METER, _IS_METER, is_meter=True),
    ),
    _row("openWB/counter/{n}/get/exported", "grid.exported_wh", json_values.wh, METER, _IS_GRID, is_meter=True),
    _row("openWB/counter/{n}/get/currents", "grid.currents_a", json_values.per_phase, PHASE_CURRENT, _IS_GRID),
    _row("openWB/counter/{n}/get/voltages", "grid.voltages_v", json_values.per_phase, VOLTAGE, _IS_GRID),
    _row("openWB/counter/{n}/get/powers", "grid.powers_w", json_values.per_phase, PHASE_POWER, _IS_GRID),
    _row("openWB/counter/{n}/get/frequency", "grid.frequency_hz", json_values.number, FREQUENCY, _IS_GRID),
    _rows_of(
        "openWB/counter/{n}/get/fault_state",
        Fill("grid.fault.level", v2_objects.fault_level, gates=_IS_GRID),
        Fill("devices.meter-{n}.fault.level", v2_objects.fault_level, gates=_IS_METER),
    ),
    _rows_of(
        "openWB/counter/{n}/get/fault_str",
        Fill("grid.fault.text", json_values.prose, gates=_IS_GRID),
        Fill("devices.meter-{n}.fault.text", json_values.prose, gates=_IS_METER),
        cut=_sentence,
    ),
)

# The sums are published when they change, so a sum that was 0 ever since may be missing.
_PV = (
    _row("openWB/pv/config/configured", "fact.has_pv", json_values.boolean),
    _row("openWB/pv/get/power", "pv.power_w", json_values.flipped, PRODUCTION, _HAS_PV),
    _row("openWB/pv/{n}/get/power", "pv.units.{n}.power_w", json_values.flipped, PRODUCTION, _IS_INVERTER),
    _row("openWB/pv/get/exported", "pv.produced_wh", json_values.wh, METER, _HAS_PV, is_meter=True),
    *_fault("openWB/pv/get", "pv.fault", _HAS_PV),
    *_fault("openWB/pv/{n}/get", "pv.fault.{n}", _IS_INVERTER),
)

_BATTERY = (
    _row("openWB/bat/config/configured", "fact.has_battery", json_values.boolean),
    _row("openWB/bat/get/power", "battery.power_w", json_values.number, SITE_POWER, _HAS_BATTERY),
    _row("openWB/bat/{n}/get/power", "battery.units.{n}.power_w", json_values.number, SITE_POWER, _IS_BATTERY),
    _row("openWB/bat/get/soc", "battery.soc_percent", json_values.number, PERCENT, _HAS_BATTERY),
    _row("openWB/bat/get/imported", "battery.charged_wh", json_values.wh, METER, _HAS_BATTERY, is_meter=True),
    _row("openWB/bat/get/exported", "battery.discharged_wh", json_values.wh, METER, _HAS_BATTERY, is_meter=True),
    *_fault("openWB/bat/get", "battery.fault", _HAS_BATTERY),
    *_fault("openWB/bat/{n}/get", "battery.fault.{n}", _IS_BATTERY),
)

_CHARGE_POINTS = (
    _rows_of(
        "openWB/chargepoint/{n}/config",
        Fill("fact.is_charge_point.{n}", v2_objects.is_visible, when_empty=False),
        Fill("fact.charging_type.{n}", at("charging_type", read=json_values.name)),
        Fill("fact.connected_phases.{n}", at("connected_phases", read=json_values.whole)),
        Fill("fact.switches_phases.{n}", at("auto_phase_switch_hw", read=json_values.boolean)),
        Fill("fact.template_of.{n}", at("template", read=json_values.identifier)),
        Fill("charge_points.{n}.name", at("name", read=json_values.name), gates=_IS_CHARGE_POINT),
        Fill("charge_points.{n}.vehicle_id", v2_objects.vehicle_id, gates=_IS_CHARGE_POINT, rank=1),
        kept=(
            *("name", "ev", "_ev", "template", "connected_phases", "auto_phase_switch_hw", "charging_type"),
            "visibility",
        ),
    ),
    *(
        _row(f"openWB/chargepoint/{{n}}/{topic}", f"charge_points.{{n}}.{name}", read, plausible, _IS_CHARGE_POINT)
        for topic, name, read, plausible in (
            ("get/plug_state", "is_plugged", json_values.boolean, None),
            ("get/charge_state", "is_charging", json_values.boolean, None),
            ("set/manual_lock", "is_enabled", json_values.inverse, None),
            ("get/power", "power_w", json_values.number, _CHARGE_POWER),
            ("get/currents", "currents_a", json_values.per_phase, _CHARGE_CURRENT),
            ("get/voltages", "voltages_v", json_values.per_phase, VOLTAGE),
            ("get/phases_in_use", "phases_in_use", json_values.whole, Range(0, 3)),
        )
    ),
    _rows_of(
        "openWB/chargepoint/{n}/get/state_str",
        Fill("charge_points.{n}.state_text", json_values.prose, gates=_IS_CHARGE_POINT),
        cut=_sentence_of_charge_point,
    ),
    _row(
        "openWB/chargepoint/{n}/get/imported",
        "charge_points.{n}.meter_wh",
        json_values.wh,
        METER,
        _IS_CHARGE_POINT,
        is_meter=True,
    ),
    *_fault("openWB/chargepoint/{n}/get", "charge_points.{n}.fault", _IS_CHARGE_POINT),
    _rows_of(
        "openWB/chargepoint/{n}/set/charge_template",
        Fill("fact.charge_template_of.{n}", at("id", read=json_values.identifier)),
        Fill("fact.template_sections.{n}", v2_objects.sections),
        Fill(
            "charge_points.{n}.mode", at("chargemode", "selected", read=v2_objects.mode), gates=_IS_CHARGE_POINT, rank=1
        ),
        Fill("charge_points.{n}.limit", v2_objects.limit, gates=_IS_CHARGE_POINT),
        Fill("charge_points.{n}.phases", v2_objects.phases, Range(0, 3), _IS_CHARGE_POINT),
        Fill(
            "charge_points.{n}.max_price_per_kwh",
            at("chargemode", "eco_charging", "max_price", read=json_values.per_wh_as_per_kwh),
            PRICE,
            _IS_CHARGE_POINT,
        ),
        *(
            fill
            for prefix, plausible, gates in (
                ("", _SET_CURRENT, (*_IS_CHARGE_POINT, *_IS_AC)),
                ("dc_", _SET_DC_CURRENT, (*_IS_CHARGE_POINT, *_IS_DC)),
            )
            for fill in (
                Fill("charge_points.{n}.current_a", v2_objects.current(f"{prefix}current"), plausible, gates),
                Fill(
                    "charge_points.{n}.pv_min_current_a",
                    at("chargemode", "pv_charging", f"{prefix}min_current", read=json_values.number),
                    plausible,
                    gates,
                ),
            )
        ),
        kept=("id", "chargemode"),
        is_written_back=True,
    ),
    _rows_of(
        "openWB/chargepoint/{n}/get/connected_vehicle/info",
        Fill("charge_points.{n}.vehicle", at("name", read=json_values.name), gates=_IS_CHARGE_POINT),
        Fill("charge_points.{n}.vehicle_id", at("id", read=json_values.identifier), gates=_IS_CHARGE_POINT),
        kept=("id", "name"),
    ),
    _rows_of(
        "openWB/chargepoint/{n}/get/connected_vehicle/config",
        # Until 2.1.7 there is no template to read the mode from.
        Fill("charge_points.{n}.mode", at("chargemode", read=v2_objects.mode), gates=_IS_CHARGE_POINT),
        Fill("fact.vehicle_template_of.{n}", at("ev_template", read=json_values.identifier)),
        kept=("chargemode", "charge_template", "ev_template"),
    ),
    _rows_of(
        "openWB/chargepoint/{n}/get/connected_vehicle/soc",
        Fill("charge_points.{n}.soc_percent", v2_objects.soc, PERCENT, _IS_CHARGE_POINT),
        Fill("charge_points.{n}.soc_fault.level", v2_objects.soc_fault_level, gates=_IS_CHARGE_POINT),
        Fill("charge_points.{n}.soc_fault.text", at("fault_str", read=json_values.prose), gates=_IS_CHARGE_POINT),
        kept=("soc", "timestamp", "fault_state", "fault_str"),
        cut=_members_with_sentences,
    ),
    _rows_of(
        "openWB/chargepoint/{n}/set/log",
        Fill(
            "charge_points.{n}.energy_charged_wh",
            at("imported_since_mode_switch", read=json_values.wh),
            CHARGED,
            _IS_CHARGE_POINT,
        ),
        Fill(
            "charge_points.{n}.energy_since_plugged_wh",
            at("imported_since_plugged", read=json_values.wh),
            CHARGED,
            _IS_CHARGE_POINT,
        ),
        kept=("imported_since_mode_switch", "imported_since_plugged"),
    ),
    _rows_of(
        "openWB/chargepoint/template/{n}",
        *(
            Fill(f"fact.charge_point_template.{{n}}.{name}", at(name, read=json_values.number))
            for name in v2_capabilities.CHARGE_POINT_LIMITS
        ),
        kept=v2_capabilities.CHARGE_POINT_LIMITS,
    ),
)

_VEHICLES = (
    _rows_of(
        "openWB/vehicle/{n}/name",
        Fill("fact.is_vehicle.{n}", v2_objects.is_named),
        Fill("vehicles.{n}.name", json_values.name),
    ),
    _row(
        "openWB/vehicle/{n}/get/soc", "vehicles.{n}.soc_percent", json_values.number, PERCENT, _IS_VEHICLE + _KNOWS_SOC
    ),
    _row("openWB/vehicle/{n}/get/soc_timestamp", "fact.knows_soc.{n}", v2_objects.is_instant),
    *_fault("openWB/vehicle/{n}/get", "vehicles.{n}.soc_fault", _IS_VEHICLE + _HAS_SOC_MODULE),
    _row("openWB/vehicle/{n}/charge_template", "fact.charge_template_of_vehicle.{n}", json_values.identifier),
    _rows_of(
        "openWB/vehicle/{n}/soc_module/calculated_soc_state",
        Fill("fact.has_soc_module.{n}", json_values.is_object),
        kept=(),
    ),
    _rows_of(
        "openWB/vehicle/template/ev_template/{n}",
        *(
            Fill(f"fact.vehicle_template.{{n}}.{name}", at(name, read=json_values.number))
            for name in v2_capabilities.VEHICLE_LIMITS
        ),
        kept=v2_capabilities.VEHICLE_LIMITS,
    ),
)

DIALECT = Dialect(
    generation="2.x",
    readings=(
        *_SITE,
        *_TARIFF,
        *_COUNTERS,
        *_PV,
        *_BATTERY,
        *_CHARGE_POINTS,
        *_VEHICLES,
        *smarthome("openWB/LegacySmartHome/Devices", "openWB/LegacySmartHome/config/get/Devices"),
    ),
    heartbeat=HEARTBEAT,
    stale_after_s=30,  # it beats every 10 s, whatever the control interval is
    awake=(Gate(("fact.is_booted",), when_unknown=True),),
    capabilities=v2_capabilities.capabilities,
)
