"""Turns of users at what is heavy: some at once for each, and nobody behind another's heap."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from api.adapters.turns import AT_ONCE, MOST_WAITING, Turns
from api.errors import Overloaded


def test_one_user_s_heap_is_bounded_and_stands_before_nobody() -> None:
    """Ten documents at once: some are made, some wait, the rest is refused; another user is let in at once."""

    async def scenario() -> None:
        turns, made, done = Turns(), [0], asyncio.Event()

        async def document() -> None:
            async with turns.of("anna"):
                made[0] += 1
                await done.wait()

        heap = [asyncio.create_task(document()) for _ in range(10)]
        refused = 10 - AT_ONCE - MOST_WAITING
        async with asyncio.timeout(5):
            while sum(task.done() for task in heap) < refused or made[0] < AT_ONCE:  # noqa: ASYNC110 -- no event for both
                await asyncio.sleep(0)  # the loop's next round
        finished = [task for task in heap if task.done()]
        assert all(isinstance(task.exception(), Overloaded) for task in finished)
        assert (len(finished), made[0]) == (refused, AT_ONCE)
        async with asyncio.timeout(5), turns.of("bert"):
            done.set()
        await asyncio.wait(heap)
        assert made[0] == AT_ONCE + MOST_WAITING
        assert not turns._users

    asyncio.run(scenario())


def test_who_waits_too_long_is_refused_and_blocks_nothing() -> None:
    """A cancelled one, too, leaves its place."""

    async def scenario() -> None:
        turns = Turns(wait_s=0.01)
        async with AsyncExitStack() as held:
            for _ in range(AT_ONCE):
                await held.enter_async_context(turns.of("anna"))
            with pytest.raises(Overloaded):
                async with turns.of("anna"):
                    raise AssertionError
            turns._wait_s = 30
            waiting = asyncio.create_task(held.enter_async_context(turns.of("anna")))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        async with turns.of("anna"):
            assert turns._users["anna"].under_way == 1
        assert not turns._users

    asyncio.run(scenario())
