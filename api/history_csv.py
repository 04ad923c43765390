"""Series of the past as CSV (RFC 4180): a line for each step, with its instant first. Pure.

Called by handlers/records.py. Values are numbers and names are paths, so nothing in it can be taken for a formula.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api import instants
from api.exports.csv import BOM, SEPARATORS
from common.errors import FieldError

PARAMETERS = frozenset({"separator", "bom"})


def style(parameters: Mapping[str, str]) -> tuple[str, bool]:
    """(separator, whether a byte order mark comes first) by `?separator=` and `?bom=`; raises FieldError."""
    faults: dict[str, str] = {}
    separator = SEPARATORS.get(parameters.get("separator", "comma"))
    if separator is None:
        faults["separator"] = "must be semicolon or comma"
    if parameters.get("bom", "0") not in ("0", "1"):
        faults["bom"] = "must be 0 or 1"
    if faults or separator is None:
        raise FieldError("some parameters are wrong", faults)
    return separator, parameters.get("bom") == "1"


def text(starts: Iterable[int], series: Mapping[str, Sequence[Any]], separator: str, *, has_bom: bool) -> bytes:
    """The whole file. What is unknown is empty; with semicolons go decimal commas, as in German spreadsheets."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator="\r\n")
    writer.writerow(["starts_at", *series])
    for number, start in enumerate(starts):
        values = [_cell(column[number], separator) for column in series.values()]
        writer.writerow([instants.text(start), *values])
    return (BOM if has_bom else b"") + file.getvalue().encode()


def _cell(value: Any, separator: str) -> str:
    if value is None:
        return ""
    return str(value).replace(".", ",") if separator == ";" else str(value)
