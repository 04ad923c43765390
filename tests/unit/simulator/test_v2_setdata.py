"""What openWB 2.x makes of a value on a set topic: accepted, refused, or ignored; and how it reads JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.physics import Site
from simulator.v2 import payloads, templates
from simulator.v2.memory import Memory
from simulator.v2.setdata import Verdict, decide

MEMORY = Memory(Site())
MEMORY.add_charge_point(3, {"ev": 1})
MEMORY.add_charge_point(7, {"ev": 2})

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=10,
)


def verdict(name: str, payload: str) -> Verdict:
    return decide(name, payloads.decode(payload.encode()), MEMORY.known())


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("chargepoint/3/set/charge_template", ["{}", "foo", "7", "null"], []),
        ("chargepoint/3/config/ev", ["0", "2", "99"], ["1.0", '"1"', "-1", "null", "true", "one"]),
        ("chargepoint/3/set/manual_lock", ["true", "false", "0", "1"], ['"true"', "2", "1.0", "null", "yes"]),
        ("chargepoint/3/get/rfid", ['"0815"', "null", "ABC", "04A2 B1"], ["123", "[]"]),
        ("chargepoint/3/set/current", ["-3.5", "0", "6", "16.5", "32"], ["5", "40", "0.5", "NaN", '"16"']),
        ("chargepoint/3/set/phases_to_use", ["0", "3"], ["4", "1.0"]),
        ("vehicle/1/soc_module/calculated_soc_state/manual_soc", ["0", "55.5", "100"], ["-1", "101", '"55"']),
        ("vehicle/1/get/soc", ["55", "55.5"], ["101", "null"]),
        ("vehicle/1/get/range", ["1000"], ["1001"]),
        ("vehicle/1/tag_id", ["[]", '["0815", "A*"]'], ['"0815"', "[815]", "null"]),
        ("vehicle/1/charge_template", ["0", "1"], ["1.0", "-1"]),
        ("vehicle/1/name", ['"Auto"', "Auto"], ["7"]),
        ("vehicle/template/charge_template/1", ["{}", "garbage"], []),
        ("general/control_interval", ["10", "20", "60"], ["30", "10.0", '"10"']),
        ("general/temporary_charge_templates_active", ["true", "0"], ["null"]),
        ("general/prices/grid", ["0.0003", "0", "99.99"], ["100", "-0.1"]),
        ("general/chargemode_config/pv_charging/feed_in_yield", ["0", "500"], ["-1", "0.5"]),
        ("general/chargemode_config/pv_charging/phase_switch_delay", ["5", "180"], ["4", "181"]),
        ("general/chargemode_config/pv_charging/control_range", ["[0, 230]"], ["[0.5, 230]", "230"]),
        ("general/chargemode_config/pv_charging/bat_mode", ['"bat_mode"', "foo"], ["1"]),
        ("general/chargemode_config/unbalanced_load_limit", ["10", "32"], ["9", "33"]),
        ("bat/config/bat_control_min_soc", ["5"], ["101"]),
        ("counter/0/config/max_currents", ["[35, 35, 35]"], ["[5, 35, 35]", "[35.5, 35, 35]"]),
        ("optional/rfid/active", ["true"], ['"on"']),
        ("system/debug_level", ["10"], ["15"]),
    ],
)
def test_types_and_ranges_are_the_reference_s(name: str, accepted: list[str], refused: list[str]) -> None:
    """Both ends of a range included; types are strict; what is JSON may be anything."""
    assert {payload: verdict(name, payload) for payload in accepted} == dict.fromkeys(accepted, Verdict.ACCEPTED)
    assert {payload: verdict(name, payload) for payload in refused} == dict.fromkeys(refused, Verdict.REFUSED)


@pytest.mark.parametrize(
    "name",
    [
        "chargepoint/3/set/charge_template/chargemode/selected",
        "vehicle/template/charge_template/1/chargemode/selected",
        "chargepoint/3/set/unknown",
        "chargepoint/3",
        "general/unknown",
        "vehicle/1/soc_module/config/password",
    ],
)
def test_an_unknown_leaf_is_refused(name: str) -> None:
    """Also every part of a template: only the whole is taken."""
    assert verdict(name, '"pv_charging"') is Verdict.REFUSED


@pytest.mark.parametrize(
    "name",
    [
        "chargepoint/4/set/manual_lock",
        "chargepoint/03/set/manual_lock",
        "vehicle/9/name",
        "vehicle/template/charge_template/9",
        "counter/3/config/max_currents",
        "bat/1/get/soc",
        "mqtt/chargepoint/3/get/power",
        "nothing/at/all",
        "",
    ],
)
def test_an_unknown_id_or_branch_is_ignored(name: str) -> None:
    """No answer of any kind."""
    assert verdict(name, "1") is Verdict.IGNORED


@given(name=st.text(max_size=40), value=anything)
def test_every_topic_and_value_has_a_verdict(name: str, value: Any) -> None:
    """Whatever comes, it is judged."""
    for start in ("", "chargepoint/3/", "vehicle/1/", "general/", "chargepoint/3/set/"):
        assert decide(start + name, value, MEMORY.known()) in Verdict


@given(anything)
def test_json_comes_back_as_it_went_out(value: Any) -> None:
    """Escaped or not, it is the same value, and a payload that any client can decode."""
    for name in ("vehicle/1/name", "chargepoint/3/config"):
        text = payloads.encode(name, value)
        assert json.dumps(json.loads(text)) == json.dumps(value)
        text.encode()


@given(st.binary(max_size=60))
def test_what_is_no_json_is_text(payload: bytes) -> None:
    """Only bytes that are no text at all are not read."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        with pytest.raises(UnicodeDecodeError):
            payloads.decode(payload)
        return
    value = payloads.decode(payload)
    if value != text:
        assert json.dumps(value) == json.dumps(json.loads(text))


