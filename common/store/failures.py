"""The one place that knows the exceptions of Pony, PyMySQL and sqlite3, and what each of them means.

The same fault arrives as different classes, by the statement that met it (INSERT: UnexpectedError, SELECT:
OperationalError, COMMIT: CommitException), so the driver's own exception inside is what counts.
"""

import sqlite3
from enum import Enum, auto

import pymysql.err
from pony.orm import core, dbapiprovider

from common.errors import AppError, StoreUnavailable
from common.store.errors import StoreConflict, StoreError
from common.unreachable import clause

FOREIGN: tuple[type[Exception], ...] = (core.OrmError, dbapiprovider.DBException, pymysql.err.Error, sqlite3.Error)
"""Everything the three libraries raise on purpose."""


class Failure(Enum):
    LOST = auto()  # a connection that was open broke
    BUSY = auto()  # somebody else holds or changed the rows: a deadlock's victim, a lock wait, an optimistic check
    AWAY = auto()  # no connection, or a server that cannot write now
    CONFLICT = auto()  # a key that is there already
    REFUSED = auto()  # anything else: wrong statement, wrong value, damaged file


# https://mariadb.com/docs/server/reference/error-codes and PyMySQL's own 2xxx
_MARIADB = {
    Failure.LOST: {2006, 2013, 2014, 2055, 1053, 1927, 4031},
    Failure.BUSY: {1205, 1213, 1020},
    # 1044 1045 1049 1698: login or database not there (yet); 1021 1114 1290 1836 3: disk full or read-only
    Failure.AWAY: {
        2000,
        2002,
        2003,
        2005,
        2012,
        1040,
        1129,
        1130,
        1203,
        1044,
        1045,
        1049,
        1698,
        3,
        1021,
        1114,
        1290,
        1836,
    },
    Failure.CONFLICT: {1062, 1586},
}
_SQLITE = {
    Failure.BUSY: {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED},
    Failure.AWAY: {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    },
}
_SQLITE_CONFLICTS = {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}


def classify(exc: BaseException) -> Failure:
    """What one of FOREIGN means."""
    cause = _innermost(exc)
    if isinstance(cause, pymysql.err.InterfaceError):
        return Failure.LOST  # PyMySQL's "(0, '')": the connection was closed under it
    if isinstance(cause, pymysql.err.Error):
        number = cause.args[0] if cause.args else None
        return next((failure for failure, numbers in _MARIADB.items() if number in numbers), Failure.REFUSED)
    if isinstance(cause, sqlite3.Error):
        extended = getattr(cause, "sqlite_errorcode", 0)  # absent where Python's own layer refused
        if extended in _SQLITE_CONFLICTS:
            return Failure.CONFLICT
        primary = extended & 0xFF
        return next((failure for failure, codes in _SQLITE.items() if primary in codes), Failure.REFUSED)
    if isinstance(cause, core.CacheIndexError):
        return Failure.CONFLICT
    if isinstance(cause, core.IsolationError):
        return Failure.BUSY
    if isinstance(cause, core.ConnectionClosedError):
        return Failure.LOST
    return Failure.REFUSED


def translated(exc: BaseException) -> AppError:
    """Our error for one of FOREIGN; raise it `from` that."""
    detail = f"{type(_innermost(exc)).__name__}: {_innermost(exc)}"
    match classify(exc):
        case Failure.LOST:
            return StoreUnavailable("the connection to the database broke", detail=detail)
        case Failure.BUSY:
            return StoreUnavailable("the database is busy", detail=detail)
        case Failure.AWAY:
            return StoreUnavailable(_why_away(_innermost(exc)), detail=detail)
        case Failure.CONFLICT:
            return StoreConflict("such a row is there already", detail=detail)
        case Failure.REFUSED:
            return StoreError("the database refused a request", detail=detail)


def _why_away(cause: BaseException) -> str:
    """What must be mended where."""
    number = cause.args[0] if isinstance(cause, pymysql.err.Error) and cause.args else None
    if number in (1045, 1698):
        return "the database refused the user name or the password"
    if number in (1044, 1049):
        return "the server has no database of that name, or not for this user"
    if number in (2002, 2003, 2005):
        return f"the database cannot be reached{clause(cause)}"
    return "the database cannot be reached or cannot write"


def _innermost(exc: BaseException) -> BaseException:
    """The driver's exception that Pony wrapped, over all its layers."""
    while True:
        inner = getattr(exc, "original_exc", None)
        if inner is None:
            wrapped = getattr(exc, "exceptions", None)  # of CommitException: a list of sys.exc_info()
            inner = wrapped[0][1] if wrapped else None
        if not isinstance(inner, BaseException) or inner is exc:
            return exc
        exc = inner
