"""Takes a sample at every tick and puts it into the spool. Never waits for the database: edge/loops/delivery.py does.

Time is the clock's, looked at again at least once a second, so that a clock that is set forward costs a second, not an
interval.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from common import logs
from common.clock import Clock
from common.health import Health, Status
from common.model import Snapshot
from common.store.rows import SampleRow
from edge.recorder import is_unknown, next_tick, sample_from, turn

COMPONENT = "recorder"

LOOK_S = 1.0

log = logs.get(__name__)


class SampleSink(Protocol):
    """Where samples go."""

    def append(self, row: SampleRow) -> None:
        """Keep `row` for delivery, whatever is broken; what is lost is counted and shown there."""
        ...


class RecorderLoop:
    """`current` gives the newest snapshot, or None while nothing is known."""

    def __init__(
        self, current: Callable[[], Snapshot | None], sink: SampleSink, interval_s: int, health: Health, clock: Clock
    ) -> None:
        self._current = current
        self._sink = sink
        self._interval_s = interval_s
        self._health = health
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        due = next_tick(self._clock.now(), self._interval_s)
        self._health.report(COMPONENT, Status.OK)
        while not stop.is_set():
            now = turn(self._clock.now(), due, self._interval_s)
            if now.missed:
                self._health.count("recorder_ticks_missed", now.missed)
                log.warning("ticks_missed", count=now.missed, due=due)
            if now.tick is not None:
                self._record(now.tick)
            due = now.due
            stop.wait(min(self._clock.real_seconds_until(due), LOOK_S))

    def _record(self, tick: int) -> None:
        row = sample_from(self._current(), tick)
        self._sink.append(row)
        self._health.count("recorder_samples")
        if is_unknown(row):
            self._health.count("recorder_samples_unknown")
