"""What a card does: profiles, when they are valid, and which of several counts.

Pure; used by the edge on a scan and by the api for a dry run, so that both say the same. Windows are in the wall-clock
time of the site: when the clock is set back an hour exists twice and counts twice, when it is set forward one is
missing.

Of a card's profiles those for the tag come before those for its user; of these the ones that name the charge point
before those for any; then those bound to weekdays or hours before those that always hold; then the oldest. The first
one that is valid at the time of the scan counts, and no other.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Any

from common import tags


class Day(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


DAYS = tuple(Day)
"""In the order of `datetime.weekday`."""

MINUTES_A_DAY = 24 * 60
WISHES = ("mode", "current_a", "limit")
"""What a profile may wish for; values as in common/commands.py."""

DRIVING_ROLES = ("driver", "admin")


class Outcome(StrEnum):
    """What became of a scan. The last four come after `applied`, where the profile puts things back on unplug."""

    UNKNOWN = "unknown"  # nobody's tag
    LEARNED = "learned"  # it was nobody's, and is the card of whoever waited for one
    LATE = "late"  # heard of too long after it happened, or nobody knows when it did
    NOT_ALLOWED = "not_allowed"  # the user is disabled, may only look, or is limited to other charge points
    NO_PROFILE = "no_profile"
    NOT_VALID = "not_valid"  # there are profiles, and none holds here and now
    NO_CHARGE_POINT = "no_charge_point"  # nobody knows at which one
    PROFILES_UNKNOWN = "profiles_unknown"  # the database was away
    WAITING = "waiting"  # for the wallbox, which waits for a plug
    NO_PLUG = "no_plug"  # the wallbox threw the tag away meanwhile
    APPLYING = "applying"
    APPLIED = "applied"
    REJECTED = "rejected"  # by the wallbox
    NOT_CONFIRMED = "not_confirmed"  # timed out, or somebody wished something else
    RESTORING = "restoring"
    RESTORED = "restored"
    KEPT = "kept"  # there was nothing to put back: somebody changed it meanwhile
    NOT_RESTORED = "not_restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile of one user. `tag` None: for all of the user's; `charge_point` None: for any.

    `weekdays` has 0 (Monday) to 6, empty is every day. From `from_minute` of the day to before `until_minute`; if that
    is the smaller one the window crosses midnight and belongs to the day on which it begins; both None is the whole
    day. `expires_at` in Unix seconds. `restores`: what was before is put back on unplug. `id` None: not stored yet.
    """

    id: int | None = None
    name: str
    user: str
    tag: str | None = None
    charge_point: str | None = None
    wishes: Mapping[str, Any]
    weekdays: tuple[int, ...] = ()
    from_minute: int | None = None
    until_minute: int | None = None
    expires_at: int | None = None
    restores: bool = True
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a tag is. `charge_points` are those that an admin limited them to; None: all."""

    name: str
    role: str
    is_disabled: bool
    charge_points: tuple[str, ...] | None = None

    def may_charge_at(self, charge_point: str) -> bool:
        return self.charge_points is None or charge_point in self.charge_points


@dataclass(frozen=True, slots=True)
class Book:
    """All tags and profiles of a site. `owners` by `common.tags.key`."""

    owners: Mapping[str, Owner]
    profiles: Sequence[Profile]


@dataclass(frozen=True, slots=True)
class Decision:
    """`outcome` is APPLYING if `profile` shall be applied, at `charge_point`, which is then known.

    `reasons` are for people: one for each profile that was looked at, in the order of precedence.
    """

    outcome: Outcome
    owner: Owner | None = None
    profile: Profile | None = None
    charge_point: str | None = None
    reasons: tuple[str, ...] = ()


def decide(
    book: Book,
    tag: str,
    at: float,
    charge_point: str | None,
    plugs: Mapping[str, bool | None],
    zone: tzinfo,
    *,
    site_wide: Collection[str],
) -> Decision:
    """What `tag` does at an instant. `charge_point` None: the wallbox did not say where; `plugs` has all of the
    site. `site_wide` are the wishes that change every charge point: for those alone who may charge at all of them."""
    owner = book.owners.get(tags.key(tag))
    if owner is None:
        return Decision(Outcome.UNKNOWN)
    if owner.is_disabled or owner.role not in DRIVING_ROLES:
        why = "the user is disabled" if owner.is_disabled else "the user may look, not charge"
        return Decision(Outcome.NOT_ALLOWED, owner, reasons=(why,))
    found = candidates(book.profiles, owner.name, tag)
    if not found:
        return Decision(Outcome.NO_PROFILE, owner)
    reasons = []
    outcome = Outcome.NOT_VALID
    theirs = {number: is_plugged for number, is_plugged in plugs.items() if owner.may_charge_at(number)}
    for profile in found:
        where = profile.charge_point or charge_point
        fault = _fault(profile, at, charge_point, zone)
        if fault is not None:
            reasons.append(f"{profile.name}: {fault}")
            continue
        if where is not None and not owner.may_charge_at(where):
            outcome = Outcome.NOT_ALLOWED
            reasons.append(f"{profile.name}: charge point {where} is not among the user's")
            continue
        if len(theirs) < len(plugs) and not profile.wishes.keys().isdisjoint(site_wide):
            outcome = Outcome.NOT_ALLOWED
            reasons.append(f"{profile.name}: {SITE_WIDE_REFUSED}")
            continue
        reasons.append(f"{profile.name}: holds")
        if where is None:
            where = _only_one(theirs)
        if where is None:
            return Decision(Outcome.NO_CHARGE_POINT, owner, profile, reasons=(*reasons, NO_CHARGE_POINT))
        if where not in plugs:
            return Decision(Outcome.NO_CHARGE_POINT, owner, profile, reasons=(*reasons, f"there is no {where} here"))
        return Decision(Outcome.APPLYING, owner, profile, where, tuple(reasons))
    return Decision(outcome, owner, reasons=tuple(reasons))


def learnt_by(user: str) -> str:
    """What a scan says when its card has become a user's."""
    return f"it is {user}'s card from now on"


