"""The table of openWB 1.9: the only place with its German topic names.

Obeys openWB 1.9.304 (`loadvars.sh`, `runs/pubmqtt.sh`, `runs/mqttsub.py`, `runs/smarthomemq.py`). RFID topics,
addresses, everything under `set/` and most of the SmartHome configuration hold secrets or personal data and are not
named here on purpose.
"""

from collections.abc import Callable
from typing import Any

from common.model import Capabilities, LimitType, Mode
from edge.openwb import parsing
from edge.openwb.dialect import Dialect, Fill, Gate, Look, Range, Reading, plain
from edge.openwb.discretion import discreet, discreet_content
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

_CHARGE_POWER = Range(-1_000, 400_000)  # meters of idle charge points show some watts of either sign
_CHARGE_CURRENT = Range(-10, 600)
_SET_CURRENT = Range(0, 32)

_HAS_BATTERY = Gate(("fact.has_battery",))
# Both inverter switches were added late in 1.9: a wallbox that publishes neither may have PV.
_HAS_PV = Gate(("fact.has_inverter.1", "fact.has_inverter.2"), when_unknown=True)
_HAS_INVERTER = Gate(("fact.has_inverter.{n}",), when_unknown=True)
_IS_CHARGE_POINT = Gate(("fact.is_charge_point.{n}",))
_HAS_SOC = Gate(("fact.has_soc.{n}",))
_HAS_DYNAMIC_TARIFF = Gate(("fact.has_dynamic_tariff",))
_HAS_FIXED_PRICE = Gate(("fact.has_dynamic_tariff",), must=False, when_unknown=True)
# The switch of each charge point came with 1.9.2xx: before, the price limit held for all of them.
_IS_PRICE_LED = Gate(("fact.is_price_led.{n}",), when_unknown=True)
_SWITCHES_PHASES = Gate(("fact.switches_phases",))
_IS_CONSUMER = Gate(("fact.is_consumer.{n}",))

_TWO = range(1, 3)

HEARTBEAT = "openWB/system/Timestamp"
VERSION = "openWB/system/Version"


def _row(
    topic: str,
    field: str,
    parse: Callable[[str], Value],
    plausible: Range | None = None,
    gates: tuple[Gate, ...] = (),
    *,
    is_meter: bool = False,
    numbers: range = range(1, 9),
) -> Reading:
    return _rows_of(topic, Fill(field, parse, plausible, gates, is_meter=is_meter), numbers=numbers)


def _rows_of(topic: str, *fills: Fill, numbers: range = range(1, 9)) -> Reading:
    return Reading(topic, fills, parsing.unquoted, cut=_CUTS.get(fills[0].parse, discreet_content), numbers=numbers)


_CUTS: dict[Callable[[str], Value], Callable[[Any], Any]] = {
    parsing.version: plain,  # nothing else passes it; with four parts it looks like an address
    parsing.prices: parsing.price_lines,
    parsing.fault_text: lambda text: without_tags(discreet(text)),
}


