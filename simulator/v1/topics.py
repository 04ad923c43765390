"""The retained topics of openWB 1.9: what stands where, in which unit, sign and notation.

`ordinary` topics go out when they change, `every_loop` ones always, and those of the five-minute job come from
`daily_yields`. All names lack the leading `openWB/`. An empty text is what openWB publishes for an unset shell
variable: it deletes the retained topic. Energies of charge points are kWh, all others Wh; PV power is negative.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from simulator.local_time import local_time
from simulator.physics import ChargePointState, Site, State
from simulator.v1.commands import CHARGE_POINTS, limit_flags
from simulator.v1.control import Decision
from simulator.v1.counters import CHARGING_ABOVE_W, Counters

VERSION = "1.9.304.0"
CONSUMPTION_KWH_PER_100KM = 17  # a setting of openWB, not the cars' truth
PRICE_EUR_PER_KWH = 0.30
LOWEST_COUNTED_CURRENT_A = 3  # countPhasesInUse counts phases above it

NO_FAULT = "Kein Fehler"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the wallbox knows at the end of a loop. `values` are its settings and other texts by topic."""

    site: Site
    state: State
    values: Mapping[str, str]
    decision: Decision
    counters: tuple[Counters, ...]
    day_start: State
    last_tag: str  # "tag,unix seconds", or 0
    last_tags: Mapping[int, str]
    absent: frozenset[int] = frozenset()  # charge points whose configuration was taken away
    booted_at: float


def bc(value: float, digits: int = 2) -> str:
    """A number as `bc` prints it: cut off, not rounded, and without a zero before the point."""
    cut = Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_DOWN)
    if cut == 0:
        return "0"
    text = f"{cut:f}"
    return text.replace("0.", ".", 1) if abs(cut) < 1 else text


def time_remaining(limit_kwh: float, charged_kwh: float, power_w: float) -> str:
    """`1 H 23 Min`, `45 Min` or `--`; meaningless when no limit is on, as in openWB."""
    if power_w <= CHARGING_ABOVE_W:
        return "--"
    minutes = int(max(0.0, limit_kwh - charged_kwh) * 60_000 / power_w)
    return f"{minutes // 60} H {minutes % 60} Min" if minutes >= 60 else f"{minutes} Min"


def ordinary(view: View) -> dict[str, str]:
    """Everything that is published on change."""
    topics: dict[str, str] = {}
    topics.update(view.values)
    topics.update(_system(view))
    topics.update(_grid(view.state))
    topics.update(_pv(view.state))
    topics.update(_battery(view.site, view.state))
    for n in CHARGE_POINTS:
        if n <= len(view.site.charge_points) and n not in view.absent:
            topics.update(_charge_point(view, n))
        else:
            topics.update(_absent_charge_point(n))
        topics.update(limit_flags(n, int(view.values[f"config/get/sofort/lp/{n}/chargeLimitation"])))
    topics["ChargeStatus"] = topics["lp/1/ChargeStatus"]
    return topics


def every_loop(view: View) -> dict[str, str]:
    """Heartbeat, load figures and the live graph's newest row."""
    at = view.state.at
    now = local_time(at)
    row = live_row(view)
    load = 0.3 + 0.2 * (int(at) % 70) / 70
    up_s = int(at - view.booted_at)
    return {
        "system/Timestamp": str(int(at)),
        "system/Date": f"{now:%a %b} {now.day:2d} {now:%H:%M:%S} {now.tzname()} {now.year}",
        "system/Uptime": (
            f" {now:%H:%M:%S} up {up_s // 86_400} days, {up_s // 3600 % 24:2d}:{up_s // 60 % 60:02d},  0 users,"
            f"  load average: {load:.2f}, {load * 0.9:.2f}, {load * 0.8:.2f}"
        ),
        "global/cpuModel": "ARMv7 Processor rev 4 (v7l)",
        "global/cpuUse": str(10 + int(at) % 7),
        "global/cpuTemp": f"{44 + int(at) % 50 / 10:.1f}",
        "global/cpuFreq": "1200",
        "global/memTotal": "927",
        "global/memUse": str(210 + int(at) % 40),
        "global/memFree": str(717 - int(at) % 40),
        "global/diskUse": "21%",
        "global/diskFree": "23G",
        "graph/lastlivevalues": row,
        "system/lastlivevalues": row,
    }


