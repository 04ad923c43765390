"""The table of openWB 1.9: the only place with its German topic names.

Obeys openWB 1.9.304 (`loadvars.sh`, `runs/pubmqtt.sh`, `runs/mqttsub.py`). RFID topics, addresses, everything under
`set/` and the SmartHome configuration hold secrets or personal data and are not named here on purpose.
"""

from edge.openwb import parsing
from edge.openwb.dialect import Dialect, Gate, Range, Reading

# Plausible for a house with a grid connection up to 1 MW: what is outside is a broken meter, not a reading.
_SITE_POWER = Range(-1_000_000, 1_000_000)
_LOAD_POWER = Range(0, 1_000_000)
_PRODUCTION = Range(-1_000, 1_000_000)  # inverters draw some watts at night
_CHARGE_POWER = Range(-1_000, 400_000)  # meters of idle charge points show some watts of either sign
_METER = Range(0, 1e12)  # Wh; 1000 GWh
_CHARGED = Range(0, 1e7)  # Wh in one charge
_PHASE_POWER = Range(-400_000, 400_000)
_PHASE_CURRENT = Range(-2_000, 2_000)
_CHARGE_CURRENT = Range(-10, 600)
_VOLTAGE = Range(0, 500)
_FREQUENCY = Range(40, 70)
_PERCENT = Range(0, 100)
_SET_CURRENT = Range(0, 32)
_PRICE = Range(-10, 10)  # EUR per kWh

_HAS_BATTERY = Gate(("openWB/housebattery/boolHouseBatteryConfigured",))
# Both inverter switches were added late in 1.9: a wallbox that publishes neither may have PV.
_HAS_PV = Gate(("openWB/pv/1/boolPVConfigured", "openWB/pv/2/boolPVConfigured"), when_unknown=True)
_HAS_INVERTER = Gate(("openWB/pv/{n}/boolPVConfigured",), when_unknown=True)
_IS_CHARGE_POINT = Gate(("openWB/lp/{n}/boolChargePointConfigured",))
_HAS_SOC = Gate(("openWB/lp/{n}/boolSocConfigured",))
_HAS_DYNAMIC_TARIFF = Gate(("openWB/global/awattar/boolAwattarEnabled",))

HEARTBEAT = "openWB/system/Timestamp"

_SITE = (
    Reading(HEARTBEAT, None, parsing.whole, Range(0, 1e11)),
    Reading("openWB/system/Version", "meta.version", parsing.name),
    Reading("openWB/system/priceForKWh", "tariff.price_per_kwh", parsing.number, _PRICE),
    Reading("openWB/global/awattar/boolAwattarEnabled", None, parsing.boolean),
    Reading(
        "openWB/global/awattar/ActualPriceForCharging",
        "tariff.price_per_kwh",
        parsing.cents_as_eur,
        _PRICE,
        (_HAS_DYNAMIC_TARIFF,),
        rank=1,
    ),
    Reading("openWB/global/WHouseConsumption", "home.power_w", parsing.number, _LOAD_POWER),
    Reading("openWB/global/ChargeMode", "charge_points.*.mode", parsing.mode),
)

_GRID = (
    Reading("openWB/evu/W", "grid.power_w", parsing.number, _SITE_POWER),
    Reading("openWB/evu/WhImported", "grid.imported_wh", parsing.wh, _METER, is_meter=True),
    Reading("openWB/evu/WhExported", "grid.exported_wh", parsing.wh, _METER, is_meter=True),
    Reading("openWB/evu/Hz", "grid.frequency_hz", parsing.number, _FREQUENCY),
    Reading("openWB/evu/faultState", "grid.fault.level", parsing.fault_level),
    Reading("openWB/evu/faultStr", "grid.fault.text", parsing.fault_text),
    *(
        reading
        for phase in range(3)
        for reading in (
            Reading(f"openWB/evu/WPhase{phase + 1}", f"grid.powers_w.{phase}", parsing.number, _PHASE_POWER),
            Reading(f"openWB/evu/APhase{phase + 1}", f"grid.currents_a.{phase}", parsing.number, _PHASE_CURRENT),
            Reading(f"openWB/evu/VPhase{phase + 1}", f"grid.voltages_v.{phase}", parsing.number, _VOLTAGE),
        )
    ),
)

_PV = (
    Reading("openWB/pv/W", "pv.power_w", parsing.flipped, _PRODUCTION, (_HAS_PV,)),
    Reading("openWB/pv/WhCounter", "pv.produced_wh", parsing.wh, _METER, (_HAS_PV,), is_meter=True),
    Reading("openWB/pv/{n}/boolPVConfigured", None, parsing.boolean, numbers=range(1, 3)),
    Reading(
        "openWB/pv/{n}/faultState",
        "pv.fault.{n}.level",
        parsing.fault_level,
        gates=(_HAS_PV, _HAS_INVERTER),
        numbers=range(1, 3),
    ),
    Reading(
        "openWB/pv/{n}/faultStr",
        "pv.fault.{n}.text",
        parsing.fault_text,
        gates=(_HAS_PV, _HAS_INVERTER),
        numbers=range(1, 3),
    ),
)

