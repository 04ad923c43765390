"""Tags, profiles and scans as the api takes and shows them. Pure.

What a profile does is decided in common/profiles.py, here stands its form. Called by handlers/rfid.py.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from api import control, instants
from api.access import Role
from api.errors import NotAllowed, NotPossible, UnknownChargePoint
from api.inputs import whole_number
from api.periods import boundary
from api.shapes import WishedLimit
from api.shapes_rfid import (
    CommandPurpose,
    DryRunAnswer,
    LearningAnswer,
    LearningStatus,
    ProfileAnswer,
    ProfileBody,
    ScanAnswer,
    ScanCommandShape,
    TagShape,
)
from api.sight import Sight
from common import commands
from common.commands import Status
from common.errors import AppError, FieldError
from common.model import SiteState
from common.profiles import DAYS, SITE_WIDE_REFUSED, WISHES, Decision, Outcome, Profile
from common.store.rows import LearningRow, ScanFilter, ScanRow, TagRow
from common.tags import redacted, tag_of

MOST_SCANS = 200
DEFAULT_SCANS = 50

_TAG_WORDS = "must be 1 to 64 letters, digits, spaces or any of : . _ - and no zeros alone"
_CURSOR = re.compile(r"([0-9]{1,11})-([0-9]{1,18})")
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?")


def needs_elevation(role: Role, *, is_own: bool, is_writing: bool) -> bool:
    """Whether one may touch a person's things with elevation only: one's own never, an admin anybody's to change them.

    Raises NotAllowed for who may not at all.
    """
    if is_own:
        return False
    if role is not Role.ADMIN:
        raise NotAllowed("this is somebody else's")
    return is_writing


def tag(text: str) -> str:
    """A tag that somebody typed; raises FieldError."""
    known = tag_of(text)
    if known is None:
        raise FieldError("some fields are missing or wrong", {"tag": _TAG_WORDS})
    return known


def profile_of(body: ProfileBody, user: str, sight: Sight, state: SiteState | None) -> Profile:
    """A profile as somebody wishes it, for a user who has `sight`.

    Raises FieldError, UnknownChargePoint, NotAllowed or NotPossible, as far as the state is known.
    """
    faults: dict[str, str] = {}
    wishes = {name: value for name, value in msgspec.to_builtins(body).items() if name in WISHES}
    if not wishes:
        faults["mode"] = "or current_a or limit must be there: a profile must wish for something"
    else:
        faults |= commands.faults(wishes)
    if (body.from_ is None) != (body.until is None):
        faults["from" if body.from_ is None else "until"] = "must be there, too: a window has two ends"
    elif body.from_ is not None and body.from_ == body.until:
        faults["until"] = "must not be the same as from; without both a profile holds the whole day"
    expires_at = None
    if body.expires_at is not None:
        try:
            expires_at = int(instants.parse(body.expires_at))
        except ValueError as exc:
            faults["expires_at"] = str(exc)
    if body.tag is not None and tag_of(body.tag) is None:
        faults["tag"] = _TAG_WORDS
    if faults:
        raise FieldError("some fields are missing or wrong", faults)
    profile = Profile(
        name=body.name,
        user=user,
        tag=None if body.tag is None else tag_of(body.tag),
        charge_point=body.charge_point,
        wishes=wishes,
        weekdays=tuple(sorted({DAYS.index(day) for day in body.weekdays})),
        from_minute=_minute(body.from_),
        until_minute=_minute(body.until),
        expires_at=expires_at,
        restores=body.restores,
        is_enabled=body.is_enabled,
    )
    check_sight(profile, sight, state)
    if state is not None:
        _check_possible(state, profile.charge_point, wishes, sight)
    return profile


def check_sight(profile: Profile, sight: Sight, state: SiteState | None) -> None:
    """Raises UnknownChargePoint or NotAllowed for a profile that its limited user may not have.

    What a scan changes is decided anew then, by the limits and the wallbox of then (common/profiles.py).
    """
    if not sight.is_limited:
        return
    if profile.charge_point is not None and not sight.sees(profile.charge_point):
        raise UnknownChargePoint("there is no such charge point")
    is_shared = state is not None and not profile.wishes.keys().isdisjoint(control.site_wide(state))
    if state is not None and is_shared and not all(sight.sees(name) for name in state.charge_points):
        raise NotAllowed(SITE_WIDE_REFUSED)


def local_instant(text: str, zone: tzinfo) -> float:
    """Unix seconds of an RFC 3339 instant, or of a wall-clock time of the site; raises FieldError.

    Of an hour that comes twice the first one is meant; one that is left out counts on from the hour before.
    """
    try:
        is_local = _LOCAL.fullmatch(text) is not None
        at = datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() if is_local else instants.parse(text)
        datetime.fromtimestamp(at, zone)  # the last hours of the year 9999 exist in some zones only
        return at
    except (ValueError, OverflowError) as exc:
        words = "must be like 2026-11-29T23:00, in the site's time, or an RFC 3339 instant with an offset"
        raise FieldError("some fields are missing or wrong", {"at": words}) from exc


def dry_run(decision: Decision, at: float, zone: tzinfo, state: SiteState | None) -> DryRunAnswer:
    """What would be done, and why, or why not."""
    reasons = list(decision.reasons)
    outcome = decision.outcome
    profile = decision.profile
    if outcome is Outcome.APPLYING and profile is not None and state is not None:
        try:
            control.check_possible(state, decision.charge_point, profile.wishes)
        except FieldError as error:
            outcome = Outcome.REJECTED
            reasons += [f"{field} {fault}" for field, fault in error.faults.items()]
    return DryRunAnswer(
        outcome="apply" if outcome is Outcome.APPLYING else outcome.value,
        user=decision.owner.name if decision.owner else None,
        profile=None if profile is None else profile_shape(profile),
        charge_point=decision.charge_point if profile else None,
        at=instants.text(at),
        local_time=datetime.fromtimestamp(at, zone).strftime("%a %Y-%m-%d %H:%M"),
        reasons=reasons or [_WORDS.get(outcome, "")],
    )


def scan_filter(parameters: Mapping[str, str], user: str | None, zone: ZoneInfo) -> tuple[ScanFilter, int]:
    """What `?from&to&outcome&charge_point&user&cursor&limit` ask for; raises FieldError. `user`: only this one's."""
    faults: dict[str, str] = {}
    found: dict[str, Any] = {"outcome": parameters.get("outcome"), "charge_point": parameters.get("charge_point")}
    for name in ("from", "to"):
        try:
            if name in parameters:
                found[f"{name}_s"] = int(boundary(parameters[name], zone))
        except ValueError as exc:
            faults[name] = str(exc)
    known = [outcome.value for outcome in Outcome]
    if found["outcome"] is not None and found["outcome"] not in known:
        faults["outcome"] = f"must be one of {', '.join(known)}"
    cursor = _CURSOR.fullmatch(parameters["cursor"]) if "cursor" in parameters else None
    if cursor is not None:
        found["before"] = (int(cursor[1]), int(cursor[2]))
    elif "cursor" in parameters:
        faults["cursor"] = "must be the next_cursor of an answer before"
    limit = DEFAULT_SCANS
    try:
        limit = whole_number(parameters.get("limit", str(DEFAULT_SCANS)), lowest=1, highest=MOST_SCANS)
    except ValueError as exc:
        faults["limit"] = str(exc)
    if faults:
        raise FieldError("some parameters are wrong", faults)
    return ScanFilter(user=user or parameters.get("user"), **found), limit


