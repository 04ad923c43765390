"""openWB 2.x and its vehicles: typed-in states of charge, tags, and the charge log by command."""

import json
from typing import Any

import pytest

from simulator.v2.wallbox import Wallbox
from simulator.wallbox import Message
from tests.kit.openwb2 import LOCK, TEMPLATE_3, cycle, heard, new_wallbox, plug_in_empty, say, shown


@pytest.fixture
def wallbox() -> Wallbox:
    return new_wallbox()


def test_a_typed_in_soc_is_taken_over_at_once(wallbox: Wallbox) -> None:
    """Echo, request, value, and the field empty again; the set topic is emptied."""
    messages = say(wallbox, "vehicle/1/soc_module/calculated_soc_state/manual_soc", 55)
    names = [message.topic.removeprefix("openWB/vehicle/1/") for message in messages]
    assert names[:3] == ["soc_module/calculated_soc_state", "get/force_soc_update", "get/soc"]
    assert json.loads(messages[0].payload)["manual_soc"] == 55
    after = heard(messages)
    assert after["vehicle/1/get/soc"] == 55
    assert after["vehicle/1/get/force_soc_update"] is False
    assert after["vehicle/1/soc_module/calculated_soc_state"]["manual_soc"] is None
    assert messages[-1] == Message("openWB/set/vehicle/1/soc_module/calculated_soc_state/manual_soc", "", qos=2)
    assert cycle(wallbox)["chargepoint/3/get/connected_vehicle/soc"]["soc"] == 55


def test_a_typed_in_soc_counts_up_while_charging(wallbox: Wallbox) -> None:
    """And is forgotten when the car comes back from a drive."""
    plug_in_empty(wallbox, 3)
    cycle(wallbox, 2)
    say(wallbox, "vehicle/1/soc_module/calculated_soc_state/manual_soc", 20)
    cycle(wallbox, 120)
    assert 20 < shown(wallbox)["vehicle/1/get/soc"] < 30
    wallbox.turn("car", "3", "away")
    cycle(wallbox)
    wallbox.turn("car", "3", "plugged")
    cycle(wallbox)
    assert shown(wallbox)["vehicle/1/get/soc"] == pytest.approx(wallbox.state.charge_points[0].soc_percent, abs=0.1)


def test_a_soc_needs_a_module(wallbox: Wallbox) -> None:
    """Without one the set topic is emptied, nothing more; another module than the manual one keeps it for itself."""
    name = "vehicle/2/soc_module/calculated_soc_state/manual_soc"
    assert say(wallbox, name, 55) == [Message(f"openWB/set/{name}", "", qos=2)]
    say(wallbox, "vehicle/2/soc_module/config", {"type": "cloud", "configuration": {}})
    assert heard(say(wallbox, name, 55))["vehicle/2/soc_module/calculated_soc_state"] == {"manual_soc": 55}
    assert shown(wallbox)["vehicle/2/get/soc"] != 55


def test_a_pushed_soc_is_shown_whatever_the_module(wallbox: Wallbox) -> None:
    """Also for a vehicle without one."""
    say(wallbox, "vehicle/2/get/soc", 44)
    assert cycle(wallbox)["chargepoint/7/get/connected_vehicle/soc"]["soc"] == 44


def test_a_known_tag_waits_for_the_plug(wallbox: Wallbox) -> None:
    """Its vehicle shows at once, and is assigned with the plug; the tag is the session's until the unplugging."""
    wallbox.turn("car", "3", "away")
    cycle(wallbox)
    say(wallbox, "chargepoint/3/get/rfid", "00b1c204d7")
    waiting = cycle(wallbox)
    assert (waiting["chargepoint/3/get/rfid"], waiting["chargepoint/3/get/rfid_timestamp"]) == (
        "00b1c204d7",
        wallbox.at,
    )
    assert waiting["chargepoint/3/get/connected_vehicle/info"]["id"] == 2
    plug_in_empty(wallbox, 3)
    bound = cycle(wallbox)
    assert (bound["chargepoint/3/set/rfid"], bound["chargepoint/3/get/rfid"]) == ("00b1c204d7", None)
    assert bound["chargepoint/3/config"]["_ev"] == 2
    assert "ev" not in bound["chargepoint/3/config"]
    assert bound[TEMPLATE_3]["id"] == 0
    assert cycle(wallbox, 3)["chargepoint/3/set/log"]["rfid"] == "00b1c204d7"
    say(wallbox, "chargepoint/3/config/ev", 1)
    assert cycle(wallbox)["chargepoint/3/config"]["_ev"] == 2  # the bound tag asserts its vehicle
    wallbox.turn("car", "3", "away")
    assert cycle(wallbox)["chargepoint/3/set/rfid"] is None
    log = heard(ask_log(wallbox, "c1", {"chargepoint": {"id": [3]}, "vehicle": {"tag": ["00b1c204d7"]}}))
    assert log["log/c1/data"]["entries"][0]["vehicle"]["id"] == 2


