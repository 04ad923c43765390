"""When each site was last there, and the number of its newest connection, in Redis; kept over restarts of the relay.

Only for people and for fencing: traffic never depends on it. Every call takes at most TIMEOUT_S and raises
RedisUnavailable; the caller goes on without.
"""

from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from common import keys
from common.errors import RedisUnavailable
from relay.ports import LastSeen

TIMEOUT_S = 1.0
"""A Redis that is well answers in under 10 ms, also over a network."""

_SEEN = ["online_since", "last_seen_at", "offline_since", "rival_at"]

_CLAIM = """
local fence = math.max(tonumber(redis.call('HGET', KEYS[1], 'fence') or '0'), tonumber(ARGV[1])) + 1
redis.call('HSET', KEYS[1], 'fence', string.format('%.0f', fence))
return fence
"""


class RedisPresence:
    """`relay.ports.Presence`."""

    def __init__(self, url: str) -> None:
        self._redis = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # once, for a connection that died while idle
        )

    async def ping(self) -> None:
        with _translated():
            await cast(Awaitable[Any], self._redis.ping())

    async def close(self) -> None:
        await self._redis.aclose()

    async def next_fence(self, site_id: str, at_least: int) -> int:
        with _translated():
            return int(await self._redis.eval(_CLAIM, 1, keys.relay_site(site_id), str(at_least)))

    async def note_online(self, site_id: str, now: float) -> None:
        with _translated():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(keys.relay_site(site_id), mapping={"online_since": now, "last_seen_at": now})
                pipe.hdel(keys.relay_site(site_id), "offline_since")
                await pipe.execute()

    async def note_offline(self, site_id: str, now: float) -> None:
        with _translated():
            await cast(Awaitable[Any], self._redis.hset(keys.relay_site(site_id), "offline_since", str(now)))

    async def note_rival(self, site_id: str, now: float) -> None:
        with _translated():
            await cast(Awaitable[Any], self._redis.hset(keys.relay_site(site_id), "rival_at", str(now)))

    async def note_seen(self, site_ids: Iterable[str], now: float) -> None:
        """All these sites are online; one round trip."""
        with _translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for site_id in site_ids:
                    pipe.hset(keys.relay_site(site_id), "last_seen_at", str(now))
                await pipe.execute()

    async def last_seen(self, site_id: str) -> LastSeen:
        with _translated():
            found = await cast(
                Awaitable[list[str | None]],
                self._redis.hmget(keys.relay_site(site_id), _SEEN),
            )
        return LastSeen(*(float(value) if value is not None else None for value in found))

    async def forget(self, site_id: str) -> None:
        with _translated():
            await cast(Awaitable[Any], self._redis.delete(keys.relay_site(site_id)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as exc:
        raise RedisUnavailable("the relay's Redis does not answer", detail=str(exc)) from exc
