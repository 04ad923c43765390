"""Imports: old months of openWB 1.9's charge log, and the tables of the old backend.

Everything goes by natural keys and in small transactions, so an import may be broken off and repeated: what is stored
is not stored again. In a dry run everything is read and compared, and nothing is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Protocol

from common.errors import AppError, FieldError
from common.store import names
from common.store.rows import SampleRow, ScanRow
from edge import old_backend
from edge.charge_log import v1
from edge.charge_log.entries import BadLine, Entry
from edge.charge_log.matching import Comparison, compare, period
from edge.charge_log.verdicts import IMPORT
from edge.imports import Summary
from edge.loops.reconciling import SessionBook, carry_out
from edge.old_backend import GraphTicks, OldUser, Row


class Progress(Protocol):
    """Tells whoever waits how far it is."""

    def begin(self, what: str, total: int) -> None: ...

    def advance(self, by: int) -> None: ...


class SampleBook(Protocol):
    """The stored samples. Both methods raise StoreUnavailable or StoreError."""

    def ticks(self, from_s: int, to_s: int) -> set[int]:
        """Those that are stored with from_s ≤ tick < to_s."""
        ...

    def insert(self, rows: Sequence[SampleRow]) -> None: ...


class ScanBook(Protocol):
    """The stored scans. Both methods raise StoreUnavailable or StoreError."""

    def keys(self, from_s: int, to_s: int) -> set[str]:
        """Those of scans with from_s ≤ scanned_at < to_s."""
        ...

    def save(self, rows: Sequence[ScanRow]) -> None: ...


class People(Protocol):
    """The users. Both methods raise StoreUnavailable or StoreError."""

    def knows(self, name: str) -> bool: ...

    def add_disabled(self, user: OldUser) -> None:
        """Raises UserExists for a name that is or looks taken, or FieldError for one that cannot be."""
        ...


class OldTables(Protocol):
    """The old backend's database; every method raises SourceUnusable."""

    def count(self, table: str) -> int | None: ...

    def batches(self, table: str, key: str, columns: Sequence[str]) -> Iterator[list[Row]]: ...

    def used(self, table: str, columns: Sequence[str]) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """`names` maps charge points of the old log to those of today, `zone` is that of its local times."""

    sessions: SessionBook
    samples: SampleBook
    people: People
    scans: ScanBook
    names: Mapping[str, str]
    zone: tzinfo
    interval_s: int
    now: int
    is_dry_run: bool
    progress: Progress
    owner_of: Callable[[str], str | None] = lambda _tag: None

    def csv_files(self, files: Mapping[str, bytes]) -> list[Summary]:
        """Months of openWB 1.9's charge log, of whatever release; a summary for each. They are compared together, since
        a session may have its entries in two of them."""
        summaries = [Summary(name) for name in files]
        entries: list[Entry] = []
        for source, (summary, content) in enumerate(zip(summaries, files.values(), strict=True)):
            parsed = v1.parse(content, self.zone)
            summary.note_bad(parsed.bad)
            entries += (replace(entry, source=source) for entry in parsed.entries)
        self.progress.begin("charges", len(entries))
        self._charges(sorted(entries, key=lambda entry: entry.started_at), summaries)
        return summaries

    def backend(self, tables: OldTables) -> list[Summary]:
        """All tables that are there: users first, since charges are theirs."""
        found = {
            name: total
            for name in ("users", "lade_log", "graph", "rfid_log")
            if (total := tables.count(name)) is not None
        }
        users: list[OldUser] = []
        summaries: list[Summary] = []
        if "users" in found:
            for rows in tables.batches("users", "username", old_backend.USER_COLUMNS):
                users += (old_backend.user_of(row) for row in rows)
            summaries.append(self._users(users))
        if "lade_log" in found:
            summaries.append(self._lade_log(tables, found["lade_log"], old_backend.owners(users)))
        if "graph" in found:
            summaries.append(self._graph(tables, found["graph"]))
        if "rfid_log" in found:
            summaries.append(self._rfid_log(tables, found["rfid_log"]))
        return summaries

    def _users(self, users: Sequence[OldUser]) -> Summary:
        summary = Summary("users", read=len(users))
        self.progress.begin("users", len(users))
        for number, user in enumerate(users, 1):
            self.progress.advance(1)
            if self.people.knows(user.name):
                summary.known += 1
                continue
            try:
                names.clean(user.name)
                if not self.is_dry_run:
                    self.people.add_disabled(user)
                summary.new += 1
            except AppError as exc:  # also a name that looks like another one's: nobody may get lost unnoticed
                if exc.is_retryable:
                    raise
                summary.read -= 1  # `note_bad` counts it
                summary.note_bad((BadLine(number, _why(exc)),))
        return summary

    def _lade_log(self, tables: OldTables, total: int, owner: Mapping[str, str]) -> Summary:
        summary = Summary("lade_log")
        self.progress.begin("lade_log", total)
        rows = [row for batch in tables.batches("lade_log", "id", old_backend.LOG_COLUMNS) for row in batch]
        parsed = old_backend.charges_of(rows, self.zone, owner)
        summary.note_bad(parsed.bad)
        self._charges(parsed.entries, [summary], is_first_hand=False)
        return summary

    def _graph(self, tables: OldTables, total: int) -> Summary:
        summary = Summary("graph")
        self.progress.begin("graph", total)
        ticks = GraphTicks(self.interval_s, tables.used("graph", old_backend.OPTIONAL), self.names)
        for rows in tables.batches("graph", "id", old_backend.GRAPH_COLUMNS):
            done, bad, surplus = ticks.feed(rows)
            summary.note_bad(bad)
            summary.read += surplus
            summary.known += surplus
            self._samples(done, summary)
            self.progress.advance(len(rows))
        self._samples(ticks.flush(), summary)
        return summary

    def _rfid_log(self, tables: OldTables, total: int) -> Summary:
        summary = Summary("rfid_log")
        self.progress.begin("rfid_log", total)
        for rows in tables.batches("rfid_log", "timestamp", old_backend.SCAN_COLUMNS):
            found, bad = old_backend.scans_of(rows, summary.read + 1)
            summary.note_bad(bad)
            instants = [row.scanned_at for row in found]
            known = self.scans.keys(min(instants), max(instants) + 1) if instants else set()
            new = [row for row in found if row.key not in known]
            if not self.is_dry_run:
                self.scans.save(new)
            summary.read += len(found)
            summary.new += len(new)
            summary.known += len(found) - len(new)
            self.progress.advance(len(rows))
        return summary

    def _samples(self, rows: Sequence[SampleRow], summary: Summary) -> None:
        if not rows:
            return
        instants = [row.sampled_at for row in rows]
        known = self.samples.ticks(min(instants), max(instants) + 1)
        new = [row for row in rows if row.sampled_at not in known]
        if not self.is_dry_run:
            self.samples.insert(new)
        summary.read += len(rows)
        summary.new += len(new)
        summary.known += len(rows) - len(new)

    def _charges(self, entries: Sequence[Entry], summaries: Sequence[Summary], *, is_first_hand: bool = True) -> None:
        """Second hand is what somebody made of the wallbox's log: sessions come of it, but it is not that log."""
        found = self._compared([self._renamed(entry) for entry in entries])
        for entry, verdict in found.verdicts:
            summaries[entry.source].note(entry, verdict, self.zone)
        if not is_first_hand:
            additions = tuple(replace(addition, entries=()) for addition in found.additions)
            found = replace(found, matched=(), additions=additions)
        if not self.is_dry_run:
            carry_out(self.sessions, replace(found, waiting=()))
        self.progress.advance(len(entries))

    def _compared(self, entries: Sequence[Entry]) -> Comparison:
        wanted = period(entries)
        stored = self.sessions.sessions(*wanted) if wanted is not None else []
        known = self.sessions.entries(*wanted) if wanted is not None else []
        return compare(entries, stored, now=self.now, origin=IMPORT, owner_of=self.owner_of, stored=known)

    def _renamed(self, entry: Entry) -> Entry:
        return replace(entry, charge_point=self.names.get(entry.charge_point, entry.charge_point))


def _why(exc: AppError) -> str:
    faults = exc.faults if isinstance(exc, FieldError) else {}
    return "; ".join([exc.message, *(f"{field} {fault}" for field, fault in faults.items())])
