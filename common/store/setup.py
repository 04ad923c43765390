"""The link by which the first user of a site is made, once, while there is none.

All functions block and raise StoreUnavailable or StoreError besides what they name.
"""

from typing import Any

from pony import orm

from common.store.bind import Store
from common.store.errors import SetupClosed
from common.store.names import clean
from common.store.rows import UserRow
from common.store.users import ADMIN, insert


def put_link(store: Store, secret_hash: str, expires_at: int) -> None:
    """The one link that is good from now on; raises SetupClosed if there is a user."""

    def work(db: Any) -> None:
        _check_open(db)
        orm.delete(link for link in db.SetupLink)
        db.SetupLink(secret_hash=secret_hash, expires_at=expires_at)

    store.run(work)


def is_open(store: Store) -> bool:
    """Whether there is no user yet."""
    return store.run(lambda db: not orm.exists(user for user in db.User))


def check_link(store: Store, secret_hash: str, now: int) -> None:
    """Raises SetupClosed unless `redeem` would find this link good."""

    def work(db: Any) -> None:
        _link(db, secret_hash, now)

    store.run(work)


def redeem(store: Store, *, secret_hash: str, name: str, password_hash: str, now: int) -> UserRow:
    """The first admin. Raises SetupClosed for a link that is wrong, used or old, or if there is a user; FieldError."""
    kept = clean(name)

    def work(db: Any) -> UserRow:
        _link(db, secret_hash, now).delete()
        return insert(db, kept, password_hash, ADMIN, now)

    return store.run(work)


def _link(db: Any, secret_hash: str, now: int) -> Any:
    _check_open(db)
    link = db.SetupLink.get_for_update(secret_hash=secret_hash)
    if link is None or link.expires_at <= now:
        raise SetupClosed("the setup link is not valid, or no longer")
    return link


def _check_open(db: Any) -> None:
    if orm.exists(user for user in db.User):
        raise SetupClosed("this site has users already; an admin adds more, or `wallport-api user add` on the box")
