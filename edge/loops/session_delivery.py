"""Sessions → database: in the order of their last change, each at least once; natural keys make it exactly once.

Also puts the users to the tags, since users are in the database. Whether the database answers at all is told by
edge/loops/delivery.py; this loop reports only what is wrong with sessions.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from common import logs
from common.backoff import Backoff
from common.errors import StoreUnavailable
from common.health import Health, Status
from common.store.errors import StoreError
from common.store.rows import SessionRecord
from edge.sessions.records import Batch, Key, key_of, with_user

COMPONENT = "session_delivery"

BATCH_SESSIONS = 50  # with some hundred segments each at most: well below a second of MariaDB's time
LOOK_S = 1.0  # for new sessions

log = logs.get(__name__)


class SessionQueue(Protocol):
    """Where sessions wait."""

    def take(self, most: int) -> Batch | None:
        """The oldest ones, which stay there; None when there are none."""
        ...

    def remove(self, batch: Batch) -> None:
        """They are delivered."""
        ...


class SessionDelivery:
    """`deliver` stores sessions in one transaction and returns their ids, `owner_of` knows whose a tag is.

    Both raise the store's errors. `on_stored` is told the id of each session, in this loop's thread.
    """

    def __init__(
        self,
        queue: SessionQueue,
        deliver: Callable[[Sequence[SessionRecord]], Sequence[int]],
        owner_of: Callable[[str], str | None],
        health: Health,
        backoff: Backoff | None = None,
        on_stored: Callable[[Key, int], None] | None = None,
    ) -> None:
        self._on_stored = on_stored
        self._queue = queue
        self._deliver = deliver
        self._owner_of = owner_of
        self._health = health
        self._backoff = backoff or Backoff(first_s=0.5, longest_s=30.0)

    def run(self, stop: threading.Event) -> None:
        self._health.report(COMPONENT, Status.OK)
        while not stop.is_set():
            stop.wait(self.turn())

    def turn(self) -> float:
        """One batch, if there is one; answers how long to pause."""
        batch = self._queue.take(BATCH_SESSIONS)
        if batch is None:
            return LOOK_S
        try:
            ids = self._deliver([with_user(record, self._owner_of) for record in batch.records])
        except StoreUnavailable as exc:
            log.debug("sessions_wait", reason=exc.code, detail=exc.detail)
            return self._backoff.next_delay_s()
        except StoreError as exc:  # they are kept: a newer program, or a repaired database, may take them
            if self._health.report(COMPONENT, Status.FAILING, exc.message):
                log.error("sessions_refused", reason=exc.code, detail=exc.detail)
            return self._backoff.next_delay_s()
        self._queue.remove(batch)
        if self._on_stored is not None:
            for record, session_id in zip(batch.records, ids, strict=True):
                self._on_stored(key_of(record), session_id)
        self._health.count("sessions_delivered", len(batch.records))
        self._backoff.reset()
        if self._health.report(COMPONENT, Status.OK):
            log.info("sessions_accepted_again")
        return 0.0
