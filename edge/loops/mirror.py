"""MQTT → Redis: takes batches of messages, keeps the mirror, and writes what changed, one transaction a batch.

While Redis is away it goes on mirroring in memory, so that the recorder has a state; what changed meanwhile is kept as
the difference of two states, not as a queue. After any failure, and when Redis lost its data, everything is written
again. The only writer of the site's keys, and so the owner of their numbers: what others announce (what became of a
command) is numbered and written here, too.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from common import logs
from common.backoff import Backoff
from common.clock import Clock
from common.errors import RedisUnavailable
from common.health import Health, Status
from common.model import SiteState, Snapshot, diff, flatten
from edge.mirror import Mirror, Skip, Stored
from edge.openwb.detect import CLUES, Detector
from edge.openwb.dialect import Dialect
from edge.sessions.state import MachineState

COMPONENT = "redis"

TICK_S = 0.5  # the longest wait for messages: staleness and a stop are noticed after it
CHECK_S = 5.0  # silence after which Redis is asked for a sign of life
MOST_COMPLAINTS = 1_000  # topics whose first bad payload is logged loudly
MOST_EVENTS = 100
"""Events that wait while Redis is away. What they tell also stands in a key of its own, so the oldest may go."""

LEAST_STALE_S = 2.0
"""Real seconds without a heartbeat before anything is stale: under a fast clock a minute may pass within a batch."""

log = logs.get(__name__)


class MessageSource(Protocol):
    """Where messages come from."""

    def take(self, timeout_s: float) -> Mapping[str, bytes]:
        """Newest payload by topic; empty when nothing came for `timeout_s`, or after `wake`."""
        ...

    def wake(self) -> None:
        """End a `take` that waits; may be called from any thread."""
        ...

    def listen(self, subscriptions: Sequence[str], is_allowed: Callable[[str], bool]) -> None:
        """Listen to these topics from now on, what is retained of them first."""
        ...


class MirrorStore(Protocol):
    """Redis, as far as this loop needs it. Every method raises RedisUnavailable."""

    def load(self) -> Stored: ...

    def write(self, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any], now: float) -> bool:
        """`now` is told with the changes. False: the keys were gone before it, so `replace` is needed."""
        ...

    def replace(self, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any], now: float) -> None: ...

    def tell(self, events: Sequence[tuple[int, Mapping[str, Any]]], snapshot: Snapshot) -> None:
        """Append events with their numbers, of which the last is the snapshot's."""
        ...

    def holds_state(self) -> bool: ...


