"""What is known of a meter, and of readings that were odd: plain frozen values, written by edge/meters.py alone."""

from dataclasses import dataclass
from enum import StrEnum

Wh = int | float


class OddOutcome(StrEnum):
    """What became of a reading that was out of line."""

    DROPPED = "dropped"
    """It did not last: the meter came back, and nothing was counted."""
    COUNTED = "counted"
    """A rise that lasted: the same meter, which had been late or stood still."""
    NEW_COUNT = "new_count"
    """The count began anew: another meter, or one that was reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OddReading:
    """Readings of one meter that were out of line, from the first one to the last.

    `meter` is its path in the state (`grid.imported_wh`), instants are Unix seconds. `before_wh` is the reading that
    was believed then. (`meter`, `from_s`) is its natural key.
    """

    meter: str
    from_s: int
    to_s: int
    before_wh: int
    first_wh: int
    last_wh: int
    outcome: OddOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Readings that are out of line just now, and whether they last is to be seen.

    They have been seen for `held_s`, those above 0 for `lasted_s`; time in which nobody listened does not count.
    `possible_wh` is what can have flowed since the last one. `bridged_wh` is what power says of the time between the
    last believed reading and the first of these.
    """

    first_wh: Wh
    first_at: float
    last_wh: Wh
    last_at: float
    possible_wh: float = 0.0
    held_s: float = 0.0
    lasted_s: float = 0.0
    bridged_wh: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The count that a meter began anew at `began_at`: the one before ended with `before_wh`.

    `first_wh` is what it would have shown when that was read, `seen_wh` its first reading: the difference is what
    power says of the seconds in between.
    """

    began_at: float
    before_wh: Wh
    first_wh: Wh
    seen_wh: Wh


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A meter as believed, all that its next reading is judged by.

    `wh` is the reading that counts; up to `sure_wh` another one has confirmed it, and one odd message at most lies
    between; `sure_at` is when that was so. `at` is when it was last heard in agreement, `risen_at` when it last rose,
    `seen_at` when it was last judged. `possible_wh` is what can have flowed since it rose. `source` names where it is
    read: another source is another meter. `is_lone`: nothing has agreed yet with the first reading of all.
    """

    source: str
    wh: Wh
    sure_wh: Wh
    sure_at: float
    at: float
    risen_at: float
    seen_at: float
    power_w: float | None = None
    possible_wh: float = 0.0
    held: Held | None = None
    count: Count | None = None
    is_lone: bool = False
