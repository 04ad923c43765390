"""Meter readings that were out of line: written along with the samples, read beside sessions and reconciliation.

`between` blocks and raises StoreUnavailable (try again) or StoreError.
"""

from collections.abc import Iterable
from dataclasses import astuple, fields
from typing import Any

from common.meters import OddOutcome, OddReading
from common.store.bind import Store
from common.store.location import Dialect
from common.store.sql import Sql

_COLUMNS = tuple(item.name for item in fields(OddReading))

MOST = 500
"""Of one answer, the newest: a meter that is odd all day long needs no longer list to be seen as such."""


def add(sql: Sql, dialect: Dialect, rows: Iterable[OddReading]) -> None:
    """Store them in the caller's transaction; one that is there already stays as it is."""
    # Not INSERT IGNORE: that would also swallow values that do not fit.
    unless_there = "ON DUPLICATE KEY UPDATE from_s = from_s" if dialect is Dialect.MARIADB else "ON CONFLICT DO NOTHING"
    sql.many(
        f"INSERT INTO odd_reading ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?) {unless_there}",  # noqa: S608 -- our own names
        [astuple(row) for row in dict.fromkeys(rows)],
    )


def begun_counts(sql: Sql, from_s: int, to_s: int) -> dict[str, list[int]]:
    """Meter → the instants in from_s ≤ t ≤ to_s at which it began a new count. In the caller's transaction."""
    found: dict[str, list[int]] = {}
    for meter, at in sql.rows(
        "SELECT meter, from_s FROM odd_reading WHERE from_s >= ? AND from_s <= ? AND outcome = ? ORDER BY from_s",
        from_s,
        to_s,
        OddOutcome.NEW_COUNT,
    ):
        found.setdefault(meter, []).append(at)
    return found


def between(store: Store, from_s: int, to_s: int, meter: str | None = None) -> list[OddReading]:
    """Those that began in from_s ≤ t < to_s, oldest first, of one meter or of all."""
    one = " AND meter = ?" if meter is not None else ""

    def work(db: Any) -> list[OddReading]:
        found = Sql(db, store.dialect).rows(
            f"SELECT {', '.join(_COLUMNS)} FROM odd_reading WHERE from_s >= ? AND from_s < ?{one}"  # noqa: S608 -- our own names
            " ORDER BY from_s DESC, meter LIMIT ?",
            from_s,
            to_s,
            *((meter,) if meter is not None else ()),
            MOST,
        )
        return [
            OddReading(**{**dict(zip(_COLUMNS, values, strict=True)), "outcome": OddOutcome(values[-1])})
            for values in reversed(found)
        ]

    return store.run(work)
