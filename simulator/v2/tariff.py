"""A dynamic tariff for the household: a price for each quarter of an hour, known until the end of the next day.

Pure function of (seed, instant). Prices are € per Wh and include the grid fee.
"""

import functools

from simulator.environment import draw
from simulator.local_time import DAY_S, day_starts_at, local_day

SLOT_S = 900

_CHEAP_HOURS = {2: -9, 3: -9, 4: -8, 11: -5, 12: -7, 13: -8, 14: -6, 7: 5, 8: 6, 17: 7, 18: 9, 19: 8, 20: 5}  # ct/kWh


def price_at(seed: int, at: float) -> float:
    """The price of the slot that `at` lies in."""
    return _price(seed, int(at // SLOT_S))


def known_prices(seed: int, at: float) -> dict[str, float]:
    """Slot start in Unix seconds → price: from the running slot on, tomorrow's from 13 o'clock on."""
    first = int(at // SLOT_S) * SLOT_S
    days = 2 if local_day(at)[1] >= 13 else 1
    last = int(day_starts_at(day_starts_at(at) + days * DAY_S + 7200))
    return {str(slot): price_at(seed, slot) for slot in range(first, last, SLOT_S)}


@functools.lru_cache(maxsize=512)  # the same day or two over and over
def _price(seed: int, slot: int) -> float:
    day, hour = local_day(slot * SLOT_S)
    cents = 29 + _CHEAP_HOURS.get(int(hour), 0) + 6 * (draw(seed, "price of the day", day) - 0.5)
    cents += 2 * (draw(seed, "price", slot) - 0.5)
    return round(cents / 100_000, 7)
