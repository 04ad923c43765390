"""CSV that spreadsheets read as it was meant, and never as a program."""

import csv as reader
import io
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.exports import csv
from api.exports.csv import Style
from api.exports.lines import COLUMNS, Kind, Line
from api.exports.texts import Language
from common.store.rows import CorrectionRow, SessionRow
from tests.kit.session_rows import charged

BERLIN = ZoneInfo("Europe/Berlin")
GERMAN = Style(Language.DE, BERLIN, ";")
ENGLISH = Style(Language.EN, BERLIN, ",")
ROW = replace(next(charged(1)), id=7)


def cells(row: SessionRow, style: Style, corrections: tuple[CorrectionRow, ...] = ()) -> dict[str, str]:
    """One session's cells by the names of their columns, as a program reads them."""
    line = Line(row, corrections, is_corrected=bool(corrections))
    text = (csv.head(style) + csv.body([line], style)).decode("utf-8-sig")
    assert text.endswith("\r\n")
    assert text.count("\r\n") == 2
    head, values = reader.reader(io.StringIO(text, newline=""), delimiter=style.separator)
    assert len(head) == len(set(head)) == len(COLUMNS)
    return dict(zip((column.name for column in COLUMNS), values, strict=True))


def test_german_numbers_have_commas_and_english_ones_points() -> None:
    """And no sign between thousands, which would make them text."""
    row = replace(ROW, meter_start_wh=8_123_456, meter_end_wh=8_133_457, energy_wh=10_001, cost_millicents=-320_001)
    german, english = cells(row, GERMAN), cells(row, ENGLISH)
    assert (german["meter_start"], german["energy"], german["cost"]) == ("8123,456", "10,001", "-3,20001")
    assert (english["meter_start"], english["energy"], english["cost"]) == ("8123.456", "10.001", "-3.20001")
    assert cells(row, replace(GERMAN, separator=","))["energy"] == "10.001"
    assert german["currency"] == "EUR"


def test_instants_are_the_sites_and_utc() -> None:
    """In the night in which summer time ends one hour comes twice by the clock, and once in UTC."""
    row = replace(ROW, started_at=1_792_888_200, ended_at=1_792_891_800)  # 2026-10-25, 02:30 and again 02:30
    found = cells(row, GERMAN)
    assert (found["started"], found["ended"]) == ("2026-10-25 02:30:00", "2026-10-25 02:30:00")
    assert (found["started_utc"], found["ended_utc"]) == ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")
    assert (found["plugged"], found["charging"]) == ("3600", str(ROW.charging_s))


def test_what_is_unknown_is_empty() -> None:
    """Not zero, and not None."""
    bare = SessionRow(id=1, charge_point="1", started_at=0, ended_at=None)
    found = cells(bare, ENGLISH)
    assert {name for name, value in found.items() if value} == {
        "id", "charge_point", "started", "started_utc", "charging", "origin", "is_corrected",
    }  # fmt: skip


def test_a_mark_only_when_it_is_wished() -> None:
    """Excel of old needs it, other programs trip over it."""
    assert not csv.head(GERMAN).startswith(csv.BOM)
    assert csv.head(replace(GERMAN, has_bom=True)).startswith(csv.BOM)


@pytest.mark.parametrize(
    "evil",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "=cmd|' /C calc'!A0",
        "a;=1+1",
        "a,@x",
        "a|=1",
        "＝1",
        "\x00=1",
    ],
)
@pytest.mark.parametrize("style", [GERMAN, ENGLISH])
def test_a_name_is_never_a_formula(evil: str, style: Style) -> None:
    """Whatever separator the reader believes in, no cell of it begins with a sign that computes."""
    text = csv.body([Line(replace(ROW, vehicle=evil, user_name=evil, tag=evil))], style).decode()
    for separator in (",", ";", "|"):
        for cell in text.rstrip("\r\n").split(separator):
            opened = cell.strip('" ')
            assert not opened.startswith(("=", "@", "＝"))
            if opened.startswith(("+", "-")):
                raise AssertionError(cell)


NAMES = st.none() | st.text(max_size=20)


@given(vehicle=NAMES, tag=NAMES, user=NAMES, style=st.sampled_from([GERMAN, ENGLISH]))
def test_any_name_stays_in_its_cell(vehicle: str | None, tag: str | None, user: str | None, style: Style) -> None:
    """Separators, quotes and line ends in names move no other cell; numbers are never marked."""
    row = replace(ROW, vehicle=vehicle, tag=tag, user_name=user, cost_millicents=-1)
    found = cells(row, style)
    for column in COLUMNS:
        if column.kind is not Kind.TEXT:
            assert "'" not in found[column.name]
    for name, value in (("vehicle", vehicle), ("tag", tag), ("user", user)):
        assert found[name].replace("'", "") == (value or "").translate(_CLEAN).replace("'", "")


class _Clean(dict[int, str]):
    def __missing__(self, letter: int) -> str:
        return chr(letter) if chr(letter).isprintable() else " "


_CLEAN = _Clean()
