"""The wallbox as a whole: commands take effect in the next loop, counters follow openWB's, publishing is on change."""

from collections.abc import Callable

import pytest

from simulator.physics import ChargePointState, Site
from simulator.v1.counters import Counters
from simulator.v1.wallbox import Wallbox
from simulator.wallbox import Message

AT = 1_795_420_800.0  # Mon Nov 23 09:00:00 CET 2026
ALWAYS = 14  # topics that go out every loop


def shown(wallbox: Wallbox) -> dict[str, str]:
    """All topics as a late subscriber would find them."""
    wallbox.publish_all_again()
    return {message.topic: message.payload for message in wallbox.publish()}


def run_until(wallbox: Wallbox, condition: Callable[[ChargePointState], bool], hours: float = 48) -> None:
    """Let time pass loop by loop until the first charge point is so."""
    end = wallbox.at + hours * 3600
    while not condition(wallbox.state.charge_points[0]):
        assert wallbox.at < end, "it did not happen"
        wallbox.run_until(wallbox.next_due_at())


def say(wallbox: Wallbox, **messages: str) -> None:
    for topic, payload in messages.items():
        assert wallbox.receive(f"openWB/{topic.replace('__', '/')}", payload.encode())


def charging(seed: int = 4) -> Wallbox:
    """A wallbox in instant mode whose first car came home with a need and has just begun to charge."""
    wallbox = Wallbox(Site(), seed, AT)
    say(wallbox, set__ChargeMode="0")
    run_until(wallbox, lambda point: not point.is_plugged)
    run_until(wallbox, lambda point: point.power_w > 6000)
    return wallbox


def test_a_command_is_echoed_at_once_and_its_topic_emptied_last() -> None:
    """The echo proves acceptance, the empty retained message (QoS 2) that it was handled."""
    wallbox = Wallbox(Site(), 1, AT)
    assert wallbox.receive("openWB/set/ChargeMode", b"3") == [
        Message("openWB/global/ChargeMode", "3"),
        Message("openWB/set/ChargeMode", "", qos=2),
    ]
    assert wallbox.receive("openWB/set/ChargeMode", b"7") == [Message("openWB/set/ChargeMode", "", qos=2)]
    assert wallbox.receive("openWB/set/ChargeMode", b"3.0") == []
    assert wallbox.receive("openWB/set/ChargeMode", b"") == []
    with pytest.raises(UnicodeDecodeError):
        wallbox.receive("openWB/set/ChargeMode", b"\xff")
    assert shown(wallbox)["openWB/global/ChargeMode"] == "3"


def test_loops_lie_on_multiples_of_ten_seconds() -> None:
    """Whenever the simulator was started, so that a run repeats."""
    wallbox = Wallbox(Site(), 1, AT + 7.3)
    assert wallbox.at == AT
    wallbox.run_until(AT + 9.9)
    assert wallbox.at == AT
    wallbox.run_until(AT + 10)
    assert wallbox.at == AT + 10


def test_the_same_seed_and_commands_make_the_same_run() -> None:
    """However the caller's time was cut."""
    one, two = Wallbox(Site(), 9, AT), Wallbox(Site(), 9, AT)
    for wallbox in (one, two):
        say(wallbox, set__ChargeMode="0")
    for second in range(0, 1201, 7):
        one.run_until(AT + second)
    one.run_until(AT + 1200)
    two.run_until(AT + 1200)
    assert shown(one) == shown(two)
    assert shown(one) != shown(Wallbox(Site(), 10, AT))


def test_only_changes_are_published() -> None:
    """After the first loop what goes out always, and what moved; a loop that did not happen changes nothing."""
    wallbox = Wallbox(Site(), 1, AT)
    first = wallbox.publish()
    assert len(first) > 350
    assert len({message.topic for message in first}) == len(first)
    assert len(wallbox.publish()) == ALWAYS
    wallbox.run_until(AT + 10)
    assert ALWAYS < len(wallbox.publish()) < 100