def cursor(row: ScanRow) -> str:
    """Where the next page begins."""
    return f"{row.scanned_at}-{row.id}"


def tag_shape(row: TagRow) -> TagShape:
    return TagShape(row.tag, row.label, instants.text(row.added_at))


def learning_shape(row: LearningRow | None, now: float) -> LearningAnswer:
    if row is None:
        return LearningAnswer(LearningStatus.IDLE, None, None, None)
    status = LearningStatus.WAITING if row.ends_at > now else LearningStatus.EXPIRED
    if row.tag is not None:
        status = LearningStatus.LEARNED
    return LearningAnswer(status, row.tag, row.label, instants.text(row.ends_at))


def profile_shape(profile: Profile) -> ProfileAnswer:
    optional: dict[str, Any] = {name: profile.wishes[name] for name in WISHES if name in profile.wishes}
    if "limit" in optional:
        optional["limit"] = msgspec.convert(optional["limit"], WishedLimit)
    return ProfileAnswer(
        id=str(profile.id),
        name=profile.name,
        user=profile.user,
        tag=profile.tag,
        charge_point=profile.charge_point,
        weekdays=[DAYS[day] for day in profile.weekdays],
        from_=_hours(profile.from_minute),
        until=_hours(profile.until_minute),
        expires_at=None if profile.expires_at is None else instants.text(profile.expires_at),
        restores=profile.restores,
        is_enabled=profile.is_enabled,
        **optional,
    )


def scan_shape(row: ScanRow) -> ScanAnswer:
    return ScanAnswer(
        id=str(row.id),
        scanned_at=instants.text(row.scanned_at),
        tag=row.tag,
        charge_point=row.charge_point,
        user=row.user,
        profile=row.profile,
        outcome=Outcome(row.outcome),
        detail=row.detail,
        commands=[ScanCommandShape(one.id, CommandPurpose(one.purpose), Status(one.status)) for one in row.commands],
    )


def audit_subject(profile: Profile) -> str:
    return f"{profile.user}, {profile.id}"


def audit_values(profile: Profile) -> dict[str, Any]:
    """A profile as the audit keeps it: of a tag no more than its end."""
    values: dict[str, Any] = msgspec.to_builtins(profile_shape(profile))
    return {**values, "tag": None if profile.tag is None else redacted(profile.tag)}


def with_id(profile: Profile, profile_id: int) -> Profile:
    return replace(profile, id=profile_id)


def _check_possible(state: SiteState, charge_point: str | None, wishes: Mapping[str, Any], sight: Sight) -> None:
    """Of a profile for any charge point, at least one of theirs must be able to do it."""
    error: AppError | None = None
    for number in [charge_point] if charge_point is not None else sorted(filter(sight.sees, state.charge_points)):
        try:
            control.check_possible(state, number, wishes)
        except (FieldError, NotPossible) as exc:
            error = error or exc
        else:
            return
    if error is not None:
        raise error


def _minute(text: str | None) -> int | None:
    return None if text is None else int(text[:2]) * 60 + int(text[3:])


def _hours(minute: int | None) -> str | None:
    return None if minute is None else f"{minute // 60:02}:{minute % 60:02}"


_WORDS = {
    Outcome.UNKNOWN: "this tag is nobody's",
    Outcome.NO_PROFILE: "its user has no profile for it",
}
