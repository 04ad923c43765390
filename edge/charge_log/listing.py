"""The wallbox's log beside what was recorded, session by session. Pure; for `wallport-edge charge-log`."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from common.store.rows import LogEntryRow, SessionRow
from edge.charge_log.matching import LEAST_MISSED_WH
from edge.charge_log.verdicts import RECORDED, differs


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A session that has ended and the log's sum for it, or entries that have no session yet; None: there is none."""

    charge_point: str
    started_at: int
    recorded_wh: int | None
    logged_wh: int | None
    is_finding: bool


def lines(sessions: Iterable[SessionRow], entries: Iterable[LogEntryRow]) -> list[Line]:
    """In order of their start. What was made of the log itself is left out, since it cannot differ, unless in doubt."""
    logged: dict[int, list[int]] = defaultdict(list)
    found: list[Line] = []
    for entry in entries:
        if entry.session_id is None:
            found.append(_line(entry.charge_point, entry.started_at, None, entry.energy_wh, is_finding=True))
        else:
            logged[entry.session_id].append(entry.energy_wh)
    for row in sessions:
        if row.ended_at is None or row.energy_wh is None:
            continue
        if row.origin != RECORDED:
            if row.doubt is not None:
                found.append(_line(row.charge_point, row.started_at, None, row.energy_wh, is_finding=True))
            continue
        parts = logged.get(row.id or 0)
        is_finding = differs(row.energy_wh, parts) if parts else row.energy_wh > LEAST_MISSED_WH
        total_wh = sum(parts) if parts else None
        found.append(_line(row.charge_point, row.started_at, row.energy_wh, total_wh, is_finding=is_finding))
    return sorted(found, key=lambda line: (line.started_at, line.charge_point))


def _line(charge_point: str, at: int, recorded_wh: int | None, logged_wh: int | None, *, is_finding: bool) -> Line:
    return Line(
        charge_point=charge_point, started_at=at, recorded_wh=recorded_wh, logged_wh=logged_wh, is_finding=is_finding
    )