def test_a_nesting_too_deep_for_json_is_text() -> None:
    """As in openWB, whose own reader gives up there."""
    assert payloads.decode(b"[" * 100_000) == "[" * 100_000


def test_umlauts_are_escaped_except_in_names() -> None:
    """Both are the same JSON; half a surrogate pair cannot be sent raw."""
    assert payloads.encode("chargepoint/3/get/state_str", "lädt") == '"l\\u00e4dt"'
    assert payloads.encode("vehicle/2/name", "Grüne Zoe") == '"Grüne Zoe"'
    assert payloads.encode("vehicle/2/name", "\ud800") == '"\\ud800"'


def test_whole_numbers_lose_their_point() -> None:
    """So integers and decimals alternate in a topic."""
    assert [payloads.rounded(value) for value in (12.0, 12.344, -0.001, 0.005)] == [12, 12.34, 0, 0.01]


@given(anything)
def test_any_template_can_be_read(value: Any) -> None:
    """Missing and absurd parts take their defaults; numbers stay in a believable range."""
    for reading in (
        templates.charge_template(value),
        templates.charge_template({"chargemode": {"pv_charging": value}}),
    ):
        assert isinstance(reading.selected, str)
        assert -1e9 < reading.instant_a < 1e9
        assert -1e9 < reading.pv_least_a < 1e9
    assert templates.ev_template(value).consumption_wh_per_100km >= 1


def test_a_partial_template_takes_defaults() -> None:
    """It is accepted as it is; only reading fills it up."""
    reading = templates.charge_template(
        {"id": 1, "chargemode": {"selected": "eco_charging", "eco_charging": {"current": 8}}}
    )
    assert (reading.number, reading.selected, reading.eco_a, reading.eco_price) == (1, "eco_charging", 8, 0.0002)
    assert (reading.instant_a, reading.instant_limit.selected) == (10, "None")