class MirrorLoop:
    """`run` is the loop's thread; `current_state` and `announce` may be called from any.

    `on_heard` is given every batch of payloads as they go into the raw mirror, those that commands write back with all
    their members, in the loop's thread.
    With a detector the mirror speaks whatever generation is found on the broker, and is told when another one is.
    `recall` gives what is on disk of the meters: Redis may have lost it, and a meter that is odd just now must not be
    believed because nobody remembers.
    """

    def __init__(
        self,
        source: MessageSource,
        store: MirrorStore,
        mirror: Mirror,
        health: Health,
        clock: Clock,
        backoff: Backoff | None = None,
        detector: Detector | None = None,
        on_heard: Callable[[Mapping[str, str]], None] | None = None,
        recall: Callable[[], MachineState | None] = lambda: None,
    ) -> None:
        self._recall = recall
        self._on_heard = on_heard
        self._source = source
        self._detector = detector
        self._store = store
        self._mirror = mirror
        self._health = health
        self._clock = clock
        # A local Redis is back within seconds of its restart; a try costs nothing while it refuses.
        self._backoff = backoff or Backoff(first_s=0.2, longest_s=5.0)
        self._snapshot: Snapshot | None = None
        self._written: SiteState | None = None  # what Redis holds, as far as we know
        self._unwritten: dict[str, str] = {}  # payloads by topic; bounded by the allow-list
        self._events_lock = threading.Lock()  # guards the list; held for list operations only
        self._events: list[Mapping[str, Any]] = []
        self._is_synced = False
        self._retry_at = 0.0  # monotonic, as all instants below
        self._asked_at = 0.0
        self._judged_at = 0.0
        self._complained: set[str] = set()  # topics of the allow-list with a bad payload already logged

    def current_state(self) -> Snapshot | None:
        """The newest snapshot, written or not; None while nothing was ever heard. Its state says if it is stale."""
        return self._snapshot

    def announce(self, event: Mapping[str, Any]) -> None:
        """Have an event written to the change stream, with the next number and this instant."""
        event = {**event, "occurred_at": self._clock.now()}
        with self._events_lock:
            self._events.append(event)
            dropped, self._events = self._events[:-MOST_EVENTS], self._events[-MOST_EVENTS:]
        self._health.count("events_dropped", len(dropped))
        self._source.wake()

    def run(self, stop: threading.Event) -> None:
        self._health.report(COMPONENT, Status.STARTING)
        known = self._recall()
        if known is not None:
            self._mirror.recall(known.meters, known.odd_readings)
        self._write_what_is_due()
        while not stop.is_set():
            self._listen()
            self._write_what_is_due()

    def _listen(self) -> None:
        messages = self._source.take(TICK_S)
        now = self._clock.now()
        if self._detector is not None:
            if self._detector.hear(messages, now):
                self._speak(self._detector.chosen, now)
            is_allowed = self._mirror.dialect.is_allowed
            messages = {topic: text for topic, text in messages.items() if topic not in CLUES or is_allowed(topic)}
        self._mirror.stale_after_s = self._stale_after_s(now)
        changes: Mapping[str, Any] = {}
        if messages:
            update = self._mirror.apply(messages, now)
            self._unwritten.update(update.raw)
            if self._on_heard is not None:
                self._on_heard(update.whole)
            self._report_skipped(update.skipped)
            self._health.count("mqtt_messages_mirrored", len(update.raw))
            changes = update.changes
        if self._is_time_to_judge():
            changes = {**changes, **self._mirror.tick(now)}
        if messages or changes:
            self._snapshot = self._mirror.snapshot()

    def _speak(self, dialect: Dialect, now: float) -> None:
        """Another generation: its topics are asked for, and what Redis holds of the old one is replaced."""
        log.info("generation_detected", generation=dialect.generation, before=self._mirror.dialect.generation)
        self._mirror.speak(dialect, now)
        self._source.listen(
            (*dialect.subscriptions(), *(CLUES - set(dialect.subscriptions()))),
            lambda topic: topic in CLUES or dialect.is_allowed(topic),
        )
        self._unwritten = {}
        self._snapshot = self._mirror.snapshot()
        self._is_synced = False

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
            elif not self._events:
                return
            self._tell_events()
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
        changes = diff(self._written, snapshot.state)
        self._is_synced = self._store.write(self._unwritten, snapshot, changes, self._clock.now())
        self._note_written(snapshot)
        if not self._is_synced:
            log.warning("redis_lost_its_data")

    def _synchronise(self) -> None:
        """Take over what Redis holds, then write everything; also for the first time."""
        stored = self._store.load()
        now = self._clock.now()
        if self._detector is not None and stored.snapshot is not None:
            self._detector.assume(stored.snapshot.state.meta.generation)
            if self._detector.chosen is not self._mirror.dialect:
                self._speak(self._detector.chosen, now)
        self._mirror.adopt(stored, now)
        snapshot = self._snapshot = self._mirror.snapshot()
        if snapshot is None:
            self._is_synced = True
            return
        changes = diff(stored.snapshot.state if stored.snapshot is not None else self._written, snapshot.state)
        if stored.snapshot is None:  # a client may listen that saw the lost entries or did not: tell it everything
            changes |= flatten(snapshot.state)
        self._store.replace(self._mirror.raw, snapshot, changes, now)
        self._is_synced = True
        self._note_written(snapshot)

    def _tell_events(self) -> None:
        if not self._is_synced or self._snapshot is None:
            return
        with self._events_lock:
            events, self._events = self._events, []
        numbered = [(number, event) for event in events if (number := self._mirror.number_event()) is not None]
        self._snapshot = self._mirror.snapshot()
        if not numbered or self._snapshot is None:
            return
        try:
            self._store.tell(numbered, self._snapshot)
        except RedisUnavailable:
            with self._events_lock:
                self._events = [*events, *self._events][-MOST_EVENTS:]
            raise

    def _note_written(self, snapshot: Snapshot) -> None:
        self._written = snapshot.state
        self._unwritten = {}

    def _report_skipped(self, skipped: tuple[Skip, ...]) -> None:
        for skip in skipped:
            self._health.count(f"mqtt_skipped_{skip.reason}")
            is_first = skip.topic not in self._complained and len(self._complained) < MOST_COMPLAINTS
            if is_first:
                self._complained.add(skip.topic)
            tell = log.warning if is_first else log.debug
            tell("message_skipped", topic=skip.topic, reason=skip.reason)
