"""openWB 2.x as a whole: echoes, shared templates, vehicles, publishing, restarts; and no message stops it."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.physics import Site
from simulator.v2.wallbox import Wallbox
from simulator.wallbox import Message
from tests.kit.openwb2 import (
    AT,
    LOCK,
    TEMPLATE_1,
    TEMPLATE_3,
    TEMPLATE_7,
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


def test_an_accepted_value_is_echoed_and_its_set_topic_emptied(wallbox: Wallbox) -> None:
    """At once, and in this order."""
    assert say(wallbox, LOCK, True) == [
        Message(f"openWB/{LOCK}", "true"),
        Message(f"openWB/set/{LOCK}", "", qos=2),
    ]
    assert shown(wallbox)[LOCK] is True


def test_a_refused_value_only_empties_the_set_topic(wallbox: Wallbox) -> None:
    """As an unknown leaf does."""
    assert say(wallbox, LOCK, "true") == [Message(f"openWB/set/{LOCK}", "", qos=2)]
    assert say(wallbox, f"{TEMPLATE_3}/chargemode/selected", "stop")[0].payload == ""
    assert shown(wallbox)[LOCK] is False


@pytest.mark.parametrize("name", ["chargepoint/4/set/manual_lock", "vehicle/9/name", "nothing", ""])
def test_an_unknown_id_or_branch_calls_nothing_forth(wallbox: Wallbox, name: str) -> None:
    """Not even the set topic is emptied."""
    assert say(wallbox, name, True) == []
    assert wallbox.receive(f"openWB/set/{LOCK}", b"") == []
    assert wallbox.receive(f"openWB/set/{LOCK}", b"\xff") == []
    assert wallbox.receive("elsewhere", b"1") == []


def test_a_template_comes_back_two_to_four_times(wallbox: Wallbox) -> None:
    """And always whole."""
    template = with_mode(shown(wallbox)[TEMPLATE_3], "stop")
    counts = set()
    for _ in range(20):
        messages = say(wallbox, TEMPLATE_3, template)
        echoes = [message for message in messages if message.topic == f"openWB/{TEMPLATE_3}"]
        assert {message.payload for message in echoes} == {json.dumps(template)}
        counts.add(len(echoes))
        cycle(wallbox)
    assert counts == {2, 3, 4}


def test_a_template_is_shared_unless_it_is_temporary(wallbox: Wallbox) -> None:
    """By default it is also the vehicle's, and that of each charge point whose vehicle uses it."""
    template = with_mode(shown(wallbox)[TEMPLATE_3], "stop")
    assert set(heard(say(wallbox, TEMPLATE_3, template))) == {TEMPLATE_3, f"set/{TEMPLATE_3}", TEMPLATE_1}
    say(wallbox, "vehicle/2/charge_template", 1)
    assert cycle(wallbox)[TEMPLATE_7] == template
    eco = with_mode(template, "eco_charging")
    changed = heard(say(wallbox, TEMPLATE_7, eco))
    assert (changed[TEMPLATE_3], changed[TEMPLATE_7], changed[TEMPLATE_1]) == (eco, eco, eco)

    say(wallbox, "general/temporary_charge_templates_active", True)
    assert set(heard(say(wallbox, TEMPLATE_7, template))) == {TEMPLATE_7, f"set/{TEMPLATE_7}"}
    assert shown(wallbox)[TEMPLATE_1] == eco
    persistent = with_mode(template, "pv_charging")
    changed = heard(say(wallbox, TEMPLATE_1, persistent))
    assert (changed[TEMPLATE_3], changed[TEMPLATE_7]) == (persistent, persistent)


def test_the_id_in_the_payload_says_which_template_is_overwritten(wallbox: Wallbox) -> None:
    """Whatever charge point it is written to; without one it is this charge point's alone."""
    template = shown(wallbox)[TEMPLATE_3] | {"id": 0}
    assert heard(say(wallbox, TEMPLATE_3, template))["vehicle/template/charge_template/0"] == template
    assert shown(wallbox)[TEMPLATE_7] == template
    assert set(heard(say(wallbox, TEMPLATE_3, "foo"))) == {TEMPLATE_3, f"set/{TEMPLATE_3}"}


