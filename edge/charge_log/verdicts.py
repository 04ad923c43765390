"""What may become of an entry of a charge log beside the stored sessions, and when energies differ. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from common.store.rows import Doubt, SessionRow

RECORDED = "recorded"  # the origin of a session that the edge saw itself
LOG = "log"  # of one that is made of the log of the wallbox that the edge records
IMPORT = "import"

TOLERANCE_S = 180
"""How far an entry may lie beside its session: 1.9 notes the end up to two minutes late, in whole minutes cut off."""

NEIGHBOUR_S = 7 * 86_400  # how long a car may have stood plugged in, charged, while the edge was away

LONGEST_SESSION_S = 90 * 86_400  # how far before an entry its session may have begun

LEAST_DIFFERENCE_WH = 150
MORE_PER_ENTRY_WH = 50
LEAST_DIFFERENCE = 0.02
"""What counts as a difference: more than 150 Wh (and 50 Wh for each further entry), and more than 2 %. 1.9 begins to
count one or two loops after the current (20 s of 11 kW are 60 Wh), does not below 100 W, and cuts off to 10 Wh."""


class Fate(Enum):
    NEW = auto()
    """A charge of its own."""
    THERE = auto()
    """It is stored already, or part of a stored session."""
    DOUBTFUL = auto()
    """Perhaps part of a stored session: kept as one of its own, with the doubt."""
    LATER = auto()
    """Its session still runs or waits for the database, or it is too young to be missed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`session` is the one that it belongs to, or may belong to. THERE without one: an earlier file has it, too.

    `is_kept`: it was read before, and its entry is stored with the session.
    """

    fate: Fate
    session: SessionRow | None = None
    doubt: Doubt | None = None
    is_kept: bool = False


Key = tuple[str, int]
"""Charge point and start of a session."""


def differs(recorded_wh: int, logged_wh: Sequence[int]) -> bool:
    """Whether the energies of some entries are another than that of their session, beyond how openWB counts."""
    total_wh = sum(logged_wh)
    by_counting_wh = LEAST_DIFFERENCE_WH + MORE_PER_ENTRY_WH * (len(logged_wh) - 1)
    return abs(total_wh - recorded_wh) > max(by_counting_wh, LEAST_DIFFERENCE * max(recorded_wh, total_wh))


def key_of(row: SessionRow) -> Key:
    return row.charge_point, row.started_at
