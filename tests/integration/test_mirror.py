"""MQTT → Redis with a real mosquitto and a real redis-server, also when one of them goes away."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from paho.mqtt import publish as paho_publish

from common import keys
from common.backoff import Backoff
from common.clock import SystemClock
from common.errors import RedisUnavailable
from common.health import Health, Status
from common.model import EdgeHealth, Snapshot
from edge.adapters.mqtt import MqttSource
from edge.adapters.redis_mirror import RedisMirror
from edge.loops.heartbeat import HeartbeatLoop
from edge.loops.mirror import MirrorLoop
from edge.mirror import Mirror
from edge.openwb.v1 import DIALECT
from edge.settings import BrokerAddress
from tests.kit import servers
from tests.kit.ports import reserved_port
from tests.kit.waiting import eventually


def _publish(broker: servers.Broker, topics: Mapping[str, str | bytes], retain: bool = True) -> None:
    messages: list[Any] = [
        {"topic": f"openWB/{topic}", "payload": payload, "qos": 1, "retain": retain}
        for topic, payload in topics.items()
    ]
    paho_publish.multiple(messages, hostname=broker.host, port=broker.port)


class Edge:
    """The mirror's part of the edge, and what a reader sees of it in Redis."""

    def __init__(self, address: BrokerAddress, redis_url: str) -> None:
        self.health = Health(SystemClock())
        self.redis = RedisMirror(redis_url)
        self.reader = redis.Redis.from_url(redis_url, decode_responses=True)
        backoff = Backoff(first_s=0.05, longest_s=0.2)
        self.source = MqttSource(address, DIALECT.subscriptions(), DIALECT.is_allowed, self.health, backoff)
        self.loop = MirrorLoop(
            self.source, self.redis, Mirror(DIALECT), self.health, SystemClock(), Backoff(first_s=0.05, longest_s=0.2)
        )

    def status(self, component: str) -> Status | None:
        part = self.health.components().get(component)
        return part.status if part else None

    def state(self) -> dict[str, Any]:
        text = self.reader.get(keys.state())
        return dict(msgspec.json.decode(str(text))["state"]) if text is not None else {}

    def seq(self) -> int:
        return int(msgspec.json.decode(str(self.reader.get(keys.state())))["seq"])

    def grid_power(self) -> object:
        return (self.state().get("grid") or {}).get("power_w")

    def raw(self) -> dict[str, str]:
        found: Any = self.reader.hgetall(keys.mirror())
        return dict(found)

    def entries(self) -> list[tuple[str, dict[str, Any]]]:
        found: Any = self.reader.xrange(keys.changes())
        return [(entry_id, msgspec.json.decode(fields["d"])["changes"]) for entry_id, fields in found]


@contextmanager
def _in_thread(*runs: Callable[[threading.Event], None]) -> Iterator[None]:
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
def _running(address: BrokerAddress, redis_url: str) -> Iterator[Edge]:
    edge = Edge(address, redis_url)
    try:
        with _in_thread(edge.source.run, edge.loop.run):
            yield edge
    finally:
        edge.redis.close()
        edge.reader.close()


@pytest.fixture
def edge(broker: servers.Broker, redis_url: str) -> Iterator[Edge]:
    with _running(BrokerAddress(broker.host, broker.port), redis_url) as edge:
        eventually(lambda: edge.status("mqtt") is Status.OK, what="the subscription")
        yield edge


def test_retained_and_live_values_reach_redis(broker: servers.Broker, redis_url: str) -> None:
    """What the broker kept from before counts, and a live value follows as a change with the next number."""
    _publish(broker, {"evu/W": "215", "lp/1/boolChargePointConfigured": "1", "lp/1/strChargePointName": "Gäste"})
    with _running(BrokerAddress(broker.host, broker.port), redis_url) as edge:
        eventually(lambda: edge.state().get("charge_points") and edge.grid_power() == 215)
        assert edge.state()["charge_points"]["1"]["name"] == "Gäste"
        before = edge.seq()
        _publish(broker, {"evu/W": "-3120"})
        eventually(lambda: edge.grid_power() == -3120)
        assert edge.entries()[-1] == (f"{before + 1}-0", {"grid.power_w": -3120})
        assert edge.raw()["openWB/evu/W"] == "-3120"
        snapshot = msgspec.json.decode(str(edge.reader.get(keys.state())), type=Snapshot)
        assert snapshot == edge.loop.current_state()