@pytest.mark.parametrize("tag", ["FFFF", "0004a376a"])
def test_an_unknown_tag_is_thrown_away(wallbox: Wallbox, tag: str) -> None:
    """With a word about it."""
    say(wallbox, "chargepoint/3/get/rfid", tag)
    after = cycle(wallbox)
    assert (after["chargepoint/3/get/rfid"], after["chargepoint/3/get/rfid_timestamp"]) == (None, None)
    assert tag in after["chargepoint/3/get/state_str"]


def test_a_tag_is_thrown_away_when_nobody_plugs_in(wallbox: Wallbox) -> None:
    """After five minutes; and at once while RFID is off, or a session has energy."""
    wallbox.turn("car", "3", "away")
    say(wallbox, "chargepoint/3/get/rfid", "0004A376A2")
    assert cycle(wallbox, 31)["chargepoint/3/get/rfid"] == "0004A376A2"
    assert cycle(wallbox)["chargepoint/3/get/rfid"] is None
    plug_in_empty(wallbox, 7)
    cycle(wallbox, 5)
    say(wallbox, "chargepoint/7/get/rfid", "0004A376A2")
    assert cycle(wallbox)["chargepoint/7/get/rfid"] is None
    assert shown(wallbox)["chargepoint/7/set/rfid"] is None
    say(wallbox, "optional/rfid/active", False)
    say(wallbox, "chargepoint/3/get/rfid", "0004A376A2")
    assert cycle(wallbox)["chargepoint/3/get/rfid"] is None


def test_tags_match_by_patterns_and_lists_unlock(wallbox: Wallbox) -> None:
    """A vehicle's `AB*`, and the charge point template's own list."""
    say(wallbox, "vehicle/2/tag_id", ["AB*"])
    template = shown(wallbox)["chargepoint/template/0"]
    say(wallbox, "chargepoint/template/0", template | {"valid_tags": ["abc?"], "disable_after_unplug": True})
    wallbox.turn("car", "3", "away")
    assert cycle(wallbox)[LOCK] is True
    wallbox.turn("car", "3", "plugged")
    cycle(wallbox)
    say(wallbox, "chargepoint/3/get/rfid", "ABC1")
    after = cycle(wallbox)
    assert (after[LOCK], after["chargepoint/3/config"]["_ev"]) == (False, 2)


def ask_log(wallbox: Wallbox, client: str, criteria: dict[str, Any]) -> list[Message]:
    data = {"year": "2026", "month": "11", "filter": criteria}
    return say(wallbox, f"command/{client}/todo/getChargeLog", {"command": "getChargeLog", "data": data})


def test_the_charge_log_is_answered_to_its_client(wallbox: Wallbox) -> None:
    """Not retained, and the set topic is emptied; the household's past days are in it."""
    answer, cleared = ask_log(wallbox, "client-1", {"chargepoint": {}, "vehicle": {}})
    assert (answer.topic, answer.is_retained) == ("openWB/log/client-1/data", False)
    assert cleared.payload == ""
    entries = json.loads(answer.payload)["entries"]
    assert entries
    for entry in entries:
        energy_wh = entry["chargepoint"]["imported_at_end"] - entry["chargepoint"]["imported_at_start"]
        assert entry["data"]["imported_since_mode_switch"] == pytest.approx(energy_wh, abs=0.01)


@pytest.mark.parametrize(
    "value", [{"command": "systemReboot", "data": {}}, {"command": "getChargeLog", "data": {}}, {}, "x", None]
)
def test_what_cannot_be_done_is_answered_with_a_message(wallbox: Wallbox, value: Any) -> None:
    """Retained until the client empties it."""
    message, cleared = say(wallbox, "command/me/todo", value)
    assert message.topic.startswith("openWB/command/me/messages/")
    assert json.loads(message.payload)["type"] == "danger"
    assert message.is_retained
    assert cleared.payload == ""
