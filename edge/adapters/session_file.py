"""What the session machine knows, and sessions that wait for the database: one SQLite file that survives power loss.

Both are written in one transaction, so that after a crash nothing has ended twice or not at all. Trouble with the disk
never stops the recording: sessions then wait in memory, bounded as well. Health says so under `sessions`, with the fill
level; what is dropped is counted. Two threads use it; the lock is held for one disk write at most.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from common import logs
from common.health import Health, Status
from common.store.rows import SessionRecord, SessionRow
from edge.adapters.disk_file import DiskFailed, DiskFile
from edge.sessions.records import Batch, Key, key_of
from edge.sessions.state import MachineState

COMPONENT = "sessions"

LIMIT_SESSIONS = 5_000
"""Some years of a home's sessions; 2 KB each as a rule, 50 KB at most."""

MEMORY_SESSIONS = 200
"""The disk failed as well as the database, so memory is all there is: some weeks, 10 MB at most."""

_IN_MEMORY = 0  # `Batch.source`; files are numbered from 1, so that a batch of a damaged file is no other file's

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS memory (id INTEGER PRIMARY KEY, state BLOB NOT NULL)",
    # AUTOINCREMENT: the id of a delivered record is never another one's.
    "CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY AUTOINCREMENT, charge_point TEXT NOT NULL,"
    " started_at INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (charge_point, started_at))",
)

T = TypeVar("T")

log = logs.get(__name__)