SITE_WIDE_REFUSED = "the mode is the whole site's here, and the user may charge at some charge points only"

NO_CHARGE_POINT = "the wallbox did not say at which charge point, and not exactly one has a car: name it in the profile"


def candidates(profiles: Sequence[Profile], user: str, tag: str) -> list[Profile]:
    """A card's profiles in the order of precedence."""
    own = [
        profile
        for profile in profiles
        if profile.user == user and (profile.tag is None or tags.key(profile.tag) == tags.key(tag))
    ]
    return sorted(
        own,
        key=lambda one: (
            one.tag is None,
            one.charge_point is None,
            not one.weekdays and one.from_minute is None,
            one.id or 0,
        ),
    )


def is_open(profile: Profile, local: datetime) -> bool:
    """Whether its weekdays and hours hold at a wall-clock time."""
    minute = local.hour * 60 + local.minute
    begin, end = profile.from_minute, profile.until_minute
    day = local.weekday()
    if begin is None or end is None:
        return _has_day(profile, day)
    if begin < end:
        return begin <= minute < end and _has_day(profile, day)
    if minute >= begin:
        return _has_day(profile, day)
    return minute < end and _has_day(profile, (local - timedelta(days=1)).weekday())


def _has_day(profile: Profile, day: int) -> bool:
    return not profile.weekdays or day in profile.weekdays


def _fault(profile: Profile, at: float, charge_point: str | None, zone: tzinfo) -> str | None:
    """Why it does not hold, in words; None if it does."""
    if not profile.is_enabled:
        return "is switched off"
    if profile.expires_at is not None and at >= profile.expires_at:
        return "has expired"
    if None not in (profile.charge_point, charge_point) and profile.charge_point != charge_point:
        return f"is for charge point {profile.charge_point}"
    local = datetime.fromtimestamp(at, zone)
    if not is_open(profile, local):
        return f"does not hold on {DAYS[local.weekday()]} at {local:%H:%M}"
    return None


def _only_one(plugs: Mapping[str, bool | None]) -> str | None:
    """The only charge point, or the only one with a car."""
    if len(plugs) == 1:
        return next(iter(plugs))
    plugged = [number for number, is_plugged in plugs.items() if is_plugged]
    return plugged[0] if len(plugged) == 1 else None