_BATTERY = (
    Reading("openWB/housebattery/boolHouseBatteryConfigured", None, parsing.boolean),
    Reading("openWB/housebattery/W", "battery.power_w", parsing.number, _SITE_POWER, (_HAS_BATTERY,)),
    Reading("openWB/housebattery/%Soc", "battery.soc_percent", parsing.number, _PERCENT, (_HAS_BATTERY,)),
    Reading("openWB/housebattery/WhImported", "battery.charged_wh", parsing.wh, _METER, (_HAS_BATTERY,), is_meter=True),
    Reading(
        "openWB/housebattery/WhExported", "battery.discharged_wh", parsing.wh, _METER, (_HAS_BATTERY,), is_meter=True
    ),
    Reading("openWB/housebattery/faultState", "battery.fault.level", parsing.fault_level, gates=(_HAS_BATTERY,)),
    Reading("openWB/housebattery/faultStr", "battery.fault.text", parsing.fault_text, gates=(_HAS_BATTERY,)),
)


_CHARGE_POINTS = (
    Reading("openWB/lp/{n}/boolChargePointConfigured", None, parsing.boolean),
    Reading("openWB/lp/{n}/boolSocConfigured", None, parsing.boolean, numbers=range(1, 3)),
    *(
        Reading(f"openWB/{topic}", f"charge_points.{{n}}.{name}", parse, plausible, (_IS_CHARGE_POINT,))
        for topic, name, parse, plausible in (
            ("lp/{n}/strChargePointName", "name", parsing.name, None),
            ("lp/{n}/boolPlugStat", "is_plugged", parsing.boolean, None),
            ("lp/{n}/boolChargeStat", "is_charging", parsing.boolean, None),
            ("lp/{n}/ChargePointEnabled", "is_enabled", parsing.boolean, None),
            ("lp/{n}/W", "power_w", parsing.number, _CHARGE_POWER),
            ("lp/{n}/APhase1", "currents_a.0", parsing.number, _CHARGE_CURRENT),
            ("lp/{n}/APhase2", "currents_a.1", parsing.number, _CHARGE_CURRENT),
            ("lp/{n}/APhase3", "currents_a.2", parsing.number, _CHARGE_CURRENT),
            ("lp/{n}/VPhase1", "voltages_v.0", parsing.number, _VOLTAGE),
            ("lp/{n}/VPhase2", "voltages_v.1", parsing.number, _VOLTAGE),
            ("lp/{n}/VPhase3", "voltages_v.2", parsing.number, _VOLTAGE),
            ("lp/{n}/countPhasesInUse", "phases_in_use", parsing.whole, Range(0, 3)),
            ("lp/{n}/kWhActualCharged", "energy_charged_wh", parsing.kwh_as_wh, _CHARGED),
            ("lp/{n}/kWhChargedSincePlugged", "energy_since_plugged_wh", parsing.kwh_as_wh, _CHARGED),
            ("lp/{n}/faultState", "fault.level", parsing.fault_level, None),
            ("lp/{n}/faultStr", "fault.text", parsing.fault_text, None),
            # What the owner set for instant charging; lp/{n}/AConfigured is what the wallbox commands just now.
            ("config/get/sofort/lp/{n}/current", "current_a", parsing.number, _SET_CURRENT),
            ("config/get/sofort/lp/{n}/chargeLimitation", "limit.type", parsing.limit_type, None),
            ("config/get/sofort/lp/{n}/energyToCharge", "limit.energy_wh", parsing.kwh_as_wh, _CHARGED),
        )
    ),
    Reading(
        "openWB/lp/{n}/kWhCounter",
        "charge_points.{n}.meter_wh",
        parsing.kwh_as_wh,
        _METER,
        (_IS_CHARGE_POINT,),
        is_meter=True,
    ),
    Reading(
        "openWB/lp/{n}/%Soc",
        "charge_points.{n}.soc_percent",
        parsing.number,
        _PERCENT,
        (_IS_CHARGE_POINT, _HAS_SOC),
        numbers=range(1, 3),
    ),
    Reading(
        "openWB/config/get/sofort/lp/{n}/socToChargeTo",
        "charge_points.{n}.limit.soc_percent",
        parsing.number,
        _PERCENT,
        (_IS_CHARGE_POINT,),
        numbers=range(1, 3),
    ),
)

DIALECT = Dialect(
    generation="1.9",
    readings=(*_SITE, *_GRID, *_PV, *_BATTERY, *_CHARGE_POINTS),
    heartbeat=HEARTBEAT,
    stale_after_s=60,  # six control loops of 10 s; `dspeed` 2 makes them 20 s
)
