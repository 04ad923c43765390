"""Comparing the wallbox's own log with the stored sessions: what belongs together, what differs, what is missing.

Pure; used for the wallbox's log and for imported ones alike. An energy that differs is told, never evened out: the
session keeps the edge's own readings.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from common.store.rows import LogEntryRow, SessionRecord, SessionRow
from edge.charge_log.entries import Entry, grouped
from edge.charge_log.records import Group, agreed, energy_of, row_of, session_of, user_of

RECORDED = "recorded"  # the origin of a session that the edge saw itself

TOLERANCE_S = 180
"""How far an entry may lie beside its session: 1.9 notes the end up to two minutes late, in whole minutes cut off."""

SETTLED_S = 3600
"""An entry whose end is younger is not missed yet: its session may still be on its way into the database."""

NEIGHBOUR_S = 7 * 86_400  # how long a car may have stood plugged in, charged, while the edge was away

LONGEST_SESSION_S = 90 * 86_400  # how far before an entry its session may have begun

LEAST_DIFFERENCE_WH = 150
MORE_PER_ENTRY_WH = 50
LEAST_DIFFERENCE = 0.02
"""What counts as a difference: more than 150 Wh (and 50 Wh for each further entry), and more than 2 %. 1.9 begins to
count one or two loops after the current (20 s of 11 kW are 60 Wh), does not below 100 W, and cuts off to 10 Wh."""

LEAST_MISSED_WH = 200  # 1.9 does not log what never exceeds 100 W, as keeping a battery warm


@dataclass(frozen=True, slots=True)
class Addition:
    """A session that only the log has, with the entries that it is made of."""

    record: SessionRecord
    entries: tuple[LogEntryRow, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """What the log knows of a session and the edge did not hear; None: nothing."""

    session_id: int
    vehicle: str | None = None
    tag: str | None = None
    user_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A session whose energy is not that of its entries in the log."""

    charge_point: str
    started_at: int
    recorded_wh: int
    logged_wh: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to do and what to tell.

    `matched` have their session's id. `waiting` are entries too young to be missed, or of sessions not yet stored.
    `unlogged` are ended sessions with energy that the log lacks; it may be lost there (openWB forgets a charge in which
    it was restarted).
    """

    matched: tuple[LogEntryRow, ...] = ()
    additions: tuple[Addition, ...] = ()
    fills: tuple[Fill, ...] = ()
    differences: tuple[Difference, ...] = ()
    waiting: tuple[LogEntryRow, ...] = ()
    unlogged: tuple[SessionRow, ...] = ()


def compare(
    entries: Sequence[Entry],
    sessions: Iterable[SessionRow],
    *,
    now: int,
    origin: str,
    settled_s: int = SETTLED_S,
    complete: tuple[int, int] | None = None,
    owner_of: Callable[[str], str | None] = lambda _tag: None,
    undelivered: Iterable[SessionRow] = (),
) -> Comparison:
    """Compare entries, oldest first, with all stored sessions that may overlap them.

    `undelivered` wait for the database, with more than is stored of them: their entries wait, too. `origin` is that of
    sessions which only the log has. `owner_of` says whose a tag is. `complete` is the period (from, to) of which
    `entries` are the whole log: sessions in it can be said to be unlogged.
    """
    by_point: dict[str, list[SessionRow]] = defaultdict(list)
    for session in _together(sessions, undelivered):
        by_point[session.charge_point].append(session)
    matched: list[LogEntryRow] = []
    additions: list[Addition] = []
    waiting: list[LogEntryRow] = []
    of_session: dict[int, list[Entry]] = defaultdict(list)
    for group, found in _assigned(grouped(entries), by_point, origin):
        rows = [row_of(entry, now) for entry in group]
        if found is not None and found.id is not None:
            of_session[found.id] += group
            matched += (replace(row, session_id=found.id) for row in rows)
        elif found is not None or now - group[-1].ended_at < settled_s:
            waiting += rows
        else:
            additions.append(Addition(session_of(group, origin, owner_of), tuple(rows)))
    known = {row.id: row for listed in by_point.values() for row in listed if row.id is not None}
    ended = [(known[key], parts) for key, parts in of_session.items() if known[key].ended_at is not None]
    return Comparison(
        matched=tuple(matched),
        additions=tuple(additions),
        fills=tuple(fill for session, parts in ended if (fill := _fill(session, parts, owner_of)) is not None),
        differences=tuple(
            difference for session, parts in ended if (difference := _difference(session, parts, complete)) is not None
        ),
        waiting=tuple(waiting),
        unlogged=tuple(
            session
            for session in known.values()
            if session.id not in of_session and _is_missed(session, complete, now - settled_s)
        ),
    )


def differs(recorded_wh: int, logged_wh: Sequence[int]) -> bool:
    """Whether the energies of some entries are another than that of their session, beyond how openWB counts."""
    total_wh = sum(logged_wh)
    by_counting_wh = LEAST_DIFFERENCE_WH + MORE_PER_ENTRY_WH * (len(logged_wh) - 1)
    return abs(total_wh - recorded_wh) > max(by_counting_wh, LEAST_DIFFERENCE * max(recorded_wh, total_wh))


def period(entries: Sequence[Entry]) -> tuple[int, int] | None:
    """The starts (from ≤ started_at < to) of all sessions that may belong to `entries`; None when there are none."""
    if not entries:
        return None
    first, last = min(entry.started_at for entry in entries), max(entry.ended_at for entry in entries)
    return first - LONGEST_SESSION_S, last + NEIGHBOUR_S + 1


def _together(sessions: Iterable[SessionRow], undelivered: Iterable[SessionRow]) -> Iterable[SessionRow]:
    """All of them once each. Those have no id that the database lacks, or of whose end it does not know."""
    stored = list(sessions)
    has_ended = {_key(row): row.ended_at is not None for row in stored}
    news = {_key(row): replace(row, id=None) for row in undelivered}
    for key, row in list(news.items()):
        if key in has_ended and (has_ended[key] or row.ended_at is None):
            del news[key]
    return [*(row for row in stored if _key(row) not in news), *news.values()]


def _key(row: SessionRow) -> tuple[str, int]:
    return row.charge_point, row.started_at


def _assigned(
    groups: Sequence[Group], by_point: Mapping[str, Sequence[SessionRow]], origin: str
) -> list[tuple[Group, SessionRow | None]]:
    """Each group's session: the one at the same time, else a neighbour that counted its energy."""
    found: list[SessionRow | None] = []
    logged_wh: dict[tuple[str, int], int] = defaultdict(int)
    for group in groups:
        best = _best(group, by_point.get(group[0].charge_point, ()))
        found.append(best if best is not None and not _has_grown(best, group, origin) else None)
        if best is not None:
            logged_wh[_key(best)] += energy_of(group)
    for index, group in enumerate(groups):
        if found[index] is None:
            neighbour = _neighbour(group, by_point.get(group[0].charge_point, ()), logged_wh)
            if neighbour is not None:
                found[index] = neighbour
                logged_wh[_key(neighbour)] += energy_of(group)
    return list(zip(groups, found, strict=True))


