"""What a live connection is still to be told: the newest of each path and command, and up to which number. Pure.

One `Outbox` a connection. The hub (handlers/hub.py) puts changes in, the connection takes them out when its client has
room. A slow client finds fewer, newer changes; the outbox never grows beyond the number of paths of the state and
MOST_EVENTS. Messages leave it in the order of their numbers: a client that breaks off and comes back with the last one
it got misses nothing.
Single-threaded: the event loop owns it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api import sight as sights
from api import views
from api.fields import EVERYTHING, Selection
from api.sight import Sight

MOST_EVENTS = 100
"""Commands whose newest record waits for one client; more make it start over with a snapshot."""


@dataclass(frozen=True, slots=True)
class _Event:
    """`follows` is the number of the entry before it: numbers may jump, and clients must only get those that exist."""

    seq: int
    follows: int
    told: Mapping[str, Any]


class Outbox:
    """`seq` is the last number the client was told, or will be by the next `take`."""

    def __init__(self, selected: Selection = EVERYTHING, sight: Sight = sights.EVERYTHING) -> None:
        self.seq = 0
        self.needs_snapshot = True
        self._selected = selected
        self._sight = sight
        self._pending: dict[str, tuple[int, Any]] = {}
        self._events: dict[str, _Event] = {}
        self._newest = 0
        self._is_stale: bool | None = None
        self._told_stale: bool | None = None

    def start_over(self) -> None:
        """Changes were lost: forget what is pending, the client needs a snapshot."""
        self.needs_snapshot = True
        self._pending.clear()
        self._events.clear()

    def snapshot_told(self, seq: int, is_stale: bool) -> None:
        """The client was sent the state with this number; older changes that came in the meantime are void."""
        self.needs_snapshot = False
        self._told_stale = is_stale
        self.told_up_to(seq)

    def told_up_to(self, seq: int) -> None:
        """The client was told everything up to this number, by a snapshot or by a replay of the stream."""
        self.needs_snapshot = False
        self.seq = seq
        self._newest = max(self._newest, seq)
        self._pending = {path: item for path, item in self._pending.items() if item[0] > seq}
        self._events = {subject: event for subject, event in self._events.items() if event.seq > seq}

    def put(self, seq: int, changes: Mapping[str, Any]) -> None:
        """Add an entry of the change stream, in the order of their numbers."""
        if seq <= self.seq and not self.needs_snapshot:
            return
        self._newest = max(self._newest, seq)
        for path, value in self.chosen(changes).items():
            if value is None:  # a part that is gone takes along what was pending below it
                for below in [known for known in self._pending if known.startswith(f"{path}.")]:
                    del self._pending[below]
            self._pending.pop(path, None)  # so that the order of the paths is that of their last change
            self._pending[path] = (seq, value)

    def put_event(self, seq: int, subject: str, event: Mapping[str, Any]) -> None:
        """Add an event in the order of numbers; it replaces the one about the same subject. No selection hides it."""
        if seq <= self.seq and not self.needs_snapshot:
            return
        if not self._sight.sees_event(event):
            self._newest = max(self._newest, seq)
            return
        self._events.pop(subject, None)
        self._events[subject] = _Event(seq, self._newest, event)
        self._newest = max(self._newest, seq)
        if len(self._events) > MOST_EVENTS:
            self.start_over()

    def put_staleness(self, is_stale: bool) -> None:
        """Whether anybody still vouches for the values; told once per change, with no number of its own."""
        self._is_stale = is_stale

    def has_news(self) -> bool:
        has_more = bool(self._pending) or bool(self._events)
        return self.needs_snapshot or has_more or self._is_stale not in (None, self._told_stale)

    def take(self) -> dict[str, Any] | None:
        """The next `change` or `event` message, None if there is nothing to tell.

        Changes go as far as the next event. A part's null comes before values below it.
        """
        subject = next(iter(self._events), None)
        event = self._events[subject] if subject is not None else None
        up_to = self._newest if event is None else event.follows
        changes = {path: value for path, (seq, value) in self._pending.items() if seq <= up_to}
        self._pending = {path: item for path, item in self._pending.items() if item[0] > up_to}
        if self._is_stale not in (None, self._told_stale):
            changes["is_stale"] = self._told_stale = self._is_stale
        if changes:
            self.seq = max(self.seq, up_to)
            return {"type": "change", "seq": self.seq, "changes": changes}
        if subject is None or event is None:
            return None
        del self._events[subject]
        self.seq = event.seq
        return {"type": "event", "seq": event.seq, "event": event.told}

    def may_tell(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is for this client's eyes."""
        return self._sight.sees_event(event)

    def chosen(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The changes that this client asked for and may see; also the null of a part above one of its paths."""
        return {
            path: value
            for path, value in changes.items()
            if self._sight.sees_path(path)
            and (
                self._selected.has(path)
                or views.is_always_told(path)
                or (value is None and self._selected.touches(path))
            )
        }
