"""Second factors beside the TOTP secret of a user's row: an enrolment that waits for its first code, recovery codes.

Secrets and hashes come from the caller. All functions block and raise StoreUnavailable or StoreError besides what they
name.
"""

from collections.abc import Collection
from typing import Any

from pony import orm

from common.store.bind import Store
from common.store.users import put_totp_secret, with_user

ENROLMENT_LASTS_S = 15 * 60
"""From showing a secret to its first code: time to install an app."""


def begin(store: Store, name: str, secret: str, now: int) -> bool:
    """Keep a secret until a first code confirms it, in place of an earlier one; False if the user has one in use.

    Raises UserUnknown.
    """

    def work(db: Any, user: Any) -> bool:
        if user.totp_secret is not None:
            return False
        waiting = db.TotpEnrolment.get(user_id=user.id)
        if waiting is None:
            db.TotpEnrolment(user_id=user.id, secret=secret, created_at=now)
        else:
            waiting.set(secret=secret, created_at=now)
        return True

    return with_user(store, name, work)


def waiting(store: Store, user_id: int, now: int) -> str | None:
    """The secret that waits for its first code; None if none does."""

    def work(db: Any) -> str | None:
        found = db.TotpEnrolment.get(user_id=user_id)
        return found.secret if found is not None and found.created_at + ENROLMENT_LASTS_S > now else None

    return store.run(work)


def confirm(store: Store, name: str, secret: str, step: int, code_hashes: Collection[str]) -> bool:
    """Put the secret that waits to use, with the step of its first code used up; False if another one waits by now.

    Raises UserUnknown.
    """

    def work(db: Any, user: Any) -> bool:
        found = db.TotpEnrolment.get_for_update(user_id=user.id)
        if found is None or found.secret != secret or user.totp_secret is not None:
            return False
        put_totp_secret(db, user, secret)
        user.totp_last_step = step
        _put_codes(db, user.id, code_hashes)
        return True

    return with_user(store, name, work)


def replace_codes(store: Store, name: str, code_hashes: Collection[str]) -> None:
    """New recovery codes in place of all that are left. Raises UserUnknown."""

    def work(db: Any, user: Any) -> None:
        user_id = user.id
        orm.delete(c for c in db.RecoveryCode if c.user_id == user_id)
        _put_codes(db, user_id, code_hashes)

    with_user(store, name, work)


def use_code(store: Store, user_id: int, code_hash: str) -> bool:
    """Use up a recovery code; of any number of callers with the same one, one gets True."""

    def work(db: Any) -> bool:
        return _deleted(db, user_id, code_hash)

    return store.run(work)


def codes_left(store: Store, user_id: int) -> int:
    """How many recovery codes a user has not used yet."""
    return store.run(lambda db: int(orm.count(c for c in db.RecoveryCode if c.user_id == user_id)))


def _deleted(db: Any, user_id: int, code_hash: str) -> bool:
    # Pony takes $user_id and $code_hash from this function's own variables.
    cursor = db.execute("DELETE FROM recovery_code WHERE user_id = $user_id AND code_hash = $code_hash")
    return bool(cursor.rowcount == 1)


def _put_codes(db: Any, user_id: int, code_hashes: Collection[str]) -> None:
    for code_hash in code_hashes:
        db.RecoveryCode(user_id=user_id, code_hash=code_hash)