def live_row(view: View) -> str:
    """`graphing.sh`: 29 fields, PV positive, empty where the house has no such part."""
    state, points = view.state, view.state.charge_points
    powers = [str(round(point.power_w)) for point in points] + ["0"] * (len(CHARGE_POINTS) - len(points))
    total = str(sum(round(point.power_w) for point in points))
    socs = ["" if n in view.absent else str(int(point.soc_percent)) for n, point in enumerate(points[:2], 1)]
    socs += [""] * (2 - len(points))
    battery = ["", ""]
    if view.site.battery is not None:
        battery = [str(round(state.battery_w)), str(_battery_soc(view.site, state))]
    fields = [
        f"{local_time(state.at):%H:%M:%S}",
        str(round(state.grid_w)),
        total,
        str(round(state.pv_w)),
        *powers[:2],
        total,
        *battery,
        *socs[:2],
        str(_house_w(state)),
        "",  # Verbraucher 1 and 2
        "",
        *powers[2:],
        *["0"] * 9,  # SmartHome devices
    ]
    return ",".join(fields)


def daily_yields(view: View) -> dict[str, str]:
    """`cron5min.sh`: kWh since local midnight."""
    now, then = view.state, view.day_start
    per_point = [
        bc((point.meter_wh - before.meter_wh) / 1000)
        for point, before in zip(now.charge_points, then.charge_points, strict=True)
    ]
    all_points_wh = sum(p.meter_wh for p in now.charge_points) - sum(p.meter_wh for p in then.charge_points)
    return {
        "global/DailyYieldAllChargePointsKwh": bc(all_points_wh / 1000),
        "global/DailyYieldHausverbrauchKwh": bc((now.house_wh - then.house_wh) / 1000),
        "evu/DailyYieldImportKwh": bc((now.grid_imported_wh - then.grid_imported_wh) / 1000),
        "evu/DailyYieldExportKwh": bc((now.grid_exported_wh - then.grid_exported_wh) / 1000),
        "pv/DailyYieldKwh": bc((now.pv_wh - then.pv_wh) / 1000),
        "housebattery/DailyYieldImportKwh": bc((now.battery_charged_wh - then.battery_charged_wh) / 1000),
        "housebattery/DailyYieldExportKwh": bc((now.battery_discharged_wh - then.battery_discharged_wh) / 1000),
        **{f"lp/{n}/kWhDailyCharged": text for n, text in enumerate(per_point[:3], 1)},
    }


def _system(view: View) -> dict[str, str]:
    state = view.state
    points = state.charge_points
    topics = {
        "system/Version": VERSION,
        "system/CommitHash": "8d253afa",
        "system/CommitBranches": "stable17",
        "system/IpAddress": "192.168.1.20",
        "system/ConfiguredChargePoints": str(max(n for n in range(1, len(points) + 1) if n not in view.absent)),
        "system/lastRfId": view.last_tag,
        "system/priceForKWh": f"{PRICE_EUR_PER_KWH:.2f}",
        "system/updateInProgress": "0",
        "system/wizzardDone": "100",
        "system/releaseTrain": "stable17",
        "global/WHouseConsumption": str(_house_w(state)),
        "global/WAllChargePoints": str(sum(round(point.power_w) for point in points)),
        "global/kWhCounterAllChargePoints": bc(sum(point.meter_wh for point in points) / 1000),
        "global/strLastmanagementActive": "",
        "global/awattar/boolAwattarEnabled": "0",
        "global/awattar/ActualPriceForCharging": "0",
        "config/get/global/slaveMode": "0",
        "boolChargeAtNight_direct": "0",
        "boolChargeAtNight_nurpv": "0",
        "boolChargeAtNight_minpv": "0",
        "boolChargeAtNight_standby": "0",
        "boolDisplayHouseConsumption": "1",
        "boolDisplayDailyCharged": "1",
        "boolEvuSmoothedActive": "0",
        "config/get/u1p3p/isConfigured": "0",
    }
    for n in (1, 2):
        topics |= {f"Verbraucher/{n}/Configured": "0", f"Verbraucher/{n}/Name": ""}
    for n in (1, 2, 3):
        topics |= {f"hook/{n}/boolHookConfigured": "0", f"hook/{n}/boolHookStatus": "0", f"boolHook{n}Active": "0"}
    for n in range(1, 10):
        topics[f"config/get/SmartHome/Devices/{n}/device_configured"] = "0"
    return topics


