"""What openWB 2.x is told for each wish: whole templates, strict JSON, ranges, and where it must show.

The wallbox is the captured one of openWB 2.3, with a second charge point made after its pattern.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from common.commands import Command
from edge.openwb.planning import NotYet, Plan, Refused
from edge.openwb.v2 import DIALECT
from edge.openwb.v2_commands import PLANNER

CAPTURE = json.loads((Path(__file__).parents[2] / "contract/captures/openwb-2.3.json").read_text())["topics"]
TEMPLATE = "openWB/chargepoint/3/set/charge_template"
CONFIG = "openWB/chargepoint/3/config"
VEHICLE = "openWB/chargepoint/3/get/connected_vehicle/config"


def changed(texts: dict[str, str], topic: str, **members: Any) -> dict[str, str]:
    return texts | {topic: json.dumps(json.loads(texts[topic]) | members)}


def second(texts: dict[str, str]) -> dict[str, str]:
    """The same site with a charge point 7 whose vehicle has the same charge template."""
    twins = {
        topic.replace("chargepoint/3/", "chargepoint/7/"): text
        for topic, text in texts.items()
        if topic.startswith("openWB/chargepoint/3/")
    }
    return texts | twins


HEARD: dict[str, str] = {topic: text for topic, text in CAPTURE.items() if DIALECT.is_allowed(topic)}


def plan(number: str | None, texts: dict[str, str] | None = None, /, **wishes: Any) -> Plan:
    command = Command(id="c", charge_point=number, wishes=wishes, accepted_at=0.0, by="anna")
    return PLANNER.plan(command, HEARD if texts is None else texts)


def written(plan: Plan) -> dict[str, Any]:
    (publication,) = plan.publications
    assert publication.topic == "openWB/set/chargepoint/3/set/charge_template"
    content: dict[str, Any] = json.loads(publication.payload)
    return content


def difference(before: Any, after: Any, path: str = "") -> dict[str, Any]:
    """Path → new value of all that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: dict[str, Any] = {}
        for name in before.keys() | after.keys():
            found |= difference(before.get(name), after.get(name), f"{path}.{name}".strip("."))
        return found
    return {} if before == after else {path: after}


@pytest.mark.parametrize(
    ("wishes", "changes"),
    [
        ({"mode": "pv"}, {"chargemode.selected": "pv_charging"}),
        ({"mode": "eco"}, {"chargemode.selected": "eco_charging"}),
        ({"mode": "scheduled"}, {"chargemode.selected": "scheduled_charging"}),
        ({"mode": "stop"}, {"chargemode.selected": "stop"}),
        ({"current_a": 15}, {"chargemode.instant_charging.current": 15}),
        ({"limit": {"type": "none"}}, {"chargemode.instant_charging.limit.selected": "none"}),
        ({"limit": {"type": "energy", "energy_wh": 9500}}, {"chargemode.instant_charging.limit.amount": 9500}),
        (
            {"limit": {"type": "soc", "soc_percent": 70}},
            {"chargemode.instant_charging.limit.selected": "soc", "chargemode.instant_charging.limit.soc": 70},
        ),
        ({"pv_min_current_a": 0}, {"chargemode.pv_charging.min_current": 0}),
        ({"max_price_per_kwh": 0.25}, {"chargemode.eco_charging.max_price": 0.00025}),
        (
            {"mode": "pv", "limit": {"type": "soc", "soc_percent": 90}, "pv_min_current_a": 6},
            {
                "chargemode.selected": "pv_charging",
                "chargemode.pv_charging.limit.selected": "soc",
                "chargemode.pv_charging.limit.soc": 90,
                "chargemode.pv_charging.min_current": 6,
            },
        ),
        (
            {"mode": "eco", "current_a": 10},
            {"chargemode.selected": "eco_charging", "chargemode.eco_charging.current": 10},
        ),
    ],
)
def test_the_whole_template_is_written_with_only_the_wished_members_changed(
    wishes: dict[str, Any], changes: dict[str, Any]
) -> None:
    """In one message, also for several wishes; and the same text on the state topic shows all of them."""
    texts = changed(HEARD, TEMPLATE, from_the_future={"kept": [1]})
    made = plan("3", texts, **wishes)
    assert difference(json.loads(texts[TEMPLATE]), written(made)) == changes
    assert {watch.wish for watch in made.watches} == set(wishes)
    after = texts | {TEMPLATE: made.publications[0].payload}
    for watch in made.watches:
        assert watch.read(after) == watch.wanted
        assert watch.wanted == wishes[watch.wish]
    assert any(watch.read(texts) != watch.wanted for watch in made.watches)


