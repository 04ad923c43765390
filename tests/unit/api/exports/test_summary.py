"""Totals, bars and the meters' trails add up to the last Wh."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from api.exports import notes
from api.exports.lines import Heading, Line
from api.exports.summary import MOST_MONTHS, Meters, MeterTrail, by_time, totals
from api.exports.texts import Language
from common.local_time import Unit
from common.store.rows import SessionRow
from tests.kit.session_rows import BERLIN, DAY_S, charged, local_s

JULY = local_s(2026, 7, 1)


def test_totals_are_sums_of_what_is_known() -> None:
    """A session without energy counts as a session; energy without a source is unknown."""
    rows = [*charged(20), SessionRow(charge_point="1", started_at=1, ended_at=2)]
    rows[3] = replace(rows[3], grid_wh=None, pv_wh=None, battery_wh=None)
    found = totals(Line(row) for row in rows)
    assert found.sessions == 21
    assert found.energy_wh == sum(row.energy_wh or 0 for row in rows)
    assert found.cost_millicents == sum(row.cost_millicents or 0 for row in rows)
    assert found.unknown_wh == rows[3].energy_wh
    assert found.grid_wh + found.pv_wh + found.battery_wh + found.unknown_wh == found.energy_wh


@given(st.integers(1, 60), st.integers(3600, 200 * DAY_S), st.booleans())
def test_bars_hold_all_energy_without_a_hole(count: int, apart_s: int, is_bounded: bool) -> None:
    """Every session is in one bar, bars follow each other, and a chart never has more than it has room for."""
    rows = list(charged(count, JULY, apart_s=apart_s))
    bounds = (JULY, rows[-1].started_at + DAY_S) if is_bounded else (None, None)
    unit, bars = by_time([Line(row) for row in rows], BERLIN, from_s=bounds[0], to_s=bounds[1])
    assert sum(total.energy_wh for _, total in bars) == sum(row.energy_wh or 0 for row in rows)
    starts = [start for start, _ in bars]
    assert starts == sorted(set(starts))
    assert len(bars) <= 64 if unit is Unit.DAY else len(bars) <= MOST_MONTHS + 1


def test_a_month_has_all_its_days_and_an_odd_period_none_of_the_emptiness() -> None:
    """Also those without a session; but a period until 9999 shows the sessions' own days."""
    lines = [Line(row) for row in charged(3, local_s(2026, 11, 5))]
    _, bars = by_time(lines, BERLIN, from_s=local_s(2026, 11, 1), to_s=local_s(2026, 12, 1))
    assert len(bars) == 30
    _, bars = by_time(lines, BERLIN, from_s=0, to_s=250_000_000_000)
    assert len(bars) == 3
    assert by_time([], BERLIN, from_s=None, to_s=None) == (Unit.DAY, [])


def test_late_evening_belongs_to_the_sites_day() -> None:
    """23:30 on the last of October is October, though UTC is an hour behind; 00:30 is November."""
    late, early = local_s(2026, 10, 31, 23, 30), local_s(2026, 11, 1, 0, 30)
    rows = [SessionRow(charge_point="1", started_at=at, ended_at=at + 1, energy_wh=1) for at in (late, early)]
    _, bars = by_time([Line(row) for row in rows], BERLIN, from_s=None, to_s=None)
    assert [start for start, _ in bars] == [local_s(2026, 10, 31), local_s(2026, 11, 1)]


@given(st.lists(st.tuples(st.integers(-500, 5000), st.integers(0, 40_000), st.booleans()), min_size=1, max_size=30))
def test_a_meter_is_explained_to_the_last_watt_hour(steps: list[tuple[int, int, bool]]) -> None:
    """Its difference is the listed sessions, the others, and what was outside of them, whatever it did."""
    trail, meter_wh = MeterTrail("1"), 10_000_000
    for number, (gap_wh, energy_wh, is_chosen) in enumerate(steps):
        start_wh = meter_wh + gap_wh
        meter_wh = start_wh + energy_wh
        row = SessionRow(
            charge_point="1", started_at=100 * number, ended_at=100 * number + 50,
            meter_start_wh=start_wh, meter_end_wh=meter_wh, energy_wh=energy_wh,
        )  # fmt: skip
        trail.add(row, is_chosen=is_chosen)
    assert trail.first_wh is not None
    assert trail.last_wh is not None
    assert trail.last_wh - trail.first_wh == trail.chosen_wh + trail.other_wh + trail.outside_wh
    assert trail.outside_wh == sum(gap.energy_wh for gap in trail.gaps) + trail.small_gaps_wh


def test_only_the_meters_of_listed_sessions_are_told() -> None:
    """A driver who never used the garage is not told its readings."""
    rows = list(charged(20))
    meters = Meters()
    for row in rows:
        meters.add(row, is_chosen=row.charge_point == "1" and row.user_name == "anna")
    (trail,) = meters.trails()
    assert trail.charge_point == "1"
    assert trail.chosen_wh == sum(
        row.energy_wh or 0 for row in rows if (row.charge_point, row.user_name) == ("1", "anna")
    )
    assert trail.other_wh > 0


def test_a_session_without_readings_shows_as_a_gap() -> None:
    """Its energy is unknown; the meter is not."""
    first, lost, last = list(charged(3))
    first, last = replace(first, charge_point="1"), replace(last, charge_point="1")
    last = replace(
        last,
        meter_start_wh=(first.meter_end_wh or 0) + 5_000,
        meter_end_wh=(first.meter_end_wh or 0) + 6_000,
        energy_wh=1_000,
    )
    trail = MeterTrail("1")
    for row in (first, replace(lost, charge_point="1", meter_start_wh=None, meter_end_wh=None, energy_wh=None), last):
        trail.add(row, is_chosen=True)
    (gap,) = trail.gaps
    assert (gap.from_s, gap.to_s, gap.energy_wh) == (first.ended_at, last.started_at, 5_000)


def test_a_meter_that_began_anew_within_a_session_shows_as_a_fall() -> None:
    """Its readings do not make its energy; the trail adds up all the same."""
    row = SessionRow(
        charge_point="1", started_at=JULY, ended_at=JULY + 60, meter_start_wh=9_000, meter_end_wh=300, energy_wh=800
    )
    trail = MeterTrail("1")
    trail.add(row, is_chosen=True)
    assert (trail.chosen_wh, trail.outside_wh) == (800, -9_500)
    assert (trail.last_wh or 0) - (trail.first_wh or 0) == trail.chosen_wh + trail.other_wh + trail.outside_wh
    (gap,) = trail.gaps
    assert (gap.from_s, gap.to_s, gap.energy_wh) == (JULY, JULY + 60, -9_500)


def test_a_reading_that_fell_may_be_a_corrected_one() -> None:
    """Beside a corrected end the next start is lower, though nobody touched the meter."""
    rows = [
        SessionRow(charge_point="1", started_at=JULY, ended_at=JULY + 60, meter_start_wh=0, meter_end_wh=9_000),
        SessionRow(charge_point="1", started_at=JULY + 90, ended_at=JULY + 99, meter_start_wh=900, meter_end_wh=950),
    ]
    meters = Meters()
    for row in rows:
        meters.add(row, is_chosen=True)
    heading = Heading(site_name="home", language=Language.EN, zone=BERLIN, made_at=JULY, made_by="admin")
    (words,) = notes.gaps(meters.trails(), heading)
    assert "fell by 8.100 kWh" in words
    assert words.endswith("or a reading was corrected.")
