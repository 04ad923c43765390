"""The site's sessions in the database, as reconciliation and imports need them."""

from collections.abc import Sequence

from common.store import sessions, wallbox_log
from common.store.bind import Store
from common.store.rows import LogEntryRow, SessionFilter, SessionRecord, SessionRow
from edge.charge_log.matching import Fill


class StoredSessions:
    """Every method blocks and raises StoreUnavailable or StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def sessions(self, from_s: int, to_s: int) -> list[SessionRow]:
        """A season has some hundred."""
        return [row for page in sessions.pages(self._store, SessionFilter(from_s=from_s, to_s=to_s)) for row in page]

    def entries(self, from_s: int, to_s: int) -> list[LogEntryRow]:
        return wallbox_log.between(self._store, from_s, to_s)

    def add(self, records: Sequence[SessionRecord]) -> list[int]:
        return sessions.upsert(self._store, records)

    def put(self, rows: Sequence[LogEntryRow]) -> None:
        wallbox_log.put(self._store, rows)

    def fill_in(self, fill: Fill) -> bool:
        return wallbox_log.fill_in(
            self._store,
            fill.session_id,
            vehicle=fill.vehicle,
            tag=fill.tag,
            user_name=fill.user_name,
            discharged_wh=fill.discharged_wh,
        )
