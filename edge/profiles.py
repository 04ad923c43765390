"""What a scan sets going: a profile is applied by a command, and what was before is put back when the car leaves.

Pure; `common/profiles.py` decides which profile, `edge/loops/rfid.py` carries out and keeps visits over restarts. Only
what still is as the profile made it is put back: whoever changed something meanwhile, in an app, at the wallbox or by
another card, has the last word. Instants are real Unix seconds, as everywhere with commands.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from common import commands
from common.commands import Command, CommandRecord, Status
from common.model import ChargePoint
from common.profiles import Decision, Outcome
from common.store.rows import ScanCommand, ScanRow
from edge import restoring
from edge.scans import FRESH_S, Memory, Scan

ORIGIN = "rfid"

TAG_SETTLES_S = 3.0
"""openWB 2.x loads the template of a tag's vehicle when it binds the tag, and with it undoes what was set before. It
does so in one control cycle, whose topics are out within a second."""

TAG_WAITS_S = 400.0
"""2.x lets a tag wait 300 s for a plug, and looks at it once in a control interval of 60 s at most."""

REFUSED_WITHIN_S = 120.0
"""A tag that 2.x does not know is thrown away with the next control cycle; what waited longer had no plug."""

PLUG_WITHIN_S = 360.0
"""A profile that was applied before the car was plugged in is taken back when none comes."""

UNPLUG_SETTLES_S = 5.0
"""2.x puts its own template back on unplug, and a shaky plug is back within this."""

PROFILES_WITHIN_S = 60.0
"""How long a scan waits for a database that is away, with no profiles known from before."""

COMMAND_WITHIN_S = 120.0
"""After which a command without a record is given up: Redis was away, or has lost it."""

RESTORE_TRIES = 3
RESTORE_PAUSE_S = 30.0
WATCH_S = 120.0
"""A settled command may still change (2.x undoes some at its five-minute mark); its status is followed so long."""

MOST_VISITS = 500
"""Scans that are under way, or wait for the database: weeks of them. The oldest that are over give way."""


class Step(StrEnum):
    HEARD = "heard"
    HELD = "held"
    APPLYING = "applying"
    APPLIED = "applied"  # until the car leaves
    RESTORING = "restoring"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One scan and what follows from it. `since` is when `step` began.

    `wishes` are the profile's. `applied` is what the wallbox took over of them, `previous` what stood there before and
    shall be put back; both by slot (edge/restoring.py), which is a wish's name, with `@` and the mode that it belongs
    to where `is_by_mode`: the wallbox then has limits and currents by mode. `mode_then` is the mode that was on after
    it. `restoring` are the groups of wishes that are still to be put back, the first one first. `is_stored`: the
    database has it as it is.
    """

    key: str
    scan: Scan
    heard_at: float
    since: float
    step: Step = Step.HEARD
    outcome: Outcome = Outcome.WAITING
    detail: str | None = None
    user: str | None = None
    profile: str | None = None
    charge_point: str | None = None
    wishes: Mapping[str, Any] = field(default_factory=dict)
    restores: bool = False
    applied: Mapping[str, Any] = field(default_factory=dict)
    previous: Mapping[str, Any] = field(default_factory=dict)
    is_by_mode: bool = False
    mode_then: str | None = None
    was_plugged: bool = False
    unplugged_at: float | None = None
    restoring: tuple[Mapping[str, Any], ...] = ()
    tries: int = 0
    commands: tuple[ScanCommand, ...] = ()
    watched_until: float = 0.0
    is_stored: bool = False


@dataclass(slots=True)
class Journal:
    """What is kept over restarts: what the wallbox said last, and the scans that are not done, or not stored, yet."""

    memory: Memory = field(default_factory=Memory)
    visits: list[Visit] = field(default_factory=list)


def begin(scan: Scan, key: str, now: float) -> Visit:
    visit = Visit(key=key, scan=scan, heard_at=now, since=now, charge_point=scan.charge_point)
    return visit if scan.is_fresh else ended(visit, Outcome.LATE, "it was heard of too late to do anything", now)


def ended(visit: Visit, outcome: Outcome, detail: str | None, now: float) -> Visit:
    return _change(visit, now, step=Step.OVER, outcome=outcome, detail=detail)


def held(visit: Visit, now: float, *, is_held: bool, is_plugged: bool | None) -> Visit:
    """openWB 2.x has the tag in its hands, or let go of it: only then a profile may be applied."""
    waited_s = now - visit.heard_at
    if is_held and visit.step is Step.HEARD:
        return _change(visit, now, step=Step.HELD, detail="openWB waits for a car to be plugged in")
    if visit.step is not Step.HELD:
        return visit
    if waited_s > TAG_WAITS_S or (not is_held and waited_s > REFUSED_WITHIN_S and not is_plugged):
        return ended(visit, Outcome.NO_PLUG, "no car was plugged in in time", now)
    return visit if is_held else _change(visit, now, step=Step.HEARD, detail=None)


