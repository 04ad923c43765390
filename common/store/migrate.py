"""Brings a database to the newest schema: numbered SQL files, a table of what was applied, one migrator at a time.

Runs on a connection of its own, before Pony maps anything. `edge` and `api` start together and both come here: the
second waits for the first one's lock and then finds nothing to do.
"""

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from importlib import resources
from string import Template
from typing import Any

import pymysql
import pymysql.cursors

from common.errors import StoreUnavailable
from common.store.errors import SchemaTooNew
from common.store.location import Dialect, Location, mariadb_arguments

MIGRATION_TIMEOUT_S = 600  # an index over three years of samples on a slow card takes minutes
WAIT_FOR_OTHER_S = 60  # for the other process's migration; after that the caller is told "busy" and comes again

_FILE_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_WORDS = {
    Dialect.MARIADB: {
        "auto_id": "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY",
        # NO PAD and binary: text compares as in SQLite
        "plain": "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
        "clustered": "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin",
    },
    Dialect.SQLITE: {
        "auto_id": "INTEGER PRIMARY KEY AUTOINCREMENT",  # AUTOINCREMENT: no id is used twice
        "plain": "",
        "clustered": "WITHOUT ROWID",
    },
}


def migrate(location: Location, package: str) -> int:
    """Apply what is missing of `package`'s migrations; returns the schema's version. Blocks; safe to run at any time.

    Raises SchemaTooNew, StoreUnavailable, or the drivers' exceptions (the caller translates). What was applied before
    a failure stays; the next run goes on there.
    """
    steps = migrations(package)
    newest = max(steps)
    with _locked(location) as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS schema_version"
            " (version INTEGER NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)"
        )
        cursor.execute("SELECT MAX(version) FROM schema_version")
        version = int(cursor.fetchone()[0] or 0)
        if version > newest:
            raise SchemaTooNew(
                f"the database has schema {version}, this program knows {newest}: update the program",
                detail=f"database {location.database}",
            )
        for number in range(version + 1, newest + 1):
            for statement in statements(steps[number], location.dialect):
                _apply(cursor, statement, location.dialect)
            cursor.execute(f"INSERT INTO schema_version VALUES ({number}, {int(time.time())})")  # noqa: S608 -- integers
    return newest


def _apply(cursor: Any, statement: str, dialect: Dialect) -> None:
    """Run a statement of a migration. SQLite adds no column `IF NOT EXISTS`, so that one it has is passed over."""
    if dialect is Dialect.SQLITE:
        statement = statement.replace("ADD COLUMN IF NOT EXISTS", "ADD COLUMN")
    try:
        cursor.execute(statement)
    except sqlite3.OperationalError as exc:
        if not str(exc).startswith("duplicate column name"):
            raise


def migrations(package: str) -> dict[int, str]:
    """Number → text of each migration. Numbers run from 1 without a hole, and each is one file's."""
    files = sorted(
        (int(match[1]), file.read_text(encoding="utf-8"))
        for file in resources.files(package).iterdir()
        if (match := _FILE_NAME.fullmatch(file.name))
    )
    numbers = [number for number, _ in files]
    if not files or numbers != list(range(1, len(files) + 1)):
        raise RuntimeError(f"{package} has a hole, a number twice or no file: {numbers}")
    return dict(files)


def statements(text: str, dialect: Dialect) -> list[str]:
    """The statements of a migration in one dialect's spelling. A `;` ends a statement wherever it stands."""
    spelled = Template(_COMMENT.sub("", text)).substitute(_WORDS[dialect])
    return [statement for part in spelled.split(";") if (statement := part.strip())]


def _locked(location: Location) -> AbstractContextManager[Any]:
    """A cursor that no other migrator has at the same time; what it did is committed when the block ends well."""
    return _locked_file(location) if location.dialect is Dialect.SQLITE else _locked_database(location)


@contextmanager
def _locked_file(location: Location) -> Iterator[sqlite3.Cursor]:
    location.file.touch(mode=0o600)  # password hashes and TOTP secrets are for nobody else on the machine
    with closing(sqlite3.connect(location.database, timeout=WAIT_FOR_OTHER_S, isolation_level=None)) as connection:
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            yield cursor
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
        cursor.execute(
            "PRAGMA journal_mode = WAL"
        )  # kept in the file; readers and the writer do not wait for each other


@contextmanager
def _locked_database(location: Location) -> Iterator[pymysql.cursors.Cursor]:
    arguments = mariadb_arguments(location, MIGRATION_TIMEOUT_S)
    with closing(pymysql.connect(**arguments, autocommit=True)) as connection, connection.cursor() as cursor:
        # A lock's name has at most 64 characters and is one for the whole server; the connection's end releases it.
        lock = f"wallport.{hashlib.sha256(location.database.encode()).hexdigest()[:32]}"
        cursor.execute("SELECT GET_LOCK(%s, %s)", (lock, WAIT_FOR_OTHER_S))
        answer = cursor.fetchone()
        if answer is None or answer[0] != 1:
            raise StoreUnavailable("another process is still preparing the database")
        yield cursor