def test_what_is_not_allowed_or_bad_leaves_no_trace(broker: servers.Broker, edge: Edge) -> None:
    """Secrets, tags, oversized and garbled payloads: nothing of them is in Redis, and the next good value comes."""
    secret = "0004A376A2"
    _publish(
        broker,
        {
            "system/lastRfId": f"{secret},1752816600",
            "lp/1/lastRfId": secret,
            "lp/1/tagScanInfo": f"1752816600,{secret},1",
            "set/system/SimulateRFID": secret,
            "config/get/SmartHome/Devices/1/device_password": secret,
            "system/IpAddress": "192.168.1.20",
            "evu/W": b"\xff\xfe\x00",
            "evu/Hz": "9" * 70_000,
            "evu/VPhase1": "",
            "pv/W": "-5",
        },
    )
    eventually(lambda: (edge.state().get("pv") or {}).get("power_w") == 5)
    eventually(lambda: edge.health.counters().get("mqtt_skipped_not_text") == 1)
    eventually(lambda: edge.health.counters().get("mqtt_dropped_too_big") == 1)
    everything = str((edge.raw(), edge.state(), edge.entries()))
    assert secret not in everything
    assert "192.168" not in everything
    assert set(edge.raw()) <= {"openWB/pv/W", "openWB/evu/VPhase1"}


def test_a_broker_that_goes_and_comes(broker: servers.Broker, edge: Edge) -> None:
    """Health says so, Redis keeps the last values, and after the return new ones arrive."""
    _publish(broker, {"evu/W": "1"})
    eventually(lambda: edge.grid_power() == 1)
    broker.stop()
    eventually(lambda: edge.status("mqtt") is Status.FAILING)
    assert edge.grid_power() == 1
    assert edge.status("redis") is Status.OK
    broker.start()
    eventually(lambda: edge.status("mqtt") is Status.OK)
    _publish(broker, {"evu/W": "2"})
    eventually(lambda: edge.grid_power() == 2)


def test_a_broker_that_is_not_there_at_the_start(tmp_path: Path, redis_url: str) -> None:
    """The edge waits for it."""
    with servers.mosquitto(tmp_path / "late") as broker:
        broker.stop()
        with _running(BrokerAddress(broker.host, broker.port), redis_url) as edge:
            eventually(lambda: edge.status("mqtt") is Status.FAILING)
            broker.start()
            eventually(lambda: edge.status("mqtt") is Status.OK)
            _publish(broker, {"evu/W": "7"})
            eventually(lambda: edge.grid_power() == 7)


def test_a_broker_with_users(tmp_path: Path, redis_url: str) -> None:
    """The right password is let in; with a wrong one health says that the broker refused."""
    with servers.mosquitto(tmp_path / "closed", ("wallport", "secret-of-tests")) as broker:
        right = BrokerAddress(broker.host, broker.port, username="wallport", password="secret-of-tests")
        with _running(right, redis_url) as edge:
            eventually(lambda: edge.status("mqtt") is Status.OK)
        wrong = BrokerAddress(broker.host, broker.port, username="wallport", password="wrong-of-tests")
        with _running(wrong, redis_url) as edge:
            eventually(lambda: edge.status("mqtt") is Status.FAILING)
            detail = edge.health.components()["mqtt"].detail or ""
            assert "refused" in detail
            assert "wrong-of-tests" not in detail


