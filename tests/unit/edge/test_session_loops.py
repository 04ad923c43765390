"""The session loop on a clock of the test, and the delivery in front of a store that fails."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from common.backoff import Backoff
from common.errors import StoreUnavailable
from common.health import Health, Status
from common.store.errors import SchemaTooNew
from common.store.rows import SessionRecord, SessionRow
from edge.loops import sessions as session_loop
from edge.loops.session_delivery import SessionDelivery
from edge.loops.sessions import SessionLoop
from edge.sessions.records import Batch, key_of
from edge.sessions.state import MachineState
from edge.sessions.supply import NO_PRICE
from tests.kit.charging import START, Site
from tests.kit.clock import ManualClock
from tests.kit.waiting import eventually


@dataclass
class Memory:
    """What a disk would keep."""

    state: bytes | None = None
    records: list[SessionRecord] = field(default_factory=list)
    saves: int = 0

    def load(self) -> MachineState | None:
        return msgspec.json.decode(self.state, type=MachineState) if self.state else None

    def save(self, state: MachineState, records: Sequence[SessionRecord]) -> None:
        self.saves += 1
        self.state = msgspec.json.encode(state)
        self.records += records


@dataclass(frozen=True)
class Scan:
    tag: str
    scanned_at: float
    charge_point: str | None = None


class Played:
    """A loop turned by hand, every 5 s."""

    def __init__(self) -> None:
        self.site = Site()
        self.clock = ManualClock(START)
        self.health = Health(self.clock)
        self.memory = Memory()
        self.events: list[Mapping[str, Any]] = []
        self.loop = self.restarted()

    def restarted(self) -> SessionLoop:
        self.loop = SessionLoop(
            self.site.snapshot, self.memory, self.health, self.clock, announce=self.events.append, least_pause_s=0.0
        )
        self.loop.restore()
        return self.loop

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.site.pass_time(5)
            self.loop.turn(self.site.now)

    def stop(self) -> None:
        stop = threading.Event()
        stop.set()
        self.loop.run(stop)

    def store(self) -> None:
        """The database takes the newest record."""
        self.loop.note_stored(key_of(self.memory.records[-1]), 7)


def test_changes_are_saved_at_once_and_told_after() -> None:
    """What began and ended is on disk before the live channel hears of it; the loop counts it."""
    played = Played()
    played.turn(2)
    saved = played.memory.saves
    played.site.plug().power_w = 3_600
    played.turn()
    assert played.memory.saves == saved + 1
    assert played.events == []  # the database has not said its id yet
    played.store()
    played.turn()
    assert [(event["type"], event["id"]) for event in played.events] == [("session_started", 7)]
    played.turn(20)
    played.site.unplug()
    played.turn(20)
    assert [event["type"] for event in played.events] == ["session_started", "session_ended"]
    row = played.memory.records[-1].session
    assert played.events[-1] == {
        "type": "session_ended",
        "charge_point": "1",
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "energy_wh": 110,
        "id": 7,
    }
    assert (played.health.counters()["sessions_started"], played.health.counters()["sessions_ended"]) == (1, 1)


def test_a_price_that_the_wallbox_does_not_show_is_said() -> None:
    """In health, which the api's readyz repeats: nothing fails, and no charge session has a cost."""
    played = Played()
    played.turn()
    told = played.health.components()["prices"]
    assert (told.status, told.detail) == (Status.OK, None)
    played.site.price = None
    played.turn()
    assert played.health.components()["prices"].detail == NO_PRICE
    assert played.health.is_ready()
    assert "general-charge-configuration-access" in NO_PRICE
    played.site.price = 0.3
    played.turn()
    assert played.health.components()["prices"].detail is None


def test_an_event_does_not_wait_for_ever_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told without the session's id; and at once when the edge stops."""
    for waits_s, is_told_by in ((0.0, Played.turn), (3600.0, Played.stop)):
        monkeypatch.setattr(session_loop, "ID_WITHIN_S", waits_s)
        played = Played()
        played.turn(2)
        played.site.plug().power_w = 3_600
        played.turn()
        is_told_by(played)
        assert [(event["type"], event["id"]) for event in played.events] == [("session_started", None)]


