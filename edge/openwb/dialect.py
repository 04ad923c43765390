"""What a dialect is: a table that says which topics of one openWB generation mean what.

A table is data: topic → values, and for each value its place in the state, how to read it, what is plausible, and which
of the wallbox's own switches says that it exists at all. The table is also the allow-list: what it does not name is
neither subscribed nor kept. `edge/mirror.py` interprets it; `v1.py` and `v2.py` hold the tables.

In a topic `{n}` stands for one whole level with a number (of a charge point, a counter), and `{d}` for one before it
that does not matter (of the device that a counter belongs to). A field is a path of `common.model.flatten`, except that
it goes one step further where several topics make one value: `grid.currents_a.0`, `limit.type`, `fault.text`,
`pv.fault.{n}.level` for several faults of which the worst count, and `pv.units.{n}.power_w` for what adds up to
`pv.power_w` where the wallbox does not say the sum. `charge_points.*.mode` holds for every charge point. Fields that
begin with `fact.` are not part of the state: gates and capabilities look at them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from common.model import Capabilities
from edge.openwb.discretion import discreet_content
from edge.openwb.json_values import is_object
from edge.openwb.parsing import SkipReason, Unreadable, Value

LONGEST_PAYLOAD = 64 * 1024  # bytes; the longest payload of any named topic is a template with plans, of some KiB

Look = Callable[[str], Value]
"""The value known at a path, gates set aside; None is unknown."""

_PER_PHASE = re.compile(r"\.[0-2]$")
_COMPOSED = re.compile(r"\.(limit|fault|soc_fault)\..*$")
_UNIT = re.compile(r"\.units\.[0-9]+\.")


@dataclass(frozen=True, slots=True)
class Gate:
    """Open while any of `paths` is `wanted`: equal to it, or a set that holds it. Not `must`: while none of them is.

    `when_unknown` counts when none of them is known. Paths are read without regard to their own gates.
    """

    paths: tuple[str, ...]
    wanted: Value = True
    when_unknown: bool = False
    must: bool = True

    def is_open(self, look: Look) -> bool:
        is_known = False
        for path in self.paths:
            value = look(path)
            if value is None:
                continue
            if value == self.wanted or (isinstance(value, frozenset) and self.wanted in value):
                return self.must
            is_known = True
        return not self.must if is_known else self.when_unknown

    def numbered(self, number: str) -> "Gate":
        """With `{n}` filled in."""
        wanted = number if self.wanted == "{n}" else self.wanted
        paths = tuple(path.replace("{n}", number) for path in self.paths)
        return Gate(paths, wanted, self.when_unknown, self.must)


@dataclass(frozen=True, slots=True)
class Range:
    """Plausible values, both ends included."""

    lowest: float
    highest: float

    def check(self, value: Value) -> None:
        """Raises Unreadable for a number, or one of several, that is outside."""
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, int | float) and not self.lowest <= part <= self.highest:
                raise Unreadable(SkipReason.OUT_OF_RANGE)


@dataclass(frozen=True, slots=True)
class Fill:
    """One value that a topic brings: `parse` makes it out of the decoded payload, `field` takes it.

    Of several known values with the same field the one with the highest `rank` counts, among those whose gates are all
    open. A `is_meter` value only grows, see `Mirror`. An emptied topic leaves `when_empty`.
    """

    field: str
    parse: Callable[[Any], Value]
    plausible: Range | None = None
    gates: tuple[Gate, ...] = ()
    rank: int = 0
    is_meter: bool = False
    when_empty: Value = None

    def read(self, content: Any) -> Value:
        """Raises Unreadable, and nothing else."""
        value = self.parse(content)
        if self.plausible is not None:
            self.plausible.check(value)
        return value


def plain(content: Any) -> Any:
    """The same again."""
    return content


@dataclass(frozen=True, slots=True)
class Reading:
    """One row: a topic and what it brings. `numbers` are those that `{n}` may be.

    `decode` makes text into content, `encode` the reverse. Of an object only the members in `kept` are seen (None: it
    is none, or `cut` knows its members); the others are secret, or nobody's business. `cut` makes of the content what
    may be seen of it: the fills' `parse` and the raw mirror get what it leaves. What `is_written_back` is also handed
    on as it came, for commands, since the wallbox takes it as a whole only.
    """

    topic: str
    fills: tuple[Fill, ...]
    decode: Callable[[str], Any] = plain
    encode: Callable[[Any], str] = plain
    kept: frozenset[str] | None = None
    cut: Callable[[Any], Any] = discreet_content
    numbers: range = range(1, 9)
    is_written_back: bool = False

    def read(self, payload: bytes) -> "Heard":
        """What the payload says; unknown is None: empty, a single space, or said to be so.

        Raises Unreadable, and nothing else, when nothing of it can be used.
        """
        if len(payload) > LONGEST_PAYLOAD:
            raise Unreadable(SkipReason.TOO_BIG)
        try:
            text = payload.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise Unreadable(SkipReason.NOT_TEXT) from exc
        stripped = text.strip()
        if not stripped:
            return Heard(text, text, tuple(fill.when_empty for fill in self.fills))
        content = self.decode(stripped)
        if content is None:
            return Heard(text, text, (None,) * len(self.fills))
        whole = text
        if not isinstance(content, int | float):
            content = self._seen(content)
            text = self.encode(content)
        values: list[Value] = []
        faults: dict[int, SkipReason] = {}
        for number, fill in enumerate(self.fills):
            try:
                values.append(fill.read(content))
            except Unreadable as unreadable:
                values.append(None)
                faults[number] = unreadable.reason
        if len(faults) == len(values):
            raise Unreadable(faults[0])
        return Heard(text, whole if self.is_written_back else text, tuple(values), faults)

    def _seen(self, content: Any) -> Any:
        if self.kept is None:
            return self.cut(content)
        if not is_object(content):
            raise Unreadable(SkipReason.NOT_AN_OBJECT)
        return self.cut({name: value for name, value in content.items() if name in self.kept})


@dataclass(frozen=True, slots=True)
class Heard:
    """What one payload said: `text` for the raw mirror, `values` in the order of the row's fills.

    `whole` is for commands alone: what they write back has all members, `text` those that may be seen. `faults` say by
    the fill's number why a part could not be read; its value says nothing.
    """

    text: str
    whole: str
    values: tuple[Value, ...]
    faults: Mapping[int, SkipReason] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A fill with its number filled in. `leaf` is the path in the state that the value becomes a part of."""

    fill: Fill
    path: str
    leaf: str
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A row with its number filled in; `places` are in the order of the row's fills."""

    reading: Reading
    places: tuple[Place, ...]


