"""Energy by quarter of an hour, out of samples. Pure; edge/loops/rollups.py drives it, docs/records.md explains it.

Energy is what a meter counted between the edges of a quarter, and the integral of power where no meter tells. A reading
between two samples is taken from the straight line through them, in whole Wh, so that quarters add up to what the meter
counted, digit by digit. Also decides which quarters a sample that arrived changes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from common.store.rollup_rows import (
    CHARGE_POINT,
    METER_COLUMNS,
    MOST_GAP_S,
    QUARTER_S,
    Edges,
    Mark,
    Method,
    Reading,
    RollupRow,
    SeriesKey,
    Window,
)
from common.store.rows import SampleRow
from edge.meters import MOST_W, lasting

BRIDGED_S = 300
"""Power is taken as running straight between two samples so far apart, or an interval apart if that is longer.

openWB's own old logs have a value each 5 minutes.
"""

MOST_SAMPLES = 1_440
"""A turn reads about so many: a day at one a minute, a fraction of a second in which SQLite lets nobody else write."""


@dataclass(frozen=True, slots=True)
class Point:
    """One series at one sample. `wh` None or 0 is no reading: openWB's meters read 0 for a moment at boot."""

    at: int
    wh: int | None = None
    power_w: int | None = None


@dataclass(slots=True)
class _Quarter:
    """What is gathered for one quarter. Twice the watt-seconds: half of them would be no whole numbers."""

    metered_wh: int = 0
    powered_2ws: int = 0
    covered_s: int = 0
    has_meter: bool = False
    has_power: bool = False


