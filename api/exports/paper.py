"""Sheets of A4 with a typeface, colours and a footer, and the few marks that a record is made of. Millimetres.

Text is written at the place that is told, and cut where it does not fit. What the typeface lacks shows as `?`.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import font_roboto
from fpdf import FPDF
from fpdf.enums import RenderStyle
from fpdf.fonts import TTFFont

from api.exports.lines import Heading, printable
from api.exports.texts import words

Colour = tuple[int, int, int]

LEFT, RIGHT, TOP, BOTTOM = 12.0, 198.0, 14.0, 280.0
WIDTH = RIGHT - LEFT

PAPER: Colour = (255, 255, 255)
INK: Colour = (33, 37, 41)
GREY: Colour = (110, 117, 125)
LINE: Colour = (205, 210, 216)
SHADE: Colour = (244, 246, 249)
ACCENT: Colour = (21, 92, 148)
COLOURS: dict[str, Colour] = {
    "grid": (124, 134, 146),
    "pv": (240, 173, 46),
    "battery": (86, 158, 96),
    "unknown": (70, 130, 180),
}

_FAMILY = "Roboto"
_POINT = 25.4 / 72  # mm


class Paper(FPDF):
    """`y` is where the next thing goes; whoever writes moves it on."""

    def __init__(self, heading: Heading, footer: str) -> None:
        super().__init__(orientation="portrait", unit="mm", format="A4")
        folder = Path(font_roboto.font_directory)
        self.add_font(_FAMILY, "", folder / "Roboto-Regular.ttf")
        self.add_font(_FAMILY, "B", folder / "Roboto-Bold.ttf")
        regular, bold = (cast(TTFFont, self.fonts[f"{_FAMILY.lower()}{style}"]) for style in ("", "B"))
        self._known = regular.cmap.keys()
        self._letter_widths = {False: regular.cw, True: bold.cw}
        self._chosen: tuple[float, bool] | None = None
        self._heading = heading
        self._footer = self.clean(footer)
        self.set_auto_page_break(False)
        self.c_margin = 0
        self.set_lang(heading.language.value)
        self.set_title(self._footer)
        self.set_author(self.clean(heading.made_by))
        self.set_creator("Wallport")
        self.set_creation_date(datetime.fromtimestamp(heading.made_at, UTC))
        self.add_page()
        self.y = TOP

    def footer(self) -> None:
        """Of every sheet, by fpdf2: what the record is, and which sheet of how many."""
        pages = words("page", self._heading.language, page=self.page_no(), pages=self.str_alias_nb_pages)
        self.rule(BOTTOM + 3)
        self.write_at(LEFT, BOTTOM + 4.5, self._footer, size=7, colour=GREY, width=150)
        self.set_xy(RIGHT - 35, BOTTOM + 4.5)
        self.cell(35, 2.6, pages, align="R")  # the one way in which fpdf2 puts the number of sheets in its place

    def has_room(self, height: float) -> bool:
        return self.y + height <= BOTTOM

    def new_page(self) -> None:
        self.add_page()
        self.y = TOP

    def clean(self, text: str) -> str:
        """`text` with what the typeface has."""
        return "".join(letter if ord(letter) in self._known else "?" for letter in printable(text))

    def width_of(self, text: str, size: float, *, bold: bool = False) -> float:
        widths = self._letter_widths[bold]  # twice as fast as get_string_width, and a record has 20,000 texts
        return sum(widths[ord(letter)] for letter in text) * size * _POINT / 1000

    def write_at(
        self,
        x: float,
        top: float,
        text: str,
        *,
        size: float = 8,
        bold: bool = False,
        colour: Colour = INK,
        width: float | None = None,
        right: bool = False,
    ) -> None:
        """One line of text whose upper edge is `top`; `width` is what it may take, from x to the right.

        `right`: flush with the right end of `width`.
        """
        shown = self.clean(text)
        taken = self.width_of(shown, size, bold=bold)
        if width is not None and taken > width:
            while shown and self.width_of(f"{shown}…", size, bold=bold) > width:
                shown = shown[:-1]
            shown = f"{shown.rstrip()}…"
            taken = self.width_of(shown, size, bold=bold)
        if self._chosen != (size, bold):
            self.set_font(_FAMILY, "B" if bold else "", size)
            self._chosen = (size, bold)
        self.set_text_color(*colour)
        self.text(x + (width - taken if right and width is not None else 0), top + size * _POINT * 0.95, shown)

    def paragraph(self, text: str, *, size: float = 8, colour: Colour = INK, indent: float = 0) -> None:
        """Text over as many lines as it needs, and sheets."""
        height = size * _POINT * 1.35
        for line in _broken(self, self.clean(text), WIDTH - indent, size):
            if not self.has_room(height):
                self.new_page()
            self.write_at(LEFT + indent, self.y, line, size=size, colour=colour)
            self.y += height
        self.y += 0.8

    def part(self, text: str, *, room: float = 12) -> None:
        """The heading of a part, together with at least `room` of what follows."""
        if not self.has_room(7 + room):
            self.new_page()
        self.y += 3
        self.write_at(LEFT, self.y, text, size=10, bold=True, colour=ACCENT)
        self.y += 6

    def rule(self, y: float, *, colour: Colour = LINE, thickness: float = 0.2) -> None:
        self.set_draw_color(*colour)
        self.set_line_width(thickness)
        self.line(LEFT, y, RIGHT, y)

    def block(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A filled rectangle."""
        self.set_fill_color(*colour)
        self.rect(x, y, width, height, style=RenderStyle.F)


def _broken(paper: Paper, text: str, width: float, size: float) -> list[str]:
    """At blanks, and within a word that alone is too long."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if paper.width_of(longer, size) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while paper.width_of(line, size) > width:
            cut = next(at for at in range(len(line), 0, -1) if at == 1 or paper.width_of(line[:at], size) <= width)
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line]
