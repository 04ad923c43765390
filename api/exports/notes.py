"""The sentences of a printed record: its period, gaps, corrections and methods, and what does not count. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from api.exports import figures
from api.exports.lines import Heading, Line
from api.exports.summary import MeterTrail
from api.exports.texts import method_words, value_words, words
from common.local_time import Unit, start_of
from common.store.rows import CorrectionRow

MOST_GAPS = 200  # of a record; each is a line, and the sums above them hold all
MOST_NUMBERS = 30  # of a sentence


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


def corrections(lines: Iterable[Line], heading: Heading) -> list[str]:
    """Every one, with what stood there before."""
    return [_correction(line, change, heading) for line in lines for change in line.corrections]


def cautions(lines: Sequence[Line], heading: Heading) -> list[str]:
    """What is not in the totals, or was not measured here."""
    lang = heading.language
    found = []
    for key, chosen in (
        ("without_energy", [line for line in lines if line.session.energy_wh is None]),
        ("without_cost", [line for line in lines if line.session.cost_millicents is None]),
    ):
        if chosen and (key != "without_cost" or len(chosen) < len(lines)):
            found.append(words(key, lang, numbers=_numbers(chosen, heading)))
    running = [line for line in lines if line.session.ended_at is None]
    if running:
        found.append(words("still_running", lang, numbers=_numbers(running, heading)))
    for origin in sorted({line.session.origin for line in lines} - {"recorded"}):
        chosen = [line for line in lines if line.session.origin == origin]
        name = value_words("origin", origin, lang)
        found.append(words("not_recorded", lang, origin=name, numbers=_numbers(chosen, heading)))
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


def _correction(line: Line, change: CorrectionRow, heading: Heading) -> str:
    lang = heading.language
    return words(
        "correction",
        lang,
        number=line.session.id,
        field=value_words("field", change.field, lang),
        old=_value(change.field, change.old_value, heading),
        new=_value(change.field, change.new_value, heading),
        at=figures.minute(change.corrected_at, heading.zone, lang),
        user=change.corrected_by or "–",
        reason=change.reason or "–",
    )


def _value(field: str, written: str, heading: Heading) -> str:
    """A value of the store's JSON as people read it."""
    try:
        value: Any = json.loads(written)
    except ValueError:
        return written
    lang = heading.language
    if value is None:
        return "–"
    if isinstance(value, int) and field.endswith("_wh"):
        return f"{figures.kwh(value, lang)} kWh"
    if isinstance(value, int) and field.endswith("_millicents"):
        return figures.euros(value, lang)
    if field.endswith("_method"):
        return method_words(str(value), lang)
    return value_words(field, str(value), lang) or ""


def _numbers(lines: Sequence[Line], heading: Heading) -> str:
    shown = ", ".join(str(line.session.id) for line in lines[:MOST_NUMBERS])
    return shown if len(lines) <= MOST_NUMBERS else words("and_more", heading.language, numbers=shown, count=len(lines))
