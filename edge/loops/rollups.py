"""Samples → rollups, a bounded piece a turn, and the forgetting of what the owner does not want to keep.

Works behind the delivery: what that stores leaves a mark in the database, so nothing is forgotten over a restart, and a
late sample corrects its buckets. While the database is away this loop asks again after growing pauses.
"""

import threading
import time
from collections.abc import Mapping
from typing import Protocol
from zoneinfo import ZoneInfo

from common import logs
from common.backoff import Backoff
from common.clock import Clock
from common.errors import StoreUnavailable
from common.health import Health, Status
from common.store.errors import StoreError
from edge.retention import SETTLED_S, Kept, limits, not_before, samples_before
from edge.rollups import Reckoner

COMPONENT = "rollups"

LOOK_S = 20.0  # a chart of today need not be younger; each look rewrites the buckets of now, some 40 rows
BREATH_S = 0.05  # between two pieces of a backlog: recording and the api come first
FORGET_S = 3600.0
DRIFT_S = 60.0  # the clock went another way than time did: it was set

log = logs.get(__name__)


class RollupStore(Protocol):
    """common/store/rollups.py and retention.py; every method raises StoreUnavailable or StoreError."""

    def advance(self, reckoner: Reckoner) -> int:
        """Compute one piece; how many marks are left."""
        ...

    def adopt_zone(self, not_before: int) -> bool:
        """Begin anew with days and months that are another zone's; whether there were any."""
        ...

    def forget(self, kept: Kept, before: int) -> int:
        """Delete one piece; how much that was, 0 when nothing is left."""
        ...


class RollupLoop:
    """`keep_days` as for `edge.retention.limits`."""

    def __init__(
        self,
        store: RollupStore,
        interval_s: int,
        zone: ZoneInfo,
        keep_days: Mapping[Kept, int],
        health: Health,
        clock: Clock,
        backoff: Backoff | None = None,
        settled_s: float = SETTLED_S,
    ) -> None:
        self._store = store
        self._interval_s = interval_s
        self._zone = zone
        self._keep_days = keep_days
        self._health = health
        self._clock = clock
        self._backoff = backoff or Backoff(first_s=0.5, longest_s=60.0)
        self._settled_s = settled_s
        self._has_zone = False
        self._offset_s: float | None = None  # of the clock from monotonic time, as it was first seen
        self._set_at = 0.0  # monotonic; when the clock was last set
        self._forgot_at: float | None = None  # monotonic

    def run(self, stop: threading.Event) -> None:
        self._health.report(COMPONENT, Status.STARTING)
        while not stop.is_set():
            stop.wait(self._turn())

    def _turn(self) -> float:
        """One piece of work; answers how long to pause."""
        try:
            found = limits(self._keep_days, self._clock.now(), self._zone)
            earliest = not_before(found)
            if not self._has_zone:
                if self._store.adopt_zone(earliest):
                    log.warning("time_zone_changed", zone=self._zone.key)
                self._has_zone = True
            left = self._store.advance(Reckoner(self._interval_s, earliest))
            left += self._forget(found)
        except (StoreUnavailable, StoreError) as exc:
            changed = self._health.report(COMPONENT, Status.FAILING, exc.message)
            tell = log.warning if changed else log.debug
            tell("rollups_failed", reason=exc.code, detail=exc.detail)
            return self._backoff.next_delay_s()
        self._backoff.reset()
        self._health.report(COMPONENT, Status.OK, "some are still to be computed" if left else None)
        return BREATH_S if left else LOOK_S

    def _forget(self, found: Mapping[Kept, int]) -> int:
        now = time.monotonic()
        if not found or not self._is_settled(now):
            return 0
        if self._forgot_at is not None and now - self._forgot_at < FORGET_S:
            return 0
        for kept, limit in found.items():
            count = self._store.forget(kept, samples_before(limit) if kept is Kept.SAMPLES else limit)
            if count:
                self._health.count(f"{kept}_forgotten", count)
                return count
        self._forgot_at = now
        return 0

    def _is_settled(self, now: float) -> bool:
        offset_s = self._clock.now() - now
        if self._offset_s is None or abs(offset_s - self._offset_s) > DRIFT_S:
            self._offset_s, self._set_at = offset_s, now
        return now - self._set_at >= self._settled_s
