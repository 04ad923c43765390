"""The wallbox's own charge log as it was read, and what follows from comparing it with the sessions.

Written by the edge. All functions block and raise StoreUnavailable (try again) or StoreError.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from common.store.bind import Store
from common.store.location import Dialect
from common.store.rows import LogEntryRow

_COLUMNS = tuple(item.name for item in fields(LogEntryRow))
_KEY = ("charge_point", "started_at")
_FILLED = ("vehicle", "tag", "user_name")


def put(store: Store, rows: Sequence[LogEntryRow]) -> None:
    """Store all of `rows` in one transaction, or nothing. An entry that is there is replaced by what was read now;
    the session that it was found to belong to stays where the new row names none.
    """
    if not rows:
        return
    statement = _insertion(store.dialect)
    values = [tuple(getattr(row, name) for name in _COLUMNS) for row in rows]

    def work(db: Any) -> None:
        db.get_connection().cursor().executemany(statement, values)

    store.run(work)


def between(store: Store, from_s: int, to_s: int) -> list[LogEntryRow]:
    """Entries with from_s ≤ started_at < to_s, by start and charge point; a year has some hundred."""
    query = (
        f"SELECT {', '.join(_COLUMNS)} FROM wallbox_log_entry"  # noqa: S608 -- our own names
        " WHERE started_at >= $from_s AND started_at < $to_s ORDER BY started_at, charge_point"
    )

    def work(db: Any) -> list[LogEntryRow]:
        found = db.select(query, {}, {"from_s": from_s, "to_s": to_s})
        return [LogEntryRow(**dict(zip(_COLUMNS, values, strict=True))) for values in found]

    return store.run(work)


def fill_in(
    store: Store,
    session_id: int,
    *,
    vehicle: str | None = None,
    tag: str | None = None,
    user_name: str | None = None,
    discharged_wh: int | None = None,
) -> bool:
    """Set what is unknown of an ended session, unless an admin corrected it to unknown; whether anything was set.

    `discharged_wh` is also set in place of less, since the log grows.
    """
    wanted = {name: value for name, value in zip(_FILLED, (vehicle, tag, user_name), strict=True) if value is not None}
    mark = _mark(store.dialect)

    def work(db: Any) -> bool:
        cursor = db.get_connection().cursor()
        was_set = False
        for name, value in wanted.items():
            cursor.execute(
                f"UPDATE charge_session SET {name} = {mark}"  # noqa: S608 -- our own names
                f" WHERE id = {mark} AND {name} IS NULL AND ended_at IS NOT NULL AND NOT EXISTS"
                f" (SELECT 1 FROM session_correction WHERE session_id = {mark} AND field = {mark})",
                (value, session_id, session_id, name),
            )
            was_set = was_set or cursor.rowcount == 1
        if discharged_wh is not None:
            cursor.execute(
                f"UPDATE charge_session SET discharged_wh = {mark}"  # noqa: S608 -- our own mark
                f" WHERE id = {mark} AND ended_at IS NOT NULL AND (discharged_wh IS NULL OR discharged_wh < {mark})",
                (discharged_wh, session_id, discharged_wh),
            )
            was_set = was_set or cursor.rowcount == 1
        return was_set

    return store.run(work)


def _insertion(dialect: Dialect) -> str:
    mark = _mark(dialect)
    insertion = f"INSERT INTO wallbox_log_entry ({', '.join(_COLUMNS)}) VALUES ({', '.join([mark] * len(_COLUMNS))})"  # noqa: S608 -- our own names
    if dialect is Dialect.MARIADB:
        new, clause = "VALUES({})", "ON DUPLICATE KEY UPDATE"
    else:
        new, clause = "excluded.{}", f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET"
    changes = [
        f"{name} = COALESCE({new.format(name)}, session_id)" if name == "session_id" else f"{name} = {new.format(name)}"
        for name in _COLUMNS
        if name not in _KEY
    ]
    return f"{insertion} {clause} {', '.join(changes)}"


def _mark(dialect: Dialect) -> str:
    """How the dialect's driver spells a parameter."""
    return "%s" if dialect is Dialect.MARIADB else "?"