def test_a_temporary_template_ends_with_the_unplugging(wallbox: Wallbox) -> None:
    """And with a change of the vehicle."""
    wallbox.turn("car", "3", "plugged")
    cycle(wallbox)
    say(wallbox, "general/temporary_charge_templates_active", True)
    own = shown(wallbox)[TEMPLATE_3]
    say(wallbox, TEMPLATE_3, with_mode(own, "stop"))
    wallbox.turn("car", "3", "away")
    assert cycle(wallbox)[TEMPLATE_3] == own
    say(wallbox, TEMPLATE_3, with_mode(own, "stop"))
    say(wallbox, "chargepoint/3/config/ev", 2)
    assert cycle(wallbox)[TEMPLATE_3]["id"] == 0


def test_the_last_vehicle_leaves_with_load_default(wallbox: Wallbox) -> None:
    """Then the standard vehicle is assigned."""
    wallbox.turn("car", "3", "plugged")
    cycle(wallbox)
    say(wallbox, TEMPLATE_3, shown(wallbox)[TEMPLATE_3] | {"load_default": True})
    wallbox.turn("car", "3", "away")
    assert cycle(wallbox, 2)["chargepoint/3/config"]["ev"] == 0
    assert shown(wallbox)["chargepoint/3/get/connected_vehicle/info"] == {"id": 0, "name": "Standard-Fahrzeug"}


def test_a_vehicle_is_assigned_within_one_cycle(wallbox: Wallbox) -> None:
    """The echo has the new `ev` beside the old `_ev`; then the core writes both, without two of the keys."""
    messages = heard(say(wallbox, "chargepoint/3/config/ev", 2))
    assert set(messages) == {"chargepoint/3/config", "set/chargepoint/3/config/ev"}
    assert (messages["chargepoint/3/config"]["ev"], messages["chargepoint/3/config"]["_ev"]) == (2, 1)
    changed = cycle(wallbox)
    assert (changed["chargepoint/3/config"]["ev"], changed["chargepoint/3/config"]["_ev"]) == (2, 2)
    assert "charging_type" not in changed["chargepoint/3/config"]
    assert changed["chargepoint/3/get/connected_vehicle/info"] == {"id": 2, "name": "Grüne Zoe"}
    assert changed["chargepoint/3/get/connected_vehicle/config"]["ev_template"] == 2
    assert changed["chargepoint/3/get/connected_vehicle/soc"]["timestamp"] is None
    assert changed[TEMPLATE_3]["id"] == 0


def test_an_unknown_vehicle_is_the_standard_one(wallbox: Wallbox) -> None:
    """It is accepted, and behaves so."""
    say(wallbox, "chargepoint/3/config/ev", 42)
    assert cycle(wallbox)["chargepoint/3/get/connected_vehicle/info"]["id"] == 0


def test_what_is_measured_cannot_be_set_for_long(wallbox: Wallbox) -> None:
    """It is echoed, and overwritten by the next cycle."""
    assert heard(say(wallbox, "chargepoint/3/set/current", 10))["chargepoint/3/set/current"] == 10
    assert heard(say(wallbox, "chargepoint/3/get/power", 5000))["chargepoint/3/get/power"] == 5000
    changed = cycle(wallbox)
    assert (changed["chargepoint/3/set/current"], changed["chargepoint/3/get/power"]) == (0, 0)


def test_commands_act_with_the_next_cycle(wallbox: Wallbox) -> None:
    """A car that charges stops one cycle after its lock, and the words say why."""
    plug_in_empty(wallbox, 7)
    charging = cycle(wallbox, 4)
    assert charging["chargepoint/7/get/power"] > 1000
    assert charging["chargepoint/7/get/phases_in_use"] == 1
    assert charging["chargepoint/7/get/state_str"] == "Fahrzeug lädt. "
    say(wallbox, "chargepoint/7/set/manual_lock", True)
    stopped = cycle(wallbox, 2)
    assert (stopped["chargepoint/7/get/power"], stopped["chargepoint/7/get/charge_state"]) == (0, False)
    assert "gesperrt" in stopped["chargepoint/7/get/state_str"]
    assert shown(wallbox)["chargepoint/7/get/phases_in_use"] == 1  # 0 is never published


def test_some_topics_go_out_each_cycle_and_the_rest_on_change(wallbox: Wallbox) -> None:
    """The heartbeat every ten seconds, whatever the interval."""
    assert wallbox.publish() == []
    quiet = cycle(wallbox)
    assert quiet["chargepoint/3/get/plug_state"] in (True, False)
    assert quiet["system/time"] == pytest.approx(wallbox.at, abs=1)
    assert "chargepoint/3/config" not in quiet
    say(wallbox, "general/control_interval", 60)
    wallbox.publish()
    ticks = [cycle(wallbox) for _ in range(6)]
    assert all("system/time" in tick for tick in ticks)
    assert sum("counter/0/get/power" in tick for tick in ticks) == 1


