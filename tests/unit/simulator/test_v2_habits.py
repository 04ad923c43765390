"""openWB 2.x on its bad days: the five-minute undo, charge points that come, go and fail, what no knob takes."""

import pytest

from common.errors import FieldError
from simulator.v2.wallbox import Wallbox
from tests.kit.openwb2 import (
    AT,
    LOCK,
    TEMPLATE_1,
    TEMPLATE_3,
    cycle,
    heard,
    new_wallbox,
    plug_in_empty,
    say,
    shown,
    with_mode,
)


@pytest.fixture
def wallbox() -> Wallbox:
    return new_wallbox()


def near_mark(before_s: float = 5.0) -> Wallbox:
    """A wallbox some seconds before 09:05:00, its last cycle ten seconds before it."""
    wallbox = new_wallbox()
    wallbox.run_until(AT + 290 - before_s)
    wallbox.publish()
    return wallbox


def test_what_is_written_before_the_mark_is_undone_after_it() -> None:
    """1.9 s after it, and for good; a vehicle's name stays."""
    wallbox = near_mark()
    before = shown(wallbox)
    say(wallbox, LOCK, True)
    say(wallbox, TEMPLATE_3, with_mode(before[TEMPLATE_3], "stop"))
    say(wallbox, "chargepoint/7/config/ev", 1)
    say(wallbox, "vehicle/1/name", "Neu")
    wallbox.run_until(AT + 290)
    wallbox.publish()
    assert shown(wallbox)[LOCK] is True
    assert wallbox.next_due_at() == AT + 291.9
    wallbox.run_until(AT + 291.8)
    assert wallbox.publish() == []
    wallbox.run_until(AT + 291.9)
    undone = heard(wallbox.publish())
    assert undone[LOCK] is False
    assert undone[TEMPLATE_3] == before[TEMPLATE_3]
    assert undone[TEMPLATE_1] == before[TEMPLATE_3]
    assert undone["chargepoint/7/config"]["_ev"] == 2
    assert "ev" not in undone["chargepoint/7/config"]
    later = cycle(wallbox, 3)
    assert later["chargepoint/7/get/connected_vehicle/info"]["id"] == 2
    assert shown(wallbox)["vehicle/1/name"] == "Neu"


@pytest.mark.parametrize("at", [AT + 279.9, AT + 290.1])
def test_what_is_written_at_other_times_stays(at: float) -> None:
    """Before the last cycle's start, or after the mark."""
    wallbox = near_mark(before_s=20)
    wallbox.run_until(at)
    say(wallbox, LOCK, True)
    cycle(wallbox, 4)
    assert shown(wallbox)[LOCK] is True


def test_a_long_interval_undoes_more() -> None:
    """With 60 s between cycles a command 50 s before the mark is lost."""
    wallbox = near_mark(before_s=260)
    say(wallbox, "general/control_interval", 60)
    wallbox.run_until(AT + 240)
    say(wallbox, LOCK, True)
    wallbox.run_until(AT + 292)
    assert shown(wallbox)[LOCK] is False


def test_the_mark_can_be_provoked() -> None:
    """By a knob, at any time."""
    wallbox = near_mark(before_s=105)
    say(wallbox, LOCK, True)
    wallbox.turn("mark", "", "")
    wallbox.run_until(wallbox.next_due_at())
    assert heard(wallbox.publish())[LOCK] is False


def test_a_charge_point_vanishes_topic_by_topic(wallbox: Wallbox) -> None:
    """Then the hierarchy lacks it, and so does the live row; nothing is said about it any more."""
    names = {name for name in shown(wallbox) if name.startswith("chargepoint/7/")}
    messages = wallbox.turn("vanish", "", "7")
    emptied = {message.topic.removeprefix("openWB/") for message in messages if not message.payload}
    assert emptied == names
    assert [child["id"] for child in heard(messages)["counter/get/hierarchy"][0]["children"]] == [1, 2, 3]
    after = cycle(wallbox, 31)
    assert not [name for name in after if name.startswith("chargepoint/7/")]
    assert "cp7-power" not in after["system/lastlivevaluesJson"]
    assert say(wallbox, "chargepoint/7/set/manual_lock", True) == []


def test_a_charge_point_appears_under_another_number(wallbox: Wallbox) -> None:
    """With all of its topics, its configuration as a person saves it, and its template."""
    before = {name for name in shown(wallbox) if name.startswith("chargepoint/7/")}
    wallbox.turn("vanish", "", "7")
    cycle(wallbox)
    wallbox.turn("appear", "", "12")
    cycle(wallbox, 31)
    after = shown(wallbox)
    assert {name.replace("/12/", "/7/") for name in after if name.startswith("chargepoint/12/")} == before - {
        "chargepoint/7/get/phases_in_use"  # until a car has charged there
    }
    assert after["chargepoint/12/config"]["charging_type"] == "AC"
    assert after["counter/get/hierarchy"][0]["children"][-1] == {"id": 12, "type": "cp", "children": []}
    assert heard(say(wallbox, "chargepoint/12/set/manual_lock", True))["chargepoint/12/set/manual_lock"] is True


def test_a_charge_point_that_vanished_is_not_written_back() -> None:
    """The job's older copy of it is dropped."""
    wallbox = near_mark()
    say(wallbox, LOCK, True)
    wallbox.turn("vanish", "", "3")
    wallbox.run_until(AT + 295)
    assert not [name for name in shown(wallbox) if name.startswith("chargepoint/3/")]


def test_a_fault_withholds_plug_and_meters(wallbox: Wallbox) -> None:
    """Their old values stay retained; it charges nothing and has no key in the live row."""
    plug_in_empty(wallbox, 7)
    cycle(wallbox, 4)
    wallbox.turn("fault", "7", "Keine Verbindung zum Ladepunkt.")
    faulty = cycle(wallbox, 2)
    assert (faulty["chargepoint/7/get/fault_state"], faulty["chargepoint/7/get/power"]) == (2, 0)
    assert faulty["chargepoint/7/get/fault_str"] == "Keine Verbindung zum Ladepunkt."
    assert "cp7-power" not in cycle(wallbox)["system/lastlivevaluesJson"]
    assert "chargepoint/7/get/imported" not in cycle(wallbox)
    wallbox.turn("fault", "7", "")
    well = cycle(wallbox)
    assert (well["chargepoint/7/get/fault_state"], well["chargepoint/7/get/plug_state"]) == (0, True)


@pytest.mark.parametrize(
    ("knob", "argument", "payload"),
    [
        ("vanish", "", "4"),
        ("appear", "", "12"),
        ("car", "4", "away"),
        ("car", "3", ""),
        ("fault", "", "x"),
        ("rse", "", "1"),
    ],
)
def test_what_no_knob_takes_is_named(wallbox: Wallbox, knob: str, argument: str, payload: str) -> None:
    """Nothing has vanished yet, so nothing can appear."""
    with pytest.raises(FieldError):
        wallbox.turn(knob, argument, payload)
