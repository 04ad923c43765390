"""Local time in Germany, computed from the EU's rule, so that no time zone database has to be installed.

Pure. The physics needs the hour of the day, openWB prints local times. Source: directive 2000/84/EC (summer time from
the last Sunday of March to the last Sunday of October, 01:00 UTC each).
"""

import functools
from datetime import UTC, datetime, timedelta, timezone

_CET = timezone(timedelta(hours=1), "CET")
_CEST = timezone(timedelta(hours=2), "CEST")

DAY_S = 86_400


def local_time(at: float) -> datetime:
    """The German wall-clock time of an instant in Unix seconds; its `tzname()` is CET or CEST."""
    begins, ends = _summer_time(datetime.fromtimestamp(at, UTC).year)
    return datetime.fromtimestamp(at, _CEST if begins <= at < ends else _CET)


def local_day(at: float) -> tuple[int, float]:
    """The number of the local day since 1970-01-01, and the hour within it, 0 ≤ hour < 24."""
    begins, ends = _summer_time(datetime.fromtimestamp(at, UTC).year)
    day, second = divmod(at + (7200 if begins <= at < ends else 3600), DAY_S)
    return int(day), second / 3600


def day_starts_at(at: float) -> float:
    """The instant of the last local midnight."""
    start = local_time(at).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    # On the two days of the change, midnight had the other offset than `at` has.
    return start + {1: -3600.0, 23: 3600.0}.get(local_time(start).hour, 0.0)


@functools.lru_cache(maxsize=64)
def _summer_time(year: int) -> tuple[float, float]:
    return _last_sunday_at_one(year, 3), _last_sunday_at_one(year, 10)


def _last_sunday_at_one(year: int, month: int) -> float:
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return (last - timedelta(days=(last.weekday() + 1) % 7)).timestamp()