def is_ripe(visit: Visit, now: float, *, settles: bool) -> bool:
    """Whether it is time to decide; `settles`: the wallbox may still load a template for the tag."""
    return visit.step is Step.HEARD and (not settles or now - visit.since >= TAG_SETTLES_S)


def is_too_old(visit: Visit, now: float) -> bool:
    """Whether the time to decide is over: the edge was down meanwhile."""
    return visit.step is Step.HEARD and now - visit.since > FRESH_S


def judged(visit: Visit, decision: Decision, now: float, point: ChargePoint | None, *, is_by_mode: bool) -> Visit:
    """With what was decided; `point` is where."""
    known = replace(
        visit,
        user=decision.owner.name if decision.owner else None,
        profile=decision.profile.name if decision.profile else None,
        charge_point=decision.charge_point or visit.charge_point,
    )
    detail = "; ".join(decision.reasons) or None
    if decision.outcome is not Outcome.APPLYING or decision.profile is None:
        return ended(known, decision.outcome, detail, now)
    return _commanding(
        replace(
            known,
            wishes=decision.profile.wishes,
            restores=decision.profile.restores,
            was_plugged=point is not None and point.is_plugged is True,
            is_by_mode=is_by_mode,
            mode_then=None if point is None or point.mode is None else point.mode.value,
            outcome=Outcome.APPLYING,
            detail=detail,
        ),
        Step.APPLYING,
        "apply",
        now,
    )


def command(visit: Visit, now: float) -> Command | None:
    """The command that it has on its way; None if none."""
    if visit.step not in (Step.APPLYING, Step.RESTORING) or now < visit.since:
        return None
    return Command(
        id=visit.commands[-1].id,
        charge_point=visit.charge_point,
        wishes=visit.wishes if visit.step is Step.APPLYING else visit.restoring[0],
        accepted_at=now,
        by=visit.user or "",
        origin=ORIGIN,
    )


def followed(visit: Visit, record: CommandRecord | None, now: float) -> Visit:
    """With what became of its command; `record` None: it has none (any more)."""
    if record is None:
        if now - visit.since <= COMMAND_WITHIN_S:
            return visit
        return _failed(
            visit, Status.TIMED_OUT, "the command could not be handed over, or was lost: Redis was away", now
        )
    visit = noted(visit, record)
    if not record.status.is_settled:
        return visit
    if visit.step is Step.RESTORING:
        return (
            _restored(visit, now)
            if record.status is Status.CONFIRMED
            else _failed(visit, record.status, record.detail, now)
        )
    if record.status is not Status.CONFIRMED:
        visit = _failed(visit, record.status, record.detail, now)
    else:
        detail = f"{visit.detail}; {record.detail}" if visit.detail and record.detail else record.detail or visit.detail
        visit = _change(visit, now, step=Step.APPLIED, outcome=Outcome.APPLIED, detail=detail)
    mode = record.observed.get("mode") or visit.mode_then
    applied = {wish: wanted for wish, wanted in record.requested.items() if record.observed.get(wish) == wanted}
    # A previous value that no command may wish for (a current of 0, say) cannot be put back.
    previous = {
        wish: before
        for wish, wanted in applied.items()
        if (before := record.previous.get(wish)) not in (None, wanted) and not commands.faults({wish: before})
    }
    if visit.is_by_mode:
        applied, previous = restoring.by_mode(applied, mode), restoring.by_mode(previous, mode)
    return replace(visit, applied=applied, previous=previous, mode_then=mode, watched_until=now + WATCH_S)


def noted(visit: Visit, record: CommandRecord) -> Visit:
    """With a command's newest status."""
    known = tuple(replace(one, status=record.status.value) if one.id == record.id else one for one in visit.commands)
    return visit if known == visit.commands else replace(visit, commands=known, is_stored=False)


