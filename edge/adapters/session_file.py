"""What the session machine knows, and sessions that wait for the database: one SQLite file that survives power loss.

Both are written in one transaction, so that after a crash nothing has ended twice or not at all. Trouble with the disk
never stops the recording: sessions then wait in memory, bounded as well. Health says so under `sessions`, with the fill
level; what is dropped is counted. Two threads use it; the lock is held for one disk write at most.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from common import logs
from common.health import Health, Status
from common.store.rows import SessionRecord
from edge.sessions.records import Batch, Key, key_of
from edge.sessions.state import MachineState

COMPONENT = "sessions"

LIMIT_SESSIONS = 5_000
"""Some years of a home's sessions; 2 KB each as a rule, 50 KB at most."""

MEMORY_SESSIONS = 200
"""The disk failed as well as the database, so memory is all there is: some weeks, 10 MB at most."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

T = TypeVar("T")

log = logs.get(__name__)


class _DiskFailed(Exception):
    """The file cannot be used now."""


class SessionFile:
    """Opens its file when it is first used. Of each session only the newest record waits."""

    def __init__(
        self, path: Path, health: Health, limit: int = LIMIT_SESSIONS, memory_limit: int = MEMORY_SESSIONS
    ) -> None:
        self._path = path
        self._health = health
        self._limit = limit
        self._memory_limit = memory_limit
        self._lock = threading.Lock()  # guards everything below
        self._connection: sqlite3.Connection | None = None
        self._unwritten: dict[Key, SessionRecord] = {}  # in the order of their last change
        self._on_disk = 0
        self._fault: str | None = None
        self._is_full = False

    def load(self) -> MachineState | None:
        """What was saved last; None when there is nothing, or nothing that can be read."""
        with self._lock:
            try:
                found = self._use_disk(lambda connection: connection.execute("SELECT state FROM memory").fetchone())
            except _DiskFailed:
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
            except _DiskFailed:
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
            except _DiskFailed:
                found = []
            self._report()
            if found:
                return Batch([record for _, record in found], [number for number, _ in found])
            records = list(self._unwritten.values())[:most]
            return Batch(records, [None] * len(records)) if records else None

    def remove(self, batch: Batch) -> None:
        """Forget a batch that was delivered, but for sessions of which a newer record waits by now."""
        numbers = [(number,) for number in batch.entries if number is not None]
        with self._lock:
            for number, record in zip(batch.entries, batch.records, strict=True):
                if number is None and self._unwritten.get(key_of(record)) is record:
                    del self._unwritten[key_of(record)]
            if numbers:
                try:
                    self._use_disk(
                        lambda connection: connection.executemany("DELETE FROM waiting WHERE id = ?", numbers)
                    )
                except _DiskFailed as exc:
                    log.debug("sessions_not_forgotten", reason=str(exc))  # delivered again, which is harmless
            self._report()

    def close(self) -> None:
        with self._lock:
            self._close()

    def _write(self, connection: sqlite3.Connection, state: bytes) -> None:
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
        for number, entry in connection.execute(
            "SELECT id, record FROM waiting ORDER BY id LIMIT ?", (most,)
        ).fetchall():
            try:
                found.append((number, msgspec.json.decode(entry, type=SessionRecord)))
            except msgspec.MsgspecError as exc:
                log.error("waiting_session_unreadable", error=exc)
                self._health.count("sessions_unreadable")
                connection.execute("DELETE FROM waiting WHERE id = ?", (number,))
        return found

    def _use_disk(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction; a damaged file is set aside and a new one begun. Raises _DiskFailed."""
        try:
            return self._transaction(work)
        except sqlite3.Error as exc:
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise self._failed(exc) from exc
        except OSError as exc:
            raise self._failed(exc) from exc
        try:
            self._set_aside()
            return self._transaction(work)
        except (sqlite3.Error, OSError) as exc:
            raise self._failed(exc) from exc

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = _opened(self._path)
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            answer = work(self._connection)
            (self._on_disk,) = self._connection.execute("SELECT COUNT(*) FROM waiting").fetchone()
        if self._fault is not None:
            self._fault = None
            log.info("session_file_recovered")
        return answer

    def _failed(self, exc: Exception) -> _DiskFailed:
        self._close()
        if self._fault is None:
            log.warning("session_file_failed", error=exc)
        # An OSError's own text names the path, which is nobody's business.
        self._fault = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return _DiskFailed(self._fault)

    def _set_aside(self) -> None:
        """Keep the newest damaged file beside the new one, for whoever can still read it."""
        self._close()
        for suffix in ("", "-wal", "-shm"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.replace(self._path.with_name(f"{self._path.name}.damaged{suffix}"))
        self._health.count("session_files_damaged")
        log.error("session_file_damaged", set_aside=f"{self._path}.damaged")

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _count_dropped(self, count: int) -> None:
        if count:
            self._health.count("sessions_dropped", count)

    def _report(self) -> None:
        waiting = f"{self._on_disk + len(self._unwritten)} of at most {self._limit} sessions wait"
        if self._fault is not None:
            self._health.report(COMPONENT, Status.FAILING, f"disk failed ({self._fault}), kept in memory: {waiting}")
        elif self._is_full:
            self._health.report(COMPONENT, Status.FAILING, f"full, the oldest are dropped: {waiting}")
        else:
            self._health.report(COMPONENT, Status.OK, waiting)


def _opened(path: Path) -> Any:
    path.touch(mode=0o600)  # when somebody is at home is nobody else's business
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)  # under our lock
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # in WAL mode less may lose the last commits with the power
        connection.execute("CREATE TABLE IF NOT EXISTS memory (id INTEGER PRIMARY KEY, state BLOB NOT NULL)")
        # AUTOINCREMENT: the id of a delivered record is never another one's.
        connection.execute(
            "CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY AUTOINCREMENT, charge_point TEXT NOT NULL,"
            " started_at INTEGER NOT NULL, record BLOB NOT NULL, UNIQUE (charge_point, started_at))"
        )
    except sqlite3.Error:
        connection.close()
        raise
    return connection
