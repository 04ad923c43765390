"""Forgets old samples and rollups, a bounded piece at a time, so that nobody waits long for a lock."""

from typing import Any

from common.store.bind import Store
from common.store.rollup_rows import Resolution
from common.store.sql import Sql

MOST_ROWS = 2_000  # some tens of milliseconds of MariaDB's time on a small machine


def forget_samples(store: Store, before: int) -> int:
    """Delete some samples of before this instant, the oldest first; answers how many, 0 when none is left.

    Blocks; raises StoreUnavailable or StoreError.
    """

    def work(db: Any) -> int:
        sql = Sql(db, store.dialect)
        through = _last(sql, "SELECT sampled_at, 0 FROM sample WHERE sampled_at < ? ORDER BY sampled_at", before)
        if through is None:
            return 0
        sql.run("DELETE FROM charge_point_sample WHERE sampled_at <= ?", through)
        return sql.changed("DELETE FROM sample WHERE sampled_at <= ?", through)

    return store.run(work)


def forget_rollups(store: Store, resolution: Resolution, before: int) -> int:
    """The same for rollups of one resolution."""

    def work(db: Any) -> int:
        sql = Sql(db, store.dialect)
        found = "SELECT starts_at, 0 FROM energy_rollup WHERE resolution = ? AND starts_at < ? ORDER BY starts_at"
        through = _last(sql, found, resolution, before)
        if through is None:
            return 0
        return sql.changed("DELETE FROM energy_rollup WHERE resolution = ? AND starts_at <= ?", resolution, through)

    return store.run(work)


def _last(sql: Sql, select: str, *values: Any) -> int | None:
    """The instant of the last of the first MOST_ROWS rows."""
    rows = sql.rows(f"{select} LIMIT {MOST_ROWS}", *values)
    return rows[-1][0] if rows else None
