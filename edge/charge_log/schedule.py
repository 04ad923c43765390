"""When the wallbox's log is read, and which months of it.

Pure; driven by edge/loops/charge_log.py. Time is the clock's, Unix seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from common.model import ChargePoint

FIRST_AFTER_S = 60.0  # of the edge's start: what was charged while it was off; the wallbox is known by then
AFTER_CHARGE_S = 180.0  # 1.9 writes a charge down two minutes after its end at the latest, 2.x within seconds
LEAST_BETWEEN_S = 600.0  # clouds may end a charge every few minutes
EVERY_S = 86_400.0


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """`month` is 1 to 12."""

    year: int
    month: int

    def before(self) -> "Month":
        return Month(self.year - 1, 12) if self.month == 1 else Month(self.year, self.month - 1)

    def starts_at(self, zone: tzinfo) -> int:
        """Its first instant in the local time of `zone`."""
        return int(datetime(self.year, self.month, 1, tzinfo=zone).timestamp())


def months(now: float, zone: tzinfo) -> tuple[Month, Month]:
    """The month before and this one, in local time: a charge over midnight is in the month of its end."""
    local = datetime.fromtimestamp(now, UTC).astimezone(zone)
    this = Month(local.year, local.month)
    return this.before(), this


@dataclass(slots=True)
class Watch:
    """Sees charges end, and says when to read. `due_at` is the next time."""

    due_at: float
    _looked_at: float = float("-inf")
    _seen: dict[str, tuple[bool | None, bool | None]] = field(default_factory=dict)

    def follow(self, charge_points: Mapping[str, ChargePoint], now: float) -> None:
        """Take the present state in. What is unknown ends nothing."""
        for name, point in charge_points.items():
            was_plugged, was_charging = self._seen.get(name, (None, None))
            if (was_plugged and point.is_plugged is False) or (was_charging and point.is_charging is False):
                self.want(now + AFTER_CHARGE_S)
            self._seen[name] = (
                was_plugged if point.is_plugged is None else point.is_plugged,
                was_charging if point.is_charging is None else point.is_charging,
            )
        self.due_at = min(self.due_at, now + EVERY_S)  # a clock that was set back by years

    def want(self, at: float) -> None:
        """Read at `at`, or earlier, but not all the time."""
        self.due_at = min(self.due_at, max(at, self._looked_at + LEAST_BETWEEN_S))

    def looked(self, now: float) -> None:
        self._looked_at = now
        self.due_at = now + EVERY_S
