"""Periods, sums, shares and the comparison with the meters, without a database."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import instants
from api.statistics import MOST_PERIODS, Periods, group, month, periods, readings_needed, reconciled, sessions, site
from common.errors import FieldError
from common.store.rollup_rows import Method, RollupRow
from common.store.rows import SessionGroup, SessionRow, SessionSums

BERLIN = ZoneInfo("Europe/Berlin")
NOW = instants.parse("2026-11-15T12:00:00+01:00")
NOVEMBER = month({}, now=NOW, zone=BERLIN)


def asked(**parameters: str) -> Periods:
    return periods({name.rstrip("_"): value for name, value in parameters.items()}, now=NOW, zone=BERLIN)


def at(text: str) -> int:
    return int(instants.parse(text))


class TestPeriods:
    def test_what_is_usual_for_each(self) -> None:
        """The present month's days, the present year's months, ten years."""
        days, months, years = asked(by="day"), asked(), asked(by="year")
        assert (days.from_s, len(days.spans)) == (at("2026-11-01T00:00:00+01:00"), 15)
        assert (months.from_s, len(months.spans)) == (at("2026-01-01T00:00:00+01:00"), 11)
        assert (years.from_s, len(years.spans)) == (at("2017-01-01T00:00:00+01:00"), 10)

    def test_a_document_s_month_is_one_period(self) -> None:
        """`to` is the instant before which it ends."""
        found = asked(from_="2026-10-01T00:00:00+02:00", to="2026-11-01T00:00:00+01:00")
        assert found.spans == ((at("2026-10-01T00:00:00+02:00"), at("2026-11-01T00:00:00+01:00")),)

    def test_faults_are_named(self) -> None:
        for parameters, names in (
            ({"by": "week", "from_": "x", "to": "1960-01-01T00:00:00Z"}, {"by", "from", "to"}),
            ({"from_": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, {"from"}),
            ({"by": "day", "from_": "2024-01-01T00:00:00Z"}, {"from"}),
        ):
            with pytest.raises(FieldError) as caught:
                asked(**parameters)
            assert set(caught.value.faults) == names
        for call in (
            lambda: group({"group": "colour"}),
            lambda: month({"month": "2026-13"}, now=NOW, zone=BERLIN),
            lambda: month({"month": "0001-01"}, now=NOW, zone=BERLIN),
        ):
            with pytest.raises(FieldError):
                call()

    @given(st.sampled_from(["day", "month", "year"]), st.integers(0, 253_370_678_400), st.integers(0, 10**9))
    def test_no_period_is_a_crash(self, by: str, to_s: int, lasts_s: int) -> None:
        """Also at the ends of the calendar."""
        try:
            found = asked(by=by, from_=instants.text(max(0, to_s - lasts_s)), to=instants.text(to_s))
        except FieldError as exc:
            assert set(exc.faults) == {"from"}  # noqa: PT017 -- or it works
            return
        assert 1 <= len(found.spans) <= MOST_PERIODS
        assert found.from_s <= to_s <= found.to_s + 1


def bucket(start: str, series: str, wh: int, covered_s: int = 86_400, method: Method = Method.METER) -> RollupRow:
    return RollupRow(starts_at=at(start), series=series, energy_wh=wh, covered_s=covered_s, method=method)


class TestSite:
    def test_a_day_of_a_house_with_everything(self) -> None:
        """Of 20 kWh of PV 5 go to the grid; of 26 kWh used 10 come from it."""
        day = "2026-11-03T00:00:00+01:00"
        wh = {
            "grid_import": 10_000,
            "grid_export": 5_000,
            "pv": 20_000,
            "battery_charge": 4_000,
            "battery_discharge": 5_000,
            "home": 9_000,
            "charge_point:1": 17_000,
        }
        rows = [bucket(day, series, energy) for series, energy in wh.items()]
        found = site(asked(by="day", from_=day, to="2026-11-05T00:00:00+01:00"), rows, NOW)
        first, second = found["items"]
        assert first["consumption_wh"] == 26_000
        assert (first["self_consumption_percent"], first["autarky_percent"]) == (75.0, 61.5)
        assert first["charge_points_wh"] == {"1": 17_000}
        assert first["covered_percent"]["pv"] == 100.0
        assert second["grid_import_wh"] is None
        assert second["autarky_percent"] is None
        assert found["total"]["pv_wh"] == 20_000
        assert found["total"]["covered_percent"]["pv"] == 50.0

    def test_a_year_is_its_months_and_says_where_methods_differ(self) -> None:
        rows = [
            bucket("2026-01-01T00:00:00+01:00", "home", 1),
            bucket("2026-02-01T00:00:00+01:00", "home", 2, method=Method.POWER),
        ]
        year = site(asked(by="year", from_="2026-01-01T00:00:00+01:00"), rows, NOW)["items"][0]
        assert (year["home_wh"], year["methods"]) == (3, {"home": "mixed"})

    def test_a_site_without_pv_has_no_self_consumption(self) -> None:
        day = "2026-11-03T00:00:00+01:00"
        rows = [bucket(day, "grid_import", 100), bucket(day, "grid_export", 0)]
        item = site(asked(by="day", from_=day, to=day), rows, NOW)["items"][0]
        assert (item["self_consumption_percent"], item["autarky_percent"]) == (None, 0.0)


class TestSessions:
    def test_groups_add_up_to_the_total(self) -> None:
        period = asked(by="month", from_="2026-10-15T00:00:00Z")
        october, november = (span[0] for span in period.spans)

        def sums(from_s: int, name: str | None, wh: int) -> SessionSums:
            return SessionSums(from_s, name, 1, 0, 3600, wh, 1, wh, 0, 0, 1, 25 * wh, 1)

        rows = [sums(october, None, 5), sums(october, "Anna", 7), sums(november, "Anna", 11)]
        found = sessions(period, SessionGroup.USER, rows)
        assert [(item["user"], item["energy_wh"]) for item in found["items"]] == [(None, 5), ("Anna", 7), ("Anna", 11)]
        assert [(item["user"], item["energy_wh"]) for item in found["totals"]] == [(None, 5), ("Anna", 18)]
        assert (found["total"]["energy_wh"], found["total"]["cost_millicents"]) == (23, 575)
        assert sessions(period, None, [])["total"]["sessions"] == 0


def charged(begin: str, end: str | None, start_wh: int, energy_wh: int | None) -> SessionRow:
    return SessionRow(
        charge_point="1",
        started_at=at(begin),
        ended_at=at(end) if end is not None else None,
        meter_start_wh=start_wh,
        meter_end_wh=start_wh + energy_wh if energy_wh is not None else None,
        energy_wh=energy_wh,
    )


def compared(days: dict[str, int], rows: list[SessionRow], readings: dict[str, int]) -> dict[str, Any]:
    buckets = [bucket(f"2026-11-{day}T00:00:00+01:00", "charge_point:1", wh) for day, wh in days.items()]
    known = {("1", at(f"2026-{day}T00:00:00+01:00")): wh for day, wh in readings.items()}
    assert set(known) <= set(readings_needed(NOVEMBER, rows))
    answer = reconciled(NOVEMBER, buckets, rows, known)
    item: dict[str, Any] = answer["items"][0]
    return item


class TestReconciliation:
    def test_a_session_over_midnight_counts_for_both_days(self) -> None:
        """With what the meter showed then: nothing is left over."""
        item = compared(
            {"03": 4_000, "04": 6_000},
            [charged("2026-11-03T22:00:00+01:00", "2026-11-04T03:00:00+01:00", 1_000, 10_000)],
            {"11-04": 5_000},
        )
        assert (item["meter_wh"], item["sessions_wh"], item["unexplained_wh"], item["days"]) == (10_000, 10_000, 0, [])

    def test_what_no_session_has_is_listed_with_its_day(self) -> None:
        item = compared(
            {"03": 10_000, "05": 700},
            [charged("2026-11-03T10:00:00+01:00", "2026-11-03T12:00:00+01:00", 1_000, 10_000)],
            {},
        )
        assert item["unexplained_wh"] == 700
        assert [(day["from"], day["unexplained_wh"]) for day in item["days"]] == [("2026-11-04T23:00:00Z", 700)]

    def test_only_the_month_s_part_of_a_session_counts(self) -> None:
        """One that began before it, and one that ends after it."""
        rows = [
            charged("2026-10-31T20:00:00+01:00", "2026-11-01T02:00:00+01:00", 1_000, 10_000),
            charged("2026-11-30T20:00:00+01:00", "2026-12-01T02:00:00+01:00", 20_000, 10_000),
        ]
        item = compared({"01": 3_000, "30": 4_000}, rows, {"11-01": 8_000, "12-01": 24_000})
        assert (item["sessions_wh"], item["days"]) == (7_000, [])

    def test_without_a_reading_at_midnight_it_counts_where_it_began(self) -> None:
        """Both days are listed then: the sum is right all the same."""
        rows = [charged("2026-11-03T22:00:00+01:00", "2026-11-04T03:00:00+01:00", 1_000, 10_000)]
        item = compared({"03": 4_000, "04": 6_000}, rows, {})
        assert item["unexplained_wh"] == 0
        assert [day["unexplained_wh"] for day in item["days"]] == [-6_000, 6_000]

    def test_a_session_that_runs_and_one_without_energy(self) -> None:
        rows = [
            charged("2026-11-14T22:00:00+01:00", None, 1_000, 10_000),
            charged("2026-11-02T22:00:00+01:00", "2026-11-02T23:00:00+01:00", 0, None),
        ]
        item = compared({"14": 4_000, "15": 6_000}, rows, {"11-15": 5_000})
        assert (item["sessions"], item["sessions_without_energy"], item["unexplained_wh"]) == (2, 1, 0)
        assert item["days"] == []

    @given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 50), st.integers(0, 9000)), min_size=1, max_size=30))
    def test_days_add_up_to_the_month(self, steps: list[tuple[int, int, int]]) -> None:
        """A meter read each hour and sessions made from it leave nothing unexplained, whatever their times."""
        meter, rows, hour = {NOVEMBER.from_s: 1000}, [], 0
        wh = 1000
        for lasts_h, pause_h, energy_wh in steps:
            begin_s = NOVEMBER.from_s + 3600 * hour + 1
            rows.append(
                SessionRow(
                    charge_point="1",
                    started_at=begin_s,
                    ended_at=begin_s + 3600 * lasts_h - 2,
                    meter_start_wh=wh,
                    meter_end_wh=wh + energy_wh,
                    energy_wh=energy_wh,
                )
            )
            for past in range(1, lasts_h + 1):
                meter[NOVEMBER.from_s + 3600 * (hour + past)] = wh + energy_wh * past // lasts_h
            wh += energy_wh
            for past in range(lasts_h, lasts_h + pause_h + 1):
                meter[NOVEMBER.from_s + 3600 * (hour + past)] = wh
            hour += lasts_h + pause_h
        last = max(meter)
        buckets = [
            RollupRow(
                starts_at=start,
                series="charge_point:1",
                energy_wh=meter.get(end, meter[last]) - meter.get(start, meter[last]),
                covered_s=0,
                method=Method.METER,
            )
            for start, end in NOVEMBER.spans
        ]
        readings = {key: meter[key[1]] for key in readings_needed(NOVEMBER, rows) if key[1] in meter}
        item = reconciled(NOVEMBER, buckets, rows, readings)["items"][0]
        assert (item["unexplained_wh"], item["days"]) == (0, [])
