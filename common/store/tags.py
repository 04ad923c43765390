"""RFID tags: whose they are, and learning a new one by its next scan.

All functions block and raise StoreUnavailable or StoreError besides what they name. A user's name may be typed in any
way that `users.get` takes; a tag must be one (`common.tags.tag_of`).
"""

from collections.abc import Mapping
from typing import Any

from common import tags
from common.errors import FieldError
from common.profiles import Owner
from common.store.bind import Store
from common.store.errors import LearningBusy, StoreConflict, TagTaken, UserUnknown
from common.store.names import LONGEST_KEY, name_key
from common.store.rows import LearningRow, TagRow

MOST_TAGS = 50
"""Tags of one user: the household's cards, each as two readers write it."""

LEARNING_S = 120
"""To walk to the wallbox and back. Whoever finds a card in the street has no longer than this to be quick."""

_ROW = 1


def owner_of(store: Store, tag: str) -> str | None:
    """The name of the user whose tag it is, in whatever spelling; None for nobody's."""

    def work(db: Any) -> str | None:
        user = _owner(db, tag)
        return None if user is None else str(user.name)

    return store.run(work)


def owners(db: Any) -> Mapping[str, Owner]:
    """Everybody's tags by `common.tags.key`, with what limits them; within a unit of work.

    Tags of users who are gone are nobody's.
    """
    limits: dict[int, list[str]] = {}
    for limit in db.UserChargePoint.select():
        limits.setdefault(limit.user_id, []).append(limit.charge_point)
    users = {
        user.id: Owner(
            user.name,
            user.role,
            bool(user.is_disabled),
            tuple(sorted(limits[user.id])) if user.id in limits else None,
        )
        for user in db.User.select()
    }
    return {tag.tag_key: users[tag.user_id] for tag in db.Tag.select() if tag.user_id in users}


def of_user(store: Store, user: str) -> list[TagRow]:
    """In the order in which they were added. Raises UserUnknown."""

    def work(db: Any) -> list[TagRow]:
        found = db.Tag.select().filter(user_id=user_row(db, user).id)
        return sorted((_row(tag) for tag in found), key=lambda row: (row.added_at, row.tag))

    return store.run(work)


def add(store: Store, user: str, tag: str, label: str | None, now: int) -> TagRow:
    """Give a tag to a user. Raises UserUnknown, TagTaken, or FieldError when the user has too many."""

    def work(db: Any) -> TagRow:
        return _add(db, user_row(db, user).id, tag, label, now)

    try:
        return store.run(work)
    except TagTaken:
        raise
    except StoreConflict as exc:  # by another process, at the same moment
        raise TagTaken("this tag belongs to somebody already", detail=exc.detail) from exc


def remove(store: Store, user: str, tag: str) -> bool:
    """Whether it was this user's. Raises UserUnknown."""

    def work(db: Any) -> bool:
        found = db.Tag.get(tag_key=tags.key(tag), user_id=user_row(db, user).id)
        if found is not None:
            found.delete()
        return found is not None

    return store.run(work)


def wait_for_card(store: Store, user: str, label: str | None, now: int) -> LearningRow:
    """The next card that is nobody's is this user's, for LEARNING_S. Raises UserUnknown or LearningBusy."""

    def work(db: Any) -> LearningRow:
        user_id = user_row(db, user).id
        learning = db.TagLearning.get_for_update(id=_ROW)
        if learning is not None:
            is_running = learning.learned_tag is None and learning.ends_at > now
            if is_running and learning.user_id != user_id and db.User.get(id=learning.user_id) is not None:
                raise LearningBusy("somebody else waits for a card; try again in two minutes")
            learning.delete()
            db.flush()
        row = db.TagLearning(id=_ROW, user_id=user_id, label=label, ends_at=now + LEARNING_S, learned_tag=None)
        db.flush()
        return LearningRow(db.User[user_id].name, row.label, row.ends_at, None)

    try:
        return store.run(work)
    except LearningBusy:
        raise
    except StoreConflict as exc:
        raise LearningBusy("somebody else began to wait for a card just now", detail=exc.detail) from exc


def learning(store: Store, user: str) -> LearningRow | None:
    """What this user waits for, or waited for last; None if somebody else did since. Raises UserUnknown."""

    def work(db: Any) -> LearningRow | None:
        known = user_row(db, user)
        row = db.TagLearning.get(id=_ROW, user_id=known.id)
        return None if row is None else LearningRow(known.name, row.label, row.ends_at, row.learned_tag)

    return store.run(work)


def stop_waiting(store: Store, user: str) -> bool:
    """Whether this user waited, or had. Raises UserUnknown."""

    def work(db: Any) -> bool:
        row = db.TagLearning.get(id=_ROW, user_id=user_row(db, user).id)
        if row is not None:
            row.delete()
        return row is not None

    return store.run(work)


def learn(store: Store, tag: str, now: int) -> str | None:
    """Give a scanned tag to whoever waits for one: the user's name. None if nobody waits, or it is somebody's.

    Of two cards at the same moment one is learnt.
    """

    def work(db: Any) -> str | None:
        row = db.TagLearning.get_for_update(id=_ROW)
        if row is None or row.learned_tag is not None or row.ends_at <= now or _owner(db, tag) is not None:
            return None
        user = db.User.get(id=row.user_id)
        if user is None:
            return None
        try:
            _add(db, user.id, tag, row.label, now)
        except FieldError:  # too many meanwhile
            return None
        row.learned_tag = tag
        return str(user.name)

    return store.run(work)


def _add(db: Any, user_id: int, tag: str, label: str | None, now: int) -> TagRow:
    known = db.Tag.get(tag_key=tags.key(tag))
    if known is not None:
        if db.User.get(id=known.user_id) is not None:
            raise TagTaken("this tag belongs to somebody already")
        known.delete()
        db.flush()
    if db.Tag.select().filter(user_id=user_id).count() >= MOST_TAGS:
        raise FieldError("too many tags", {"tag": f"would be more than {MOST_TAGS} of this user"})
    added = db.Tag(tag_key=tags.key(tag), tag=tag, user_id=user_id, label=label, created_at=now)
    db.flush()
    return _row(added)


def _owner(db: Any, tag: str) -> Any:
    known = db.Tag.get(tag_key=tags.key(tag))
    return None if known is None else db.User.get(id=known.user_id)


def user_row(db: Any, name: str) -> Any:
    """The user of this name, within a unit of work. Raises UserUnknown."""
    user = find_user(db, name)
    if user is None:
        raise UserUnknown(f"there is no user {name.strip()!r}")
    return user


def find_user(db: Any, name: str) -> Any:
    """The user of this name, whatever anybody typed as a name; None if there is none. Within a unit of work."""
    key = name_key(name)
    return db.User.get(name_key=key) if 0 < len(key) <= LONGEST_KEY and key.isprintable() else None


def _row(tag: Any) -> TagRow:
    return TagRow(tag.tag, tag.label, tag.created_at)
