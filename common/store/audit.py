"""The audit: who did what, when, from where, and what came of it. Rows are added and grow old; nothing changes one.

All functions block and raise StoreUnavailable or StoreError.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from pony import orm

from common.store.bind import Store
from common.store.location import Dialect
from common.store.rows_people import AuditFilter, AuditRow

PURGED_AT_ONCE = 500
"""Rows that one unit deletes: milliseconds, also on an SD card, so that nobody waits for it."""


_COLUMNS = tuple(item.name for item in fields(AuditRow) if item.name != "id")


def append(store: Store, rows: Sequence[AuditRow]) -> None:
    """Store all of `rows`, in order, or nothing."""
    if not rows:
        return
    values = [tuple(getattr(row, name) for name in _COLUMNS) for row in rows]
    mark = "%s" if store.dialect is Dialect.MARIADB else "?"
    statement = f"INSERT INTO audit ({', '.join(_COLUMNS)}) VALUES ({', '.join([mark] * len(_COLUMNS))})"  # noqa: S608 -- our own names

    def work(db: Any) -> None:
        db.get_connection().cursor().executemany(statement, values)

    store.run(work)


def find(store: Store, wanted: AuditFilter, limit: int) -> list[AuditRow]:
    """At most `limit` rows, the newest first. To page on, ask again with the last row's id as `before_id`."""

    def work(db: Any) -> list[AuditRow]:
        return [_row(entry) for entry in _query(db, wanted).limit(limit)]

    return store.run(work)


def purge(store: Store, before_s: int) -> bool:
    """Delete rows from before this instant, at most PURGED_AT_ONCE; whether there may be more."""

    def work(db: Any) -> int:
        ids = list(
            orm.select(e.id for e in db.AuditEntry if e.happened_at < before_s).order_by(1).limit(PURGED_AT_ONCE)
        )
        if ids:
            orm.delete(e for e in db.AuditEntry if e.id <= ids[-1] and e.happened_at < before_s)
        return len(ids)

    return store.run(work) == PURGED_AT_ONCE


def _query(db: Any, wanted: AuditFilter) -> Any:
    query = orm.select(e for e in db.AuditEntry)
    # Pony takes the values from these very variables.
    from_s, to_s, before_id = wanted.from_s, wanted.to_s, wanted.before_id
    user_name, action, result = wanted.user_name, wanted.action, wanted.result
    if from_s is not None:
        query = query.filter(lambda e: e.happened_at >= from_s)
    if to_s is not None:
        query = query.filter(lambda e: e.happened_at < to_s)
    if user_name is not None:
        query = query.filter(lambda e: e.user_name == user_name)
    if action is not None:
        query = query.filter(lambda e: e.action == action)
    if result is not None:
        query = query.filter(lambda e: e.result == result)
    if before_id is not None:
        query = query.filter(lambda e: e.id < before_id)
    return query.order_by(orm.desc(db.AuditEntry.id))


def _row(entry: Any) -> AuditRow:
    return AuditRow(id=entry.id, **{name: getattr(entry, name) for name in _COLUMNS})