_SITE = (
    _row(HEARTBEAT, "fact.clock", parsing.whole, CLOCK),
    _row(VERSION, "meta.version", parsing.version),
    _row("openWB/config/get/global/slaveMode", "meta.is_secondary", parsing.boolean),
    _row("openWB/system/priceForKWh", "tariff.price_per_kwh", parsing.number, PRICE, (_HAS_FIXED_PRICE,)),
    _rows_of(
        "openWB/global/awattar/boolAwattarEnabled",
        Fill("fact.has_dynamic_tariff", parsing.boolean),
        Fill("tariff.is_dynamic", parsing.boolean),
    ),
    _row(
        "openWB/global/awattar/ActualPriceForCharging",
        "tariff.price_per_kwh",
        parsing.cents_as_eur,
        PRICE,
        (_HAS_DYNAMIC_TARIFF,),
    ),
    _row("openWB/global/awattar/pricelist", "tariff.prices", parsing.prices, gates=(_HAS_DYNAMIC_TARIFF,)),
    _row("openWB/global/WHouseConsumption", "home.power_w", parsing.number, LOAD_POWER),
    _row("openWB/global/ChargeMode", "charge_points.*.mode", parsing.mode),
    _row("openWB/global/strLastmanagementActive", "charge_points.*.state_text", parsing.fault_text),
    _row("openWB/config/get/global/minEVSECurrentAllowed", "fact.lowest_current_a", parsing.whole, _SET_CURRENT),
    _row("openWB/config/get/global/maxEVSECurrentAllowed", "fact.highest_current_a", parsing.whole, _SET_CURRENT),
    _row("openWB/config/get/pv/minCurrentMinPv", "charge_points.*.min_pv_current_a", parsing.number, _SET_CURRENT),
    _row("openWB/config/get/u1p3p/isConfigured", "fact.switches_phases", parsing.boolean),
    *(
        _row(
            f"openWB/config/get/u1p3p/{name}Phases",
            "charge_points.*.phases",
            parsing.phases,
            gates=(_SWITCHES_PHASES, Gate(("charge_points.*.mode",), mode)),
        )
        for name, mode in (
            ("sofort", Mode.INSTANT),
            ("minundpv", Mode.MIN_PV),
            ("nurpv", Mode.PV),
            ("standby", Mode.STANDBY),
        )
    ),
    # One limit for the site, which counts at the charge points that heed prices.
    _rows_of(
        "openWB/global/awattar/MaxPriceForCharging",
        Fill("tariff.max_price_per_kwh", parsing.cents_as_eur, PRICE, (_HAS_DYNAMIC_TARIFF,)),
        *(
            Fill(
                f"charge_points.{n}.max_price_per_kwh",
                parsing.cents_as_eur,
                PRICE,
                (_IS_CHARGE_POINT.numbered(str(n)), _HAS_DYNAMIC_TARIFF, _IS_PRICE_LED.numbered(str(n))),
            )
            for n in range(1, 9)
        ),
    ),
)

_GRID = (
    _row("openWB/evu/W", "grid.power_w", parsing.number, SITE_POWER),
    _row("openWB/evu/WhImported", "grid.imported_wh", parsing.wh, METER, is_meter=True),
    _row("openWB/evu/WhExported", "grid.exported_wh", parsing.wh, METER, is_meter=True),
    _row("openWB/evu/Hz", "grid.frequency_hz", parsing.number, FREQUENCY),
    _row("openWB/evu/faultState", "grid.fault.level", parsing.fault_level),
    _row("openWB/evu/faultStr", "grid.fault.text", parsing.fault_text),
    *(
        reading
        for phase in range(3)
        for reading in (
            _row(f"openWB/evu/WPhase{phase + 1}", f"grid.powers_w.{phase}", parsing.number, PHASE_POWER),
            _row(f"openWB/evu/APhase{phase + 1}", f"grid.currents_a.{phase}", parsing.number, PHASE_CURRENT),
            _row(f"openWB/evu/VPhase{phase + 1}", f"grid.voltages_v.{phase}", parsing.number, VOLTAGE),
        )
    ),
)

_PV = (
    _row("openWB/pv/W", "pv.power_w", parsing.flipped, PRODUCTION, (_HAS_PV,)),
    _row("openWB/pv/WhCounter", "pv.produced_wh", parsing.wh, METER, (_HAS_PV,), is_meter=True),
    _row("openWB/pv/{n}/boolPVConfigured", "fact.has_inverter.{n}", parsing.boolean, numbers=_TWO),
    *(
        _row(f"openWB/pv/{{n}}/{name}", f"pv.fault.{{n}}.{part}", parse, None, (_HAS_PV, _HAS_INVERTER), numbers=_TWO)
        for name, part, parse in (
            ("faultState", "level", parsing.fault_level),
            ("faultStr", "text", parsing.fault_text),
        )
    ),
)

