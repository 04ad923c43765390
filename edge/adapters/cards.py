"""Tags, profiles and scans in the site's database, for `edge/loops/rfid.py`."""

from collections.abc import Sequence

from common.profiles import Book
from common.store import profiles, scans, tags
from common.store.bind import Store
from common.store.rows import ScanRow


class StoredCards:
    """Every method blocks and raises StoreUnavailable or StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def book(self) -> Book:
        return profiles.book(self._store)

    def learn(self, tag: str, now: int) -> str | None:
        return tags.learn(self._store, tag, now)

    def save(self, rows: Sequence[ScanRow]) -> None:
        scans.save(self._store, rows)
