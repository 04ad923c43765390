"""Carries out what a comparison of a charge log with the stored sessions found. Used by the loop and by imports."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from common.store.rows import LogEntryRow, SessionRecord, SessionRow
from edge.charge_log.matching import Comparison, Fill

BATCH = 500  # rows of one transaction: milliseconds of the database's time, and nobody waits for a lock

Item = TypeVar("Item")


class SessionBook(Protocol):
    """The stored sessions, and the log that was read. Every method raises StoreUnavailable or StoreError."""

    def sessions(self, from_s: int, to_s: int) -> list[SessionRow]:
        """Those with from_s ≤ started_at < to_s."""
        ...

    def entries(self, from_s: int, to_s: int) -> list[LogEntryRow]:
        """Those that were read before, with from_s ≤ started_at < to_s."""
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
    added = 0
    for additions in _batches(found.additions):
        ids = book.add([addition.record for addition in additions])
        added += len(ids)
        book.put(
            [
                replace(row, session_id=session_id)
                for addition, session_id in zip(additions, ids, strict=True)
                for row in addition.entries
            ]
        )
    for rows in _batches((*found.matched, *found.waiting)):
        book.put(rows)
    return Done(added=added, filled=sum(book.fill_in(fill) for fill in found.fills))


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
