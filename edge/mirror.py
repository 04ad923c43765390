"""The wallbox as last heard: keeps what the topics said and makes the state out of it.

Pure: batches of messages and instants in, state and changes out; no socket, clock or thread. Driven by
`edge/loops/mirror.py` alone, so it needs no lock. The dialect table says what a topic means.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from common.meters import Meter, OddReading
from common.model import SiteState, Snapshot, diff_of_paths, flatten
from edge import meters as judging
from edge.assembly import EVERY_CHARGE_POINT, assemble
from edge.cells import Cell, Entry
from edge.metering import Metering
from edge.openwb.dialect import Dialect, Heard, Match
from edge.openwb.parsing import SkipReason, Unreadable, Value
from edge.openwb.pulse import Pulse

MOST_TOPICS = 5_000
"""Topics kept; a 2.x with fifty charge points has two thousand. Whoever floods the broker with more is not heard."""

FACT = "fact."
CHARGE_POINTS = "charge_points."
STALE_PATH = "meta.is_stale"
"""Its entry in `Snapshot.heard_at` is the instant of the last heartbeat."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A message that was dropped."""

    topic: str
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Update:
    """What a batch brought: what may be seen of the payloads, changed paths as `common.model.diff` has them, what was
    dropped. `whole` is `raw` with all that commands write back; it stays in the process."""

    raw: Mapping[str, str]
    whole: Mapping[str, str]
    changes: Mapping[str, Any]
    skipped: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What Redis holds: the last snapshot (None: none, or unreadable), the raw mirror, the newest number in use."""

    snapshot: Snapshot | None
    raw: Mapping[str, str]
    last_seq: int


class Mirror:
    """Everything heard from one wallbox, at most one entry for each topic of the table.

    Of a meter it shows the reading that is believed (edge/meters.py), and of a charge point's also one that is not.
    `stale_after_s` is the dialect's; the loop raises it while the clock runs fast.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._seq: int | None = None
        self._seq_floor = 0
        self._updated_at = 0.0
        self._state: SiteState | None = None
        self._paths: Mapping[str, Any] | None = None  # of the state `_paths_of`, kept for the next comparison
        self._paths_of: SiteState | None = None
        self._forget(dialect)

    @property
    def dialect(self) -> Dialect:
        return self._dialect

    @property
    def stale_after_s(self) -> float:
        return self._pulse.stale_after_s

    @stale_after_s.setter
    def stale_after_s(self, seconds: float) -> None:
        self._pulse.stale_after_s = seconds

    @property
    def beat_at(self) -> float | None:
        """The instant of the last heartbeat."""
        return self._pulse.beat_at

    def snapshot(self, *, has_ages: bool = True) -> Snapshot | None:
        """The state as known now; None while nothing was ever heard. Without `has_ages` it comes without `heard_at`."""
        if self._state is None or self._seq is None:
            return None
        return Snapshot(
            seq=self._seq,
            updated_at=self._updated_at,
            state=self._state,
            heard_at=self._heard_at() if has_ages else {},
            meters={path: cell.meter for path, cell in self._last_shown.items() if cell.meter is not None},
            odd_readings=self._metering.odd_readings(),
        )

    def recall(self, meters: Mapping[str, Meter], odd_readings: Iterable[OddReading]) -> None:
        """Know what `Snapshot.meters` and `Snapshot.odd_readings` said before a restart; before anything is heard."""
        self._metering.recall(meters, odd_readings)

    def number_event(self) -> int | None:
        """The next number, for an event that changes no value; None while nothing was ever heard."""
        if self._seq is not None:
            self._seq += 1
        return self._seq

    def speak(self, dialect: Dialect, now: float) -> None:
        """Listen to another generation from now on. Of the old one nothing stays but the numbering."""
        had_state, before = self._state is not None, self._metering
        self._forget(dialect)
        self._metering.recall(before.recalled(), before.odd_readings())
        if had_state:
            self._rebuild(now)

    def apply(self, messages: Mapping[str, bytes], now: float) -> Update:
        """Take in a batch: the last payload of each topic, in any order, heard at `now`."""
        raw: dict[str, str] = {}
        whole: dict[str, str] = {}
        skipped: list[Skip] = []
        for topic, payload in messages.items():
            try:
                heard = self._hear(topic, payload, now, skipped)
                raw[topic], whole[topic] = heard.text, heard.whole
            except Unreadable as unreadable:
                skipped.append(Skip(topic, unreadable.reason))
        if raw:
            self.raw.update(raw)
            self._updated_at = now
        for topic in raw:
            if self._judge(topic, now):
                skipped.append(Skip(topic, SkipReason.METER_ODD))
        return Update(raw, whole, self._rebuild(now) if raw else {}, tuple(skipped))

    def tick(self, now: float) -> Mapping[str, Any]:
        """Judge what silence and time change, as often as once a second: staleness, doubt, meters, the price."""
        self._is_silent = not self._pulse.is_beating(now)
        for entry in self._entries.values():
            for cell in entry.cells:
                cell.settle(now)
                if not self._is_silent and cell.meter is not None:
                    is_shown = self._last_shown.get(cell.place.path) is cell
                    self._metering.wait(cell, now, self.stale_after_s, is_shown=is_shown)
        self._metering.forget(now)
        return self._rebuild(now) if self._entries else {}

    def adopt(self, stored: Stored, now: float) -> None:
        """Take over what Redis holds from before, where nothing newer was heard, and number on from there.

        Afterwards the snapshot's number is the stored one only if its state is the stored one. Of another generation's
        state only the number counts, and it is replaced by one in which nothing is known.
        """
        self._seq_floor = max(self._seq_floor, stored.last_seq)
        snapshot = stored.snapshot
        is_foreign = snapshot is not None and snapshot.state.meta.generation != self._dialect.generation
        if snapshot is not None and is_foreign:
            self._updated_at = max(self._updated_at, snapshot.updated_at)
        elif snapshot is not None:
            self._fill(snapshot, stored.raw, now)
        if not self._entries and not is_foreign:
            return
        state = self._assemble(now)
        if self._seq is None:
            self._seq = stored.last_seq
        elif state != self._state:
            self._seq += 1
        is_stored = snapshot is not None and state == snapshot.state
        self._seq = max(self._seq, stored.last_seq if is_stored else stored.last_seq + 1)
        self._state = state

    def _forget(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._pulse = Pulse(dialect.stale_after_s)
        self._is_silent = True
        self._entries: dict[str, Entry] = {}
        self._cells: dict[str, list[Cell]] = {}  # by path, the preferred one first
        self._last_shown: dict[str, Cell] = {}
        self._metering = Metering(self._cells)
        self.raw: dict[str, str] = {}

    def _fill(self, snapshot: Snapshot, raw: Mapping[str, str], now: float) -> None:
        self._metering.recall(snapshot.meters, snapshot.odd_readings)
        some_charge_point = next(iter(snapshot.state.charge_points), "*")
        filled: list[tuple[Cell, str]] = []
        for topic, text in raw.items():
            match = self._dialect.match(topic)
            if match is None or topic in self._entries or len(self._entries) >= MOST_TOPICS:
                continue
            try:
                heard = match.reading.read(text.encode("utf-8", "replace"))
            except Unreadable:
                continue
            entry = self._add(topic, match)
            for number, (cell, value) in enumerate(zip(entry.cells, heard.values, strict=True)):
                leaf = cell.place.leaf.replace("*", some_charge_point)
                heard_at = snapshot.heard_at.get(leaf, snapshot.updated_at)
                if number in heard.faults:
                    cell.doubt(heard_at)
                    continue
                cell.take(value, heard_at)
                if cell.word is not None and not self._metering.restore(cell, heard_at):
                    cell.value, cell.heard_at = value, heard_at
                filled.append((cell, leaf))
            if topic == self._dialect.heartbeat:
                self._pulse.know(heard.values[0])
            self.raw[topic] = heard.text
        self._last_shown = shown = self._shown()
        known = flatten(snapshot.state)
        for cell, leaf in filled:
            believed, place = known.get(leaf), cell.place
            part = place.path.removeprefix(place.leaf).lstrip(".")
            if shown.get(place.path) is not cell or "*" in leaf or (part and not part.isdecimal()):
                continue
            if part and isinstance(believed, tuple):
                believed = believed[int(part)]
            if believed is None:  # a later word on it was none that could be read
                cell.value, cell.doubted_at = None, cell.heard_at
            elif cell.word is not None and isinstance(believed, int | float):
                cell.value, cell.meter = believed, judging.first(cell.source, believed, cell.heard_at)
        for cell in (cell for rivals in self._cells.values() for cell in rivals if cell.word is not None):
            self._metering.hear(cell, cell.heard_at, self.stale_after_s, is_shown=shown.get(cell.place.path) is cell)
        self._updated_at = max(self._updated_at, snapshot.updated_at)
        if self._pulse.beat_at is None:
            self._pulse.beat_at = snapshot.heard_at.get(STALE_PATH)
            self._is_silent = not self._pulse.is_beating(now)

    def _hear(self, topic: str, payload: bytes, now: float, skipped: list[Skip]) -> Heard:
        entry = self._entries.get(topic)
        if entry is None:
            match = self._dialect.match(topic)
            if match is None:
                raise Unreadable(SkipReason.NOT_ALLOWED)
            if len(self._entries) >= MOST_TOPICS:
                raise Unreadable(SkipReason.TOO_MANY_TOPICS)
        else:
            match = entry.match
        try:
            heard = match.reading.read(payload)
        except Unreadable:
            for cell in entry.cells if entry is not None else ():
                cell.doubt(now)
            raise
        if entry is None:
            entry = self._add(topic, match)
        for number, (cell, value) in enumerate(zip(entry.cells, heard.values, strict=True)):
            if number in heard.faults:
                skipped.append(Skip(topic, heard.faults[number]))
                cell.doubt(now)
                continue
            cell.take(value, now)
        instant = heard.values[0]
        if topic == self._dialect.heartbeat and isinstance(instant, int | float) and self._pulse.hear(instant, now):
            self._is_silent = False
        return heard

    def _judge(self, topic: str, now: float) -> bool:
        """Have the meters of a topic judged, when all of a batch was heard: powers are evidence. Whether one is odd."""
        odd = [
            self._metering.hear(cell, now, self.stale_after_s, is_shown=self._last_shown.get(cell.place.path) is cell)
            for cell in self._entries[topic].cells
        ]
        return any(odd)

    def _add(self, topic: str, match: Match) -> Entry:
        entry = self._entries[topic] = Entry(match, tuple(Cell(place, topic) for place in match.places))
        for cell in entry.cells:
            rivals = self._cells.setdefault(cell.place.path, [])
            rivals.append(cell)
            rivals.sort(key=lambda rival: -rival.place.fill.rank)
        return entry

    def _rebuild(self, now: float) -> Mapping[str, Any]:
        state = self._assemble(now)
        if state == self._state:
            return {}
        paths = flatten(state)
        if self._paths is None or self._paths_of is not self._state:
            self._paths = flatten(self._state) if self._state is not None else {}
        changes = diff_of_paths(self._paths, paths)
        self._seq = max(int(now * 1000), self._seq_floor + 1) if self._seq is None else self._seq + 1
        self._state = self._paths_of = state
        self._paths = paths
        return changes

    def _assemble(self, now: float) -> SiteState:
        dialect, look = self._dialect, self._look
        self._last_shown = self._shown()
        values: dict[str, Value] = {path: cell.value for path, cell in self._last_shown.items()}
        for path, cell in self._last_shown.items():
            if cell.meter is not None and cell.meter.held is not None and path.startswith(CHARGE_POINTS):
                values[path.replace(".meter_wh", ".odd_meter_wh")] = cell.meter.held.last_wh
        is_stale = self._is_silent or not all(gate.is_open(look) for gate in dialect.awake)
        return assemble(dialect.generation, is_stale, values, lambda number: dialect.capabilities(number, look), now)

    def _heard_at(self) -> dict[str, float]:
        """By path of the state when its value was last confirmed; of several topics that make one the latest counts."""
        heard_at: dict[str, float] = {}
        confirmed_at = (self._pulse.beat_at or 0.0) if self._dialect.tells_changes_only else 0.0
        if self._pulse.beat_at is not None:
            heard_at[STALE_PATH] = self._pulse.beat_at
        charge_points = self._state.charge_points if self._state is not None else ()
        for path, cell in self._last_shown.items():
            if cell.value is None:
                continue
            leaf = cell.place.leaf
            is_for_all = path.startswith(EVERY_CHARGE_POINT)
            for known in (leaf.replace("*", number) for number in charge_points) if is_for_all else (leaf,):
                at = max(cell.heard_at, confirmed_at) if cell.is_sure else cell.heard_at
                heard_at[known] = max(at, heard_at.get(known, 0.0))
        return heard_at

    def _shown(self) -> dict[str, Cell]:
        """By path of the state: of the known values whose gates are open, the preferred one.

        If none is known, one of which the last word could not be read: its part of the state is there nevertheless.
        """
        shown: dict[str, Cell] = {}
        look = self._look
        for path, rivals in self._cells.items():
            if path.startswith(FACT):
                continue
            for cell in rivals:
                is_candidate = cell.value is not None or (cell.doubted_at is not None and path not in shown)
                if is_candidate and all(gate.is_open(look) for gate in cell.place.gates):
                    shown[path] = cell
                    if cell.value is not None:
                        break
        return shown

    def _look(self, path: str) -> Value:
        for cell in self._cells.get(path, ()):
            if cell.value is not None:
                return cell.value
        return None
