"""A clock that tests hold in their hands."""

import threading


class ManualClock:
    """Satisfies `common.clock.Clock`. Stands still until told, or runs by itself as fast as somebody waits for it.

    `runs_until`: asking how long to wait for an instant takes the clock there at once, up to `runs_until`; then it
    stands.
    """

    def __init__(self, now: float = 1_800_000_000.0, runs_until: float | None = None) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._runs_until = runs_until

    def now(self) -> float:
        with self._lock:
            return self._now

    def set(self, now: float) -> None:
        """Jump, forwards or backwards."""
        with self._lock:
            self._now = now

    def advance(self, by_s: float) -> None:
        with self._lock:
            self._now += by_s

    def run_until(self, instant: float) -> None:
        with self._lock:
            self._runs_until = instant

    def real_seconds_until(self, instant: float) -> float:
        with self._lock:
            if instant <= self._now:
                return 0.0
            if self._runs_until is not None and instant <= self._runs_until:
                self._now = instant
                return 0.0
            return 0.005  # stands still: look again soon
