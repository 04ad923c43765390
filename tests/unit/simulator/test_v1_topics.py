"""The retained topics of openWB 1.9, value by value: names, units, signs and notations."""

from dataclasses import replace
from typing import Any

import pytest

from simulator.physics import ChargePointState, Site, State
from simulator.v1 import topics
from simulator.v1.commands import DEFAULTS
from simulator.v1.control import Decision
from simulator.v1.counters import Counters

AT = 1_795_420_805.0  # Mon Nov 23 09:00:05 CET 2026

CHARGING = ChargePointState(
    is_plugged=True,
    is_drawing=True,
    current_a=16.0,
    power_w=11040.4,
    currents_a=(16.0, 16.02, 15.98),
    meter_wh=2_310_482.4,
    car_energy_wh=41_000,
    soc_percent=57.9,
    last_trip_day=20_000,
)
AWAY = ChargePointState(
    is_plugged=False, is_drawing=False, meter_wh=450.0, car_energy_wh=9_000, soc_percent=22.0, last_trip_day=20_000
)
STATE = State(
    at=AT,
    pv_w=5400.4,
    house_w=412.0,
    battery_w=-350.2,
    grid_w=5702.0,
    grid_powers_w=(2000.4, -51.0, 3752.6),
    voltages_v=(230.1, 230.44, 229.96),
    pv_wh=15_234_870.9,
    grid_imported_wh=8_123_456.04,
    grid_exported_wh=5_012_345.0,
    house_wh=12_000.0,
    battery_charged_wh=2_210_034.5,
    battery_discharged_wh=1_910_034.0,
    battery_energy_wh=6_450.0,
    charge_points=(CHARGING, AWAY),
)
DAY_START = replace(
    STATE,
    pv_wh=15_234_420.9,
    grid_imported_wh=8_120_000.0,
    house_wh=0.0,
    battery_charged_wh=2_205_834.4,
    charge_points=(replace(CHARGING, meter_wh=2_296_461.0), AWAY),
)


def counters(charged_wh: float, since_plugged_wh: float, plug_start_wh: float, *, is_tracking: bool) -> Counters:
    return Counters(charged_wh, since_plugged_wh, plug_start_wh, is_tracking)


def view(**changes: Any) -> topics.View:
    whole = topics.View(
        site=Site(),
        state=STATE,
        values=DEFAULTS | topics.initial_faults(2),
        decision=Decision((16, 0)),
        counters=(
            counters(3_418.0, 12_071.0, 2_298_411.0, is_tracking=True),
            counters(450.0, 450.0, 0.0, is_tracking=False),
        ),
        day_start=DAY_START,
        last_tag="0004A376A2,1795420800",
        last_tags={1: "0004A376A2,1795420800"},
        booted_at=AT - 93_784,
    )
    return replace(whole, **changes)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("evu/W", "5702"),  # import +
        ("evu/WPhase1", "2000"),
        ("evu/WPhase2", "-51"),
        ("evu/APhase1", "8.69"),
        ("evu/VPhase2", "230.4"),
        ("evu/WhImported", "8123456.0"),  # Wh
        ("evu/WhExported", "5012345.0"),
        ("evu/faultState", "0"),
        ("evu/faultStr", '"Kein Fehler."'),  # a Python module's JSON
        ("pv/W", "-5400"),  # production −
        ("pv/1/W", "-5400"),
        ("pv/2/W", "0"),
        ("pv/WhCounter", "15234870"),
        ("pv/1/boolPVConfigured", "1"),
        ("pv/2/boolPVConfigured", "0"),
        ("housebattery/W", "-350"),  # discharging −
        ("housebattery/%Soc", "64"),
        ("housebattery/WhImported", "2210034.5"),
        ("housebattery/WhExported", "1910034.0"),
        ("housebattery/boolHouseBatteryConfigured", "1"),
        ("global/WHouseConsumption", "412"),
        ("global/WAllChargePoints", "11040"),
        ("global/kWhCounterAllChargePoints", "2310.93"),
        ("global/ChargeMode", "1"),
        ("global/strLastmanagementActive", ""),
        ("system/ConfiguredChargePoints", "2"),
        ("system/Version", "1.9.304.0"),
        ("system/priceForKWh", "0.30"),
        ("system/lastRfId", "0004A376A2,1795420800"),
        ("lp/1/boolChargePointConfigured", "1"),
        ("lp/1/strChargePointName", "Carport"),
        ("lp/1/W", "11040"),
        ("lp/1/kWhCounter", "2310.482"),  # kWh
        ("lp/1/APhase2", "16.02"),
        ("lp/1/VPhase1", "230.1"),
        ("lp/1/countPhasesInUse", "3"),
        ("lp/1/AConfigured", "16"),
        ("lp/1/boolPlugStat", "1"),
        ("lp/1/boolChargeStat", "1"),
        ("lp/1/ChargeStatus", "1"),
        ("ChargeStatus", "1"),
        ("lp/1/ChargePointEnabled", "1"),
        ("lp/1/kWhActualCharged", "3.41"),  # cut off, not rounded
        ("lp/1/kWhChargedSincePlugged", "12.07"),
        ("lp/1/plugStartkWh", "2298.41"),
        ("lp/1/pluggedladungakt", "1"),
        ("lp/1/kmCharged", "20"),
        ("lp/1/TimeRemaining", "35 Min"),
        ("lp/1/%Soc", "57"),
        ("lp/1/lastRfId", "0004A376A2,1795420800"),
        ("lp/1/faultStr", "Kein Fehler"),
        ("lp/2/W", "0"),
        ("lp/2/kWhCounter", "0.450"),
        ("lp/2/kWhActualCharged", ".45"),  # bc writes no leading zero
        ("lp/2/boolPlugStat", "0"),
        ("lp/2/ChargeStatus", "0"),
        ("lp/2/TimeRemaining", "--"),
        ("lp/2/lastRfId", "0"),
        ("lp/3/boolChargePointConfigured", "0"),
        ("lp/3/W", ""),  # an unset shell variable
        ("lp/8/boolChargePointConfigured", "0"),
        ("lp/8/W", "0"),
        ("config/get/sofort/lp/1/current", "10"),
        ("config/get/pv/minCurrentMinPv", "6"),
        ("config/get/global/maxEVSECurrentAllowed", "32"),
    ],
)
def test_a_topic_says_what_openwb_says(topic: str, payload: str) -> None:
    """Name, unit, sign and notation."""
    assert topics.ordinary(view())[topic] == payload


