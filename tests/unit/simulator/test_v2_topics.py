"""The measured topics of openWB 2.x, value by value: names, units, signs and types."""

from dataclasses import replace
from typing import Any

import pytest

from simulator.physics import ChargePointState, Site, State
from simulator.v2 import installation, tariff, topics
from simulator.v2.sessions import SessionLog

AT = 1_795_420_810.0  # Mon Nov 23 09:00:10 CET 2026

CHARGING = ChargePointState(
    is_plugged=True,
    is_drawing=True,
    current_a=16.0,
    power_w=11040.404,
    currents_a=(16.0, 16.02, 15.984),
    meter_wh=2_310_482.414,
    car_energy_wh=41_000,
    soc_percent=57.9,
    last_trip_day=20_000,
)
AWAY = ChargePointState(
    is_plugged=False, is_drawing=False, meter_wh=450.0, car_energy_wh=9_000, soc_percent=22.0, last_trip_day=20_000
)
STATE = State(
    at=AT,
    pv_w=5400.0,
    house_w=412.0,
    battery_w=-350.25,
    grid_w=5702.154,
    grid_powers_w=(2000.4, -51.0, 3752.754),
    voltages_v=(230.1, 230.44, 229.963),
    pv_wh=15_234_870.956,
    grid_imported_wh=8_123_456.04,
    grid_exported_wh=5_012_345.0,
    house_wh=12_000.123,
    battery_charged_wh=2_210_034.5,
    battery_discharged_wh=1_910_034.0,
    battery_energy_wh=6_450.0,
    charge_points=(CHARGING, AWAY),
)
DAY_START = replace(
    STATE,
    pv_wh=15_234_420.956,
    grid_imported_wh=8_120_000.0,
    house_wh=0.0,
    battery_charged_wh=2_205_834.4,
    charge_points=(replace(CHARGING, meter_wh=2_296_461.0), AWAY),
)
CONNECTED = {"info": {"id": 1, "name": "Ioniq"}}


def point(number: int, index: int, **changes: Any) -> topics.PointView:
    view = topics.PointView(
        number=number,
        index=index,
        current_a=16.0,
        phases_in_use=3,
        phases_to_use=3,
        state_text="Fahrzeug lädt. ",
        fault=None,
        connected=CONNECTED,
        log=SessionLog().shown(),
    )
    return replace(view, **changes)


def view(*points: topics.PointView, site: Site | None = None) -> topics.View:
    return topics.View(
        site=site or Site(),
        state=STATE,
        day_start=DAY_START,
        points=points or (point(3, 0), point(7, 1)),
        socs={1: 57.9},
        faults={},
        has_sub_counter=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("counter/0/get/power", 5702.15),
        ("counter/0/get/powers", [2000.4, -51, 3752.75]),
        ("counter/0/get/currents", [8.69, -0.22, 16.32]),
        ("counter/0/get/voltages", [230.1, 230.44, 229.96]),
        ("counter/0/get/imported", 8123456.04),
        ("counter/0/get/exported", 5012345),
        ("pv/1/get/power", -5400),
        ("pv/1/get/currents", [-7.82, -7.81, -7.83]),
        ("pv/1/get/exported", 15234870.96),
        ("bat/2/get/power", -350.25),
        ("bat/2/get/soc", 64),
        ("bat/2/get/imported", 2210034.5),
        ("chargepoint/3/get/plug_state", True),
        ("chargepoint/3/get/charge_state", True),
        ("chargepoint/3/get/power", 11040.4),
        ("chargepoint/3/get/powers", [3681.6, 3691.65, 3675.73]),
        ("chargepoint/3/get/currents", [16, 16.02, 15.98]),
        ("chargepoint/3/get/imported", 2310482.41),
        ("chargepoint/3/get/evse_current", 16),
        ("chargepoint/3/get/phases_in_use", 3),
        ("chargepoint/3/get/state_str", "Fahrzeug lädt. "),
        ("chargepoint/3/get/fault_state", 0),
        ("chargepoint/3/get/soc", None),
        ("chargepoint/7/get/plug_state", False),
        ("chargepoint/7/get/power", 0),
    ],
)
def test_a_reading_goes_out_each_cycle(name: str, value: Any) -> None:
    """Import and charging positive, PV negative, Wh and W, at most two decimals."""
    assert topics.every_cycle(view())[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chargepoint/get/power", 11040.4),
        ("chargepoint/get/imported", 2310932.41),
        ("counter/set/home_consumption", 412),
        ("counter/set/imported_home_consumption", 12000.123),
        ("pv/get/power", -5400),
        ("bat/get/power", -350.25),
        ("bat/get/soc", 64),
        ("chargepoint/3/set/current", 16),
        ("chargepoint/3/set/phases_to_use", 3),
        ("chargepoint/3/get/connected_vehicle/info", {"id": 1, "name": "Ioniq"}),
    ],
)
def test_a_sum_or_setpoint_goes_out_on_change(name: str, value: Any) -> None:
    """The house is what is left of the grid's power when all else is taken off."""
    assert topics.changing(view())[name] == value


