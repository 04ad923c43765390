"""Requests that wait for a site which is moving: let go together, never for longer or more than allowed."""

import asyncio

from relay.handlers.arrivals import Arrivals


async def waited(arrivals: Arrivals, site: str, timeout_s: float) -> float:
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    await arrivals.wait(site, timeout_s)
    return loop.time() - began_at


def test_all_go_on_when_their_site_is_there() -> None:
    async def story() -> None:
        arrivals = Arrivals(10)
        waiting = [asyncio.create_task(waited(arrivals, site, 60)) for site in ("home", "home", "cabin")]
        await asyncio.sleep(0)
        arrivals.announce("home")
        done, pending = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(waiting[:2], timeout=5)
        assert all(one.done() for one in waiting[:2])
        assert not waiting[2].done()
        assert done | pending == set(waiting)
        arrivals.announce("cabin")
        await asyncio.wait_for(waiting[2], 5)

    asyncio.run(story())


def test_one_too_many_does_not_wait_and_one_that_waited_makes_room() -> None:
    async def story() -> None:
        arrivals = Arrivals(1)
        first = asyncio.create_task(waited(arrivals, "home", 60))
        await asyncio.sleep(0)
        assert await waited(arrivals, "home", 60) < 5
        arrivals.announce("home")
        await asyncio.wait_for(first, 5)
        assert await waited(arrivals, "home", 0.01) >= 0.009

    asyncio.run(story())


def test_a_phone_that_leaves_waits_no_more() -> None:
    async def story() -> None:
        arrivals = Arrivals(1)
        first = asyncio.create_task(waited(arrivals, "home", 60))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert await waited(arrivals, "home", 0.01) >= 0.009

    asyncio.run(story())
