"""openWB 2.x's running log and charge log: sections, sources, costs, and the answer that clients ask for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.v2.chargelog import BadRequest, ChargeLog, hours_and_minutes
from simulator.v2.sessions import Moment, Section, SessionLog

AT = 1_795_390_910.0  # Mon Nov 23 00:41:50 CET 2026, five minutes' marks at :40 and :45
EVERYTHING = {"year": "2026", "month": "11", "filter": {"chargepoint": {}, "vehicle": {}}}


def moment(seconds: float, meter_wh: float, *, plugged: bool = True, mode: str = "instant_charging") -> Moment:
    return Moment(
        at=AT + seconds,
        is_plugged=plugged,
        is_charging=plugged and meter_wh % 1 != 0,  # whole readings stand for a car that takes nothing
        meter_wh=meter_wh,
        mode=mode,
        is_prio=False,
        vehicle=1,
        rfid="ABC123",
        soc_percent=55.0,
        range_km=265,
        km_per_wh=0.9 / 170,
        shares={"grid": 0.92, "pv": 0.08},
        prices={"grid": 0.0003, "pv": 0.00015},
    )


def follow(log: SessionLog, *moments: Moment) -> list[Section]:
    return [section for now in moments if (section := log.follow(now)) is not None]


def test_an_idle_charge_point_shows_the_idle_pattern() -> None:
    """As openWB leaves it after unplugging."""
    shown = SessionLog().shown()
    assert (shown["ev"], shown["chargemode_log_entry"], shown["timestamp_start_charging"]) == (-1, "_", None)
    assert {shown[name] for name in shown if name.startswith(("imported", "exported", "costs", "time_"))} == {0}


def test_a_plug_in_counts_before_it_charges() -> None:
    """Meter and instant of the plug at once; vehicle, tag and energy only with the charge."""
    log = SessionLog()
    follow(log, moment(0, 1234000.0))
    shown = log.shown()
    assert (shown["imported_at_plugtime"], shown["timestamp_mode_switch"], shown["ev"]) == (1234000.0, AT, -1)
    follow(log, moment(10, 1234017.26))
    shown = log.shown()
    assert shown["imported_since_plugged"] == 17.260000000009313
    assert (shown["ev"], shown["rfid"], shown["timestamp_start_charging"]) == (1, "ABC123", AT + 10)
    assert (shown["time_charged"], shown["soc_at_start"], shown["costs"]) == (10, 55.0, 0)
    assert log.since_plugged_wh == shown["imported_since_plugged"]
    follow(log, moment(20, 1234018.0))
    assert log.shown()["timestamp_start_charging"] is None


def test_unplugging_ends_the_section_with_the_reference_s_numbers() -> None:
    """Energy, time, range, costs and sources as in the entry that the real core wrote."""
    log = SessionLog()
    sections = follow(
        log,
        moment(0, 1234000.0),
        *(moment(10 + 10 * step, 1234000 + 12.7067 * (step + 1)) for step in range(24)),
        moment(255, 1234304.96, plugged=False),
    )
    assert len(sections) == 1
    charge_log = ChargeLog()
    charge_log.add(sections[0], (3, "MQTT-Ladepunkt 3"), "Auto")
    (entry,) = charge_log.answer(EVERYTHING)["entries"]
    assert entry["time"] == {"begin": "11/23/2026, 00:41:50", "end": "11/23/2026, 00:46:05", "time_charged": "0:04"}
    data = entry["data"]
    assert data["imported_since_mode_switch"] == data["imported_since_plugged"] == pytest.approx(304.96, abs=0.01)
    assert (data["range_charged"], data["costs"]) == (1.61, 0.09)
    assert data["power"] == pytest.approx(4574.4, abs=1)
    assert data["power_source"] == {"bat": 0.0, "cp": 0.0, "grid": 0.92, "pv": 0.08}
    assert entry["vehicle"]["rfid"] == "ABC123"
    assert log.shown() == SessionLog().shown()


def test_a_change_of_mode_while_charging_makes_two_entries() -> None:
    """Each with its own energy; the energy since plug-in goes on."""
    log = SessionLog()
    sections = follow(
        log,
        moment(0, 1000.0),
        moment(10, 1200.5),
        moment(20, 1400.5, mode="pv_charging"),
        moment(30, 1500.5, mode="pv_charging"),
        moment(40, 1500.5, plugged=False),
    )
    assert [(s.mode, s.energy_wh, s.since_plugged_wh) for s in sections] == [
        ("instant_charging", 400.5, 400.5),
        ("pv_charging", 100.0, 500.5),
    ]
    assert sections[0].meter_end_wh == sections[1].meter_start_wh


def test_a_stop_in_between_is_no_section() -> None:
    """The mode counts only while the car charges."""
    log = SessionLog()
    sections = follow(
        log,
        moment(0, 1000.0),
        moment(10, 1200.5),
        moment(20, 1201.0, mode="stop"),
        moment(30, 1300.5),
        moment(40, 1300.5, plugged=False),
    )
    assert [(s.mode, s.energy_wh) for s in sections] == [("instant_charging", 300.5)]


def test_a_plug_in_without_energy_leaves_no_entry() -> None:
    """Nor does a section of less than 100 Wh know its sources."""
    log = SessionLog()
    assert follow(log, moment(0, 1000.0), moment(10, 1000.0, plugged=False)) == []
    (section,) = follow(log, moment(20, 1000.0), moment(30, 1099.5), moment(40, 1099.5, plugged=False))
    assert set(section.shares.values()) == {0.0}


def test_costs_show_at_the_five_minute_marks_only() -> None:
    """In between they stand still."""
    log = SessionLog()
    follow(log, moment(0, 1000.0), moment(100, 2000.5))
    assert log.shown()["costs"] == 0
    follow(log, moment(190, 3000.5))  # 00:45:00
    assert log.shown()["costs"] == round(2000.5 * (0.92 * 0.0003 + 0.08 * 0.00015), 2)


def test_a_meter_that_is_raised_changes_no_energy() -> None:
    """After a restart the meter goes on from the broker's reading."""
    log = SessionLog()
    follow(log, moment(0, 1000.0), moment(10, 1200.5))
    log.shift(5000)
    follow(log, moment(20, 6300.5))
    assert log.shown()["imported_since_plugged"] == 300.5