def no_capabilities(_number: str, _look: Look) -> Capabilities:
    return Capabilities()


@dataclass(frozen=True, slots=True)
class Dialect:
    """`heartbeat` is a topic of the table whose payload, its first fill, is the wallbox's clock in Unix seconds.

    Without a new heartbeat for `stale_after_s`, or while one of the gates `awake` is closed, the site is stale.
    `tells_changes_only`: each of its control loops tells what changed and then beats, so a beat confirms all else.
    `capabilities` says what can be done at a charge point.
    """

    generation: str
    readings: tuple[Reading, ...]
    heartbeat: str
    stale_after_s: float
    awake: tuple[Gate, ...] = ()
    tells_changes_only: bool = False
    capabilities: Callable[[str, Look], Capabilities] = no_capabilities
    _by_pattern: dict[str, Reading] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_pattern", {reading.topic: reading for reading in self.readings})

    def subscriptions(self) -> tuple[str, ...]:
        """One filter a row, as narrow as MQTT can say it."""
        return tuple(sorted(pattern.replace("{n}", "+").replace("{d}", "+") for pattern in self._by_pattern))

    def is_allowed(self, topic: str) -> bool:
        """Whether the table names this topic."""
        return self._row(topic) is not None

    def match(self, topic: str) -> Match | None:
        """The row of a concrete topic, or None when the table does not name it."""
        row = self._row(topic)
        if row is None:
            return None
        reading, number = row
        places = []
        for fill in reading.fills:
            path = fill.field.replace("{n}", number)
            places.append(Place(fill, path, leaf_of(path), tuple(gate.numbered(number) for gate in fill.gates)))
        return Match(reading, tuple(places))

    def _row(self, topic: str) -> tuple[Reading, str] | None:
        reading = self._by_pattern.get(topic)
        if reading is not None and "{" not in topic:
            return reading, ""
        levels = topic.split("/")
        places = [place for place, level in enumerate(levels) if _is_canonical_number(level)]
        if not 1 <= len(places) <= 2:
            return None
        number = levels[places[-1]]  # the one of the innermost part
        for place, name in zip(reversed(places), ("{n}", "{d}"), strict=False):
            levels[place] = name
        reading = self._by_pattern.get("/".join(levels))
        if reading is None or int(number) not in reading.numbers:
            return None
        return reading, number


def leaf_of(path: str) -> str:
    """The path in the state of which `path` is a part: `grid.currents_a.0` → `grid.currents_a`."""
    return _COMPOSED.sub(r".\1", _UNIT.sub(".", _PER_PHASE.sub("", path)))


def _is_canonical_number(level: str) -> bool:
    return level.isascii() and level.isdecimal() and len(level) <= 4 and (level == "0" or level[0] != "0")
