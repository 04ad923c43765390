"""MQTT → Redis with a real mosquitto and a real redis-server, also when one of them goes away."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from common import keys
from common.clock import SystemClock
from common.errors import RedisUnavailable
from common.health import Health, Status
from common.model import EdgeHealth, Snapshot
from edge.adapters.redis_mirror import RedisMirror
from edge.loops.heartbeat import HeartbeatLoop
from edge.openwb.v1 import DIALECT
from edge.settings import BrokerAddress
from tests.kit import servers
from tests.kit.edge_mirror import EdgeMirror, in_threads, publish, running
from tests.kit.ports import reserved_port
from tests.kit.waiting import eventually


@pytest.fixture
def edge(broker: servers.Broker, redis_url: str) -> Iterator[EdgeMirror]:
    with running(BrokerAddress(broker.host, broker.port), redis_url, DIALECT) as edge:
        eventually(lambda: edge.status("mqtt") is Status.OK, what="the subscription")
        yield edge


def test_retained_and_live_values_reach_redis(broker: servers.Broker, redis_url: str) -> None:
    """What the broker kept from before counts, and a live value follows as a change with the next number."""
    publish(broker, {"evu/W": "215", "lp/1/boolChargePointConfigured": "1", "lp/1/strChargePointName": "Gäste"})
    with running(BrokerAddress(broker.host, broker.port), redis_url, DIALECT) as edge:
        eventually(lambda: edge.state().get("charge_points") and edge.grid_power() == 215)
        assert edge.state()["charge_points"]["1"]["name"] == "Gäste"
        before = edge.seq()
        publish(broker, {"evu/W": "-3120"})
        eventually(lambda: edge.grid_power() == -3120)
        assert edge.entries()[-1] == (f"{before + 1}-0", {"grid.power_w": -3120})
        assert edge.raw()["openWB/evu/W"] == "-3120"
        snapshot = msgspec.json.decode(str(edge.reader.get(keys.state())), type=Snapshot)
        assert snapshot == edge.loop.current_state()


def test_what_is_not_allowed_or_bad_leaves_no_trace(broker: servers.Broker, edge: EdgeMirror) -> None:
    """Secrets, tags, oversized and garbled payloads: nothing of them is in Redis, and the next good value comes."""
    secret = "0004A376A2"
    publish(
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


def test_a_broker_that_goes_and_comes(broker: servers.Broker, edge: EdgeMirror) -> None:
    """Health says so, Redis keeps the last values, and after the return new ones arrive."""
    publish(broker, {"evu/W": "1"})
    eventually(lambda: edge.grid_power() == 1)
    broker.stop()
    eventually(lambda: edge.status("mqtt") is Status.FAILING)
    assert edge.grid_power() == 1
    assert edge.status("redis") is Status.OK
    broker.start()
    eventually(lambda: edge.status("mqtt") is Status.OK)
    publish(broker, {"evu/W": "2"})
    eventually(lambda: edge.grid_power() == 2)


def test_a_broker_that_is_not_there_at_the_start(tmp_path: Path, redis_url: str) -> None:
    """The edge waits for it."""
    with servers.mosquitto(tmp_path / "late") as broker:
        broker.stop()
        with running(BrokerAddress(broker.host, broker.port), redis_url, DIALECT) as edge:
            eventually(lambda: edge.status("mqtt") is Status.FAILING)
            broker.start()
            eventually(lambda: edge.status("mqtt") is Status.OK)
            publish(broker, {"evu/W": "7"})
            eventually(lambda: edge.grid_power() == 7)


def test_a_broker_with_users(tmp_path: Path, redis_url: str) -> None:
    """The right password is let in; with a wrong one health says that the broker refused."""
    with servers.mosquitto(tmp_path / "closed", ("wallport", "secret-of-tests")) as broker:
        right = BrokerAddress(broker.host, broker.port, username="wallport", password="secret-of-tests")
        with running(right, redis_url, DIALECT) as edge:
            eventually(lambda: edge.status("mqtt") is Status.OK)
        wrong = BrokerAddress(broker.host, broker.port, username="wallport", password="wrong-of-tests")
        with running(wrong, redis_url, DIALECT) as edge:
            eventually(lambda: edge.status("mqtt") is Status.FAILING)
            detail = edge.health.components()["mqtt"].detail or ""
            assert "refused" in detail
            assert "wrong-of-tests" not in detail


def test_a_redis_that_goes_and_forgets_everything(broker: servers.Broker, own_redis: servers.RedisServer) -> None:
    """The broker is still heard meanwhile; afterwards the whole mirror is there again, under a newer number."""
    with running(BrokerAddress(broker.host, broker.port), own_redis.url, DIALECT) as edge:
        eventually(lambda: edge.status("mqtt") is Status.OK)
        publish(broker, {"evu/W": "1", "evu/Hz": "50.01"})
        eventually(lambda: edge.grid_power() == 1)
        before = edge.seq()
        own_redis.stop()
        eventually(lambda: edge.status("redis") is Status.FAILING)
        assert edge.status("mqtt") is Status.OK
        publish(broker, {"evu/W": "2"})
        eventually(lambda: _power(edge.loop.current_state()) == 2)
        own_redis.start()
        eventually(lambda: edge.status("redis") is Status.OK)
        eventually(lambda: edge.grid_power() == 2)
        assert edge.raw() == {"openWB/evu/W": "2", "openWB/evu/Hz": "50.01"}
        assert edge.seq() > before
        publish(broker, {"evu/W": "3"})
        eventually(lambda: edge.entries()[-1][1] == {"grid.power_w": 3})


def test_a_redis_that_is_not_there_at_the_start(broker: servers.Broker, own_redis: servers.RedisServer) -> None:
    """Everything heard until then is written when it comes."""
    own_redis.stop()
    publish(broker, {"evu/W": "1"})
    with running(BrokerAddress(broker.host, broker.port), own_redis.url, DIALECT) as edge:
        eventually(lambda: edge.status("redis") is Status.FAILING)
        eventually(lambda: _power(edge.loop.current_state()) == 1)
        own_redis.start()
        eventually(lambda: edge.status("redis") is Status.OK)
        eventually(lambda: edge.grid_power() == 1)


def test_a_flushed_redis_is_noticed(broker: servers.Broker, edge: EdgeMirror) -> None:
    """Nobody closes a connection then, and still everything comes back."""
    publish(broker, {"evu/W": "1", "evu/Hz": "50.01"})
    eventually(lambda: edge.grid_power() == 1)
    edge.reader.flushall()
    publish(broker, {"evu/W": "2"})
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
    with in_threads(HeartbeatLoop(adapter, health, SystemClock()).run):
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
