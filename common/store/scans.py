"""RFID scans and what became of them: written by the edge, read by the api.

All functions block and raise StoreUnavailable or StoreError. A tag that is nobody's when its scan is stored stands here
by its last two characters only, for good. A deleted user's scans keep their name until `forget_person`.
"""

import json
from collections.abc import Sequence
from typing import Any

from common import tags
from common.store.bind import Store
from common.store.names import can_exist, name_key
from common.store.rows import ScanCommand, ScanFilter, ScanRow
from common.store.tags import find_user

LONGEST_DETAIL = 1000  # characters; reasons of some profiles, and a command's words


def save(store: Store, rows: Sequence[ScanRow]) -> None:
    """Store scans, or what has become of those that are there; all or nothing."""

    def work(db: Any) -> None:
        for row in rows:
            _save(db, row)

    store.run(work)


def find(store: Store, wanted: ScanFilter, limit: int) -> list[ScanRow]:
    """The newest first, at most `limit`."""

    def work(db: Any) -> list[ScanRow]:
        found = db.RfidScan.select()
        if wanted.user is not None:
            user_id = _id_of(db, wanted.user)
            if user_id is None:
                return []
            found = found.filter(user_id=user_id)
        if wanted.outcome is not None:
            found = found.filter(outcome=wanted.outcome)
        if wanted.charge_point is not None:
            found = found.filter(charge_point=wanted.charge_point)
        found = _within(found, wanted).order_by(db.RfidScan.scanned_at.desc(), db.RfidScan.id.desc())
        names = {former.user_id: former.name for former in db.FormerUser.select()}
        names |= {user.id: user.name for user in db.User.select()}
        return [_row(scan, names) for scan in found.limit(limit)]

    return store.run(work)


def forget_person(db: Any, user_id: int, learnt: str) -> None:
    """Within a unit of work: take what tells who it was out of a deleted user's scans.

    `learnt` are the words of a scan that made a card theirs, which it then was not yet.
    """
    # A profile is named by people, and a detail repeats its name.
    for scan in db.RfidScan.select().filter(user_id=user_id):
        scan.set(tag=tags.redacted(scan.tag), profile=None, detail=None)
    for scan in db.RfidScan.select().filter(user_id=None, detail=learnt):
        scan.detail = None


def pseudonym(user_id: int) -> str:
    """What stands for a deleted user whose name is forgotten."""
    return f"former user {user_id}"


def _id_of(db: Any, name: str) -> int | None:
    """The id of the user of this name, or of a deleted one whose name is not forgotten; None for nobody's name."""
    user = find_user(db, name)
    if user is not None:
        return int(user.id)
    key = name_key(name)
    former = db.FormerUser.get(name_key=key) if can_exist(key) else None
    return None if former is None else int(former.user_id)


def _is_forgotten(db: Any, user_id: int | None) -> bool:
    return user_id is not None and db.User.get(id=user_id) is None and db.FormerUser.get(user_id=user_id) is None


def _within(found: Any, wanted: ScanFilter) -> Any:
    # Pony reads the lambdas' own source, and takes the plain variables that they name.
    from_s, to_s = wanted.from_s, wanted.to_s
    if from_s is not None:
        found = found.filter(lambda scan: scan.scanned_at >= from_s)
    if to_s is not None:
        found = found.filter(lambda scan: scan.scanned_at < to_s)
    if wanted.before is not None:
        at, number = wanted.before
        found = found.filter(lambda scan: scan.scanned_at < at or (scan.scanned_at == at and scan.id < number))
    return found


def _save(db: Any, row: ScanRow) -> None:
    changing = {
        "charge_point": row.charge_point,
        "profile": row.profile,
        "outcome": row.outcome,
        "detail": row.detail[:LONGEST_DETAIL] if row.detail else None,
        "commands": json.dumps([[one.id, one.purpose, one.status] for one in row.commands]),
    }
    known = db.RfidScan.get(scan_key=row.key)
    if known is not None:
        if _is_forgotten(db, known.user_id):  # while the car was still there
            changing |= {"profile": None, "detail": None}
        known.set(**changing)
        return
    owned = db.Tag.get(tag_key=tags.key(row.tag))
    user = None if owned is None else db.User.get(id=owned.user_id)
    db.RfidScan(
        scan_key=row.key,
        scanned_at=row.scanned_at,
        tag=row.tag if user is not None else tags.redacted(row.tag),
        user_id=None if user is None else user.id,
        **changing,
    )


def _row(scan: Any, names: dict[int, str]) -> ScanRow:
    return ScanRow(
        id=scan.id,
        key=scan.scan_key,
        scanned_at=scan.scanned_at,
        tag=scan.tag,
        charge_point=scan.charge_point,
        user=None if scan.user_id is None else names.get(scan.user_id, pseudonym(scan.user_id)),
        profile=scan.profile,
        outcome=scan.outcome,
        detail=scan.detail,
        commands=tuple(ScanCommand(*one) for one in json.loads(scan.commands)),
    )
