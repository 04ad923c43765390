"""The simulated openWB 2.x against the real core's captured topics: same names, same JSON types, same keys.

The captured house has one charge point (3), a meter (0), an inverter (1), a battery (2) and vehicles 0 and 1; the
simulated house has the same and more.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from common.model import flatten
from edge.mirror import Mirror
from edge.openwb import v2
from tests.kit.openwb2 import AT, cycle, new_wallbox, plug_in_empty, shown

CAPTURED: dict[str, Any] = {
    topic.removeprefix("openWB/"): json.loads(payload)
    for topic, payload in json.loads((Path(__file__).parent / "captures/openwb-2.3.json").read_text())["topics"].items()
}

LEFT_OUT = {
    r"openWB-remote/.*": "belongs to the vendor's remote access",
    r"mqtt/.*": "the input side of devices that this house has not",
    r"set/.*": "leftovers of the core's own writing",
    r"counter/set/simulation": "the core's own memory",
    r"internal_chargepoint/.*": "on the box that owns the socket",
}

MORE = {
    r"chargepoint/(3/)?get/.*exported": "Δ, of which the capture had none yet",
    r"counter/set/invalid_home_consumption": "Δ",
    r"bat/get/power": "Δ; the captured battery stood still",
    r"bat/(2/)?get/daily_.*": "after the first five-minute job",
    r"optional/ep/flexible_tariff/get/fault_.*": "the capture had no tariff",
    r"system/update_in_progress": "written by the updater",
    r"vehicle/template/ev_template/[12]": "one for each car",
    r"(chargepoint/7|vehicle/2)/.*": "the second charge point and its car",
}

OTHER_TYPES = {
    "optional/ep/flexible_tariff/get/next_query_time": "a number while there is a tariff",
    "chargepoint/3/get/serial_number": "text or null",
    "system/serial_number": "text or null, as the reference says",
}

OTHER_KEYS = {
    "optional/ep/get/prices": "the capture had no tariff",
    "optional/ep/flexible_tariff/get/prices": "the capture had no tariff",
    "optional/ep/flexible_tariff/provider": "the capture had no tariff",
    "general/web_theme": "fewer of the theme's own settings",
    "system/lastlivevaluesJson": "the second charge point",
    "graph/lastlivevaluesJson": "the second charge point",
}


def matches(name: str, patterns: dict[str, str]) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)


@pytest.fixture(scope="module")
def simulated() -> dict[str, Any]:
    """All topics while both cars charge."""
    wallbox = new_wallbox()
    plug_in_empty(wallbox, 3)
    plug_in_empty(wallbox, 7)
    cycle(wallbox, 4)
    return shown(wallbox)


def test_every_captured_topic_is_simulated_or_left_out_on_purpose(simulated: dict[str, Any]) -> None:
    """And each reason is still needed."""
    missing = CAPTURED.keys() - simulated.keys()
    assert {name for name in missing if not matches(name, LEFT_OUT)} == set()
    assert {pattern for pattern in LEFT_OUT if not any(matches(name, {pattern: ""}) for name in missing)} == set()


def test_no_topic_is_made_up(simulated: dict[str, Any]) -> None:
    """What the capture lacks is in the reference, and listed here."""
    more = simulated.keys() - CAPTURED.keys()
    assert {name for name in more if not matches(name, MORE)} == set()
    assert {pattern for pattern in MORE if not any(matches(name, {pattern: ""}) for name in more)} == set()


def kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


@pytest.mark.parametrize("name", sorted(name for name in CAPTURED if not matches(name, LEFT_OUT)))
def test_a_topic_has_the_captured_type_and_keys(simulated: dict[str, Any], name: str) -> None:
    """Numbers may be whole or not, in both; elements of lists have one type."""
    captured, ours = CAPTURED[name], simulated[name]
    if name not in OTHER_TYPES:
        assert kind(ours) == kind(captured)
    if isinstance(captured, dict) and name not in OTHER_KEYS:
        assert ours.keys() == captured.keys()
        assert {key: kind(value) for key, value in ours.items() if value is not None and captured[key] is not None} == {
            key: kind(value) for key, value in captured.items() if value is not None and ours[key] is not None
        }
    if isinstance(captured, list) and captured and ours:
        assert {kind(item) for item in ours} == {kind(item) for item in captured}
        assert len(ours) == len(captured)


def test_a_whole_template_has_the_captured_parts(simulated: dict[str, Any]) -> None:
    """Down to the last limit."""

    def parts(value: Any) -> Any:
        return {key: parts(item) for key, item in value.items()} if isinstance(value, dict) else kind(value)

    for name in ("chargepoint/3/set/charge_template", "vehicle/template/charge_template/0"):
        assert parts(simulated[name]) == parts(CAPTURED[name])


def test_the_odd_things_are_there(simulated: dict[str, Any]) -> None:
    """`_ev` besides and instead of `ev`, keys that are missing, a stale topic, 0 for an unknown state of charge."""
    assert {"_ev", "ev"} <= simulated["chargepoint/3/config"].keys()
    assert "ev" not in simulated["chargepoint/7/config"]
    assert "charging_type" not in simulated["chargepoint/3/config"]
    assert simulated["chargepoint/3/get/connected_vehicle"]["info"] == {"id": 0, "name": "Ladepunkt"}
    unknown = simulated["chargepoint/7/get/connected_vehicle/soc"]
    assert (unknown["soc"], unknown["range"], unknown["timestamp"]) == (0, 0, None)
    ids = [child["id"] for child in simulated["counter/get/hierarchy"][0]["children"]]
    assert ids == [1, 2, 3, 7]


def test_the_edge_reads_it_without_a_skip(simulated: dict[str, Any]) -> None:
    """What is simulated is plausible, part by part, and the balance of the house holds."""
    topics = {f"openWB/{name}": json.dumps(value).encode() for name, value in simulated.items()}
    mirror = Mirror(v2.DIALECT)
    update = mirror.apply({topic: text for topic, text in topics.items() if v2.DIALECT.is_allowed(topic)}, AT + 40)
    assert update.skipped == ()
    snapshot = mirror.snapshot()
    assert snapshot is not None
    state = flatten(snapshot.state)
    assert state["charge_points.3.is_charging"] is True
    assert state["charge_points.7.phases_in_use"] == 1
    powers_w = [state[f"charge_points.{n}.power_w"] for n in (3, 7)]
    demand_w = state["home.power_w"] + state["battery.power_w"] + sum(powers_w)
    assert state["grid.power_w"] + state["pv.power_w"] == pytest.approx(demand_w, abs=1.5)
