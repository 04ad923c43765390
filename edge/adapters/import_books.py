"""The site's samples and users in the database, as imports need them."""

from collections.abc import Sequence

from common.store import samples, scans, users
from common.store.bind import Store
from common.store.rows import SampleRow, ScanFilter, ScanRow
from edge.old_backend import OldUser

NO_PASSWORD = "imported without a password"  # no hash of anything: no password fits


MOST_SCANS = 100_000  # between the first and the last scan of one batch; a card in use all day makes some hundred


class StoredSamples:
    """Both methods block and raise StoreUnavailable or StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ticks(self, from_s: int, to_s: int) -> set[int]:
        return samples.ticks(self._store, from_s, to_s)

    def insert(self, rows: Sequence[SampleRow]) -> None:
        samples.insert(self._store, rows)


class StoredScans:
    """Both methods block and raise StoreUnavailable or StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keys(self, from_s: int, to_s: int) -> set[str]:
        return {row.key for row in scans.find(self._store, ScanFilter(from_s=from_s, to_s=to_s), MOST_SCANS)}

    def save(self, rows: Sequence[ScanRow]) -> None:
        scans.save(self._store, rows)


class StoredPeople:
    """Both methods block and raise StoreUnavailable or StoreError."""

    def __init__(self, store: Store, now: int) -> None:
        self._store = store
        self._now = now

    def knows(self, name: str) -> bool:
        return users.get(self._store, name) is not None

    def add_disabled(self, user: OldUser) -> None:
        """Somebody who cannot log in until a password is set and the user enabled. Raises UserExists or FieldError."""
        role = "admin" if user.is_admin else "driver"
        users.add(
            self._store,
            name=user.name,
            password_hash=NO_PASSWORD,
            role=role,
            created_at=self._now,
            is_disabled=True,
        )
