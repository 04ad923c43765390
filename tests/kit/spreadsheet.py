"""LibreOffice, headless: opens a file as its users would, and tells what each cell is."""

import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

GERMAN_CSV = "CSV:59,34,76,1,,1031,false,true"
"""Import filter: `;`, quotes, UTF-8, from the first line, German numbers, dates are found."""

_NAMES = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def opened(path: Path, folder: Path, *, infilter: str | None = None) -> list[list[str | float | None]]:
    """The rows of a file's first sheet after LibreOffice read and computed it: texts, numbers, or nothing."""
    target = folder / "opened"
    subprocess.run(
        [
            "soffice",
            f"-env:UserInstallation=file://{folder / 'profile'}",
            "--headless",
            *([f"--infilter={infilter}"] if infilter else []),
            *("--convert-to", "xlsx", "--outdir", str(target), str(path)),
        ],
        check=True,
        capture_output=True,
        timeout=100,
    )
    return _cells(target / f"{path.stem}.xlsx")


def _cells(path: Path) -> list[list[str | float | None]]:
    with zipfile.ZipFile(path) as book:
        shared = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        texts = ["".join(part.text or "" for part in item.iterfind(".//m:t", _NAMES)) for item in shared]
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = []
    for row in sheet.iterfind(".//m:row", _NAMES):
        found = {_column(cell.attrib["r"]): _value(cell, texts) for cell in row.iterfind("m:c", _NAMES)}
        rows.append([found.get(number) for number in range(max(found, default=-1) + 1)])
    return rows


def _column(reference: str) -> int:
    """AB12 → 27; empty cells are left out of the file."""
    number = 0
    for letter in reference.rstrip("0123456789"):
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _value(cell: ElementTree.Element, texts: list[str]) -> str | float | None:
    value = cell.find("m:v", _NAMES)
    if value is None or value.text is None:
        return None
    if cell.get("t") == "s":
        return texts[int(value.text)]
    return value.text if cell.get("t") == "str" else float(value.text)
