"""Numbers as people write them are exact."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.exports import figures
from api.exports.texts import Language

WHOLE = st.integers(-(10**15), 10**15)


@given(WHOLE, st.integers(0, 6))
def test_a_decimal_is_the_very_number(value: int, places: int) -> None:
    """With all its places, whatever the sign and size."""
    text = figures.decimal(value, places)
    assert Decimal(text) == Decimal(value).scaleb(-places)
    assert len(text.partition(".")[2]) == places


@given(WHOLE)
def test_german_and_english_are_one_number(value: int) -> None:
    """Only comma and point change places."""
    german, english = figures.kwh(value, Language.DE), figures.kwh(value, Language.EN)
    assert german.translate(str.maketrans(".,", ",.")) == english
    assert Decimal(english.replace(",", "")) == Decimal(value).scaleb(-3)


@pytest.mark.parametrize(
    ("millicents", "exact", "rounded"),
    [
        (0, "0,00000 €", "0,00 €"),
        (499, "0,00499 €", "0,00 €"),
        (500, "0,00500 €", "0,01 €"),
        (-500, "-0,00500 €", "-0,01 €"),
        (123_456_789, "1.234,56789 €", "1.234,57 €"),
    ],
)
def test_money(millicents: int, exact: str, rounded: str) -> None:
    assert figures.euros(millicents, Language.DE) == exact
    assert figures.euros_rounded(millicents, Language.DE) == rounded


def test_shares_and_durations() -> None:
    assert [figures.percent(part, 200) for part in (0, 1, 99, 200)] == ["0 %", "1 %", "50 %", "100 %"]
    assert [figures.hours(seconds) for seconds in (59, 3600, 45_296, 360_000)] == [
        "0:00 h",
        "1:00 h",
        "12:34 h",
        "100:00 h",
    ]
