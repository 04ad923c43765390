"""The mirror loop against a Redis that fails, forgets and returns: nothing is lost and numbers only grow."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from common.backoff import Backoff
from common.clock import Clock, SystemClock
from common.errors import RedisUnavailable
from common.health import Health, Status
from common.model import Snapshot
from edge.loops.mirror import MOST_EVENTS, MirrorLoop
from edge.mirror import Mirror, Stored
from edge.openwb.v1 import DIALECT
from tests.kit.waiting import eventually

_PART = {"Timestamp": "system"}


class Source:
    """Batches put in by the test; `take` never waits long."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._messages: dict[str, bytes] = {}
        self.is_allowed: Callable[[str], bool] = DIALECT.is_allowed

    def listen(self, _subscriptions: Sequence[str], is_allowed: Callable[[str], bool]) -> None:
        self.is_allowed = is_allowed

    def wake(self) -> None:
        """It never waits long."""

    def put(self, **messages: str) -> None:
        with self._arrived:
            self._messages |= {
                f"openWB/{_PART.get(name, 'evu')}/{name}": text.encode() for name, text in messages.items()
            }
            self._arrived.notify()

    def take(self, timeout_s: float) -> Mapping[str, bytes]:
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._messages), min(timeout_s, 0.02))
            batch, self._messages = self._messages, {}
            return batch


class Store:
    """Redis in memory, with knobs: `is_down`, `lose_everything()`."""

    def __init__(self) -> None:
        self.is_down = False
        self.found_lost = 0
        self.snapshot: Snapshot | None = None
        self.raw: dict[str, str] = {}
        self.entries: list[tuple[int, Mapping[str, Any]]] = []

    def lose_everything(self) -> None:
        self.snapshot, self.raw, self.entries = None, {}, []

    def load(self) -> Stored:
        self._answer()
        newest = self.entries[-1][0] if self.entries else 0
        return Stored(self.snapshot, dict(self.raw), max(newest, self.snapshot.seq if self.snapshot else 0))

    def write(self, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any], now: float) -> bool:
        self._answer()
        was_there = self.snapshot is not None
        self.found_lost += not was_there
        self._take(raw, snapshot, changes)
        return was_there

    def replace(self, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any], now: float) -> None:
        self._answer()
        self.raw = {}
        self._take(raw, snapshot, changes)

    def tell(self, events: Sequence[tuple[int, Mapping[str, Any]]], snapshot: Snapshot) -> None:
        self._answer()
        for number, event in events:
            if self.entries and number <= self.entries[-1][0]:
                raise RedisUnavailable("the ID is equal or smaller than the top item")
            self.entries.append((number, {"event": event}))
        self.snapshot = snapshot

    def holds_state(self) -> bool:
        self._answer()
        return self.snapshot is not None

    def _take(self, raw: Mapping[str, str], snapshot: Snapshot, changes: Mapping[str, Any]) -> None:
        if changes:
            if self.entries and snapshot.seq <= self.entries[-1][0]:
                raise RedisUnavailable("the ID is equal or smaller than the top item")
            self.entries.append((snapshot.seq, dict(changes)))
        self.raw |= raw
        self.snapshot = snapshot

    def _answer(self) -> None:
        if self.is_down:
            raise RedisUnavailable("Redis does not answer")


class Rig:
    def __init__(self, store: Store, clock: Clock) -> None:
        self.source, self.store = Source(), store
        self.health = Health(clock)
        backoff = Backoff(first_s=0.01, longest_s=0.02)
        self.loop = MirrorLoop(self.source, store, Mirror(DIALECT), self.health, clock, backoff)

    def grid_power(self) -> object:
        snapshot = self.store.snapshot
        return snapshot.state.grid.power_w if snapshot and snapshot.state.grid else None


@contextmanager
def _running(store: Store, clock: Clock | None = None) -> Iterator[Rig]:
    rig, stop = Rig(store, clock or SystemClock()), threading.Event()
    thread = threading.Thread(target=rig.loop.run, args=(stop,))
    thread.start()
    try:
        yield rig
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive()


