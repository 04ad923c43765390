"""The old backend's rows as what Wallport stores: local times, zeros that mean nothing, tags that became numbers."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.store.rows import ChargePointSampleRow, SampleRow
from edge import old_backend
from edge.charge_log.entries import BadLine, Entry
from edge.old_backend import GraphTicks, OldUser

BERLIN = ZoneInfo("Europe/Berlin")


def digits(*parts: int) -> datetime:
    """As PyMySQL hands a column out: without a zone."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


CHARGE: dict[str, Any] = {
    "id": 7,
    "start": digits(2025, 7, 14, 18, 2),
    "ende": digits(2025, 7, 14, 21, 37),
    "kWh": 19.07,
    "kW": 5.32,
    "ladepunkt": "1",
    "modus": 2,
    "tagID": 4711,
}
FIRST = 1_761_436_800  # Sun Oct 26 02:00 CEST 2025; an hour later it is 02:00 CET
POINT = {"evu": -3120.4, "pv": 5400.0, "hausverbrauch": 412.0, "ladeleistung_lp1": 1868.0, "ladeleistung_lp2": 0.0}
GRAPH: dict[str, Any] = {
    "id": 1,
    "timestamp": digits(2025, 7, 14, 12, 0, 4),
    **POINT,
    "speicherleistung": 0.0,
    "speicher_soc": 0.0,
    "soc_lp1": 0.0,
    "soc_lp2": 0.0,
}
NOON = 1_752_494_400


def charge(**changes: Any) -> Entry:
    parsed = old_backend.charges_of([{**CHARGE, **changes}], BERLIN, {})
    assert parsed.bad == ()
    return parsed.entries[0]


def test_a_charge_is_read_as_local_time() -> None:
    """Its container ran in UTC, so the digits are Berlin's; with a container in Berlin they are UTC's."""
    parsed = old_backend.charges_of([CHARGE], BERLIN, {"4711": "anna"})
    assert parsed.entries == (
        Entry(
            charge_point="1",
            started_at=1_752_508_920,
            ended_at=1_752_521_820,
            energy_wh=19_070,
            charging_s=12_905,
            mode="pv",
            tag="4711",
            user_name="anna",
        ),
    )
    in_utc = old_backend.charges_of([CHARGE], ZoneInfo("UTC"), {}).entries[0]
    assert in_utc.started_at == 1_752_508_920 + 7200


def test_energy_by_power_says_which_of_two_hours() -> None:
    """2 kWh at 6 kW took 20 minutes, at 1.5 kW an hour more."""
    times = {"start": digits(2025, 10, 26, 1, 50), "ende": digits(2025, 10, 26, 2, 10)}
    assert charge(**times, kWh=2.0, kW=6.0).ended_at == FIRST + 600
    assert charge(**times, kWh=2.0, kW=1.5).ended_at == FIRST + 4200
    assert charge(**times, kWh=0.0, kW=0.0).ended_at == FIRST + 600


def test_the_order_of_the_rows_decides_in_the_hour_that_comes_twice() -> None:
    """By their ids, whichever way they count; rows in no order count by the digits of their start."""
    early = {**CHARGE, "start": digits(2025, 10, 26, 2, 40), "ende": digits(2025, 10, 26, 2, 50), "kWh": 1.0, "kW": 6.0}
    late = {**early, "start": digits(2025, 10, 26, 2, 10), "ende": digits(2025, 10, 26, 2, 20), "kWh": 1.01}
    before = {**early, "start": digits(2025, 10, 20, 2, 0), "ende": digits(2025, 10, 20, 3, 0)}

    def starts(*ids: int) -> list[int]:
        rows = [{**row, "id": number} for row, number in zip((before, early, late), ids, strict=True)]
        parsed = old_backend.charges_of(rows, BERLIN, {})
        assert parsed.bad == ()
        return [entry.started_at for entry in parsed.entries if entry.started_at > 1_761_400_000]

    assert starts(1, 2, 3) == starts(9, 8, 7) == [FIRST + 2400, FIRST + 4200]
    assert starts(2, 9, 1) == [FIRST + 600, FIRST + 2400]


@pytest.mark.parametrize(("tag", "kept"), [(None, None), (0, None), (4711, "4711"), (9_223_372_036_854_775_807,) * 2])
def test_tags_become_text(tag: int | None, kept: str | int | None) -> None:
    """Nothing and 0 are none."""
    assert charge(tagID=tag).tag == (None if kept is None else str(kept))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start": None}, "there is no time"),
        ({"ende": digits(2025, 7, 14, 18, 1)}, "it ends before it starts"),
        ({"kWh": None}, "the energy is no number"),
        ({"kWh": float("nan")}, "the energy is no number"),
        ({"kWh": -1.0}, "the energy cannot be"),
        ({"ladepunkt": None}, "the charge point is no number"),
    ],
)
def test_a_bad_charge_is_named_by_its_id(changes: dict[str, Any], reason: str) -> None:
    """The others are kept."""
    parsed = old_backend.charges_of([{**CHARGE, **changes}, {**CHARGE, "id": 8}], BERLIN, {})
    assert parsed.bad == (BadLine(7, reason),)
    assert len(parsed.entries) == 1