def test_a_lock_is_strict_json() -> None:
    """The core refuses quoted booleans; locked is not enabled."""
    made = plan("3", is_enabled=False)
    assert [(one.topic, one.payload) for one in made.publications] == [
        ("openWB/set/chargepoint/3/set/manual_lock", "true")
    ]
    (watch,) = made.watches
    assert watch.read(HEARD) is True
    assert watch.read(HEARD | {"openWB/chargepoint/3/set/manual_lock": "true"}) is watch.wanted


def test_a_vehicle_shows_when_the_control_loop_uses_it() -> None:
    """The configuration alone may still be taken back; `_ev` counts where `ev` is missing."""
    texts = HEARD | {"openWB/vehicle/2/name": '"Zoé"'}
    made = plan("3", texts, vehicle="2")
    assert [(one.topic, one.payload) for one in made.publications] == [("openWB/set/chargepoint/3/config/ev", "2")]
    assert made.within_s > 10
    (watch,) = made.watches
    configured = changed(texts, CONFIG, ev=2)
    assert (watch.read(texts), watch.read(configured)) == ("1", "1")
    assert watch.read(changed(configured, "openWB/chargepoint/3/get/connected_vehicle/info", id=2)) == "2"
    assert watch.read(changed(changed(texts, CONFIG, ev=None, _ev=2), f"{VEHICLE[:-6]}info", id=2)) == "2"


def test_soc_by_hand_goes_to_the_assigned_vehicle() -> None:
    """And shows as that vehicle's SoC."""
    texts = HEARD | {"openWB/vehicle/1/soc_module/calculated_soc_state": '{"manual_soc": null}'}
    made = plan("3", texts, soc_percent=70)
    assert [(one.topic, one.payload) for one in made.publications] == [
        ("openWB/set/vehicle/1/soc_module/calculated_soc_state/manual_soc", "70")
    ]
    (watch,) = made.watches
    assert watch.read(texts | {"openWB/vehicle/1/get/soc": "70.0"}) == 70


def test_a_shared_template_changes_others_too() -> None:
    """Unless templates are temporary, or the other vehicle has another one."""
    both = second(HEARD)
    assert plan("3", both, mode="pv").affects == ("7",)
    assert plan("3", both, is_enabled=False).affects == ()
    temporary = both | {"openWB/general/temporary_charge_templates_active": "true"}
    assert plan("3", temporary, mode="pv").affects == ()
    other = changed(both, "openWB/chargepoint/7/config", ev=0, _ev=0)
    assert plan("3", other, mode="pv").affects == ()


def test_a_mode_for_the_whole_site_is_written_to_every_charge_point() -> None:
    """And shows when the last one shows it."""
    both = second(HEARD)
    made = plan(None, both, mode="pv")
    assert [one.topic.split("/")[3] for one in made.publications] == ["3", "7"]
    (watch,) = made.watches
    one_of_two = both | {TEMPLATE: made.publications[0].payload}
    assert watch.read(one_of_two) == "instant"
    assert watch.read(one_of_two | {TEMPLATE.replace("/3/", "/7/"): made.publications[1].payload}) == "pv"


