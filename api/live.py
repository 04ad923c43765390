"""What a live connection is still to be told: the newest value of each path, and up to which number. Pure.

One `Outbox` a connection. The hub (handlers/hub.py) puts changes in, the connection takes them out when its client has
room. A slow client finds fewer, newer changes; the outbox never grows beyond the number of paths of the state.
Single-threaded: the event loop owns it.
"""

from collections.abc import Mapping
from typing import Any

from api import views
from api.fields import EVERYTHING, Selection


class Outbox:
    """`seq` is the last number the client was told, or will be by the next `take`."""

    def __init__(self, selected: Selection = EVERYTHING) -> None:
        self.seq = 0
        self.needs_snapshot = True
        self._selected = selected
        self._pending: dict[str, tuple[int, Any]] = {}
        self._newest = 0
        self._is_stale: bool | None = None
        self._told_stale: bool | None = None

    def start_over(self) -> None:
        """Changes were lost: forget what is pending, the client needs a snapshot."""
        self.needs_snapshot = True
        self._pending.clear()

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

    def put_staleness(self, is_stale: bool) -> None:
        """Whether anybody still vouches for the values; told once per change, with no number of its own."""
        self._is_stale = is_stale

    def has_news(self) -> bool:
        return self.needs_snapshot or bool(self._pending) or self._is_stale not in (None, self._told_stale)

    def take(self) -> dict[str, Any] | None:
        """The next `change` message, None if there is nothing to tell. A part's null comes before values below it."""
        changes = {path: value for path, (_, value) in self._pending.items()}
        self._pending.clear()
        if self._is_stale not in (None, self._told_stale):
            changes["is_stale"] = self._told_stale = self._is_stale
        if not changes:
            return None
        self.seq = max(self.seq, self._newest)
        return {"type": "change", "seq": self.seq, "changes": changes}

    def chosen(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The changes that this client asked for; also the null of a part above one of its paths."""
        return {
            path: value
            for path, value in changes.items()
            if self._selected.has(path)
            or views.is_always_told(path)
            or (value is None and self._selected.touches(path))
        }
