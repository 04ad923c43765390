"""What a record says about its sessions as a whole: totals, energy by day or month, and what the meters say. Pure.

All in whole Wh and thousandths of a cent, so that everything adds up exactly, here and in the API.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from api.exports.lines import Line
from common.local_time import Unit, spans, start_of
from common.store.rows import SessionRow

SMALL_GAP_WH = 100
"""Gaps below are counted together: a wallbox's own consumption, and readings in whole tenths of a kWh."""

DAY_S = 86_400
MOST_DAYS, MOST_MONTHS = 62, 36
"""Bars that a chart has room for."""


@dataclass(slots=True)
class Totals:
    """Sums of what is known; `unknown_wh` is energy whose source is not known."""

    sessions: int = 0
    energy_wh: int = 0
    cost_millicents: int = 0
    grid_wh: int = 0
    pv_wh: int = 0
    battery_wh: int = 0
    unknown_wh: int = 0
    without_cost: int = 0
    priced_wh: int = 0
    """Energy of the sessions that have a cost."""

    def add(self, session: SessionRow) -> None:
        energy_wh = session.energy_wh or 0
        grid_wh, pv_wh, battery_wh = session.grid_wh or 0, session.pv_wh or 0, session.battery_wh or 0
        self.sessions += 1
        self.energy_wh += energy_wh
        self.cost_millicents += session.cost_millicents or 0
        if session.cost_millicents is None:
            self.without_cost += 1
        else:
            self.priced_wh += energy_wh
        self.grid_wh += grid_wh
        self.pv_wh += pv_wh
        self.battery_wh += battery_wh
        self.unknown_wh += max(0, energy_wh - grid_wh - pv_wh - battery_wh)


def totals(lines: Iterable[Line]) -> Totals:
    found = Totals()
    for line in lines:
        found.add(line.session)
    return found


def by_time(
    lines: Sequence[Line], zone: ZoneInfo, *, from_s: int | None, to_s: int | None
) -> tuple[Unit, list[tuple[int, Totals]]]:
    """(start, totals) of each day, month or year from the first to the last; empty without lines.

    A session counts where it began. First and last are those of the period, or of the sessions if it is open or long.
    """
    if not lines:
        return Unit.DAY, []
    started = [line.session.started_at for line in lines]
    first_s, last_s = min(started), max(started)
    if from_s is not None and to_s is not None and to_s - from_s <= MOST_MONTHS * 31 * DAY_S:
        first_s, last_s = from_s, to_s - 1  # a longer one may be empty for the most part
    days = (last_s - first_s) // DAY_S
    unit = Unit.DAY if days < MOST_DAYS else Unit.MONTH if days < MOST_MONTHS * 30 else Unit.YEAR
    found = {start: Totals() for start, _ in spans(unit, first_s, last_s + 1, zone)}
    for line in lines:
        found[start_of(unit, line.session.started_at, zone)].add(line.session)
    return unit, list(found.items())


@dataclass(frozen=True, slots=True)
class Gap:
    """What a meter counted between two sessions, from the end of one to the start of the next; below 0 it fell."""

    charge_point: str
    from_s: int
    to_s: int
    energy_wh: int


@dataclass(slots=True)
class MeterTrail:
    """One charge point's meter over all its sessions of the period, whoever charged.

    last_wh − first_wh = chosen_wh + other_wh + outside_wh, whenever every session has its readings.
    """

    charge_point: str
    first_wh: int | None = None
    last_wh: int | None = None
    chosen_wh: int = 0
    other_wh: int = 0
    outside_wh: int = 0
    gaps: list[Gap] = field(default_factory=list)
    small_gaps: int = 0
    small_gaps_wh: int = 0
    _last_at: int = 0

    def add(self, session: SessionRow, *, is_chosen: bool) -> None:
        """The next session in order of time."""
        if session.meter_start_wh is None or session.meter_end_wh is None:
            return  # its energy is unknown; what the meter counted shows as a gap
        if self.last_wh is None:
            self.first_wh = session.meter_start_wh
        elif session.meter_start_wh != self.last_wh:
            self._note(session.meter_start_wh - self.last_wh, session.started_at)
        shown_wh = session.meter_end_wh - session.meter_start_wh
        energy_wh = shown_wh if session.energy_wh is None else session.energy_wh
        if is_chosen:
            self.chosen_wh += energy_wh
        else:
            self.other_wh += energy_wh
        self._last_at = session.started_at
        if energy_wh != shown_wh:  # the meter began a new count in between
            self._note(shown_wh - energy_wh, session.ended_at if session.ended_at is not None else session.started_at)
        self.last_wh = session.meter_end_wh
        self._last_at = session.ended_at if session.ended_at is not None else session.started_at

    def _note(self, energy_wh: int, until_s: int) -> None:
        self.outside_wh += energy_wh
        if 0 < energy_wh < SMALL_GAP_WH:
            self.small_gaps += 1
            self.small_gaps_wh += energy_wh
        else:
            self.gaps.append(Gap(self.charge_point, self._last_at, until_s, energy_wh))


class Meters:
    """The trails of all charge points, fed with all sessions of a period in order of time."""

    def __init__(self) -> None:
        self._trails: dict[str, MeterTrail] = {}
        self._chosen: set[str] = set()

    def add(self, session: SessionRow, *, is_chosen: bool) -> None:
        """`is_chosen`: the session is one of those that the document lists."""
        trail = self._trails.setdefault(session.charge_point, MeterTrail(session.charge_point))
        trail.add(session, is_chosen=is_chosen)
        if is_chosen:
            self._chosen.add(session.charge_point)

    def trails(self) -> list[MeterTrail]:
        """Of the charge points at which a listed session took place, in order."""
        return [self._trails[charge_point] for charge_point in sorted(self._chosen)]
