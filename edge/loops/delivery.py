"""Spool → database: delivers samples in order, and each at least once; the store's natural keys make it exactly once.

The one loop of the edge that uses the database all the time, so it also reports whether it answers. While it is away
samples gather in the spool and this loop asks again after growing pauses.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from common import logs
from common.backoff import Backoff
from common.errors import StoreUnavailable
from common.health import Health, Status
from common.store.errors import StoreError
from common.store.rows import SampleRow
from edge.recorder import Batch

COMPONENT = "store"

BATCH_ROWS = 500  # milliseconds of MariaDB's time: a week's backlog is gone in seconds and nobody waits for a lock
LOOK_S = 1.0  # for new samples; they come once in 5 s at most
CHECK_S = 10.0  # silence after which the database is asked for a sign of life

log = logs.get(__name__)


class SampleQueue(Protocol):
    """Where samples wait."""

    def take(self, most: int) -> Batch | None:
        """The oldest ones, which stay there; None when there are none."""
        ...

    def remove(self, batch: Batch) -> None:
        """They are delivered."""
        ...


class DeliveryLoop:
    """`deliver` stores samples in one transaction, `ping` asks for a sign of life; both raise the store's errors."""

    def __init__(
        self,
        queue: SampleQueue,
        deliver: Callable[[Sequence[SampleRow]], None],
        ping: Callable[[], None],
        health: Health,
        backoff: Backoff | None = None,
    ) -> None:
        self._queue = queue
        self._deliver = deliver
        self._ping = ping
        self._health = health
        self._backoff = backoff or Backoff(first_s=0.5, longest_s=30.0)
        self._heard_at: float | None = None  # monotonic; the database's last answer

    def run(self, stop: threading.Event) -> None:
        self._health.report(COMPONENT, Status.STARTING)
        self._heard_at = None
        while not stop.is_set():
            stop.wait(self._turn())

    def _turn(self) -> float:
        """One batch, or one question; answers how long to pause."""
        try:
            pause_s = self._hand_over()
        except (StoreUnavailable, StoreError) as exc:
            changed = self._health.report(COMPONENT, Status.FAILING, exc.message)
            tell = log.warning if changed else log.debug  # the first failure loudly, its repeats quietly
            tell("store_lost", reason=exc.code, detail=exc.detail)
            return self._backoff.next_delay_s()
        return pause_s

    def _hand_over(self) -> float:
        batch = self._queue.take(BATCH_ROWS)
        if batch is not None:
            self._deliver(batch.rows)
            self._queue.remove(batch)
            self._health.count("samples_delivered", len(batch.rows))
        elif self._heard_at is None or time.monotonic() - self._heard_at >= CHECK_S:
            self._ping()
        else:
            return LOOK_S
        self._heard_at = time.monotonic()
        self._backoff.reset()
        if self._health.report(COMPONENT, Status.OK):
            log.info("store_ready")
        return 0.0 if batch is not None else LOOK_S
