"""What ?from&to mean for charge sessions."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.periods import period
from tests.kit.session_rows import BERLIN, local_s


@pytest.mark.parametrize(
    ("text", "instant_s"),
    [
        ("2026-11-01", local_s(2026, 11, 1)),
        ("2026-07-01", local_s(2026, 7, 1)),
        ("2026-11-01T00:00:00Z", local_s(2026, 11, 1, 1)),
        ("2026-11-01T00:00:00+01:00", local_s(2026, 11, 1)),
        ("2026-11-01T00:00:00.25+01:00", local_s(2026, 11, 1) + 1),
    ],
)
def test_days_begin_at_the_sites_midnight(text: str, instant_s: int) -> None:
    """Instants are what they say; a session in whole seconds is never before a fraction."""
    faults: dict[str, str] = {}
    assert period({"from": text, "to": text}, BERLIN, faults) == (instant_s, instant_s)
    assert faults == {}


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"from": "yesterday"}, {"from"}),
        ({"to": "2026-02-30"}, {"to"}),
        ({"to": "2026-11-01T00:00:00"}, {"to"}),
        ({"from": "1969-12-31", "to": "9999-12-31"}, {"from", "to"}),
        ({"from": "0001-01-01"}, {"from"}),
        ({"from": "2026-11-02", "to": "2026-11-01"}, {"from"}),
        ({"from": "２０２６-11-01"}, {"from"}),
    ],
)
def test_what_is_wrong_is_named(parameters: dict[str, str], fields: set[str]) -> None:
    faults: dict[str, str] = {}
    period(parameters, BERLIN, faults)
    assert set(faults) == fields


def test_open_ends_are_open() -> None:
    assert period({}, BERLIN, {}) == (None, None)


@given(st.text(max_size=30), st.sampled_from(["Europe/Berlin", "Pacific/Kiritimati", "America/New_York"]))
def test_any_text_is_an_instant_or_a_fault(text: str, zone: str) -> None:
    """And nothing is raised."""
    faults: dict[str, str] = {}
    found, _ = period({"from": text}, ZoneInfo(zone), faults)
    assert (found is None) == bool(faults)
