"""What a dialect is: a table that says which topics of one openWB generation mean what.

A table is data: topic → field of the state, how to read the payload, which values are plausible, and which of the
wallbox's own switches says that the field exists at all. The table is also the allow-list: what it does not name is
neither subscribed nor kept. `edge/mirror.py` interprets it; `v1.py` holds the table of openWB 1.9.

In a topic `{n}` stands for one whole level with a number (of a charge point, an inverter). A field is a path of
`common.model.flatten`, except that it goes one step further where several topics make one value: `grid.currents_a.0`,
`limit.type`, `fault.text`, and `pv.fault.{n}.level` for several faults of which the worst counts.
`charge_points.*.mode` holds for every charge point.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from edge.openwb.parsing import SkipReason, Unreadable, Value

LONGEST_PAYLOAD = 64 * 1024  # bytes; the longest payload of any named topic is a fault text of a few KiB

_PER_PHASE = re.compile(r"\.[0-2]$")
_COMPOSED = re.compile(r"\.(limit|fault)\..*$")


@dataclass(frozen=True, slots=True)
class Gate:
    """Open while any of `topics` reads true; `when_unknown` counts when none of them was heard."""

    topics: tuple[str, ...]
    when_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """Plausible values, both ends included."""

    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Reading:
    """One row: `topic` fills `field` (None: kept for the mirror, gates and heartbeat only).

    `numbers` are those that `{n}` may be. Of several rows with the same field the one with the highest `rank`
    counts, among those whose gates are all open. A `is_meter` value only grows, see `Mirror`.
    """

    topic: str
    field: str | None
    parse: Callable[[str], Value]
    plausible: Range | None = None
    gates: tuple[Gate, ...] = ()
    rank: int = 0
    is_meter: bool = False
    numbers: range = range(1, 9)

    def read(self, payload: bytes) -> tuple[str, Value]:
        """The payload as text and as value; None is unknown: empty, a single space, or said to be so.

        Raises Unreadable, and nothing else, whatever the bytes are.
        """
        if len(payload) > LONGEST_PAYLOAD:
            raise Unreadable(SkipReason.TOO_BIG)
        try:
            text = payload.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise Unreadable(SkipReason.NOT_TEXT) from exc
        stripped = text.strip()
        value = self.parse(stripped) if stripped else None
        if (
            self.plausible is not None
            and isinstance(value, int | float)
            and not self.plausible.lowest <= value <= self.plausible.highest
        ):
            raise Unreadable(SkipReason.OUT_OF_RANGE)
        return text, value


@dataclass(frozen=True, slots=True)
class Match:
    """A row with its number filled in. `leaf` is the path in the state that the row's value becomes a part of."""

    reading: Reading
    path: str | None
    leaf: str | None
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """`heartbeat` is a topic of the table whose payload is the wallbox's clock in Unix seconds.

    Without a new heartbeat for `stale_after_s` the site is stale.
    """

    generation: str
    readings: tuple[Reading, ...]
    heartbeat: str
    stale_after_s: float
    _by_pattern: dict[str, Reading] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_pattern", {reading.topic: reading for reading in self.readings})

    def subscriptions(self) -> tuple[str, ...]:
        """One filter a row, as narrow as MQTT can say it."""
        return tuple(sorted(pattern.replace("{n}", "+") for pattern in self._by_pattern))

    def is_allowed(self, topic: str) -> bool:
        """Whether the table names this topic."""
        return self._row(topic) is not None

    def match(self, topic: str) -> Match | None:
        """The row of a concrete topic, or None when the table does not name it."""
        row = self._row(topic)
        if row is None:
            return None
        reading, number = row
        path = None if reading.field is None else reading.field.replace("{n}", number)
        gates = tuple(
            Gate(tuple(name.replace("{n}", number) for name in gate.topics), gate.when_unknown)
            for gate in reading.gates
        )
        return Match(reading, path, None if path is None else leaf_of(path), gates)

    def _row(self, topic: str) -> tuple[Reading, str] | None:
        reading = self._by_pattern.get(topic)
        if reading is not None:
            return reading, ""
        levels = topic.split("/")
        numbers = [level for level in levels if _is_canonical_number(level)]
        if len(numbers) != 1:
            return None
        number = numbers[0]
        reading = self._by_pattern.get("/".join("{n}" if level == number else level for level in levels))
        if reading is None or int(number) not in reading.numbers:
            return None
        return reading, number


def leaf_of(path: str) -> str:
    """The path in the state of which `path` is a part: `grid.currents_a.0` → `grid.currents_a`."""
    return _COMPOSED.sub(r".\1", _PER_PHASE.sub("", path))


def _is_canonical_number(level: str) -> bool:
    return level.isascii() and level.isdecimal() and len(level) <= 4 and (level == "0" or level[0] != "0")
