"""openWB 1.9 as it really speaks: captured topics give the state value for value, and nothing private gets in."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from paho.mqtt.client import topic_matches_sub

from common.model import Snapshot
from edge.mirror import Mirror
from edge.openwb.parsing import SkipReason
from edge.openwb.v1 import DIALECT

CAPTURES = sorted((Path(__file__).parent / "captures").glob("openwb-1.9.*.json"))

SMART_HOME_SECRETS = (
    "device_username",
    "device_password",
    "device_shusername",
    "device_shpassword",
    "device_measureshusername",
    "device_measureshpassword",
    "device_measureavmusername",
    "device_measureavmpassword",
    "device_actor",
    "device_ip",
    "device_measureip",
    "device_pbip",
    "device_einschalturl",
    "device_ausschalturl",
    "device_leistungurl",
    "device_stateurl",
    "device_measureurl",
    "device_measureurlc",
    "device_measurejsonurl",
)

PRIVATE_TOPICS = (
    *(f"openWB/config/get/SmartHome/Devices/{n}/{name}" for n in (1, 9) for name in SMART_HOME_SECRETS),
    "openWB/set/ChargeMode",
    "openWB/set/system/SimulateRFID",
    "openWB/set/system/topicSender",
    "openWB/set/system/SendDebug",
    "openWB/set/system/GetRemoteSupport",
    "openWB/set/configure/AllowedRfidsForLp1",
    "openWB/set/lp/1/W",
    "openWB/set/evu/W",
    "openWB/config/set/display/displaypincode",
    "openWB/config/set/sofort/lp/1/current",
    "openWB/system/debug/DebugInfo",
    "openWB/system/lastRfId",
    "openWB/lp/1/lastRfId",
    "openWB/lp/2/lastRfId",
    "openWB/lp/8/tagScanInfo",
    "openWB/lp/1/Accounting",
    "openWB/lp/1/LastScannedRfidTag",
    "openWB/system/MonthLadelogData1",
    "openWB/system/MonthLadelogData12",
    "openWB/system/IpAddress",
    "openWB/system/parentWB",
)


def _known(part: Any) -> Any:
    """Without what is unknown, so that the captures need not list it."""
    if isinstance(part, dict):
        return {name: _known(value) for name, value in part.items() if value is not None}
    return part


def _capture(path: Path) -> dict[str, Any]:
    capture: dict[str, Any] = json.loads(path.read_text())
    return capture


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_gives_the_state_value_for_value(path: Path) -> None:
    """Every named topic ends up at its place with our unit and sign; what is unknown is None, what is off is absent."""
    capture = _capture(path)
    mirror = Mirror(DIALECT)
    allowed = {topic: text.encode() for topic, text in capture["topics"].items() if DIALECT.is_allowed(topic)}
    update = mirror.apply(allowed, capture["heard_at"])
    snapshot = mirror.snapshot()
    assert snapshot is not None
    assert _known(json.loads(msgspec.json.encode(snapshot.state))) == capture["state"]
    assert {skip.topic: skip.reason.value for skip in update.skipped} == capture["skipped"]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_survives_its_way_through_json(path: Path) -> None:
    """What the api reads from Redis is what the edge wrote."""
    capture = _capture(path)
    mirror = Mirror(DIALECT)
    mirror.apply({topic: text.encode() for topic, text in capture["topics"].items()}, capture["heard_at"])
    snapshot = mirror.snapshot()
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


@pytest.mark.parametrize("topic", PRIVATE_TOPICS)
def test_private_topics_are_neither_subscribed_nor_kept(topic: str) -> None:
    """Secrets and personal data do not even cross the line, and would be dropped if they did."""
    assert not any(topic_matches_sub(subscription, topic) for subscription in DIALECT.subscriptions())
    mirror = Mirror(DIALECT)
    update = mirror.apply({topic: b"0004A376A2"}, 1752816615)
    assert [skip.reason for skip in update.skipped] == [SkipReason.NOT_ALLOWED]
    assert mirror.raw == {}
    assert mirror.snapshot() is None


def test_subscriptions_are_narrow_and_cover_the_table() -> None:
    """No filter ends in a wildcard, and every topic that the table allows arrives."""
    subscriptions = DIALECT.subscriptions()
    for subscription in subscriptions:
        assert "#" not in subscription
        assert not subscription.endswith("+")
    for reading in DIALECT.readings:
        for number in reading.numbers:
            topic = reading.topic.replace("{n}", str(number))
            assert DIALECT.is_allowed(topic)
            assert sum(topic_matches_sub(subscription, topic) for subscription in subscriptions) == 1


@pytest.mark.parametrize("number", ["0", "9", "01", "+1", "١", "12345", ""])
def test_only_charge_points_one_to_eight_exist(number: str) -> None:
    """openWB 1.9 has eight; other numbers in a topic are nobody's."""
    assert not DIALECT.is_allowed(f"openWB/lp/{number}/W")
