"""The store beside the event loop: one thread, and so one connection, per call at work.

No unit of work ever spans an `await`: each runs from begin to commit inside one call of one thread.
"""

from collections.abc import Sequence

from api.adapters.executor import BoundedExecutor
from common.store import samples, users
from common.store.bind import Store
from common.store.rows import SampleRow, UserRow

THREADS = 4  # a site has a handful of clients; more would only fight for the interpreter's lock
MOST_WAITING = 60  # at some milliseconds each; while the database hangs it bounds what piles up


class StoreThreads:
    """Implements api.ports.SiteStore."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._executor = BoundedExecutor("store", threads=THREADS, most_waiting=MOST_WAITING)

    async def ping(self) -> None:
        await self._executor.run(self._store.ping)

    async def user(self, name: str) -> UserRow | None:
        return await self._executor.run(users.get, self._store, name)

    async def set_password_hash(self, name: str, password_hash: str) -> None:
        await self._executor.run(users.set_password_hash, self._store, name, password_hash)

    async def accept_totp_step(self, name: str, step: int) -> bool:
        return await self._executor.run(users.accept_totp_step, self._store, name, step)

    async def samples(self, from_s: int, to_s: int, limit: int) -> Sequence[SampleRow]:
        return await self._executor.run(samples.between, self._store, from_s, to_s, limit)

    def close(self) -> None:
        self._executor.close()
        self._store.close()
