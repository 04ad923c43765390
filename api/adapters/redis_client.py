"""The seam to redis-py for redis_state.py and command_queue.py: clients, and its exceptions as ours.

Clients are made inside the running event loop, since redis-py's async ones belong to one.
"""

from collections.abc import Awaitable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from common.errors import RedisUnavailable
from common.unreachable import redis_unavailable

T = TypeVar("T")

TIMEOUT_S = 2.0  # Redis stands beside us and answers in a millisecond; whoever waits longer is better told


def client(url: str, *, connections: int, blocks_s: float = 0.0, is_repeatable: bool = True) -> "Redis":
    """`blocks_s` is the longest that a read may wait at the server. What is not `is_repeatable` is never sent twice.

    One retry heals a pooled connection that died with an earlier Redis.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=TIMEOUT_S + blocks_s,
        socket_timeout=TIMEOUT_S + blocks_s,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 1 if is_repeatable else 0, supported_errors=(RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


async def answer(call: Awaitable[T]) -> T:
    """What redis-py answers; raises RedisUnavailable in place of its exceptions."""
    try:
        return await call
    except (RedisError, OSError) as exc:
        raise unavailable(exc) from exc


def unavailable(exc: Exception) -> RedisUnavailable:
    return redis_unavailable(exc)
