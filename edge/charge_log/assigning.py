"""To which stored session each entry of a charge log belongs, or why it is one of its own. Pure.

Called by edge/charge_log/matching.py. No charge is merged on a guess: an entry belongs to a session only if it is that
session's entry already, or if the two have time in common and their energies agree. In the log of the wallbox that the
edge records time in common is enough, since one plug charges one car. What may be the same and need not be is told as
`Doubt`, and is kept.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from common.store.rows import Doubt, LogEntryRow, SessionRow
from edge.charge_log.entries import Entry
from edge.charge_log.records import Group, energy_of
from edge.charge_log.verdicts import (
    IMPORT,
    LEAST_DIFFERENCE,
    LEAST_DIFFERENCE_WH,
    LOG,
    LONGEST_SESSION_S,
    NEIGHBOUR_S,
    RECORDED,
    TOLERANCE_S,
    Fate,
    Key,
    Verdict,
    differs,
    key_of,
)

MINUTE_S = 60
"""Several charges of one minute are kept a second apart, so that only the minute tells two notes of one charge."""

METER_SLACK_WH = 2  # two notes of one meter, rounded


def assigned(
    groups: Sequence[Group], sessions: Iterable[SessionRow], stored: Iterable[LogEntryRow], *, is_own: bool
) -> list[Verdict]:
    """A verdict for each group, in order.

    `stored` are the entries that were read before. `is_own`: the log is that of the wallbox that the edge records; then
    `groups` replace what of `stored` has their keys.
    """
    assigner = _Assigner(groups, sessions, stored, is_own)
    assigner.find_twins()
    assigner.find_common_time()
    assigner.find_neighbours()
    return assigner.verdicts()


@dataclass(slots=True)
class _Mark:
    """A charge that is known by its minutes and energy. `session` None: it is of an earlier file."""

    started_at: int
    ended_at: int
    session: SessionRow | None
    is_kept: bool = False


@dataclass(slots=True)
class _Point:
    """What is known of one charge point. Sessions in order of their start."""

    sessions: list[SessionRow] = field(default_factory=list)
    marks: dict[tuple[int | None, int], list[_Mark]] = field(default_factory=lambda: defaultdict(list))
    """By energy and minute of the start. Energy None: it was corrected, and the log has another one."""

    def near(self, start: int, end: int) -> list[SessionRow]:
        """Those that may have time in common, give or take TOLERANCE_S."""
        first = bisect_left(self.sessions, start - LONGEST_SESSION_S, key=_start)
        return self.sessions[first : bisect_right(self.sessions, end + TOLERANCE_S, key=_start)]


class _Assigner:
    def __init__(
        self, groups: Sequence[Group], sessions: Iterable[SessionRow], stored: Iterable[LogEntryRow], is_own: bool
    ) -> None:
        self._groups = groups
        self._is_own = is_own
        self._ours = (RECORDED, LOG) if is_own else (RECORDED,)  # of the wallbox whose log it is, as far as is known
        self._found: list[Verdict | None] = [None] * len(groups)
        self._points: dict[str, _Point] = defaultdict(_Point)
        self._explained: dict[Key, list[int]] = defaultdict(list)  # energies of the entries that a session has
        by_id: dict[int, SessionRow] = {}
        for row in sessions:
            self._points[row.charge_point].sessions.append(row)
            if row.id is not None:
                by_id[row.id] = row
        for point in self._points.values():
            point.sessions.sort(key=_start)
        replaced = {(part.charge_point, part.started_at) for group in groups for part in group} if is_own else set()
        has_entries: set[int] = set()
        for entry in stored:
            owner = by_id.get(entry.session_id or 0)
            if owner is None or (entry.charge_point, entry.started_at) in replaced:
                continue
            has_entries.add(owner.id or 0)
            self._explained[key_of(owner)].append(entry.energy_wh)
            if not is_own:
                kept = _Mark(entry.started_at, entry.ended_at, owner, is_kept=True)
                self._mark(entry.charge_point, entry.energy_wh, kept)
        for row in by_id.values():
            if row.origin == IMPORT and row.ended_at is not None and (is_own or row.id not in has_entries):
                is_corrected = row.meter_start_wh is not None or row.meter_end_wh is not None  # no import has readings
                energy_wh = None if is_corrected else row.energy_wh
                self._mark(row.charge_point, energy_wh, _Mark(row.started_at, row.ended_at, row))

    def verdicts(self) -> list[Verdict]:
        return [verdict if verdict is not None else Verdict(Fate.NEW) for verdict in self._found]

    def find_twins(self) -> None:
        """What is stored already by its minutes and energy, or is in an earlier file; each stands for one of a file."""
        by_source: dict[int, list[int]] = defaultdict(list)
        for index, group in enumerate(self._groups):
            if len(group) == 1:
                by_source[group[0].source].append(index)
        for source in sorted(by_source):
            used: set[int] = set()
            fresh: list[Entry] = []
            for index in by_source[source]:
                (entry,) = self._groups[index]
                mark = self._twin(entry, used)
                if mark is None:
                    fresh.append(entry)
                else:
                    used.add(id(mark))
                    self._found[index] = Verdict(Fate.THERE, mark.session, is_kept=mark.is_kept)
            if not self._is_own:
                for entry in fresh:
                    self._mark(entry.charge_point, entry.energy_wh, _Mark(entry.started_at, entry.ended_at, None))

    def find_common_time(self) -> None:
        """What has time in common with a session, or lies right beside one with the same energy."""
        tried: dict[Key, tuple[SessionRow, list[int]]] = {}
        for index, group in self._open():
            best = self._best(group, self._ours)
            if best is None:
                continue
            session, common_s = best
            if self._is_own and common_s > 0:
                self._found[index] = _belongs(session)
                self._explained[key_of(session)] += (entry.energy_wh for entry in group)
            elif session.origin == RECORDED:
                tried.setdefault(key_of(session), (session, []))[1].append(index)
        for session, indexes in tried.values():
            self._judge(session, indexes)
        for index, group in self._open():
            best = self._best(group, [origin for origin in (LOG, IMPORT) if origin not in self._ours])
            if best is not None and best[1] > TOLERANCE_S:
                self._found[index] = Verdict(Fate.DOUBTFUL, best[0], Doubt.OVERLAPS)
        if not self._is_own:
            self._compare_files()

    def find_neighbours(self) -> None:
        """What the meter counted, or may have counted, for the session beside it: the nearest first."""
        beside: list[tuple[int, int, SessionRow]] = []
        for index, group in self._open():
            beside += ((away_s, index, row) for away_s, row in self._beside(group))
        for _, index, row in sorted(beside, key=lambda item: item[:2]):
            if self._found[index] is not None:
                continue
            group, known = self._groups[index], self._explained[key_of(row)]
            energy_wh = energy_of(group)
            least_wh = max(energy_wh / 2, energy_wh - max(LEAST_DIFFERENCE_WH, LEAST_DIFFERENCE * energy_wh))
            is_within = _is_within(group, row)
            if is_within is False or energy_wh <= 0 or (row.energy_wh or 0) - sum(known) < least_wh:
                continue
            self._found[index] = _belongs(row) if is_within else _may_belong(row, Doubt.COUNTED)
            known.append(energy_wh)

    def _open(self) -> list[tuple[int, Group]]:
        return [(index, group) for index, group in enumerate(self._groups) if self._found[index] is None]

    def _mark(self, charge_point: str, energy_wh: int | None, mark: _Mark) -> None:
        self._points[charge_point].marks[energy_wh, mark.started_at // MINUTE_S].append(mark)

    def _twin(self, entry: Entry, used: set[int]) -> _Mark | None:
        marks, minute = self._points[entry.charge_point].marks, entry.started_at // MINUTE_S
        near = [
            (abs(mark.started_at - entry.started_at), number, mark)
            for number, mark in enumerate([*marks.get((entry.energy_wh, minute), ()), *marks.get((None, minute), ())])
            if id(mark) not in used and mark.ended_at // MINUTE_S == entry.ended_at // MINUTE_S
        ]
        return min(near, key=lambda item: item[:2])[2] if near else None

    def _best(self, group: Group, origins: Collection[str]) -> tuple[SessionRow, int] | None:
        """The session of the same start, else that with most time in common, and how much; below 0 it is the distance.

        Of those that came about in one of `origins`; None when it lies beside all of them.
        """
        start, end = group[0].started_at, group[-1].ended_at
        best: tuple[SessionRow, int] | None = None
        for session in self._points[group[0].charge_point].near(start, end):
            if session.origin not in origins:
                continue
            until = session.ended_at if session.ended_at is not None else max(end, session.started_at)
            common_s = min(end, until) - max(start, session.started_at)
            if self._is_own and session.started_at == start:
                return session, max(common_s, 1)
            if common_s >= -TOLERANCE_S and (best is None or common_s > best[1]):
                best = session, common_s
        return best

    def _judge(self, session: SessionRow, indexes: Sequence[int]) -> None:
        """Entries that have a recorded session's time: all of them are its own if together they have its energy."""
        known = self._explained[key_of(session)]
        energies = [energy_of(self._groups[index]) for index in indexes]
        is_measured = session.ended_at is not None and session.energy_wh is not None
        if is_measured and not differs(session.energy_wh or 0, [*known, *energies]):
            known += energies
            for index in indexes:
                self._found[index] = _belongs(session)
            return
        for index in indexes:
            start, end = self._groups[index][0].started_at, self._groups[index][-1].ended_at
            is_common = end > session.started_at and (session.ended_at is None or start < session.ended_at)
            if session.ended_at is None and is_common:
                self._found[index] = Verdict(Fate.LATER, session)
            elif is_common:
                self._found[index] = _may_belong(session, Doubt.OVERLAPS)
                known.append(energy_of(self._groups[index]))

    def _compare_files(self) -> None:
        """Entries of several files that have time in common; within a file each line is another charge."""
        taken: dict[str, list[tuple[int, int, int]]] = defaultdict(list)  # start, end and source of each
        longest_s: dict[str, int] = defaultdict(int)
        for index, group in self._open():
            first, end = group[0], group[-1].ended_at
            others = taken[first.charge_point]
            begin = bisect_left(others, (first.started_at - longest_s[first.charge_point], 0, 0))
            for start, until, source in others[begin:]:
                if start >= end:
                    break
                if source != first.source and min(end, until) - max(first.started_at, start) > TOLERANCE_S:
                    self._found[index] = Verdict(Fate.DOUBTFUL, None, Doubt.OVERLAPS)
                    break
            insort(others, (first.started_at, end, first.source))
            longest_s[first.charge_point] = max(longest_s[first.charge_point], end - first.started_at)

    def _beside(self, group: Group) -> list[tuple[int, SessionRow]]:
        """The recorded sessions next to it on either side, at most NEIGHBOUR_S away, with the distance."""
        point = self._points[group[0].charge_point]
        start, end = group[0].started_at, group[-1].ended_at
        found: list[tuple[int, SessionRow]] = []
        later = bisect_left(point.sessions, end, key=_start)
        if later < len(point.sessions):
            found.append((point.sessions[later].started_at - end, point.sessions[later]))
        earlier = [
            (start - row.ended_at, row)
            for row in point.near(start - NEIGHBOUR_S, start)
            if row.ended_at is not None and row.ended_at <= start
        ]
        found += [min(earlier, key=lambda item: item[0])] if earlier else []
        return [(away_s, row) for away_s, row in found if away_s <= NEIGHBOUR_S and row.origin == RECORDED]


def _start(row: SessionRow) -> int:
    return row.started_at


def _belongs(session: SessionRow) -> Verdict:
    return Verdict(Fate.THERE if session.id is not None else Fate.LATER, session)


def _may_belong(session: SessionRow, doubt: Doubt) -> Verdict:
    return Verdict(Fate.DOUBTFUL, session, doubt) if session.id is not None else Verdict(Fate.LATER, session)


def _is_within(group: Group, session: SessionRow) -> bool | None:
    """Whether a session's meter counted a charge, by both their readings; None where one of them has none."""
    start_wh, end_wh = group[0].meter_start_wh, group[-1].meter_end_wh
    if start_wh is None or end_wh is None or session.meter_start_wh is None or session.meter_end_wh is None:
        return None
    return session.meter_start_wh - METER_SLACK_WH <= start_wh and end_wh <= session.meter_end_wh + METER_SLACK_WH
