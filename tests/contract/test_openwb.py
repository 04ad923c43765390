"""Both generations of openWB as they really speak: captured topics give the state value for value."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from paho.mqtt.client import topic_matches_sub

from common.model import Snapshot
from edge.mirror import Mirror
from edge.openwb import v1, v2
from edge.openwb.dialect import Dialect

CAPTURES = sorted((Path(__file__).parent / "captures").glob("openwb-*.json"))
DIALECTS = {dialect.generation: dialect for dialect in (v1.DIALECT, v2.DIALECT)}

each_capture = pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
each_dialect = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def _known(part: Any) -> Any:
    """Without what is unknown, so that the captures need not list it."""
    if isinstance(part, dict):
        return {name: _known(value) for name, value in part.items() if value is not None}
    return part


def _capture(path: Path) -> tuple[dict[str, Any], Dialect]:
    capture: dict[str, Any] = json.loads(path.read_text())
    return capture, DIALECTS[capture["state"]["meta"]["generation"]]


def _allowed(topics: dict[str, str], dialect: Dialect) -> dict[str, bytes]:
    return {topic: text.encode() for topic, text in topics.items() if dialect.is_allowed(topic)}


@each_capture
def test_a_capture_gives_the_state_value_for_value(path: Path) -> None:
    """Every named topic ends up at its place with our unit and sign; what is unknown is None, what is off is absent."""
    capture, dialect = _capture(path)
    mirror = Mirror(dialect)
    update = mirror.apply(_allowed(capture["topics"], dialect), capture["heard_at"])
    snapshot = mirror.snapshot()
    assert snapshot is not None
    assert _known(json.loads(msgspec.json.encode(snapshot.state))) == capture["state"]
    assert {skip.topic: skip.reason.value for skip in update.skipped} == capture["skipped"]


@each_capture
def test_a_capture_survives_its_way_through_json(path: Path) -> None:
    """What the api reads from Redis is what the edge wrote."""
    capture, dialect = _capture(path)
    mirror = Mirror(dialect)
    mirror.apply(_allowed(capture["topics"], dialect), capture["heard_at"])
    snapshot = mirror.snapshot()
    assert msgspec.json.decode(msgspec.json.encode(snapshot), type=Snapshot) == snapshot


@each_capture
def test_a_capture_says_nothing_in_the_other_dialect(path: Path) -> None:
    """The two have no topic in common, so that leftovers of one cannot get into the other's state."""
    capture, dialect = _capture(path)
    (other,) = (candidate for candidate in DIALECTS.values() if candidate is not dialect)
    assert _allowed(capture["topics"], other) == {}


@each_dialect
def test_subscriptions_are_narrow_and_cover_the_table(dialect: Dialect) -> None:
    """No filter takes whole branches, and every topic that the table allows arrives once."""
    subscriptions = dialect.subscriptions()
    assert not any("#" in subscription for subscription in subscriptions)
    for reading in dialect.readings:
        for number in (reading.numbers[0], reading.numbers[-1]):
            topic = reading.topic.replace("{n}", str(number))
            assert dialect.is_allowed(topic)
            assert sum(topic_matches_sub(subscription, topic) for subscription in subscriptions) == 1


@pytest.mark.parametrize("number", ["0", "9", "01", "+1", "١", "12345", "", "{n}"])
def test_only_charge_points_one_to_eight_exist_in_the_old_one(number: str) -> None:
    """openWB 1.9 has eight; other numbers in a topic are nobody's."""
    assert not v1.DIALECT.is_allowed(f"openWB/lp/{number}/W")


@pytest.mark.parametrize("number", ["01", "+1", "١", "12345", "", "{n}", "get"])
def test_ids_are_plain_numbers_in_the_new_one(number: str) -> None:
    """openWB 2.x counts all components from 0."""
    assert not v2.DIALECT.is_allowed(f"openWB/chargepoint/{number}/get/power")
    assert v2.DIALECT.is_allowed("openWB/chargepoint/0/get/power")