def test_kill_at_any_look_makes_one_session() -> None:
    """What the disk has is enough, whenever the process dies; the energy is all there."""
    for dies_at in range(1, 60, 3):
        played = Played()
        for number in range(60):
            if number == 6:
                played.site.plug().power_w = 3_600
            if number == 40:
                played.site.unplug()
            if number == dies_at:
                played.restarted()
            played.turn()
        played.turn(20)
        ended = {record.session for record in played.memory.records if record.session.ended_at is not None}
        assert [(row.energy_wh, row.started_at) for row in ended] == [(170, START + 35)], dies_at


def test_what_is_not_told_yet_is_saved_too() -> None:
    """A car that came without drawing current, and a scan that waits for one: a crash must not lose them."""
    played = Played()
    played.turn(2)
    played.loop.note_scan(Scan("A", played.site.now))
    played.turn()
    played.restarted()
    played.site.plug()
    played.turn()
    played.restarted()
    played.turn(20)
    assert played.memory.records[-1].session.tag == "A"
    assert played.memory.records[-1].session.started_at == START + 20
    saves = played.memory.saves
    played.turn(5)
    assert played.memory.saves <= saves + 1


def test_a_scan_is_taken_at_the_next_look() -> None:
    played = Played()
    played.turn()
    played.site.plug().power_w = 3_600
    played.turn()
    played.loop.note_scan(Scan("A", played.site.now))
    played.turn()
    assert played.memory.records[-1].session.tag == "A"


def test_runs_on_its_clock_and_saves_when_it_stops() -> None:
    """A look every 5 s of the clock; a stop keeps what the last look brought."""
    played = Played()
    looks: list[float] = []

    def current() -> Any:
        looks.append(played.clock.now())
        return None

    loop = SessionLoop(current, played.memory, played.health, played.clock, least_pause_s=0.0)
    stop = threading.Event()
    thread = threading.Thread(target=loop.run, args=(stop,))
    played.clock.run_until(START + 3_600)
    thread.start()
    eventually(lambda: played.clock.now() >= START + 3_600 - 5)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert sorted(set(looks))[:4] == [START, START + 5, START + 10, START + 15]
    assert played.memory.saves >= 2


class Queue:
    """Records that wait, as the file has them."""

    def __init__(self, *records: SessionRecord) -> None:
        self.waiting = list(records)

    def take(self, most: int) -> Batch | None:
        return Batch(self.waiting[:most], 0, 0) if self.waiting else None

    def remove(self, batch: Batch) -> None:
        self.waiting = self.waiting[len(batch.records) :]


def tagged(started_at: int) -> SessionRecord:
    return SessionRecord(session=SessionRow(charge_point="1", started_at=started_at, ended_at=None, tag="A"))


class TestDelivery:
    def test_in_order_with_users_and_kept_while_the_store_is_away(self) -> None:
        """Nothing is removed before the store took it; what the store refuses is told and kept."""
        health = Health(ManualClock())
        queue = Queue(*(tagged(number) for number in range(120)))
        answers: list[Exception | None] = [StoreUnavailable("away"), SchemaTooNew("newer"), None, None, None]
        stored: list[SessionRecord] = []

        def deliver(records: Sequence[SessionRecord]) -> list[int]:
            answer = answers.pop(0)
            if answer is not None:
                raise answer
            stored.extend(records)
            return [record.session.started_at + 1000 for record in records]

        ids: dict[int, int] = {}
        delivery = SessionDelivery(
            *(queue, deliver, {"A": "anna"}.get, health, Backoff(first_s=0.01, longest_s=0.01)),
            on_stored=lambda key, session_id: ids.update({key[1]: session_id}),
        )
        assert delivery.turn() > 0
        assert delivery.turn() > 0
        assert health.components()["session_delivery"].status is Status.FAILING
        assert len(queue.waiting) == 120
        while queue.waiting:
            assert delivery.turn() == 0
        assert [record.session.started_at for record in stored] == list(range(120))
        assert {record.session.user_name for record in stored} == {"anna"}
        assert ids == {number: number + 1000 for number in range(120)}
        assert health.components()["session_delivery"].status is Status.OK
        assert health.counters()["sessions_delivered"] == 120
        assert delivery.turn() > 0

    def test_users_that_cannot_be_asked_for_delay_the_delivery(self) -> None:
        """They are in the same database, which is away then."""
        queue = Queue(tagged(1))

        def owner_of(_tag: str) -> str | None:
            raise StoreUnavailable("away")

        delivery = SessionDelivery(queue, lambda _records: [], owner_of, Health(ManualClock()))
        assert delivery.turn() > 0
        assert queue.waiting == [tagged(1)]