readings = st.lists(st.tuples(st.booleans(), st.floats(0, 300), st.sampled_from(["stop", "pv_charging"])), max_size=30)


@given(readings)
def test_the_sections_add_up_to_no_more_than_was_metered(cycles: list[tuple[bool, float, str]]) -> None:
    """Whatever happens, energy is written down once, and a section has some."""
    log, meter_wh = SessionLog(), 1000.0
    sections: list[Section] = []
    was_plugged = False
    for step, (plugged, more_wh, mode) in enumerate([*cycles, (False, 0.0, "stop")]):
        meter_wh += more_wh if plugged and was_plugged else 0.0
        sections += follow(log, moment(10 * step, meter_wh, plugged=plugged, mode=mode))
        was_plugged = plugged
    assert sum(section.energy_wh for section in sections) <= meter_wh - 1000.0 + 1e-6
    for section in sections:
        assert section.energy_wh > 0
        assert section.charged_s > 0
        assert sum(section.shares.values()) <= 1 + 1e-9


def filled() -> ChargeLog:
    """Four sections: two charge points, two vehicles, two months."""
    charge_log = ChargeLog()
    for number, (charge_point, vehicle, end) in enumerate(
        [(3, 1, AT), (7, 2, AT), (3, 1, AT + 86_400), (3, 1, AT + 9e5)]
    ):
        section = Section(
            begin=end - 3600,
            end=end,
            meter_start_wh=0,
            meter_end_wh=1000,
            energy_wh=1000,
            since_plugged_wh=1000,
            charged_s=3600,
            range_km=5,
            costs=0.3,
            shares={"grid": 1.0},
            mode="pv_charging" if number else "instant_charging",
            is_prio=number == 1,
            vehicle=vehicle,
            rfid="ABC" if number == 2 else None,
            soc_at_start=None,
            soc_at_end=None,
            range_at_start=None,
            range_at_end=None,
        )
        charge_log.add(section, (charge_point, "x"), "y")
    return charge_log


@pytest.mark.parametrize(
    ("criteria", "count"),
    [
        ({}, 3),
        ({"chargepoint": {"id": [3]}}, 2),
        ({"chargepoint": {"id": [4]}}, 0),
        ({"vehicle": {"id": [2], "tag": [], "chargemode": []}}, 1),
        ({"vehicle": {"tag": ["ABC"]}}, 1),
        ({"vehicle": {"chargemode": ["instant_charging"]}}, 1),
        ({"prio": True}, 1),
    ],
)
def test_the_log_is_asked_with_filters(criteria: dict[str, Any], count: int) -> None:
    """Empty lists choose everything; only the month in which an entry was written is looked at."""
    answer = filled().answer(EVERYTHING | {"filter": {"chargepoint": {}, "vehicle": {}} | criteria})
    assert len(answer["entries"]) == count
    if count:
        assert answer["totals"]["imported_since_mode_switch"] == 1000 * count
        assert answer["totals"]["time_charged"] == f"{count}:00"
        assert answer["totals"]["power"] == 1000
    else:
        assert answer["totals"] == {}


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        [],
        "x",
        {"year": "2026", "month": "11"},
        EVERYTHING | {"filter": {"chargepoint": {}}},
        EVERYTHING | {"filter": 7},
    ],
)
def test_a_question_without_its_filters_fails(data: Any) -> None:
    """As in openWB, which answers with a message."""
    with pytest.raises(BadRequest):
        filled().answer(data)


def test_an_unknown_month_is_empty() -> None:
    """Also one that is spelled without its zero."""
    for month in ("12x", "1", 13):
        assert filled().answer(EVERYTHING | {"month": month}) == {"entries": [], "totals": {}}


def test_durations_are_cut_to_minutes() -> None:
    assert [hours_and_minutes(seconds) for seconds in (0, 59, 3599, 3600, 90_061)] == [
        "0:00",
        "0:00",
        "0:59",
        "1:00",
        "25:01",
    ]
