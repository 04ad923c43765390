"""Which current openWB 2.x offers at each charge point, worked out every control cycle from what is measured.

Pure. Instant charging offers what is set, PV charging what the surplus gives (from `min_current` on without a
condition), eco charging its current while the price is low and else the surplus. Sources: `control/algorithm/`,
`control/ev/charge_template.py`. Without plans scheduled charging offers nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Any

from simulator.v2.templates import ECO, INSTANT, PV, STOP, ChargeTemplate, EvTemplate, Limit, number_in

PHASE_V = 230.0
DRAWS_ABOVE_W = 100

_PV = "general/chargemode_config/pv_charging"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One charge point as measured. `phases` were in use when it last charged; `soc_percent` None is unknown."""

    is_plugged: bool
    is_locked: bool
    power_w: float
    phases: int
    soc_percent: float | None
    since_plugged_wh: float
    template: ChargeTemplate
    car: EvTemplate


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The rest of the house. `price` is the running one, € per Wh."""

    grid_w: float
    battery_w: float
    battery_soc_percent: float | None
    price: float


@dataclass(frozen=True, slots=True)
class Decision:
    """`currents_a` for each charge point, with why in words for people; the timers count towards PV start and stop."""

    currents_a: tuple[float, ...]
    reasons: tuple[str, ...]
    on_timer_s: float = 0.0
    off_timer_s: float = 0.0


def decide(
    values: Mapping[str, Any], readings: tuple[Reading, ...], house: House, before: Decision, *, cycle_s: float
) -> Decision:
    """The next cycle's currents. `values` are openWB's settings by topic."""
    surplus_w = _surplus_w(values, house)
    budget_w = surplus_w + sum(reading.power_w for reading in readings)
    may_start = surplus_w >= number_in(values, f"{_PV}/switch_on_threshold", 1500)
    must_stop = -surplus_w > number_in(values, f"{_PV}/switch_off_threshold", 0)
    on_timer_s = before.on_timer_s + cycle_s if may_start else 0.0
    off_timer_s = before.off_timer_s + cycle_s if must_stop else 0.0
    currents_a: list[float] = []
    reasons: list[str] = []
    on_surplus: list[int] = []  # charge points that may be stopped for want of surplus
    for index, (reading, before_a) in enumerate(zip(readings, before.currents_a, strict=True)):
        current_a, reason = _wanted(reading, house)
        if current_a is None:
            current_a, reason = 0.0, "Kein ausreichender Überschuss vorhanden. "
            if before_a or on_timer_s > number_in(values, f"{_PV}/switch_on_delay", 30):
                current_a, reason = max(reading.car.least_a, _affordable_a(reading, before_a, budget_w)), ""
                on_surplus.append(index)
                if not before_a:
                    on_timer_s = 0.0  # the next charge point waits for its own delay
        current_a = _capped(reading, current_a)
        budget_w -= 0.0 if _is_refusing(reading, before_a) else current_a * PHASE_V * reading.phases
        currents_a.append(current_a)
        reasons.append(reason)
    if on_surplus and off_timer_s > number_in(values, f"{_PV}/switch_off_delay", 60):
        # The last one that charges ends first; whether that is enough the next delay shows.
        currents_a[on_surplus[-1]] = 0.0
        reasons[on_surplus[-1]] = "Abschaltschwelle erreicht. "
        off_timer_s = 0.0
    return Decision(tuple(currents_a), tuple(reasons), on_timer_s, off_timer_s)


def _wanted(reading: Reading, house: House) -> tuple[float | None, str]:
    """The current by the template, None if the surplus is to decide, and why there is none."""
    template = reading.template
    if not reading.is_plugged:
        return 0.0, "Kein Fahrzeug angeschlossen. "
    if reading.is_locked:
        return 0.0, "Ladepunkt gesperrt. "
    if template.selected == STOP:
        return 0.0, "Lademodus Stop aktiv. "
    if template.selected == INSTANT:
        is_reached = _is_reached(template.instant_limit, reading)
        return (0.0, "Ladeziel erreicht. ") if is_reached else (template.instant_a, "")
    if template.selected == PV:
        if reading.soc_percent is not None and reading.soc_percent < template.pv_least_soc_percent:
            return template.pv_least_soc_a, ""
        if _is_reached(template.pv_limit, reading):
            return 0.0, "Ladeziel erreicht. "
        return (template.pv_least_a if template.pv_least_a > 0 else None), ""
    if template.selected == ECO:
        if _is_reached(template.eco_limit, reading):
            return 0.0, "Ladeziel erreicht. "
        return (template.eco_a if house.price <= template.eco_price else None), ""
    return 0.0, "Keine aktiven Zielladepläne. "


def _surplus_w(values: Mapping[str, Any], house: House) -> float:
    """What could be charged without drawing from the grid; `bat_mode` says whether the battery comes first."""
    mode = values.get(f"{_PV}/bat_mode")
    is_battery_first = mode == "bat_mode"
    if mode == "min_soc_bat_mode" and house.battery_soc_percent is not None:
        is_battery_first = house.battery_soc_percent < number_in(values, f"{_PV}/min_bat_soc", 50)
    counted_w = min(0.0, house.battery_w) if is_battery_first else house.battery_w
    return counted_w - house.grid_w - number_in(values, f"{_PV}/feed_in_yield", 0)


def _is_reached(limit: Limit, reading: Reading) -> bool:
    if limit.selected == "amount":
        return reading.since_plugged_wh >= limit.amount_wh
    return limit.selected == "soc" and reading.soc_percent is not None and reading.soc_percent >= limit.soc_percent


def _affordable_a(reading: Reading, before_a: float, budget_w: float) -> float:
    if _is_refusing(reading, before_a):
        return 0.0
    return max(0.0, floor(100 * budget_w / (PHASE_V * reading.phases)) / 100)


def _is_refusing(reading: Reading, before_a: float) -> bool:
    """A car that was offered current and takes none is full; nothing is set aside for it."""
    return before_a > 0 and reading.power_w < DRAWS_ABOVE_W


def _capped(reading: Reading, current_a: float) -> float:
    if current_a <= 0:
        return 0.0
    most_a = reading.car.most_one_phase_a if reading.phases == 1 else reading.car.most_a
    return max(reading.car.least_a, min(current_a, most_a, 32.0))