def test_what_is_heard_is_written() -> None:
    """Raw payload, state, and one entry with the change."""
    with _running(Store()) as rig:
        rig.source.put(W="215")
        eventually(lambda: rig.grid_power() == 215)
        assert rig.store.raw == {"openWB/evu/W": "215"}
        assert rig.store.entries[-1][1]["grid.power_w"] == 215
        assert rig.loop.current_state() == rig.store.snapshot
        assert rig.health.components()["redis"].status is Status.OK
        assert rig.store.found_lost == 0  # an empty Redis has lost nothing


def test_nothing_is_written_before_anything_is_heard() -> None:
    """An empty state would say that the site has nothing."""
    with _running(Store()) as rig:
        eventually(lambda: rig.health.components().get("redis", None) is not None)
        eventually(lambda: rig.health.components()["redis"].status is Status.OK)
        assert rig.store.snapshot is None
        assert rig.loop.current_state() is None


def test_an_outage_is_made_up_for_in_one_entry() -> None:
    """Meanwhile the state lives in memory; afterwards the stream has the difference, under a newer number."""
    with _running(Store()) as rig:
        rig.source.put(W="1", Hz="50.0")
        eventually(lambda: rig.grid_power() == 1)
        before = rig.store.entries[-1][0]
        rig.store.is_down = True
        for power in ("2", "3", "4"):
            rig.source.put(W=power)
            eventually(lambda power=power: _power(rig.loop.current_state()) == int(power))  # type: ignore[misc]
        eventually(lambda: rig.health.components()["redis"].status is Status.FAILING)
        rig.store.is_down = False
        eventually(lambda: rig.grid_power() == 4)
        (seq, changes) = rig.store.entries[-1]
        assert changes == {"grid.power_w": 4}
        assert seq > before
        assert rig.store.snapshot is not None
        assert rig.store.snapshot.seq == seq
        eventually(lambda: rig.health.components()["redis"].status is Status.OK)


def test_lost_data_is_written_again_as_a_whole() -> None:
    """Also what did not change since, and the number does not start over."""
    with _running(Store()) as rig:
        rig.source.put(W="1", Hz="50.0")
        eventually(lambda: rig.grid_power() == 1)
        before = rig.store.entries[-1][0]
        rig.store.lose_everything()
        rig.source.put(W="2")
        eventually(lambda: rig.store.raw == {"openWB/evu/W": "2", "openWB/evu/Hz": "50.0"})
        eventually(lambda: rig.grid_power() == 2)  # the store takes the snapshot last
        assert rig.store.snapshot is not None
        assert rig.store.snapshot.seq > before


def test_data_lost_in_an_outage_is_told_to_listeners_as_a_whole() -> None:
    """The stream is empty then; one entry brings everything."""
    with _running(Store()) as rig:
        rig.source.put(W="1", Hz="50.0")
        eventually(lambda: rig.grid_power() == 1)
        rig.store.is_down = True
        rig.source.put(W="2")
        eventually(lambda: rig.health.components()["redis"].status is Status.FAILING)
        rig.store.lose_everything()
        rig.store.is_down = False
        eventually(lambda: rig.grid_power() == 2)
        assert rig.store.entries[-1][1]["grid.frequency_hz"] == 50.0


def test_a_restart_goes_on_with_what_redis_holds() -> None:
    """The state is there before the broker says anything, and what is said again is no change."""
    store = Store()
    with _running(store) as rig:
        rig.source.put(W="1", Hz="50.0")
        eventually(lambda: rig.grid_power() == 1)
    entries = list(store.entries)
    with _running(store) as rig:
        eventually(lambda: _power(rig.loop.current_state()) == 1)
        rig.source.put(Hz="50.0")
        eventually(lambda: rig.health.counters().get("mqtt_messages_mirrored") == 1)
        assert store.entries == entries
        rig.source.put(W="5")
        eventually(lambda: rig.grid_power() == 5)
        assert store.entries[-1] == (entries[-1][0] + 1, {"grid.power_w": 5})


