"""The store beside the event loop: one thread, and so one connection, per call at work.

No unit of work ever spans an `await`: each runs from begin to commit inside one call of one thread.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from api.adapters.executor import BoundedExecutor
from common.meters import OddReading
from common.store import corrections, odd_readings, rollups, samples, session_sums, sessions, users
from common.store.bind import Store
from common.store.rollup_rows import Resolution, RollupRow
from common.store.rows import (
    CorrectionRow,
    PowerMeans,
    SampleRow,
    SessionFilter,
    SessionGroup,
    SessionRecord,
    SessionRow,
    SessionSums,
    UserRow,
)

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4  # a site has a handful of clients; more would only fight for the interpreter's lock
MOST_WAITING = 60  # at some milliseconds each; while the database hangs it bounds what piles up


class StoreThreads:
    """Implements api.ports.SiteStore."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._executor = BoundedExecutor("store", threads=THREADS, most_waiting=MOST_WAITING)

    async def run(self, work: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One of the store's functions."""
        return await self._executor.run(work, self._store, *args, **kwargs)

    async def ping(self) -> None:
        await self._executor.run(self._store.ping)

    async def user(self, name: str) -> UserRow | None:
        return await self._executor.run(users.get, self._store, name)

    async def samples(self, from_s: int, to_s: int, limit: int) -> Sequence[SampleRow]:
        return await self._executor.run(samples.between, self._store, from_s, to_s, limit)

    async def samples_at(self, instants: Sequence[int]) -> Sequence[SampleRow]:
        return await self._executor.run(samples.at, self._store, instants)

    async def power_means(self, from_s: int, to_s: int, step_s: int) -> Sequence[PowerMeans]:
        return await self._executor.run(samples.power_means, self._store, from_s, to_s, step_s)

    async def meter_readings(self, wanted: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        return await self._executor.run(samples.meter_readings, self._store, wanted)

    async def odd_readings(self, from_s: int, to_s: int, meter: str | None = None) -> Sequence[OddReading]:
        return await self._executor.run(odd_readings.between, self._store, from_s, to_s, meter)

    async def rollups(self, resolution: Resolution, from_s: int, to_s: int) -> Sequence[RollupRow]:
        return await self._executor.run(rollups.between, self._store, resolution, from_s, to_s)

    async def session_sums(
        self,
        periods: Sequence[tuple[int, int]],
        group: SessionGroup | None,
        user_name: str | None,
        charge_points: tuple[str, ...] | None,
    ) -> Sequence[SessionSums]:
        return await self._executor.run(session_sums.by_period, self._store, periods, group, user_name, charge_points)

    async def sessions_within(self, from_s: int, to_s: int) -> Sequence[SessionRow]:
        return await self._executor.run(session_sums.within, self._store, from_s, to_s)

    async def sessions(
        self, wanted: SessionFilter, *, limit: int, newest_first: bool, after: tuple[int, int] | None
    ) -> Sequence[SessionRow]:
        return await self._executor.run(
            sessions.page, self._store, wanted, limit=limit, newest_first=newest_first, after=after
        )

    async def session(self, session_id: int) -> SessionRecord | None:
        return await self._executor.run(sessions.get, self._store, session_id)

    async def corrections(self, session_ids: Collection[int]) -> Mapping[int, tuple[CorrectionRow, ...]]:
        return await self._executor.run(corrections.of_sessions, self._store, session_ids)

    async def correct_session(
        self, session_id: int, changes: Mapping[str, str | int | None], *, by: str, at_s: int, reason: str
    ) -> SessionRecord:
        return await self._executor.run(
            sessions.correct, self._store, session_id, changes, corrected_by=by, corrected_at=at_s, reason=reason
        )

    def close(self) -> None:
        self._executor.close()
        self._store.close()
