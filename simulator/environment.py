"""What the world does to a household whatever the wallbox decides: sun, clouds, the people's load, the cars' trips.

Pure functions of (seed, instant): the same seed gives the same weather and the same people at the same instant, no
matter in which steps time is walked through. Called by simulator/physics.py only.
"""

import functools
import hashlib
import math
from dataclasses import dataclass

from simulator.local_time import DAY_S, local_day

_SOLAR_CONSTANT_W_M2 = 1361.0
_PANEL_TILT_RAD = math.radians(35)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """When a car is away. Hours are local; odds are the chance that it leaves at all on such a day."""

    leaves_h: float
    returns_h: float
    weekday_odds: float
    weekend_odds: float
    mean_trip_km: float


@dataclass(frozen=True, slots=True)
class Trip:
    """One absence: instants in Unix seconds, and how far it went."""

    leaves_at: float
    returns_at: float
    distance_km: float


def pv_fraction(seed: int, at: float, latitude_deg: float, longitude_deg: float) -> float:
    """PV power as a part of the peak power, 0 to 1, of panels that face south, under the seed's clouds."""
    latitude, declination, hour_angle = _sun(at, latitude_deg, longitude_deg)
    elevation = _elevation_sine(latitude, declination, hour_angle)
    if elevation <= 0.01:
        return 0.0
    air_mass = 1 / max(elevation, 0.05)
    direct_w_m2 = _SOLAR_CONSTANT_W_M2 * math.pow(0.7, air_mass**0.678)
    incidence = max(0.0, _elevation_sine(latitude - _PANEL_TILT_RAD, declination, hour_angle))
    cover = cloud_cover(seed, at)
    irradiance_w_m2 = direct_w_m2 * incidence * math.pow(1 - cover, 1.5) + 160 * elevation * (1 - 0.4 * cover)
    return min(1.0, 0.88 * irradiance_w_m2 / 1000)


def cloud_cover(seed: int, at: float) -> float:
    """0 is a clear sky, 1 overcast: the day's character, fronts of hours, and single clouds of minutes."""
    character = _smooth(seed, "weather", at / DAY_S)
    fronts = _smooth(seed, "front", at / 5400) - 0.5
    clouds = _smooth(seed, "cloud", at / 240) - 0.5
    liveliness = 1 - abs(2 * character - 1)  # broken skies change; clear and grey ones stay as they are
    return min(1.0, max(0.0, 1.3 * character - 0.2 + liveliness * (0.5 * fronts + 0.7 * clouds)))


def house_load_w(seed: int, at: float, base_w: float) -> float:
    """What the house draws: a base, mornings and evenings, and appliances that go on and off."""
    day, hour = local_day(at)
    is_weekend = _weekday(day) >= 5
    presence = (
        1.0 * _bump(hour, 8.5 if is_weekend else 7.0, 1.2)
        + 0.8 * _bump(hour, 12.5, 1.3)
        + 1.6 * _bump(hour, 19.0, 2.2)
        + (0.5 if is_weekend and 9 < hour < 22 else 0.15)
    )
    load_w = base_w * (0.85 + 0.3 * _smooth(seed, "base", at / 600)) + base_w * presence
    if _smooth(seed, "fridge", at / 900) > 0.55:
        load_w += 90
    if _draw(seed, "kettle", int(at // 180)) < 0.05 * presence:
        load_w += 2000
    if _draw(seed, "stove", int(at // 1500)) < 0.35 * (_bump(hour, 12.3, 0.7) + _bump(hour, 18.5, 0.9)):
        load_w += 1700 if _draw(seed, "plate", int(at // 60)) < 0.6 else 300  # the thermostat's cycles
    if _draw(seed, "laundry", int(at // 5400)) < (0.25 if 8 < hour < 20 else 0.0):
        load_w += 2000 if at % 5400 < 1200 else 180
    return load_w


def trip_on(seed: int, car: int, habits: Habits, day: int) -> Trip | None:
    """The car's absence on a local day, None if it stays at home; it always returns on the same day."""
    odds = habits.weekend_odds if _weekday(day) >= 5 else habits.weekday_odds
    if _draw(seed, f"trip{car}", day) >= odds:
        return None
    leaves_h = habits.leaves_h + 1.0 * (_draw(seed, f"leaves{car}", day) - 0.5)
    returns_h = min(23.0, max(leaves_h + 0.5, habits.returns_h + 2.0 * (_draw(seed, f"returns{car}", day) - 0.5)))
    distance_km = habits.mean_trip_km * (0.5 + _draw(seed, f"distance{car}", day))
    local_midnight = day * DAY_S - 3600  # Central European Time; in summer people live by the clock, an hour later here
    return Trip(local_midnight + leaves_h * 3600, local_midnight + returns_h * 3600, distance_km)


def plug_delay_s(seed: int, car: int, day: int) -> float:
    """How long after its return a car is plugged in: one to five minutes."""
    return 60 + 240 * _draw(seed, f"plugs{car}", day)


def draw(seed: int, name: str, index: int) -> float:
    """The seed's random number for a thing: 0 ≤ x < 1, the same each time it is asked for."""
    return _draw(seed, name, index)


def _sun(at: float, latitude_deg: float, longitude_deg: float) -> tuple[float, float, float]:
    """Latitude, declination and hour angle in radians. The equation of time (±16 minutes) is left out."""
    day_of_year = (at / DAY_S) % 365.2425
    declination = math.radians(-23.44) * math.cos(2 * math.pi * (day_of_year + 10) / 365.2425)
    solar_hour = (at % DAY_S) / 3600 + longitude_deg / 15
    return math.radians(latitude_deg), declination, math.radians(15 * (solar_hour - 12))


def _elevation_sine(latitude: float, declination: float, hour_angle: float) -> float:
    return math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(
        hour_angle
    )


def _weekday(day: int) -> int:
    """Monday is 0; 1970-01-01 was a Thursday."""
    return (day + 3) % 7


def _bump(hour: float, centre_h: float, width_h: float) -> float:
    return math.exp(-(((hour - centre_h) / width_h) ** 2))


def _smooth(seed: int, name: str, position: float) -> float:
    """Noise between 0 and 1 that runs smoothly from one whole position to the next."""
    index = math.floor(position)
    part = position - index
    part = part * part * (3 - 2 * part)
    return (1 - part) * _draw(seed, name, index) + part * _draw(seed, name, index + 1)


@functools.lru_cache(maxsize=4096)  # noise asks for the same few lattice points over and over
def _draw(seed: int, name: str, index: int) -> float:
    digest = hashlib.blake2b(f"{seed}/{name}/{index}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56