@pytest.mark.parametrize(
    ("number", "wishes", "why"),
    [
        ("4", {"mode": "pv"}, "no such charge point"),
        ("3", {"mode": "min_pv"}, "mode: openWB 2.x has no mode min_pv"),
        ("3", {"mode": "standby"}, "mode: openWB 2.x has no mode standby"),
        ("3", {"reset_energy": True}, "reset_energy: openWB 2.x has no such setting"),
        ("3", {"min_pv_current_a": 6}, "min_pv_current_a: openWB 2.x has no such setting"),
        ("3", {"current_a": 17}, "current_a: this wallbox allows 10 to 16 A"),
        ("3", {"current_a": 9}, "current_a: this wallbox allows 10 to 16 A"),
        ("3", {"pv_min_current_a": 5}, "pv_min_current_a: "),
        ("3", {"phases": 1}, "phases: this charge point cannot switch"),
        ("3", {"vehicle": "5"}, "vehicle: there is no such vehicle"),
        ("3", {"vehicle": "0", "current_a": 12}, "vehicle: .* in a command of its own"),
        ("3", {"soc_percent": 50}, "soc_percent: no SoC module"),
        (None, {"current_a": 12}, "current_a: name a charge point"),
    ],
)
def test_what_cannot_be_is_refused_by_name(number: str | None, wishes: dict[str, Any], why: str) -> None:
    """Before anything is sent."""
    texts = HEARD | {"openWB/vehicle/1/soc_module/calculated_soc_state": ""}
    with pytest.raises(Refused, match=why):
        plan(number, texts, **wishes)


def test_phases_are_those_of_the_mode() -> None:
    """Where the hardware switches them."""
    texts = changed(HEARD, CONFIG, auto_phase_switch_hw=True)
    made = plan("3", texts, phases=1, mode="pv")
    assert written(made)["chargemode"]["pv_charging"]["phases_to_use"] == 1


def test_a_direct_current_charger_has_its_own_members() -> None:
    """And its own range, of the car's template."""
    texts = changed(HEARD, CONFIG, charging_type="DC")
    assert written(plan("3", texts, current_a=120))["chargemode"]["instant_charging"]["dc_current"] == 120
    with pytest.raises(Refused, match="20 to 150 A"):
        plan("3", texts, current_a=151)


def test_an_older_version_lacks_parts() -> None:
    """What the template has no section for is refused, not invented."""
    template = json.loads(HEARD[TEMPLATE])
    del template["chargemode"]["eco_charging"]
    texts = HEARD | {TEMPLATE: json.dumps(template)}
    for wishes in ({"mode": "eco"}, {"max_price_per_kwh": 0.2}):
        with pytest.raises(Refused, match="this version"):
            plan("3", texts, **wishes)


@pytest.mark.parametrize(
    "texts",
    [
        HEARD | {TEMPLATE: ""},
        HEARD | {TEMPLATE: "garbage"},
        HEARD | {TEMPLATE: "[]"},
        HEARD | {TEMPLATE: '{"chargemode": 1}'},
        changed(HEARD, VEHICLE, charge_template=2),
    ],
)
def test_nothing_is_written_without_the_template_in_use(texts: dict[str, str]) -> None:
    """A partial one would be accepted, and the rest of the owner's settings lost; another's id would overwrite that."""
    with pytest.raises(NotYet, match="charge template"):
        plan("3", texts, mode="pv")


def test_a_secondary_wallbox_is_told_nothing() -> None:
    """Its primary must be asked."""
    with pytest.raises(Refused, match="controlled by another"):
        plan("3", HEARD | {"openWB/general/extern": "true"}, mode="pv")


def test_every_watched_topic_is_mirrored_and_no_secret_is_touched() -> None:
    """The allow-list lets it through, and what is written comes from there."""
    texts = HEARD | {
        "openWB/vehicle/1/soc_module/calculated_soc_state": "{}",
        "openWB/vehicle/2/name": '"x"',
    }
    wishes: list[dict[str, Any]] = [{"mode": "pv"}, {"is_enabled": True}, {"vehicle": "2"}, {"soc_percent": 1}]
    for wish in wishes:
        made = plan("3", texts, **wish)
        assert all(DIALECT.is_allowed(topic) for watch in made.watches for topic in watch.topics)
        assert all(one.topic.startswith("openWB/set/") for one in made.publications)


@pytest.mark.parametrize(("text", "interval_s"), [("10", 10), ("60", 60), ("", 10), ('"x"', 10), ("5", 10)])
def test_the_undo_reaches_as_far_as_the_control_loop(text: str, interval_s: float) -> None:
    """Its interval, and what it needs to publish."""
    reach_s = PLANNER.undo_interval_s(HEARD | {"openWB/general/control_interval": text})
    assert reach_s is not None
    assert interval_s <= reach_s <= interval_s + 5
