"""Requests that wait for the tunnel of a site which is moving from one relay process to another.

A site that was online seconds ago will most likely be back before a phone has given up, so a moment's wait is better
than an error that the phone's user sees. Bounded in number and time; on the event loop only.
"""

import asyncio


class Arrivals:
    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    async def wait(self, site: str, timeout_s: float) -> None:
        """Return when `announce(site)` is called, or after `timeout_s`; at once when too many wait already."""
        if self._count >= self._most:
            return
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(site, set())
        waiting.add(arrived)
        self._count += 1
        try:
            await asyncio.wait([arrived], timeout=timeout_s)
        finally:
            self._count -= 1
            waiting.discard(arrived)
            if not waiting and self._waiting.get(site) is waiting:
                del self._waiting[site]

    def announce(self, site: str) -> None:
        """The site's tunnel is up here."""
        for arrived in self._waiting.pop(site, set()):
            if not arrived.done():
                arrived.set_result(None)
