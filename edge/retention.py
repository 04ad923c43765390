"""What is old enough to be forgotten, as the owner wishes it. Pure; nothing is forgotten unless the settings say so.

The limit is always the start of a local month, so that a month is computed from all of its days or from none.
"""

from collections.abc import Mapping
from enum import StrEnum
from zoneinfo import ZoneInfo

from common.local_time import Unit, start_of

DAY_S = 86_400

SETTLED_S = 3600.0
"""The clock must have run as it should for so long before anything is forgotten: a machine without a battery for its
clock may believe in another year until it has asked a time server, and what is deleted is gone."""


class Kept(StrEnum):
    SAMPLES = "samples"
    QUARTERS = "quarters"
    HOURS = "hours"
    DAYS = "days"
    MONTHS = "months"


NEEDED = (Kept.SAMPLES, Kept.QUARTERS, Kept.DAYS)
"""What hours, days and months are computed from."""


def limits(keep_days: Mapping[Kept, int], now: float, zone: ZoneInfo) -> dict[Kept, int]:
    """Before which instants to forget; of what has 0 days, or none, all is kept."""
    return {
        kept: start_of(Unit.MONTH, max(0.0, now - days * DAY_S), zone) for kept, days in keep_days.items() if days > 0
    }


def not_before(found: Mapping[Kept, int]) -> int:
    """From when on everything is there from which rollups are computed."""
    return max((found[kept] for kept in NEEDED if kept in found), default=0)


def samples_before(limit: int) -> int:
    """Before which instant samples go: the first bucket that may be computed needs the reading before it."""
    return limit - DAY_S
