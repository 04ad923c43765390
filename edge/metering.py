"""The meters of one mirror: has each reading judged, and keeps which ones were odd lately.

Pure; `edge/mirror.py` drives it. What a reading is worth stands in edge/meters.py.
"""

from collections.abc import Iterable, Mapping, Sequence

from common.meters import Meter, OddReading
from edge import meters
from edge.cells import Cell
from edge.meters import GAP_S, Judged

MOST_ODD = 20
"""Odd readings that are kept at a time. A meter that is odd all day long is told of in health, and need not fill a
database."""

ODD_KEPT_S = 900.0
"""For so long each sample carries them: whoever stores one of the next samples has them, once, by their key."""

_OUTGOING = ("exported_wh", "discharged_wh")


class Metering:
    """`cells` are those of all paths, the preferred one first; the mirror's own table."""

    def __init__(self, cells: Mapping[str, Sequence[Cell]]) -> None:
        self._cells = cells
        self._known: dict[str, Meter] = {}
        self._odd: list[OddReading] = []

    def recall(self, known: Mapping[str, Meter], odd: Iterable[OddReading]) -> None:
        """Know what was known before a restart, by path of the state; of two that are known the one judged last counts.

        A cell that was heard before anything was known of it must be judged again: its word waits for that.
        """
        news = known.keys() - self._known.keys()
        for path, meter in known.items():
            if path in news or self._known[path].seen_at < meter.seen_at:
                self._known[path] = meter
        self._odd = sorted({*self._odd, *odd}, key=lambda reading: reading.to_s)[-MOST_ODD:]
        for cell in (cell for path in news for cell in self._cells.get(path, ())):
            if cell.meter is not None and cell.meter.source == known[cell.place.path].source:
                cell.word, cell.meter = cell.meter.wh, None

    def recalled(self) -> Mapping[str, Meter]:
        return self._known

    def restore(self, cell: Cell, believed_at: float) -> bool:
        """Give a cell the meter that was known before a restart; whether there was one."""
        meter = self._known_of(cell)
        if meter is None:
            return False
        cell.meter, cell.word, cell.heard_at = meter, None, believed_at
        cell.value = None if meters.is_silent(meter) else meter.wh
        return True

    def hear(self, cell: Cell, now: float, gap_s: float, *, is_shown: bool) -> bool:
        """Have the word that waits judged; whether it is odd. Of a meter that is not shown nothing is noted."""
        word, cell.word = cell.word, None
        if word is None:
            return False
        before = cell.meter or self._known_of(cell)
        is_gap = before is not None and now - before.seen_at > max(GAP_S, gap_s)
        judged = meters.hear(before, cell.place.path, cell.source, word, now, self._power_w(cell), is_gap=is_gap)
        is_first = cell.meter is None
        self._note(cell, judged, is_shown=is_shown)
        if judged.meter.held is None:
            cell.value, cell.heard_at = judged.meter.wh, now
        elif is_first:  # known from before a restart
            cell.value, cell.heard_at = judged.meter.wh, judged.meter.at
        return judged.meter.held is not None

    def wait(self, cell: Cell, now: float, gap_s: float, *, is_shown: bool) -> None:
        """Time has passed while the wallbox spoke."""
        before = cell.meter
        if before is None:
            return
        is_gap = now - before.seen_at > max(GAP_S, gap_s)
        judged = meters.wait(before, cell.place.path, now, self._power_w(cell), is_gap=is_gap)
        self._note(cell, judged, is_shown=is_shown)
        if meters.is_silent(judged.meter):
            cell.value = None
        elif before.held is not None and judged.meter.held is None:
            cell.value, cell.heard_at = judged.meter.wh, before.held.last_at

    def odd_readings(self) -> tuple[OddReading, ...]:
        """Those that were settled lately, oldest first."""
        return tuple(self._odd)

    def forget(self, now: float) -> None:
        """Drop odd readings that were kept for long enough."""
        self._odd = [reading for reading in self._odd if now - reading.to_s < ODD_KEPT_S + meters.ODD_S]

    def _known_of(self, cell: Cell) -> Meter | None:
        meter = self._known.get(cell.place.path)
        return meter if meter is not None and meter.source == cell.source else None

    def _note(self, cell: Cell, judged: Judged, *, is_shown: bool) -> None:
        cell.meter = judged.meter
        if is_shown:
            self._odd = [*self._odd, *judged.settled][-MOST_ODD:]

    def _power_w(self, cell: Cell) -> float | None:
        """What flows into the meter, at most: several counters may say it, and which one counts may change."""
        part, _, name = cell.place.path.rpartition(".")
        sign = -1 if name in _OUTGOING else 1
        powers = [rival.value for rival in self._cells.get(f"{part}.power_w", ())]
        known = [max(0.0, float(sign * power)) for power in powers if isinstance(power, int | float)]
        return max(known, default=None)
