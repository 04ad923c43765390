"""Payload texts: our units and signs, or Unreadable, and nothing else."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model import Mode
from edge.openwb import parsing
from edge.openwb.parsing import SkipReason, Unreadable

PARSERS = (
    parsing.number,
    parsing.whole,
    parsing.flipped,
    parsing.wh,
    parsing.kwh_as_wh,
    parsing.cents_as_eur,
    parsing.boolean,
    parsing.mode,
    parsing.limit_type,
    parsing.fault_level,
    parsing.name,
    parsing.fault_text,
)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parsing.number, ".45", 0.45),
        (parsing.number, "-.5", -0.5),
        (parsing.number, "16.", 16.0),
        (parsing.number, "+7", 7),
        (parsing.number, "1e3", 1000.0),
        (parsing.whole, "3.0", 3),
        (parsing.flipped, "-5400", 5400),
        (parsing.wh, "8123456.4", 8123456),
        (parsing.kwh_as_wh, "2310.482", 2310482),
        (parsing.kwh_as_wh, ".7", 700),
        (parsing.cents_as_eur, "28.53", 0.2853),
        (parsing.cents_as_eur, "1000", None),
        (parsing.boolean, "True", True),
        (parsing.mode, "3", Mode.STOP),
        (parsing.mode, "4", Mode.STANDBY),
        (parsing.name, "Gästeparkplatz\x07 1", "Gästeparkplatz  1"),
        (parsing.fault_text, '"St\\u00f6rung"', "Störung"),
        (parsing.fault_text, '"abgeschnitten', "abgeschnitten"),
        (parsing.fault_text, '"\\ud800"', "?"),
        (parsing.fault_text, '""', None),
    ],
)
def test_what_openwb_writes_is_read(parse: Callable[[str], object], text: str, value: object) -> None:
    """Shell decimals, kWh, flipped signs, JSON-quoted texts."""
    result = parse(text)
    assert result == value
    assert type(result) is type(value)


def test_no_minus_zero() -> None:
    """At night PV is 0, not -0."""
    assert str(parsing.flipped("0.0")) == "0.0"


def test_long_texts_are_shortened() -> None:
    """A traceback in a fault text must not fill the state."""
    assert len(parsing.fault_text("x" * 5000) or "") == parsing.LONGEST_FAULT


@pytest.mark.parametrize("text", ["nan", "inf", "1,5", "0x10", "١", "--1", "1e999", "", "."])
def test_no_number(text: str) -> None:
    """What Python's float() takes more than a shell writes is refused."""
    with pytest.raises(Unreadable) as caught:
        parsing.number(text)
    assert caught.value.reason is SkipReason.NOT_A_NUMBER


@pytest.mark.parametrize("parse", PARSERS)
@given(text=st.text(min_size=1, max_size=60))
def test_nothing_else_escapes(parse: Callable[[str], object], text: str) -> None:
    """Any text gives a value that can be written as UTF-8, or Unreadable."""
    try:
        value = parse(text)
    except Unreadable:
        return
    if isinstance(value, str):
        value.encode()
