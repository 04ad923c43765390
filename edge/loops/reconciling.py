"""Carries out what a comparison of a charge log with the stored sessions found. Used by the loop and by imports."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from common.store.rows import LogEntryRow, SessionRecord, SessionRow
from edge.charge_log.matching import Comparison, Fill


class SessionBook(Protocol):
    """The stored sessions, and the log that was read. Every method raises StoreUnavailable or StoreError."""

    def sessions(self, from_s: int, to_s: int) -> list[SessionRow]:
        """Those with from_s ≤ started_at < to_s."""
        ...

    def add(self, records: Sequence[SessionRecord]) -> list[int]:
        """Their ids, in order; one that is there already keeps what it has, see `common.store.sessions.upsert`."""
        ...

    def put(self, rows: Sequence[LogEntryRow]) -> None: ...

    def fill_in(self, fill: Fill) -> bool:
        """Whether anything was unknown until now."""
        ...


@dataclass(frozen=True, slots=True)
class Done:
    """How many sessions were added, and of how many something became known."""

    added: int
    filled: int


def carry_out(book: SessionBook, found: Comparison) -> Done:
    """May break off anywhere and be repeated: the sessions come first, and then match their entries."""
    ids = book.add([addition.record for addition in found.additions])
    rows = [*found.matched, *found.waiting]
    for addition, session_id in zip(found.additions, ids, strict=True):
        rows += (replace(row, session_id=session_id) for row in addition.entries)
    book.put(rows)
    return Done(added=len(ids), filled=sum(book.fill_in(fill) for fill in found.fills))
