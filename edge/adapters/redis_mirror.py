"""Redis as the edge uses it: the raw mirror, the snapshot, the change stream and the edge's own health.

Every call blocks for at most a few seconds and raises only `RedisUnavailable`; `redis_commands.py` does likewise.
Key names and shapes: `common/keys.py`, `common/model.py`. Thread-safe.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common import keys, logs
from common.model import EdgeHealth, Snapshot
from common.unreachable import redis_unavailable
from edge.mirror import Stored

CONNECT_TIMEOUT_S = 1.0  # loopback or the same compose network: an answer takes well under 10 ms
ANSWER_TIMEOUT_S = 2.0

log = logs.get(__name__)


class RedisMirror:
    """Opens connections when they are needed; making one connects to nothing."""

    def __init__(self, url: str) -> None:
        self._redis = client(url)

    def load(self) -> Stored:
        """What is there from before. A snapshot that cannot be read counts as none."""
        with translated():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.get(keys.state())
            pipeline.hgetall(keys.mirror())
            pipeline.xrevrange(keys.changes(), count=1)
            state, mirror, newest = pipeline.execute()
        snapshot: Snapshot | None = None
        if state is not None:
            try:
                snapshot = msgspec.json.decode(state, type=Snapshot)
            except msgspec.DecodeError as exc:
                log.warning("stored_state_was_unreadable", fault=str(exc))
        last_seq = int(newest[0][0].split(b"-")[0]) if newest else 0
        if snapshot is not None:
            last_seq = max(last_seq, snapshot.seq)
        raw = {topic.decode("utf-8", "replace"): text.decode("utf-8", "replace") for topic, text in mirror.items()}
        return Stored(snapshot, raw, last_seq)

    def write(self, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any], now: float) -> bool:
        """Write a batch in one transaction. False: the keys were gone before it, so `replace` is needed."""
        with translated():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.exists(keys.state(), keys.mirror())
            self._queue(pipeline, raw, snapshot, changes, now)
            return bool(pipeline.execute()[0] == 2)

    def replace(self, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any], now: float) -> None:
        """Write everything, in one transaction, in place of what is there."""
        with translated():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.delete(keys.mirror())
            self._queue(pipeline, raw, snapshot, changes, now)
            pipeline.execute()

    def tell(self, events: Sequence[tuple[int, Mapping[str, Any]]], snapshot: Snapshot) -> None:
        """Append events with their numbers, of which the last is the snapshot's, in one transaction."""
        with translated():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.set(keys.state(), msgspec.json.encode(snapshot))
            for number, event in events:
                _append(pipeline, number, {"e": msgspec.json.encode(event)})
            pipeline.execute()

    def holds_state(self) -> bool:
        """Whether the snapshot is there; also a sign of life."""
        with translated():
            return bool(self._redis.exists(keys.state()))

    def write_health(self, health: EdgeHealth) -> None:
        with translated():
            self._redis.set(keys.edge_health(), msgspec.json.encode(health), ex=keys.EDGE_HEALTH_TTL_S)

    def read_health(self) -> EdgeHealth | None:
        """The health of the running edge; None when none is running, or none that wrote it lately."""
        with translated():
            text = cast(bytes | None, self._redis.get(keys.edge_health()))
        try:
            return msgspec.json.decode(text, type=EdgeHealth) if text is not None else None
        except msgspec.DecodeError as exc:
            log.warning("stored_health_was_unreadable", fault=str(exc))
            return None

    def close(self) -> None:
        self._redis.close()

    def _queue(
        self, pipeline: Any, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any], now: float
    ) -> None:
        if raw:
            pipeline.hset(keys.mirror(), mapping=dict(raw))
        pipeline.set(keys.state(), msgspec.json.encode(snapshot))
        if changes:
            _append(pipeline, snapshot.seq, {"d": msgspec.json.encode({"changes": changes, "occurred_at": now})})


def client(url: str) -> redis.Redis:
    """A client that connects when it is needed, and asks once."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        # Never twice: after a timeout the first try may have been done, and the caller has a retry of its own.
        retry=Retry(NoBackoff(), 0),
    )


def _append(pipeline: Any, seq: int, entry: dict[str, bytes]) -> None:
    pipeline.xadd(keys.changes(), entry, id=f"{seq}-0", maxlen=keys.CHANGES_KEPT, approximate=True)


@contextmanager
def translated() -> Iterator[None]:
    """Raises RedisUnavailable in place of redis-py's errors."""
    try:
        yield
    except redis.RedisError as exc:
        raise redis_unavailable(exc) from exc
