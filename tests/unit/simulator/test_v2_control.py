"""openWB 2.x decides on currents: the modes, their limits, the surplus and what caps it."""

from dataclasses import replace
from typing import Any

import pytest

from simulator.v2 import templates
from simulator.v2.control import Decision, House, Reading, decide
from simulator.v2.factory_settings import VALUES

IDLE = Decision((0.0,), ("",))
HOUSE = House(grid_w=0.0, battery_w=0.0, battery_soc_percent=60, price=0.0003)
CAR = templates.ev_template(templates.new_ev_template(1, "Auto", phases=3, most_a=16, capacity_wh=60_000))


def reading(selected: str, **changes: Any) -> Reading:
    """A car that is plugged in, with a new template in this mode and these parts of it, or of the reading, changed."""
    template = templates.charge_template(templates.new_charge_template(1, "x"))
    ours = {name: value for name, value in changes.items() if name in Reading.__slots__}
    parts = {name: value for name, value in changes.items() if name not in ours}
    plugged = Reading(
        is_plugged=True,
        is_locked=False,
        power_w=0.0,
        phases=3,
        soc_percent=50.0,
        since_plugged_wh=0.0,
        template=replace(template, selected=selected, **parts),
        car=CAR,
    )
    return replace(plugged, **ours)


def current_a(reading: Reading, house: House = HOUSE, before: Decision = IDLE, **settings: Any) -> float:
    values = VALUES | {f"general/chargemode_config/pv_charging/{name}": value for name, value in settings.items()}
    return decide(values, (reading,), house, before, cycle_s=10).currents_a[0]


def test_instant_charging_offers_what_is_set_within_the_car_s_limits() -> None:
    """Capped above and below by the EV template; nothing for a locked or empty charge point."""
    assert current_a(reading("instant_charging", instant_a=12)) == 12
    assert current_a(reading("instant_charging", instant_a=32)) == 16
    assert current_a(reading("instant_charging", instant_a=2)) == 6
    assert current_a(reading("instant_charging", is_locked=True)) == 0
    assert current_a(reading("instant_charging", is_plugged=False)) == 0


@pytest.mark.parametrize("selected", ["stop", "scheduled_charging", "foo"])
def test_other_modes_offer_nothing(selected: str) -> None:
    """Also one that openWB never heard of: it was accepted and echoed all the same."""
    assert current_a(reading(selected)) == 0


def test_a_limit_ends_the_charge() -> None:
    """By energy since plug-in, or by the state of charge; an unknown one ends nothing."""
    amount, soc = templates.Limit("amount", 5000, 80), templates.Limit("soc", 5000, 80)
    assert current_a(reading("instant_charging", instant_limit=amount, since_plugged_wh=4999)) == 16
    assert current_a(reading("instant_charging", instant_limit=amount, since_plugged_wh=5000)) == 0
    assert current_a(reading("instant_charging", instant_limit=soc, soc_percent=79.9)) == 16
    assert current_a(reading("instant_charging", instant_limit=soc, soc_percent=80)) == 0
    assert current_a(reading("instant_charging", instant_limit=soc, soc_percent=None)) == 16
    assert current_a(reading("pv_charging", pv_least_a=6, pv_limit=soc, soc_percent=80)) == 0


def test_pv_charging_starts_after_its_delay_and_follows_the_surplus() -> None:
    """Threshold 1500 W for more than 30 s; then what the surplus affords, to a hundredth of an ampere."""
    house, decision = replace(HOUSE, grid_w=-5000.0), IDLE
    seen = []
    for _ in range(4):
        decision = decide(VALUES, (reading("pv_charging"),), house, decision, cycle_s=10)
        seen.append(decision.currents_a[0])
    assert seen == [0, 0, 0, 7.24]
    drawing = reading("pv_charging", power_w=5000.0)
    assert current_a(drawing, HOUSE, decision) == 7.24
    assert current_a(drawing, replace(HOUSE, grid_w=-1000.0), decision) == 8.69


def test_pv_charging_stops_after_its_delay() -> None:
    """While it draws from the grid it goes down to the least current, and ends after more than 60 s of that."""
    decision = Decision((6.0,), ("",))
    house = replace(HOUSE, grid_w=800.0)
    seen = []
    for _ in range(7):
        decision = decide(VALUES, (reading("pv_charging", power_w=4140.0),), house, decision, cycle_s=10)
        seen.append(decision.currents_a[0])
    assert seen == [6, 6, 6, 6, 6, 6, 0]


def test_a_minimum_current_needs_no_surplus() -> None:
    """Nor does a car below its minimum state of charge."""
    assert current_a(reading("pv_charging", pv_least_a=8)) == 8
    assert current_a(reading("pv_charging", pv_least_soc_percent=60, pv_least_soc_a=10)) == 10
    assert current_a(reading("pv_charging", pv_least_soc_percent=50, pv_least_soc_a=10)) == 0


def test_eco_charging_looks_at_the_price() -> None:
    """Cheap enough: its current; else the surplus only."""
    assert current_a(reading("eco_charging", eco_a=10, eco_price=0.0003)) == 10
    assert current_a(reading("eco_charging", eco_a=10, eco_price=0.00029)) == 0


@pytest.mark.parametrize(
    ("mode", "soc_percent", "starts"),
    [("ev_mode", 10, True), ("bat_mode", 90, False), ("min_soc_bat_mode", 49, False), ("min_soc_bat_mode", 50, True)],
)
def test_the_battery_s_charge_is_surplus_for_cars_that_come_first(mode: str, soc_percent: float, starts: bool) -> None:
    """By the setting `bat_mode`, which nobody checks when it is written."""
    house = replace(HOUSE, battery_w=4500.0, battery_soc_percent=soc_percent)
    ready = replace(IDLE, on_timer_s=30)
    assert (current_a(reading("pv_charging"), house, ready, bat_mode=mode) > 0) is starts


def test_the_second_charge_point_waits_and_ends_first() -> None:
    """One start a delay, one stop a delay."""
    two = (reading("pv_charging"), reading("pv_charging"))
    before = Decision((0.0, 0.0), ("", ""), on_timer_s=30)
    started = decide(VALUES, two, replace(HOUSE, grid_w=-9000.0), before, cycle_s=10)
    assert started.currents_a[0] > 0
    assert started.currents_a[1] == 0
    drawing = tuple(replace(one, power_w=4140.0) for one in two)
    ended = decide(
        VALUES, drawing, replace(HOUSE, grid_w=3000.0), Decision((6, 6), ("", ""), off_timer_s=60), cycle_s=10
    )
    assert (ended.currents_a[0], ended.currents_a[1]) == (7.65, 0)
