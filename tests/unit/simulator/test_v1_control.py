"""Which current each mode of openWB 1.9 offers."""

from dataclasses import replace

import pytest

from simulator.v1.commands import DEFAULTS
from simulator.v1.control import INSTANT, MIN_PV, PV, STANDBY, STOP, Decision, Reading, decide

PLUGGED = Reading(is_plugged=True, is_enabled=True, power_w=0, phases=3, soc_percent=50, charged_wh=0)
AWAY = replace(PLUGGED, is_plugged=False)


def currents(
    mode: int,
    *readings: Reading,
    before: Decision | None = None,
    grid_w: float = 0,
    battery_w: float = 0,
    **changes: str,
) -> Decision:
    """`changes` name settings with __ for a slash, below config/get."""
    values = DEFAULTS | {"global/ChargeMode": str(mode)}
    values |= {f"config/get/{name.replace('__', '/')}": text for name, text in changes.items()}
    before = before or Decision((0,) * len(readings))
    return decide(values, readings, before, grid_w=grid_w, battery_w=battery_w, loop_s=10)


def test_instant_offers_its_current_to_who_is_plugged_in() -> None:
    """Each charge point has its own current."""
    assert currents(INSTANT, PLUGGED, AWAY, sofort__lp__1__current="16").currents_a == (16, 0)
    assert currents(INSTANT, AWAY, PLUGGED, sofort__lp__1__current="16").currents_a == (0, 10)


@pytest.mark.parametrize(("charged_wh", "current_a"), [(4_990, 10), (5_000, 10), (5_010, 0)])
def test_the_energy_limit_stops_instant_charging_beyond_it(charged_wh: float, current_a: int) -> None:
    """openWB compares with greater than."""
    reading = replace(PLUGGED, charged_wh=charged_wh)
    decision = currents(INSTANT, reading, sofort__lp__1__chargeLimitation="1", sofort__lp__1__energyToCharge="5")
    assert decision.currents_a == (current_a,)


@pytest.mark.parametrize(("soc_percent", "current_a"), [(79, 10), (80, 0), (None, 10)])
def test_the_soc_limit_stops_instant_charging_at_it(soc_percent: float | None, current_a: int) -> None:
    """Without a SoC module there is nothing to compare."""
    reading = replace(PLUGGED, soc_percent=soc_percent)
    assert currents(INSTANT, reading, sofort__lp__1__chargeLimitation="2").currents_a == (current_a,)


def test_the_clamp_holds_in_all_modes() -> None:
    """Between the least and the most that the EVSE is allowed."""
    assert currents(INSTANT, PLUGGED, global__maxEVSECurrentAllowed="8").currents_a == (8,)
    assert currents(MIN_PV, PLUGGED, global__minEVSECurrentAllowed="10").currents_a == (10,)


@pytest.mark.parametrize("mode", [STOP, STANDBY])
def test_stop_and_standby_offer_nothing(mode: int) -> None:
    """Also not in bright sun."""
    assert currents(mode, PLUGGED, PLUGGED, grid_w=-9000).currents_a == (0, 0)


def test_min_pv_offers_its_minimum_and_more_with_the_sun() -> None:
    """Surplus plus what already flows, in whole amperes of all phases in use."""
    assert currents(MIN_PV, PLUGGED, grid_w=2000).currents_a == (6,)
    flowing = replace(PLUGGED, power_w=4140)
    assert currents(MIN_PV, flowing, before=Decision((6,)), grid_w=-2100).currents_a == (9,)
    one_phase = replace(PLUGGED, power_w=1380, phases=1)
    assert currents(MIN_PV, one_phase, before=Decision((6,)), grid_w=-2100).currents_a == (15,)


def test_a_full_car_sets_nothing_aside_for_itself() -> None:
    """The second charge point gets the sun that the first does not take."""
    full, flowing = PLUGGED, replace(PLUGGED, power_w=1380, phases=1)
    assert currents(MIN_PV, full, flowing, before=Decision((6, 6)), grid_w=-2100).currents_a == (6, 15)


def test_who_comes_first_decides_whether_the_battery_counts() -> None:
    """EV first: what charges the battery is surplus. Battery first: only the export is; its discharge never is."""
    flowing = replace(PLUGGED, power_w=4140)
    arguments = {"before": Decision((6,)), "battery_w": 2100}
    assert currents(MIN_PV, flowing, **arguments, pv__priorityModeEVBattery="1").currents_a == (9,)  # type: ignore[arg-type]
    assert currents(MIN_PV, flowing, **arguments, pv__priorityModeEVBattery="0").currents_a == (6,)  # type: ignore[arg-type]
    for priority in ("0", "1"):
        decision = currents(
            MIN_PV,
            replace(flowing, power_w=6900),
            before=Decision((10,)),
            battery_w=-1500,
            pv__priorityModeEVBattery=priority,
        )
        assert decision.currents_a == (7,)


def test_pv_only_starts_after_its_delay() -> None:
    """The export must hold for more than the delay; one charge point starts at a time."""
    decision = Decision((0, 0))
    started = []
    for _ in range(8):
        decision = currents(PV, PLUGGED, PLUGGED, before=decision, grid_w=-1600)
        started.append(decision.currents_a)
    assert started[:3] == [(0, 0)] * 3
    assert started[3] == (6, 0)
    assert decision.currents_a == (6, 6)
    interrupted = currents(PV, PLUGGED, before=Decision((0,), start_timer_s=20), grid_w=-1400)
    assert interrupted == Decision((0,))


def test_pv_only_stops_after_its_delay() -> None:
    """The import must hold; the timer counts seconds in steps of the loop."""
    flowing = replace(PLUGGED, power_w=4140)
    decision = Decision((6,))
    timers = []
    while any(decision.currents_a):
        decision = currents(PV, flowing, before=decision, grid_w=1500)
        timers.append(decision.stop_timer_s)
    assert timers == [10, 20, 30, 40, 50, 60, 0]


def test_pv_only_follows_the_sun_and_not_below_its_minimum() -> None:
    """Like Min+PV while it charges."""
    flowing = replace(PLUGGED, power_w=4140)
    assert currents(PV, flowing, before=Decision((6,)), grid_w=-2100).currents_a == (9,)
    assert currents(PV, flowing, before=Decision((6,)), grid_w=100).currents_a == (6,)
    assert currents(PV, AWAY, before=Decision((6,)), grid_w=-2100).currents_a == (0,)


def test_the_first_charge_point_has_a_soc_window_in_pv_only() -> None:
    """Below it charging is forced, above it forbidden."""
    assert currents(PV, PLUGGED, pv__lp__1__minSocAlwaysToChargeTo="60").currents_a == (10,)
    charging = currents(PV, PLUGGED, before=Decision((6,)), grid_w=-3000, pv__lp__1__maxSocToChargeTo="40")
    assert charging.currents_a == (0,)
