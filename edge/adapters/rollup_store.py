"""The database as the rollup loop uses it."""

from zoneinfo import ZoneInfo

from common.store import retention, rollups
from common.store.bind import Store
from common.store.rollup_rows import Resolution
from edge.retention import Kept
from edge.rollups import Reckoner

_RESOLUTIONS = {
    Kept.QUARTERS: Resolution.QUARTER,
    Kept.HOURS: Resolution.HOUR,
    Kept.DAYS: Resolution.DAY,
    Kept.MONTHS: Resolution.MONTH,
}


class StoredRollups:
    """Implements edge.loops.rollups.RollupStore."""

    def __init__(self, store: Store, zone: ZoneInfo) -> None:
        self._store = store
        self._zone = zone

    def advance(self, reckoner: Reckoner) -> int:
        return rollups.advance(self._store, reckoner, self._zone)

    def adopt_zone(self, not_before: int) -> bool:
        return rollups.adopt_zone(self._store, self._zone.key, not_before)

    def forget(self, kept: Kept, before: int) -> int:
        if kept is Kept.SAMPLES:
            return retention.forget_samples(self._store, before)
        return retention.forget_rollups(self._store, _RESOLUTIONS[kept], before)
