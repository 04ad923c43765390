"""A wallbox, a broker and a clock for the command executor, all in memory and moved by the test."""

from dataclasses import dataclass, field
from typing import Any

from common.commands import Command, CommandRecord, accepted
from edge.attempt import Send, Wallbox
from edge.commands import Executor
from edge.openwb.planning import Planner

STARTED_AT = 1_795_394_912.0  # Unix seconds; 212 s after a five-minute mark
BOOTED_BEFORE_S = 5_000.0
MARK_S = 300.0


@dataclass(slots=True)
class Bench:
    """Drives an executor. What it sends is kept in `sent` as (uptime, topic, payload), as a broker would have it.

    Knobs: `is_connected`, `refusal` (why publishing fails), `planner` None (the generation is not known).
    """

    planner: Planner | None
    texts: dict[str, str]
    now: float = STARTED_AT
    uptime: float = BOOTED_BEFORE_S
    is_connected: bool = True
    refusal: str | None = None
    executor: Executor = field(default_factory=Executor)
    records: dict[str, CommandRecord] = field(default_factory=dict)
    history: dict[str, list[str]] = field(default_factory=dict)
    sent: list[tuple[float, str, str]] = field(default_factory=list)
    first_sent_at: dict[str, float] = field(default_factory=dict)
    heard_at: dict[str, float] = field(default_factory=dict)
    beat_at: float | None = None
    _commands: dict[str, Command] = field(default_factory=dict)

    def accept(self, command_id: str, charge_point: str | None = "1", /, **wishes: Any) -> None:
        """As the api does, now."""
        command = Command(id=command_id, charge_point=charge_point, wishes=wishes, accepted_at=self.now, by="anna")
        self._commands[command_id] = command
        self.records[command_id] = accepted(command)
        self.executor.take(command, self.records[command_id], self.now, self.uptime)
        self.turn()

    def turn(self) -> None:
        """As the loop does: judge, send, save."""
        box = self.box()
        send = self.executor.turn(box)
        if send is not None:
            self._publish(send, box)
        for record in self.executor.unsaved():
            if record.status != (self.history.setdefault(record.id, ["accepted"]))[-1]:
                self.history[record.id].append(record.status.value)
            self.records[record.id] = record
            self.executor.saved(record)

    def hear(self, topic: str, text: str) -> None:
        """The wallbox publishes."""
        self.texts = self.texts | {topic: text}
        self.heard_at[topic] = self.uptime
        self.turn()

    def beat(self) -> None:
        self.beat_at = self.uptime
        self.turn()

    def pass_s(self, seconds: float, *, is_alive: bool = True, step_s: float = 0.5) -> None:
        """Time passes, in steps; the wallbox's heart beats with each, unless it is not alive."""
        until = self.uptime + seconds
        while self.uptime < until:
            passed_s = min(step_s, until - self.uptime)
            self.uptime += passed_s
            self.now += passed_s
            if is_alive:
                self.beat_at = self.uptime
            self.turn()

    def freeze_s(self, seconds: float) -> None:
        """Time passes, and nothing runs."""
        self.uptime += seconds
        self.now += seconds

    def go_to_mark(self, before_s: float) -> None:
        """To so long before the wallbox's next five-minute mark."""
        self.freeze_s((MARK_S - self.now % MARK_S) - before_s)

    def restart(self) -> None:
        """The edge ends and begins again, with what was saved."""
        self.executor = Executor()
        self.heard_at = {}
        self.beat_at = None
        for command_id, command in self._commands.items():
            self.executor.take(command, self.records.get(command_id), self.now, self.uptime)

    def repeat_retained(self) -> None:
        """A new session: the broker says again what it retained."""
        self.heard_at = dict.fromkeys(self.texts, self.uptime)
        self.turn()

    def box(self) -> Wallbox:
        since_mark_s = self.now % MARK_S
        return Wallbox(
            now=self.now,
            uptime=self.uptime,
            texts=self.texts,
            heard_at=dict(self.heard_at),
            beat_at=self.beat_at,
            is_listening=self.is_connected,
            planner=self.planner,
            since_mark_s=since_mark_s,
            to_mark_s=MARK_S - since_mark_s,
        )

    def _publish(self, send: Send, box: Wallbox) -> None:
        if self.uptime >= send.until:
            raise AssertionError("asked to send after the deadline")
        if self.refusal is not None:
            self.executor.not_sent(send.command_id, self.refusal)
            return
        self.first_sent_at.setdefault(send.command_id, self.uptime)
        self.sent += [(self.uptime, one.topic, one.payload) for one in send.publications]
        self.executor.sent(send.command_id, box)