class SessionFile:
    """Opens its file when it is first used. Of each session only the newest record waits."""

    def __init__(
        self, path: Path, health: Health, limit: int = LIMIT_SESSIONS, memory_limit: int = MEMORY_SESSIONS
    ) -> None:
        self._health = health
        self._limit = limit
        self._memory_limit = memory_limit
        self._lock = threading.Lock()  # guards everything below
        self._disk = DiskFile(path, _SCHEMA, COMPONENT, health)
        self._file = 1  # the one that what follows is about
        self._delivered_through = 0  # stays true though a full disk may not let us delete
        self._unwritten: dict[Key, SessionRecord] = {}  # in the order of their last change
        self._on_disk = 0
        self._is_full = False

    def load(self) -> MachineState | None:
        """What was saved last; None when there is nothing, or nothing that can be read."""
        with self._lock:
            try:
                found = self._use_disk(lambda connection: connection.execute("SELECT state FROM memory").fetchone())
            except DiskFailed:
                found = None
            self._report()
        if found is None:
            return None
        try:
            return msgspec.json.decode(found[0], type=MachineState)
        except msgspec.MsgspecError as exc:  # written by another version, or a bit that fell over
            log.error("session_state_unreadable", error=exc)
            self._health.count("session_states_unreadable")
            return None

    def save(self, state: MachineState, records: Sequence[SessionRecord]) -> None:
        """Keep `state`, and `records` for delivery; a newer record of a session replaces the one that waits."""
        with self._lock:
            for record in records:
                key = key_of(record)
                self._unwritten.pop(key, None)
                self._unwritten[key] = record
            encoded = msgspec.json.encode(state)
            try:
                self._use_disk(lambda connection: self._write(connection, encoded))
                self._unwritten.clear()
            except DiskFailed:
                dropped = len(self._unwritten) - self._memory_limit
                self._is_full = dropped > 0
                for key in list(self._unwritten)[: max(0, dropped)]:
                    del self._unwritten[key]
                    self._count_dropped(1)
            self._report()

    def take(self, most: int) -> Batch | None:
        """Sessions that wait, at most `most`; they stay until `remove`. None: none do."""
        with self._lock:
            try:
                found = self._use_disk(lambda connection: self._read(connection, most))
            except DiskFailed:
                found = []
            self._report()
            if found:
                return Batch([record for _, record in found], self._file, found[-1][0])
            records = list(self._unwritten.values())[:most]
            return Batch(records, _IN_MEMORY, 0) if records else None

    def remove(self, batch: Batch) -> None:
        """Forget a batch that was delivered, but for sessions of which a newer record waits by now."""
        with self._lock:
            if batch.source == self._file:
                self._delivered_through = batch.through
                try:
                    self._use_disk(self._forget_delivered)
                except DiskFailed as exc:
                    log.debug("sessions_not_forgotten", reason=str(exc))  # the next success takes them along
            elif batch.source == _IN_MEMORY:
                for record in batch.records:
                    if self._unwritten.get(key_of(record)) is record:
                        del self._unwritten[key_of(record)]
            self._is_full = False
            self._report()

    def undelivered(self) -> list[SessionRow] | None:
        """All sessions that wait; None when the disk fails, which may hold some."""
        with self._lock:
            try:
                found = self._use_disk(lambda connection: self._read(connection, self._limit))
            except DiskFailed:
                return None
            return [record.session for record in (*(record for _, record in found), *self._unwritten.values())]

    def close(self) -> None:
        with self._lock:
            self._disk.close()

    def _forget_delivered(self, connection: sqlite3.Connection) -> None:
        # All up to there were in the batch: what came or changed since has a greater id.
        connection.execute("DELETE FROM waiting WHERE id <= ?", (self._delivered_through,))

    def _write(self, connection: sqlite3.Connection, state: bytes) -> None:
        self._forget_delivered(connection)
        connection.execute("INSERT OR REPLACE INTO memory (id, state) VALUES (1, ?)", (state,))
        # REPLACE gives a new id: of a session that changes while it is being delivered the newer record stays.
        connection.executemany(
            "INSERT OR REPLACE INTO waiting (charge_point, started_at, record) VALUES (?, ?, ?)",
            [(*key, msgspec.json.encode(record)) for key, record in self._unwritten.items()],
        )
        dropped = connection.execute(
            "DELETE FROM waiting WHERE id <= (SELECT id FROM waiting ORDER BY id DESC LIMIT 1 OFFSET ?)", (self._limit,)
        ).rowcount
        self._is_full = dropped > 0
        self._count_dropped(dropped)

    def _read(self, connection: sqlite3.Connection, most: int) -> list[tuple[int, SessionRecord]]:
        found: list[tuple[int, SessionRecord]] = []
        query = "SELECT id, record FROM waiting WHERE id > ? ORDER BY id LIMIT ?"
        for number, entry in connection.execute(query, (self._delivered_through, most)).fetchall():
            try:
                found.append((number, msgspec.json.decode(entry, type=SessionRecord)))
            except msgspec.MsgspecError as exc:
                log.error("waiting_session_unreadable", error=exc)
                self._health.count("sessions_unreadable")
                connection.execute("DELETE FROM waiting WHERE id = ?", (number,))
        return found

    def _use_disk(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction. Raises DiskFailed."""

        def whole(connection: sqlite3.Connection) -> tuple[T, int]:
            if self._file != self._disk.number:
                self._file, self._delivered_through = self._disk.number, 0
            answer = work(connection)
            (count,) = connection.execute(
                "SELECT COUNT(*) FROM waiting WHERE id > ?", (self._delivered_through,)
            ).fetchone()
            return answer, count

        answer, self._on_disk = self._disk.use(whole)
        return answer

    def _count_dropped(self, count: int) -> None:
        if count:
            self._health.count("sessions_dropped", count)

    def _report(self) -> None:
        waiting = f"{self._on_disk + len(self._unwritten)} of at most {self._limit} sessions wait"
        fault = self._disk.fault
        if fault is not None:
            self._health.report(COMPONENT, Status.FAILING, f"disk failed ({fault}), kept in memory: {waiting}")
        elif self._is_full:
            self._health.report(COMPONENT, Status.FAILING, f"full, the oldest are dropped: {waiting}")
        else:
            self._health.report(COMPONENT, Status.OK, waiting)
