"""The wallbox as last heard: keeps what the topics said and makes the state out of it.

Pure: batches of messages and instants in, state and changes out; no socket, clock or thread. Driven by
`edge/loops/mirror.py` alone, so it needs no lock. The dialect table says what a topic means.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.model import Number, SiteState, Snapshot, diff, flatten
from edge.assembly import EVERY_CHARGE_POINT, assemble
from edge.openwb.dialect import Dialect, Gate, Match
from edge.openwb.parsing import SkipReason, Unreadable, Value

METER_RESET_S = 600.0
"""A meter that fell is believed after so long. openWB's own fall to 0 at boot ends within some control loops."""

STALE_PATH = "meta.is_stale"
"""Its entry in `Snapshot.heard_at` is the instant of the last heartbeat."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A message that was dropped."""

    topic: str
    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Update:
    """What a batch brought: payloads as received, changed paths as `common.model.diff` has them, what was dropped."""

    raw: Mapping[str, str]
    changes: Mapping[str, Any]
    skipped: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """What Redis holds: the last snapshot (None: none, or unreadable), the raw mirror, the newest number in use."""

    snapshot: Snapshot | None
    raw: Mapping[str, str]
    last_seq: int


@dataclass(slots=True)
class _Entry:
    """The last word on one topic. `peak` is a meter's last believed reading, `fallen` a lower one held back."""

    match: Match
    value: Value = None
    heard_at: float = 0.0
    peak: Number | None = None
    fallen: Number | None = None
    fallen_at: float = 0.0


