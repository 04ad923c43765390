"""The printed record: sessions with their meter readings, totals, and everything that speaks against them. A4, PDF.

Whoever is shown it must be able to add it up: energies are in whole Wh, amounts in thousandths of a cent, and what is
missing, corrected or estimated is said. Needs memory for all its lines, so MOST_SESSIONS bounds them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from api.exports import chart, corrections, figures, opening
from api.exports.cautions import Cautions
from api.exports.lines import Heading, Line, plugged_s, price
from api.exports.notes import gaps, methods, period
from api.exports.paper import ACCENT, GREY, INK, LEFT, LINE, PAPER, RIGHT, SHADE, WIDTH, Colour, Paper
from api.exports.summary import MeterTrail, Totals, by_time, totals
from api.exports.texts import value_words, words
from common.store.rows import SessionRow

MOST_SESSIONS = 1000
"""Of one record: almost three years of a daily driver, 36 sheets."""

ROW = 8.0
HEAD = 8.0


@dataclass(frozen=True, slots=True)
class _Column:
    """Two lines each: of its head, and of each row."""

    width: float
    name: str
    unit: str
    upper: Callable[[Line, Heading], str]
    lower: Callable[[Line, Heading], str]
    right: bool = False


def render(lines: Sequence[Line], meters: Sequence[MeterTrail], heading: Heading) -> bytes:
    """The record of at most MOST_SESSIONS lines in order of time. Takes seconds of processor time."""
    lang = heading.language
    paper = Paper(heading, " · ".join([words("title", lang), heading.site_name, period(heading)]))
    whole, cautions = totals(lines), Cautions()
    for line in lines:
        cautions.add(line.session)
    opening.write(paper, heading)
    opening.write_figures(paper, whole, heading)
    if whole.energy_wh > 0:
        unit, bars = by_time(lines, heading.zone, from_s=heading.from_s, to_s=heading.to_s)
        chart.draw(paper, unit, bars, lang, heading.zone)
    if not lines:
        paper.paragraph(words("none", lang), size=9)
    else:
        _table(paper, lines, whole, heading)
        _legend(paper, lines, cautions, heading)
        _reconciliation(paper, meters, heading)
        _notes(paper, words("gaps", lang), gaps(meters, heading) or [words("no_gaps", lang)])
        _notes(
            paper, words("corrections", lang), corrections.sentences(lines, heading) or [words("no_corrections", lang)]
        )
        _notes(paper, words("methods", lang), [*methods(lines, heading), *cautions.sentences(lang)])
        _signature(paper, heading)
    return bytes(paper.output())


def _table(paper: Paper, lines: Sequence[Line], whole: Totals, heading: Heading) -> None:
    if not paper.has_room(HEAD + 3 * ROW):
        paper.new_page()
    _table_head(paper, heading)
    for number, line in enumerate(lines):
        # The last row takes the total along, so that this never stands alone.
        if not paper.has_room(2 * ROW if number == len(lines) - 1 else ROW):
            paper.new_page()
            _table_head(paper, heading)
        if number % 2:
            paper.block(LEFT, paper.y, WIDTH, ROW, SHADE)
        # One size after the other: changing it is what costs most.
        _row_texts(paper, [column.upper(line, heading) for column in COLUMNS], top=0.9, size=7.5, colour=INK)
        _row_texts(paper, [column.lower(line, heading) for column in COLUMNS], top=4.4, size=6.5, colour=GREY)
        paper.y += ROW
    _total_row(paper, whole, lines, heading)


def _legend(paper: Paper, lines: Sequence[Line], cautions: Cautions, heading: Heading) -> None:
    """What the marks mean, and why the numbers are in no order."""
    paper.y += 0.8
    if any(_marks(line, heading) for line in lines):
        paper.paragraph(words("legend", heading.language), size=6.5, colour=GREY)
    order = cautions.order(heading.language)
    if order is not None:
        paper.paragraph(order, size=6.5, colour=GREY)


def _table_head(paper: Paper, heading: Heading) -> None:
    paper.block(LEFT, paper.y, WIDTH, HEAD, ACCENT)
    names = [words(column.name, heading.language) for column in COLUMNS]
    _row_texts(paper, names, top=1.0, size=7, colour=PAPER, bold=True)
    _row_texts(paper, [column.unit for column in COLUMNS], top=4.4, size=6.5, colour=PAPER)
    paper.y += HEAD


def _row_texts(
    paper: Paper, texts: Sequence[str], *, top: float, size: float, colour: Colour, bold: bool = False
) -> None:
    x = LEFT
    for column, text in zip(COLUMNS, texts, strict=True):
        if text:
            paper.write_at(
                x + 0.8,
                paper.y + top,
                text,
                size=size,
                bold=bold,
                colour=colour,
                width=column.width - 1.6,
                right=column.right,
            )
        x += column.width


def _total_row(paper: Paper, whole: Totals, lines: Sequence[Line], heading: Heading) -> None:
    lang = heading.language
    paper.rule(paper.y, colour=INK, thickness=0.4)
    name = "sessions_one" if whole.sessions == 1 else "sessions_count"
    paper.write_at(LEFT + 0.8, paper.y + 1.4, words(name, lang, count=whole.sessions), size=8.5, bold=True)
    right = RIGHT - COLUMNS[-1].width
    if any(line.session.cost_millicents is not None for line in lines):
        cost = figures.amount(whole.cost_millicents, lang)
        width = paper.width_of(cost, 8.5, bold=True)  # wider than its column if need be: a sum is never cut
        paper.write_at(RIGHT - 0.8 - width, paper.y + 1.4, cost, size=8.5, bold=True)
        right = min(right, RIGHT - width - 3)
        rounded = words("rounded", lang, amount=figures.euros_rounded(whole.cost_millicents, lang))
        width = paper.width_of(rounded, 6.5)
        paper.write_at(RIGHT - 0.8 - width, paper.y + 4.7, rounded, size=6.5, colour=GREY)
    energy = figures.kwh(whole.energy_wh, lang)
    width = paper.width_of(energy, 8.5, bold=True)
    paper.write_at(right - 0.8 - width, paper.y + 1.4, energy, size=8.5, bold=True)
    paper.y += ROW
    paper.rule(paper.y - 0.6)


def _reconciliation(paper: Paper, meters: Sequence[MeterTrail], heading: Heading) -> None:
    known = [trail for trail in meters if trail.first_wh is not None and trail.last_wh is not None]
    if not known:
        return
    lang = heading.language
    paper.part(words("reconciliation", lang), room=18)
    names = ("charge_point", "first_reading", "last_reading", "difference", "these", "others", "outside")
    width = WIDTH / len(names)
    for number, name in enumerate(names):
        paper.write_at(
            LEFT + number * width, paper.y, words(name, lang), size=7, colour=GREY, width=width - 1, right=number > 0
        )
    paper.y += 4.4
    for trail in known:
        if not paper.has_room(5):
            paper.new_page()
        first_wh, last_wh = trail.first_wh or 0, trail.last_wh or 0
        values = (first_wh, last_wh, last_wh - first_wh, trail.chosen_wh, trail.other_wh, trail.outside_wh)
        paper.rule(paper.y - 0.6)
        paper.write_at(LEFT, paper.y, heading.place(trail.charge_point), size=8, width=width - 1)
        for number, value in enumerate(values, start=1):
            x = LEFT + number * width
            paper.write_at(x, paper.y, figures.kwh(value, lang), size=8, width=width - 1, right=True)
        paper.y += 5
    paper.paragraph(words("reconciliation_note", lang), size=7, colour=GREY)


def _notes(paper: Paper, title: str, notes: Sequence[str]) -> None:
    paper.part(title)
    for note in notes:
        paper.paragraph(note)


def _signature(paper: Paper, heading: Heading) -> None:
    if not paper.has_room(24):
        paper.new_page()
    paper.y += 18
    paper.set_draw_color(*LINE)
    paper.line(LEFT, paper.y, LEFT + 80, paper.y)
    paper.write_at(LEFT, paper.y + 1, words("signature", heading.language), size=7, colour=GREY)


def _instant(instant_s: int | None, heading: Heading) -> str:
    if instant_s is None:
        return words("running", heading.language)
    return figures.minute(instant_s, heading.zone, heading.language)


def _energy(value_wh: int | None, heading: Heading) -> str:
    return "–" if value_wh is None else figures.kwh(value_wh, heading.language)


def _cost(session: SessionRow, heading: Heading) -> str:
    return "–" if session.cost_millicents is None else figures.amount(session.cost_millicents, heading.language)


def _price(line: Line, heading: Heading) -> str:
    value = price(line.session)
    return "" if value is None else figures.price(value, heading.language)


def _durations(line: Line, heading: Heading) -> str:
    plugged = plugged_s(line.session)
    return "" if plugged is None else f"{words('plugged', heading.language)} {figures.hours(plugged)}"


def _charging(line: Line, heading: Heading) -> str:
    return f"{words('charging', heading.language)} {figures.hours(line.session.charging_s)}"


def _vehicle(line: Line, heading: Heading) -> str:
    tag = f"{words('tag', heading.language)} {line.session.tag}" if line.session.tag is not None else None
    return " · ".join(part for part in (line.session.vehicle, tag) if part)


def _soc(value: int | None) -> str:
    return "" if value is None else f"SoC {value} %"


def _sources(line: Line, _: Heading) -> str:
    session = line.session
    if not session.energy_wh or session.energy_wh < 0 or session.pv_wh is None:
        return ""
    return f"PV {figures.percent(session.pv_wh, session.energy_wh)}"


def _marks(line: Line, heading: Heading) -> str:
    session, lang = line.session, heading.language
    marks = [
        words("mark_corrected", lang) if line.is_corrected else "",
        words("mark_running", lang) if session.ended_at is None else "",
        words(f"mark_{session.origin}", lang) if session.origin in ("log", "import") else "",
        words("mark_doubtful", lang) if session.doubt is not None else "",
    ]
    return " ".join(mark for mark in marks if mark)


COLUMNS = (
    _Column(11, "id", "", lambda line, _: str(line.session.id or ""), _marks),
    _Column(24, "started", "", lambda line, head: _instant(line.session.started_at, head), _durations),
    _Column(24, "ended", "", lambda line, head: _instant(line.session.ended_at, head), _charging),
    _Column(
        20,
        "charge_point",
        "",
        lambda line, head: head.place(line.session.charge_point),
        lambda line, head: value_words("mode", line.session.mode, head.language) or "",
    ),
    _Column(35.5, "who", "", lambda line, _: line.session.user_name or "–", _vehicle),
    _Column(
        18.5,
        "meter_start_short",
        "kWh",
        lambda line, head: _energy(line.session.meter_start_wh, head),
        lambda line, _: _soc(line.session.soc_start_percent),
        right=True,
    ),
    _Column(
        18.5,
        "meter_end_short",
        "kWh",
        lambda line, head: _energy(line.session.meter_end_wh, head),
        lambda line, _: _soc(line.session.soc_end_percent),
        right=True,
    ),
    _Column(16, "energy_short", "kWh", lambda line, head: _energy(line.session.energy_wh, head), _sources, right=True),
    _Column(18.5, "cost", "EUR", lambda line, head: _cost(line.session, head), _price, right=True),
)
"""WIDTH together."""
