"""What the foreign exceptions mean, in all the wrappings in which they arrive."""

import sqlite3

import pymysql.err
import pytest
from pony.orm import core, dbapiprovider

from common.errors import StoreUnavailable
from common.store.errors import StoreConflict, StoreError
from common.store.failures import Failure, classify, translated


def mariadb(number: int) -> pymysql.err.Error:
    return pymysql.err.OperationalError(number, "…")


def sqlite(code: int, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = kind("…")
    error.sqlite_errorcode = code
    return error


def in_commit(error: Exception) -> Exception:
    wrapped: Exception = core.CommitException("…", [(type(error), error, None)])
    return wrapped


@pytest.mark.parametrize(
    ("exc", "failure"),
    [
        (mariadb(2013), Failure.LOST),
        (pymysql.err.InterfaceError(0, ""), Failure.LOST),
        (core.ConnectionClosedError(), Failure.LOST),
        (mariadb(1213), Failure.BUSY),
        (mariadb(1205), Failure.BUSY),
        (sqlite(sqlite3.SQLITE_BUSY), Failure.BUSY),
        (sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), Failure.BUSY),
        (core.OptimisticCheckError(), Failure.BUSY),
        (mariadb(2003), Failure.AWAY),
        (mariadb(1045), Failure.AWAY),
        (sqlite(sqlite3.SQLITE_CANTOPEN), Failure.AWAY),
        (sqlite(sqlite3.SQLITE_FULL), Failure.AWAY),
        (pymysql.err.IntegrityError(1062, "Duplicate"), Failure.CONFLICT),
        (sqlite(sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.IntegrityError), Failure.CONFLICT),
        (core.CacheIndexError("…"), Failure.CONFLICT),
        (sqlite(sqlite3.SQLITE_CONSTRAINT_NOTNULL, sqlite3.IntegrityError), Failure.REFUSED),
        (pymysql.err.ProgrammingError(1064, "syntax"), Failure.REFUSED),
        (pymysql.err.Error(), Failure.REFUSED),
        (sqlite3.ProgrammingError("no code"), Failure.REFUSED),
        (sqlite(sqlite3.SQLITE_CORRUPT, sqlite3.DatabaseError), Failure.REFUSED),
    ],
    ids=lambda value: value.name if isinstance(value, Failure) else type(value).__name__,
)
def test_same_meaning_however_wrapped(exc: Exception, failure: Failure) -> None:
    """Bare from the driver, from Pony's SELECT, its INSERT, its COMMIT, and two of them at once."""
    from_select = dbapiprovider.OperationalError(exc)
    from_insert = core.UnexpectedError("…", from_select)
    for wrapped in (exc, from_select, from_insert, in_commit(exc), in_commit(from_select), in_commit(from_insert)):
        assert classify(wrapped) is failure, repr(wrapped)


@pytest.mark.parametrize(
    ("exc", "error", "is_retryable"),
    [
        (mariadb(2013), StoreUnavailable, True),
        (mariadb(1213), StoreUnavailable, True),
        (mariadb(2003), StoreUnavailable, True),
        (pymysql.err.IntegrityError(1062, "Duplicate entry 'geheim'"), StoreConflict, False),
        (mariadb(1054), StoreError, False),
    ],
)
def test_only_what_may_pass_by_itself_is_retryable(exc: Exception, error: type[Exception], is_retryable: bool) -> None:
    """The driver's words stay in the detail: they quote values."""
    found = translated(exc)
    assert type(found) is error
    assert found.is_retryable is is_retryable
    assert "geheim" not in found.message