def _grid(state: State) -> dict[str, str]:
    currents_a = [power_w / v for power_w, v in zip(state.grid_powers_w, state.voltages_v, strict=True)]
    topics = {
        "evu/W": str(round(state.grid_w)),
        "evu/WAverage": str(round(state.grid_w)),
        "evu/WhImported": f"{state.grid_imported_wh:.1f}",
        "evu/WhExported": f"{state.grid_exported_wh:.1f}",
        "evu/Hz": f"{50 + (int(state.at) // 10 % 9 - 4) / 100:.2f}",
        "evu/ASchieflast": str(int(max(currents_a) - min(currents_a))),
    }
    for phase in range(3):
        topics |= {
            f"evu/WPhase{phase + 1}": str(round(state.grid_powers_w[phase])),
            f"evu/APhase{phase + 1}": f"{currents_a[phase]:.2f}",
            f"evu/VPhase{phase + 1}": f"{state.voltages_v[phase]:.1f}",
            f"evu/PfPhase{phase + 1}": "0.98",
        }
    return topics


def _pv(state: State) -> dict[str, str]:
    power, meter = str(-round(state.pv_w)), str(int(state.pv_wh))
    topics = {
        "pv/W": power,
        "pv/WhCounter": meter,
        "pv/MonthlyYieldKwh": "0",
        "pv/YearlyYieldKwh": "0",
        "pv/bool70PVDynStatus": "0",
        "pv/bool70PVDynActive": "0",
        "pv/W70PVDyn": "6000",
    }
    for n in (1, 2):
        topics |= {
            f"pv/{n}/W": power if n == 1 else "0",
            f"pv/{n}/WhCounter": meter if n == 1 else "0",
            f"pv/{n}/boolPVConfigured": "1" if n == 1 else "0",
            f"pv/{n}/DailyYieldKwh": "0",
            f"pv/{n}/MonthlyYieldKwh": "0",
            f"pv/{n}/YearlyYieldKwh": "0",
        }
    return topics


def _battery(site: Site, state: State) -> dict[str, str]:
    if site.battery is None:
        return {"housebattery/boolHouseBatteryConfigured": "0", "housebattery/W": "", "housebattery/%Soc": ""}
    return {
        "housebattery/boolHouseBatteryConfigured": "1",
        "housebattery/W": str(round(state.battery_w)),
        "housebattery/%Soc": str(_battery_soc(site, state)),
        "housebattery/WhImported": f"{state.battery_charged_wh:.1f}",
        "housebattery/WhExported": f"{state.battery_discharged_wh:.1f}",
    }


