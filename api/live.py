"""What a live connection is still to be told: the newest of each path and subject, and up to which number. Pure.

One `Outbox` a connection. The hub (handlers/hub.py) puts entries in, the connection takes messages out when its client
has room. A slow client finds fewer, newer changes; the outbox never grows beyond the number of paths of the state and
MOST_EVENTS. Messages leave it in the order of their numbers: a client that breaks off and comes back with the last one
it got misses nothing. `Outbox.visible` alone decides what a client may see, of what is pushed and of what is replayed.
Single-threaded: the event loop owns it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from api import instants, numbers, views
from api import sight as sights
from api.fields import EVERYTHING, Selection
from api.sight import Sight
from common.commands import CommandRecord
from common.live_events import ScanEvent, SessionEvent

MOST_EVENTS = 100
"""Subjects whose newest event waits for one client; more make it start over with a snapshot."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the change stream: path → new value, as the edge wrote it; or an event.

    `occurred_at` in Unix seconds; None: the edge did not say. Without changes and event it is only a number.
    """

    seq: int
    occurred_at: float | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    event: CommandRecord | SessionEvent | ScanEvent | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An entry in the words of the API. `subject` is what an event is about: a newer one about it replaces it."""

    seq: int
    occurred_at: float | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    event: Mapping[str, Any] | None = None
    subject: str = ""


def told(entry: Entry) -> Told:
    """Return what an entry of the change stream says to clients, but for `is_stale`: see `Outbox.put_staleness`."""
    match entry.event:
        case None:
            changes = views.changes(entry.changes)
            changes.pop("is_stale", None)
            return Told(entry.seq, entry.occurred_at, changes)
        case CommandRecord() as record:
            event, subject = views.command_event(record), record.id
        case SessionEvent() as session:
            event, subject = views.session_event(session), f"session {session.charge_point} {session.started_at}"
        case ScanEvent() as scan:
            event, subject = views.scan_event(scan), f"scan {scan.charge_point} {scan.scanned_at}"
    return Told(entry.seq, entry.occurred_at, event=event, subject=subject)


def change_message(number: int, occurred_at: float | None, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "change", "seq": number, "occurred_at": _instant(occurred_at), "changes": dict(changes)}


def message(shown: Told) -> dict[str, Any] | None:
    """Return the message that tells of one entry; None if nothing of it is left to tell."""
    number = numbers.of_entry(shown.seq)
    if shown.event is not None:
        return {"type": "event", "seq": number, "occurred_at": _instant(shown.occurred_at), "event": shown.event}
    return change_message(number, shown.occurred_at, shown.changes) if shown.changes else None


@dataclass(frozen=True, slots=True)
class _Event:
    """`follows` is the entry before it: numbers may jump, and clients must only get those that exist."""

    follows: int
    told: Told


