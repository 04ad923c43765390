"""Reads rows of a charge log of openWB 1.9, also after a spreadsheet saved the file again. Pure.

Spreadsheets write semicolons or tabs, quotes, decimal commas, UTF-16 and a byte order mark, and fill short rows up with
empty fields. What cannot be told apart any more is refused with the reason. Called by edge/charge_log/v1.py.
"""

import csv
import re
from decimal import Decimal

from edge.charge_log import entries
from edge.charge_log.entries import BadEntry

_MARKS = {b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks; the longer ones first, since one begins like another."""

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How XLSX and ODS files begin, and XLS files."""

_SEPARATORS = (",", ";", "\t")
_HINT = re.compile(r"sep=.", re.IGNORECASE)  # a first line that tells Excel the separator
_LOST_DIGITS = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]+")


def lines(content: bytes) -> list[str]:
    """The lines without the blanks around them; those that hold nothing are empty. Raises BadEntry."""
    if content.startswith(_WORKBOOKS):
        raise BadEntry("the file is a spreadsheet's own; save it as CSV")
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    if encoding is None and b"\x00" in content[:64]:
        encoding = "utf-16-be" if content.startswith(b"\x00") else "utf-16-le"
    text = content.decode(encoding or "utf-8-sig", errors="replace")
    found = [line.strip() for line in re.split(r"\r\n|\r|\n", text)]
    if _HINT.fullmatch(found[0]):
        found[0] = ""
    return ["" if not line.strip('",;\t ') else line for line in found]


def fields(line: str, columns: tuple[int, ...]) -> list[str]:
    """The fields of one row, as many as one of `columns` says. Raises BadEntry."""
    ways = [_split(line, separator) for separator in _SEPARATORS]
    if len(ways[0]) == 1:  # a whole row in one cell, which came to be quoted
        ways += [_split(ways[0][0], separator) for separator in _SEPARATORS]
    for found in ways:
        if len(found) in columns:
            return found
    count = max(len(found) for found in ways)
    if len(ways[0]) > max(columns) + 1:  # both energies have one more
        raise BadEntry(f"{count} columns, not 8, 9 or 10; decimal commas need another separator, or quotes")
    raise BadEntry(f"{count} columns, not 8, 9 or 10")


def decimal(text: str) -> Decimal | None:
    """A number with a point or a comma before its decimals; None for anything else."""
    return entries.decimal(text.replace(",", ".") if "." not in text else text)


def tag(text: str) -> str | None:
    """An RFID tag as it is. Unknown when a spreadsheet took it for a number and cut its digits off: `1,23E+09`."""
    return None if _LOST_DIGITS.fullmatch(text) else entries.tag(text)


def _split(line: str, separator: str) -> list[str]:
    try:
        (found,) = csv.reader([line], delimiter=separator)
    except (csv.Error, ValueError):  # a field without an end, or a control character that csv does not take
        raise BadEntry("it cannot be split into columns") from None
    return [field.strip() for field in found]
