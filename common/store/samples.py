"""The site's samples: one row a tick, and one for each charge point, in and out."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from pony import orm

from common.store import rollup_marks
from common.store.bind import Store
from common.store.location import Dialect
from common.store.rows import ChargePointSampleRow, SampleRow
from common.store.sql import Sql

_SITE_COLUMNS = tuple(item.name for item in fields(SampleRow) if item.name != "charge_points")
_CHARGE_POINT_COLUMNS = ("sampled_at", *(item.name for item in fields(ChargePointSampleRow)))


def insert(store: Store, rows: Sequence[SampleRow]) -> None:
    """Store all of `rows` in one transaction, or nothing.

    A tick that is there already stays as it is, so that delivering twice is harmless. Their stretches are marked for
    `common.store.rollups` in the same transaction. Blocks; raises StoreUnavailable
    (try again, also with the same rows) or StoreError.
    """
    if not rows:
        return
    site = [tuple(getattr(row, name) for name in _SITE_COLUMNS) for row in rows]
    marks = rollup_marks.of_samples([row.sampled_at for row in rows])
    charge_points = [
        (row.sampled_at, *(getattr(part, name) for name in _CHARGE_POINT_COLUMNS[1:]))
        for row in rows
        for part in row.charge_points
    ]

    def work(db: Any) -> None:
        # Ten times as fast on MariaDB as entities: PyMySQL folds executemany into one INSERT of many rows.
        cursor = db.get_connection().cursor()
        cursor.executemany(_insertion("sample", _SITE_COLUMNS, store.dialect), site)
        if charge_points:
            cursor.executemany(_insertion("charge_point_sample", _CHARGE_POINT_COLUMNS, store.dialect), charge_points)
        rollup_marks.add(Sql(db, store.dialect), marks)

    store.run(work)


def between(store: Store, from_s: int, to_s: int, limit: int) -> list[SampleRow]:
    """Samples with from_s ≤ sampled_at < to_s, oldest first, at most `limit` ticks. Blocks; raises like `insert`.

    To page on, ask again from the last row's `sampled_at` + 1.
    """

    return store.run(lambda db: read(db, from_s, to_s, limit))


def read(db: Any, from_s: int, to_s: int, limit: int | None = None) -> list[SampleRow]:
    """Like `between`, within a unit of work; without `limit` all of them."""
    site = _site_rows(db, from_s, to_s, limit)
    if not site:
        return []
    parts = _charge_point_rows(db, site[0][0], site[-1][0])
    return [
        SampleRow(**dict(zip(_SITE_COLUMNS, values, strict=True)), charge_points=tuple(parts[values[0]]))
        for values in site
    ]


def _site_rows(db: Any, from_s: int, to_s: int, limit: int | None) -> list[tuple[Any, ...]]:
    # fmt: off
    query = orm.select(
        (s.sampled_at, s.grid_power_w, s.grid_imported_wh, s.grid_exported_wh, s.pv_power_w, s.pv_produced_wh,
         s.battery_power_w, s.battery_soc_percent, s.battery_charged_wh, s.battery_discharged_wh, s.home_power_w)
        for s in db.Sample if s.sampled_at >= from_s and s.sampled_at < to_s
    )
    # fmt: on
    ordered = query.without_distinct().order_by(1)
    return list(ordered if limit is None else ordered.limit(limit))


def _charge_point_rows(db: Any, first_s: int, last_s: int) -> dict[int, list[ChargePointSampleRow]]:
    # fmt: off
    query = orm.select(
        (c.sampled_at, c.charge_point, c.power_w, c.meter_wh, c.soc_percent, c.is_plugged, c.is_charging, c.current_a)
        for c in db.ChargePointSample if c.sampled_at >= first_s and c.sampled_at <= last_s
    )
    # fmt: on
    found: dict[int, list[ChargePointSampleRow]] = defaultdict(list)
    for sampled_at, *values in query.without_distinct().order_by(1, 2):
        found[sampled_at].append(ChargePointSampleRow(**dict(zip(_CHARGE_POINT_COLUMNS[1:], values, strict=True))))
    return found


def _insertion(table: str, columns: tuple[str, ...], dialect: Dialect) -> str:
    names = ", ".join(columns)
    if dialect is Dialect.MARIADB:
        marks = ", ".join(["%s"] * len(columns))
        # Not INSERT IGNORE: that would also swallow values that do not fit.
        return f"INSERT INTO {table} ({names}) VALUES ({marks}) ON DUPLICATE KEY UPDATE sampled_at = sampled_at"  # noqa: S608 -- our own names
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 -- our own names
