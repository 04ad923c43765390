"""What imports have in common: how charge points are renamed, and the sum of what was done. Pure."""

import re
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from common.errors import FieldError
from common.store.rows import Doubt
from edge.charge_log.entries import BadLine, Entry
from edge.charge_log.verdicts import RECORDED, Fate, Verdict

MOST_LISTED = 100  # lines that are named one by one, of each file or table and of each kind; the others are counted

_PAIR = re.compile(r"\s*([0-9]{1,4})\s*=\s*([0-9]{1,4})\s*")


@dataclass(slots=True)
class Energies:
    """Wh of the charges, by what became of them: `read_wh` is the sum of all others."""

    read_wh: int = 0
    new_wh: int = 0
    known_wh: int = 0
    doubtful_wh: int = 0
    later_wh: int = 0


@dataclass(slots=True)
class Summary:
    """What became of one file or table: `read` is the sum of all others.

    `known` were stored before, or are part of what the edge recorded itself; `doubtful` may be, and were stored with
    that doubt; `later` ended too short a time ago to say. `notes` name what is part of something, or may be, without
    what was simply imported before. `energies` is None for what are no charges.
    """

    name: str
    read: int = 0
    new: int = 0
    known: int = 0
    doubtful: int = 0
    later: int = 0
    bad: int = 0
    listed: list[BadLine] = field(default_factory=list)
    notes: list[BadLine] = field(default_factory=list)
    noted: int = 0
    energies: Energies | None = None

    def note_bad(self, lines: "list[BadLine] | tuple[BadLine, ...]") -> None:
        self.read += len(lines)
        self.bad += len(lines)
        self.listed += lines[: MOST_LISTED - len(self.listed)]

    def note(self, entry: Entry, verdict: Verdict, zone: tzinfo) -> None:
        """Count one charge."""
        sums = self.energies = self.energies or Energies()
        self.read += 1
        sums.read_wh += entry.energy_wh
        if verdict.fate is Fate.NEW:
            self.new += 1
            sums.new_wh += entry.energy_wh
        elif verdict.fate is Fate.THERE:
            self.known += 1
            sums.known_wh += entry.energy_wh
        elif verdict.fate is Fate.DOUBTFUL:
            self.doubtful += 1
            sums.doubtful_wh += entry.energy_wh
        else:
            self.later += 1
            sums.later_wh += entry.energy_wh
        text = _note(entry, verdict, zone)
        if text is not None:
            self.noted += 1
            self.notes += [BadLine(entry.line, text)][: MOST_LISTED - len(self.notes)]


def kwh(wh: int) -> str:
    """`348.000 kWh`."""
    return f"{wh // 1000}.{wh % 1000:03d} kWh"


def _note(entry: Entry, verdict: Verdict, zone: tzinfo) -> str | None:
    session = verdict.session
    if verdict.fate is Fate.NEW or verdict.is_kept:
        return None
    if session is None:
        where = "an earlier file"
    else:
        at = datetime.fromtimestamp(session.started_at, zone).strftime("%Y-%m-%d %H:%M")
        where = f"the session of {at} at charge point {session.charge_point}"
    if verdict.fate is Fate.THERE:
        is_itself = session is not None and session.origin != RECORDED
        return None if is_itself else f"already there: {kwh(entry.energy_wh)} in {where}"
    if verdict.fate is Fate.DOUBTFUL:
        why = "overlaps" if verdict.doubt is Doubt.OVERLAPS else "may be part of"
        return f"kept as doubtful: {kwh(entry.energy_wh)} that {why} {where}"
    return None


def parse_map(text: str) -> dict[str, str]:
    """`1=3,2=7`: charge point 1 of the old log is 3 of today's. Raises FieldError."""
    pairs = [_PAIR.fullmatch(part) for part in text.split(",")] if text.strip() else []
    found = {str(int(pair[1])): str(int(pair[2])) for pair in pairs if pair is not None}
    if len(found) < len(pairs):
        raise FieldError("bad charge points", {"--charge-point-map": "must be like 1=3,2=7, each old one once"})
    return found
