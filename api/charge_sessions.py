"""Charge sessions: what may be asked of them, by whom, and how they are told. Pure.

An admin sees all of them, a driver their own. A viewer sees all, but not who charged: neither user nor tag. Whoever is
limited to charge points sees those at others as if they were not there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from api import instants, odd_readings
from api.access import Role
from api.errors import NotAllowed
from api.exports.figures import CURRENCY, MILLICENT_PLACES, decimal
from api.exports.lines import Line, plugged_s, unknown_source_wh
from api.inputs import whole_number
from api.periods import period
from api.shapes_sessions import CostBody, SessionBody
from api.sight import EVERYTHING, Sight
from common.errors import FieldError
from common.meters import OddReading
from common.store.rows import CorrectionRow, Doubt, SegmentRow, SessionFilter, SessionRecord, SessionRow

FILTERS = frozenset({"from", "to", "charge_point", "user", "tag", "vehicle"})
PAGING = frozenset({"limit", "cursor"})

DEFAULT_LIMIT = 50
MOST_AT_ONCE = 500
"""Sessions of one page: about 300 kB of answer."""

LONGEST_FILTER = 64  # characters, as in the store's columns

API_NAMES = {"user_name": "user", "cost_millicents": "cost"}
"""Column of the store → name in the API, where they differ."""

_PERSONAL = frozenset({"user_name", "tag"})
_CURSOR = re.compile(r"([0-9]{1,12})-([0-9]{1,18})")
_ID = re.compile(r"[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks."""

    role: Role
    user: str
    sight: Sight = EVERYTHING


@dataclass(frozen=True, slots=True)
class Page:
    """`after` is (started_at, id) of the last session of the page before."""

    wanted: SessionFilter
    limit: int
    after: tuple[int, int] | None


def page(parameters: Mapping[str, str], viewer: Viewer, zone: ZoneInfo) -> Page:
    """What `GET sessions` asks for; raises FieldError or NotAllowed."""
    faults: dict[str, str] = {}
    limit, after = DEFAULT_LIMIT, None
    if "limit" in parameters:
        try:
            limit = whole_number(parameters["limit"], lowest=1, highest=MOST_AT_ONCE)
        except ValueError as exc:
            faults["limit"] = str(exc)
    if "cursor" in parameters:
        found = _CURSOR.fullmatch(parameters["cursor"])
        if found is None:
            faults["cursor"] = "must be a next_cursor of an answer"
        else:
            after = (int(found[1]), int(found[2]))
    return Page(wanted(parameters, viewer, zone, faults), limit, after)


def wanted(
    parameters: Mapping[str, str], viewer: Viewer, zone: ZoneInfo, faults: dict[str, str] | None = None
) -> SessionFilter:
    """The filters that list and exports share, narrowed to what `viewer` may see; raises FieldError, NotAllowed."""
    faults = {} if faults is None else faults
    from_s, to_s = period(parameters, zone, faults)
    for name in ("charge_point", "user", "tag", "vehicle"):
        value = parameters.get(name)
        if value is not None and not (1 <= len(value) <= LONGEST_FILTER and value.isprintable()):
            faults[name] = f"must have 1 to {LONGEST_FILTER} printable characters"
    if faults:
        raise FieldError("some parameters are wrong", faults)
    user = parameters.get("user")
    if viewer.role is Role.VIEWER and ("user" in parameters or "tag" in parameters):
        raise NotAllowed("your role does not show who charged")
    if viewer.role is Role.DRIVER:
        if user is not None and user != viewer.user:
            raise NotAllowed("your role shows your own charge sessions only")
        user = viewer.user
    return SessionFilter(
        from_s=from_s,
        to_s=to_s,
        charge_point=parameters.get("charge_point"),
        user_name=user,
        tag=parameters.get("tag"),
        vehicle=parameters.get("vehicle"),
        charge_points=viewer.sight.key,
    )


def matches(asked: SessionFilter, session: SessionRow) -> bool:
    """Whether a session of the right period and charge point also has the person and vehicle that are asked for."""
    return all(
        value is None or value == getattr(session, name)
        for name, value in (("user_name", asked.user_name), ("tag", asked.tag), ("vehicle", asked.vehicle))
    )


def identifier(text: str) -> int | None:
    """The id in a path; None for what cannot be one."""
    return int(text) if _ID.fullmatch(text) else None


def may_see(session: SessionRow, viewer: Viewer) -> bool:
    is_theirs = viewer.role is not Role.DRIVER or session.user_name == viewer.user
    return is_theirs and viewer.sight.sees(session.charge_point)


def visible(line: Line, viewer: Viewer) -> Line:
    """What of a session and its corrections `viewer` is told."""
    if viewer.role is not Role.VIEWER:
        return line
    # The reason goes too: it is one for all that was corrected at once, and may name who charged.
    told = tuple(
        replace(change, corrected_by="", reason="") for change in line.corrections if change.field not in _PERSONAL
    )
    return Line(replace(line.session, user_name=None, tag=None), told, is_corrected=bool(line.corrections))


def cursor(session: SessionRow) -> str:
    """Where the page after this session begins."""
    return f"{session.started_at}-{session.id}"