def _charge_point(view: View, n: int) -> dict[str, str]:
    point, counters = view.state.charge_points[n - 1], view.counters[n - 1]
    current_a = view.decision.currents_a[n - 1]
    charged_kwh = counters.charged_wh / 1000
    limit_kwh = float(view.values[f"config/get/sofort/lp/{n}/energyToCharge"])
    topics = {
        f"lp/{n}/boolChargePointConfigured": "1",
        f"lp/{n}/strChargePointName": view.site.charge_points[n - 1].name,
        f"lp/{n}/W": str(round(point.power_w)),
        f"lp/{n}/kWhCounter": f"{point.meter_wh / 1000:.3f}",
        f"lp/{n}/countPhasesInUse": str(sum(a >= LOWEST_COUNTED_CURRENT_A for a in point.currents_a)),
        f"lp/{n}/AConfigured": str(current_a),
        f"lp/{n}/boolPlugStat": str(int(point.is_plugged)),
        f"lp/{n}/boolChargeStat": str(int(point.is_drawing)),
        f"lp/{n}/ChargeStatus": str(int(current_a > 0)),
        f"lp/{n}/kWhActualCharged": bc(charged_kwh),
        f"lp/{n}/kWhChargedSincePlugged": bc(counters.since_plugged_wh / 1000),
        f"lp/{n}/plugStartkWh": bc(counters.plug_start_wh / 1000),
        f"lp/{n}/pluggedladungakt": str(int(counters.is_tracking_plug)),
        f"lp/{n}/TimeRemaining": time_remaining(limit_kwh, charged_kwh, point.power_w),
        **_per_phase(n, point, view.state),
        **_fixed(n),
    }
    if n <= 3:
        topics[f"lp/{n}/kmCharged"] = str(int(charged_kwh * 100 / CONSUMPTION_KWH_PER_100KM))
        topics[f"lp/{n}/energyConsumptionPer100km"] = str(CONSUMPTION_KWH_PER_100KM)
    if n <= 2:
        topics |= {
            f"lp/{n}/%Soc": str(int(point.soc_percent)),
            f"lp/{n}/boolSocConfigured": "1",
            f"lp/{n}/lastRfId": view.last_tags.get(n, "0"),
        }
    if n == 1:
        topics |= {f"lp/1/PfPhase{phase}": "0.99" for phase in (1, 2, 3)}
        topics |= {"lp/1/MeterSerialNumber": "19307145", "lp/1/boolFinishAtTimeChargeActive": "0"}
    return topics


def _absent_charge_point(n: int) -> dict[str, str]:
    """A charge point that is not configured: its files hold zeros, its power is unset (LP2, LP3) or 0."""
    zeros = (
        "kWhCounter AConfigured boolPlugStat boolChargeStat ChargeStatus countPhasesInUse kWhActualCharged "
        "kWhChargedSincePlugged plugStartkWh pluggedladungakt APhase1 APhase2 APhase3 VPhase1 VPhase2 VPhase3"
    )
    topics = {f"lp/{n}/{name}": "0" for name in zeros.split()}
    topics |= {
        f"lp/{n}/boolChargePointConfigured": "0",
        f"lp/{n}/strChargePointName": f"LP{n}",
        f"lp/{n}/W": "" if n <= 3 else "0",
        f"lp/{n}/TimeRemaining": "--",
        **_fixed(n),
    }
    if n <= 2:
        topics |= {f"lp/{n}/boolSocConfigured": "0", f"lp/{n}/%Soc": "0"}
    return topics


def _per_phase(n: int, point: ChargePointState, state: State) -> dict[str, str]:
    topics: dict[str, str] = {}
    for phase in range(3):
        topics[f"lp/{n}/APhase{phase + 1}"] = f"{point.currents_a[phase]:.2f}"
        topics[f"lp/{n}/VPhase{phase + 1}"] = f"{state.voltages_v[phase]:.1f}"
    return topics


def _fixed(n: int) -> dict[str, str]:
    topics = {f"lp/{n}/AutolockStatus": "0", f"lp/{n}/AutolockConfigured": "0"}
    if n <= 2:
        topics[f"lp/{n}/boolChargeAtNight"] = "0"
    return topics


def initial_faults(n_points: int) -> dict[str, str]:
    """What the modules report after start: Python ones as JSON text, the others plainly."""
    topics: dict[str, str] = {}
    for part in ("evu", "pv/1", "housebattery"):
        topics |= {f"{part}/faultState": "0", f"{part}/faultStr": f'"{NO_FAULT}."'}
    for n in range(1, n_points + 1):
        topics |= {f"lp/{n}/faultState": "0", f"lp/{n}/faultStr": NO_FAULT}
        if n <= 2:
            topics |= {f"lp/{n}/socFaultState": "0", f"lp/{n}/socFaultStr": NO_FAULT}
    return topics


def _house_w(state: State) -> int:
    """`loadvars.sh` computes it from the rounded powers, so that the published balance adds up."""
    points_w = sum(round(point.power_w) for point in state.charge_points)
    return max(0, round(state.grid_w) + round(state.pv_w) - points_w - round(state.battery_w))


def _battery_soc(site: Site, state: State) -> int:
    return int(100 * state.battery_energy_wh / site.battery.capacity_wh) if site.battery else 0
