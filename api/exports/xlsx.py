"""Sessions as a workbook with real numbers and dates, written row by row to a file: memory stays flat.

Blocks, and raises OSError as the disk does.
"""

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import xlsxwriter
import xlsxwriter.exceptions
from xlsxwriter.utility import xl_col_to_name

from api.exports.figures import local
from api.exports.lines import COLUMNS, Heading, Kind, Line, printable
from api.exports.texts import words

_FORMATS = {
    Kind.KWH: "#,##0.000",
    Kind.MONEY: "#,##0.00000",
    Kind.LOCAL: "yyyy-mm-dd hh:mm:ss",
    Kind.DURATION: "[h]:mm:ss",
    Kind.WHOLE: "0",
}
_WIDTHS = {Kind.TEXT: 16, Kind.WHOLE: 9, Kind.KWH: 13, Kind.MONEY: 13, Kind.LOCAL: 19, Kind.DURATION: 11}
_ADDED_UP = ("energy", "grid", "pv", "battery", "cost")


class SessionsWorkbook:
    """At `path` once it is closed; `folder` has the pieces meanwhile. Any thread may use it, one after the other."""

    def __init__(self, path: Path, folder: Path, heading: Heading) -> None:
        self._heading = heading
        self._lock = threading.Lock()  # a request that was cancelled discards while its last rows are being written
        self._is_discarded = False
        self._totals = dict.fromkeys(_ADDED_UP, 0)
        self._row = 1
        # Constant memory: each row goes to a file when the next one begins; text stays in its cell.
        self._book = xlsxwriter.Workbook(
            str(path),
            {"constant_memory": True, "tmpdir": str(folder), "strings_to_formulas": False, "strings_to_urls": False},
        )
        made_at = local(heading.made_at, heading.zone).replace(tzinfo=None)
        self._book.set_properties(
            {"title": words("title", heading.language), "author": printable(heading.made_by), "created": made_at}
        )
        self._formats = {kind: self._book.add_format({"num_format": form}) for kind, form in _FORMATS.items()}
        self._bold = {
            kind: self._book.add_format({"num_format": form, "bold": True, "top": 1}) for kind, form in _FORMATS.items()
        }
        self._sheet = self._book.add_worksheet(words("sheet", heading.language))
        top = self._book.add_format({"bold": True, "bg_color": "#E3EAF2", "bottom": 1, "text_wrap": True})
        for number, column in enumerate(COLUMNS):
            self._sheet.set_column(number, number, _WIDTHS[column.kind])
            self._sheet.write_string(0, number, words(column.name, heading.language), top)
        self._sheet.freeze_panes(1, 0)

    def add(self, lines: Iterable[Line]) -> None:
        with self._lock:
            if not self._is_discarded:
                self._add(lines)

    def close(self) -> None:
        """Put everything into the one file; nothing can be added after it."""
        with self._lock:
            self._write_totals()
            try:
                self._book.close()
            except xlsxwriter.exceptions.FileCreateError as exc:
                raise OSError(f"the workbook could not be written: {exc}") from exc

    def discard(self) -> None:
        """Give up what is still open, whether it was closed or not; the files are for the caller to remove."""
        with self._lock:
            self._is_discarded = True
            rows = getattr(self._sheet, "row_data_fh", None)  # xlsxwriter itself closes it only together with the book
            if rows is not None:
                rows.close()

    def _add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            for number, column in enumerate(COLUMNS):
                value = column.of(line, self._heading.language)
                if value is None:
                    continue
                if isinstance(value, str):
                    self._sheet.write_string(self._row, number, printable(value))
                    continue
                if column.name in self._totals:
                    self._totals[column.name] += value
                self._write_number(number, column.kind, value)
            self._row += 1

    def _write_number(self, number: int, kind: Kind, value: int) -> None:
        if kind is Kind.LOCAL:
            clock: datetime = local(value, self._heading.zone).replace(tzinfo=None)
            self._sheet.write_datetime(self._row, number, clock, self._formats[kind])
        elif kind is Kind.DURATION:
            self._sheet.write_datetime(self._row, number, timedelta(seconds=value), self._formats[kind])
        else:
            self._sheet.write_number(self._row, number, _scaled(kind, value), self._formats[kind])

    def _write_totals(self) -> None:
        """A formula, so that it follows when the reader strikes a row; its present result stands beside it."""
        if self._row == 1:
            return
        self._sheet.autofilter(0, 0, self._row - 1, len(COLUMNS) - 1)
        self._sheet.write_string(self._row, 1, words("total", self._heading.language), self._bold[Kind.WHOLE])
        for number, column in enumerate(COLUMNS):
            if column.name in self._totals:
                letter = xl_col_to_name(number)
                self._sheet.write_formula(
                    self._row,
                    number,
                    f"=SUM({letter}2:{letter}{self._row})",
                    self._bold[column.kind],
                    _scaled(column.kind, self._totals[column.name]),
                )


def _scaled(kind: Kind, value: int) -> float:
    """The float that is nearest to the exact decimal."""
    return value / {Kind.KWH: 1000, Kind.MONEY: 100_000}.get(kind, 1)
