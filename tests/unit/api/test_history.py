"""Periods, steps and series, without a database."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import instants
from api.history import MOST_STEPS, Steps, buckets, means, samples, steps
from common.errors import FieldError
from common.store.rollup_rows import Method, Resolution, RollupRow
from common.store.rows import ChargePointSampleRow, PowerMeans, SampleRow

NOW = 1_800_000_030.0  # half a minute past a full one; 2027-01-15T08:00:30Z
BERLIN = ZoneInfo("Europe/Berlin")
EIGHT = 1_800_000_000


def asked(interval_s: int = 60, **parameters: str) -> Steps:
    named = {name.rstrip("_"): value for name, value in parameters.items()}
    return steps(named, interval_s=interval_s, now=NOW, zone=BERLIN)


def faults(**parameters: str) -> dict[str, str]:
    with pytest.raises(FieldError) as caught:
        asked(60, **parameters)
    return caught.value.faults


class TestSteps:
    def test_a_period_is_the_grid_instants_in_it(self) -> None:
        """From the first at or after `from` to the last before `to`."""
        found = asked(from_="2027-01-15T07:59:30Z", to="2027-01-15T08:02:30Z")
        assert (list(found.starts), found.step_s, found.end_s) == ([EIGHT, EIGHT + 60, EIGHT + 120], 60, EIGHT + 180)

    @pytest.mark.parametrize(
        ("days", "step_s", "bucket"),
        [
            (1, 60, None),
            (2, 120, None),
            (6, 300, None),
            (12, 600, None),
            (20, 900, Resolution.QUARTER),
            (80, 3600, Resolution.HOUR),
            (365, 86_400, Resolution.DAY),
            (10_000, 2_629_746, Resolution.MONTH),
        ],
    )
    def test_the_finest_steps_that_fit_are_taken(self, days: int, step_s: int, bucket: Resolution | None) -> None:
        found = asked(from_=instants.text(NOW - days * 86_400))
        assert (found.step_s, found.bucket, found.is_mean) == (step_s, bucket, bucket is None and step_s > 60)

    @pytest.mark.parametrize("interval_s", [5, 7, 60, 3600])
    def test_the_last_day_always_fits(self, interval_s: int) -> None:
        """Whatever the interval; steps are then multiples of it, or buckets."""
        found = asked(interval_s)
        assert 24 <= found.count <= MOST_STEPS
        assert found.bucket is not None or found.step_s % interval_s == 0

    def test_days_are_the_site_s(self) -> None:
        """The one in which the clocks go back has 25 hours."""
        found = asked(from_="2026-10-24T12:00:00Z", to="2026-10-26T12:00:00Z", resolution="day")
        lengths = [after - before for before, after in zip(found.starts, [*found.starts[1:], found.end_s], strict=True)]
        assert lengths == [86_400, 90_000, 86_400]

    @pytest.mark.parametrize("resolution", ["raw", "60", "auto"])
    def test_the_samples_own_resolution_can_be_named(self, resolution: str) -> None:
        assert asked(resolution=resolution).step_s == 60

    def test_energies_have_steps_of_a_quarter_of_an_hour_or_more(self) -> None:
        """Also when the period would allow finer ones."""
        assert asked(series="grid.import_energy_wh,pv.power_w").bucket is Resolution.QUARTER
        assert set(faults(series="charge_points.1.energy_wh", resolution="300")) == {"resolution"}

    def test_every_wrong_parameter_is_named_at_once(self) -> None:
        """With the reason, never the value."""
        assert set(faults(from_="x", to="y", series="grid,,", resolution="61")) == {
            "from",
            "to",
            "series",
            "resolution",
        }

    def test_the_longest_period_is_exactly_the_limit(self) -> None:
        """One step more is refused, naming the field, when the resolution is."""
        first, last = "2027-01-15T08:00:00Z", "2027-01-16T17:20:00Z"  # 2000 minutes
        assert asked(from_=first, to=last, resolution="raw").count == MOST_STEPS
        assert set(faults(from_=first, to="2027-01-16T17:20:01Z", resolution="raw")) == {"from"}

    @given(
        st.integers(0, 4_000_000_000),
        st.integers(0, 200_000_000),
        st.integers(5, 3600),
        st.sampled_from(["auto", "raw", "900", "3600", "day", "month"]),
    )
    def test_steps_follow_each_other_and_are_never_too_many(
        self, from_s: int, lasts_s: int, interval_s: int, resolution: str
    ) -> None:
        period = {"from": instants.text(from_s), "to": instants.text(from_s + lasts_s), "resolution": resolution}
        try:
            found = steps(period, interval_s=interval_s, now=NOW, zone=BERLIN)
        except FieldError as exc:
            assert set(exc.faults) == {"from"}  # noqa: PT017 -- or it works
            return
        assert found.count <= MOST_STEPS
        assert list(found.starts) == sorted(set(found.starts))
        assert found.end_s >= (found.starts[-1] if found.count else found.first_s)

    def test_extreme_instants_are_refused_or_empty_but_never_a_crash(self) -> None:
        """The ends of the calendar."""
        assert set(faults(from_="0001-01-01T00:00:00Z", to="0001-01-01T00:00:01Z")) == {"from", "to"}
        assert set(faults(from_="0001-01-01T00:00:00Z", to="9999-12-31T23:59:59Z")) == {"from", "to"}
        assert set(faults(from_="1970-01-01T00:00:00Z", to="9998-12-29T00:00:00Z")) == {"from"}
        assert set(faults(from_="9999-12-31T23:59:58Z", to="9999-12-31T23:59:59Z")) == {"from", "to"}


class TestSeries:
    def test_values_stand_at_their_step_and_gaps_are_none(self) -> None:
        """Rows off the grid and outside are left out, never moved."""
        period = asked(from_="2027-01-15T08:00:00Z", to="2027-01-15T08:04:00Z", series="grid.power_w,charge_points")
        part = ChargePointSampleRow(charge_point="1", power_w=5)
        rows = [
            SampleRow(sampled_at=EIGHT, grid_power_w=1, charge_points=(part,)),
            SampleRow(sampled_at=EIGHT + 30, grid_power_w=99),
            SampleRow(sampled_at=EIGHT + 120, grid_power_w=3),
            SampleRow(sampled_at=EIGHT + 240, grid_power_w=99),
        ]
        found = samples(period, rows)
        assert found["grid.power_w"] == [1, None, 3, None]
        assert found["charge_points.1.power_w"] == [5, None, None, None]
        assert "pv.power_w" not in found

    def test_a_series_that_is_named_in_full_is_always_there(self) -> None:
        """So that a chart can be drawn; a prefix gives what was recorded."""
        period = asked(3600, series="charge_points.7.power_w,charge_points.8", resolution="raw")
        assert samples(period, []) == {"charge_points.7.power_w": [None] * 24}

    def test_coarser_steps_have_mean_powers_and_the_rest_as_it_stood(self) -> None:
        period = asked(from_="2027-01-15T08:00:00Z", to="2027-01-15T08:10:00Z", series="grid,battery", resolution="300")
        powers = [PowerMeans(EIGHT, {"grid_power_w": 150, "battery_power_w": None}, {"1": 7})]
        point = SampleRow(sampled_at=EIGHT, grid_power_w=1, grid_imported_wh=1000, battery_soc_percent=50)
        found = means(period, powers, [point])
        assert found["grid.power_w"] == [150, None]
        assert found["grid.imported_wh"] == [1000, None]
        assert found["battery.soc_percent"] == [50, None]
        assert "charge_points.1.power_w" not in found

    def test_buckets_have_energies_and_the_powers_that_they_make(self) -> None:
        """Import minus export; a bucket that runs is as long as it has lasted; what no sample covers has no power."""
        period = asked(from_="2027-01-15T07:30:00Z", to="2027-01-15T08:15:00Z", resolution="900")

        def row(number: int, series: str, wh: int, covered_s: int, method: Method = Method.METER) -> RollupRow:
            return RollupRow(
                starts_at=EIGHT - 1800 + 900 * number, series=series, energy_wh=wh, covered_s=covered_s, method=method
            )

        rows = [
            row(0, "grid_import", 100, 900),
            row(0, "grid_export", 25, 900),
            row(0, "charge_point:1", 50, 450, Method.POWER),
            row(1, "grid_import", 100, 0),
            row(1, "grid_export", 0, 0),
            row(2, "grid_import", 10, 300),
            row(2, "grid_export", 0, 300),
        ]
        found = buckets(period, rows, [], now=EIGHT + 300)
        assert found["grid.import_energy_wh"] == [100, 100, 10]
        assert found["grid.power_w"] == [300, None, 120]
        assert found["charge_points.1.power_w"] == [400, None, None]
        assert found["charge_points.1.energy_wh"] == [50, None, None]
        assert found["pv.power_w"] == [None] * 3

    def test_points_are_read_only_for_what_needs_them(self) -> None:
        """A chart of powers over a year reads no sample."""
        wanting: dict[str, bool] = {
            "grid.power_w,charge_points.1.power_w,pv.energy_wh": False,
            "grid": True,
            "battery.soc_percent": True,
            "charge_points.1": True,
            "charge_points": True,
        }
        found: dict[str, Any] = {text: asked(series=text).wants_points() for text in wanting}
        assert found == wanting
        assert asked().wants_points()


def test_a_plus_that_arrived_as_a_space_is_one() -> None:
    """As in an address that a person typed, where it means a space."""
    found = asked(from_="2027-01-15T09:00:00 01:00", to="2027-01-15T09:04:00 01:00", series="grid.power_w")
    assert found.first_s == EIGHT


def test_a_plain_date_is_the_sites_midnight() -> None:
    """In summer two hours before UTC's."""
    found = steps({"from": "2026-07-01", "to": "2026-07-02"}, interval_s=60, now=NOW, zone=BERLIN)
    assert (found.first_s, found.end_s) == (1782856800, 1782943200)
