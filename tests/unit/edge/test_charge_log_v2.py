"""openWB 2.x's charge log: the sections that `getChargeLog` answers with."""

import copy
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model import Mode
from edge.charge_log import v2
from edge.charge_log.entries import BadLine, Entry, grouped

BERLIN = ZoneInfo("Europe/Berlin")
BEGIN = 1_795_390_911  # Mon Nov 23 00:41:51 CET 2026
SECTION: dict[str, Any] = {
    "chargepoint": {
        "id": 3,
        "name": "Carport",
        "serial_number": "SN123",
        "imported_at_start": 1234000.0,
        "imported_at_end": 1234304.96,
        "exported_at_start": 0,
        "exported_at_end": 0,
    },
    "vehicle": {
        "id": 1,
        "name": "Jürgens Auto",
        "chargemode": "pv_charging",
        "prio": False,
        "rfid": "00ABC123",
        "odometer": None,
        "soc_at_start": None,
        "soc_at_end": 55.0,
        "range_at_start": None,
        "range_at_end": 265,
    },
    "time": {"begin": "11/23/2026, 00:41:51", "end": "11/23/2026, 00:46:01", "time_charged": "0:03"},
    "data": {
        "range_charged": 1.61,
        "imported_since_mode_switch": 304.96,
        "imported_since_plugged": 304.96,
        "power": 4574.86,
        "costs": 0.08,
        "power_source": {"bat": 0.0, "cp": 0.0, "grid": 0.92, "pv": 0.08},
    },
}


def parsed(*sections: Any) -> list[Entry]:
    found = v2.parse(json.dumps({"entries": sections, "totals": {}}).encode(), BERLIN)
    assert found is not None
    assert found.bad == ()
    return list(found.entries)


def changed(**parts: dict[str, Any]) -> dict[str, Any]:
    section = copy.deepcopy(SECTION)
    for name, members in parts.items():
        section[name].update(members)
    return section


def test_a_section() -> None:
    """Meters in whole Wh whose difference is the energy; sources that add up to it; € as thousandths of a cent."""
    assert parsed(SECTION) == [
        Entry(
            charge_point="3",
            started_at=BEGIN,
            ended_at=BEGIN + 250,
            energy_wh=305,
            charging_s=180,
            mode=Mode.PV,
            vehicle="Jürgens Auto",
            tag="00ABC123",
            cost_millicents=8_000,
            meter_start_wh=1_234_000,
            meter_end_wh=1_234_305,
            soc_end_percent=55,
            sources=(281, 24, 0),
            begins_plug_in=True,
        )
    ]


def test_what_older_releases_lack_is_unknown() -> None:
    """Neither sources nor cost nor SoC nor meters."""
    section = {
        "chargepoint": {"id": 3},
        "vehicle": {},
        "time": {"begin": "11/23/2026, 00:41:51", "end": "11/23/2026, 00:46:01"},
        "data": {"imported_since_mode_switch": 304},
    }
    assert parsed(section) == [Entry(charge_point="3", started_at=BEGIN, ended_at=BEGIN + 250, energy_wh=304)]


@pytest.mark.parametrize("meters", [(1_234_000, 200), (None, 1_234_305), (1_234_000, 1_234_400)])
def test_meters_that_do_not_add_up_are_unknown(meters: tuple[Any, Any]) -> None:
    """A meter was swapped meanwhile: the energy is what the log says."""
    (entry,) = parsed(changed(chargepoint={"imported_at_start": meters[0], "imported_at_end": meters[1]}))
    assert (entry.energy_wh, entry.meter_start_wh, entry.meter_end_wh) == (305, None, None)


@pytest.mark.parametrize(
    "shares", [{"grid": 0, "pv": 0, "bat": 0}, {"grid": "x"}, {"grid": -1, "pv": 2}, {"grid": 0.9, "pv": 0.9}, None, []]
)
def test_sources_that_say_nothing_are_unknown(shares: Any) -> None:
    """Short sections have none; more than the whole is none."""
    assert parsed(changed(data={"power_source": shares}))[0].sources is None


@pytest.mark.parametrize(
    ("shares", "sources"),
    [
        ({"grid": 0.31, "pv": 0.55, "bat": 0.0}, (95, 168, 0)),  # as real logs have them: 0.86
        ({"grid": 0.96, "pv": 0, "bat": 0, "cp": 0}, (293, 0, 0)),
        ({"grid": 0.5, "cp": 0.5}, (152, 0, 0)),  # of another car
        ({"grid": 0.5, "pv": "x", "bat": 0.25}, (152, 0, 76)),
        ({"grid": 0.33, "pv": 0.33, "bat": 0.33}, (103, 101, 101)),  # three shares with two decimals each
    ],
)
def test_sources_that_are_a_part_of_the_whole_are_kept(shares: Any, sources: tuple[int, int, int]) -> None:
    """What they lack of 305 Wh is unknown, and stays so."""
    assert parsed(changed(data={"power_source": shares}))[0].sources == sources


