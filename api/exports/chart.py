"""A small chart: one bar for each day, month or year, stacked by where the energy came from."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from api.exports.figures import decimal, local
from api.exports.paper import COLOURS, GREY, INK, LEFT, LINE, RIGHT, Paper
from api.exports.summary import Totals
from api.exports.texts import Language, words
from common.local_time import Unit

HEIGHT = 40.0
_PLOT = 24.0  # mm of the highest bar
_LABEL_WIDTHS = {Unit.DAY: 8.0, Unit.MONTH: 9.0, Unit.YEAR: 8.0}
_STACK = ("grid", "pv", "battery", "unknown")  # from the bottom up


def draw(paper: Paper, unit: Unit, bars: Sequence[tuple[int, Totals]], language: Language, zone: ZoneInfo) -> None:
    """At `paper.y`, which it moves on by HEIGHT. `bars` is not empty; each begins at its instant."""
    top = paper.y
    paper.write_at(LEFT, top, words(f"energy_by_{unit.value}", language), size=8, bold=True, colour=INK)
    _legend(paper, top, bars, language)
    left, floor = LEFT + 9, top + 6 + _PLOT
    highest_wh = _scale(max(total.energy_wh for _, total in bars))
    for part in range(3):
        y = floor - _PLOT * part / 2
        paper.set_draw_color(*LINE)
        paper.set_line_width(0.15)
        paper.line(left, y, RIGHT, y)
        paper.write_at(LEFT, y - 1.3, _mark(highest_wh * part // 2, language), size=6, colour=GREY, width=8, right=True)
    pitch = (RIGHT - left) / len(bars)
    every = next(count for count in (1, 2, 5, 7, 14, 31, 10**6) if pitch * count >= _LABEL_WIDTHS[unit])
    for number, (start_s, total) in enumerate(bars):
        x, width = left + pitch * number + pitch * 0.15, min(pitch * 0.7, 14.0)
        x += (pitch * 0.7 - width) / 2
        y = floor
        for source in _STACK:
            height = _PLOT * getattr(total, f"{source}_wh") / highest_wh
            if height > 0:
                paper.block(x, y - height, width, height, COLOURS[source])
                y -= height
        if number % every == 0:
            label = _label(local(start_s, zone), unit, language)
            paper.write_at(x + width / 2 - paper.width_of(label, 6) / 2, floor + 1, label, size=6, colour=GREY)
    paper.y = top + HEIGHT


def _legend(paper: Paper, top: float, bars: Sequence[tuple[int, Totals]], language: Language) -> None:
    shown = [source for source in _STACK if any(getattr(total, f"{source}_wh") > 0 for _, total in bars)]
    x = RIGHT
    for source in reversed(shown if shown != ["unknown"] else []):
        label = words(f"source_{source}", language)
        x -= paper.width_of(label, 7)
        paper.write_at(x, top + 0.2, label, size=7, colour=GREY)
        paper.block(x - 3.2, top + 0.7, 2.2, 2.2, COLOURS[source])
        x -= 6.5


def _scale(highest_wh: int) -> int:
    """The least 1, 2, 4, 5 or 10 × 10^n Wh that is not below; halved it is still a plain number."""
    unit = 100
    while True:
        for step in (1, 2, 4, 5):
            if step * unit >= highest_wh:
                return step * unit
        unit *= 10


def _mark(wh: int, language: Language) -> str:
    comma = "," if language is Language.DE else "."
    return decimal(wh // 1000, 0) if wh % 1000 == 0 else decimal(wh // 10, 2, comma=comma).rstrip("0")


def _label(day: datetime, unit: Unit, language: Language) -> str:
    if unit is Unit.YEAR:
        return str(day.year)
    if unit is Unit.MONTH:
        return f"{day.month:02d}/{day.year % 100:02d}"
    return f"{day.day}.{day.month}." if language is Language.DE else f"{day.month:02d}-{day.day:02d}"