class Outbox:
    """`seq` is the last entry the client was told of, or will be by the next `take`."""

    def __init__(self, selected: Selection = EVERYTHING, sight: Sight = sights.EVERYTHING) -> None:
        self.seq = 0
        self.needs_snapshot = True
        self._selected = selected
        self._sight = sight
        self._pending: dict[str, tuple[int, Any]] = {}
        self._events: dict[str, _Event] = {}
        self._newest = 0
        self._occurred_at: dict[int, float | None] = {}  # of the entries that have something pending
        self._nth = 0  # messages that followed `seq` without being an entry
        self._is_stale: bool | None = None
        self._judged_at: float | None = None
        self._told_stale: bool | None = None

    def visible(self, entry: Told) -> Told:
        """Return what of an entry this client asked for and may see. A part's null counts for what is below it."""
        if entry.event is not None:
            return entry if self._sight.sees_event(entry.event) else Told(entry.seq)
        chosen = {
            path: value
            for path, value in entry.changes.items()
            if self._sight.sees_path(path)
            and (
                self._selected.has(path)
                or views.is_always_told(path)
                or (value is None and self._selected.touches(path))
            )
        }
        return replace(entry, changes=chosen)

    def start_over(self) -> None:
        """Forget what is pending: changes were lost, and the client needs a snapshot."""
        self.needs_snapshot = True
        self._pending.clear()
        self._events.clear()
        self._occurred_at.clear()

    def snapshot_told(self, seq: int, is_stale: bool) -> None:
        """Note that the client was sent the state of this entry; older changes that came meanwhile are void."""
        self._told_stale = is_stale
        self.told_up_to(seq)

    def told_up_to(self, seq: int, nth: int = 0) -> None:
        """Note that the client was told everything up to this entry, and `nth` messages behind it."""
        self.needs_snapshot = False
        self.seq, self._nth = seq, nth
        self._newest = max(self._newest, seq)
        self._pending = {path: item for path, item in self._pending.items() if item[0] > seq}
        self._events = {subject: event for subject, event in self._events.items() if event.told.seq > seq}
        self._forget_instants()

    def put(self, entry: Told) -> None:
        """Add an entry of the change stream, in the order of their numbers; no selection hides an event."""
        if entry.seq <= self.seq and not self.needs_snapshot:
            return
        follows, self._newest = self._newest, max(self._newest, entry.seq)
        shown = self.visible(entry)
        if shown.event is not None:
            self._events.pop(shown.subject, None)
            self._events[shown.subject] = _Event(follows, shown)
            if len(self._events) > MOST_EVENTS:
                self.start_over()
        elif shown.changes:
            self._put_changes(shown)

    def put_staleness(self, is_stale: bool, now: float) -> None:
        """Note whether anybody still vouches for the values; it is told once a change."""
        if is_stale != self._is_stale:
            self._is_stale, self._judged_at = is_stale, now

    def has_news(self) -> bool:
        has_more = bool(self._pending) or bool(self._events)
        return self.needs_snapshot or has_more or self._is_stale not in (None, self._told_stale)

    def take(self) -> dict[str, Any] | None:
        """Return the next `change` or `event` message, None if there is nothing to tell or a snapshot is needed.

        Changes go as far as the next event. A part's null comes before values below it.
        """
        subject = next(iter(self._events), None)
        event = self._events[subject] if subject is not None else None
        up_to = self._newest if event is None else event.follows
        changes = {path: value for path, (seq, value) in self._pending.items() if seq <= up_to}
        occurred_at = self._occurred_at.get(max((self._pending[path][0] for path in changes), default=0))
        if self._is_stale not in (None, self._told_stale):
            if up_to <= self.seq and self._nth + 1 >= numbers.ROOM:
                self.start_over()  # no number is left before the next entry's; a snapshot says it as well
                return None
            changes["is_stale"] = self._told_stale = self._is_stale
            occurred_at = max(occurred_at or 0.0, self._judged_at or 0.0)
        self._pending = {path: item for path, item in self._pending.items() if item[0] > up_to}
        self._forget_instants()
        if changes:
            self._nth = self._nth + 1 if up_to <= self.seq else 0
            self.seq = max(self.seq, up_to)
            return change_message(numbers.between(self.seq, self._nth), occurred_at, changes)
        if subject is None or event is None:
            return None
        del self._events[subject]
        self.seq, self._nth = event.told.seq, 0
        return message(event.told)

    def _put_changes(self, shown: Told) -> None:
        for path, value in shown.changes.items():
            if value is None:  # a part that is gone takes along what was pending below it
                for below in [known for known in self._pending if known.startswith(f"{path}.")]:
                    del self._pending[below]
            self._pending.pop(path, None)  # so that the order of the paths is that of their last change
            self._pending[path] = (shown.seq, value)
        self._occurred_at[shown.seq] = shown.occurred_at
        if len(self._occurred_at) > 2 * len(self._pending):
            self._forget_instants()

    def _forget_instants(self) -> None:
        needed = {seq for seq, _ in self._pending.values()}
        self._occurred_at = {seq: at for seq, at in self._occurred_at.items() if seq in needed}


def _instant(occurred_at: float | None) -> str | None:
    return None if occurred_at is None else instants.text(occurred_at)
