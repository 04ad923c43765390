"""The site's own days, months and years. Pure; the zone is an argument.

Whoever sums energy up by day or month asks here, so that all of them mean the same midnight. A day has 23 or 25 hours
when the clocks change.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from common.errors import FieldError

DEFAULT_ZONE = "Europe/Berlin"


class Unit(StrEnum):
    DAY = "day"
    MONTH = "month"
    YEAR = "year"


def zone_named(name: str) -> ZoneInfo:
    """The zone of an IANA name like `Europe/Berlin`; raises FieldError (field `time_zone`)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder
        raise FieldError("bad time zone", {"time_zone": "must be a name like Europe/Berlin"}) from None


def start_of(unit: Unit, instant: float, zone: ZoneInfo) -> int:
    """When the local day, month or year of `instant` began, Unix seconds."""
    local = datetime.fromtimestamp(instant, zone)
    return _start(zone, local.year, local.month if unit is not Unit.YEAR else 1, local.day if unit is Unit.DAY else 1)


def end_of(unit: Unit, instant: float, zone: ZoneInfo) -> int:
    """When the local day, month or year of `instant` ends and the next begins, Unix seconds."""
    # No day has 26 hours or more, no month 32 days, no year 367; and none of the next begins and ends before that.
    longest_s = {Unit.DAY: 26 * 3600, Unit.MONTH: 32 * 86_400, Unit.YEAR: 367 * 86_400}[unit]
    return start_of(unit, start_of(unit, instant, zone) + longest_s, zone)


def spans(unit: Unit, from_s: float, to_s: float, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Start and end of each local day, month or year that has a part in from_s ≤ t < to_s, in order."""
    start = start_of(unit, from_s, zone)
    while start < to_s:
        end = end_of(unit, start, zone)
        yield start, end
        start = end


def _start(zone: ZoneInfo, year: int, month: int, day: int) -> int:
    # A midnight that the clocks skip is the instant at which they skip it; one that comes twice is the first.
    return int(datetime(year, month, day, tzinfo=zone).timestamp())
