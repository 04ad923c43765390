"""Comparing the wallbox's own log with the stored sessions: what belongs together, what differs, what is missing.

Pure; used for the wallbox's log and for imported ones alike. An energy that differs is told, never evened out: the
session keeps the edge's own readings.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from common.store.rows import LogEntryRow, SessionRecord, SessionRow
from edge.charge_log.assigning import assigned
from edge.charge_log.entries import Entry, grouped
from edge.charge_log.records import Group, agreed, discharged, row_of, session_of, user_of
from edge.charge_log.verdicts import LOG, LONGEST_SESSION_S, NEIGHBOUR_S, RECORDED, Fate, Key, Verdict, differs, key_of

SETTLED_S = 3600
"""An entry whose end is younger is not missed yet: its session may still be on its way into the database."""

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
    discharged_wh: int | None = None


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
    it was restarted). `merged` are recorded ones in which the log has several times plugged in, or several cards.
    `verdicts` has each entry once, in the order in which they came.
    """

    matched: tuple[LogEntryRow, ...] = ()
    additions: tuple[Addition, ...] = ()
    fills: tuple[Fill, ...] = ()
    differences: tuple[Difference, ...] = ()
    waiting: tuple[LogEntryRow, ...] = ()
    unlogged: tuple[SessionRow, ...] = ()
    merged: tuple[SessionRow, ...] = ()
    verdicts: tuple[tuple[Entry, Verdict], ...] = ()


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
    stored: Sequence[LogEntryRow] = (),
) -> Comparison:
    """Compare entries, oldest first, with all stored sessions that may overlap them.

    `undelivered` wait for the database, with more than is stored of them: their entries wait, too. `origin` is that of
    sessions which only the log has. `owner_of` says whose a tag is. `complete` is the period (from, to) of which
    `entries` are the whole log: sessions in it can be said to be unlogged. `stored` are entries that were read before.
    """
    rows = _together(sessions, undelivered)
    groups = grouped(entries)
    is_own = origin == LOG
    verdicts = assigned(groups, rows, stored, is_own=is_own)
    book = _Keys(rows, stored, is_own=is_own)
    matched: list[LogEntryRow] = []
    additions: list[Addition] = []
    waiting: list[LogEntryRow] = []
    told: list[tuple[Entry, Verdict]] = []
    of_session: dict[int, list[Entry]] = {}
    for group, judged in zip(groups, verdicts, strict=True):
        verdict = judged
        if verdict.fate in (Fate.NEW, Fate.DOUBTFUL) and now - group[-1].ended_at < settled_s:
            verdict = Verdict(Fate.LATER, verdict.session)
        told += ((entry, verdict) for entry in group)
        session = verdict.session
        if verdict.fate is Fate.LATER:
            waiting += (row_of(entry, now) for entry in group)
        elif verdict.fate is Fate.THERE and session is None:
            continue
        elif verdict.fate is Fate.THERE and session is not None and not _has_grown(session, group, origin):
            of_session.setdefault(session.id or 0, []).extend(group)
            if not verdict.is_kept:
                kept = (book.entry(row_of(entry, now)) for entry in group)
                matched += (replace(row, session_id=session.id) for row in kept)
        elif verdict.fate is Fate.THERE and session is not None:
            additions.append(_addition(session_of(group, origin, owner_of, session.doubt), group, now))
        else:
            fresh = book.session(group)
            additions.append(_addition(session_of(fresh, origin, owner_of, verdict.doubt), fresh, now))
    known = {row.id: row for row in rows if row.id is not None}
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
        merged=tuple(session for session, parts in ended if session.origin == RECORDED and _are_several(parts)),
        verdicts=tuple(told),
    )


def period(entries: Sequence[Entry]) -> tuple[int, int] | None:
    """The starts (from ≤ started_at < to) of all sessions that may belong to `entries`; None when there are none."""
    if not entries:
        return None
    first, last = min(entry.started_at for entry in entries), max(entry.ended_at for entry in entries)
    return first - LONGEST_SESSION_S, last + NEIGHBOUR_S + 1


class _Keys:
    """The keys that are taken, so that no charge takes the place of another that began in the same second.

    The wallbox's own log is read again and again: there a key is the entry that it was before.
    """

    def __init__(self, sessions: Sequence[SessionRow], stored: Sequence[LogEntryRow], *, is_own: bool) -> None:
        self._is_own = is_own
        self._entries: set[Key] = {(row.charge_point, row.started_at) for row in stored}
        self._sessions: set[Key] = {key_of(row) for row in sessions}

    def session(self, group: Group) -> Group:
        """The group, with a start that neither a session nor an entry has."""
        if self._is_own:
            return group
        first = group[0]
        start = self._free(first.charge_point, first.started_at, self._entries, self._sessions)
        self._sessions.add((first.charge_point, start))
        self._entries.add((first.charge_point, start))
        return (replace(first, started_at=start, ended_at=max(start, first.ended_at)), *group[1:])

    def entry(self, row: LogEntryRow) -> LogEntryRow:
        """The entry of a session that is there, with a start that no other entry has."""
        if self._is_own:
            return row
        start = self._free(row.charge_point, row.started_at, self._entries)
        self._entries.add((row.charge_point, start))
        return replace(row, started_at=start, ended_at=max(start, row.ended_at))

    def _free(self, charge_point: str, start: int, *taken: set[Key]) -> int:
        while any((charge_point, start) in keys for keys in taken):
            start += 1
        return start


def _addition(record: SessionRecord, group: Group, now: int) -> Addition:
    return Addition(record, tuple(row_of(entry, now) for entry in group))


def _together(sessions: Iterable[SessionRow], undelivered: Iterable[SessionRow]) -> list[SessionRow]:
    """All of them once each. Those have no id that the database lacks, or of whose end it does not know."""
    stored = list(sessions)
    has_ended = {key_of(row): row.ended_at is not None for row in stored}
    news = {key_of(row): replace(row, id=None) for row in undelivered}
    for key, row in list(news.items()):
        if key in has_ended and (has_ended[key] or row.ended_at is None):
            del news[key]
    return [*(row for row in stored if key_of(row) not in news), *news.values()]


def _has_grown(session: SessionRow, group: Group, origin: str) -> bool:
    """Whether the session was made of the log's entries before the last of them was written."""
    return (
        session.origin == origin == LOG
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
    discharged_wh = discharged(entries)
    if discharged_wh is not None and discharged_wh <= (session.discharged_wh or 0):
        discharged_wh = None
    fill = Fill(session.id, vehicle, tag, user_name, discharged_wh)
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


def _are_several(entries: Sequence[Entry]) -> bool:
    """Whether more than one car, or one car more than once, was plugged in, as the log has it."""
    cards = {entry.tag for entry in entries} - {None}
    return len(cards) > 1 or sum(entry.begins_plug_in for entry in entries) > 1


def _is_missed(session: SessionRow, complete: tuple[int, int] | None, settled_at: int) -> bool:
    if complete is None or session.ended_at is None or not session.energy_wh:
        return False
    return (
        session.energy_wh > LEAST_MISSED_WH
        and session.started_at >= complete[0]
        and session.ended_at < min(complete[1], settled_at)
    )
