"""What openWB 1.9 is told for each wish: topics, texts, order, ranges, and where it must show."""

from typing import Any

import pytest

from common.commands import Command
from edge.openwb.planning import Plan, Refused
from edge.openwb.v1 import DIALECT
from edge.openwb.v1_commands import PLANNER

HEARD = {
    "openWB/lp/1/boolChargePointConfigured": "1",
    "openWB/lp/2/boolChargePointConfigured": "1",
    "openWB/lp/3/boolChargePointConfigured": "1",
    "openWB/lp/4/boolChargePointConfigured": "0",
    "openWB/lp/1/boolSocConfigured": "1",
    "openWB/config/get/global/minEVSECurrentAllowed": "8",
    "openWB/config/get/global/maxEVSECurrentAllowed": "16",
    "openWB/global/ChargeMode": "2",
}


def plan(number: str | None, texts: dict[str, str] | None = None, /, **wishes: Any) -> Plan:
    command = Command(id="c", charge_point=number, wishes=wishes, accepted_at=0.0, by="anna")
    return PLANNER.plan(command, HEARD if texts is None else texts)


def said(plan: Plan) -> list[tuple[str, str]]:
    return [(publication.topic.removeprefix("openWB/"), publication.payload) for publication in plan.publications]


@pytest.mark.parametrize(
    ("wishes", "published", "shown"),
    [
        ({"mode": "instant"}, [("set/ChargeMode", "0")], {"global/ChargeMode": "0"}),
        ({"mode": "standby"}, [("set/ChargeMode", "4")], {"global/ChargeMode": "4"}),
        (
            {"current_a": 16},
            [("config/set/sofort/lp/1/current", "16")],
            {"config/get/sofort/lp/1/current": "16"},
        ),
        ({"is_enabled": False}, [("set/lp/1/ChargePointEnabled", "0")], {"lp/1/ChargePointEnabled": "0"}),
        ({"soc_percent": 60}, [("set/lp/1/manualSoc", "60")], {"lp/1/manualSoc": "60"}),
        ({"pv_min_current_a": 6}, [("config/set/pv/lp/1/minCurrent", "6")], {"config/get/pv/lp/1/minCurrent": "6"}),
        ({"min_pv_current_a": 10}, [("config/set/pv/minCurrentMinPv", "10")], {"config/get/pv/minCurrentMinPv": "10"}),
        (
            {"max_price_per_kwh": 0.285},
            [("set/awattar/MaxPriceForCharging", "28.5")],
            {"global/awattar/MaxPriceForCharging": "28.50"},
        ),
        (
            {"reset_energy": True},
            [("config/set/sofort/lp/1/resetEnergyToCharge", "1")],
            {"lp/1/kWhActualCharged": "0.00"},
        ),
        (
            {"limit": {"type": "energy", "energy_wh": 12_000}},
            [("config/set/sofort/lp/1/energyToCharge", "12"), ("config/set/sofort/lp/1/chargeLimitation", "1")],
            {"config/get/sofort/lp/1/energyToCharge": "12", "config/get/sofort/lp/1/chargeLimitation": "1"},
        ),
        (
            {"limit": {"type": "soc", "soc_percent": 80}},
            [("config/set/sofort/lp/1/socToChargeTo", "80"), ("config/set/sofort/lp/1/chargeLimitation", "2")],
            {"config/get/sofort/lp/1/socToChargeTo": "80", "config/get/sofort/lp/1/chargeLimitation": "2"},
        ),
        (
            {"limit": {"type": "none"}},
            [("config/set/sofort/lp/1/chargeLimitation", "0")],
            {"config/get/sofort/lp/1/chargeLimitation": "0"},
        ),
    ],
)
def test_each_wish_has_its_topics(wishes: dict[str, Any], published: list[Any], shown: dict[str, str]) -> None:
    """What is published; and it shows when, and only when, openWB's own topics say so."""
    made = plan("1", **wishes)
    assert said(made) == published
    (watch,) = made.watches
    assert watch.read(HEARD) != watch.wanted
    assert watch.read(HEARD | {f"openWB/{topic}": text for topic, text in shown.items()}) == watch.wanted


def test_what_the_mode_uses_is_sent_before_the_mode() -> None:
    """Else the first loop would charge with an old current to an old limit."""
    made = plan("1", mode="instant", is_enabled=True, current_a=10, limit={"type": "energy", "energy_wh": 5000})
    assert [topic.rpartition("/")[2] for topic, _ in said(made)] == [
        "energyToCharge",
        "chargeLimitation",
        "current",
        "ChargePointEnabled",
        "ChargeMode",
    ]


