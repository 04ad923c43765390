"""All commands that are open: which one may be sent next, which one is outdone, and what must be saved.

Pure; what becomes of a single one is decided in `edge/attempt.py`. Driven by `edge/loops/commands.py` alone, so it
needs no lock. Only one command is on its way to the wallbox at a time: openWB 2.x takes templates as a whole, and
shares them between charge points, so the next one must be made from what the wallbox shows after the one before.
"""

from collections.abc import Iterator

from common.commands import DEADLINE_S, Command, CommandRecord, Status, accepted, faults
from common.errors import AppError
from edge.attempt import CLOCK_SLACK_S, Attempt, Send, Wallbox
from edge.openwb.planning import Planner

MOST_OPEN = 32
"""Commands that are not settled: eight charge points times four wishes within DEADLINE_S is more than people tap."""

MOST_HELD = 64
"""Confirmed commands that are still watched; the oldest is let go, and stays confirmed."""

ON_ITS_WAY_S = 3.0
"""How long an unanswered command keeps the next one waiting; openWB echoes within a second, or not at all."""

RECHECK_S = 90.0
"""After a restart a confirmation as young as this is watched again: the longest control interval, and slack."""


class NotSent(AppError):
    """Surely nothing went out: no session with the broker, or too late. `message` is fit for anybody."""

    code = "command_not_sent"
    is_retryable = True


class Unacknowledged(AppError):
    """It went out, and the broker did not say that it has it."""

    code = "command_unacknowledged"


class Executor:
    """Attempts in the order in which they were accepted."""

    def __init__(self) -> None:
        self._attempts: dict[str, Attempt] = {}

    @property
    def is_busy(self) -> bool:
        """Whether a command is not settled."""
        return any(not attempt.record.status.is_settled for attempt in self._attempts.values())

    @property
    def is_idle(self) -> bool:
        return not self._attempts

    def take(self, command: Command, record: CommandRecord | None, now: float, uptime: float) -> None:
        """A command as it was found in the queue, with its record; again after a restart. None: it has no record."""
        age_s = now - command.accepted_at
        if command.id in self._attempts or (record is None and age_s > DEADLINE_S):
            return  # without a record nobody can ask for an old one
        record = record or accepted(command)
        status = record.status
        is_fresh = status is Status.CONFIRMED and abs(now - (record.settled_at or 0.0)) <= RECHECK_S
        if status not in (Status.ACCEPTED, Status.PUBLISHED) and not is_fresh:
            return
        is_new = status is Status.ACCEPTED
        attempt = Attempt(
            command=command,
            record=record,
            # The clock was set back since it was accepted, if that lies ahead: then nobody knows how old it is.
            deadline=uptime + DEADLINE_S - age_s if age_s >= -CLOCK_SLACK_S else uptime,
            taken_at=uptime,
            is_recovered=not is_new,
            is_to_be_sent=is_new,
        )
        n_open = sum(1 for other in self._attempts.values() if not other.record.status.is_settled)
        self._attempts[command.id] = attempt
        if is_new and (wrong := faults(command.wishes)):
            detail = "; ".join(f"{name} {fault}" for name, fault in wrong.items())
            attempt.settle(Status.REJECTED, detail, now)
        elif is_new and n_open >= MOST_OPEN:
            attempt.settle(Status.REJECTED, "too many commands are open; try again in half a minute", now)

    def turn(self, box: Wallbox) -> Send | None:
        """Judge everything by what was heard, and say what to send next, if anything."""
        for attempt in self._attempts.values():
            attempt.judge(box)
        held = [attempt for attempt in self._going_on() if attempt.record.status is Status.CONFIRMED]
        for oldest in held[:-MOST_HELD]:
            oldest.is_over = True
        send = self._next(box)
        self._forget_what_is_over()
        return send

    def sent(self, command_id: str, box: Wallbox) -> None:
        """At least a part of the last `Send` went out; `box` is what it was made from."""
        newer = self._attempts[command_id]
        if box.planner is None:
            return
        newer.note_sent(box.planner, box)
        for older in self._going_on():
            if older is not newer and older.record.status is not Status.ACCEPTED:
                common = _common_wishes(older.command, newer.command, box.planner)
                if any(older.command.wishes[wish] != newer.command.wishes[wish] for wish in common):
                    older.settle(Status.SUPERSEDED, "a newer command wishes something else", box.now)

    def not_sent(self, command_id: str, why: str) -> None:
        """Nothing of the last `Send` went out; it is tried again until its deadline."""
        self._attempts[command_id].why_unsent = why

    def unsaved(self) -> list[CommandRecord]:
        """Records that changed since they were `saved`, each with its newest content only."""
        return [attempt.record for attempt in self._attempts.values() if attempt.is_unsaved]

    def saved(self, record: CommandRecord) -> None:
        attempt = self._attempts.get(record.id)
        if attempt is not None and attempt.record is record:
            attempt.is_unsaved = False
        self._forget_what_is_over()

    def _going_on(self) -> Iterator[Attempt]:
        return (attempt for attempt in self._attempts.values() if not attempt.is_over)

    def _forget_what_is_over(self) -> None:
        self._attempts = {
            command_id: attempt
            for command_id, attempt in self._attempts.items()
            if attempt.is_unsaved or not attempt.is_over
        }

    def _next(self, box: Wallbox) -> Send | None:
        waiting = [attempt for attempt in self._going_on() if attempt.is_to_be_sent]
        if not waiting:
            return None
        why = None
        if not box.is_listening:
            why = "there was no connection to the wallbox's broker"
        elif box.planner is None:
            why = "it was not known yet which openWB this is"
        elif any(attempt.is_on_its_way(box.uptime, ON_ITS_WAY_S) for attempt in self._going_on()):
            why = "the wallbox was busy with another command"
        if why is not None or box.planner is None:
            for attempt in waiting:
                attempt.why_unsent = why or attempt.why_unsent
            return None
        _drop_outdone(waiting, box.planner, box.now)
        sends = (attempt.prepare(box.planner, box) for attempt in waiting if not attempt.is_over)
        return next((send for send in sends if send is not None), None)


def _drop_outdone(waiting: list[Attempt], planner: Planner, now: float) -> None:
    """Of several that wish for the same things and were not sent yet, only the newest counts."""
    for n, newer in enumerate(waiting):
        for older in waiting[:n]:
            is_new = older.record.status is Status.ACCEPTED
            if (
                is_new
                and not older.is_over
                and _common_wishes(older.command, newer.command, planner) == older.command.wishes.keys()
            ):
                older.settle(Status.SUPERSEDED, "a newer command wishes for the same", now)


def _common_wishes(one: Command, other: Command, planner: Planner) -> frozenset[str]:
    """The wishes of both that are about the same charge point."""
    is_same_place = None in (one.charge_point, other.charge_point) or one.charge_point == other.charge_point
    common = one.wishes.keys() & other.wishes.keys()
    return frozenset(wish for wish in common if is_same_place or wish in planner.site_wide)
