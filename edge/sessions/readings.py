"""What one look at a charge point says, and what its meter counted since the last one.

Which readings are believed was decided before (edge/meters.py). A reading of 0 is no reading at all here: openWB's
meters read 0 for a moment when it boots.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto

from common.meters import Meter
from common.model import ChargePoint, Number, Snapshot
from edge.meters import JITTER_WH
from edge.sessions.state import Point

CHARGING_W = 100.0
"""More is charging: openWB 1.9's own bound. What it reports as charging may be a car that draws nothing."""


class Verdict(Enum):
    """What a believed reading is, beside the one that was counted last."""

    NONE = auto()  # no reading
    FIRST = auto()
    GROWN = auto()  # also by nothing
    TAKEN_BACK = auto()  # the one before was odd, and not sure yet
    NEW_COUNT = auto()  # the meter began anew, or is another one


@dataclass(frozen=True, slots=True)
class Counted:
    """What the meter counted since the last look: `old_wh` to the end of its count before, `new_wh` of the present one.

    Without a new count all is `new_wh`, which is below 0 where a reading is taken back. `first_wh` and `began_at` are
    those of a new count.
    """

    verdict: Verdict
    reading_wh: float = 0.0
    new_wh: float = 0.0
    old_wh: float = 0.0
    first_wh: float = 0.0
    began_at: float = 0.0

    @property
    def energy_wh(self) -> float:
        return self.old_wh + self.new_wh


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


def counted(point: Point, reading_wh: float | None, meter: Meter | None, now: float) -> Counted:
    """Compare a believed reading with the one before; `meter` says how it came to be believed, None: nobody knows."""
    if reading_wh is None:
        return Counted(Verdict.NONE)
    before_wh = point.meter_wh
    if before_wh is None:
        return Counted(Verdict.FIRST, reading_wh)
    is_same_meter = meter is None or point.source in (None, meter.source)
    count = meter.count if meter is not None else None
    if is_same_meter and count is not None and count.began_at != point.count_at:
        return Counted(
            Verdict.NEW_COUNT,
            reading_wh,
            new_wh=max(0.0, reading_wh - count.first_wh),
            old_wh=max(0.0, count.before_wh - before_wh),
            first_wh=min(count.first_wh, reading_wh),
            began_at=count.began_at,
        )
    if is_same_meter and reading_wh >= before_wh:
        return Counted(Verdict.GROWN, reading_wh, new_wh=reading_wh - before_wh)
    if is_same_meter and point.sure_wh is not None and reading_wh >= point.sure_wh - JITTER_WH:
        return Counted(Verdict.TAKEN_BACK, reading_wh, new_wh=reading_wh - before_wh)
    return Counted(Verdict.NEW_COUNT, reading_wh, first_wh=reading_wh, began_at=now)


def _finite(value: Number | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
