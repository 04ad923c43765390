"""The last word on each topic: what it said, and for how long a former word stands in for one that says nothing.

Pure; `edge/mirror.py` drives it. One rule for every kind of row: a message that cannot be read, or that says what
cannot be, leaves the former value for DOUBT_S. If no other word has come by then, the value is unknown.
"""

from dataclasses import dataclass

from common.meters import Meter, Wh
from edge.openwb.dialect import Match, Place
from edge.openwb.parsing import Value

DOUBT_S = 90.0
"""openWB's longest control interval is 60 s, so the word after an odd one has come by then, if the value still changes.

A 2.x does not repeat what stays as it is: then an odd word is the last one, and what was before it is a guess.
"""


@dataclass(slots=True)
class Cell:
    """One value of a topic. Since `doubted_at` nothing readable was said of it.

    What a `meter` says does not become the value before edge/metering.py has judged it; `word` waits for that.
    """

    place: Place
    source: str
    value: Value = None
    heard_at: float = 0.0
    doubted_at: float | None = None
    word: Wh | None = None
    meter: Meter | None = None

    def take(self, value: Value, now: float) -> None:
        self.doubted_at = None
        if self.place.fill.is_meter and isinstance(value, int | float):
            self.word = value
        else:
            self.value, self.heard_at = value, now

    def doubt(self, now: float) -> None:
        """A word came that says nothing."""
        if self.doubted_at is None:
            self.doubted_at = now

    @property
    def is_sure(self) -> bool:
        """Whether its value is the last word that the wallbox said."""
        return self.doubted_at is None and (self.meter is None or self.meter.held is None)

    def settle(self, now: float) -> None:
        """Time has passed."""
        if self.doubted_at is not None:
            self.doubted_at = min(self.doubted_at, now)  # the clock may be set back
            if now - self.doubted_at >= DOUBT_S:
                self.value = None


@dataclass(slots=True)
class Entry:
    """The last word on one topic; its cells are in the order of the row's fills."""

    match: Match
    cells: tuple[Cell, ...]
