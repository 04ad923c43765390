"""What the edge wrote into Redis, read by redis-py. The only reader; keys and shapes stand in common/keys.py.

Made inside the running event loop, since redis-py's async clients belong to one. Every read is bounded in time, and
everything redis-py raises becomes RedisUnavailable.
"""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, cast

import msgspec

from api.adapters.redis_client import answer, client
from api.live import Entry
from api.ports import Observation
from common import commands, keys, live_events
from common.commands import CommandRecord
from common.errors import RedisUnavailable
from common.live_events import ScanEvent, SessionEvent, SessionEventType
from common.model import EdgeHealth, Snapshot

CONNECTIONS = 16
BLOCK_MS = 2000  # as often as the edge's heartbeat is looked at; must stay below the blocking client's socket timeout
ENTRIES_AT_ONCE = 500

_snapshot = msgspec.json.Decoder(Snapshot)
_health = msgspec.json.Decoder(EdgeHealth)


class RedisState:
    """Implements api.ports.StateReader. `next_entries` must have one caller at a time: it has one connection."""

    def __init__(self, url: str) -> None:
        self._redis = client(url, connections=CONNECTIONS)
        self._blocking = client(url, connections=1, blocks_s=BLOCK_MS / 1000)
        self._last: tuple[bytes, Snapshot] | None = None

    async def observe(self) -> Observation:
        """State and heartbeat in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.get(keys.state())
        pipeline.exists(keys.edge_health())
        raw, is_alive = await answer(pipeline.execute())
        return Observation(self._decoded(raw), bool(is_alive))

    async def edge_health(self) -> EdgeHealth | None:
        raw = await answer(self._redis.get(keys.edge_health()))
        try:
            return None if raw is None else _health.decode(raw)
        except msgspec.DecodeError as exc:
            raise RedisUnavailable("the edge's health in Redis is not readable", detail=str(exc)) from exc

    async def topics(self) -> dict[str, str]:
        raw = await answer(cast(Awaitable[Mapping[bytes, bytes]], self._redis.hgetall(keys.mirror())))
        return {topic.decode(errors="replace"): payload.decode(errors="replace") for topic, payload in raw.items()}

    async def entries_from(self, seq: int, count: int) -> list[Entry]:
        read = self._redis.xrange(keys.changes(), min=f"{seq}-0", count=count)
        return _entries(await answer(cast(Awaitable[Any], read)))

    async def next_entries(self, seq: int) -> list[Entry]:
        read = self._blocking.xread({keys.changes(): f"{seq}-0"}, count=ENTRIES_AT_ONCE, block=BLOCK_MS)
        streams = await answer(cast(Awaitable[Any], read))
        return _entries(streams[0][1]) if streams else []

    async def close(self) -> None:
        await self._redis.aclose()
        await self._blocking.aclose()

    def _decoded(self, raw: bytes | None) -> Snapshot | None:
        """Decoded once per change: many phones ask for the same bytes."""
        if raw is None:
            return None
        if self._last is None or self._last[0] != raw:
            try:
                self._last = (raw, _snapshot.decode(raw))
            except msgspec.DecodeError as exc:
                raise RedisUnavailable("the state in Redis is not readable", detail=str(exc)) from exc
        return self._last[1]


def _entries(raw: Sequence[Any]) -> list[Entry]:
    """Entries whose content is damaged are an error too: leaving one out would be a gap nobody sees."""
    try:
        return [_entry(int(entry_id.partition(b"-")[0]), data) for entry_id, data in raw]
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as exc:
        raise RedisUnavailable("the changes in Redis are not readable", detail=str(exc)) from exc


def _entry(seq: int, data: Mapping[bytes, bytes]) -> Entry:
    told = msgspec.json.decode(data[b"e"] if b"e" in data else data[b"d"])
    occurred_at = told.get("occurred_at")  # an edge of before this had none
    if b"e" not in data:
        return Entry(seq, occurred_at, changes=told["changes"])
    match told["type"]:
        case commands.EVENT_TYPE:
            return Entry(seq, occurred_at, event=msgspec.convert(told["record"], CommandRecord))
        case SessionEventType.STARTED | SessionEventType.ENDED:
            return Entry(seq, occurred_at, event=msgspec.convert(told, SessionEvent))
        case live_events.SCAN_EVENT:
            return Entry(seq, occurred_at, event=msgspec.convert(told, ScanEvent))
        case _:
            return Entry(seq, occurred_at)  # of a newer edge: its number counts, what it says is not known here