def test_the_published_balance_adds_up() -> None:
    """House = grid − PV (negative) − charge points − battery, in whole watts."""
    shown = topics.ordinary(view())
    grid_w, pv_w, battery_w, points_w, house_w = (
        int(shown[name])
        for name in ("evu/W", "pv/W", "housebattery/W", "global/WAllChargePoints", "global/WHouseConsumption")
    )
    assert house_w == grid_w - pv_w - points_w - battery_w


def test_the_daily_job_counts_kwh_since_midnight() -> None:
    """Two decimals, cut off, without a leading zero."""
    yields = topics.daily_yields(view())
    assert yields == {
        "global/DailyYieldAllChargePointsKwh": "14.02",
        "global/DailyYieldHausverbrauchKwh": "12.00",
        "evu/DailyYieldImportKwh": "3.45",
        "evu/DailyYieldExportKwh": "0",
        "pv/DailyYieldKwh": ".45",
        "housebattery/DailyYieldImportKwh": "4.20",
        "housebattery/DailyYieldExportKwh": "0",
        "lp/1/kWhDailyCharged": "14.02",
        "lp/2/kWhDailyCharged": "0",
    }


def test_heartbeat_and_texts_go_out_every_loop() -> None:
    """Unix seconds in UTC, all else in German local time."""
    shown = topics.every_loop(view())
    assert shown["system/Timestamp"] == "1795420805"
    assert shown["system/Date"] == "Mon Nov 23 09:00:05 CET 2026"
    assert shown["system/Uptime"].startswith(" 09:00:05 up 1 days,  2:03,  0 users,  load average: ")


def test_the_live_row_has_29_fields_with_positive_pv() -> None:
    """The same row on both topics; empty where a part is off."""
    shown = topics.every_loop(view())
    row = shown["graph/lastlivevalues"]
    assert shown["system/lastlivevalues"] == row
    assert row == "09:00:05,5702,11040,5400,11040,0,11040,-350,64,57,22,412,,," + ",".join(["0"] * 15)
    assert len(row.split(",")) == 29


def test_a_house_without_battery_publishes_empty_values() -> None:
    """Which deletes the retained topics; the gate says 0."""
    site = replace(Site(), battery=None)
    shown = topics.ordinary(view(site=site))
    assert shown["housebattery/boolHouseBatteryConfigured"] == "0"
    assert shown["housebattery/W"] == shown["housebattery/%Soc"] == ""
    assert topics.live_row(view(site=site)).split(",")[7:9] == ["", ""]


def test_one_charge_point_alone_leaves_the_second_empty() -> None:
    """LP2 is off: configured 0, power unset."""
    site = replace(Site(), charge_points=Site().charge_points[:1])
    lone = view(
        site=site, state=replace(STATE, charge_points=(CHARGING,)), decision=Decision((16,)), counters=(Counters(),)
    )
    shown = topics.ordinary(lone)
    assert (shown["lp/2/boolChargePointConfigured"], shown["lp/2/W"], shown["lp/2/boolSocConfigured"]) == ("0", "", "0")
    assert topics.live_row(lone).split(",")[9:11] == ["57", ""]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.004, "0"), (0.45, ".45"), (-0.5, "-.50"), (3.419, "3.41"), (12.4, "12.40"), (10.01, "10.01")],
)
def test_numbers_look_as_bc_prints_them(value: float, text: str) -> None:
    """Cut off at two digits, no zero before the point."""
    assert topics.bc(value) == text


@pytest.mark.parametrize(
    ("limit_kwh", "charged_kwh", "power_w", "text"),
    [(10, 0, 11000, "54 Min"), (20, 4.8, 11000, "1 H 22 Min"), (10, 12, 11000, "0 Min"), (10, 0, 90, "--")],
)
def test_time_remaining_is_a_text(limit_kwh: float, charged_kwh: float, power_w: float, text: str) -> None:
    """Hours and minutes, or dashes without power."""
    assert topics.time_remaining(limit_kwh, charged_kwh, power_w) == text