_BATTERY = (
    _row("openWB/housebattery/boolHouseBatteryConfigured", "fact.has_battery", parsing.boolean),
    _row("openWB/housebattery/W", "battery.power_w", parsing.number, SITE_POWER, (_HAS_BATTERY,)),
    _row("openWB/housebattery/%Soc", "battery.soc_percent", parsing.number, PERCENT, (_HAS_BATTERY,)),
    _row("openWB/housebattery/WhImported", "battery.charged_wh", parsing.wh, METER, (_HAS_BATTERY,), is_meter=True),
    _row("openWB/housebattery/WhExported", "battery.discharged_wh", parsing.wh, METER, (_HAS_BATTERY,), is_meter=True),
    _row("openWB/housebattery/faultState", "battery.fault.level", parsing.fault_level, gates=(_HAS_BATTERY,)),
    _row("openWB/housebattery/faultStr", "battery.fault.text", parsing.fault_text, gates=(_HAS_BATTERY,)),
)

_CHARGE_POINTS = (
    _row("openWB/lp/{n}/boolChargePointConfigured", "fact.is_charge_point.{n}", parsing.boolean),
    _row("openWB/lp/{n}/boolSocConfigured", "fact.has_soc.{n}", parsing.boolean, numbers=_TWO),
    _row("openWB/lp/{n}/boolSocManual", "fact.has_manual_soc.{n}", parsing.boolean, numbers=_TWO),
    _row("openWB/lp/{n}/manualSoc", "fact.manual_soc_percent.{n}", parsing.number, PERCENT, numbers=_TWO),
    _row("openWB/config/get/sofort/lp/{n}/etBasedCharging", "fact.is_price_led.{n}", parsing.boolean),
    *(
        _row(f"openWB/{topic}", f"charge_points.{{n}}.{name}", parse, plausible, (_IS_CHARGE_POINT,))
        for topic, name, parse, plausible in (
            ("lp/{n}/strChargePointName", "name", parsing.name, None),
            ("lp/{n}/boolPlugStat", "is_plugged", parsing.boolean, None),
            ("lp/{n}/boolChargeStat", "is_charging", parsing.boolean, None),
            ("lp/{n}/ChargePointEnabled", "is_enabled", parsing.boolean, None),
            ("lp/{n}/W", "power_w", parsing.number, _CHARGE_POWER),
            ("lp/{n}/APhase1", "currents_a.0", parsing.number, _CHARGE_CURRENT),
            ("lp/{n}/APhase2", "currents_a.1", parsing.number, _CHARGE_CURRENT),
            ("lp/{n}/APhase3", "currents_a.2", parsing.number, _CHARGE_CURRENT),
            ("lp/{n}/VPhase1", "voltages_v.0", parsing.number, VOLTAGE),
            ("lp/{n}/VPhase2", "voltages_v.1", parsing.number, VOLTAGE),
            ("lp/{n}/VPhase3", "voltages_v.2", parsing.number, VOLTAGE),
            ("lp/{n}/countPhasesInUse", "phases_in_use", parsing.whole, Range(0, 3)),
            ("lp/{n}/kWhActualCharged", "energy_charged_wh", parsing.kwh_as_wh, CHARGED),
            ("lp/{n}/kWhChargedSincePlugged", "energy_since_plugged_wh", parsing.kwh_as_wh, CHARGED),
            ("lp/{n}/faultState", "fault.level", parsing.fault_level, None),
            ("lp/{n}/faultStr", "fault.text", parsing.fault_text, None),
            # What the owner set for instant charging; lp/{n}/AConfigured is what the wallbox commands just now.
            ("config/get/sofort/lp/{n}/current", "current_a", parsing.number, _SET_CURRENT),
            ("config/get/sofort/lp/{n}/chargeLimitation", "limit.type", parsing.limit_type, None),
            ("config/get/sofort/lp/{n}/energyToCharge", "limit.energy_wh", parsing.kwh_as_wh, CHARGED),
        )
    ),
    _row(
        "openWB/lp/{n}/kWhCounter",
        "charge_points.{n}.meter_wh",
        parsing.kwh_as_wh,
        METER,
        (_IS_CHARGE_POINT,),
        is_meter=True,
    ),
    _row(
        "openWB/lp/{n}/%Soc",
        "charge_points.{n}.soc_percent",
        parsing.number,
        PERCENT,
        (_IS_CHARGE_POINT, _HAS_SOC),
        numbers=_TWO,
    ),
    *(
        _row(f"openWB/lp/{{n}}/{topic}", f"charge_points.{{n}}.soc_fault.{part}", parse, None, gates, numbers=_TWO)
        for gates in ((_IS_CHARGE_POINT, _HAS_SOC),)
        for topic, part, parse in (
            ("socFaultState", "level", parsing.fault_level),
            ("socFaultStr", "text", parsing.fault_text),
        )
    ),
    _row(
        "openWB/config/get/sofort/lp/{n}/socToChargeTo",
        "charge_points.{n}.limit.soc_percent",
        parsing.number,
        PERCENT,
        (_IS_CHARGE_POINT,),
        numbers=_TWO,
    ),
    _row(
        "openWB/config/get/pv/lp/{n}/minCurrent",
        "charge_points.{n}.pv_min_current_a",
        parsing.number,
        _SET_CURRENT,
        (_IS_CHARGE_POINT,),
        numbers=_TWO,
    ),
)

