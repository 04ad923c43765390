"""Which openWB is on a real broker: found out, found out again after an upgrade, and nothing private gets past."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import structlog

from common import keys
from common.health import Status
from common.model import Snapshot
from edge.openwb import v1, v2
from edge.openwb.dialect import Dialect
from edge.settings import BrokerAddress
from tests.kit import servers
from tests.kit.edge_mirror import publish, running
from tests.kit.private_topics import FORBIDDEN, MARK, MIXED, PLANTED, concrete
from tests.kit.waiting import eventually

CAPTURE = json.loads((Path(__file__).parents[1] / "contract" / "captures" / "openwb-2.3.json").read_text())
HIERARCHY = json.dumps([{"id": 0, "type": "counter", "children": [{"id": 3, "type": "cp", "children": []}]}])


Topics = Callable[[int], dict[str, str]]


def _old(power: int) -> dict[str, str]:
    return {
        "system/Timestamp": str(int(time.time())),
        "system/Version": "1.9.304",
        "evu/W": str(power),
        "lp/1/boolChargePointConfigured": "1",
        "lp/1/W": "7",
    }


def _new(power: int) -> dict[str, str]:
    return {
        "system/time": str(time.time()),
        "system/version": '"2.3.0"',
        "counter/get/hierarchy": HIERARCHY,
        "counter/0/get/power": str(power),
        "chargepoint/3/config": '{"id": 3, "name": "Süd"}',
    }


def _address(broker: servers.Broker) -> BrokerAddress:
    return BrokerAddress(broker.host, broker.port)


@pytest.mark.parametrize(("topics", "generation"), [(_old, "1.9"), (_new, "2.x")])
def test_a_generation_is_found_out(broker: servers.Broker, redis_url: str, topics: Topics, generation: str) -> None:
    """By what the broker retained, and then by live values."""
    publish(broker, topics(215))
    with running(_address(broker), redis_url) as edge:
        eventually(lambda: edge.generation() == generation and edge.grid_power() == 215)
        assert edge.state()["meta"]["is_stale"] is False
        publish(broker, topics(-5))
        eventually(lambda: edge.grid_power() == -5)
        assert edge.status("mqtt") is Status.OK
        assert set(edge.raw()) <= {f"openWB/{topic}" for topic in topics(0)}


def test_a_late_wallbox_is_found_out(broker: servers.Broker, redis_url: str) -> None:
    """Nothing is written as long as nobody speaks."""
    with running(_address(broker), redis_url) as edge:
        eventually(lambda: edge.status("mqtt") is Status.OK)
        assert edge.state() == {}
        publish(broker, _new(1))
        eventually(lambda: edge.grid_power() == 1)


def test_an_upgrade_in_place_leaves_nothing_of_the_old_one(broker: servers.Broker, redis_url: str) -> None:
    """The edge was off meanwhile: Redis has the old state, the broker the old topics, and the new one beats."""
    publish(broker, _old(215))
    with running(_address(broker), redis_url) as edge:
        eventually(lambda: edge.grid_power() == 215)
        before = edge.seq()
    publish(broker, {**_new(30), "system/Timestamp": "1750000000"})
    with running(_address(broker), redis_url) as edge:
        eventually(lambda: edge.generation() == "2.x" and edge.grid_power() == 30)
        assert list(edge.state()["charge_points"]) == ["3"]
        assert not any("evu" in topic or "/lp/" in topic for topic in edge.raw())
        assert edge.seq() > before
        changes = {path: value for _, entry in edge.entries() for path, value in entry.items()}
        assert changes["meta.generation"] == "2.x"
        assert changes["charge_points.1"] is None


def test_charge_points_come_and_go_while_it_runs(broker: servers.Broker, redis_url: str) -> None:
    """Added and removed at the wallbox, seen without a restart and told as changes."""
    publish(broker, _new(1))
    with running(_address(broker), redis_url) as edge:
        eventually(lambda: list(edge.state().get("charge_points", {})) == ["3"])
        both = json.dumps([{"id": 0, "type": "counter", "children": [{"id": i, "type": "cp"} for i in (3, 14)]}])
        publish(broker, {"chargepoint/14/config": '{"id": 14, "name": "Nord"}', "counter/get/hierarchy": both})
        eventually(lambda: list(edge.state()["charge_points"]) == ["3", "14"])
        publish(broker, {"chargepoint/3/config": ""})
        eventually(lambda: list(edge.state()["charge_points"]) == ["14"])
        assert edge.entries()[-1][1] == {"charge_points.3": None}


def test_a_fixed_generation_is_not_questioned(broker: servers.Broker, redis_url: str) -> None:
    publish(broker, {**_old(5), **_new(7)})
    with running(_address(broker), redis_url, v1.DIALECT) as edge:
        eventually(lambda: edge.grid_power() == 5)
        assert edge.generation() == "1.9"


@pytest.mark.parametrize("dialect", [v1.DIALECT, v2.DIALECT, None], ids=["1.9", "2.x", "auto"])
def test_nothing_private_gets_past(
    broker: servers.Broker, redis_url: str, dialect: Dialect | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every secret and every tag of both reference pages, retained and live: no trace in Redis, stream or log.

    Nor of the addresses and secrets in accounts of faults, of which the other words do arrive.
    """
    public = {**_old(1), **_new(1), "evu/faultState": "2", "counter/0/get/fault_state": "2"}
    private = {topic: MARK for forbidden in FORBIDDEN for topic in concrete(forbidden)}
    private |= {topic: json.dumps(content) for topic, content in MIXED.items()}
    told, secrets = next(iter(PLANTED.items()))
    private |= {f"openWB/{topic}": json.dumps(told) for topic in ("evu/faultStr", "counter/0/get/fault_str")}
    private = {topic.removeprefix("openWB/"): text for topic, text in private.items() if topic.startswith("openWB/")}
    publish(broker, private)
    publish(broker, public)
    with structlog.testing.capture_logs() as logged, running(_address(broker), redis_url, dialect) as edge:
        eventually(lambda: edge.grid_power() == 1)
        publish(broker, private, retain=False)
        publish(broker, {"evu/W": "2", "counter/0/get/power": "2"})
        eventually(lambda: edge.grid_power() == 2)
        fault = edge.state()["grid"]["fault"]
        seen = [edge.raw(), edge.reader.get(keys.state()), edge.entries(), edge.health.components()]
    output = capfd.readouterr()
    everything = str((seen, logged, output.out, output.err))
    assert [secret for secret in (MARK, *secrets) if secret in everything] == []
    assert seen[0]
    assert fault == {"level": "error", "text": "Die Verbindung zum Server … ist fehlgeschlagen."}


def test_the_captured_wallbox_reaches_redis(broker: servers.Broker, redis_url: str) -> None:
    """All topics of the capture, also those that are nobody's business, through a real broker."""
    topics = {
        name.removeprefix("openWB/"): text for name, text in CAPTURE["topics"].items() if name.startswith("openWB/")
    }
    publish(broker, topics)
    with running(_address(broker), redis_url, v2.DIALECT) as edge:
        eventually(lambda: edge.state().get("charge_points") and len(edge.raw()) == 71)
        snapshot = msgspec.json.decode(str(edge.reader.get(keys.state())), type=Snapshot)
        assert snapshot.state.charge_points["3"].vehicle == "Test raw nojson"
        assert snapshot.state.meta.is_stale  # it was captured another day
        assert "ABC123" not in str(edge.raw())
