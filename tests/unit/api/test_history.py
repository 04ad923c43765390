"""Periods and grids, without a database."""

import pytest

from api.history import MOST_STEPS, period, series
from common.errors import FieldError
from common.store.rows import ChargePointSampleRow, SampleRow

NOW = 1_800_000_030.0  # half a minute past a full one


def faults(**parameters: str) -> dict[str, str]:
    with pytest.raises(FieldError) as caught:
        period({name.rstrip("_"): value for name, value in parameters.items()}, interval_s=60, now=NOW)
    return caught.value.faults


def test_a_period_is_the_grid_instants_in_it() -> None:
    """From the first at or after `from` to the last before `to`."""
    asked = period({"from": "2027-01-15T07:59:30Z", "to": "2027-01-15T08:02:30Z"}, interval_s=60, now=NOW)
    assert (asked.first_s, asked.count, asked.step_s) == (1_800_000_000, 3, 60)
    assert asked.end_s == 1_800_000_180


def test_the_default_never_breaks_its_own_limit() -> None:
    """A day at 60 s, less at 5 s."""
    assert period({}, interval_s=60, now=NOW).count == 1440
    assert period({}, interval_s=5, now=NOW).count == MOST_STEPS


@pytest.mark.parametrize("resolution", ["raw", "60"])
def test_the_samples_own_resolution_can_be_named(resolution: str) -> None:
    """Both ways."""
    assert period({"resolution": resolution}, interval_s=60, now=NOW).step_s == 60


def test_every_wrong_parameter_is_named_at_once() -> None:
    """With the reason, never the value."""
    found = faults(from_="x", to="y", series="grid,,", resolution="61")
    assert set(found) == {"from", "to", "series", "resolution"}


def test_the_longest_period_is_exactly_the_limit() -> None:
    """One step more is refused, naming the field."""
    first, last = "2027-01-15T08:00:00Z", "2027-01-16T17:20:00Z"  # 2000 minutes
    assert period({"from": first, "to": last}, interval_s=60, now=NOW).count == MOST_STEPS
    assert set(faults(from_=first, to="2027-01-16T17:20:01Z")) == {"from"}


def test_extreme_instants_are_refused_or_empty_but_never_a_crash() -> None:
    """The ends of the calendar."""
    assert set(faults(from_="0001-01-01T00:00:00Z", to="0001-01-01T00:00:01Z")) == {"from"}
    assert set(faults(from_="0001-01-01T00:00:00Z", to="9999-12-31T23:59:59Z")) == {"from"}
    assert period({"from": "9999-12-31T23:59:58Z", "to": "9999-12-31T23:59:59Z"}, interval_s=60, now=NOW).count <= 1


def test_values_stand_at_their_step_and_gaps_are_none() -> None:
    """Rows off the grid and outside are left out, never moved."""
    asked = period(
        {"from": "2027-01-15T08:00:00Z", "to": "2027-01-15T08:04:00Z", "series": "grid.power_w,charge_points"},
        interval_s=60,
        now=NOW,
    )
    rows = [
        SampleRow(
            sampled_at=1_800_000_000, grid_power_w=1, charge_points=(ChargePointSampleRow(charge_point="1", power_w=5),)
        ),
        SampleRow(sampled_at=1_800_000_030, grid_power_w=99),
        SampleRow(sampled_at=1_800_000_120, grid_power_w=3),
        SampleRow(sampled_at=1_800_000_240, grid_power_w=99),
    ]
    found = series(asked, rows)
    assert found["grid.power_w"] == [1, None, 3, None]
    assert found["charge_points.1.power_w"] == [5, None, None, None]
    assert "pv.power_w" not in found


def test_a_series_that_is_named_in_full_is_always_there() -> None:
    """So that a chart can be drawn; a prefix gives what was recorded."""
    asked = period({"series": "charge_points.7.power_w,charge_points.8"}, interval_s=3600, now=NOW)
    assert series(asked, []) == {"charge_points.7.power_w": [None] * 24}
