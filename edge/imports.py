"""What imports have in common: how charge points are renamed, and the sum of what was done. Pure."""

import re
from dataclasses import dataclass, field

from common.errors import FieldError
from edge.charge_log.entries import BadLine

MOST_LISTED = 100  # bad lines that are named one by one, of each file or table; the others are counted

_PAIR = re.compile(r"\s*([0-9]{1,4})\s*=\s*([0-9]{1,4})\s*")


@dataclass(slots=True)
class Summary:
    """What became of one file or table: `read` is the sum of all others.

    `known` were stored before, or are part of what the edge recorded itself; `later` ended too short a time ago to say.
    """

    name: str
    read: int = 0
    new: int = 0
    known: int = 0
    later: int = 0
    bad: int = 0
    listed: list[BadLine] = field(default_factory=list)

    def note_bad(self, lines: "list[BadLine] | tuple[BadLine, ...]") -> None:
        self.read += len(lines)
        self.bad += len(lines)
        self.listed += lines[: MOST_LISTED - len(self.listed)]


def parse_map(text: str) -> dict[str, str]:
    """`1=3,2=7`: charge point 1 of the old log is 3 of today's. Raises FieldError."""
    pairs = [_PAIR.fullmatch(part) for part in text.split(",")] if text.strip() else []
    found = {str(int(pair[1])): str(int(pair[2])) for pair in pairs if pair is not None}
    if len(found) < len(pairs):
        raise FieldError("bad charge points", {"--charge-point-map": "must be like 1=3,2=7, each old one once"})
    return found
