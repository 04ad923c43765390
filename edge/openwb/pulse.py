"""Which heartbeats of a wallbox count as signs of life. Pure; used by the mirror and to detect the generation."""

from dataclasses import dataclass

from common.model import Number
from edge.openwb.parsing import Value


@dataclass(slots=True)
class Pulse:
    """`beat_at` is the instant of the last sign of life on our clock, None while there was none.

    The broker keeps the heartbeat of a wallbox that died, and repeats it at each connection. So only a new one counts,
    and only when its own instant is recent, or, as the wallbox's clock may be wrong, when it is not the first new one.
    """

    stale_after_s: float
    beat_at: float | None = None
    _last: Number | None = None
    _new_at: float | None = None

    def hear(self, instant: Number, now: float) -> bool:
        """Take in a heartbeat, the wallbox's clock in Unix seconds; whether it counts."""
        if instant == self._last:
            return False
        self._last = instant
        is_recent = abs(now - instant) <= self.stale_after_s
        follows = self._new_at is not None and 0 <= now - self._new_at <= self.stale_after_s
        self._new_at = now
        if is_recent or follows:
            self.beat_at = now
        return is_recent or follows

    def know(self, instant: Value) -> None:
        """A heartbeat heard in a former life: it is not new when it comes again."""
        if isinstance(instant, int | float):
            self._last = instant

    def is_beating(self, now: float) -> bool:
        """Whether the last sign of life is recent; a clock that was set back counts from there."""
        if self.beat_at is None:
            return False
        self.beat_at = min(self.beat_at, now)
        return now - self.beat_at <= self.stale_after_s