def took_over(visit: Visit, others: Sequence[Visit], site_wide: frozenset[str], now: float) -> list[Visit]:
    """A profile that was just applied, if only in part, takes over from earlier ones what is to be put back.

    First itself, then those. At the same charge point everything, elsewhere what holds for the whole site: the last car
    to leave restores.
    """
    previous, applied, left = dict(visit.previous), dict(visit.applied), []
    for other in others:
        is_open = other.step is Step.APPLIED and other.key != visit.key
        taken = set(other.previous)
        if is_open and other.charge_point == visit.charge_point:
            applied = {**other.applied, **applied}
            left.append(_change(other, now, step=Step.OVER, detail="a later card took over"))
        elif is_open and (taken := taken & site_wide & visit.applied.keys()):
            left.append(
                replace(
                    other,
                    previous=restoring.without(other.previous, taken),
                    applied=restoring.without(other.applied, taken),
                )
            )
        else:
            left.append(other)
            continue
        previous |= {slot: value for slot, value in other.previous.items() if slot in taken}
    previous = {slot: value for slot, value in previous.items() if applied.get(slot) != value}
    if visit.restores and previous:
        return [replace(visit, step=Step.APPLIED, previous=previous, applied=applied), *left]
    return [replace(visit, step=Step.OVER, previous={}), *left]


def watched(visit: Visit, point: ChargePoint, now: float) -> Visit:
    """An applied profile, seeing whether the car is there; when it has left, what is to be put back."""
    if visit.step is not Step.APPLIED or point.is_plugged is None:
        return visit
    if point.is_plugged:
        is_known = visit.was_plugged and visit.unplugged_at is None
        return visit if is_known else replace(visit, was_plugged=True, unplugged_at=None)
    if not visit.was_plugged:
        return _begin_restoring(visit, point, now) if now - visit.since >= PLUG_WITHIN_S else visit
    if visit.unplugged_at is None:
        return replace(visit, unplugged_at=now)
    return _begin_restoring(visit, point, now) if now - visit.unplugged_at >= UNPLUG_SETTLES_S else visit


def row(visit: Visit) -> ScanRow:
    """As the database keeps it."""
    return ScanRow(
        key=visit.key,
        scanned_at=int(visit.scan.scanned_at),
        tag=visit.scan.tag,
        charge_point=visit.charge_point,
        profile=visit.profile,
        outcome=visit.outcome.value,
        detail=visit.detail,
        commands=visit.commands,
    )


def is_done(visit: Visit, now: float) -> bool:
    """Whether it may be forgotten."""
    return visit.step is Step.OVER and visit.is_stored and now >= visit.watched_until


def bounded(visits: Sequence[Visit]) -> list[Visit]:
    """At most MOST_VISITS."""
    surplus = len(visits) - MOST_VISITS
    if surplus <= 0:
        return list(visits)
    over = {visit.key for visit in [one for one in visits if one.step is Step.OVER][:surplus]}
    return [visit for visit in visits if visit.key not in over][-MOST_VISITS:]


def _begin_restoring(visit: Visit, point: ChargePoint, now: float) -> Visit:
    shown = restoring.shown(point)
    if not visit.is_by_mode:
        groups = restoring.groups(visit.previous, visit.applied, shown)
    elif shown["mode"] == visit.mode_then:
        groups = restoring.groups_by_mode(visit.previous, visit.applied, shown)
    else:  # somebody chose another mode: they took over
        groups = ()
    if not groups:
        return ended(visit, Outcome.KEPT, "nothing to put back: it was changed meanwhile", now)
    begun = replace(visit, restoring=groups, tries=0, outcome=Outcome.RESTORING)
    return _commanding(begun, Step.RESTORING, "restore", now)


def _restored(visit: Visit, now: float) -> Visit:
    rest = visit.restoring[1:]
    if rest:
        return _commanding(replace(visit, restoring=rest, tries=0), Step.RESTORING, "restore", now)
    return replace(ended(visit, Outcome.RESTORED, None, now), restoring=(), watched_until=now + WATCH_S)


def _failed(visit: Visit, status: Status, detail: str | None, now: float) -> Visit:
    if visit.step is Step.APPLYING:
        outcome = Outcome.REJECTED if status is Status.REJECTED else Outcome.NOT_CONFIRMED
        return ended(visit, outcome, detail, now)
    if status is Status.SUPERSEDED:
        return ended(visit, Outcome.KEPT, detail, now)
    if status is Status.REJECTED or visit.tries + 1 >= RESTORE_TRIES:
        return ended(visit, Outcome.NOT_RESTORED, detail, now)
    again = replace(visit, tries=visit.tries + 1, detail=detail)
    return _commanding(again, Step.RESTORING, "restore", now + RESTORE_PAUSE_S)


def _commanding(visit: Visit, step: Step, purpose: str, at: float) -> Visit:
    """With a new command, whose id follows from the scan: handed over twice it is the same."""
    count = len(visit.commands)
    command_id = hashlib.sha256(f"{visit.key}:{count}".encode()).hexdigest()[:32]
    made = ScanCommand(command_id, purpose, Status.ACCEPTED.value)
    return _change(visit, at, step=step, commands=(*visit.commands, made))


def _change(visit: Visit, now: float, **values: Any) -> Visit:
    return replace(visit, since=now, is_stored=False, **values)