def _neighbour(
    group: Group, sessions: Sequence[SessionRow], logged_wh: Mapping[tuple[str, int], int]
) -> SessionRow | None:
    """The recorded session beside it whose meter counted this charge, too: its energy is more than the log explains.

    The edge was off while the car was plugged in, and took the energy over from the meter without knowing the time.
    """
    energy_wh = energy_of(group)
    least_wh = max(energy_wh / 2, energy_wh - max(LEAST_DIFFERENCE_WH, LEAST_DIFFERENCE * energy_wh))
    later = [row for row in sessions if 0 < row.started_at - group[-1].ended_at <= NEIGHBOUR_S]
    earlier = [
        row for row in sessions if row.ended_at is not None and 0 < group[0].started_at - row.ended_at <= NEIGHBOUR_S
    ]
    beside = [
        *([min(later, key=lambda row: row.started_at)] if later else []),
        *([max(earlier, key=lambda row: row.started_at)] if earlier else []),
    ]
    for row in beside:
        unexplained_wh = (row.energy_wh or 0) - logged_wh.get(_key(row), 0)
        if row.origin == RECORDED and energy_wh > 0 and least_wh <= unexplained_wh:
            return row
    return None


def _best(group: Group, sessions: Sequence[SessionRow]) -> SessionRow | None:
    """The session of the same start, else that with most time in common; None when it lies beside all of them."""
    start, end = group[0].started_at, group[-1].ended_at
    best: tuple[int, SessionRow] | None = None
    for session in sessions:
        if session.started_at == start:
            return session
        until = session.ended_at if session.ended_at is not None else max(end, session.started_at)
        common_s = min(end, until) - max(start, session.started_at)
        if common_s >= -TOLERANCE_S and (best is None or common_s > best[0]):
            best = common_s, session
    return best[1] if best is not None else None


def _has_grown(session: SessionRow, group: Group, origin: str) -> bool:
    """Whether the session was made of the log's entries before the last of them was written."""
    return (
        session.origin == origin
        and session.started_at == group[0].started_at
        and session.ended_at is not None
        and session.ended_at < group[-1].ended_at
    )


def _fill(session: SessionRow, entries: Sequence[Entry], owner_of: Callable[[str], str | None]) -> Fill | None:
    if session.id is None:
        return None
    vehicle = agreed(entry.vehicle for entry in entries) if session.vehicle is None else None
    tag = agreed(entry.tag for entry in entries) if session.tag is None else None
    user_name = user_of(entries, tag, owner_of) if session.user_name is None else None
    fill = Fill(session.id, vehicle, tag, user_name)
    return None if fill == Fill(session.id) else fill


def _difference(session: SessionRow, entries: Sequence[Entry], complete: tuple[int, int] | None) -> Difference | None:
    is_whole = complete is None or session.started_at >= complete[0]  # else earlier entries are of another month
    if session.energy_wh is None or not is_whole:
        return None
    parts = [entry.energy_wh for entry in entries]
    if not differs(session.energy_wh, parts):
        return None
    return Difference(
        charge_point=session.charge_point,
        started_at=session.started_at,
        recorded_wh=session.energy_wh,
        logged_wh=sum(parts),
    )


def _is_missed(session: SessionRow, complete: tuple[int, int] | None, settled_at: int) -> bool:
    if complete is None or session.ended_at is None or not session.energy_wh:
        return False
    return (
        session.energy_wh > LEAST_MISSED_WH
        and session.started_at >= complete[0]
        and session.ended_at < min(complete[1], settled_at)
    )