@pytest.mark.parametrize(("name", "mode"), [("time_charging", "time"), ("bidi_charging", "bidi"), ("odd", None)])
def test_modes_that_only_the_log_names(name: str, mode: str | None) -> None:
    """Nobody can wish for them: they follow from a plan."""
    assert parsed(changed(vehicle={"chargemode": name}))[0].mode == mode


@pytest.mark.parametrize(
    ("data", "point", "wh"),
    [
        ({"exported_since_mode_switch": 1200.4}, {}, 1200),
        ({}, {"exported_at_start": 5000, "exported_at_end": 6200.4}, 1200),
        ({"exported_since_mode_switch": 0}, {"exported_at_end": 6200}, None),
        ({"exported_since_mode_switch": -1}, {}, None),
        ({"exported_since_mode_switch": 1e9}, {}, None),
        ({}, {"exported_at_start": None}, None),
    ],
)
def test_what_a_car_gave_back(data: dict[str, Any], point: dict[str, Any], wh: int | None) -> None:
    """Bidirectional charging: no part of the energy that was charged."""
    (entry,) = parsed(changed(data=data, chargepoint=point))
    assert (entry.discharged_wh, entry.energy_wh) == (wh, 305)


def test_entries_of_two_charge_points_keep_their_order_in_the_hour_that_comes_twice() -> None:
    """They are written as charges end: what was written later did not end before."""
    first = changed(time={"begin": "10/25/2026, 02:40:00", "end": "10/25/2026, 02:50:00", "time_charged": "0:10"})
    second = changed(
        chargepoint={"id": 7},
        time={"begin": "10/25/2026, 02:10:00", "end": "10/25/2026, 02:20:00", "time_charged": "0:10"},
    )
    one, other = parsed(first, second)
    assert other.started_at - one.started_at == 1800
    one, other = parsed(second, first)
    assert other.started_at - one.started_at == 1800


def test_sections_of_one_time_plugged_in_belong_together() -> None:
    """The energy since plugging in counts on; another car's section lies between, and a new time starts anew."""
    first = changed(data={"imported_since_plugged": 305})
    other = changed(chargepoint={"id": 7})
    second = changed(data={"imported_since_plugged": 610})
    again = changed(data={"imported_since_plugged": 305})
    groups = grouped(parsed(first, other, second, again))
    assert [[entry.charge_point for entry in group] for group in groups] == [["3", "3"], ["7"], ["3"]]


def test_the_hour_that_comes_twice() -> None:
    """A section that begins where the one before ended is in the second hour; a long charge spans both."""
    first = changed(time={"begin": "10/25/2026, 01:30:00", "end": "10/25/2026, 02:50:00", "time_charged": "2:20"})
    second = changed(time={"begin": "10/25/2026, 02:50:00", "end": "10/25/2026, 02:55:00", "time_charged": "0:05"})
    entries = parsed(first, second)
    assert entries[0].ended_at - entries[0].started_at == 8400
    assert entries[1].started_at == entries[0].ended_at
    assert entries[1].ended_at - entries[1].started_at == 300


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        (None, "there is no chargepoint"),
        ({**SECTION, "data": 1}, "there is no data"),
        (changed(chargepoint={"id": "x"}), "the charge point is no number"),
        (changed(time={"begin": "23.11.2026"}), "a time is not mm/dd/YYYY, HH:MM:SS"),
        (changed(time={"begin": "11/23/2026, 00:50:00"}), "it ends before it starts"),
        (changed(data={"imported_since_mode_switch": None}), "the energy is no number"),
        (changed(data={"imported_since_mode_switch": 1e9}), "the energy cannot be"),
    ],
)
def test_a_bad_section_is_named_by_its_place(section: Any, reason: str) -> None:
    found = v2.parse(json.dumps({"entries": [SECTION, section]}).encode(), BERLIN)
    assert found is not None
    assert len(found.entries) == 1
    assert found.bad == (BadLine(2, reason),)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"entries":{}}', b"\xff", b"null"])
def test_what_is_no_answer(content: bytes) -> None:
    assert v2.parse(content, BERLIN) is None


def test_a_month_without_charges() -> None:
    found = v2.parse(b'{"entries":[],"totals":{}}', BERLIN)
    assert found is not None
    assert not found.entries
    assert not found.bad


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.just("10/25/2026, 02:50:00"),
)
_SECTIONS = st.fixed_dictionaries(
    {
        part: st.one_of(_SCALARS, st.fixed_dictionaries({}, optional=dict.fromkeys(SECTION[part], _SCALARS)))
        for part in SECTION
    }
)


@given(st.lists(st.one_of(_SCALARS, _SECTIONS), max_size=3))
def test_whatever_it_says_nothing_is_raised(sections: list[Any]) -> None:
    """Each element is an entry or a bad line."""
    found = v2.parse(json.dumps({"entries": sections}).encode(), BERLIN)
    assert found is not None
    assert len(found.entries) + len(found.bad) == len(sections)


@given(st.binary(max_size=200))
def test_whatever_the_bytes_are_nothing_is_raised(content: bytes) -> None:
    v2.parse(content, BERLIN)
