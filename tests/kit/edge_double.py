"""Writes into Redis what an edge writes, exactly as common/keys.py and common/model.py say; nothing more of an edge."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import redis

from common import keys
from common.commands import EVENT_TYPE, RECORD_KEPT_S, Command, CommandRecord
from common.model import EdgeHealth, SiteState, Snapshot, diff, flatten


class EdgeDouble:
    """`seq` begins at `first_seq` and grows by one a state."""

    def __init__(self, redis_url: str, first_seq: int = 1000) -> None:
        self.redis = redis.Redis.from_url(redis_url)
        self.seq = first_seq - 1
        self.state: SiteState | None = None

    def tell(self, state: SiteState, *, kept: int = keys.CHANGES_KEPT) -> int:
        """Write the next state and its changes in one transaction; its number. `kept` trims the stream exactly."""
        changes = diff(self.state, state)
        self.seq += 1
        self.state = state
        now = time.time()
        snapshot = Snapshot(seq=self.seq, updated_at=now, state=state, heard_at=dict.fromkeys(flatten(state), now))
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.set(keys.state(), msgspec.json.encode(snapshot))
        entry: dict[Any, Any] = {"d": msgspec.json.encode({"changes": changes})}
        pipeline.xadd(keys.changes(), entry, id=f"{self.seq}-0", maxlen=kept, approximate=False)
        pipeline.execute()
        return self.seq

    def taken(self) -> list[Command]:
        """All commands of the queue, in order."""
        entries: Any = self.redis.xrange(keys.commands())
        return [msgspec.json.decode(data[b"d"], type=Command) for _, data in entries]

    def report(self, record: CommandRecord) -> int:
        """Write what became of a command, and its event, in one transaction; the event's number."""
        self.seq += 1
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.set(keys.command(record.id), msgspec.json.encode(record), ex=RECORD_KEPT_S)
        event = {"type": EVENT_TYPE, "record": record}
        pipeline.xadd(keys.changes(), {"e": msgspec.json.encode(event)}, id=f"{self.seq}-0")
        pipeline.execute()
        return self.seq

    def announce(self, event: object) -> int:
        """Write an event that is no command's; its number."""
        self.seq += 1
        self.redis.xadd(keys.changes(), {"e": msgspec.json.encode(event)}, id=f"{self.seq}-0")
        return self.seq

    def beat(self, components: Mapping[str, Mapping[str, Any]] | None = None, ttl_s: int = 600) -> None:
        """Renew the heartbeat."""
        parts = components if components is not None else {"mqtt": {"status": "ok", "since": 0.0, "detail": None}}
        health = EdgeHealth(at=time.time(), components=parts)
        self.redis.set(keys.edge_health(), msgspec.json.encode(health), ex=ttl_s)

    def fall_silent(self) -> None:
        """The heartbeat's time is up."""
        self.redis.delete(keys.edge_health())

    def mirror(self, topics: Mapping[str, str]) -> None:
        self.redis.hset(keys.mirror(), mapping={topic: payload for topic, payload in topics.items()})  # noqa: C416

    def close(self) -> None:
        self.redis.close()