def test_a_redis_that_goes_and_forgets_everything(broker: servers.Broker, own_redis: servers.RedisServer) -> None:
    """The broker is still heard meanwhile; afterwards the whole mirror is there again, under a newer number."""
    with _running(BrokerAddress(broker.host, broker.port), own_redis.url) as edge:
        eventually(lambda: edge.status("mqtt") is Status.OK)
        _publish(broker, {"evu/W": "1", "evu/Hz": "50.01"})
        eventually(lambda: edge.grid_power() == 1)
        before = edge.seq()
        own_redis.stop()
        eventually(lambda: edge.status("redis") is Status.FAILING)
        assert edge.status("mqtt") is Status.OK
        _publish(broker, {"evu/W": "2"})
        eventually(lambda: _power(edge.loop.current_state()) == 2)
        own_redis.start()
        eventually(lambda: edge.status("redis") is Status.OK)
        eventually(lambda: edge.grid_power() == 2)
        assert edge.raw() == {"openWB/evu/W": "2", "openWB/evu/Hz": "50.01"}
        assert edge.seq() > before
        _publish(broker, {"evu/W": "3"})
        eventually(lambda: edge.entries()[-1][1] == {"grid.power_w": 3})


def test_a_redis_that_is_not_there_at_the_start(broker: servers.Broker, own_redis: servers.RedisServer) -> None:
    """Everything heard until then is written when it comes."""
    own_redis.stop()
    _publish(broker, {"evu/W": "1"})
    with _running(BrokerAddress(broker.host, broker.port), own_redis.url) as edge:
        eventually(lambda: edge.status("redis") is Status.FAILING)
        eventually(lambda: _power(edge.loop.current_state()) == 1)
        own_redis.start()
        eventually(lambda: edge.status("redis") is Status.OK)
        eventually(lambda: edge.grid_power() == 1)


def test_a_flushed_redis_is_noticed(broker: servers.Broker, edge: Edge) -> None:
    """Nobody closes a connection then, and still everything comes back."""
    _publish(broker, {"evu/W": "1", "evu/Hz": "50.01"})
    eventually(lambda: edge.grid_power() == 1)
    edge.reader.flushall()
    _publish(broker, {"evu/W": "2"})
    eventually(lambda: edge.raw() == {"openWB/evu/W": "2", "openWB/evu/Hz": "50.01"})


def test_a_redis_that_refuses_is_unavailable(redis_url: str) -> None:
    """A foreign value under our key is an error of Redis, not a crash; so is a server that is not there."""
    with redis.Redis.from_url(redis_url) as client:
        client.set(keys.mirror(), "not a hash")
    adapter = RedisMirror(redis_url)
    with pytest.raises(RedisUnavailable):
        adapter.load()
    adapter.close()
    with reserved_port() as port:
        nobody = RedisMirror(f"redis://127.0.0.1:{port}/0")
        with pytest.raises(RedisUnavailable):
            nobody.holds_state()
        nobody.close()


def test_a_stored_state_that_cannot_be_read_counts_as_none(redis_url: str) -> None:
    """Another release may have written it; its number still counts through the stream."""
    with redis.Redis.from_url(redis_url) as client:
        client.set(keys.state(), '{"seq": "x"}')
        client.xadd(keys.changes(), {"d": "{}"}, id="77-0")
    adapter = RedisMirror(redis_url)
    stored = adapter.load()
    adapter.close()
    assert stored.snapshot is None
    assert stored.last_seq == 77


def test_the_heartbeat_is_readable_and_expires(redis_url: str) -> None:
    """Components and counters, under a key that dies with the edge."""
    health = Health(SystemClock())
    health.report("mqtt", Status.FAILING, "gone")
    health.count("mqtt_dropped_too_big", 3)
    adapter = RedisMirror(redis_url)
    with _in_thread(HeartbeatLoop(adapter, health, SystemClock()).run):
        found = eventually(adapter.read_health)
    assert isinstance(found, EdgeHealth)
    assert found.components["mqtt"]["status"] == "failing"
    assert found.counters == {"mqtt_dropped_too_big": 3}
    with redis.Redis.from_url(redis_url) as client:
        ttl: Any = client.ttl(keys.edge_health())
        assert 0 < ttl <= keys.EDGE_HEALTH_TTL_S
    adapter.close()


def _power(snapshot: Snapshot | None) -> object:
    return snapshot.state.grid.power_w if snapshot and snapshot.state.grid else None
