"""What was corrected, a sentence for each time that an admin did: what was changed, and what followed from it. Pure."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from api.exports import figures
from api.exports.lines import Heading, Line
from api.exports.texts import Language, value_words, words
from common.store.rows import CorrectionRow

_SOURCES = ("grid_wh", "pv_wh", "battery_wh", "sources_method")
_COST = ("cost_millicents", "cost_method")
_READINGS = ("meter_start_wh", "meter_end_wh")


def sentences(lines: Iterable[Line], heading: Heading) -> list[str]:
    return [
        _sentence(line, list(changes), heading)
        for line in lines
        for _, changes in groupby(line.corrections, key=lambda row: (row.corrected_at, row.corrected_by, row.reason))
    ]


def _sentence(line: Line, changes: Sequence[CorrectionRow], heading: Heading) -> str:
    lang, first = heading.language, changes[0]
    return words(
        "correction",
        lang,
        number=line.session.id,
        changes=_changes({row.field: row for row in changes}, lang),
        at=figures.minute(first.corrected_at, heading.zone, lang),
        by=words("correction_by", lang, user=first.corrected_by) if first.corrected_by else "",
        why=words("correction_why", lang, reason=first.reason) if first.reason else "",
    )


def _changes(rows: dict[str, CorrectionRow], lang: Language) -> str:
    """What the admin changed, and what followed: energy from readings; sources and cost unknown."""
    follows = [name for name in ("energy_wh",) if name in rows]
    unknown = {name for name in (*_SOURCES, *_COST) if name in rows and rows[name].new_value == "null"}
    has_reading = any(name in rows for name in _READINGS)
    if has_reading and "cost_millicents" in unknown:
        follows.append("cost_millicents")
    own = [name for name in rows if name not in (*follows, *_SOURCES, "cost_method")]
    told = ", ".join(_change(rows[name], lang) for name in own)
    effects = [_change(rows["energy_wh"], lang)] if "energy_wh" in rows else []
    lacks_sources, lacks_cost = bool(unknown & set(_SOURCES)), "cost_millicents" in follows
    if lacks_sources or lacks_cost:
        key = "unknown_both" if lacks_sources and lacks_cost else "unknown_sources" if lacks_sources else "unknown_cost"
        effects.append(words(key, lang))
    if not told:
        return ", ".join(effects)
    return words("thereby", lang, changes=told, effects=", ".join(effects)) if effects else told


def _change(row: CorrectionRow, lang: Language) -> str:
    if row.field == "doubt":
        return words("no_doubt", lang)
    name = value_words("field", row.field, lang)
    old, new = _value(row.field, row.old_value, lang), _value(row.field, row.new_value, lang)
    return words("change", lang, field=name, new=new, old=old)


def _value(field: str, written: str, lang: Language) -> str:
    """A value of the store's JSON as people read it."""
    try:
        value: Any = json.loads(written)
    except ValueError:
        return written
    if value is None:
        return words("unknown", lang)
    if isinstance(value, int) and field.endswith("_wh"):
        return f"{figures.kwh(value, lang)} kWh"
    if isinstance(value, int) and field.endswith("_millicents"):
        return figures.euros(value, lang)
    return value_words(field, str(value), lang) or ""
