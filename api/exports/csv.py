"""Sessions as CSV (RFC 4180), piece by piece: UTF-8, CRLF, numbers as spreadsheets of the reader's country read them.

A cell that a spreadsheet would take for a formula begins with an apostrophe. Pure.
"""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from api.exports.figures import MILLICENT_PLACES, PRICE_PLACES, WH_PLACES, decimal, local
from api.exports.lines import COLUMNS, Kind, Line, Value, printable
from api.exports.texts import Language, words

BOM = b"\xef\xbb\xbf"

SEPARATORS = {";": ";", ",": ",", "semicolon": ";", "comma": ","}
"""What a client may ask for → the character."""

_FORMULA = re.compile(r"(^|[;,|])(?=[ \"']*[=+\-@＝＋－＠])")
"""Also behind a separator: a reader that was told another one splits the cell there, and takes quotes away. Tabs and
line ends are gone."""

_PLACES = {Kind.KWH: WH_PLACES, Kind.MONEY: MILLICENT_PLACES, Kind.PRICE: PRICE_PLACES, Kind.WHOLE: 0, Kind.DURATION: 0}


@dataclass(frozen=True, slots=True)
class Style:
    """`separator` is ; or ,. With ; goes the decimal comma, as in German spreadsheets; with , the point."""

    language: Language
    zone: ZoneInfo
    separator: str
    has_bom: bool = False


def head(style: Style) -> bytes:
    """The first line."""
    names = [f"{column.name}_s" if column.kind is Kind.DURATION else column.name for column in COLUMNS]
    return (BOM if style.has_bom else b"") + _written([[words(name, style.language) for name in names]], style)


def body(lines: Iterable[Line], style: Style) -> bytes:
    """One line a session."""
    return _written(
        ([_cell(column.kind, column.of(line, style.language), style) for column in COLUMNS] for line in lines), style
    )


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula, whichever separator it was told: with an apostrophe before."""
    return _FORMULA.sub(r"\1'", printable(text))


def _cell(kind: Kind, value: Value, style: Style) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(value)
    if kind is Kind.LOCAL:
        return local(value, style.zone).strftime("%Y-%m-%d %H:%M:%S")
    return decimal(value, _PLACES[kind], comma="," if style.separator == ";" else ".")


def _written(rows: Iterable[list[str]], style: Style) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=style.separator, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
