"""The people who may log in. Names are told apart without upper and lower case, as people write them (names.py).

Knows nothing of passwords or codes: hashes and secrets come from common/security and pass through. All functions
block and raise StoreUnavailable or StoreError besides what they name.
"""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from pony import orm

from common.store.bind import Store
from common.store.errors import LastAdmin, StoreConflict, UserExists, UserUnknown
from common.store.names import LONGEST_NAME as LONGEST_NAME
from common.store.names import can_exist, clean, skeleton
from common.store.names import name_key as name_key
from common.store.rows import UserRow
from common.store.rows_people import Account

ADMIN = "admin"
T = TypeVar("T")


def add(
    store: Store,
    *,
    name: str,
    password_hash: str,
    role: str,
    created_at: int,
    charge_points: Collection[str] | None = None,
    is_disabled: bool = False,
) -> UserRow:
    """Add a user, who may log in at once unless disabled; raises UserExists, or FieldError for a bad name."""
    kept = clean(name)

    def work(db: Any) -> UserRow:
        return insert(db, kept, password_hash, role, created_at, charge_points, is_disabled=is_disabled)

    try:
        return store.run(work)
    except UserExists:
        raise
    except StoreConflict as exc:
        raise UserExists(f"there is a user {kept!r} already", detail=exc.detail) from exc


def insert(
    db: Any,
    name: str,
    password_hash: str,
    role: str,
    created_at: int,
    charge_points: Collection[str] | None = None,
    *,
    is_disabled: bool = False,
) -> UserRow:
    """The part of `add` inside a unit of work; `name` is clean."""
    if db.FormerUser.get(name_key=name_key(name)) is not None:
        raise UserExists(f"sessions of a deleted user are kept under the name {name!r}; pseudonymise them first")
    alike = skeleton(name)
    if any(skeleton(user.name) == alike for user in db.User.select()):  # a home has a handful
        raise UserExists(f"there is a user {name!r} already, or one whose name looks the same")
    user = db.User(
        name=name,
        name_key=name_key(name),
        password_hash=password_hash,
        role=role,
        created_at=created_at,
        is_disabled=is_disabled,
        totp_secret=None,
    )
    user.flush()
    _limit(db, user.id, charge_points)
    return user_row(user)


def get(store: Store, name: str) -> UserRow | None:
    """The user of this name, whatever anybody typed as a name; None if there is none."""
    account = get_account(store, name)
    return None if account is None else account.user


def get_account(store: Store, name: str) -> Account | None:
    """The user of this name with their limits; None if there is none."""
    key = name_key(name)
    if not can_exist(key):
        return None

    def work(db: Any) -> Account | None:
        user = db.User.get(name_key=key)
        return None if user is None else _account(db, user)

    return store.run(work)


def list_all(store: Store) -> list[UserRow]:
    """Everybody, in the order of their names; a home has a handful."""
    return [account.user for account in list_accounts(store)]


def list_accounts(store: Store) -> list[Account]:
    """Everybody with their limits, in the order of their names."""
    return store.run(lambda db: [_account(db, user) for user in db.User.select().order_by(db.User.name_key)])


class Keep:
    """Says that `change` leaves something as it is."""


KEEP = Keep()


def change(
    store: Store,
    name: str,
    *,
    role: str | Keep = KEEP,
    is_disabled: bool | Keep = KEEP,
    password_hash: str | Keep = KEEP,
    charge_points: Collection[str] | Keep | None = KEEP,
) -> tuple[Account, Account]:
    """Change what is given; the account before and after. Raises UserUnknown, or LastAdmin and changes nothing."""

    def work(db: Any, user: Any) -> tuple[Account, Account]:
        before = _account(db, user)
        if not isinstance(role, Keep):
            user.role = role
        if not isinstance(is_disabled, Keep):
            user.is_disabled = is_disabled
        if not isinstance(password_hash, Keep):
            user.password_hash = password_hash
        if not isinstance(charge_points, Keep):
            _limit(db, user.id, charge_points)
        user.flush()
        if _is_active_admin(before.user) and not _is_active_admin(user):
            _check_admin_left(db)
        return before, _account(db, user)

    return with_user(store, name, work)