def test_renew_publishes_everything_again() -> None:
    """The set topic goes to 0 first, then it is emptied."""
    wallbox = Wallbox(Site(), 1, AT)
    everything = len(wallbox.publish())
    assert wallbox.receive("openWB/set/RenewMQTT", b"1") == [
        Message("openWB/set/RenewMQTT", "0"),
        Message("openWB/set/RenewMQTT", "", qos=2),
    ]
    assert len(wallbox.publish()) == everything


def test_an_energy_limit_stops_the_charge_until_it_is_reset() -> None:
    """`kWhActualCharged` passes the limit, the current goes to 0; a reset after the end lets it charge again."""
    wallbox = charging()
    say(
        wallbox,
        config__set__sofort__lp__1__chargeLimitation="1",
        config__set__sofort__lp__1__energyToCharge="2",
    )
    run_until(wallbox, lambda point: point.power_w == 0, hours=1)
    topics = shown(wallbox)
    assert topics["openWB/lp/1/AConfigured"] == "0"
    assert 2.0 <= float(topics["openWB/lp/1/kWhActualCharged"]) < 2.2
    wallbox.run_until(wallbox.at + 90)
    assert shown(wallbox)["openWB/lp/1/W"] == "0"
    say(wallbox, config__set__sofort__lp__1__resetEnergyToCharge="1")
    run_until(wallbox, lambda point: point.power_w > 4000, hours=0.1)


def test_a_locked_charge_point_gets_no_current_though_openwb_asks_for_it() -> None:
    """`ChargeStatus` may be 1 while the release is off."""
    wallbox = charging()
    say(wallbox, set__lp__1__ChargePointEnabled="0")
    wallbox.run_until(wallbox.at + 20)
    topics = shown(wallbox)
    assert (topics["openWB/lp/1/W"], topics["openWB/lp/1/boolChargeStat"]) == ("0", "0")
    assert topics["openWB/lp/1/ChargeStatus"] == "1"


def test_the_charge_ends_when_the_mode_is_stop() -> None:
    """In the next loop, and the energy keeps its value."""
    wallbox = charging()
    wallbox.run_until(wallbox.at + 600)
    say(wallbox, set__ChargeMode="3")
    wallbox.run_until(wallbox.at + 20)
    energy = shown(wallbox)["openWB/lp/1/kWhActualCharged"]
    wallbox.run_until(wallbox.at + 600)
    topics = shown(wallbox)
    assert (topics["openWB/lp/1/W"], topics["openWB/lp/1/AConfigured"]) == ("0", "0")
    assert float(topics["openWB/lp/1/kWhActualCharged"]) == pytest.approx(float(energy), abs=0.03)


def test_unplugging_locks_if_it_is_set_so() -> None:
    """`stopchargeafterdisc`."""
    wallbox = charging()
    say(wallbox, config__set__lp__1__stopchargeafterdisc="1")
    run_until(wallbox, lambda point: not point.is_plugged)
    assert shown(wallbox)["openWB/lp/1/ChargePointEnabled"] == "0"


def test_the_soc_limit_of_the_pv_modes_overrides_the_lock() -> None:
    """openWB releases a charge point that somebody locked, as long as the car is below the limit."""
    wallbox = Wallbox(Site(), 1, AT)
    say(wallbox, config__set__pv__lp__1__socLimitation="1", set__lp__1__ChargePointEnabled="0")
    wallbox.run_until(AT + 10)
    assert shown(wallbox)["openWB/lp/1/ChargePointEnabled"] == "1"


