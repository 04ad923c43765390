"""The MariaDB of the backend that Wallport replaces; it is read, and nothing is written to it.

Tables are read in batches by their key, so that the largest costs no memory and no query lasts long.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pymysql
import pymysql.cursors

from common.errors import FieldError
from common.store.location import Dialect, mariadb_arguments, parse_location
from edge.charge_log.errors import SourceUnusable
from edge.old_backend import Row

BATCH_ROWS = 1000  # of `graph` two thirds of a day
QUERY_TIMEOUT_S = 120  # a look at every row of some years of minutes, on a slow card
NO_SUCH_TABLE = 1146


class OldBackend:
    """Use as a context manager's value, see `opened`. Everything raises SourceUnusable."""

    def __init__(self, connection: "pymysql.Connection[pymysql.cursors.DictCursor]") -> None:
        self._connection = connection

    def count(self, table: str) -> int | None:
        """How many rows it has, None when there is no such table."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(f"SELECT COUNT(*) AS n FROM `{table}`")  # noqa: S608 -- our own names
                return int((cursor.fetchone() or {"n": 0})["n"])
        except pymysql.err.ProgrammingError as exc:
            if exc.args and exc.args[0] == NO_SUCH_TABLE:
                return None
            raise _unusable(exc) from exc
        except pymysql.err.Error as exc:
            raise _unusable(exc) from exc

    def batches(self, table: str, key: str, columns: Sequence[str]) -> Iterator[list[Row]]:
        """All rows by `key`, which has an index and no two equal values; a column that is not there is None."""
        there = self._columns(table)
        if key not in there:
            raise SourceUnusable(f"the table {table} has no column {key}: this is not the old backend's database")
        chosen = ", ".join(f"`{name}`" for name in columns if name in there)
        missing: dict[str, Any] = {name: None for name in columns if name not in there}
        after: tuple[Any, ...] = ()
        while True:
            where = f"WHERE `{key}` > %s " if after else ""
            query = f"SELECT {chosen} FROM `{table}` {where}ORDER BY `{key}` LIMIT {BATCH_ROWS}"  # noqa: S608 -- our own names
            rows = self._rows(query, after)
            if rows:
                yield [{**missing, **row} for row in rows]
            if len(rows) < BATCH_ROWS:
                return
            after = (rows[-1][key],)

    def used(self, table: str, columns: Sequence[str]) -> frozenset[str]:
        """Those of `columns` that are neither 0 nor NULL in every row."""
        there = self._columns(table)
        asked = [name for name in columns if name in there]
        if not asked:
            return frozenset()
        parts = ", ".join(f"MAX(`{name}` <> 0) AS `{name}`" for name in asked)
        found = self._rows(f"SELECT {parts} FROM `{table}`", ())  # noqa: S608 -- our own names
        return frozenset(name for name in asked if found and found[0][name])

    def _columns(self, table: str) -> set[str]:
        return {str(row["Field"]) for row in self._rows(f"SHOW COLUMNS FROM `{table}`", ())}

    def _rows(self, query: str, arguments: tuple[Any, ...]) -> list[dict[str, Any]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query, arguments)
                return list(cursor.fetchall())
        except pymysql.err.Error as exc:
            raise _unusable(exc) from exc


@contextmanager
def opened(url: str, password: str | None = None) -> Iterator[OldBackend]:
    """Connect to `mysql://user[:password]@host[:port]/database`. Raises FieldError or SourceUnusable."""
    location = parse_location(url)
    if location.dialect is not Dialect.MARIADB:
        raise FieldError("bad database URL", {"URL": "must be mysql://user:password@host:port/database"})
    if password is not None:
        location = replace(location, password=password)
    arguments = mariadb_arguments(location, QUERY_TIMEOUT_S)
    try:
        connection = pymysql.connect(**arguments, autocommit=True, cursorclass=pymysql.cursors.DictCursor)
    except pymysql.err.Error as exc:
        raise SourceUnusable("the old backend's database cannot be reached", detail=repr(exc)) from exc
    with closing(connection):
        yield OldBackend(connection)


def _unusable(exc: Exception) -> SourceUnusable:
    return SourceUnusable("the old backend's database cannot be read", detail=repr(exc))
