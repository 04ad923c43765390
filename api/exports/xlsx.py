"""Sessions as a workbook with real numbers and dates, written row by row to a file: memory stays flat.

Above the table stand title, period and selection; below it sums that follow a filter, and what speaks against them.
The columns that a reader of paper needs come first and are printed, a page wide. Blocks, and raises OSError as the disk
does.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import xlsxwriter
import xlsxwriter.exceptions
from xlsxwriter.format import Format
from xlsxwriter.utility import xl_col_to_name

from api.exports import figures
from api.exports.cautions import Cautions
from api.exports.figures import local
from api.exports.lines import COLUMNS, Column, Heading, Kind, Line, Value, printable
from api.exports.notes import period, selection
from api.exports.texts import Language, method_words, value_words, words
from common.store.rows import SessionRow

_FORMATS = {
    Kind.KWH: "#,##0.000",
    Kind.MONEY: "#,##0.00000",
    Kind.PRICE: "0.0000",
    Kind.DURATION: "[h]:mm",
    Kind.WHOLE: "0",
    Kind.TEXT: "@",
}
_DATES = {Language.DE: "dd.mm.yyyy hh:mm", Language.EN: "yyyy-mm-dd hh:mm"}
_CENTS = "#,##0.00"
_ADDED_UP = ("energy", "grid", "pv", "battery", "cost")
_HEAD = 4  # the row of the table's head, counted from 0
_SUBTOTAL = 109  # a sum without the rows that are hidden, by a filter or by hand


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of the sheet. `name` is a key of the texts, `width` in letters."""

    name: str
    kind: Kind
    width: float
    of: Callable[[Line, Heading], Value]
    label: str = ""


def _note(line: Line, heading: Heading) -> str | None:
    """In words what the reader has to know of the session."""
    session, lang = line.session, heading.language
    parts = [
        words("note_corrected", lang) if line.is_corrected else None,
        words("running", lang) if session.ended_at is None else None,
        value_words("origin", session.origin, lang) if session.origin != "recorded" else None,
        value_words("doubt", session.doubt, lang),
        words("note_no_energy", lang) if session.energy_wh is None else None,
        words("note_no_cost", lang) if session.cost_millicents is None else None,
    ]
    return ", ".join(part for part in parts if part) or None


_BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}


def _same(name: str, width: float, label: str = "") -> _Field:
    """A column as CSV has it."""
    column = _BY_NAME[name]
    return _Field(name, column.kind, width, lambda line, heading: column.of(line, heading.language), label)


def _method(name: str, of: Callable[[SessionRow], str | None]) -> _Field:
    def told(line: Line, heading: Heading) -> str | None:
        method = of(line.session)
        return None if method is None else method_words(method, heading.language)

    return _Field(name, Kind.TEXT, 40, told)


_PRINTED = (
    _same("id", 5),
    _same("started", 15),
    _same("ended", 15),
    _Field("charge_point", Kind.TEXT, 16, lambda line, heading: heading.place(line.session.charge_point)),
    _same("user", 11),
    _same("vehicle", 14),
    _same("tag", 13),
    _same("meter_start", 11.5),
    _same("meter_end", 11.5),
    _same("energy", 10),
    _same("grid", 9.5),
    _same("pv", 9.5),
    _same("battery", 9.5),
    _same("cost", 11, "cost_eur"),
    _same("price", 8.5),
    _Field("note", Kind.TEXT, 24, _note),
)
_FURTHER = (
    _same("plugged", 11),
    _same("charging", 11),
    _same("soc_start", 9),
    _same("soc_end", 9),
    _same("mode", 14),
    _same("source_unknown_kwh", 11),
    _same("discharged", 13),
    _method("sources_method", lambda session: session.sources_method),
    _method("cost_method", lambda session: session.cost_method),
    _Field("started_utc", Kind.LOCAL, 16, lambda line, _: line.session.started_at),
    _Field("ended_utc", Kind.LOCAL, 16, lambda line, _: line.session.ended_at),
)
_FIELDS = (*_PRINTED, *_FURTHER)
_WRAPPED = tuple(field for field in _PRINTED if field.kind is Kind.TEXT)
"""Their texts may need several lines, and a spreadsheet does not find that out when it opens a file."""


