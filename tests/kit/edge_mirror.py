"""The edge's part from MQTT to Redis, run in threads of the test, and what a reader sees of it in Redis."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
import redis
from paho.mqtt import publish as paho_publish

from common import keys
from common.backoff import Backoff
from common.clock import SystemClock
from common.health import Health, Status
from edge.adapters.mqtt import MqttSource
from edge.adapters.redis_mirror import RedisMirror
from edge.loops.mirror import MirrorLoop
from edge.mirror import Mirror
from edge.openwb.detect import CLUES, UNDECIDED, Detector
from edge.openwb.dialect import Dialect
from edge.settings import BrokerAddress
from tests.kit.servers import Broker


def publish(broker: Broker, topics: Mapping[str, str | bytes], retain: bool = True) -> None:
    """Publish below `openWB/`; returns when the broker has it all."""
    messages: list[Any] = [
        {"topic": f"openWB/{topic}", "payload": payload, "qos": 1, "retain": retain}
        for topic, payload in topics.items()
    ]
    paho_publish.multiple(messages, hostname=broker.host, port=broker.port)


class EdgeMirror:
    """Source, mirror and loop; without a dialect it finds the generation out."""

    def __init__(self, address: BrokerAddress, redis_url: str, dialect: Dialect | None) -> None:
        self.health = Health(SystemClock())
        self.redis = RedisMirror(redis_url)
        self.reader = redis.Redis.from_url(redis_url, decode_responses=True)
        backoff = Backoff(first_s=0.05, longest_s=0.2)
        if dialect is None:
            self.source = MqttSource(address, sorted(CLUES), CLUES.__contains__, self.health, backoff)
        else:
            self.source = MqttSource(address, dialect.subscriptions(), dialect.is_allowed, self.health, backoff)
        self.loop = MirrorLoop(
            self.source,
            self.redis,
            Mirror(dialect or UNDECIDED),
            self.health,
            SystemClock(),
            Backoff(first_s=0.05, longest_s=0.2),
            Detector() if dialect is None else None,
        )

    def status(self, component: str) -> Status | None:
        part = self.health.components().get(component)
        return part.status if part else None

    def state(self) -> dict[str, Any]:
        text = self.reader.get(keys.state())
        return dict(msgspec.json.decode(str(text))["state"]) if text is not None else {}

    def seq(self) -> int:
        return int(msgspec.json.decode(str(self.reader.get(keys.state())))["seq"])

    def generation(self) -> object:
        return self.state().get("meta", {}).get("generation")

    def grid_power(self) -> object:
        return (self.state().get("grid") or {}).get("power_w")

    def raw(self) -> dict[str, str]:
        found: Any = self.reader.hgetall(keys.mirror())
        return dict(found)

    def entries(self) -> list[tuple[str, dict[str, Any]]]:
        found: Any = self.reader.xrange(keys.changes())
        return [(entry_id, msgspec.json.decode(fields["d"])["changes"]) for entry_id, fields in found]


@contextmanager
def in_threads(*runs: Callable[[threading.Event], None]) -> Iterator[None]:
    """Loops that run until the context ends."""
    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(stop,)) for run in runs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()


@contextmanager
def running(address: BrokerAddress, redis_url: str, dialect: Dialect | None = None) -> Iterator[EdgeMirror]:
    edge = EdgeMirror(address, redis_url, dialect)
    try:
        with in_threads(edge.source.run, edge.loop.run):
            yield edge
    finally:
        edge.redis.close()
        edge.reader.close()
