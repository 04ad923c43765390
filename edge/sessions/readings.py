"""What one look at a charge point says, and which meter readings are believed.

openWB's meters read 0 for a moment when it boots; meters are replaced and reset; the mirror holds most of that back,
but not after it lost its memory. A reading of 0 is no reading at all here, and one that is out of line must last.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto

from common.model import ChargePoint, Number, Snapshot
from edge.sessions.state import Point

CHARGING_W = 100.0
"""More is charging: openWB 1.9's own bound. What it reports as charging may be a car that draws nothing."""

MOST_POWER_W = 400_000.0
"""No charge point gives more; a meter that grew faster is another meter."""

SLACK_S = 60.0  # a reading may be as much older than the look at it: topics come one by one, and as seldom as that

ODD_S = 120.0
"""A meter reading out of line is believed after so long: twelve of openWB's control loops, its boot ends before."""


class Verdict(Enum):
    """What a meter reading is."""

    NONE = auto()  # no reading, or one that is not believed (yet)
    FIRST = auto()
    GROWN = auto()  # also by nothing
    SWAPPED = auto()  # another meter, or one that was reset: readings have been from `Point.odd_first_wh` on since


@dataclass(frozen=True, slots=True)
class Reading:
    """What counts of a charge point. `is_charging` None: nothing says."""

    is_plugged: bool | None
    is_charging: bool | None
    power_w: float | None
    meter_wh: float | None
    since_plugged_wh: float | None
    soc_percent: int | None
    mode: str | None
    vehicle: str | None


def is_judgeable(snapshot: Snapshot | None, now: float, oldest_s: float) -> bool:
    """Whether the wallbox speaks. What a silent one said last is judged no more."""
    return snapshot is not None and not snapshot.state.meta.is_stale and now - snapshot.updated_at <= oldest_s


def reading_of(part: ChargePoint) -> Reading:
    power_w = _finite(part.power_w)
    return Reading(
        is_plugged=part.is_plugged,
        is_charging=power_w > CHARGING_W if power_w is not None else part.is_charging,
        power_w=power_w,
        meter_wh=meter if (meter := _finite(part.meter_wh)) and meter > 0 else None,
        since_plugged_wh=_finite(part.energy_since_plugged_wh),
        soc_percent=round(soc) if (soc := _finite(part.soc_percent)) is not None else None,
        mode=part.mode.value if part.mode is not None else None,
        vehicle=part.vehicle,
    )


def judge_meter(point: Point, reading_wh: float | None, now: float) -> Verdict:
    """Whether to believe a reading; keeps account in `point` of one that is out of line, and changes nothing else."""
    if reading_wh is None:
        return Verdict.NONE
    if point.meter_wh is None:
        return Verdict.FIRST
    if _follows(point.meter_wh, reading_wh, now - point.metered_at):
        point.odd_first_wh = point.odd_wh = None
        return Verdict.GROWN
    if point.odd_first_wh is None or point.odd_wh is None or not _follows(point.odd_wh, reading_wh, now - point.odd_at):
        point.odd_first_wh, point.odd_s = reading_wh, 0.0
    else:
        point.odd_s += max(0.0, now - point.odd_at)
    point.odd_wh, point.odd_at = reading_wh, now
    return Verdict.SWAPPED if point.odd_s >= ODD_S else Verdict.NONE


def _follows(before_wh: float, reading_wh: float, elapsed_s: float) -> bool:
    """Whether one meter can have shown both."""
    most_wh = MOST_POWER_W * (max(0.0, elapsed_s) + SLACK_S) / 3600
    return before_wh <= reading_wh <= before_wh + most_wh


def _finite(value: Number | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
