"""An entry of the wallbox's own charge log, of either generation, and what is made of texts and numbers in it.

Pure. Nothing raises but `BadEntry`, which the two parsers turn into a named bad line: a log of years holds some.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

MOST_WH = 500_000
"""Of one entry: several times the largest battery. 1.9 logs the whole meter when it stood at 0 after a boot."""

MOST_S = 60 * 86_400
"""From start to end: a car that stands plugged in over a long holiday. Beyond it one of the instants is wrong."""

MOST_EUR = 10_000

LONGEST_NUMBER = 32  # characters; nothing that openWB writes is half as long
LONGEST_TEXT = 64  # characters; what the store has room for

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class BadEntry(ValueError):
    """What makes an entry useless, in words for whoever imports it; its content is not quoted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: a charge of 1.9, a section of a charge of 2.x. Instants whole Unix seconds; None is unknown.

    `charging_s` is for how long current flowed. Where both meters are known `energy_wh` is their difference; `sources`
    are Wh from grid, PV and battery; what they lack of it is unknown. `discharged_wh` is what the car gave back, which
    `energy_wh` does not count; None: none that is known. `is_continued`: it belongs to the same time plugged in as the
    entry before it; `begins_plug_in`: the log says that it does not. `source` and `line` say where it stands: in which
    of several files, and there in which line or row.
    """

    charge_point: str
    started_at: int
    ended_at: int
    energy_wh: int
    charging_s: int | None = None
    mode: str | None = None
    vehicle: str | None = None
    tag: str | None = None
    user_name: str | None = None
    cost_millicents: int | None = None
    meter_start_wh: int | None = None
    meter_end_wh: int | None = None
    soc_start_percent: int | None = None
    soc_end_percent: int | None = None
    sources: tuple[int, int, int] | None = None
    discharged_wh: int | None = None
    is_continued: bool = False
    begins_plug_in: bool = False
    source: int = field(default=0, compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class BadLine:
    """`number` counts from 1: lines of a file, elements of a list, ids of a table."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a log says: the entries in the order in which they were written, oldest first, and what was no entry."""

    entries: tuple[Entry, ...] = ()
    bad: tuple[BadLine, ...] = ()


def decimal(text: str) -> Decimal | None:
    """A number as `bc` prints it (`.82`, `-.5`), or None; never NaN, nor one with an exponent."""
    text = text.strip()
    if len(text) > LONGEST_NUMBER or not text.isascii() or not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def energy(wh: Decimal | float | None) -> int:
    """Whole Wh of one entry; raises BadEntry for what no car took."""
    if wh is None:
        raise BadEntry("the energy is no number")
    if not 0 <= wh <= MOST_WH:
        raise BadEntry("the energy cannot be")
    return round(wh)


def cost(eur: Decimal | float | None) -> int | None:
    """Thousandths of a cent; what cannot be is unknown."""
    if eur is None or not -MOST_EUR <= eur <= MOST_EUR:
        return None
    return round(Decimal(str(eur)) * 100_000)


def tag(text: str) -> str | None:
    """An RFID tag as it is, leading zeros and all; `0` is openWB's word for none."""
    found = one_line(text)
    return None if found == "0" else found


def one_line(text: str) -> str | None:
    """Text that fits into the store, or None when nothing is left of it."""
    return _CONTROL.sub(" ", text[: 4 * LONGEST_TEXT]).strip()[:LONGEST_TEXT].strip() or None


def charge_point(text: str) -> str:
    """The number of a charge point, as the state model names it; raises BadEntry."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise BadEntry("the charge point is no number")
    return str(int(text))


def grouped(entries: Iterable[Entry]) -> list[tuple[Entry, ...]]:
    """The entries of each time plugged in, as far as the log tells: one of 1.9 each, the sections of 2.x together."""
    groups: list[list[Entry]] = []
    running: dict[str, list[Entry]] = {}
    for entry in entries:
        group = running.get(entry.charge_point)
        if group is not None and entry.is_continued:
            group.append(entry)
        else:
            group = running[entry.charge_point] = [entry]
            groups.append(group)
    return [tuple(group) for group in groups]
