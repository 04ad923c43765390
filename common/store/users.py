"""The people who may log in. Names are told apart without upper and lower case, as people write them.

Knows nothing of passwords or codes: hashes and secrets come from common/security and pass through. All functions
block and raise StoreUnavailable or StoreError besides what they name.
"""

import unicodedata
from collections.abc import Callable
from typing import Any

from common.errors import FieldError
from common.store.bind import Store
from common.store.errors import StoreConflict, UserExists, UserUnknown
from common.store.rows import UserRow

LONGEST_NAME = 64  # characters
LONGEST_KEY = 255  # a few letters of Unicode become many when they are normalised


def name_key(name: str) -> str:
    """What is equal for names that count as the same: "Jürgen" and "JÜRGEN", however their ü is encoded.

    Unicode's compatibility caseless matching (The Unicode Standard, 3.13, D146), without blanks around it.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", name).casefold())
    return unicodedata.normalize("NFKD", folded.casefold()).strip()


def add(store: Store, *, name: str, password_hash: str, role: str, created_at: int) -> UserRow:
    """Add a user who may log in at once; raises UserExists, or FieldError for a name that cannot be."""
    name, key = name.strip(), name_key(name)
    if not 1 <= len(name) <= LONGEST_NAME or not _can_exist(key):
        raise FieldError("bad user name", {"name": f"must have 1 to {LONGEST_NAME} printable characters"})

    def work(db: Any) -> UserRow:
        user = db.User(
            name=name,
            name_key=key,
            password_hash=password_hash,
            role=role,
            created_at=created_at,
            is_disabled=False,
            totp_secret=None,
        )
        user.flush()
        return _row(user)

    try:
        return store.run(work)
    except StoreConflict as exc:
        raise UserExists(f"there is a user {name!r} already", detail=exc.detail) from exc


def get(store: Store, name: str) -> UserRow | None:
    """The user of this name, whatever anybody typed as a name; None if there is none."""
    key = name_key(name)
    if not _can_exist(key):
        return None

    def work(db: Any) -> UserRow | None:
        user = db.User.get(name_key=key)
        return None if user is None else _row(user)

    return store.run(work)


def list_all(store: Store) -> list[UserRow]:
    """Everybody, in the order of their names; a home has a handful."""
    return store.run(lambda db: [_row(user) for user in db.User.select().order_by(db.User.name_key)])


def set_password_hash(store: Store, name: str, password_hash: str) -> None:
    """Raises UserUnknown."""
    _change(store, name, lambda user: user.set(password_hash=password_hash))


def set_disabled(store: Store, name: str, is_disabled: bool) -> None:
    """Raises UserUnknown."""
    _change(store, name, lambda user: user.set(is_disabled=is_disabled))


def set_totp_secret(store: Store, name: str, secret: str | None) -> None:
    """Set or, with None, remove the TOTP secret; a new one has no accepted step yet. Raises UserUnknown."""
    _change(store, name, lambda user: user.set(totp_secret=secret, totp_last_step=None))


def accept_totp_step(store: Store, name: str, step: int) -> bool:
    """Whether `step` is newer than every step accepted before; if so it is accepted now (RFC 6238, 5.2).

    Of any number of callers with the same step, in any number of processes, one gets True.
    """
    key = name_key(name)
    if not _can_exist(key):
        return False

    def work(db: Any) -> bool:
        return _accept(db, key, step)

    return store.run(work)


def _accept(db: Any, key: str, step: int) -> bool:
    # Pony takes $step and $key from this function's own variables.
    cursor = db.execute(
        "UPDATE user SET totp_last_step = $step WHERE name_key = $key AND totp_secret IS NOT NULL"
        " AND (totp_last_step IS NULL OR totp_last_step < $step)"
    )
    return bool(cursor.rowcount == 1)


def _change(store: Store, name: str, change: Callable[[Any], None]) -> None:
    key = name_key(name)

    def work(db: Any) -> None:
        user = db.User.get_for_update(name_key=key) if _can_exist(key) else None
        if user is None:
            raise UserUnknown(f"there is no user {name.strip()!r}")
        change(user)

    store.run(work)


def _can_exist(key: str) -> bool:
    """Whether a column can hold the key: neither too long nor with control characters or halves of characters."""
    return 0 < len(key) <= LONGEST_KEY and key.isprintable()


def _row(user: Any) -> UserRow:
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
