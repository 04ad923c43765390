"""Marks of what `common.store.rollups` is to compute anew, for the units of work that store samples."""

from collections.abc import Sequence

from common.store.rollup_rows import Mark
from common.store.sql import Sql

APART_S = 86_400
"""Instants further apart are marked apart, so that nobody looks at the years between after the clock was wrong."""


def add(sql: Sql, marks: Sequence[Mark]) -> None:
    """Part of a unit of work."""
    sql.many(
        "INSERT INTO rollup_mark (from_s, to_s, is_new) VALUES (?, ?, ?)",
        [(mark.from_s, mark.to_s, mark.is_new) for mark in marks],
    )


def of_samples(instants: Sequence[int]) -> list[Mark]:
    """The marks of samples that are new at these instants, in any order."""
    found: list[Mark] = []
    for instant in sorted(instants):
        if found and instant - found[-1].to_s < APART_S:
            found[-1] = Mark(found[-1].from_s, instant + 1, is_new=True)
        else:
            found.append(Mark(instant, instant + 1, is_new=True))
    return found