def remove(store: Store, name: str, now: int) -> UserRow:
    """Delete a user with all their devices, second factors, RFID tags and profiles; the user as they were.

    Their charge sessions and scans stay, and nobody else gets the name until `pseudonyms.give` has freed it. Raises
    UserUnknown, or LastAdmin and changes nothing.
    """

    def work(db: Any, user: Any) -> UserRow:
        row, user_id = user_row(user), user.id
        orm.delete(d for d in db.Device if d.user_id == user_id)
        orm.delete(c for c in db.RecoveryCode if c.user_id == user_id)
        orm.delete(t for t in db.TotpEnrolment if t.user_id == user_id)
        orm.delete(t for t in db.Tag if t.user_id == user_id)
        orm.delete(p for p in db.Profile if p.user_id == user_id)
        orm.delete(w for w in db.TagLearning if w.user_id == user_id)
        _limit(db, user_id, None)
        db.FormerUser(name_key=user.name_key, name=user.name, user_id=user_id, deleted_at=now)
        user.delete()
        db.flush()
        if _is_active_admin(row):
            _check_admin_left(db)
        return row

    return with_user(store, name, work)


def set_password_hash(store: Store, name: str, password_hash: str) -> None:
    """Raises UserUnknown."""
    change(store, name, password_hash=password_hash)


def set_disabled(store: Store, name: str, is_disabled: bool) -> None:
    """Raises UserUnknown or LastAdmin."""
    change(store, name, is_disabled=is_disabled)


def set_totp_secret(store: Store, name: str, secret: str | None) -> None:
    """Set or, with None, remove the TOTP secret. A new one has no accepted step and no recovery codes yet.

    Raises UserUnknown.
    """
    with_user(store, name, lambda db, user: put_totp_secret(db, user, secret))


def put_totp_secret(db: Any, user: Any, secret: str | None) -> None:
    """The part of `set_totp_secret` inside a unit of work."""
    user_id = user.id
    orm.delete(c for c in db.RecoveryCode if c.user_id == user_id)
    orm.delete(t for t in db.TotpEnrolment if t.user_id == user_id)
    user.set(totp_secret=secret, totp_last_step=None)


def accept_totp_step(store: Store, name: str, step: int) -> bool:
    """Whether `step` is newer than every step accepted before; if so it is accepted now (RFC 6238, 5.2).

    Of any number of callers with the same step, in any number of processes, one gets True.
    """
    key = name_key(name)
    if not can_exist(key):
        return False

    def work(db: Any) -> bool:
        return _accept(db, key, step)

    return store.run(work)


def charge_points_of(db: Any, user_id: int) -> tuple[str, ...] | None:
    """Inside a unit of work: the charge points that a user is limited to, in order; None: not limited."""
    found = orm.select(c.charge_point for c in db.UserChargePoint if c.user_id == user_id)
    return tuple(sorted(found)) or None


def user_row(user: Any) -> UserRow:
    """An entity as what may leave the unit of work."""
    return UserRow(
        id=user.id,
        name=user.name,
        role=user.role,
        password_hash=user.password_hash,
        created_at=user.created_at,
        is_disabled=user.is_disabled,
        totp_secret=user.totp_secret,
        totp_last_step=user.totp_last_step,
    )


def with_user(store: Store, name: str, work: Callable[[Any, Any], T]) -> T:
    """One unit of work on a user whose row is locked; raises UserUnknown."""
    key = name_key(name)

    def unit(db: Any) -> T:
        user = db.User.get_for_update(name_key=key) if can_exist(key) else None
        if user is None:
            raise UserUnknown(f"there is no user {name.strip()!r}")
        return work(db, user)

    return store.run(unit)


def _accept(db: Any, key: str, step: int) -> bool:
    # Pony takes $step and $key from this function's own variables.
    cursor = db.execute(
        "UPDATE user SET totp_last_step = $step WHERE name_key = $key AND totp_secret IS NOT NULL"
        " AND (totp_last_step IS NULL OR totp_last_step < $step)"
    )
    return bool(cursor.rowcount == 1)


def _is_active_admin(user: Any) -> bool:
    return bool(user.role == ADMIN and not user.is_disabled)


def _check_admin_left(db: Any) -> None:
    """Raises LastAdmin. The rows of all admins are locked, so that two who remove each other do not both succeed."""
    left = orm.select(u for u in db.User if u.role == ADMIN and not u.is_disabled).for_update()
    if not list(left):
        raise LastAdmin("this is the last admin; make another one first")


def _limit(db: Any, user_id: int, charge_points: Collection[str] | None) -> None:
    wanted = set(charge_points or ())
    for known in list(orm.select(c for c in db.UserChargePoint if c.user_id == user_id)):
        if known.charge_point in wanted:
            wanted.remove(known.charge_point)
        else:
            known.delete()
    for charge_point in sorted(wanted):
        db.UserChargePoint(user_id=user_id, charge_point=charge_point)


def _account(db: Any, user: Any) -> Account:
    return Account(user_row(user), charge_points_of(db, user.id))