def test_a_redis_that_comes_late_is_taken_over() -> None:
    """Started without Redis: the first contact reads the old numbers before anything is written."""
    store = Store()
    with _running(store) as rig:
        rig.source.put(W="1", Hz="50.0")
        eventually(lambda: rig.grid_power() == 1)
    newest = 10**15
    store.entries.append((newest, {"grid.power_w": 1}))
    store.is_down = True
    with _running(store) as rig:
        rig.source.put(W="2")
        eventually(lambda: _power(rig.loop.current_state()) == 2)
        store.is_down = False
        eventually(lambda: rig.grid_power() == 2)
        assert store.entries[-1] == (newest + 1, {"grid.power_w": 2})
        assert store.raw["openWB/evu/Hz"] == "50.0"


def test_bad_messages_are_counted_and_the_rest_goes_on() -> None:
    """Each reason has its counter."""
    with _running(Store()) as rig:
        rig.source.put(W="what", Hz="1000", VPhase1="230")
        eventually(lambda: rig.store.snapshot)
        counters = rig.health.counters()
        assert counters["mqtt_skipped_not_a_number"] == 1
        assert counters["mqtt_skipped_out_of_range"] == 1
        assert rig.store.raw == {"openWB/evu/VPhase1": "230"}


class FastClock:
    """A clock that the test moves, and that says it runs 1000 times as fast."""

    def __init__(self) -> None:
        self.instant = 1_752_816_614.0
        self.asked = 0

    def now(self) -> float:
        self.asked += 1
        return self.instant

    def real_seconds_until(self, instant: float) -> float:
        return max(0.0, instant - self.instant) / 1000


def test_a_fast_clock_does_not_make_a_living_wallbox_stale() -> None:
    """At 1000 times the speed a minute is 60 ms, less than a batch takes; two real seconds of silence are stale."""
    clock = FastClock()
    with _running(Store(), clock) as rig:
        rig.source.put(Timestamp=str(int(clock.instant) - 100))
        eventually(lambda: rig.store.snapshot)
        clock.instant += 1900
        asked = clock.asked
        eventually(lambda: clock.asked > asked + 50, what="the loop going on, past a tick")
        assert not _is_stale(rig)
        clock.instant += 200
        eventually(lambda: _is_stale(rig))


def _is_stale(rig: Rig) -> bool:
    snapshot = rig.loop.current_state()
    return snapshot is None or snapshot.state.meta.is_stale


def _power(snapshot: Snapshot | None) -> object:
    return snapshot.state.grid.power_w if snapshot and snapshot.state.grid else None


def test_an_announced_event_gets_the_next_number() -> None:
    """After the changes before it, and before those after it; the snapshot's number follows."""
    with _running(Store()) as rig:
        rig.source.put(W="1")
        eventually(lambda: rig.grid_power() == 1)
        rig.loop.announce({"type": "command"})
        eventually(lambda: rig.store.entries[-1][1].get("event", {}).get("type") == "command")
        number = rig.store.entries[-1][0]
        eventually(lambda: rig.store.snapshot is not None and rig.store.snapshot.seq == number)  # it is taken last
        rig.source.put(W="2")
        eventually(lambda: rig.grid_power() == 2)
        assert rig.store.entries[-1][0] > number
        numbers = [number for number, _ in rig.store.entries]
        assert numbers == sorted(set(numbers))


def test_events_wait_for_redis_and_for_a_state() -> None:
    """In order, each once; of too many the oldest go, and are counted."""
    with _running(Store()) as rig:
        rig.store.is_down = True
        for n in range(MOST_EVENTS + 5):
            rig.loop.announce({"n": n})
        rig.store.is_down = False
        eventually(lambda: "redis" in rig.health.components() and rig.health.components()["redis"].status is Status.OK)
        assert rig.store.entries == []  # nothing was ever heard: nobody could place them
        rig.source.put(W="1")
        eventually(lambda: len(rig.store.entries) == MOST_EVENTS + 1)
        assert [entry["event"]["n"] for _, entry in rig.store.entries[1:]] == list(range(5, MOST_EVENTS + 5))
        assert rig.health.counters()["events_dropped"] == 5