def test_the_mode_of_one_charge_point_is_that_of_all() -> None:
    """The others are named; for the whole site nothing needs to be said."""
    assert plan("2", mode="pv").affects == ("1", "3")
    assert plan(None, mode="pv").affects == ()
    assert plan("2", current_a=10).affects == ()


@pytest.mark.parametrize(
    ("number", "wishes", "why"),
    [
        ("4", {"mode": "pv"}, "no such charge point"),
        ("9", {"mode": "pv"}, "no such charge point"),
        (None, {"current_a": 10}, "current_a: name a charge point"),
        ("1", {"current_a": 6}, "current_a: this wallbox allows 8 to 16 A"),
        ("1", {"current_a": 17}, "current_a: this wallbox allows 8 to 16 A"),
        ("1", {"mode": "eco"}, "mode: openWB 1.9 has no mode eco"),
        ("1", {"vehicle": "1"}, "vehicle: openWB 1.9 has no such setting"),
        ("3", {"pv_min_current_a": 6}, "pv_min_current_a: .* first two"),
        ("1", {"pv_min_current_a": 0}, "pv_min_current_a: this wallbox allows 6 to 16 A"),
        ("2", {"soc_percent": 50}, "soc_percent: no SoC module"),
        ("2", {"limit": {"type": "soc", "soc_percent": 50}}, "limit: no SoC module"),
        ("3", {"limit": {"type": "soc", "soc_percent": 50}}, "limit: .* first two"),
        ("1", {"limit": {"type": "energy", "energy_wh": 1500}}, "limit: openWB 1.9 counts whole kWh"),
        ("1", {"limit": {"type": "energy", "energy_wh": 101_000}}, "limit: openWB 1.9 counts whole kWh"),
        ("1", {"max_price_per_kwh": 1.0}, "max_price_per_kwh: this wallbox allows -50 to 95 ct/kWh"),
        ("1", {"phases": 1}, "phases: this wallbox does not switch"),
    ],
)
def test_what_cannot_be_is_refused_by_name(number: str | None, wishes: dict[str, Any], why: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Refused, match=why):
        plan(number, **wishes)


def test_phases_are_those_of_the_wished_mode() -> None:
    """Automatic exists where surplus leads."""
    texts = HEARD | {"openWB/config/get/u1p3p/isConfigured": "1"}
    assert said(plan("1", texts, phases=0)) == [("config/set/u1p3p/nurpvPhases", "4")]
    assert said(plan("1", texts, phases=3, mode="instant"))[0] == ("config/set/u1p3p/sofortPhases", "3")
    with pytest.raises(Refused, match="1 or 3, not automatic"):
        plan("1", texts, phases=0, mode="instant")
    with pytest.raises(Refused, match="has none"):
        plan("1", texts, phases=1, mode="stop")
    (watch,) = plan("1", texts, phases=0).watches
    assert watch.read(texts | {"openWB/config/get/u1p3p/nurpvPhases": "4"}) == 0


def test_a_wallbox_led_by_another_is_told_nothing() -> None:
    """Its master must be asked."""
    with pytest.raises(Refused, match="controlled by another"):
        plan("1", HEARD | {"openWB/config/get/global/slaveMode": "1"}, mode="pv")


@pytest.mark.parametrize("text", ["", " ", "x", "NaN", "7"])
def test_a_state_that_cannot_be_read_is_unknown(text: str) -> None:
    """Never taken for the wish."""
    (watch,) = plan("1", mode="stop").watches
    assert watch.read({"openWB/global/ChargeMode": text}) is None


def test_every_watched_topic_is_mirrored() -> None:
    """What the allow-list does not let through could never confirm anything."""
    texts = HEARD | {"openWB/config/get/u1p3p/isConfigured": "1"}
    wishes: list[dict[str, Any]] = [
        {"mode": "pv"},
        {"current_a": 10},
        {"is_enabled": True},
        {"soc_percent": 1},
        {"pv_min_current_a": 6},
        {"min_pv_current_a": 6},
        {"max_price_per_kwh": 0},
        {"reset_energy": True},
        {"phases": 1},
        {"limit": {"type": "soc", "soc_percent": 1}},
        {"limit": {"type": "energy", "energy_wh": 1000}},
    ]
    for wish in wishes:
        for watch in plan("1", texts, **wish).watches:
            assert all(DIALECT.is_allowed(topic) for topic in watch.topics), watch.topics
    assert all(DIALECT.is_allowed(topic) for topic in texts)
    assert DIALECT.is_allowed(PLANNER.heartbeat)
