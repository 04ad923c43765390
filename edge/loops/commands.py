"""Commands → the wallbox: takes them from the queue, has them published, and tells what became of them.

`edge/commands.py` decides; this loop only carries. A new command is taken at once; while one is on its way the loop
looks at every batch that the mirror heard. Everything is kept in Redis, so after a restart nothing is forgotten, and
what lost its time meanwhile is said to be so. Real time counts here, also where the wallbox's runs faster.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from common import logs
from common.clock import Clock, uptime_s
from common.commands import EVENT_TYPE, Command, CommandRecord, Status
from common.errors import RedisUnavailable
from common.health import Health
from common.model import Snapshot
from edge.attempt import Send, Wallbox
from edge.commands import Executor, NotSent, Unacknowledged
from edge.openwb.planning import Planner

IDLE_WAIT_S = 0.5  # for new commands; also how soon a stop is noticed
BUSY_WAIT_S = 0.05  # for an echo; a person does not notice it
RETAINED_WITHIN_S = 1.0  # a broker hands over what it retained within milliseconds of the subscription
MARK_S = 300.0  # openWB 2.x has its five-minute job at these instants of its wall clock

log = logs.get(__name__)


class CommandQueue(Protocol):
    """Where commands come from and records go to. Every method raises RedisUnavailable."""

    def rewind(self) -> None: ...

    def take(self, wait_s: float) -> Sequence[tuple[Command, CommandRecord | None]]:
        """The next commands with their records; empty when none came within `wait_s`."""
        ...

    def save(self, records: Sequence[CommandRecord]) -> None: ...


class Line(Protocol):
    """The session with the wallbox's broker."""

    def listening_since(self) -> float | None:
        """In uptime; None while there is no session."""
        ...

    def publish(self, topic: str, payload: str, until: float) -> None:
        """Raises NotSent or Unacknowledged."""
        ...


class Ear:
    """What the wallbox published, by topic; `hear` is called by the mirror's thread, the rest by the command loop's.

    Bounded by what the mirror lets through.
    """

    def __init__(self) -> None:
        self._heard_something = threading.Condition()  # guards all of it; held for dictionary operations only
        self._is_new = False
        self._texts: dict[str, str] = {}
        self._heard_at: dict[str, float] = {}
        self._changed_at: dict[str, float] = {}

    def hear(self, raw: Mapping[str, str]) -> None:
        now = uptime_s()
        with self._heard_something:
            for topic, text in raw.items():
                if self._texts.get(topic, text) != text:
                    self._changed_at[topic] = now
                self._texts[topic], self._heard_at[topic] = text, now
            self._is_new = True
            self._heard_something.notify()

    def wait(self, timeout_s: float) -> None:
        """Until something was heard since the last `wait`."""
        with self._heard_something:
            self._heard_something.wait_for(lambda: self._is_new, timeout_s)
            self._is_new = False

    def heard(self) -> tuple[dict[str, str], dict[str, float]]:
        """The newest payloads, and the uptime at which each topic was heard last."""
        with self._heard_something:
            return dict(self._texts), dict(self._heard_at)

    def changed_at(self, topic: str) -> float | None:
        """The uptime at which its payload became another one; what a new session repeats does not count."""
        with self._heard_something:
            return self._changed_at.get(topic)


class CommandLoop:
    """`planners` are by generation; `announce` puts an event on the live channel."""

    def __init__(
        self,
        queue: CommandQueue,
        line: Line,
        ear: Ear,
        planners: Mapping[str, Planner],
        current_state: Callable[[], Snapshot | None],
        announce: Callable[[Mapping[str, Any]], None],
        health: Health,
        clock: Clock,
    ) -> None:
        self._queue = queue
        self._line = line
        self._ear = ear
        self._planners = planners
        self._current_state = current_state
        self._announce = announce
        self._health = health
        self._clock = clock
        self._executor = Executor()

    def run(self, stop: threading.Event) -> None:
        self._executor = Executor()
        self._queue.rewind()
        while not stop.is_set():
            try:
                self._take()
                self._carry_on()
                self._save()
            except RedisUnavailable as exc:  # the mirror loop tells about it
                log.debug("commands_wait_for_redis", detail=exc.detail)
                self._queue.rewind()
                self._carry_on()
                stop.wait(IDLE_WAIT_S)

    def _take(self) -> None:
        is_busy = self._executor.is_busy
        if is_busy:
            self._ear.wait(BUSY_WAIT_S)
        for command, record in self._queue.take(0.0 if is_busy else IDLE_WAIT_S):
            self._executor.take(command, record, time.time(), uptime_s())

    def _carry_on(self) -> None:
        """Judge what is open, and send what may be sent; what follows from it shows in the next turn."""
        if self._executor.is_idle:
            return
        box = self._wallbox()
        send = self._executor.turn(box)
        if send is not None:
            self._send(send, box)

    def _send(self, send: Send, box: Wallbox) -> None:
        is_begun = False
        try:
            for publication in send.publications:
                self._line.publish(publication.topic, publication.payload, send.until)
                is_begun = True
        except NotSent as exc:
            if not is_begun:
                self._executor.not_sent(send.command_id, exc.message)
                return
            log.warning("command_sent_in_part", id=send.command_id, why=exc.message)
        except Unacknowledged as exc:
            log.warning("command_unacknowledged", id=send.command_id, detail=exc.detail)
        self._health.count("commands_sent")
        self._executor.sent(send.command_id, box)

    def _save(self) -> None:
        records = self._executor.unsaved()
        if not records:
            return
        self._queue.save(records)
        for record in records:
            self._executor.saved(record)
            self._announce({"type": EVENT_TYPE, "record": record})
            self._count(record)

    def _count(self, record: CommandRecord) -> None:
        is_unsent = record.status is Status.TIMED_OUT and record.published_at is None
        self._health.count("commands_never_sent" if is_unsent else f"commands_{record.status}")
        wishes = ",".join(sorted(record.requested))
        log.info(
            "command",
            id=record.id,
            origin=record.origin,
            status=record.status.value,
            wishes=wishes,
            detail=record.detail,
        )

    def _wallbox(self) -> Wallbox:
        uptime, instant = uptime_s(), self._clock.now()
        since = self._line.listening_since()
        snapshot = self._current_state()
        planner = None if snapshot is None else self._planners.get(snapshot.state.meta.generation)
        texts, heard_at = self._ear.heard()
        next_mark = (instant // MARK_S + 1) * MARK_S
        second_s = self._clock.real_seconds_until(instant + MARK_S) / MARK_S
        return Wallbox(
            now=time.time(),
            uptime=uptime,
            texts=texts,
            heard_at=heard_at,
            beat_at=None if planner is None else self._ear.changed_at(planner.heartbeat),
            is_listening=since is not None and uptime - since >= RETAINED_WITHIN_S,
            planner=planner,
            since_mark_s=(instant + MARK_S - next_mark) * second_s,
            to_mark_s=self._clock.real_seconds_until(next_mark),
            second_s=second_s,
        )
