"""Who may have something heavy made now: some at once for each user, so that nobody's heap stands before another's.

Owned by one event loop. What waits here holds nothing yet: neither rows nor a thread.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from api.errors import Overloaded

AT_ONCE = 2
"""Of one user: a download that goes slowly, and another one beside it."""

MOST_WAITING = 3
"""Of one user beyond these: the formats of one month, asked for together."""

WAIT_S = 15.0
"""A document of 1,000 sessions takes a second of a PC's time and some of a small board's; the api gives up after 30."""


@dataclass(slots=True)
class _Queue:
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    under_way: int = 0


class Turns:
    def __init__(self, *, wait_s: float = WAIT_S) -> None:
        self._wait_s = wait_s
        self._users: dict[str, _Queue] = {}  # only those who have something under way

    @asynccontextmanager
    async def of(self, user: str) -> AsyncIterator[None]:
        """Wait until it is `user`'s turn, which lasts as long as the block; raises Overloaded."""
        queue = self._users.setdefault(user, _Queue())
        if queue.under_way >= AT_ONCE + MOST_WAITING:
            raise Overloaded("too many documents are being made for you; try again", retry_after_s=5)
        queue.under_way += 1
        try:
            try:
                await asyncio.wait_for(queue.places.acquire(), self._wait_s)
            except TimeoutError:
                raise Overloaded("your other documents take long; try again", retry_after_s=10) from None
            try:
                yield
            finally:
                queue.places.release()
        finally:
            queue.under_way -= 1
            if not queue.under_way:
                del self._users[user]
