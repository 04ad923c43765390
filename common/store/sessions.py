"""Charge sessions with their segments, and what admins corrected of them.

The edge writes what it recorded, again and again while a session runs; imports write what others recorded; the api
reads and corrects. All functions block and raise StoreUnavailable (try again) or StoreError besides what they name.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

from common.errors import FieldError
from common.store.bind import Store
from common.store.errors import SessionUnknown
from common.store.location import Dialect
from common.store.rows import CorrectionRow, SegmentRow, SessionFilter, SessionRecord, SessionRow

RECORDED = "recorded"

PAGE_ROWS = 500  # of an export: some hundred kilobytes in memory, milliseconds of the database's time

Value: TypeAlias = str | int | None
Cursor: TypeAlias = tuple[int, int]
"""(started_at, id) of the last session of a page."""

CORRECTABLE_TEXTS = {"user_name": 64, "tag": 64, "vehicle": 64}
"""Fields that name somebody or something, with the room that they have."""
CORRECTABLE_NUMBERS = ("meter_start_wh", "meter_end_wh", "cost_millicents")
CORRECTABLE = (*CORRECTABLE_TEXTS, *CORRECTABLE_NUMBERS, "doubt")
"""What an admin may change. What follows from it (the energy from the meter) is corrected along with it."""

_GREATEST = 2**53
_LONGEST_REASON = 255

_SESSION_COLUMNS = tuple(item.name for item in fields(SessionRow) if item.name != "id")
_SEGMENT_COLUMNS = tuple(item.name for item in fields(SegmentRow))
_CORRECTION_COLUMNS = tuple(item.name for item in fields(CorrectionRow))
_SELECT_SESSION = f"SELECT id, {', '.join(_SESSION_COLUMNS)} FROM charge_session"  # noqa: S608 -- our own names
_KEY_COLUMNS = ("charge_point", "started_at")
_WHO_COLUMNS = ("tag", "user_name", "vehicle")
_HEARD_LATER = (*_WHO_COLUMNS, "discharged_wh")  # what a log fills in, and a later record may not know


@dataclass(frozen=True, slots=True)
class _Words:
    """How a dialect's driver spells a parameter, and the ends of statements.

    `lock` is that of a SELECT whose rows nobody else may change until the commit; SQLite's transactions that write have
    the whole file. `unless_there` is that of an INSERT that leaves a row with the same key as it is.
    """

    mark: str
    lock: str
    unless_there: str


def upsert(store: Store, records: Sequence[SessionRecord]) -> list[int]:
    """Store all of `records` with their segments in one transaction, or nothing; answers the sessions' ids, in order.

    A session is known by (charge_point, started_at), its `id` is not looked at. A record replaces what is stored of its
    session, segments and all, so that delivering twice is harmless. These stay as they are: a field that an admin
    corrected; a tag, user or vehicle that the new record does not know; a session that ended, against a record in which
    it still runs; one that the edge recorded itself, against one of another origin.
    """
    if not records:
        return []
    words = _words(store)

    def work(db: Any) -> list[int]:
        cursor = db.get_connection().cursor()
        return [_store(cursor, record, words) for record in records]

    return store.run(work)


def get(store: Store, session_id: int) -> SessionRecord | None:
    """A session with its segments; None when there is none of this id."""
    return store.run(lambda db: _read(db, session_id))


def corrections(store: Store, session_id: int) -> list[CorrectionRow]:
    """What was corrected of a session, oldest first; empty also for a session that is not there."""

    def work(db: Any) -> list[CorrectionRow]:
        query = f"SELECT {', '.join(_CORRECTION_COLUMNS)} FROM session_correction WHERE session_id = $id ORDER BY id"  # noqa: S608 -- our own names
        found = db.select(query, {}, {"id": session_id})
        return [CorrectionRow(**dict(zip(_CORRECTION_COLUMNS, values, strict=True))) for values in found]

    return store.run(work)


def page(
    store: Store, wanted: SessionFilter, *, limit: int, newest_first: bool = True, after: Cursor | None = None
) -> list[SessionRow]:
    """At most `limit` sessions, ordered by (started_at, id); `after` is where the page before ended, not included."""
    order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
    conditions, arguments = _conditions(wanted)
    if after is not None:
        # Spelled out: MariaDB reads no index range from a comparison of rows.
        conditions.append(f"started_at {beyond}= $at AND (started_at {beyond} $at OR id {beyond} $id)")
        arguments |= {"at": after[0], "id": after[1]}
    query = (
        f"{_SELECT_SESSION}{' WHERE ' + ' AND '.join(conditions) if conditions else ''}"
        f" ORDER BY started_at {order}, id {order} LIMIT $rows"
    )

    def work(db: Any) -> list[SessionRow]:
        return [_session_row(values) for values in db.select(query, {}, {**arguments, "rows": limit})]

    return store.run(work)


def pages(
    store: Store, wanted: SessionFilter, *, newest_first: bool = False, rows_per_page: int = PAGE_ROWS
) -> Iterator[list[SessionRow]]:
    """All sessions, page by page, each read when it is asked for and in a transaction of its own.

    No page is empty. A session that begins meanwhile may or may not be among them; none comes twice.
    """
    after: Cursor | None = None
    while True:
        rows = page(store, wanted, limit=rows_per_page, newest_first=newest_first, after=after)
        if not rows:
            return
        yield rows
        if len(rows) < rows_per_page:
            return
        last = rows[-1]
        after = (last.started_at, last.id or 0)


def correct(
    store: Store, session_id: int, changes: Mapping[str, Value], *, corrected_by: str, corrected_at: int, reason: str
) -> SessionRecord:
    """Change fields of a session and keep what stood there, in one transaction; answers the session as it is then.

    `changes` maps names of CORRECTABLE to new values. A new meter reading changes the energy, and makes sources and
    cost unknown, since nobody measured them for it; a new cost has the method `corrected`. Meter and cost are corrected
    only when the session has ended. Raises SessionUnknown, or FieldError with all that is wrong.
    """
    faults = _faults(changes)
    if not 1 <= len(reason.strip()) <= _LONGEST_REASON:
        faults["reason"] = f"must have 1 to {_LONGEST_REASON} characters"
    if faults:
        raise FieldError("the correction cannot be", faults)
    words = _words(store)

    def work(db: Any) -> SessionRecord:
        cursor = db.get_connection().cursor()  # from here on SQLite lets nobody else write
        record = _read(db, session_id, words.lock)
        if record is None:
            raise SessionUnknown(f"there is no session {session_id}")
        before = record.session
        after = _corrected(before, changes)
        changed = [name for name in _SESSION_COLUMNS if getattr(before, name) != getattr(after, name)]
        for name in changed:
            old, new = (json.dumps(getattr(row, name), ensure_ascii=False) for row in (before, after))
            cursor.execute(
                _insertion("session_correction", _CORRECTION_COLUMNS[1:], words.mark),
                (session_id, corrected_at, corrected_by, name, old, new, reason.strip()),
            )
        if changed:
            _update(cursor, session_id, {name: getattr(after, name) for name in changed}, words.mark)
        return replace(record, session=after)

    return store.run(work)


def _store(cursor: Any, record: SessionRecord, words: _Words) -> int:
    session, mark = record.session, words.mark
    key = (session.charge_point, session.started_at)
    of_key = f"FROM charge_session WHERE charge_point = {mark} AND started_at = {mark}"
    cursor.execute(f"SELECT id {of_key}", key)
    if cursor.fetchone() is None:
        # Somebody else may have been quicker. To lock the missing row instead would end in deadlocks on MariaDB.
        insertion = _insertion("charge_session", _SESSION_COLUMNS, mark)
        cursor.execute(f"{insertion} {words.unless_there}", tuple(getattr(session, name) for name in _SESSION_COLUMNS))
        if session.origin == RECORDED:
            _close_forgotten(cursor, session, mark)
    cursor.execute(f"SELECT id, ended_at, origin, tag {of_key}{words.lock}", key)
    session_id, ended_at, origin, tag = cursor.fetchone()
    is_newer = session.ended_at is not None or ended_at is None
    if not is_newer or (origin == RECORDED and session.origin != RECORDED):
        return int(session_id)
    # A locking read sees what was committed while this transaction waited; a plain one would see what was before.
    cursor.execute(
        f"SELECT DISTINCT field FROM session_correction WHERE session_id = {mark}{words.lock}",  # noqa: S608 -- our own words
        (session_id,),
    )
    corrected = {name for (name,) in cursor.fetchall()}
    kept = {*_KEY_COLUMNS, *corrected}
    kept |= {name for name in _HEARD_LATER if getattr(session, name) is None}
    if session.tag not in (None, tag):
        kept -= {"user_name"} - corrected  # another tag, so it was somebody else
    _update(cursor, session_id, {name: getattr(session, name) for name in _SESSION_COLUMNS if name not in kept}, mark)
    cursor.execute(f"DELETE FROM charge_segment WHERE session_id = {mark}", (session_id,))  # noqa: S608 -- our own mark
    if record.segments:
        cursor.executemany(
            _insertion("charge_segment", ("session_id", *_SEGMENT_COLUMNS), mark),
            [(session_id, *(getattr(segment, name) for name in _SEGMENT_COLUMNS)) for segment in record.segments],
        )
    return int(session_id)


def _close_forgotten(cursor: Any, newer: SessionRow, mark: str) -> None:
    """End sessions that the edge never ended, since it lost its memory: a car is plugged in once at a time."""
    cursor.execute(
        "SELECT id, started_at, last_charged_at FROM charge_session"  # noqa: S608 -- our own marks
        " WHERE ended_at IS NULL AND origin = 'recorded'"
        f" AND charge_point = {mark} AND started_at < {mark}",
        (newer.charge_point, newer.started_at),
    )
    for session_id, started_at, last_charged_at in cursor.fetchall():
        cursor.execute(f"SELECT MAX(started_at) FROM charge_segment WHERE session_id = {mark}", (session_id,))  # noqa: S608 -- our own mark
        (segment_started_at,) = cursor.fetchone()
        ended_at = max(started_at, last_charged_at or 0, segment_started_at or 0)
        for table, key in (("charge_session", "id"), ("charge_segment", "session_id")):
            statement = f"UPDATE {table} SET ended_at = {mark} WHERE ended_at IS NULL AND {key} = {mark}"  # noqa: S608 -- our own names
            cursor.execute(statement, (ended_at, session_id))


def _insertion(table: str, columns: Sequence[str], mark: str) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"  # noqa: S608 -- our own names


def _update(cursor: Any, session_id: int, values: Mapping[str, Value], mark: str) -> None:
    assignments = ", ".join(f"{name} = {mark}" for name in values)
    cursor.execute(
        f"UPDATE charge_session SET {assignments} WHERE id = {mark}",  # noqa: S608 -- our own names
        (*values.values(), session_id),
    )


def _read(db: Any, session_id: int, lock: str = "") -> SessionRecord | None:
    arguments = {"id": session_id}
    found = db.select(f"{_SELECT_SESSION} WHERE id = $id{lock}", {}, arguments)
    if not found:
        return None
    query = f"SELECT {', '.join(_SEGMENT_COLUMNS)} FROM charge_segment WHERE session_id = $id ORDER BY started_at"  # noqa: S608 -- our own names
    segments = tuple(_segment_row(values) for values in db.select(query, {}, arguments))
    return SessionRecord(session=_session_row(found[0]), segments=segments)


def _session_row(values: Sequence[Any]) -> SessionRow:
    return SessionRow(**dict(zip(("id", *_SESSION_COLUMNS), values, strict=True)))


def _segment_row(values: Sequence[Any]) -> SegmentRow:
    row = dict(zip(_SEGMENT_COLUMNS, values, strict=True))
    return SegmentRow(**{**row, "is_charging": bool(row["is_charging"])})


def _conditions(wanted: SessionFilter) -> tuple[list[str], dict[str, Value]]:
    asked = {
        name: (condition, value)
        for name, condition, value in (
            ("from_s", "started_at >= $from_s", wanted.from_s),
            ("to_s", "started_at < $to_s", wanted.to_s),
            ("charge_point", "charge_point = $charge_point", wanted.charge_point),
            ("user_name", "user_name = $user_name", wanted.user_name),
            ("tag", "tag = $tag", wanted.tag),
            ("vehicle", "vehicle = $vehicle", wanted.vehicle),
        )
        if value is not None
    }
    conditions = [condition for condition, _ in asked.values()]
    if not wanted.with_running:
        conditions.append("ended_at IS NOT NULL")
    arguments: dict[str, Value] = {name: value for name, (_, value) in asked.items()}
    if wanted.charge_points is not None:
        among = {f"among_{number}": name for number, name in enumerate(wanted.charge_points)}
        conditions.append(f"charge_point IN ({', '.join(f'${name}' for name in among)})" if among else "1 = 0")
        arguments |= among
    return conditions, arguments


def _faults(changes: Mapping[str, Value]) -> dict[str, str]:
    faults: dict[str, str] = {}
    for name, value in changes.items():
        longest = CORRECTABLE_TEXTS.get(name)
        if longest is not None:
            is_text = isinstance(value, str) and 1 <= len(value) <= longest and value.isprintable()
            if value is not None and not is_text:
                faults[name] = f"must be null or have 1 to {longest} printable characters"
        elif name == "doubt":
            if value is not None:
                faults[name] = "can only be settled: null"
        elif name not in CORRECTABLE_NUMBERS:
            faults[name] = "cannot be corrected"
        elif value is not None and (isinstance(value, bool) or not isinstance(value, int) or abs(value) > _GREATEST):
            faults[name] = "must be a whole number or null"
        elif name.startswith("meter") and (value is None or value < 0):
            faults[name] = "must be a whole number, at least 0"
    return faults


def _corrected(before: SessionRow, changes: Mapping[str, Any]) -> SessionRow:
    faults = {name: "the session has not ended" for name in CORRECTABLE_NUMBERS if name in changes}
    if faults and before.ended_at is None:
        raise FieldError("the correction cannot be", faults)
    after = replace(before, **changes)
    if (after.meter_start_wh, after.meter_end_wh) != (before.meter_start_wh, before.meter_end_wh):
        energy_wh = None
        if after.meter_start_wh is not None and after.meter_end_wh is not None:
            energy_wh = after.meter_end_wh - after.meter_start_wh + _between_counts_wh(before)
            if energy_wh < 0:
                faults = {"meter_start_wh": "must not be more than meter_end_wh"}
                if "meter_end_wh" in changes:
                    faults = {"meter_end_wh": "must not be less than meter_start_wh"}
                raise FieldError("the correction cannot be", faults)
        after = replace(after, energy_wh=energy_wh, grid_wh=None, pv_wh=None, battery_wh=None, sources_method=None)
        if "cost_millicents" not in changes:
            after = replace(after, cost_millicents=None, cost_method=None)
    if "cost_millicents" in changes and after.cost_millicents != before.cost_millicents:
        after = replace(after, cost_method=None if after.cost_millicents is None else "corrected")
    return after


def _between_counts_wh(session: SessionRow) -> int:
    """What the readings' difference lacks of the energy: not 0 where the meter began a new count in between."""
    if session.energy_wh is None or session.meter_start_wh is None or session.meter_end_wh is None:
        return 0
    return session.energy_wh - (session.meter_end_wh - session.meter_start_wh)


def _words(store: Store) -> _Words:
    if store.dialect is Dialect.MARIADB:
        return _Words("%s", " FOR UPDATE", "ON DUPLICATE KEY UPDATE started_at = started_at")
    return _Words("?", "", "ON CONFLICT DO NOTHING")
