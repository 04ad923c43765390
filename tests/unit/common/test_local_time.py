"""Local days, months and years, over the changes of the clocks."""

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import FieldError
from common.local_time import Unit, end_of, spans, start_of, zone_named

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(["Europe/Berlin", "UTC", "Asia/Kolkata", "America/Asuncion", "Pacific/Chatham", "Africa/Cairo"])


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def hours(text: str) -> float:
    noon = at(text + "T12:00:00+01:00")
    return (end_of(Unit.DAY, noon, BERLIN) - start_of(Unit.DAY, noon, BERLIN)) / 3600


def test_a_day_has_the_hours_that_the_clocks_give_it() -> None:
    """23 when summer time begins, 25 when it ends."""
    assert [hours(day) for day in ("2026-03-28", "2026-03-29", "2026-10-25", "2026-10-26")] == [24, 23, 25, 24]


def test_months_and_years_begin_at_the_local_midnight() -> None:
    june = at("2026-06-15T12:00:00+02:00")
    assert start_of(Unit.MONTH, june, BERLIN) == at("2026-06-01T00:00:00+02:00")
    assert end_of(Unit.MONTH, june, BERLIN) == at("2026-07-01T00:00:00+02:00")
    assert start_of(Unit.YEAR, june, BERLIN) == at("2026-01-01T00:00:00+01:00")
    assert end_of(Unit.YEAR, june, BERLIN) == at("2027-01-01T00:00:00+01:00")


def test_a_midnight_that_the_clocks_skip_is_the_instant_of_the_jump() -> None:
    """Paraguay's clocks went from midnight to one o'clock."""
    zone = ZoneInfo("America/Asuncion")
    day = start_of(Unit.DAY, at("2023-10-01T12:00:00-03:00"), zone)
    assert datetime.fromtimestamp(day, zone).hour == 1
    assert end_of(Unit.DAY, day - 1, zone) == day


@given(ZONES, st.sampled_from(Unit), st.integers(min_value=0, max_value=4_000_000_000))
def test_spans_follow_each_other_without_a_hole(name: str, unit: Unit, instant: int) -> None:
    """Each instant lies in one span, and the spans of a period join."""
    zone = ZoneInfo(name)
    start, end = start_of(unit, instant, zone), end_of(unit, instant, zone)
    assert start <= instant < end
    assert start_of(unit, end - 1, zone) == start
    assert start_of(unit, end, zone) == end
    found = list(spans(unit, instant, instant + 400 * 86_400, zone))
    assert found[0][0] == start
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert found[-1][1] >= instant + 400 * 86_400


def test_a_period_without_length_has_no_spans() -> None:
    midnight = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert list(spans(Unit.DAY, midnight, midnight, ZoneInfo("UTC"))) == []


@pytest.mark.parametrize("name", ["", "Europe", "Mars/Olympus", "../etc/passwd", "Europe/Berlin\x00"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(FieldError) as caught:
        zone_named(name)
    assert set(caught.value.faults) == {"time_zone"}
