"""Blocking work beside the event loop: a few threads, and a bound on what waits for them.

A cancelled `await` does not stop its work, which then finishes unseen; that is fine for everything here.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from api.errors import Overloaded

P = ParamSpec("P")
T = TypeVar("T")


class BoundedExecutor:
    """`threads` at work, at most `most_waiting` calls behind them. Owned by one event loop."""

    def __init__(self, name: str, *, threads: int, most_waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + most_waiting
        self._under_way = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work(*args)` in a thread; raises Overloaded, or what the work raises."""
        if self._under_way >= self._most:
            raise Overloaded("too much to do at the moment; try again", retry_after_s=2)
        self._under_way += 1
        future = self._pool.submit(work, *args, **kwargs)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: _in_loop(loop, self._done))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Take no more work and forget what waits; does not wait for what runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self) -> None:
        self._under_way -= 1


def _in_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)
