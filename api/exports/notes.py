"""The sentences of a printed record: its period and selection, gaps and methods. Pure."""

from collections.abc import Iterable, Sequence

from api.exports import figures
from api.exports.lines import Heading, Line
from api.exports.summary import MeterTrail
from api.exports.texts import method_words, words
from common.local_time import Unit, start_of

MOST_GAPS = 200  # of a record; each is a line, and the sums above them hold all


def period(heading: Heading) -> str:
    """`01.11.2026 bis 30.11.2026`: whole days by their last day, else to the minute."""
    lang, zone = heading.language, heading.zone
    start = end = None
    if heading.from_s is not None:
        show = figures.day if _is_midnight(heading.from_s, heading) else figures.minute
        start = show(heading.from_s, zone, lang)
    if heading.to_s is not None:
        if _is_midnight(heading.to_s, heading):
            end = figures.day(heading.to_s - 1, zone, lang)
        else:
            end = words("before", lang, end=figures.minute(heading.to_s, zone, lang))
    if start is None:
        return words("until", lang, end=end) if end is not None else words("whole_time", lang)
    return words("from", lang, start=start) if end is None else words("from_until", lang, start=start, end=end)


def selection(heading: Heading) -> str:
    """Whose sessions it has: `Nutzer anna · Ladepunkt 1 · Carport`, or all."""
    lang = heading.language
    chosen = [
        f"{words(name, lang)} {value}"
        for name, value in (
            ("user", heading.user),
            ("vehicle", heading.vehicle),
            ("tag", heading.tag),
            ("charge_point", heading.place(heading.charge_point) if heading.charge_point is not None else None),
        )
        if value is not None
    ]
    return " · ".join(chosen) or words("everything", lang)


def gaps(meters: Sequence[MeterTrail], heading: Heading) -> list[str]:
    """What the meters counted outside of sessions."""
    lang, zone = heading.language, heading.zone
    found: list[str] = []
    listed = [(trail, gap) for trail in meters for gap in trail.gaps]
    for trail, gap in listed[:MOST_GAPS]:
        found.append(
            words(
                "gap" if gap.energy_wh > 0 else "meter_fell",
                lang,
                charge_point=heading.place(trail.charge_point),
                start=figures.minute(gap.from_s, zone, lang),
                end=figures.minute(gap.to_s, zone, lang),
                energy=figures.kwh(abs(gap.energy_wh), lang),
            )
        )
    if len(listed) > MOST_GAPS:
        found.append(words("more_gaps", lang, count=len(listed) - MOST_GAPS))
    found += [
        words(
            "small_gaps",
            lang,
            charge_point=heading.place(trail.charge_point),
            count=trail.small_gaps,
            energy=figures.kwh(trail.small_gaps_wh, lang),
        )
        for trail in meters
        if trail.small_gaps
    ]
    return found


def methods(lines: Sequence[Line], heading: Heading) -> list[str]:
    """How energy, sources and cost were computed."""
    lang = heading.language
    found = [words("energy_method", lang, zone=heading.zone.key)]
    sources = _counted((line.session.sources_method for line in lines), heading)
    if sources:
        found.append(words("sources_by", lang, methods=sources))
    cost = _counted((line.session.cost_method for line in lines), heading)
    if cost:
        found += [words("cost_by", lang, methods=cost), words("cost_exact", lang)]
    return found


def _is_midnight(instant_s: int, heading: Heading) -> bool:
    return start_of(Unit.DAY, instant_s, heading.zone) == instant_s


def _counted(names: Iterable[str | None], heading: Heading) -> str:
    counts: dict[str, int] = {}
    for name in names:
        if name is not None:
            counts[name] = counts.get(name, 0) + 1
    return "; ".join(f"{method_words(name, heading.language)} ({count}×)" for name, count in counts.items())
