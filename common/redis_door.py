"""Whether a Redis lets anybody write, found out as a stranger would: without the credentials that we have.

Whoever writes to the site's Redis gives commands to the wallbox that no audit knows of. Edge and relay ask when their
Redis answers for the first time, and again when it was away. Blocks for some seconds at most.
"""

import stat
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from common.unreachable import redis_unavailable

COMPONENT = "redis_access"

OPEN = (
    "anybody who reaches this Redis can write to it, and so control the wallbox or confuse the relay: "
    "give it a password, or a socket that only Wallport's user may open"
)

TIMEOUT_S = 1.0
_CREDENTIALS = ("username", "password")
_KEY = "wallport:nobody"
"""Exists nowhere, so that deleting it changes nothing, and is still a write."""


def openness(url: str) -> str | None:
    """OPEN, or None when a password, or the rights of the socket, keep others out. Raises RedisUnavailable."""
    parts = parse_url(url)  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {name: value for name, value in parts.items() if name not in _CREDENTIALS}
    path = options.get("path")
    if path is not None and not _is_open_to_others(Path(path)):
        return None
    options |= {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S, "retry": Retry(NoBackoff(), 0)}
    with redis.Redis(connection_pool=redis.ConnectionPool(**options)) as stranger:
        try:
            stranger.delete(_KEY)
        except (redis.AuthenticationError, redis.ResponseError):  # no password, no right, or not from here
            return None
        except redis.RedisError as exc:
            raise redis_unavailable(exc) from exc
    return OPEN


def _is_open_to_others(path: Path) -> bool:
    """Whether a user who is neither the socket's owner nor in its group may connect to it."""
    try:
        path = path.resolve(strict=True)
        if not path.stat().st_mode & stat.S_IWOTH:
            return False
        return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    except OSError as exc:
        raise redis_unavailable(exc) from exc