def test_a_tag_shows_with_the_instant_of_its_loop() -> None:
    """It unlocks the charge point it belongs to; an unknown one is only shown; with RFID off nothing happens."""
    wallbox = Wallbox(Site(), 1, AT)
    say(wallbox, set__lp__1__ChargePointEnabled="0", set__system__SimulateRFID="0004A376A2")
    assert shown(wallbox)["openWB/system/lastRfId"] == "0"
    wallbox.run_until(AT + 10)
    topics = shown(wallbox)
    assert topics["openWB/system/lastRfId"] == topics["openWB/lp/1/lastRfId"] == f"0004A376A2,{int(AT) + 10}"
    assert topics["openWB/lp/1/ChargePointEnabled"] == "1"
    assert topics["openWB/lp/2/lastRfId"] == "0"
    say(wallbox, set__system__SimulateRFID="FFFF")
    wallbox.run_until(AT + 20)
    say(wallbox, config__set__global__rfidConfigured="0", set__system__SimulateRFID="EEEE")
    wallbox.run_until(AT + 30)
    assert shown(wallbox)["openWB/system/lastRfId"] == f"FFFF,{int(AT) + 20}"


def test_a_restarted_wallbox_goes_on_from_what_the_broker_holds() -> None:
    """Settings stay as they were set; no meter goes back; the day's yields do not jump; rubbish is skipped."""
    first = charging()
    first.run_until(first.at + 1800)
    retained = shown(first)
    second = Wallbox(Site(), 4, first.at)
    yields = shown(second)["openWB/global/DailyYieldAllChargePointsKwh"]
    second.restore(retained | {"openWB/evu/WhExported": "rubbish", "openWB/config/get/pv/minCurrentMinPv": "99"})
    again = shown(second)
    assert again["openWB/global/ChargeMode"] == "0"
    assert again["openWB/config/get/pv/minCurrentMinPv"] == "6"
    assert again["openWB/global/DailyYieldAllChargePointsKwh"] == yields
    for meter in ("evu/WhImported", "pv/WhCounter", "housebattery/WhImported", "lp/1/kWhCounter", "lp/2/kWhCounter"):
        assert float(again[f"openWB/{meter}"]) >= float(retained[f"openWB/{meter}"]) - 0.001


def test_the_daily_yields_start_over_at_midnight() -> None:
    """Five minutes after local midnight hardly anything is counted."""
    wallbox = Wallbox(Site(), 1, AT)
    wallbox.run_until(AT + 15 * 3600 + 300)  # 00:05 CET
    topics = shown(wallbox)
    assert topics["openWB/system/Date"].startswith("Tue Nov 24 00:05:00")
    assert float(topics["openWB/global/DailyYieldHausverbrauchKwh"]) < 0.5


def test_counters_end_a_charge_after_six_loops_without_power() -> None:
    """A shorter pause belongs to the charge; the next charge starts from its own meter reading."""
    counters = Counters()
    seen = []
    meter_wh = 1000.0
    for power_w in [0, 3600, 3600, *[0] * 5, 3600, *[0] * 6, 3600]:
        meter_wh += power_w / 360
        counters.count(is_plugged=True, power_w=power_w, meter_wh=meter_wh)
        seen.append((counters.is_charge_active, round(counters.charged_wh)))
    assert seen[:3] == [(False, 0), (True, 0), (True, 10)]  # the first loop's reading is its start
    assert seen[7:9] == [(True, 10), (True, 20)]
    assert seen[13:] == [(True, 20), (False, 20), (True, 0)]


def test_counters_take_a_short_replug_as_the_same_plug_in() -> None:
    """Tracking ends after six loops without a cable; the energy keeps its value until the next plug-in."""
    counters = Counters()
    counters.count(is_plugged=True, power_w=0, meter_wh=1000)
    for _ in range(5):
        counters.count(is_plugged=False, power_w=0, meter_wh=1500)
    counters.count(is_plugged=True, power_w=0, meter_wh=1500)
    assert (counters.is_tracking_plug, counters.plug_start_wh, counters.since_plugged_wh) == (True, 1000, 500)
    for _ in range(6):
        counters.count(is_plugged=False, power_w=0, meter_wh=1500)
    assert (counters.is_tracking_plug, counters.since_plugged_wh) == (False, 500)
    counters.count(is_plugged=True, power_w=0, meter_wh=1600)
    assert (counters.plug_start_wh, counters.since_plugged_wh) == (1600, 0)


