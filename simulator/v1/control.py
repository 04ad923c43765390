"""Which current openWB offers at each charge point, recomputed every loop from what is measured.

Modes: 0 Sofort, 1 Min+PV, 2 Nur PV, 3 Stop, 4 Standby. Sources: `sofortlademodus.sh`, `minundpv.sh`, `nurpv.sh`.
The current is decided also for a locked charge point; the EVSE's release decides whether it flows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor

INSTANT, MIN_PV, PV, STOP, STANDBY = range(5)

PHASE_V = 230.0  # openWB's own constant
DRAWS_ABOVE_W = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One charge point as measured. `soc_percent` None: no SoC module. `phases` were in use when it last charged."""

    is_plugged: bool
    is_enabled: bool
    power_w: float
    phases: int
    soc_percent: float | None
    charged_wh: float


@dataclass(frozen=True, slots=True)
class Decision:
    """`currents_a` in whole A, one for each charge point; the timers count towards start and stop of PV charging."""

    currents_a: tuple[int, ...]
    start_timer_s: float = 0.0
    stop_timer_s: float = 0.0


def decide(
    values: Mapping[str, str],
    readings: tuple[Reading, ...],
    before: Decision,
    *,
    grid_w: float,
    battery_w: float,
    loop_s: float,
) -> Decision:
    """The next loop's currents. `values` are openWB's settings by their topics without `openWB/`."""
    mode = int(values["global/ChargeMode"])
    if mode == INSTANT:
        return Decision(tuple(_clamped(values, _instant_a(values, n, r)) for n, r in enumerate(readings, 1)))
    if mode not in (MIN_PV, PV):
        return Decision((0,) * len(readings))
    counted_w = battery_w if int(values["config/get/pv/priorityModeEVBattery"]) else min(0.0, battery_w)
    surplus_w = counted_w - grid_w - int(values["config/get/pv/regulationPoint"])
    if mode == MIN_PV:
        return Decision(_min_pv(values, readings, before, surplus_w))
    return _pv_only(values, readings, before, surplus_w, loop_s)


def _instant_a(values: Mapping[str, str], n: int, reading: Reading) -> int:
    sofort = f"config/get/sofort/lp/{n}"
    limitation = int(values[f"{sofort}/chargeLimitation"])
    if not reading.is_plugged:
        return 0
    if limitation == 1 and reading.charged_wh / 1000 > int(values[f"{sofort}/energyToCharge"]):
        return 0
    soc_percent = reading.soc_percent if limitation == 2 else None
    if soc_percent is not None and soc_percent >= int(values[f"{sofort}/socToChargeTo"]):
        return 0
    return int(values[f"{sofort}/current"])


def _min_pv(
    values: Mapping[str, str], readings: tuple[Reading, ...], before: Decision, surplus_w: float
) -> tuple[int, ...]:
    least_a = int(values["config/get/pv/minCurrentMinPv"])
    budget_w = surplus_w + sum(reading.power_w for reading in readings)
    currents_a = []
    for reading, before_a in zip(readings, before.currents_a, strict=True):
        current_a = 0
        if reading.is_plugged:
            current_a = max(least_a, _affordable_a(reading, before_a, budget_w))
            budget_w -= _expected_w(reading, before_a, current_a)
        currents_a.append(_clamped(values, current_a))
    return tuple(currents_a)


def _pv_only(
    values: Mapping[str, str], readings: tuple[Reading, ...], before: Decision, surplus_w: float, loop_s: float
) -> Decision:
    pv = "config/get/pv"
    budget_w = surplus_w + sum(reading.power_w for reading in readings)
    may_start = surplus_w >= int(values[f"{pv}/minFeedinPowerBeforeStart"])
    must_stop = -surplus_w > int(values[f"{pv}/maxPowerConsumptionBeforeStop"])
    start_timer_s = before.start_timer_s + loop_s if may_start else 0.0
    stop_timer_s = before.stop_timer_s + loop_s if must_stop and any(before.currents_a) else 0.0
    currents_a: list[int] = []
    for n, (reading, before_a) in enumerate(zip(readings, before.currents_a, strict=True), 1):
        least_a = int(values[f"{pv}/lp/{n}/minCurrent" if n <= 2 else f"{pv}/minCurrentMinPv"])
        forced_a = _forced_a(values, reading) if n == 1 else None
        current_a = 0
        if not reading.is_plugged:
            pass
        elif forced_a is not None:
            current_a = forced_a
        elif before_a:
            current_a = max(least_a, _affordable_a(reading, before_a, budget_w))
        elif start_timer_s > int(values[f"{pv}/startDelay"]) and reading.is_enabled:
            current_a, start_timer_s = least_a, 0.0  # the next charge point waits for its own delay
        budget_w -= _expected_w(reading, before_a, current_a)
        currents_a.append(_clamped(values, current_a))
    if stop_timer_s > int(values[f"{pv}/stopDelay"]):
        # The last one that charges ends first; whether that is enough the next delay shows.
        last = max((i for i, current_a in enumerate(currents_a) if current_a), default=None)
        if last is not None:
            currents_a[last] = 0
        stop_timer_s = 0.0
    return Decision(tuple(currents_a), start_timer_s, stop_timer_s)


def _forced_a(values: Mapping[str, str], reading: Reading) -> int | None:
    """LP1's SoC window in Nur PV: below it charging is forced, above it forbidden; None within."""
    window = "config/get/pv/lp/1"
    if reading.soc_percent is None:
        return None
    if reading.soc_percent < int(values[f"{window}/minSocAlwaysToChargeTo"]):
        return int(values[f"{window}/minSocAlwaysToChargeToCurrent"])
    return 0 if reading.soc_percent > int(values[f"{window}/maxSocToChargeTo"]) else None


def _affordable_a(reading: Reading, before_a: int, budget_w: float) -> int:
    if _is_refusing(reading, before_a):
        return 0
    return max(0, floor(budget_w / (PHASE_V * reading.phases)))


def _expected_w(reading: Reading, before_a: int, current_a: int) -> float:
    if not reading.is_enabled or _is_refusing(reading, before_a):
        return 0.0
    return current_a * PHASE_V * reading.phases


def _is_refusing(reading: Reading, before_a: int) -> bool:
    """A car that was offered current and takes none is full; nothing is set aside for it."""
    return before_a > 0 and reading.power_w < DRAWS_ABOVE_W


def _clamped(values: Mapping[str, str], current_a: int) -> int:
    if current_a == 0:
        return 0
    lowest = int(values["config/get/global/minEVSECurrentAllowed"])
    return max(lowest, min(current_a, int(values["config/get/global/maxEVSECurrentAllowed"])))
