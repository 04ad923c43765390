"""Plain statements with `?` inside a unit of work, alike on both databases. For what entities cannot say.

Statements are constant texts but for the number of their `?`: Pony keeps each text that it has seen.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

from common.store.location import Dialect

_MARK = re.compile(r"\?")


class Sql:
    """Values are whole numbers, text, booleans, None and text enums."""

    def __init__(self, db: Any, dialect: Dialect) -> None:
        self._db = db
        self._is_mariadb = dialect is Dialect.MARIADB

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a SELECT of two columns or more finds. Begins no transaction by itself, so it waits for no writer."""
        names = {f"p{number}": _plain(value) for number, value in enumerate(values)}
        counted = iter(names)
        return [tuple(row) for row in self._db.select(_MARK.sub(lambda _: f"${next(counted)}", statement), {}, names)]

    def run(self, statement: str, *values: Any) -> None:
        """A statement that writes."""
        self._cursor().execute(self._spelled(statement), tuple(_plain(value) for value in values))

    def many(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """A statement that writes, once for each row; many rows of an INSERT or REPLACE go together on MariaDB."""
        if rows:
            plain = [tuple(_plain(value) for value in row) for row in rows]
            self._cursor().executemany(self._spelled(statement), plain)

    def found(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Like `run`; answers the rows that the statement found, as EXPLAIN does."""
        cursor = self._cursor()
        cursor.execute(self._spelled(statement), tuple(_plain(value) for value in values))
        return list(cursor.fetchall())

    def changed(self, statement: str, *values: Any) -> int:
        """Like `run`; answers how many rows it changed."""
        cursor = self._cursor()
        cursor.execute(self._spelled(statement), tuple(_plain(value) for value in values))
        return int(cursor.rowcount)

    def _cursor(self) -> Any:
        return self._db.get_connection().cursor()

    def _spelled(self, statement: str) -> str:
        return statement.replace("%", "%%").replace("?", "%s") if self._is_mariadb else statement


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value  # drivers do not know enums