def test_a_reboot_says_everything_again_with_meters_at_zero() -> None:
    """And stops charging; the first loop after it shows the real meters."""
    wallbox = Wallbox(Site(), 1, AT)
    everything = len(wallbox.publish())
    say(wallbox, set__ChargeMode="0")
    topics = {message.topic: message.payload for message in wallbox.turn("restart", "", "")}
    assert len(topics) == everything
    assert topics["openWB/global/ChargeMode"] == "3"
    assert topics["openWB/lp/1/kWhCounter"] == topics["openWB/lp/2/kWhCounter"] == "0"
    wallbox.run_until(AT + 10)
    assert float(shown(wallbox)["openWB/lp/1/kWhCounter"]) > 100


def test_ripple_control_forces_stop_and_gives_the_mode_back() -> None:
    """Whatever is set while its contact is closed."""
    wallbox = Wallbox(Site(), 1, AT)
    say(wallbox, set__ChargeMode="2")
    wallbox.turn("rse", "", "1")
    wallbox.turn("rse", "", "1")
    wallbox.run_until(AT + 10)
    assert (shown(wallbox)["openWB/global/boolRse"], shown(wallbox)["openWB/global/ChargeMode"]) == ("1", "3")
    say(wallbox, set__ChargeMode="0")
    wallbox.run_until(AT + 20)
    assert shown(wallbox)["openWB/global/ChargeMode"] == "3"
    wallbox.turn("rse", "", "0")
    assert (shown(wallbox)["openWB/global/boolRse"], shown(wallbox)["openWB/global/ChargeMode"]) == ("0", "2")


def test_a_charge_point_vanishes_and_comes_back() -> None:
    """Its switch goes to 0, its power is deleted, other topics stay behind as leftovers; its car gets no current."""
    wallbox = Wallbox(Site(), 1, AT)
    wallbox.turn("car", "2", "plugged")
    say(wallbox, set__ChargeMode="0")
    wallbox.run_until(AT + 30)
    before = shown(wallbox)
    assert float(before["openWB/lp/2/W"]) > 1000
    wallbox.turn("vanish", "", "2")
    gone = {message.topic: message.payload for message in wallbox.publish()}
    assert (gone["openWB/lp/2/boolChargePointConfigured"], gone["openWB/lp/2/W"]) == ("0", "")
    assert gone["openWB/system/ConfiguredChargePoints"] == "1"
    assert "openWB/lp/2/faultStr" not in gone
    wallbox.run_until(AT + 60)
    assert wallbox.state.charge_points[1].power_w == 0
    assert shown(wallbox)["openWB/graph/lastlivevalues"].split(",")[10] == ""
    wallbox.turn("appear", "", "2")
    assert shown(wallbox).keys() == before.keys()
    wallbox.run_until(AT + 90)
    assert float(shown(wallbox)["openWB/lp/2/W"]) > 1000


def test_a_car_is_kept_where_the_knob_says() -> None:
    """Plugged in, away, and then free to follow its own habits."""
    wallbox = Wallbox(Site(), 1, AT)
    own = wallbox.state.charge_points[0].is_plugged
    for payload, expected in (("plugged", True), ("away", False), ("free", own)):
        wallbox.turn("car", "1", payload)
        wallbox.run_until(wallbox.at + 10)
        assert wallbox.state.charge_points[0].is_plugged is expected


def test_a_car_can_be_emptied_and_a_charge_point_fail() -> None:
    """The state of charge is the car's true one; a fault's text stays until it is taken back."""
    wallbox = Wallbox(Site(), 1, AT)
    wallbox.turn("soc", "2", "31.5")
    assert shown(wallbox)["openWB/lp/2/%Soc"] == "31"
    wallbox.turn("fault", "2", "Keine Verbindung")
    topics = shown(wallbox)
    assert (topics["openWB/lp/2/faultState"], topics["openWB/lp/2/faultStr"]) == ("2", "Keine Verbindung")
    wallbox.turn("fault", "2", "")
    topics = shown(wallbox)
    assert (topics["openWB/lp/2/faultState"], topics["openWB/lp/2/faultStr"]) == ("0", "Kein Fehler")
