"""The top of a printed record's first sheet: what it is, and the figures that most people look for first."""

from api.exports import figures
from api.exports.lines import Heading
from api.exports.notes import period, selection
from api.exports.paper import ACCENT, GREY, LEFT, SHADE, WIDTH, Paper
from api.exports.summary import Totals
from api.exports.texts import words


def write(paper: Paper, heading: Heading) -> None:
    """What it is, of which period, and who made it."""
    lang = heading.language
    paper.write_at(LEFT, paper.y, words("title", lang), size=20, bold=True, colour=ACCENT)
    paper.write_at(LEFT, paper.y + 1.5, period(heading), size=12, width=WIDTH, right=True)
    paper.y += 10
    paper.rule(paper.y, colour=ACCENT, thickness=0.6)
    paper.y += 2.5
    made = words(
        "made_by", lang, at=figures.minute(heading.made_at, heading.zone, lang), user=paper.clean(heading.made_by)
    )
    for name, value in (
        ("site", heading.site_name),
        ("selection", selection(heading)),
        ("made", f"{made} · {words('time_zone', lang)} {heading.zone.key}"),
    ):
        paper.write_at(LEFT, paper.y, words(name, lang), size=8.5, colour=GREY)
        paper.paragraph(value, size=8.5, indent=24)
    paper.y += 2


def write_figures(paper: Paper, whole: Totals, heading: Heading) -> None:
    """The figures that most people look for first."""
    lang = heading.language
    shares = [
        f"{words(f'source_{name}', lang)} {figures.percent(value, whole.energy_wh)}"
        for name, value in (
            ("grid", whole.grid_wh),
            ("pv", whole.pv_wh),
            ("battery", whole.battery_wh),
            ("unknown_short", whole.unknown_wh),
        )
        if value > 0 and whole.energy_wh > 0
    ]
    boxes = [
        (words("sessions", lang), str(whole.sessions), ""),
        (words("energy_short", lang), f"{figures.kwh(whole.energy_wh, lang)} kWh", ""),
        (words("cost", lang), *_cost_figures(whole, heading)),
        (words("sources", lang), shares[0] if shares else "–", " · ".join(shares[1:])),
    ]
    space = 3.0
    width = (WIDTH - space * (len(boxes) - 1)) / len(boxes)
    for number, (name, value, more) in enumerate(boxes):
        x = LEFT + number * (width + space)
        paper.block(x, paper.y, width, 17, SHADE)
        paper.block(x, paper.y, 0.8, 17, ACCENT)
        paper.write_at(x + 3, paper.y + 2, name, size=7.5, colour=GREY)
        paper.write_at(x + 3, paper.y + 6, value, size=12, bold=True, width=width - 4)
        paper.write_at(x + 3, paper.y + 12.2, more, size=7.5, colour=GREY, width=width - 4)
    paper.y += 21


def _cost_figures(whole: Totals, heading: Heading) -> tuple[str, str]:
    """The cost in whole cents; below it what a kWh cost, and how many sessions have none."""
    lang = heading.language
    if whole.without_cost == whole.sessions:
        return "–", words("unknown", lang)
    more = (
        [figures.price(figures.price_of(whole.cost_millicents, whole.priced_wh), lang)] if whole.priced_wh > 0 else []
    )
    more += [words("lacks_cost", lang, count=whole.without_cost)] if whole.without_cost else []
    return figures.euros_rounded(whole.cost_millicents, lang), " · ".join(more)
