"""Samples that wait for the database: a bounded queue in a SQLite file, which survives kill -9 and power loss.

Trouble with the disk never stops the recording: samples then wait in memory, bounded as well, and go straight to the
database. Health says so under `spool`, with the fill level; what is dropped is counted. Two threads use it, the
recorder's to append and the delivery's to take; the lock is held for one disk write at most.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from common import logs
from common.health import Health, Status
from common.store.rows import SampleRow
from edge.adapters.disk_file import DiskFailed, DiskFile
from edge.recorder import Batch

COMPONENT = "spool"

LIMIT_ROWS = 100_000
"""69 days at one sample a minute, 5 days at one in 5 s; some 40 MB, which any card has."""

MEMORY_ROWS = 1_440
"""A day at one a minute, about 2 MB: the disk failed as well as the database, so memory is all there is."""

_IN_MEMORY = 0  # `Batch.source`; files are numbered from 1, so that a batch of a damaged file is no other file's

# AUTOINCREMENT: the id of a delivered sample is never another one's.
_SCHEMA = ("CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY AUTOINCREMENT, sample BLOB NOT NULL)",)

T = TypeVar("T")

log = logs.get(__name__)


class Spool:
    """Opens its file when it is first used. When it is full the oldest sample gives way: people look at the newest."""

    def __init__(
        self, path: Path, health: Health, limit_rows: int = LIMIT_ROWS, memory_rows: int = MEMORY_ROWS
    ) -> None:
        self._health = health
        self._limit_rows = limit_rows
        self._memory_rows = memory_rows
        self._lock = threading.Lock()  # guards everything below
        self._disk = DiskFile(path, _SCHEMA, COMPONENT, health)
        self._file = 1  # the one that what follows is about
        self._on_disk = 0  # samples, as of the last time that the file could be read
        self._delivered_through = 0  # in this file; stays true though a full disk may not let us delete
        self._memory: deque[tuple[int, SampleRow]] = deque()
        self._serial = 0  # of the newest sample that was in memory
        self._is_full = False

    def append(self, row: SampleRow) -> None:
        """Keep a sample: on disk, or in memory while the disk fails. Never raises for trouble with the disk."""
        with self._lock:
            self._serial += 1
            self._memory.append((self._serial, row))
            try:
                self._use_disk(self._move_to_disk)
                self._memory.clear()
            except DiskFailed:
                self._is_full = len(self._memory) > self._memory_rows
                if self._is_full:
                    self._memory.popleft()
                    self._count_dropped(1)
            self._report()

    def take(self, most: int) -> Batch | None:
        """The oldest samples, at most `most`, in the order in which they came; they stay until `remove`."""
        with self._lock:
            try:
                entries = self._use_disk(lambda connection: self._read(connection, most))
            except DiskFailed:
                entries = []
            self._report()
            if entries:
                return Batch(self._decoded(entries), self._file, entries[-1][0])
            if self._memory:
                waiting = list(self._memory)[:most]
                return Batch([row for _, row in waiting], _IN_MEMORY, waiting[-1][0])
            return None

    def remove(self, batch: Batch) -> None:
        """Forget a batch that was delivered."""
        with self._lock:
            if batch.source == self._file:
                self._delivered_through = batch.through
                try:
                    self._use_disk(self._forget_delivered)
                except DiskFailed as exc:
                    log.debug("spool_cannot_forget", reason=str(exc))  # the next success takes them along
            elif batch.source == _IN_MEMORY:
                while self._memory and self._memory[0][0] <= batch.through:
                    self._memory.popleft()
            self._is_full = False
            self._report()

    def close(self) -> None:
        with self._lock:
            self._disk.close()

    def _move_to_disk(self, connection: sqlite3.Connection) -> None:
        entries = [(msgspec.json.encode(row),) for _, row in self._memory]
        connection.executemany("INSERT INTO waiting (sample) VALUES (?)", entries)
        self._forget_delivered(connection)
        oldest_kept = "(SELECT MAX(id) FROM waiting) - ?"
        dropped = connection.execute(f"DELETE FROM waiting WHERE id <= {oldest_kept}", (self._limit_rows,)).rowcount  # noqa: S608 -- a constant
        self._is_full = dropped > 0
        self._count_dropped(dropped)

    def _read(self, connection: sqlite3.Connection, most: int) -> list[tuple[int, bytes]]:
        return connection.execute(
            "SELECT id, sample FROM waiting WHERE id > ? ORDER BY id LIMIT ?", (self._delivered_through, most)
        ).fetchall()

    def _forget_delivered(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM waiting WHERE id <= ?", (self._delivered_through,))

    def _decoded(self, entries: list[tuple[int, bytes]]) -> list[SampleRow]:
        rows: list[SampleRow] = []
        for _, entry in entries:
            try:
                rows.append(msgspec.json.decode(entry, type=SampleRow))
            except msgspec.MsgspecError as exc:  # written by another version, or a bit that fell over
                log.error("spooled_sample_unreadable", error=exc)
                self._health.count("samples_unreadable")
        return rows

    def _use_disk(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction. Raises DiskFailed."""

        def whole(connection: sqlite3.Connection) -> tuple[T, int | None, int]:
            if self._file != self._disk.number:
                self._file, self._delivered_through = self._disk.number, 0
            answer = work(connection)
            oldest, newest = connection.execute(
                "SELECT (SELECT MIN(id) FROM waiting WHERE id > ?), (SELECT MAX(id) FROM waiting)",
                (self._delivered_through,),
            ).fetchone()
            return answer, oldest, newest

        answer, oldest, newest = self._disk.use(whole)
        self._on_disk = 0 if oldest is None else newest - oldest + 1
        return answer

    def _count_dropped(self, count: int) -> None:
        if count:
            self._health.count("samples_dropped", count)
            log.debug("samples_dropped", count=count)

    def _report(self) -> None:
        waiting = f"{self._on_disk + len(self._memory)} of at most {self._limit_rows} samples wait"
        fault = self._disk.fault
        if fault is not None:
            self._health.report(COMPONENT, Status.FAILING, f"disk failed ({fault}), kept in memory: {waiting}")
        elif self._is_full:
            self._health.report(COMPONENT, Status.FAILING, f"full, the oldest are dropped: {waiting}")
        else:
            self._health.report(COMPONENT, Status.OK, waiting)
