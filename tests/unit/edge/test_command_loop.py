"""The command loop against a Redis and a broker that fail: nothing is sent twice, and every record gets its end."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from common.clock import SystemClock, uptime_s
from common.commands import Command, CommandRecord, Status, accepted
from common.errors import RedisUnavailable
from common.health import Health
from common.model import Meta, SiteState, Snapshot
from edge.commands import NotSent, Unacknowledged
from edge.loops.commands import CommandLoop, Ear
from edge.openwb.v1_commands import PLANNER
from tests.kit.waiting import eventually

MODE = "openWB/global/ChargeMode"
HEARD = {MODE: "2", "openWB/lp/1/boolChargePointConfigured": "1"}


class Queue:
    """Redis in memory; `is_down` is its knob."""

    def __init__(self) -> None:
        self.is_down = False
        self.commands: list[Command] = []
        self.records: dict[str, CommandRecord] = {}
        self._position = 0

    def accept(self, command_id: str, **wishes: Any) -> None:
        command = Command(id=command_id, charge_point=None, wishes=wishes, accepted_at=time.time(), by="anna")
        self.records[command_id] = accepted(command)
        self.commands.append(command)

    def rewind(self) -> None:
        self._position = 0

    def take(self, wait_s: float) -> Sequence[tuple[Command, CommandRecord | None]]:
        self._answer()
        if self._position == len(self.commands):
            threading.Event().wait(min(wait_s, 0.02))
        found = self.commands[self._position :]
        self._position += len(found)
        return [(command, self.records.get(command.id)) for command in found]

    def save(self, records: Sequence[CommandRecord]) -> None:
        self._answer()
        self.records |= {record.id: record for record in records}

    def status(self, command_id: str) -> Status:
        return self.records[command_id].status

    def _answer(self) -> None:
        if self.is_down:
            raise RedisUnavailable("Redis does not answer")


class Line:
    """A broker; `error` is what publishing raises."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.published: list[tuple[str, str]] = []

    def listening_since(self) -> float | None:
        return uptime_s() - 60

    def publish(self, topic: str, payload: str, until: float) -> None:
        assert uptime_s() < until
        if self.error is not None:
            raise self.error
        self.published.append((topic, payload))


class Rig:
    def __init__(self) -> None:
        self.queue, self.line, self.ear = Queue(), Line(), Ear()
        self.health = Health(SystemClock())
        self.events: list[Mapping[str, Any]] = []
        self.generation = "1.9"
        self.ear.hear(HEARD)
        planners = {"1.9": PLANNER}
        self.loop = CommandLoop(
            self.queue,
            self.line,
            self.ear,
            planners,
            lambda: Snapshot(seq=1, updated_at=0.0, state=SiteState(meta=Meta(generation=self.generation))),
            self.events.append,
            self.health,
            SystemClock(),
        )

    def statuses(self) -> list[str]:
        return [event["record"].status.value for event in self.events]


@contextmanager
def _running() -> Iterator[Rig]:
    rig, stop = Rig(), threading.Event()
    thread = threading.Thread(target=rig.loop.run, args=(stop,))
    thread.start()
    try:
        yield rig
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def test_a_command_is_published_confirmed_and_told() -> None:
    """One event a step, after its record was saved; and counted."""
    with _running() as rig:
        rig.queue.accept("a", mode="stop")
        eventually(lambda: rig.queue.status("a") is Status.PUBLISHED)
        rig.ear.hear({MODE: "3"})
        eventually(lambda: rig.queue.status("a") is Status.CONFIRMED)
        eventually(lambda: rig.statuses() == ["published", "confirmed"])
        assert rig.line.published == [("openWB/set/ChargeMode", "3")]
        eventually(lambda: rig.health.counters().get("commands_confirmed") == 1)
        assert rig.health.counters()["commands_sent"] == 1


def test_a_redis_outage_after_sending_loses_nothing() -> None:
    """The wallbox is watched meanwhile; the record is written when Redis is back, and it is sent once."""
    with _running() as rig:
        rig.queue.accept("a", mode="stop")
        eventually(lambda: rig.queue.status("a") is Status.PUBLISHED)
        rig.queue.is_down = True
        rig.ear.hear({MODE: "3"})
        rig.queue.accept("b", mode="pv")
        rig.queue.is_down = False
        eventually(lambda: rig.queue.status("a") in (Status.CONFIRMED, Status.SUPERSEDED))
        eventually(lambda: rig.queue.status("b") is Status.PUBLISHED)
        assert [text for _, text in rig.line.published] == ["3", "2"]


def test_what_was_not_sent_is_tried_again() -> None:
    """As long as its deadline allows."""
    with _running() as rig:
        rig.line.error = NotSent("there was no connection")
        rig.queue.accept("a", mode="stop")
        eventually(lambda: rig.queue.commands)
        rig.line.error = None
        eventually(lambda: rig.queue.status("a") is Status.PUBLISHED)
        assert len(rig.line.published) == 1


def test_what_may_have_been_sent_is_watched_and_not_sent_again() -> None:
    """Nobody knows whether the broker has it; the wallbox will tell."""
    with _running() as rig:
        rig.line.error = Unacknowledged("the broker did not acknowledge it")
        rig.queue.accept("a", mode="stop")
        eventually(lambda: rig.queue.status("a") is Status.PUBLISHED)
        rig.line.error = None
        rig.ear.hear({MODE: "3"})
        eventually(lambda: rig.queue.status("a") is Status.CONFIRMED)
        assert rig.line.published == []


def test_a_wallbox_of_unknown_kind_is_told_nothing() -> None:
    """Until it is known."""
    with _running() as rig:
        rig.generation = "unknown"
        rig.queue.accept("a", mode="stop")
        rig.queue.accept("b", mode="pv")
        eventually(lambda: rig.queue.commands)
        rig.generation = "1.9"
        eventually(lambda: rig.queue.status("b") is Status.PUBLISHED)


def test_only_a_change_is_a_sign_of_life() -> None:
    """A new session with the broker repeats the heartbeat of a wallbox that is dead."""
    ear = Ear()
    ear.hear({"openWB/system/Timestamp": "1"})
    assert ear.changed_at("openWB/system/Timestamp") is None
    ear.hear({"openWB/system/Timestamp": "1"})
    assert ear.changed_at("openWB/system/Timestamp") is None
    ear.hear({"openWB/system/Timestamp": "11"})
    assert ear.changed_at("openWB/system/Timestamp") is not None
