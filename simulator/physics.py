"""The household as physics has it: PV, house, battery, cars at charge points, and meters that count.

Pure and deterministic: `step` makes a state out of a state, the currents that a wallbox offers, and a span of time; the
weather and the people come from simulator/environment.py. It knows nothing of openWB. Signs: grid import +, battery
charging +, PV production +, loads +. Energies are Wh; every power is the mean of the last slice, so that
grid = house + charging + battery − PV holds exactly and the meters are the powers' integrals.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from simulator.environment import Habits, draw, house_load_w, plug_delay_s, pv_fraction, trip_on
from simulator.local_time import local_day

PerPhase = tuple[float, float, float]

LONGEST_SLICE_S = 60.0  # sun and load change little in a minute; a longer step is cut into slices
RAMP_A_PER_S = 1.0  # cars take up a new current within some seconds
CHARGER_EFFICIENCY = 0.9
LEAST_CURRENT_A = 6.0  # IEC 61851: less than 6 A is no charging at all

_FIRST_DAY = 18_993  # 2022-01-01, when the oldest of these households were built

_NONE: PerPhase = (0.0, 0.0, 0.0)
_HOUSE_SHARES: PerPhase = (0.45, 0.33, 0.22)


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """One car; `phases` is 1 or 3, `full_percent` is where its own charge limit stands."""

    name: str
    capacity_wh: float
    phases: int
    most_current_a: float
    consumption_wh_per_km: float
    full_percent: float
    habits: Habits


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseBattery:
    capacity_wh: float
    most_power_w: float
    efficiency: float  # of one way


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePoint:
    """`first_phase` is the phase (0 to 2) on which a one-phase car draws; `tags` are the RFID tags of its drivers."""

    name: str
    car: Car
    first_phase: int = 0
    tags: tuple[str, ...] = ()


COMMUTER = Car(
    name="Ioniq",
    capacity_wh=72_600,
    phases=3,
    most_current_a=16,
    consumption_wh_per_km=180,
    full_percent=90,
    habits=Habits(leaves_h=7.3, returns_h=17.0, weekday_odds=0.85, weekend_odds=0.5, mean_trip_km=130),
)
SECOND_CAR = Car(
    name="Zoe",
    capacity_wh=41_000,
    phases=1,
    most_current_a=32,
    consumption_wh_per_km=170,
    full_percent=100,
    habits=Habits(leaves_h=14.5, returns_h=18.0, weekday_odds=0.7, weekend_odds=0.6, mean_trip_km=110),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A household; `battery` None is a house without one."""

    latitude_deg: float = 51.0
    longitude_deg: float = 9.5
    pv_peak_w: float = 9_800.0
    house_base_w: float = 260.0
    battery: HouseBattery | None = HouseBattery(capacity_wh=10_000, most_power_w=5_000, efficiency=0.96)
    charge_points: tuple[ChargePoint, ...] = (
        ChargePoint(name="Carport", car=COMMUTER, tags=("0004A376A2",)),
        ChargePoint(name="Garage", car=SECOND_CAR, first_phase=1, tags=("00B1C204D7",)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePointState:
    """`current_a` flows on each phase in use. `soc_percent` is the car's, also while it is away."""

    is_plugged: bool
    is_drawing: bool  # plugged, offered current, and not full
    current_a: float = 0.0
    power_w: float = 0.0
    currents_a: PerPhase = _NONE
    meter_wh: float
    car_energy_wh: float
    soc_percent: float
    last_trip_day: int  # the last local day whose trip is behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything at the instant `at`, Unix seconds."""

    at: float
    pv_w: float = 0.0
    house_w: float = 0.0
    battery_w: float = 0.0
    grid_w: float = 0.0
    grid_powers_w: PerPhase = _NONE
    voltages_v: PerPhase = (230.0, 230.0, 230.0)
    pv_wh: float
    grid_imported_wh: float
    grid_exported_wh: float
    house_wh: float = 0.0
    battery_charged_wh: float
    battery_discharged_wh: float
    battery_energy_wh: float
    charge_points: tuple[ChargePointState, ...]


@dataclass(frozen=True, slots=True)
class Inputs:
    """The current that the wallbox offers at each charge point, in A; below 6 it offers none.

    `plugged` says where a car is kept plugged in (True) or away (False), whatever its habits; None leaves it to them.
    """

    offered_a: tuple[float, ...] = field(default=())
    plugged: tuple[bool | None, ...] = field(default=())


def start(site: Site, seed: int, at: float) -> State:
    """A household with some years behind it: meters, battery and cars stand where the seed puts them."""
    day = local_day(at)[0]
    years = (day - _FIRST_DAY) / 365.25 + draw(seed, "age", 0)
    points = []
    for number, point in enumerate(site.charge_points):
        energy_wh = point.car.capacity_wh * (0.35 + 0.35 * draw(seed, f"soc{number}", day))
        points.append(
            ChargePointState(
                is_plugged=False,
                is_drawing=False,
                meter_wh=round(2_100_000 * years * (0.5 + draw(seed, f"meter{number}", 0))),
                car_energy_wh=energy_wh,
                soc_percent=100 * energy_wh / point.car.capacity_wh,
                last_trip_day=day - 1,
            )
        )
    capacity_wh = site.battery.capacity_wh if site.battery else 0.0
    return State(
        at=at,
        pv_wh=round(960 * site.pv_peak_w * years),
        grid_imported_wh=round(2_900_000 * years),
        grid_exported_wh=round(480 * site.pv_peak_w * years),
        battery_charged_wh=round(210 * capacity_wh * years),
        battery_discharged_wh=round(190 * capacity_wh * years),
        battery_energy_wh=capacity_wh * draw(seed, "battery", day),
        charge_points=tuple(points),
    )


def step(site: Site, seed: int, state: State, inputs: Inputs, to_s: float) -> State:
    """The state at `to_s` with `inputs` offered since `state.at`. Long spans are cut into slices of a minute."""
    while state.at < to_s:
        state = _slice(site, seed, state, inputs, min(to_s - state.at, LONGEST_SLICE_S))
    return state


def raised(state: State, by_wh: Mapping[str, float], points_by_wh: tuple[float, ...]) -> State:
    """The same household with meters that count from higher up. `by_wh` maps names of the site's meters to Wh."""
    changes: dict[str, Any] = {name: getattr(state, name) + more_wh for name, more_wh in by_wh.items()}
    points = tuple(
        replace(point, meter_wh=point.meter_wh + more_wh)
        for point, more_wh in zip(state.charge_points, points_by_wh, strict=True)
    )
    return replace(state, **changes, charge_points=points)


def with_soc(site: Site, state: State, index: int, soc_percent: float) -> State:
    """The same household with one car as full as this."""
    energy_wh = site.charge_points[index].car.capacity_wh * soc_percent / 100
    points = list(state.charge_points)
    points[index] = replace(points[index], car_energy_wh=energy_wh, soc_percent=soc_percent)
    return replace(state, charge_points=tuple(points))


def _slice(site: Site, seed: int, state: State, inputs: Inputs, length_s: float) -> State:
    middle = state.at + length_s / 2
    to_s = state.at + length_s
    hours = length_s / 3600
    pv_w = site.pv_peak_w * pv_fraction(seed, middle, site.latitude_deg, site.longitude_deg)
    house_w = house_load_w(seed, middle, site.house_base_w)
    voltages_v = tuple(227 + 6 * draw(seed, f"voltage{phase}", int(middle // 20)) for phase in range(3))
    points = tuple(
        _charge(seed, number, point, before, offer, (voltages_v[0], voltages_v[1], voltages_v[2]), to_s, length_s)
        for number, (point, before, offer) in enumerate(
            zip(site.charge_points, state.charge_points, _padded(inputs, site), strict=True)
        )
    )
    charging_w = sum(point.power_w for point in points)
    battery_w, battery_energy_wh = _balance(site.battery, state.battery_energy_wh, pv_w - house_w - charging_w, hours)
    grid_w = house_w + charging_w + battery_w - pv_w
    return State(
        at=to_s,
        pv_w=pv_w,
        house_w=house_w,
        battery_w=battery_w,
        grid_w=grid_w,
        grid_powers_w=_grid_phases(house_w, battery_w - pv_w, points, voltages_v),
        voltages_v=(voltages_v[0], voltages_v[1], voltages_v[2]),
        pv_wh=state.pv_wh + pv_w * hours,
        grid_imported_wh=state.grid_imported_wh + max(0.0, grid_w) * hours,
        grid_exported_wh=state.grid_exported_wh + max(0.0, -grid_w) * hours,
        house_wh=state.house_wh + house_w * hours,
        battery_charged_wh=state.battery_charged_wh + max(0.0, battery_w) * hours,
        battery_discharged_wh=state.battery_discharged_wh + max(0.0, -battery_w) * hours,
        battery_energy_wh=battery_energy_wh,
        charge_points=points,
    )


def _charge(
    seed: int,
    number: int,
    point: ChargePoint,
    before: ChargePointState,
    offer: tuple[float, bool | None],
    voltages_v: PerPhase,
    to_s: float,
    length_s: float,
) -> ChargePointState:
    """One charge point's slice: trips that ended are paid for first, then the car charges if it is plugged in."""
    car = point.car
    offered_a, held = offer
    is_plugged, before = _whereabouts(seed, number, car, before, to_s)
    is_plugged = is_plugged if held is None else held
    room_wh = max(0.0, car.capacity_wh * car.full_percent / 100 - before.car_energy_wh)
    # A full car takes up charging again only after a few percent are gone, as real ones do.
    wants = is_plugged and room_wh > (0.0 if before.is_drawing else 0.02 * car.capacity_wh)
    target_a = min(offered_a, car.most_current_a) if wants and offered_a >= LEAST_CURRENT_A else 0.0
    if target_a == 0.0:
        return replace(before, is_plugged=is_plugged, is_drawing=False, current_a=0.0, power_w=0.0, currents_a=_NONE)
    reach_a = RAMP_A_PER_S * length_s
    current_a = max(LEAST_CURRENT_A, before.current_a + max(-reach_a, min(reach_a, target_a - before.current_a)))
    phases = [point.first_phase] if car.phases == 1 else [0, 1, 2]
    power_w = sum(voltages_v[phase] for phase in phases) * current_a
    energy_wh = power_w * length_s / 3600
    if energy_wh * CHARGER_EFFICIENCY > room_wh:
        part = room_wh / (energy_wh * CHARGER_EFFICIENCY)
        power_w, energy_wh, current_a = power_w * part, energy_wh * part, current_a * part
    car_energy_wh = before.car_energy_wh + energy_wh * CHARGER_EFFICIENCY
    return ChargePointState(
        is_plugged=True,
        is_drawing=True,
        current_a=current_a,
        power_w=power_w,
        currents_a=(
            current_a if 0 in phases else 0.0,
            current_a if 1 in phases else 0.0,
            current_a if 2 in phases else 0.0,
        ),
        meter_wh=before.meter_wh + energy_wh,
        car_energy_wh=car_energy_wh,
        soc_percent=100 * car_energy_wh / car.capacity_wh,
        last_trip_day=before.last_trip_day,
    )


def _whereabouts(
    seed: int, number: int, car: Car, before: ChargePointState, at: float
) -> tuple[bool, ChargePointState]:
    """Whether the car is plugged in at `at`, and its state with all trips up to then paid from its battery."""
    today = local_day(at)[0]
    is_plugged = True
    for day in range(before.last_trip_day + 1, today + 1):
        trip = trip_on(seed, number, car.habits, day)
        if trip is None:
            before = replace(before, last_trip_day=day)
        elif at >= trip.returns_at + plug_delay_s(seed, number, day):
            used_wh = trip.distance_km * car.consumption_wh_per_km
            left_wh = max(0.08 * car.capacity_wh, before.car_energy_wh - used_wh)  # else it charges on its way
            left_wh = min(left_wh, before.car_energy_wh)
            before = replace(
                before, last_trip_day=day, car_energy_wh=left_wh, soc_percent=100 * left_wh / car.capacity_wh
            )
        else:
            is_plugged = at < trip.leaves_at
            break
    return is_plugged, before


def _balance(battery: HouseBattery | None, stored_wh: float, surplus_w: float, hours: float) -> tuple[float, float]:
    """Battery power (charging +) that brings the grid towards 0 W, and the energy stored afterwards."""
    if battery is None:
        return 0.0, 0.0
    if surplus_w >= 0:
        most_w = (battery.capacity_wh - stored_wh) / battery.efficiency / hours
        power_w = max(0.0, min(surplus_w, battery.most_power_w, most_w))
        return power_w, min(battery.capacity_wh, stored_wh + power_w * battery.efficiency * hours)
    reserve_wh = 0.05 * battery.capacity_wh
    most_w = max(0.0, stored_wh - reserve_wh) * battery.efficiency / hours
    power_w = min(-surplus_w, battery.most_power_w, most_w)
    return -power_w, stored_wh - power_w / battery.efficiency * hours


def _grid_phases(
    house_w: float, even_w: float, points: tuple[ChargePointState, ...], voltages_v: tuple[float, ...]
) -> PerPhase:
    """Grid power per phase: the house is uneven, battery and inverter feed all phases alike."""
    first, second, third = (
        house_w * _HOUSE_SHARES[phase]
        + even_w / 3
        + sum(point.currents_a[phase] * voltages_v[phase] for point in points)
        for phase in range(3)
    )
    return first, second, third


def _padded(inputs: Inputs, site: Site) -> Iterator[tuple[float, bool | None]]:
    """Offered current and held plug of each charge point; what is not given is no current and no hold."""
    for number in range(len(site.charge_points)):
        offered_a = inputs.offered_a[number] if number < len(inputs.offered_a) else 0.0
        yield offered_a, inputs.plugged[number] if number < len(inputs.plugged) else None
