"""Binds Pony to a database, lazily, and runs units of work on it. The only way to the tables.

Nothing here raises because a server is down until it is used. Pony keeps one connection a thread; a unit of work runs
in one thread from its first statement to its commit and never across an `await` (the api runs the store in a thread
pool). Foreign exceptions end here (common/store/failures.py).
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pony import orm

from common.errors import AppError, StoreUnavailable
from common.store import entities
from common.store.failures import FOREIGN, Failure, classify, translated
from common.store.location import LOCK_WAIT_S, Dialect, Location, mariadb_arguments, parse_location
from common.store.migrate import migrate

T = TypeVar("T")

QUICK_S = 2.0
"""A connection that died while idle fails within this; a query that was cut off by its timeout is not asked again."""

PREPARING_S = 5.0
"""How long a thread waits for another one that connects or migrates, before it says "unavailable"."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What a database holds: `define(db)` puts entities on a Pony Database, `migrations` is a package of SQL files."""

    define: Callable[[Any], None]
    migrations: str


SITE = Schema(entities.define, "common.store.migrations")
"""The on-site database of edge and api."""


def open_store(url: str, schema: Schema = SITE) -> "Store":
    """A store at `url`; connects and migrates at the first use. Raises FieldError for a URL of the wrong form."""
    return Store(parse_location(url), schema)


class Store:
    """One database. Any thread may use it."""

    def __init__(self, location: Location, schema: Schema) -> None:
        self._location = location
        self._schema = schema
        self._db: Any = None  # Pony's Database once it is migrated, bound and mapped; written under _lock only
        self._lock = threading.Lock()  # held by the one thread that connects for the first time or migrates
        self._failures = 0
        self._last_failure: AppError | None = None
        self._is_closed = False

    @property
    def dialect(self) -> Dialect:
        return self._location.dialect

    def run(self, work: Callable[[Any], T]) -> T:
        """Run `work(db)` as one transaction and commit; what it raises rolls everything back and comes out.

        `work` may run twice (after a deadlock, or when the idle connection turned out to be dead), so it must have no
        other effects. It returns plain values, never entities. Blocks; raises StoreUnavailable or StoreError. If the
        connection broke during the commit itself, StoreUnavailable leaves open whether the unit was stored.
        """
        if orm.core.local.db_session is not None:
            raise RuntimeError("a unit of work must not start another: Pony would make them one")
        db = self._bound()
        started_at = time.monotonic()
        progress = _Progress()
        try:
            return _unit(db, work, progress)
        except FOREIGN as exc:
            is_quick = time.monotonic() - started_at < QUICK_S
            if progress.is_committing or not _may_repeat(classify(exc), is_quick):
                raise translated(exc) from exc
        try:
            return _unit(db, work, _Progress())  # once: what fails twice is no accident
        except FOREIGN as exc:
            raise translated(exc) from exc

    def ping(self) -> None:
        """Make sure that the database answers (and is migrated); raises StoreUnavailable or StoreError."""
        self.run(lambda db: db.select("SELECT 1"))

    def migrate(self) -> None:
        """Bring the schema up to date now, not at the first use; raises SchemaTooNew, StoreUnavailable, StoreError."""
        self._bound()

    def close(self) -> None:
        """Refuse further use and close this thread's connection; those of other threads end with their threads."""
        with self._lock:
            self._is_closed = True
            db, self._db = self._db, None
        if db is not None:
            db.disconnect()

    def _bound(self) -> Any:
        db = self._db
        if db is not None:
            return db
        seen = self._failures
        if not self._lock.acquire(timeout=PREPARING_S):
            raise StoreUnavailable("the database is being prepared")
        try:
            if self._is_closed:
                raise StoreUnavailable("the store is closed")
            if self._db is None:
                if self._failures != seen and self._last_failure is not None:
                    # Whoever waited here shares the answer; else each thread in turn would wait for the timeout.
                    raise type(self._last_failure)(self._last_failure.message, detail=self._last_failure.detail)
                self._db = self._connected()
            return self._db
        finally:
            self._lock.release()

    def _connected(self) -> Any:
        try:
            migrate(self._location, self._schema.migrations)
            return _mapped(self._location, self._schema)
        except FOREIGN as exc:
            self._failures += 1
            self._last_failure = translated(exc)
            raise self._last_failure from exc
        except AppError as exc:
            self._failures += 1
            self._last_failure = exc
            raise


@dataclass(slots=True)
class _Progress:
    """How far a unit came: before its commit begins, a failure means that nothing was stored."""

    is_committing: bool = False


def _unit(db: Any, work: Callable[[Any], T], progress: _Progress) -> T:
    with orm.db_session:
        result = work(db)
        db.flush()
        progress.is_committing = True
    return result


def _may_repeat(failure: Failure, is_quick: bool) -> bool:
    return failure is Failure.BUSY or (failure is Failure.LOST and is_quick)


def _mapped(location: Location, schema: Schema) -> Any:
    db: Any = orm.Database()
    schema.define(db)
    if location.dialect is Dialect.SQLITE:
        db.on_connect(provider="sqlite")(_prepare_sqlite)
        db.bind(provider="sqlite", filename=location.database, create_db=True, timeout=LOCK_WAIT_S)
    else:
        db.bind(provider="mysql", **mariadb_arguments(location))
    # Pony would reconnect in the middle of a transaction and go on, with what was written before lost and no error.
    # `run` repeats the whole unit instead.
    db.provider.should_reconnect = lambda exc: False
    db.generate_mapping(create_tables=False)
    return db


def _prepare_sqlite(_db: Any, connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")  # a committed row survives power loss: the spool forgets it then
