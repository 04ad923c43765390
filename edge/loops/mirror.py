"""MQTT → Redis: takes batches of messages, keeps the mirror, and writes what changed, one transaction a batch.

While Redis is away it goes on mirroring in memory, so that the recorder has a state; what changed meanwhile is kept as
the difference of two states, not as a queue. After any failure, and when Redis lost its data, everything is written
again. The only writer of the site's keys.
"""

import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

from common import logs
from common.backoff import Backoff
from common.clock import Clock
from common.errors import RedisUnavailable
from common.health import Health, Status
from common.model import SiteState, Snapshot, diff, flatten
from edge.mirror import Mirror, Skip, Stored

COMPONENT = "redis"

TICK_S = 0.5  # the longest wait for messages: staleness and a stop are noticed after it
CHECK_S = 5.0  # silence after which Redis is asked for a sign of life
LEAST_STALE_S = 2.0
"""Real seconds without a heartbeat before anything is stale: under a fast clock a minute may pass within a batch."""

log = logs.get(__name__)


class MessageSource(Protocol):
    """Where messages come from."""

    def take(self, timeout_s: float) -> Mapping[str, bytes]:
        """Newest payload by topic; empty when nothing came for `timeout_s`."""
        ...


class MirrorStore(Protocol):
    """Redis, as far as this loop needs it. Every method raises RedisUnavailable."""

    def load(self) -> Stored: ...

    def write(self, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any]) -> bool:
        """False: the keys were gone before it, so `replace` is needed."""
        ...

    def replace(self, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any]) -> None: ...

    def holds_state(self) -> bool: ...


class MirrorLoop:
    """`run` is the loop's thread; `current_state` may be called from any."""

    def __init__(
        self,
        source: MessageSource,
        store: MirrorStore,
        mirror: Mirror,
        health: Health,
        clock: Clock,
        backoff: Backoff | None = None,
    ) -> None:
        self._source = source
        self._store = store
        self._mirror = mirror
        self._health = health
        self._clock = clock
        # A local Redis is back within seconds of its restart; a try costs nothing while it refuses.
        self._backoff = backoff or Backoff(first_s=0.2, longest_s=5.0)
        self._snapshot: Snapshot | None = None
        self._written: SiteState | None = None  # what Redis holds, as far as we know
        self._unwritten: dict[str, str] = {}  # payloads by topic; bounded by the allow-list
        self._is_synced = False
        self._retry_at = 0.0  # monotonic, as all instants below
        self._asked_at = 0.0
        self._judged_at = 0.0
        self._complained: set[str] = set()  # topics of the allow-list with a bad payload already logged

    def current_state(self) -> Snapshot | None:
        """The newest snapshot, written or not; None while nothing was ever heard. Its state says if it is stale."""
        return self._snapshot

    def run(self, stop: threading.Event) -> None:
        self._health.report(COMPONENT, Status.STARTING)
        self._write_what_is_due()
        while not stop.is_set():
            self._listen()
            self._write_what_is_due()

    def _listen(self) -> None:
        messages = self._source.take(TICK_S)
        now = self._clock.now()
        self._mirror.stale_after_s = self._stale_after_s(now)
        changes: Mapping[str, Any] = {}
        if messages:
            update = self._mirror.apply(messages, now)
            self._unwritten.update(update.raw)
            self._report_skipped(update.skipped)
            self._health.count("mqtt_messages_mirrored", len(update.raw))
            changes = update.changes
        if self._is_time_to_judge():
            changes = {**changes, **self._mirror.tick(now)}
        if messages or changes:
            self._snapshot = self._mirror.snapshot()

    def _is_time_to_judge(self) -> bool:
        now = time.monotonic()
        if now - self._judged_at < TICK_S:
            return False
        self._judged_at = now
        return True

    def _stale_after_s(self, now: float) -> float:
        """In seconds of the clock."""
        usual_s = self._mirror.dialect.stale_after_s
        real_s = self._clock.real_seconds_until(now + usual_s)
        return max(usual_s, usual_s * LEAST_STALE_S / real_s) if real_s > 0 else usual_s

    def _write_what_is_due(self) -> None:
        now = time.monotonic()
        if now < self._retry_at:
            return
        try:
            if not self._is_synced or (self._written is None and self._snapshot is not None):
                self._synchronise()
            elif self._snapshot is not None and (self._unwritten or self._snapshot.state is not self._written):
                self._write(self._snapshot)
            elif now - self._asked_at >= CHECK_S:
                self._is_synced = self._store.holds_state() or self._snapshot is None
            else:
                return
        except RedisUnavailable as exc:
            self._is_synced = False
            self._retry_at = time.monotonic() + self._backoff.next_delay_s()
            changed = self._health.report(COMPONENT, Status.FAILING, exc.message)
            tell = log.warning if changed else log.debug  # the first failure loudly, its repeats quietly
            tell("redis_lost", detail=exc.detail)
            return
        self._asked_at = time.monotonic()
        self._backoff.reset()
        if self._health.report(COMPONENT, Status.OK):
            log.info("redis_ready")

    def _write(self, snapshot: Snapshot) -> None:
        self._is_synced = self._store.write(self._unwritten, snapshot, diff(self._written, snapshot.state))
        self._note_written(snapshot)
        if not self._is_synced:
            log.warning("redis_lost_its_data")

    def _synchronise(self) -> None:
        """Take over what Redis holds, then write everything; also for the first time."""
        stored = self._store.load()
        self._mirror.adopt(stored, self._clock.now())
        snapshot = self._snapshot = self._mirror.snapshot()
        if snapshot is None:
            self._is_synced = True
            return
        changes = diff(stored.snapshot.state if stored.snapshot is not None else self._written, snapshot.state)
        if stored.snapshot is None:  # a client may listen that saw the lost entries or did not: tell it everything
            changes |= flatten(snapshot.state)
        self._store.replace(self._mirror.raw, snapshot, changes)
        self._is_synced = True
        self._note_written(snapshot)

    def _note_written(self, snapshot: Snapshot) -> None:
        self._written = snapshot.state
        self._unwritten = {}

    def _report_skipped(self, skipped: tuple[Skip, ...]) -> None:
        for skip in skipped:
            self._health.count(f"mqtt_skipped_{skip.reason}")
            is_first = skip.topic not in self._complained
            self._complained.add(skip.topic)
            tell = log.warning if is_first else log.debug
            tell("message_skipped", topic=skip.topic, reason=skip.reason)