def test_daily_energies_count_from_midnight() -> None:
    """Wh, from the five-minute job."""
    daily = topics.daily(view())
    assert daily["chargepoint/3/get/daily_imported"] == daily["chargepoint/get/daily_imported"] == 14021.41
    assert daily["pv/get/daily_exported"] == daily["pv/1/get/daily_exported"] == 450
    assert daily["counter/0/get/daily_imported"] == 3456.04
    assert daily["bat/2/get/daily_imported"] == 4200.1


def test_the_live_row_has_kilowatts_and_positive_pv() -> None:
    """And no key for what is absent, faulty, or without a state of charge."""
    assert topics.live_values(view()) == {
        "timestamp": 1795420810,
        "time": "09:00:10",
        "grid": 5.702,
        "house-power": 0.412,
        "charging-all": 11.04,
        "pv-all": 5.4,
        "cp3-power": 11.04,
        "cp7-power": 0.0,
        "ev1-soc": 57.9,
        "bat-all-power": -0.35,
        "bat-all-soc": 64,
    }
    row = topics.live_values(view(point(3, 0, fault="x"), site=Site(battery=None)))
    assert not {"cp3-power", "cp7-power", "bat-all-power", "bat-all-soc"} & row.keys()


def test_a_house_without_battery_has_no_battery_topics() -> None:
    """Neither the sums nor the component, nor its place in the hierarchy."""
    bare = view(site=Site(battery=None))
    names = topics.every_cycle(bare) | topics.changing(bare) | topics.daily(bare)
    assert not [name for name in names if name.startswith("bat/")]
    assert "bat" not in str(installation.hierarchy([3], has_battery=False))


def test_zero_phases_and_the_readings_of_a_fault_are_withheld() -> None:
    """So their old retained values stand."""
    idle = topics.every_cycle(view(point(3, 0), point(7, 1, phases_in_use=1)))
    assert "chargepoint/7/get/phases_in_use" not in idle
    faulty = topics.every_cycle(view(point(3, 0, fault="Keine Verbindung")))
    assert faulty["chargepoint/3/get/fault_state"] == 2
    assert faulty["chargepoint/3/get/fault_str"] == "Keine Verbindung"
    assert not {"plug_state", "imported", "exported"} & {name.rpartition("/")[2] for name in faulty if "/3/" in name}


def test_the_log_goes_out_each_cycle_while_charging() -> None:
    """Else on change."""
    charging = SessionLog().shown() | {"timestamp_start_charging": AT}
    assert "chargepoint/3/set/log" in topics.every_cycle(view(point(3, 0, log=charging)))
    assert "chargepoint/3/set/log" not in topics.every_cycle(view())


@pytest.mark.parametrize(("n", "ids"), [(0, ()), (1, (3,)), (2, (3, 7)), (4, (3, 7, 8, 9))])
def test_ids_have_gaps(n: int, ids: tuple[int, ...]) -> None:
    """The components between were removed long ago."""
    assert installation.charge_point_ids(n) == ids


def test_prices_are_known_until_the_end_of_tomorrow_at_best() -> None:
    """€ per Wh, from the running quarter of an hour on; tomorrow's from 13 o'clock on, also when the clocks change."""
    prices = tariff.known_prices(1, AT + 100)
    assert next(iter(prices)) == str(int(AT - 10))
    assert len(prices) == 15 * 4
    assert all(0.0001 < price < 0.0005 for price in prices.values())
    assert prices[str(int(AT - 10))] == tariff.price_at(1, AT + 889)
    assert len(tariff.known_prices(1, AT - 10 + 4 * 3600)) == 11 * 4 + 96
    summer_ends = 1_792_839_600.0  # Sat Oct 24 2026, 13:00 CEST; the next day has 25 hours
    assert len(tariff.known_prices(1, summer_ends)) == (11 + 25) * 4
