"""One SQLite file in the data folder that must survive kill -9 and power loss, and whose disk may fail at any time.

Opened when it is first used, and again after each failure; a damaged file is set aside and a new one begun. Not locked:
whoever owns one guards it with a lock of its own.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from common import logs
from common.health import Health

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

T = TypeVar("T")

log = logs.get(__name__)


class DiskFailed(Exception):
    """The file cannot be used now."""


class DiskFile:
    """`schema` are repeatable statements; `name` begins the names of log events and counters.

    `fault` says in a few words why the file cannot be used; None: it can. `number` counts the files begun, from 1.
    """

    def __init__(self, path: Path, schema: Sequence[str], name: str, health: Health) -> None:
        self.fault: str | None = None
        self.number = 1
        self._path = path
        self._schema = schema
        self._name = name
        self._health = health
        self._connection: sqlite3.Connection | None = None

    def use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction, again if the file was damaged and a new one begun. Raises DiskFailed."""
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

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = _opened(self._path, self._schema)
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            answer = work(self._connection)
        if self.fault is not None:
            self.fault = None
            log.info(f"{self._name}_recovered")
        return answer

    def _failed(self, exc: Exception) -> DiskFailed:
        self.close()
        if self.fault is None:
            log.warning(f"{self._name}_failed", error=exc)
        # An OSError's own text names the path, which is nobody's business.
        self.fault = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return DiskFailed(self.fault)

    def _set_aside(self) -> None:
        """Keep the newest damaged file beside the new one, for whoever can still read it."""
        self.close()
        aside = self._path.with_name(f"{self._path.name}.damaged")
        for suffix in ("", "-wal", "-shm"):
            part = self._path.with_name(self._path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
        self.number += 1
        self._health.count(f"{self._name}_files_damaged")
        log.error(f"{self._name}_damaged", set_aside=str(aside))


def _opened(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
    path.touch(mode=0o600)  # when somebody is at home is nobody else's business
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)  # under the owner's lock
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # in WAL mode less may lose the last commits with the power
        for statement in schema:
            connection.execute(statement)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
