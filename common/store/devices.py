"""What acts for users: phones that logged in or were paired, the existing app, API tokens. One row each, in and out.

A row is what makes its tokens good: without it, or with a user who is disabled, they open nothing. Hashes of refresh
tokens come from the caller. All functions block and raise StoreUnavailable or StoreError besides what they name.
"""

import hmac
from collections.abc import Sequence
from typing import Any

from pony import orm

from common.store.bind import Store
from common.store.errors import TokensFull
from common.store.rows_people import Active, DeviceRow, Kind, Rotation
from common.store.users import charge_points_of, user_row

MOST_LOGINS = 50
"""Of one user. A script that logs in again and again pushes out what never came back, before any phone in use."""

MOST_API_TOKENS = 20

REPEAT_S = 30
"""How long the answer to a refresh may be asked for again: a client that hears nothing gives up after 10 to 30 s."""


def add(store: Store, device: DeviceRow) -> tuple[str, ...]:
    """Add a device, and forget the user's expired ones, and logins above the bound; the ids that were forgotten.

    Raises TokensFull for an API token above its bound: nobody expects one to vanish.
    """

    def work(db: Any) -> tuple[str, ...]:
        is_api = device.kind == Kind.API
        mine = [d for d in _of(db, device.user_id) if (d.kind == Kind.API) == is_api]
        expired = [d for d in mine if d.expires_at <= device.created_at]
        # What was never refreshed goes first: a script's logins. Of the rest, what was seen longest ago.
        others = sorted(set(mine) - set(expired), key=lambda d: (d.refreshed_at is not None, d.seen_at, d.created_at))
        if is_api and len(others) >= MOST_API_TOKENS:
            raise TokensFull(f"there are {MOST_API_TOKENS} tokens already; remove one first")
        gone = [*expired, *others[: max(0, len(others) - MOST_LOGINS + 1)]]
        forgotten = tuple(d.id for d in gone)
        for d in gone:
            _remove(db, d)
        db.Device(
            id=device.id,
            user_id=device.user_id,
            kind=device.kind,
            name=device.name,
            scopes=" ".join(device.scopes),
            created_at=device.created_at,
            expires_at=device.expires_at,
            seen_at=device.seen_at,
            seen_from=device.seen_from,
            refreshed_at=device.refreshed_at,
            family_hash=device.family_hash,
            refresh_hash=device.refresh_hash,
            minted_by=device.minted_by,
        )
        return forgotten

    return store.run(work)


def active(store: Store, device_id: str, now: int) -> Active | None:
    """The device if its tokens are good now: it is there, has not expired, and its user may log in."""
    return store.run(lambda db: _active(db, db.Device.get(id=device_id), now))


def rotate(
    store: Store, *, family_hash: str, old_hash: str, new_hash: str, now: int, lasts_s: int, proof: str
) -> Rotation:
    """Exchange a refresh token. A former one ends the device, unless it comes with the same `proof` as the first time,
    within REPEAT_S, and before anybody used the next one: then the answer is that same next one again.

    `new_hash` is always the same for the same old token. `proof` is a digest of what only the same device sends.
    """

    def work(db: Any) -> Rotation:
        device = db.Device.get_for_update(family_hash=family_hash)
        found = _active(db, device, now)
        if device is None or found is None:
            return Rotation(None)
        if device.refresh_hash == old_hash:
            device.set(
                refresh_hash=new_hash,
                previous_hash=old_hash,
                repeat_proof=proof,
                refreshed_at=now,
                expires_at=now + lasts_s,
            )
            return Rotation(found)
        is_former = device.previous_hash == old_hash and device.refresh_hash == new_hash
        if is_former and now - device.refreshed_at <= REPEAT_S and hmac.compare_digest(device.repeat_proof, proof):
            return Rotation(found, was_repeated=True)
        _remove(db, device)
        return Rotation(found, was_reused=True)

    return store.run(work)


def seen(store: Store, device_id: str, at: int, address: str) -> None:
    """Note that a device was there; nothing if it is gone."""

    def work(db: Any) -> None:
        device = db.Device.get(id=device_id)
        if device is not None:
            device.set(seen_at=at, seen_from=address)
            if device.kind == Kind.API:
                device.refreshed_at = at

    store.run(work)


def of_user(store: Store, user_id: int, now: int) -> list[DeviceRow]:
    """Those of a user that have not expired, the one seen last first."""

    def work(db: Any) -> list[DeviceRow]:
        rows = [_row(device) for device in _of(db, user_id) if device.expires_at > now]
        return sorted(rows, key=lambda row: (-row.seen_at, row.id))

    return store.run(work)


def rename(store: Store, user_id: int, device_id: str, name: str) -> DeviceRow | None:
    """The renamed device; None if this user has no such one."""

    def work(db: Any) -> DeviceRow | None:
        device = db.Device.get(id=device_id, user_id=user_id)
        if device is None:
            return None
        device.name = name
        return _row(device)

    return store.run(work)


def revoke(store: Store, user_id: int, device_id: str, *, with_minted: bool = False) -> tuple[str, ...]:
    """The ids that are gone now: the device, and with `with_minted` all that it minted, and what these did.

    Empty if this user has no such device.
    """

    def work(db: Any) -> tuple[str, ...]:
        device = db.Device.get(id=device_id, user_id=user_id)
        if device is None:
            return ()
        gone = [device]
        if with_minted:
            others = _of(db, user_id)
            for known in gone:  # grows while it is walked through
                gone += [other for other in others if other.minted_by == known.id and other not in gone]
        ids = tuple(one.id for one in gone)
        for one in gone:
            _remove(db, one)
        return ids

    return store.run(work)


def revoke_all(store: Store, user_id: int, *, but: str | None = None) -> tuple[str, ...]:
    """Revoke everything of a user, except the device `but`; the ids that are gone."""

    def work(db: Any) -> tuple[str, ...]:
        gone = [device for device in _of(db, user_id) if device.id != but]
        ids = tuple(device.id for device in gone)
        for device in gone:
            _remove(db, device)
        return ids

    return store.run(work)


def _remove(db: Any, device: Any) -> None:
    """What it minted stays, and counts as minted by what minted it: nothing drops out of the row by a logout."""
    for other in _of(db, device.user_id):
        if other.minted_by == device.id:
            other.minted_by = device.minted_by
    device.delete()


def _of(db: Any, user_id: int) -> Sequence[Any]:
    return list(orm.select(d for d in db.Device if d.user_id == user_id))


def _active(db: Any, device: Any, now: int) -> Active | None:
    if device is None or device.expires_at <= now:
        return None
    user = db.User.get(id=device.user_id)
    if user is None or user.is_disabled:
        return None
    return Active(_row(device), user_row(user), charge_points_of(db, user.id))


def _row(device: Any) -> DeviceRow:
    return DeviceRow(
        id=device.id,
        user_id=device.user_id,
        kind=device.kind,
        name=device.name,
        scopes=tuple(device.scopes.split()),
        created_at=device.created_at,
        expires_at=device.expires_at,
        seen_at=device.seen_at,
        seen_from=device.seen_from,
        refreshed_at=device.refreshed_at,
        family_hash=device.family_hash,
        refresh_hash=device.refresh_hash,
        minted_by=device.minted_by,
    )