class Reckoner:
    """Satisfies `common.store.rollup_rows.Reckoner` for samples of this interval.

    Nothing before `not_before`, the start of a quarter, is computed: what it would be computed from may be gone.
    """

    def __init__(self, interval_s: int, not_before: int = 0) -> None:
        self._reach_s = max(interval_s, BRIDGED_S)
        self._most_s = max(1, MOST_SAMPLES * interval_s // QUARTER_S) * QUARTER_S
        self._not_before = not_before

    def window(self, marks: Sequence[Mark]) -> tuple[Window | None, list[Mark]]:
        """The quarters to compute now, from the earliest mark on, and the marks that are left for later turns.

        A sample changes the quarters that the steps to its neighbours touch.
        """
        waiting = sorted((mark for mark in marks if mark.to_s > self._not_before), key=lambda mark: mark.from_s)
        if not waiting:
            return None, []
        first = end = self._grown(waiting[0])[0]
        most_end = first + self._most_s
        new: list[Mark] = []
        left: list[Mark] = []
        for mark in waiting:
            from_s, to_s = self._grown(mark)
            if from_s > end or from_s >= most_end:  # beyond a hole, which is not worth a look
                left.append(mark)
                continue
            if to_s > most_end:
                if mark.to_s > most_end:
                    left.append(Mark(max(mark.from_s, most_end), mark.to_s, mark.is_new))
                else:  # only its neighbourhood is left
                    left.append(Mark(most_end, to_s, is_new=False))
            end = max(end, min(to_s, most_end))
            if mark.is_new:
                new.append(mark)
        return Window(first, end, self._reach_s, tuple(new)), left

    def reckon(
        self, window: Window, rows: Sequence[SampleRow], edges: Mapping[SeriesKey, Edges]
    ) -> tuple[list[RollupRow], list[Mark]]:
        """The quarters of the window in which something is known, and the marks of what else changes."""
        series = series_of(rows)
        keys = sorted(series.keys() | edges.keys())
        found: list[RollupRow] = []
        marks: dict[Mark, None] = {}
        for key in keys:
            points, around = series.get(key, []), edges.get(key, Edges())
            found += energies(window, key, points, around)
            marks |= dict.fromkeys(spread(window, points, around))
        return found, list(marks)

    def _grown(self, mark: Mark) -> tuple[int, int]:
        """The quarters that a mark concerns, as from and to."""
        reach_s = self._reach_s if mark.is_new else 0
        from_s, to_s = mark.from_s - reach_s, mark.to_s + reach_s
        return max(self._not_before, from_s // QUARTER_S * QUARTER_S), -(-to_s // QUARTER_S) * QUARTER_S


def energies(window: Window, key: SeriesKey, points: Sequence[Point], edges: Edges) -> list[RollupRow]:
    """The quarters of the window in which something is known of one series."""
    return [
        RollupRow(
            starts_at=starts_at,
            series=key,
            energy_wh=quarter.metered_wh + round(quarter.powered_2ws / 7200),
            covered_s=quarter.covered_s,
            method=Method.POWER if not quarter.has_meter else Method.MIXED if quarter.has_power else Method.METER,
        )
        for starts_at, quarter in sorted(_quarters(window, points, edges).items())
    ]


def spread(window: Window, points: Sequence[Point], edges: Edges) -> list[Mark]:
    """What lies outside the window and changes with it: the rest of a gap that a new reading ended, began or divided.

    Short steps have been seen to: a new sample's window takes its neighbours in.
    """
    found: list[Mark] = []
    readings = _readings(points, edges)
    for first, second in pairwise(readings):
        if second.at - first.at <= window.reach_s or not (window.is_new(first.at) or window.is_new(second.at)):
            continue
        if first.at < window.from_s < second.at:
            found.append(Mark(first.at, window.from_s, is_new=False))
        if first.at < window.to_s < second.at:
            found.append(Mark(window.to_s, second.at, is_new=False))
    return found


def series_of(rows: Sequence[SampleRow]) -> dict[SeriesKey, list[Point]]:
    """Samples as series, in the order of `rows`. What a sample does not know is a point without values."""
    found: dict[SeriesKey, list[Point]] = {}
    for row in rows:
        at = row.sampled_at
        imported_w, exported_w = _both_ways(row.grid_power_w)
        charged_w, discharged_w = _both_ways(row.battery_power_w)
        powers_w = (imported_w, exported_w, row.pv_power_w, charged_w, discharged_w)
        for key, wh, power_w in (
            *(
                (key, getattr(row, METER_COLUMNS[key]), power_w)
                for key, power_w in zip(METER_COLUMNS, powers_w, strict=True)
            ),
            ("home", None, row.home_power_w),
            *((CHARGE_POINT + part.charge_point, part.meter_wh, part.power_w) for part in row.charge_points),
        ):
            if wh is not None or power_w is not None:
                found.setdefault(key, []).append(Point(at, wh, power_w))
    return found


def counted_wh(first: Reading, second: Reading) -> int | None:
    """What a meter counted between two readings; None if it was reset or swapped there, or nobody looked for too long.

    The new count begins with the second one.
    """
    wh, lasted_s = second.wh - first.wh, second.at - first.at
    return wh if lasted_s <= MOST_GAP_S and 0 <= wh * 3600 <= MOST_W * lasted_s else None


def _quarters(window: Window, points: Sequence[Point], edges: Edges) -> dict[int, _Quarter]:
    found: dict[int, _Quarter] = defaultdict(_Quarter)
    metered = list(_metered(points, edges))
    for first, second in metered:
        for starts_at, begin, end in _parts(window, first.at, second.at):
            quarter = found[starts_at]
            quarter.metered_wh += _reading_at(first, second, end) - _reading_at(first, second, begin)
            quarter.has_meter = True
    position = 0
    for before, after in pairwise(points):
        if after.at - before.at > window.reach_s:
            continue
        while position < len(metered) and metered[position][1].at <= before.at:
            position += 1
        is_metered = position < len(metered) and metered[position][0].at <= before.at
        if not is_metered and (before.power_w is None or after.power_w is None):
            continue
        for starts_at, begin, end in _parts(window, before.at, after.at):
            quarter = found[starts_at]
            quarter.covered_s += end - begin
            if not is_metered and before.power_w is not None and after.power_w is not None:
                quarter.powered_2ws += (max(0, before.power_w) + max(0, after.power_w)) * (end - begin)
                quarter.has_power = True
    return found


def _metered(points: Sequence[Point], edges: Edges) -> Iterator[tuple[Reading, Reading]]:
    """Each two readings between which the meter counted, in order."""
    readings = _readings(points, edges)
    for first, second in pairwise(readings):
        is_one_count = not any(first.at < at <= second.at for at in edges.begun_at)
        if is_one_count and counted_wh(first, second) is not None:
            yield first, second


def _parts(window: Window, from_s: int, to_s: int) -> tuple[tuple[int, int, int], ...]:
    """The parts of a stretch in the window, by quarter: the quarter's start, and the part's beginning and end."""
    starts_at = from_s // QUARTER_S * QUARTER_S
    if window.from_s <= from_s < to_s <= window.to_s and to_s <= starts_at + QUARTER_S:
        return ((starts_at, from_s, to_s),)  # nearly all of them
    return tuple(_cut(max(from_s, window.from_s), min(to_s, window.to_s)))


def _cut(begin: int, last: int) -> Iterator[tuple[int, int, int]]:
    while begin < last:
        starts_at = begin // QUARTER_S * QUARTER_S
        end = min(starts_at + QUARTER_S, last)
        yield starts_at, begin, end
        begin = end


def _reading_at(first: Reading, second: Reading, at: int) -> int:
    return first.wh + (second.wh - first.wh) * (at - first.at) // (second.at - first.at)


def _both_ways(power_w: int | None) -> tuple[int | None, int | None]:
    return (None, None) if power_w is None else (max(0, power_w), max(0, -power_w))


def _readings(points: Sequence[Point], edges: Edges) -> list[Reading]:
    """What the meter showed, without single odd readings that an older release or an import stored."""
    inside = [Reading(point.at, point.wh) for point in points if point.wh]
    powers_w = {point.at: point.power_w for point in points}

    def possible_wh(first: Reading, second: Reading) -> float:
        known = [abs(power) for at in (first.at, second.at) if (power := powers_w.get(at)) is not None]
        return (max(known) if len(known) == 2 else MOST_W) * (second.at - first.at) / 3600

    around = [*([edges.before] if edges.before else []), *inside, *([edges.after] if edges.after else [])]
    return lasting(around, possible_wh)