def test_a_restart_says_everything_again(wallbox: Wallbox) -> None:
    """Booting first, booted last."""
    everything = shown(wallbox)
    messages = wallbox.turn("restart", "", "")
    assert (messages[0], messages[-1]) == (
        Message("openWB/system/boot_done", "false"),
        Message("openWB/system/boot_done", "true"),
    )
    assert heard(messages).keys() == everything.keys()


def test_a_restarted_core_goes_on_from_what_the_broker_holds() -> None:
    """Settings stay as they were set, no meter goes back, rubbish is skipped."""
    first = Wallbox(Site(), 4, AT)
    template = with_mode(shown(first)[TEMPLATE_3], "stop")
    say(first, "general/temporary_charge_templates_active", True)
    say(first, TEMPLATE_3, template)
    say(first, "chargepoint/7/config/ev", 1)
    cycle(first, 200)
    retained = {f"openWB/{name}": json.dumps(value) for name, value in shown(first).items()}
    second = Wallbox(Site(), 4, AT)
    rubbish = {"general/control_interval": "7", "chargepoint/7/config": "[", "counter/0/get/exported": "x"}
    second.restore(retained | {f"openWB/{name}": payload for name, payload in rubbish.items()})
    cycle(second)
    again = shown(second)
    assert again[TEMPLATE_3] == template
    assert again["general/control_interval"] == 10
    assert again["chargepoint/7/config"]["name"] == "Garage"
    for meter in ("counter/0/get/imported", "pv/1/get/exported", "bat/2/get/imported", "chargepoint/3/get/imported"):
        assert again[meter] >= json.loads(retained[f"openWB/{meter}"])


def test_the_same_seed_and_commands_make_the_same_run() -> None:
    """However the caller's time was cut."""
    one, two = Wallbox(Site(), 9, AT), Wallbox(Site(), 9, AT)
    for wallbox in (one, two):
        say(wallbox, LOCK, True)
    for second in range(0, 1201, 7):
        one.run_until(AT + second)
    one.run_until(AT + 1200)
    two.run_until(AT + 1200)
    assert shown(one) == shown(two)
    assert shown(one) != shown(Wallbox(Site(), 10, AT))


WITHOUT_BATTERY = Wallbox(Site(battery=None), 1, AT)

LEAVES = st.sampled_from(
    [
        "set/charge_template",
        "set/manual_lock",
        "set/rfid",
        "get/rfid",
        "config",
        "config/ev",
        "get/power",
        "set/current",
    ]
)
NAMES = st.one_of(
    st.builds("chargepoint/{}/{}".format, st.sampled_from([3, 7]), LEAVES),
    st.sampled_from(
        [
            "vehicle/1/tag_id",
            "vehicle/1/charge_template",
            "vehicle/1/ev_template",
            "vehicle/1/name",
            "vehicle/1/get/soc",
            "vehicle/1/soc_module/config",
            "vehicle/1/soc_module/calculated_soc_state/manual_soc",
            "vehicle/template/charge_template/1",
            "vehicle/template/ev_template/1",
            "chargepoint/template/0",
            "counter/get/hierarchy",
            "general/prices/grid",
            "general/chargemode_config/pv_charging/bat_mode",
            "general/temporary_charge_templates_active",
            "command/me/todo",
        ]
    ),
)
VALUES = st.one_of(
    st.binary(max_size=30),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda children: st.one_of(
            st.lists(children, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["id", "ev", "_ev", "chargemode", "selected", "pv_charging", "limit", "type", "template"]
                ),
                children,
                max_size=4,
            ),
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=12))
def test_no_set_message_stops_the_wallbox(messages: list[tuple[str, bytes]]) -> None:
    """Whatever is written anywhere, it goes on, and says only what can be sent and read."""
    wallbox = copy.deepcopy(WITHOUT_BATTERY)
    wallbox.turn("car", "3", "plugged")
    for name, payload in messages:
        said = wallbox.receive(f"openWB/set/{name}", payload)
        wallbox.run_until(wallbox.next_due_at())
        for message in [*said, *wallbox.publish()]:
            if message.payload.encode():
                json.loads(message.payload)
    wallbox.turn("mark", "", "")
    wallbox.turn("car", "3", "away")
    wallbox.run_until(wallbox.at + 400)
    assert wallbox.publish()