class SessionsWorkbook:
    """At `path` once it is closed; `folder` has the pieces meanwhile. Any thread may use it, one after the other."""

    def __init__(self, path: Path, folder: Path, heading: Heading) -> None:
        self._heading = heading
        self._lock = threading.Lock()  # a request that was cancelled discards while its last rows are being written
        self._is_discarded = False
        self._totals = dict.fromkeys(_ADDED_UP, 0)
        self._cautions = Cautions()
        self._without_cost = 0
        self._row = _HEAD + 1
        # Constant memory: each row goes to a file when the next one begins; text stays in its cell.
        self._book = xlsxwriter.Workbook(
            str(path),
            {"constant_memory": True, "tmpdir": str(folder), "strings_to_formulas": False, "strings_to_urls": False},
        )
        lang = heading.language
        made_at = local(heading.made_at, heading.zone).replace(tzinfo=None)
        self._book.set_properties(
            {"title": words("title", lang), "author": printable(heading.made_by), "created": made_at}
        )
        forms = {**_FORMATS, Kind.LOCAL: _DATES[lang]}
        cell = {"font_size": 10, "valign": "top"}
        self._formats = {kind: self._format(form, kind, cell) for kind, form in forms.items()}
        self._bold = {kind: self._format(form, kind, {**cell, "bold": True, "top": 1}) for kind, form in forms.items()}
        self._cents = self._book.add_format({"num_format": _CENTS, "bold": True, **cell})
        self._plain = self._book.add_format({"font_size": 10})
        self._sheet = self._book.add_worksheet(words("sheet", lang))
        self._write_opening()
        self._lay_out()

    def add(self, lines: Iterable[Line]) -> None:
        with self._lock:
            if not self._is_discarded:
                self._add(lines)

    def close(self) -> None:
        """Put everything into the one file; nothing can be added after it."""
        with self._lock:
            self._write_end()
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

    def _format(self, form: str, kind: Kind, more: Mapping[str, object]) -> Format:
        left = {"align": "left", "indent": 1} if kind in (Kind.TEXT, Kind.LOCAL) else {}
        wrap = {"text_wrap": True} if kind is Kind.TEXT else {}
        return self._book.add_format({"num_format": form, **left, **wrap, **more})

    def _write_opening(self) -> None:
        heading, lang = self._heading, self._heading.language
        title = self._book.add_format({"bold": True, "font_size": 16, "font_color": "#155C94"})
        made = words("made_by", lang, at=figures.minute(heading.made_at, heading.zone, lang), user=heading.made_by)
        zone = f"{words('time_zone', lang)} {heading.zone.key}"
        for row, (text, form) in enumerate(
            (
                (f"{words('title', lang)} · {heading.site_name}", title),
                (f"{words('period', lang)}: {period(heading)} · {selection(heading)}", self._plain),
                (f"{words('made', lang)} {made} · {zone}", self._plain),
            )
        ):
            self._sheet.write_string(row, 0, printable(text), form)
        head = {"bold": True, "bg_color": "#E3EAF2", "bottom": 1, "text_wrap": True, "valign": "top", "font_size": 10}
        left = self._book.add_format({**head, "align": "left", "indent": 1})
        right = self._book.add_format({**head, "align": "right"})
        self._sheet.set_row(_HEAD, 27)
        for number, field in enumerate(_FIELDS):
            self._sheet.set_column(number, number, field.width)
            form = left if field.kind in (Kind.TEXT, Kind.LOCAL) else right
            self._sheet.write_string(_HEAD, number, words(field.label or field.name, lang), form)

    def _lay_out(self) -> None:
        """As it is seen, and as it is printed: landscape A4, a page wide, the table's head on each."""
        lang = self._heading.language
        self._sheet.freeze_panes(_HEAD + 1, 0)
        self._sheet.hide_gridlines(2)
        self._sheet.set_landscape()
        self._sheet.set_paper(9)
        self._sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        self._sheet.fit_to_pages(1, 0)
        self._sheet.repeat_rows(_HEAD)
        pages = words("page", lang, page="&P", pages="&N")
        name = f"{words('title', lang)} · {self._heading.site_name} · {period(self._heading)}"
        self._sheet.set_footer(f"&L&8{printable(name)[:150].replace('&', '&&')}&R&8{pages}")

    def _add(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._cautions.add(line.session)
            self._without_cost += line.session.cost_millicents is None
            needed = max(_rows_of_text(field, field.of(line, self._heading)) for field in _WRAPPED)
            if needed > 1:
                self._sheet.set_row(self._row, 13.5 * needed)
            for number, field in enumerate(_FIELDS):
                value = field.of(line, self._heading)
                if value is None:
                    continue
                if isinstance(value, str):
                    self._sheet.write_string(self._row, number, printable(value), self._formats[Kind.TEXT])
                    continue
                if field.name in self._totals:
                    self._totals[field.name] += value
                self._write_number(number, field, value)
            self._row += 1

    def _write_number(self, number: int, field: _Field, value: int) -> None:
        kind = field.kind
        if kind is Kind.LOCAL:
            zone = UTC if field.name.endswith("_utc") else self._heading.zone
            self._sheet.write_datetime(self._row, number, _clock(value, zone), self._formats[kind])
        elif kind is Kind.DURATION:
            self._sheet.write_datetime(self._row, number, timedelta(seconds=value), self._formats[kind])
        else:
            self._sheet.write_number(self._row, number, _scaled(kind, value), self._formats[kind])

    def _write_end(self) -> None:
        last = self._row - 1
        if last > _HEAD:
            self._sheet.autofilter(_HEAD, 0, last, len(_FIELDS) - 1)
            self._write_totals(_HEAD + 2, self._row)
            self._row += 2
        lang = self._heading.language
        notes = self._cautions.sentences(lang)
        order = self._cautions.order(lang)
        notes += [order] if order is not None else []
        notes += [words("cost_exact", lang), words("filter_note", lang)] if last > _HEAD else [words("none", lang)]
        for text in notes:
            self._row += 1
            self._sheet.write_string(self._row, 0, text, self._plain)
        self._sheet.print_area(0, 0, self._row, len(_PRINTED) - 1)

    def _write_totals(self, first: int, last: int) -> None:
        """Formulas over the rows `first` to `last`, so that they follow a filter; the present result stands in them."""
        lang = self._heading.language
        letters = {field.name: xl_col_to_name(number) for number, field in enumerate(_FIELDS)}
        for number, field in enumerate(_PRINTED):
            if field.name in self._totals:
                letter, total = letters[field.name], _scaled(field.kind, self._totals[field.name])
                formula = f"=SUBTOTAL({_SUBTOTAL},{letter}{first}:{letter}{last})"
                self._sheet.write_formula(self._row, number, formula, self._bold[field.kind], total)
            elif field.name == "price" and not self._without_cost and self._totals["energy"] > 0:
                energy, cost = (f"{letters[name]}{last + 1}" for name in ("energy", "cost"))
                price = figures.price_of(self._totals["cost"], self._totals["energy"]) / 10**figures.PRICE_PLACES
                formula = f'=IF({energy}>0,{cost}/{energy},"")'
                self._sheet.write_formula(self._row, number, formula, self._bold[Kind.PRICE], price)
            else:
                text = words("total", lang) if field.name == "started" else ""
                self._sheet.write_string(self._row, number, text, self._bold[Kind.TEXT])
        column = [field.name for field in _FIELDS].index("cost")
        self._sheet.write_string(self._row + 1, column - 3, words("cost_rounded", lang), self._plain)
        cents = (abs(self._totals["cost"]) + 500) // 1000 * (-1 if self._totals["cost"] < 0 else 1)
        formula = f"=ROUND({letters['cost']}{last + 1},2)"
        self._sheet.write_formula(self._row + 1, column, formula, self._cents, cents / 100)


def _rows_of_text(field: _Field, value: Value) -> int:
    """In how many rows it is wrapped; a column's width is in digits, which are wider than most letters."""
    return int(len(str(value or "")) / (1.15 * field.width)) + 1


def _clock(instant_s: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(instant_s, zone).replace(tzinfo=None)


def _scaled(kind: Kind, value: int) -> float:
    """The float that is nearest to the exact decimal."""
    places = {Kind.KWH: figures.WH_PLACES, Kind.MONEY: figures.MILLICENT_PLACES, Kind.PRICE: figures.PRICE_PLACES}
    return value / float(10 ** places.get(kind, 0))