_CONSUMERS = (
    _row("openWB/Verbraucher/{n}/Configured", "fact.is_consumer.{n}", parsing.boolean, numbers=_TWO),
    *(
        _row(
            f"openWB/Verbraucher/{{n}}/{topic}",
            f"devices.consumer-{{n}}.{name}",
            parse,
            plausible,
            (_IS_CONSUMER,),
            is_meter=is_meter,
            numbers=_TWO,
        )
        for topic, name, parse, plausible, is_meter in (
            ("Name", "name", parsing.name, None, False),
            ("Watt", "power_w", parsing.number, SITE_POWER, False),
            ("WhImported", "energy_wh", parsing.wh, METER, True),
        )
    ),
)


def _capabilities(number: str, look: Look) -> Capabilities:
    """Limits by SoC, SoC by hand and a minimum current of its own exist for the first two charge points only."""
    is_of_two = int(number) in _TWO
    lowest, highest = look("fact.lowest_current_a"), look("fact.highest_current_a")
    has_soc = is_of_two and look(f"fact.has_soc.{number}") is True
    return Capabilities(
        modes=(Mode.INSTANT, Mode.MIN_PV, Mode.PV, Mode.STOP, Mode.STANDBY),
        is_mode_site_wide=True,
        lowest_current_a=max(6, lowest) if isinstance(lowest, int) else 6,
        highest_current_a=highest if isinstance(highest, int) and highest >= 6 else 32,
        limit_types=tuple(LimitType) if has_soc else (LimitType.NONE, LimitType.ENERGY),
        energy_limit_step_wh=1000,
        highest_energy_limit_wh=100_000,
        can_enable=True,
        can_set_soc=has_soc and look(f"fact.has_manual_soc.{number}") is True,
        can_set_pv_min_current=is_of_two,
        can_switch_phases=look("fact.switches_phases") is True,
        can_reset_energy=True,
        has_price_limit=look("fact.has_dynamic_tariff") is True,
    )


DIALECT = Dialect(
    generation="1.9",
    readings=(
        *_SITE,
        *_GRID,
        *_PV,
        *_BATTERY,
        *_CHARGE_POINTS,
        *_CONSUMERS,
        *smarthome("openWB/SmartHome/Devices", "openWB/config/get/SmartHome/Devices"),
    ),
    heartbeat=HEARTBEAT,
    tells_changes_only=True,
    stale_after_s=60,  # six control loops of 10 s; `dspeed` 2 makes them 20 s
    capabilities=_capabilities,
)
