"""Time as an argument.

Whatever records or judges the age of readings takes a `Clock`; logins, tokens and timeouts use real time always.
`SimulatedClock` lets the demo run fast: it starts in the past and never passes the real present.
"""

import time
from typing import Protocol

from common.errors import FieldError


class Clock(Protocol):
    def now(self) -> float:
        """Unix seconds, UTC."""
        ...

    def real_seconds_until(self, instant: float) -> float:
        """How long to wait, in real seconds, until `now()` reaches `instant`; 0 if it is past."""
        ...


class SystemClock:
    """The machine's wall clock."""

    def now(self) -> float:
        return time.time()

    def real_seconds_until(self, instant: float) -> float:
        return max(0.0, instant - time.time())


class SimulatedClock:
    """Time that runs `speed` times as fast until it meets the present; it was `starts_at` at the real `anchored_at`.

    Processes given the same three numbers agree on the time.
    """

    def __init__(self, starts_at: float, anchored_at: float, speed: float) -> None:
        self.starts_at = starts_at
        self.anchored_at = anchored_at
        self.speed = speed

    def now(self) -> float:
        real = time.time()
        return min(real, self.starts_at + (real - self.anchored_at) * self.speed)

    def real_seconds_until(self, instant: float) -> float:
        at_this_speed = self.anchored_at + (instant - self.starts_at) / self.speed
        return max(0.0, max(instant, at_this_speed) - time.time())

    def spec(self) -> str:
        """The text that `parse_clock` turns into an equal clock."""
        return f"{self.starts_at:.3f}/{self.anchored_at:.3f}/{self.speed:g}"


# macOS has no clock of this name; its monotonic one goes on while the machine sleeps.
_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def uptime_s() -> float:
    """Seconds since boot, also those in which the machine slept; nobody sets this clock. For real-time deadlines."""
    return time.clock_gettime(_UPTIME)


def parse_clock(spec: str | None) -> Clock:
    """The clock for a `--clock` option: None is the wall clock, else `starts_at/anchored_at/speed` in Unix seconds."""
    if spec is None:
        return SystemClock()
    parts = spec.split("/")
    try:
        starts_at, anchored_at, speed = (float(part) for part in parts)
    except ValueError:
        raise FieldError("bad clock", {"clock": "must be starts_at/anchored_at/speed, three numbers"}) from None
    if not 1 <= speed <= 100_000 or starts_at > anchored_at:
        raise FieldError("bad clock", {"clock": "speed must be 1 to 100000, and it must start in the past"})
    return SimulatedClock(starts_at, anchored_at, speed)
