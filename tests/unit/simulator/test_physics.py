"""The household obeys physics: energy is conserved, meters count up, and a seed repeats."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.environment import cloud_cover, house_load_w, pv_fraction
from simulator.physics import LEAST_CURRENT_A, HouseBattery, Inputs, Site, State, start, step

SITE = Site()
WINTER = datetime(2026, 11, 23, 6, tzinfo=UTC).timestamp()
SUMMER_NOON = datetime(2026, 6, 21, 11, 20, tzinfo=UTC).timestamp()

steps = st.lists(
    st.tuples(st.floats(0.5, 7200), st.tuples(st.floats(0, 40), st.floats(0, 40))), min_size=1, max_size=12
)


def meters(state: State) -> list[float]:
    return [
        state.pv_wh,
        state.grid_imported_wh,
        state.grid_exported_wh,
        state.house_wh,
        state.battery_charged_wh,
        state.battery_discharged_wh,
        *(point.meter_wh for point in state.charge_points),
    ]


def walk(seed: int, at: float, length_s: float, current_a: float, step_s: float = 10.0) -> list[State]:
    states = [start(SITE, seed, at)]
    while states[-1].at < at + length_s:
        states.append(step(SITE, seed, states[-1], Inputs((current_a, current_a)), states[-1].at + step_s))
    return states


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), steps=steps, at=st.floats(1.6e9, 1.9e9))
def test_power_adds_up_and_meters_never_go_back(
    seed: int, steps: list[tuple[float, tuple[float, float]]], at: float
) -> None:
    """grid = house + charging + battery − PV, on the phases too; and every meter only counts up, whatever the steps."""
    state = start(SITE, seed, at)
    for length_s, offered_a in steps:
        before, state = state, step(SITE, seed, state, Inputs(offered_a), state.at + length_s)
        charging_w = sum(point.power_w for point in state.charge_points)
        assert state.grid_w == pytest.approx(state.house_w + charging_w + state.battery_w - state.pv_w)
        assert sum(state.grid_powers_w) == pytest.approx(state.grid_w, abs=1e-6)
        assert all(after >= earlier for earlier, after in zip(meters(before), meters(state), strict=True))


@pytest.mark.parametrize("battery", [SITE.battery, None])
def test_metered_energies_balance(battery: HouseBattery | None) -> None:
    """Over a day, what came in went somewhere: import + PV + discharge = export + house + charge + cars."""
    site = replace(SITE, battery=battery)
    first = state = start(site, 3, WINTER)
    for _ in range(24 * 60):
        state = step(site, 3, state, Inputs((12.0, 10.0)), state.at + 60)
    gone = [after - before for before, after in zip(meters(first), meters(state), strict=True)]
    pv, imported, exported, house, charged, discharged, *cars = gone
    assert pv + imported + discharged == pytest.approx(exported + house + charged + sum(cars))
    assert sum(cars) > 1000


def test_a_seed_repeats_exactly_and_another_differs() -> None:
    """Same seed and clock, same run."""
    one, two, other = (walk(seed, WINTER, 7200, 10.0)[-1] for seed in (5, 5, 6))
    assert one == two
    assert one.house_w != other.house_w


def test_weather_does_not_depend_on_the_steps() -> None:
    """A past computed in minutes has the weather that the ten-second loop sees."""
    fine, coarse = walk(5, SUMMER_NOON, 7200, 0.0, 10.0)[-1], walk(5, SUMMER_NOON, 7200, 0.0, 60.0)[-1]
    assert coarse.pv_wh - start(SITE, 5, SUMMER_NOON).pv_wh == pytest.approx(
        fine.pv_wh - start(SITE, 5, SUMMER_NOON).pv_wh, rel=0.02
    )


def test_the_sun_shines_by_day_and_more_in_summer() -> None:
    """No power at night; the best hour of June beats the best of December clearly."""
    where = (SITE.latitude_deg, SITE.longitude_deg)
    midnight = datetime(2026, 6, 21, 23, tzinfo=UTC).timestamp()
    assert pv_fraction(1, midnight, *where) == 0.0
    june = max(pv_fraction(1, SUMMER_NOON + day * 86_400, *where) for day in range(10))
    december = max(pv_fraction(1, SUMMER_NOON + (183 + day) * 86_400, *where) for day in range(10))
    assert 0.6 < june <= 1.0
    assert 0.1 < december < june


@given(seed=st.integers(0, 10_000), at=st.floats(1.6e9, 1.9e9))
def test_the_world_stays_in_its_ranges(seed: int, at: float) -> None:
    """Clouds between none and all, a house that always draws something and never more than its fuses."""
    assert 0 <= cloud_cover(seed, at) <= 1
    assert 100 < house_load_w(seed, at, SITE.house_base_w) < 12_000


def test_a_car_charges_with_what_it_is_offered_and_no_more() -> None:
    """Ramped, at most its own maximum, on one or three phases; below 6 A nothing flows."""
    states = [s for seed in range(6) for s in walk(seed, WINTER + 13 * 3600, 2 * 3600, 20.0)]
    three_phase = [s.charge_points[0] for s in states if s.charge_points[0].is_drawing]
    one_phase = [s.charge_points[1] for s in states if s.charge_points[1].is_drawing]
    assert three_phase
    assert one_phase
    assert all(LEAST_CURRENT_A <= p.current_a <= 16 for p in three_phase if p.power_w > 4200)
    assert max(p.current_a for p in three_phase) == 16
    assert all(p.currents_a == (p.current_a,) * 3 for p in three_phase)
    assert max(p.current_a for p in one_phase) == 20
    assert all(p.currents_a == (0.0, p.current_a, 0.0) for p in one_phase)
    assert not any(p.power_w for s in walk(1, WINTER + 13 * 3600, 1800, 5.9) for p in s.charge_points)


def test_cars_leave_come_back_emptier_and_fill_up() -> None:
    """Over a week each car is away and plugged in, and is never beyond its limits."""
    states = walk(2, WINTER, 7 * 86_400, 10.0, 60.0)
    for number, point in enumerate(SITE.charge_points):
        seen = [state.charge_points[number] for state in states]
        assert {p.is_plugged for p in seen} == {True, False}
        assert all(0 < p.soc_percent <= point.car.full_percent + 1e-6 for p in seen)
        assert min(p.soc_percent for p in seen) < point.car.full_percent - 10
        assert all(p.power_w == 0 for p in seen if not p.is_plugged)


def test_a_full_car_stops_drawing() -> None:
    """Nothing flows into a full car, though current is offered."""
    states = walk(2, WINTER + 12 * 3600, 20 * 3600, 16.0, 60.0)
    full = [p for s in states for p in s.charge_points[:1] if p.is_plugged and p.soc_percent > 89.99]
    assert full
    assert full[-1].power_w == 0
