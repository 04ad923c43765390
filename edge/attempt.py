"""One command on its way: what the wallbox shows decides what becomes of it.

Pure: instants and what was heard go in, a record comes out. `edge/commands.py` holds all attempts and says which one
may be sent. Durations are measured in uptime, which nobody sets; the record's instants are Unix seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from common.commands import Command, CommandRecord, Status
from edge.openwb.planning import NotYet, Plan, Planner, Publication, Refused, Texts

MOST_RESENDS = 2

CLOCK_SLACK_S = 5.0
"""How far our clock and the wallbox's may be apart, and how late its five-minute job may run."""

RECOVERED_S = 30.0
"""How long after a restart we wait for the wallbox, to see what became of a command that was on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallbox:
    """The wallbox as heard until now: `now` in Unix seconds, `uptime` of this machine, as all other instants here.

    `heard_at` is when each topic was heard last, `beat_at` when the wallbox's clock last moved. `is_listening`: there
    is a session with the broker, and what it had retained is in. `planner` None: its generation is not known yet.
    `since_mark_s` and `to_mark_s` are real seconds from the last and to the next five-minute mark of the wallbox's
    clock, whose seconds last `second_s` each (a demo's are short).
    """

    now: float
    uptime: float
    texts: Texts
    heard_at: Mapping[str, float]
    beat_at: float | None
    is_listening: bool
    planner: Planner | None
    since_mark_s: float
    to_mark_s: float
    second_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Send:
    """Publish these in order, none at or after `until`, in uptime."""

    command_id: str
    publications: tuple[Publication, ...]
    until: float


@dataclass(slots=True, kw_only=True)
class Attempt:
    """`deadline` is the end of the time in which it may be sent for the first time. Once it `is_over` it stays so.

    `is_recovered`: it was sent before a restart, and is watched again as soon as the wallbox is heard.
    """

    command: Command
    record: CommandRecord
    deadline: float
    taken_at: float
    is_recovered: bool = False
    is_to_be_sent: bool = True
    is_over: bool = False
    is_unsaved: bool = False
    why_unsent: str = "Wallport was not running, or busy"
    resends: int = 0
    _plan: Plan | None = None
    _sent_at: float = 0.0
    _undo_from: float = 0.0
    _undo_until: float = 0.0
    _held_until: float = 0.0

    def judge(self, box: Wallbox) -> None:
        """Take in what was heard, and the time that passed."""
        if self.is_over:
            return
        if self.record.status is Status.ACCEPTED:
            if box.uptime >= self.deadline:
                self.settle(Status.TIMED_OUT, f"never sent: {self.why_unsent}", box.now)
        elif self._plan is None:
            self._recover(box)
        elif self.is_to_be_sent:
            if box.uptime >= self._undo_until:
                self.settle(Status.TIMED_OUT, f"undone by the wallbox, not sent again: {self.why_unsent}", box.now)
        elif self.record.status is Status.PUBLISHED:
            self._judge_published(self._plan, box)
        else:
            self._judge_confirmed(self._plan, box)

    def prepare(self, planner: Planner, box: Wallbox) -> Send | None:
        """What to publish now; None when it cannot be said yet, or never."""
        try:
            plan = planner.plan(self.command, box.texts)
        except NotYet as not_yet:
            self.why_unsent = not_yet.message
            return None
        except Refused as refused:
            self.settle(Status.REJECTED, refused.message, box.now)
            return None
        self._plan = plan
        if self.resends == 0:
            shown = _shown(plan, box.texts)
            self.record = replace(self.record, previous=shown, observed=shown, affects=plan.affects)
        return Send(self.command.id, plan.publications, self._undo_until if self.resends else self.deadline)

    def note_sent(self, planner: Planner, box: Wallbox) -> None:
        """At least a part of what was prepared went out, not before the instants of `box`."""
        self.is_to_be_sent, self._sent_at = False, box.uptime
        if self.resends == 0:
            self._undo_from, self._undo_until = _undo_window(planner, box)
            self._change(status=Status.PUBLISHED, published_at=box.now)

    def is_on_its_way(self, uptime: float, for_s: float) -> bool:
        """Sent less than `for_s` ago, and not answered."""
        is_unanswered = self.record.status is Status.PUBLISHED and not self.is_to_be_sent and self._plan is not None
        return is_unanswered and uptime - self._sent_at < for_s

    def settle(self, status: Status, detail: str, now: float) -> None:
        self.is_over = True
        self._change(status=status, detail=detail, settled_at=now)

    def _judge_published(self, plan: Plan, box: Wallbox) -> None:
        observed = _shown(plan, box.texts)
        if observed != self.record.observed:
            self._change(observed=observed)
        missing = [watch.wish for watch in plan.watches if observed[watch.wish] != watch.wanted]
        within_s = (
            plan.within_s if missing or box.planner is None else max(plan.within_s, box.planner.stale_after_s / 2)
        )
        if not missing and all(self._is_news(watch.wish, watch.topics, watch.wanted, box) for watch in plan.watches):
            self._confirm(plan, box)
        elif box.uptime - self._sent_at >= within_s:
            self.settle(Status.TIMED_OUT, _silence(box) or _not_taken_over(plan, missing), box.now)

    def _is_news(self, wish: str, topics: tuple[str, ...], wanted: Any, box: Wallbox) -> bool:
        """A wish that was fulfilled before needs a sign that the wallbox still lives and stands by it."""
        if self.record.previous.get(wish) != wanted:
            return True
        is_heard_anew = all(box.heard_at.get(topic, 0.0) >= self._sent_at for topic in topics)
        return is_heard_anew or (box.beat_at is not None and box.beat_at >= self._sent_at)

    def _confirm(self, plan: Plan, box: Wallbox) -> None:
        was_so = all(self.record.previous.get(watch.wish) == watch.wanted for watch in plan.watches)
        detail = "it was so before" if was_so else None
        if self.resends:
            detail = "the wallbox undid it at its five-minute mark, so it was sent again"
        self._change(status=Status.CONFIRMED, detail=detail, settled_at=box.now)
        self._hold(box)
        self.is_over = all(watch.is_momentary for watch in plan.watches)

    def _hold(self, box: Wallbox) -> None:
        hold_s = 0.0 if box.planner is None else box.planner.hold_s(box.texts) * box.second_s
        self._held_until = max(box.uptime + hold_s + CLOCK_SLACK_S, self._undo_until)

    def _judge_confirmed(self, plan: Plan, box: Wallbox) -> None:
        shown = _shown(plan, box.texts)
        flipped = [
            watch.wish
            for watch in plan.watches
            if not watch.is_momentary and shown[watch.wish] is not None and shown[watch.wish] != watch.wanted
        ]
        if not flipped:
            self.is_over = box.uptime >= self._held_until
            return
        self._change(observed=shown)
        names = ", ".join(flipped)
        is_in_window = self._undo_from <= box.uptime < self._undo_until
        if not is_in_window or any(self.record.previous.get(wish) != shown[wish] for wish in flipped):
            self.settle(Status.SUPERSEDED, f"changed meanwhile, by somebody or by the wallbox: {names}", box.now)
        elif self.resends >= MOST_RESENDS:
            self.settle(Status.TIMED_OUT, f"undone by the wallbox at its five-minute mark: {names}", box.now)
        else:
            self.resends += 1
            self.is_to_be_sent = True
            detail = f"the wallbox undid it at its five-minute mark: {names}; sending it again"
            self._change(status=Status.PUBLISHED, detail=detail, settled_at=None)

    def _recover(self, box: Wallbox) -> None:
        why = "the wallbox has not been heard since"
        if box.is_listening and box.planner is not None:
            try:
                self._plan = box.planner.plan(self.command, box.texts)
            except (NotYet, Refused) as exc:
                why = exc.message
        if self._plan is not None:
            # Nothing that was sent before the restart is sent again; a flip is reported, not mended.
            self._sent_at = min(self.taken_at, box.uptime - (box.now - (self.record.published_at or box.now)))
            self._hold(box)
        elif box.uptime - self.taken_at >= RECOVERED_S:
            if self.record.status is Status.CONFIRMED:
                self.is_over = True
            else:
                self.settle(Status.TIMED_OUT, f"sent, but Wallport was restarted meanwhile: {why}", box.now)

    def _change(self, **values: Any) -> None:
        self.record = replace(self.record, **values)
        self.is_unsaved = True


def _shown(plan: Plan, texts: Texts) -> dict[str, Any]:
    return {watch.wish: watch.read(texts) for watch in plan.watches}


def _undo_window(planner: Planner, box: Wallbox) -> tuple[float, float]:
    """When the wallbox may undo what is sent now: at a mark that comes before its next control loop is over."""
    interval_s = planner.undo_interval_s(box.texts)
    if interval_s is None:
        return 0.0, 0.0
    reach_s = interval_s * box.second_s + CLOCK_SLACK_S
    if box.to_mark_s <= reach_s:
        return box.uptime + box.to_mark_s - CLOCK_SLACK_S, box.uptime + box.to_mark_s + reach_s
    if box.since_mark_s <= CLOCK_SLACK_S:
        return box.uptime, box.uptime + reach_s
    return 0.0, 0.0


def _silence(box: Wallbox) -> str | None:
    """Why nothing can be heard; None when the wallbox lives and only does not do as wished."""
    if not box.is_listening or box.planner is None:
        return "sent, but the connection to the wallbox's broker was lost"
    if box.beat_at is None:
        return "sent, but the wallbox gives no sign of life"
    silent_s = box.uptime - box.beat_at
    is_silent = silent_s > box.planner.stale_after_s * box.second_s + CLOCK_SLACK_S
    return f"sent, but the wallbox has given no sign of life for {silent_s:.0f} s" if is_silent else None


def _not_taken_over(plan: Plan, missing: list[str]) -> str:
    hints = [watch.hint for watch in plan.watches if watch.wish in missing and watch.hint]
    names = ", ".join(missing) or "nothing new was heard of it"
    return "; ".join([f"the wallbox did not take it over: {names}", *hints])