def test_users_and_whose_their_tags_are() -> None:
    """A tag of two is nobody's."""
    rows = [{"username": name, "tagID": tag, "admin": 1} for name, tag in (("a", 5), ("b", 6), ("c", 6), ("d", None))]
    users = [old_backend.user_of(row) for row in rows]
    assert users[0] == OldUser("a", True, "5")
    assert old_backend.owners(users) == {"5": "a"}


def fed(*rows: dict[str, Any], used: tuple[str, ...] = ("ladeleistung_lp1",), interval_s: int = 60) -> list[SampleRow]:
    ticks = GraphTicks(interval_s, frozenset(used), {})
    done, bad, _ = ticks.feed(rows)
    assert bad == []
    return [*done, *ticks.flush()]


def test_a_sample_lies_on_the_nearest_tick() -> None:
    """UTC, whole watts; what the house never had is unknown, not 0."""
    assert fed(GRAPH) == [
        SampleRow(
            sampled_at=NOON,
            grid_power_w=-3120,
            pv_power_w=5400,
            home_power_w=412,
            charge_points=(ChargePointSampleRow(charge_point="1", power_w=1868),),
        )
    ]
    assert fed({**GRAPH, "timestamp": digits(2025, 7, 14, 12, 0, 30)})[0].sampled_at == NOON + 60
    assert fed(GRAPH, interval_s=5)[0].sampled_at == NOON + 5


def test_what_the_house_has_is_there() -> None:
    """Battery, second charge point and SoC; a car's SoC of 0 is the old backend's word for unknown."""
    row = {**GRAPH, "speicherleistung": -350.0, "speicher_soc": 64.0, "soc_lp1": 57.0}
    (sample,) = fed(row, used=old_backend.OPTIONAL)
    assert (sample.battery_power_w, sample.battery_soc_percent) == (-350, 64)
    assert sample.charge_points == (
        ChargePointSampleRow(charge_point="1", power_w=1868, soc_percent=57),
        ChargePointSampleRow(charge_point="2", power_w=0),
    )


def test_charge_points_are_renamed() -> None:
    ticks = GraphTicks(60, frozenset(old_backend.OPTIONAL), {"1": "7", "2": "3"})
    ticks.feed([GRAPH])
    assert [part.charge_point for part in ticks.flush()[0].charge_points] == ["3", "7"]


def test_of_several_rows_of_a_tick_the_nearest_counts() -> None:
    """Also over the border of two batches; a silent wallbox gave the same instant again and again."""
    ticks = GraphTicks(60, frozenset(), {})
    rows = [
        {**GRAPH, "timestamp": digits(2025, 7, 14, 12, 0, 20) - timedelta(seconds=n), "pv": float(n)}
        for n in range(1, 40)
    ]
    first = ticks.feed(rows[:10])
    second = ticks.feed(rows[10:])
    assert (first[0], first[2], second[0], second[2]) == ([], 9, [], 29)
    assert [(row.sampled_at, row.pv_power_w) for row in ticks.flush()] == [(NOON, 20)]


def test_rows_that_say_nothing_are_bad() -> None:
    """Every value 0 or missing: the old backend wrote such rows when it had none."""
    empty = {name: None if name == "evu" else 0.0 for name in GRAPH} | {"id": 9, "timestamp": GRAPH["timestamp"]}
    timeless = {**GRAPH, "id": 10, "timestamp": None}
    _, bad, _ = GraphTicks(60, frozenset(), {}).feed([empty, timeless])
    assert bad == [BadLine(9, "it says nothing: every value is 0"), BadLine(10, "there is no time")]


_VALUES = st.one_of(st.none(), st.floats(), st.integers(-(2**40), 2**40))
_TIMES = st.one_of(st.none(), st.datetimes(digits(1, 1, 1), digits(9999, 12, 31)))
_CHARGES = st.fixed_dictionaries(
    {"id": st.integers(1), "start": _TIMES, "ende": _TIMES, "ladepunkt": st.one_of(st.none(), st.text(max_size=5)),
     **dict.fromkeys(("kWh", "kW", "modus", "tagID"), _VALUES)}
)  # fmt: skip
_GRAPHS = st.fixed_dictionaries({**dict.fromkeys(GRAPH, _VALUES), "id": st.integers(1), "timestamp": _TIMES})


@given(st.lists(_CHARGES, max_size=4))
def test_whatever_a_charge_says_nothing_is_raised(rows: list[dict[str, Any]]) -> None:
    parsed = old_backend.charges_of(rows, BERLIN, {})
    assert len(parsed.entries) + len(parsed.bad) == len(rows)


@given(st.lists(_GRAPHS, max_size=6), st.sampled_from([5, 60, 3600]))
def test_whatever_a_graph_says_every_row_is_accounted_for(rows: list[dict[str, Any]], interval_s: int) -> None:
    """Each is a sample, or surplus, or bad; ticks are whole multiples of the interval, and near their row."""
    ticks = GraphTicks(interval_s, frozenset(old_backend.OPTIONAL), {})
    done, bad, surplus = ticks.feed(rows)
    done += ticks.flush()
    assert len(done) + len(bad) + surplus == len(rows)
    instants = [row["timestamp"].replace(tzinfo=UTC).timestamp() for row in rows if row["timestamp"] is not None]
    for sample in done:
        assert sample.sampled_at % interval_s == 0
        assert min(abs(instant - sample.sampled_at) for instant in instants) <= interval_s / 2
