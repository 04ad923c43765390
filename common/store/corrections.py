"""What was corrected of many sessions at once, for lists and documents; writing stands in sessions.py."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from pony import orm

from common.store.bind import Store
from common.store.rows import CorrectionRow

_COLUMNS = tuple(item.name for item in fields(CorrectionRow))


def of_sessions(store: Store, session_ids: Collection[int]) -> dict[int, tuple[CorrectionRow, ...]]:
    """session id → its corrections, oldest first; without those that have none. Some hundred ids at a time.

    Blocks; raises StoreUnavailable or StoreError.
    """
    ids = sorted(session_ids)
    if not ids:
        return {}

    def work(db: Any) -> dict[int, tuple[CorrectionRow, ...]]:
        # fmt: off
        query = orm.select(
            (c.id, c.session_id, c.corrected_at, c.corrected_by, c.field, c.old_value, c.new_value, c.reason)
            for c in db.SessionCorrection if c.session_id in ids
        )
        # fmt: on
        found: dict[int, list[CorrectionRow]] = defaultdict(list)
        for values in query.without_distinct().order_by(2, 1):
            row = CorrectionRow(**dict(zip(_COLUMNS, values, strict=True)))
            found[row.session_id].append(row)
        return {session_id: tuple(rows) for session_id, rows in found.items()}

    return store.run(work)
