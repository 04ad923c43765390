"""German local time, against the system's own time zone database where there is one."""

from datetime import UTC, datetime

import pytest

from simulator.local_time import DAY_S, day_starts_at, local_day, local_time


def instant(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("utc", "local"),
    [
        ("2026-03-29T00:59:59", "2026-03-29 01:59:59 CET"),
        ("2026-03-29T01:00:00", "2026-03-29 03:00:00 CEST"),
        ("2026-10-25T00:59:59", "2026-10-25 02:59:59 CEST"),
        ("2026-10-25T01:00:00", "2026-10-25 02:00:00 CET"),
        ("2024-03-31T01:00:00", "2024-03-31 03:00:00 CEST"),
    ],
)
def test_summer_time_begins_and_ends_at_one_utc(utc: str, local: str) -> None:
    """The clock springs at 01:00 UTC of the last Sundays of March and October."""
    assert f"{local_time(instant(utc)):%Y-%m-%d %H:%M:%S %Z}" == local


@pytest.mark.parametrize(
    ("at", "midnight"),
    [
        ("2026-11-23T12:00:00", "2026-11-22T23:00:00"),
        ("2026-07-01T12:00:00", "2026-06-30T22:00:00"),
        ("2026-03-29T12:00:00", "2026-03-28T23:00:00"),  # began in winter time
        ("2026-10-25T12:00:00", "2026-10-24T22:00:00"),  # began in summer time
        ("2026-10-25T00:30:00", "2026-10-24T22:00:00"),
    ],
)
def test_a_day_starts_at_its_own_midnight(at: str, midnight: str) -> None:
    """Also on the two days of the change, when midnight had the other offset."""
    assert day_starts_at(instant(at)) == instant(midnight)


def test_local_day_and_hour() -> None:
    """The hour is the wall clock's."""
    day, hour = local_day(instant("2026-07-01T22:30:00"))
    assert day == int(instant("2026-07-02T00:00:00") // DAY_S)
    assert hour == pytest.approx(0.5)
