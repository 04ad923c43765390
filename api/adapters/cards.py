"""Tags, profiles and scans in the store, beside the event loop: on the threads of `StoreThreads`."""

from collections.abc import Sequence

from api.adapters.store import StoreThreads
from common.profiles import Book, Profile
from common.store import profiles, scans, tags
from common.store.rows import LearningRow, ScanFilter, ScanRow, TagRow


class CardThreads:
    """Implements api.ports.CardStore."""

    def __init__(self, threads: StoreThreads) -> None:
        self._run = threads.run

    async def tags(self, user: str) -> Sequence[TagRow]:
        return await self._run(tags.of_user, user)

    async def add_tag(self, user: str, tag: str, label: str | None, now: int) -> TagRow:
        return await self._run(tags.add, user, tag, label, now)

    async def remove_tag(self, user: str, tag: str) -> bool:
        return await self._run(tags.remove, user, tag)

    async def wait_for_card(self, user: str, label: str | None, now: int) -> LearningRow:
        return await self._run(tags.wait_for_card, user, label, now)

    async def learning(self, user: str) -> LearningRow | None:
        return await self._run(tags.learning, user)

    async def stop_waiting(self, user: str) -> bool:
        return await self._run(tags.stop_waiting, user)

    async def book(self) -> Book:
        return await self._run(profiles.book)

    async def profiles(self, user: str | None) -> Sequence[Profile]:
        return await self._run(profiles.list_all, user)

    async def profile(self, profile_id: int) -> Profile | None:
        return await self._run(profiles.get, profile_id)

    async def save_profile(self, profile: Profile) -> Profile:
        return await self._run(profiles.save, profile)

    async def remove_profile(self, profile_id: int) -> bool:
        return await self._run(profiles.remove, profile_id)

    async def scans(self, wanted: ScanFilter, limit: int) -> Sequence[ScanRow]:
        return await self._run(scans.find, wanted, limit)
