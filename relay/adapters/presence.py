"""When each site was last there, and the number of its newest connection, in Redis; kept over restarts of the relay.

Only for people and for fencing: traffic never depends on it. Every call takes at most TIMEOUT_S and raises
RedisUnavailable; the caller goes on without.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from common import keys, redis_door
from common.unreachable import redis_unavailable
from relay.ports import FRESH_S, LastSeen
from relay.sites import MOST_LEAP

TIMEOUT_S = 1.0
"""A Redis that is well answers in under 10 ms, also over a network."""

T = TypeVar("T")

_SEEN = ["online_since", "last_seen_at", "offline_since", "rtt_s", "rival_at"]

_CLAIM = """
local known = tonumber(ARGV[2])
local told = tonumber(ARGV[3])
local key = redis.call('HGET', KEYS[1], 'fence_key')
if not key or key == ARGV[1] then
  local kept = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
  if key or kept <= told + tonumber(ARGV[4]) then known = math.max(known, kept) end
end
if told > known + tonumber(ARGV[4]) then return -1 end
local fence = math.max(known, told) + 1
redis.call('HSET', KEYS[1], 'fence', string.format('%.0f', fence), 'fence_key', ARGV[1])
return fence
"""

_END = """
if redis.call('HGET', KEYS[1], 'fence_key') == ARGV[1]
  and tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') <= tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], 'offline_since', ARGV[3])
end
"""

BATCH = 200
"""Commands sent at once: they are put together on the event loop, at about 20 µs each."""


class RedisPresence:
    """`relay.ports.Presence`."""

    def __init__(self, url: str) -> None:
        self._url = url
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

    async def openness(self) -> str | None:
        """How others can write to this Redis, in a sentence; None if they cannot."""
        return await asyncio.to_thread(redis_door.openness, self._url)

    async def close(self) -> None:
        await self._redis.aclose()

    async def next_fence(self, site_id: str, key_id: str, known: int, told: int) -> int | None:
        asked = (key_id, str(known), str(told), str(MOST_LEAP))
        with _translated():
            fence = int(await self._redis.eval(_CLAIM, 1, keys.relay_site(site_id), *asked))
        return fence if fence > 0 else None

    async def note_online(self, site_id: str, now: float) -> None:
        with _translated():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(keys.relay_site(site_id), mapping={"online_since": now, "last_seen_at": now})
                pipe.hdel(keys.relay_site(site_id), "offline_since")
                await pipe.execute()

    async def note_offline(self, site_id: str, key_id: str, fence: int, now: float) -> None:
        with _translated():
            await self._redis.eval(_END, 1, keys.relay_site(site_id), key_id, str(fence), str(now))

    async def note_rival(self, site_id: str, now: float) -> None:
        with _translated():
            await cast(Awaitable[Any], self._redis.hset(keys.relay_site(site_id), "rival_at", str(now)))

    async def note_seen(self, rtts_s: Mapping[str, float | None], now: float) -> None:
        with _translated():
            for batch in _batches(list(rtts_s.items())):
                async with self._redis.pipeline(transaction=False) as pipe:
                    for site_id, rtt_s in batch:
                        told: dict[Any, Any] = {"last_seen_at": str(now)} | (
                            {} if rtt_s is None else {"rtt_s": f"{rtt_s:.6f}"}
                        )
                        pipe.hset(keys.relay_site(site_id), mapping=told)
                    await pipe.execute()

    async def fences(self, site_ids: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        with _translated():
            for batch in _batches(site_ids):
                async with self._redis.pipeline(transaction=False) as pipe:
                    for site_id in batch:
                        pipe.hget(keys.relay_site(site_id), "fence")
                    answers = await pipe.execute()
                found |= {at: int(fence) for at, fence in zip(batch, answers, strict=True) if fence is not None}
        return found

    async def note_node(self, node_id: str, now: float) -> None:
        with _translated():
            await cast(Awaitable[Any], self._redis.hset(keys.relay_nodes(), node_id, str(now)))

    async def forget_node(self, node_id: str) -> None:
        with _translated():
            await cast(Awaitable[Any], self._redis.hdel(keys.relay_nodes(), node_id))

    async def has_other_node(self, node_id: str, now: float) -> bool:
        """Also forgets those that were killed."""
        with _translated():
            found = await cast(Awaitable[dict[str, str]], self._redis.hgetall(keys.relay_nodes()))
            stale = [name for name, seen_at in found.items() if now - float(seen_at) >= FRESH_S]
            if stale:
                await cast(Awaitable[Any], self._redis.hdel(keys.relay_nodes(), *stale))
        return any(name != node_id and name not in stale for name in found)

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


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as exc:
        raise redis_unavailable(exc, "the relay's Redis") from exc
