"""Profiles of RFID cards: kept as `common.profiles.Profile`, each with the user whose it is.

All functions block and raise StoreUnavailable or StoreError besides what they name.
"""

import json
from typing import Any

from common import tags
from common.errors import FieldError
from common.profiles import Book, Profile
from common.store.bind import Store
from common.store.errors import ProfileUnknown
from common.store.tags import owners, user_row

MOST_PROFILES = 50
"""Profiles of one user: for each day and each card one, with room."""


def book(store: Store) -> Book:
    """All tags and profiles, as they are at one instant. A home has some tens."""
    return store.run(lambda db: Book(owners(db), _all(db)))


def list_all(store: Store, user: str | None) -> list[Profile]:
    """By id; of one user, or of everybody. Raises UserUnknown."""

    def work(db: Any) -> list[Profile]:
        name = None if user is None else user_row(db, user).name
        return [profile for profile in _all(db) if name in (None, profile.user)]

    return store.run(work)


def get(store: Store, profile_id: int) -> Profile | None:
    return store.run(lambda db: next((one for one in _all(db) if one.id == profile_id), None))


def save(store: Store, profile: Profile) -> Profile:
    """Store a new profile, or replace the one with its id; as it stands then.

    Raises UserUnknown, ProfileUnknown, or FieldError for a tag that is not the user's, and for too many profiles.
    """

    def work(db: Any) -> Profile:
        user = user_row(db, profile.user)
        tag = None if profile.tag is None else db.Tag.get(tag_key=tags.key(profile.tag), user_id=user.id)
        if profile.tag is not None and tag is None:
            raise FieldError("some fields are missing or wrong", {"tag": "is not a tag of this user"})
        values = _values(profile, user.id)
        if profile.id is None:
            if db.Profile.select().filter(user_id=user.id).count() >= MOST_PROFILES:
                raise FieldError("too many profiles", {"name": f"would be more than {MOST_PROFILES} of this user"})
            row = db.Profile(**values)
        else:
            row = db.Profile.get(id=profile.id)
            if row is None:
                raise ProfileUnknown("there is no such profile")
            row.set(**values)
        db.flush()
        return _profile(row, user.name, None if tag is None else tag.tag)

    return store.run(work)


def remove(store: Store, profile_id: int) -> bool:
    """Whether it was there."""

    def work(db: Any) -> bool:
        row = db.Profile.get(id=profile_id)
        if row is not None:
            row.delete()
        return row is not None

    return store.run(work)


def _all(db: Any) -> list[Profile]:
    names = {user.id: user.name for user in db.User.select()}
    spelled = {(tag.tag_key, tag.user_id): tag.tag for tag in db.Tag.select()}
    found = []
    for row in db.Profile.select().order_by(db.Profile.id):
        # A profile for a tag that was taken away from its user does nothing, and comes back with the tag.
        tag = None if row.tag_key is None else spelled.get((row.tag_key, row.user_id), row.tag_key)
        if row.user_id in names:
            found.append(_profile(row, names[row.user_id], tag))
    return found


def _values(profile: Profile, user_id: int) -> dict[str, Any]:
    return {
        "name": profile.name,
        "user_id": user_id,
        "tag_key": None if profile.tag is None else tags.key(profile.tag),
        "charge_point": profile.charge_point,
        "wishes": json.dumps(dict(profile.wishes), sort_keys=True),
        "weekdays": "".join(map(str, profile.weekdays)) or None,
        "from_minute": profile.from_minute,
        "until_minute": profile.until_minute,
        "expires_at": profile.expires_at,
        "restores": profile.restores,
        "is_enabled": profile.is_enabled,
    }


def _profile(row: Any, user: str, tag: str | None) -> Profile:
    return Profile(
        id=row.id,
        name=row.name,
        user=user,
        tag=tag,
        charge_point=row.charge_point,
        wishes=json.loads(row.wishes),
        weekdays=tuple(map(int, row.weekdays or "")),
        from_minute=row.from_minute,
        until_minute=row.until_minute,
        expires_at=row.expires_at,
        restores=bool(row.restores),
        is_enabled=bool(row.is_enabled),
    )