def shown(line: Line) -> dict[str, Any]:
    """An item of `GET sessions`."""
    session = line.session
    has_sources = any(known is not None for known in (session.grid_wh, session.pv_wh, session.battery_wh))
    return {
        "id": session.id,
        "charge_point": session.charge_point,
        "started_at": instants.text(session.started_at),
        "ended_at": _instant(session.ended_at),
        "first_charged_at": _instant(session.first_charged_at),
        "last_charged_at": _instant(session.last_charged_at),
        "plugged_s": plugged_s(session),
        "charging_s": session.charging_s,
        "energy_wh": session.energy_wh,
        "meter_start_wh": session.meter_start_wh,
        "meter_end_wh": session.meter_end_wh,
        "sources": {
            "grid_wh": session.grid_wh,
            "pv_wh": session.pv_wh,
            "battery_wh": session.battery_wh,
            "unknown_wh": unknown_source_wh(session),
            "method": session.sources_method,
        }
        if has_sources
        else None,
        "cost": _cost(session.cost_millicents, session.cost_method),
        "soc_start_percent": session.soc_start_percent,
        "soc_end_percent": session.soc_end_percent,
        "mode": session.mode,
        "vehicle": session.vehicle,
        "tag": session.tag,
        "user": session.user_name,
        "discharged_wh": session.discharged_wh,
        "origin": session.origin,
        "doubt": session.doubt,
        "is_corrected": line.is_corrected,
    }


def shown_whole(record: SessionRecord, line: Line, odd: Sequence[OddReading] = ()) -> dict[str, Any]:
    """`GET sessions/{id}`; `line` is what of it may be seen, `odd` are its meter's odd readings meanwhile."""
    return {
        **shown(line),
        "segments": [_segment(segment) for segment in record.segments],
        "corrections": [_correction(change) for change in line.corrections],
        "odd_readings": odd_readings.shown(odd),
    }


def changes(body: SessionBody) -> dict[str, str | int | None]:
    """What a correction changes, by the store's names; raises FieldError when it is nothing, or for a bad reason."""
    if not (body.reason.strip() and body.reason.isprintable()):
        raise FieldError("the correction cannot be", {"reason": "must be 1 to 255 printable characters"})
    found: dict[str, str | int | None] = {}
    for name, value in (("user_name", body.user), ("tag", body.tag), ("vehicle", body.vehicle)):
        if not isinstance(value, msgspec.UnsetType):
            found[name] = value
    for name, reading in (("meter_start_wh", body.meter_start_wh), ("meter_end_wh", body.meter_end_wh)):
        if not isinstance(reading, msgspec.UnsetType):
            found[name] = reading
    if not isinstance(body.cost, msgspec.UnsetType):
        found["cost_millicents"] = None if body.cost is None else _millicents(body.cost)
    if isinstance(body.doubt, Doubt):
        raise FieldError("the correction cannot be", {"doubt": "must be null: a doubt can be settled, not made"})
    if body.doubt is None:
        found["doubt"] = None
    if not found:
        raise FieldError("the correction changes nothing", {"reason": "stands alone: name a field to correct"})
    return found


def only_changes(found: Mapping[str, str | int | None], session: SessionRow) -> dict[str, str | int | None]:
    """Those of `changes` that are none yet; raises FieldError when nothing is left, since its reason would be lost."""
    left = {name: value for name, value in found.items() if getattr(session, name) != value}
    if not left:
        raise FieldError(
            "the correction changes nothing", {API_NAMES.get(name, name): "stands there already" for name in found}
        )
    return left


def with_api_names(error: FieldError) -> FieldError:
    """The store's words about a correction, by the names of the API."""
    return FieldError(error.message, {API_NAMES.get(name, name): words for name, words in error.faults.items()})


def lines(rows: Sequence[SessionRow], corrected: Mapping[int, tuple[CorrectionRow, ...]], viewer: Viewer) -> list[Line]:
    """Rows with their corrections, as `viewer` may see them."""
    return [visible(line_of(row, corrected.get(row.id or 0, ())), viewer) for row in rows]


def line_of(session: SessionRow, corrections: Sequence[CorrectionRow]) -> Line:
    return Line(session, tuple(corrections), is_corrected=bool(corrections))


def _cost(millicents: int | None, method: str | None) -> dict[str, Any] | None:
    if millicents is None:
        return None
    return {"amount": decimal(millicents, MILLICENT_PLACES), "currency": CURRENCY, "method": method}


def _millicents(cost: CostBody) -> int:
    """Exactly; the shape allows no more places than there are."""
    sign = -1 if cost.amount.startswith("-") else 1
    whole, _, fraction = cost.amount.removeprefix("-").partition(".")
    return sign * int(whole + fraction.ljust(MILLICENT_PLACES, "0"))


def _segment(segment: SegmentRow) -> dict[str, Any]:
    return {
        "started_at": instants.text(segment.started_at),
        "ended_at": _instant(segment.ended_at),
        "is_charging": segment.is_charging,
        "mode": segment.mode,
        "meter_start_wh": segment.meter_start_wh,
        "meter_end_wh": segment.meter_end_wh,
        "grid_wh": segment.grid_wh,
        "pv_wh": segment.pv_wh,
        "battery_wh": segment.battery_wh,
        "cost": _cost(segment.cost_millicents, None),
    }


def _correction(change: CorrectionRow) -> dict[str, Any]:
    return {
        "field": API_NAMES.get(change.field, change.field),
        "old_value": _value(change.field, change.old_value),
        "new_value": _value(change.field, change.new_value),
        "corrected_at": instants.text(change.corrected_at),
        "corrected_by": change.corrected_by or None,
        "reason": change.reason or None,
    }


def _value(field: str, written: str) -> Any:
    """What stands in the store as JSON; an amount as in `cost`."""
    value = msgspec.json.decode(written)
    if field == "cost_millicents" and isinstance(value, int):
        return decimal(value, MILLICENT_PLACES)
    return value


def _instant(instant_s: int | None) -> str | None:
    return None if instant_s is None else instants.text(instant_s)
