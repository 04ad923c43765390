"""The stored sessions and the log that was read, in memory: what reconciling and imports write to."""

from collections.abc import Sequence
from dataclasses import replace

from common.errors import StoreUnavailable
from common.store.rows import LogEntryRow, SessionRecord, SessionRow
from edge.charge_log.matching import Fill


class Book:
    """Sessions in memory; `is_away` makes every call fail."""

    def __init__(self) -> None:
        self.is_away = False
        self.keeps_no_log = False
        self.stored: dict[tuple[str, int], SessionRow] = {}
        self.log: dict[tuple[str, int], LogEntryRow] = {}
        self.fills: list[Fill] = []
        self.undelivered: list[SessionRow] | None = []

    def sessions(self, from_s: int, to_s: int) -> list[SessionRow]:
        self._answer()
        return [row for row in self.stored.values() if from_s <= row.started_at < to_s]

    def entries(self, from_s: int, to_s: int) -> list[LogEntryRow]:
        self._answer()
        return [row for row in self.log.values() if from_s <= row.started_at < to_s]

    def add(self, records: Sequence[SessionRecord]) -> list[int]:
        self._answer()
        ids = []
        for record in records:
            key = (record.session.charge_point, record.session.started_at)
            there = self.stored.get(key)
            ids.append(len(self.stored) + 1 if there is None else there.id or 0)
            if there is None or there.origin != "recorded" or record.session.origin == "recorded":
                self.stored[key] = replace(record.session, id=ids[-1])
        return ids

    def put(self, rows: Sequence[LogEntryRow]) -> None:
        self._answer()
        if self.keeps_no_log:
            raise StoreUnavailable("the database went away")
        self.log |= {(row.charge_point, row.started_at): row for row in rows}

    def fill_in(self, fill: Fill) -> bool:
        self._answer()
        self.fills.append(fill)
        return True

    def _answer(self) -> None:
        if self.is_away:
            raise StoreUnavailable("the database is away")