@dataclass(slots=True)
class Mirror:
    """Everything heard from one wallbox, at most one entry for each topic of the table.

    A meter reading below the last believed one is held back, since openWB's meters read 0 for a moment at boot: the old
    reading stays until the meter is back, or until it has been low, but not 0, for METER_RESET_S (a new meter).
    `stale_after_s` is the dialect's; the loop raises it while the clock runs fast.
    """

    dialect: Dialect
    stale_after_s: float = field(init=False)
    raw: dict[str, str] = field(default_factory=dict)
    beat_at: float | None = None
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _state: SiteState | None = None
    _seq: int | None = None
    _seq_floor: int = 0
    _updated_at: float = 0.0
    _is_stale: bool = True
    _new_beat_at: float | None = None

    def __post_init__(self) -> None:
        self.stale_after_s = self.dialect.stale_after_s

    def snapshot(self) -> Snapshot | None:
        """The state as known now; None while nothing was ever heard."""
        if self._state is None or self._seq is None:
            return None
        return Snapshot(seq=self._seq, updated_at=self._updated_at, state=self._state, heard_at=self._heard_at())

    def apply(self, messages: Mapping[str, bytes], now: float) -> Update:
        """Take in a batch: the last payload of each topic, in any order, heard at `now`."""
        raw: dict[str, str] = {}
        skipped: list[Skip] = []
        for topic, payload in messages.items():
            try:
                raw[topic] = self._hear(topic, payload, now)
            except Unreadable as unreadable:
                skipped.append(Skip(topic, unreadable.reason))
                continue
            if self._entries[topic].fallen is not None:
                skipped.append(Skip(topic, SkipReason.METER_FELL))
        if raw:
            self.raw.update(raw)
            self._updated_at = now
        return Update(raw, self._rebuild(now) if raw else {}, tuple(skipped))

    def tick(self, now: float) -> Mapping[str, Any]:
        """Judge what silence and time change, as often as once a second: staleness, and meters held back."""
        self._judge_staleness(now)
        for entry in self._entries.values():
            entry.fallen_at = min(entry.fallen_at, now)  # the clock may be set back
            if entry.fallen and now - entry.fallen_at >= METER_RESET_S:
                entry.value = entry.peak = entry.fallen
                entry.fallen = None
        return self._rebuild(now) if self._entries else {}

    def adopt(self, stored: Stored, now: float) -> None:
        """Take over what Redis holds from before, where nothing newer was heard, and number on from there.

        Afterwards the snapshot's number is the stored one only if its state is the stored one.
        """
        self._seq_floor = max(self._seq_floor, stored.last_seq)
        if stored.snapshot is not None:
            self._fill(stored.snapshot, stored.raw, now)
        if not self._entries:
            return
        state = self._assemble()
        if self._seq is None:
            self._seq = stored.last_seq
        elif state != self._state:
            self._seq += 1
        is_stored = stored.snapshot is not None and state == stored.snapshot.state
        self._seq = max(self._seq, stored.last_seq if is_stored else stored.last_seq + 1)
        self._state = state

    def _fill(self, snapshot: Snapshot, raw: Mapping[str, str], now: float) -> None:
        known = flatten(snapshot.state)
        some_charge_point = next(iter(snapshot.state.charge_points), "*")
        for topic, text in raw.items():
            match = self.dialect.match(topic)
            if match is None or topic in self._entries:
                continue
            leaf = (match.leaf or "").replace("*", some_charge_point)
            entry = _Entry(match, heard_at=snapshot.heard_at.get(leaf, snapshot.updated_at))
            if match.reading.is_meter:  # its payload may be one that was held back
                entry.value = entry.peak = known.get(leaf)
            try:
                _, value = match.reading.read(text.encode("utf-8", "replace"))
            except Unreadable:
                continue
            _take(entry, value, entry.heard_at)
            self._entries[topic], self.raw[topic] = entry, text
        self._updated_at = max(self._updated_at, snapshot.updated_at)
        if self.beat_at is None:
            self.beat_at = snapshot.heard_at.get(STALE_PATH)
            self._is_stale = False
            self._judge_staleness(now)

    def _hear(self, topic: str, payload: bytes, now: float) -> str:
        entry = self._entries.get(topic)
        is_new = entry is None
        if entry is None:
            match = self.dialect.match(topic)
            if match is None:
                raise Unreadable(SkipReason.NOT_ALLOWED)
            entry = _Entry(match)
        text, value = entry.match.reading.read(payload)
        if topic == self.dialect.heartbeat and value is not None and value != entry.value:
            self._beat(value, now)
        _take(entry, value, now)
        if is_new:
            self._entries[topic] = entry
        return text

    def _beat(self, value: Value, now: float) -> None:
        """A heartbeat that differs from the last one. The broker also keeps those of a wallbox that died meanwhile.

        So it counts when its own instant is recent, or, as the wallbox's clock may be wrong, when it is not the first
        new one.
        """
        is_recent = isinstance(value, int | float) and abs(now - value) <= self.stale_after_s
        follows = self._new_beat_at is not None and 0 <= now - self._new_beat_at <= self.stale_after_s
        self._new_beat_at = now
        if is_recent or follows:
            self.beat_at = now
            self._is_stale = False

    def _judge_staleness(self, now: float) -> None:
        if self.beat_at is not None:
            self.beat_at = min(self.beat_at, now)  # the clock may be set back
        if self.beat_at is None or now - self.beat_at > self.stale_after_s:
            self._is_stale = True

    def _rebuild(self, now: float) -> Mapping[str, Any]:
        state = self._assemble()
        if state == self._state:
            return {}
        changes = diff(self._state, state)
        self._seq = max(int(now * 1000), self._seq_floor + 1) if self._seq is None else self._seq + 1
        self._state = state
        return changes

    def _assemble(self) -> SiteState:
        values = {path: entry.value for path, entry in self._shown().items()}
        return assemble(self.dialect.generation, self._is_stale, values)

    def _heard_at(self) -> dict[str, float]:
        """By path of the state; of several topics that make one value the latest counts."""
        heard_at: dict[str, float] = {}
        if self.beat_at is not None:
            heard_at[STALE_PATH] = self.beat_at
        charge_points = self._state.charge_points if self._state is not None else ()
        for path, entry in self._shown().items():
            leaf = entry.match.leaf
            if leaf is None or entry.value is None:
                continue
            is_for_all = path.startswith(EVERY_CHARGE_POINT)
            for known in (leaf.replace("*", number) for number in charge_points) if is_for_all else (leaf,):
                heard_at[known] = max(entry.heard_at, heard_at.get(known, 0.0))
        return heard_at

    def _shown(self) -> dict[str, _Entry]:
        """By path: of the entries whose gates are open, the one of the highest rank."""
        shown: dict[str, _Entry] = {}
        for entry in self._entries.values():
            path = entry.match.path
            if path is None or not all(self._is_open(gate) for gate in entry.match.gates):
                continue
            rival = shown.get(path)
            if rival is None or rival.match.reading.rank < entry.match.reading.rank:
                shown[path] = entry
        return shown

    def _is_open(self, gate: Gate) -> bool:
        heard = [entry.value for topic in gate.topics if (entry := self._entries.get(topic)) is not None]
        known = [value for value in heard if value is not None]
        return any(value is True for value in known) if known else gate.when_unknown


def _take(entry: _Entry, value: Value, now: float) -> None:
    if entry.match.reading.is_meter and isinstance(value, int | float):
        if entry.peak is not None and value < entry.peak:
            if not entry.fallen:
                entry.fallen_at = now
            entry.fallen = value
            return
        entry.peak = value
    entry.fallen = None
    entry.value, entry.heard_at = value, now
