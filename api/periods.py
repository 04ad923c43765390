"""Which stretch of time `?from&to` mean. Pure.

Both are instants, or plain dates: the midnight with which that day begins at the site. A charge session belongs to the
day and month in which it began by the site's clock, so lists and documents of a month have the same sessions.
"""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from api import instants

LATEST_S = 253402128000  # 9999-12-30: the site's clock may be ahead of UTC, and no calendar here goes further

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS = "must be a day like 2026-11-01, or an RFC 3339 instant with an offset, like 2026-11-01T00:00:00+01:00"


def period(parameters: Mapping[str, str], zone: ZoneInfo, faults: dict[str, str]) -> tuple[int | None, int | None]:
    """(from_s, to_s) in whole Unix seconds for from_s ≤ start < to_s, None where it is open; adds what is wrong."""
    found: dict[str, int | None] = {"from": None, "to": None}
    for name in found:
        try:
            found[name] = math.ceil(boundary(parameters[name], zone)) if name in parameters else None
        except ValueError as exc:
            faults[name] = str(exc)
    from_s, to_s = found["from"], found["to"]
    if from_s is not None and to_s is not None and from_s > to_s:
        faults["from"] = "must not be after to"
    return from_s, to_s


def boundary(text: str, zone: ZoneInfo) -> float:
    """Unix seconds of `?from` or `?to`; raises ValueError."""
    if _DAY.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError as exc:
            raise ValueError(_WORDS) from exc
        instant = datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() if day.year > 1 else -1.0
    else:
        try:
            # A `+` that is not written %2B arrives as a space, and an instant with a T has no other.
            instant = instants.parse(text.replace(" ", "+") if "T" in text else text)
        except ValueError as exc:
            raise ValueError(_WORDS) from exc
    if not 0 <= instant <= LATEST_S:
        raise ValueError("must be from 1970 to 9999")
    return instant
