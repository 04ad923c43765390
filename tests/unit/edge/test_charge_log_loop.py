"""The loop that reads the wallbox's log: when it asks, what it makes of the answer, and how it fails."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from common.backoff import Backoff
from common.health import ComponentHealth, Health, Status
from common.model import Snapshot
from common.store.rows import SessionRecord, SessionRow
from edge.charge_log.entries import BadLine, Entry, Parsed
from edge.charge_log.errors import ChargeLogUnavailable
from edge.charge_log.matching import SETTLED_S, Fill
from edge.charge_log.schedule import AFTER_CHARGE_S, EVERY_S, LEAST_BETWEEN_S, Month
from edge.loops.charge_log import COMPONENT, MOST_TRIES, ChargeLogLoop
from tests.kit.clock import ManualClock
from tests.kit.session_book import Book
from tests.kit.states import SITE
from tests.kit.waiting import eventually

AT = 1_795_420_800  # Mon Nov 23 09:00:00 CET 2026
ENTRY = Entry(charge_point="1", started_at=AT - 20_000, ended_at=AT - 10_000, energy_wh=9_000, tag="A1")


class Wallbox:
    """Its log, and its state as the mirror has it; `fault` makes reading fail."""

    def __init__(self) -> None:
        self.logs: dict[Month, Parsed | None] = {Month(2026, 10): None, Month(2026, 11): Parsed((ENTRY,))}
        self.fault: str | None = None
        self.asked: list[Month] = []
        self.state = SITE
        self.seen = 0  # how often the loop looked at the state

    def read(self, month: Month, _stop: threading.Event) -> Parsed | None:
        self.asked.append(month)
        if self.fault is not None:
            raise ChargeLogUnavailable(self.fault)
        return self.logs.get(month)

    def current(self) -> Snapshot:
        self.seen += 1
        return Snapshot(seq=1, updated_at=AT, state=self.state)

    def stop_charging(self) -> None:
        point = replace(self.state.charge_points["1"], is_charging=False)
        self.state = replace(self.state, charge_points={"1": point})

    def wait_until_seen(self) -> None:
        """Until the loop has looked at the present state, and acted on it."""
        seen = self.seen
        eventually(lambda: self.seen >= seen + 2)


class Running:
    """The loop in a thread of its own; its looks are counted in health."""

    def __init__(self, wallbox: Wallbox, book: Book, clock: ManualClock) -> None:
        self.wallbox, self.book, self.clock = wallbox, book, clock
        self._health = Health(clock)
        self.loop = ChargeLogLoop(
            {"1.9": wallbox.read},
            wallbox.current,
            book,
            ZoneInfo("Europe/Berlin"),
            self._health,
            clock,
            owner_of={"A1": "anna"}.get,
            undelivered=lambda: book.undelivered,
            first_after_s=0.0,
            backoff=Backoff(first_s=0.02, longest_s=0.04),
        )

    @property
    def looks(self) -> int:
        return self._health.counters().get("charge_log_reads", 0)

    @property
    def component(self) -> ComponentHealth:
        return self._health.components()[COMPONENT]

    def counters(self) -> dict[str, int]:
        return self._health.counters()


@contextmanager
def running(wallbox: Wallbox, book: Book, clock: ManualClock) -> Iterator[Running]:
    found = Running(wallbox, book, clock)
    stop = threading.Event()
    thread = threading.Thread(target=found.loop.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: COMPONENT in found._health.components(), what="the loop's thread having come to work")
        yield found
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def site() -> Iterator[Running]:
    with running(Wallbox(), Book(), ManualClock(float(AT))) as found:
        yield found


def test_what_only_the_log_has_becomes_a_session_once(site: Running) -> None:
    """With whose its tag is; the next look finds it and adds nothing. Both months were asked for, one has no file."""
    eventually(lambda: site.looks == 1)
    (session,) = site.book.stored.values()
    assert (session.origin, session.energy_wh, session.user_name) == ("log", 9_000, "anna")
    assert site.book.log[("1", ENTRY.started_at)].session_id == session.id
    assert site.wallbox.asked == [Month(2026, 10), Month(2026, 11)]
    site.clock.advance(EVERY_S)
    eventually(lambda: site.looks == 2)
    assert len(site.book.stored) == 1
    assert site.counters()["charge_log_sessions_added"] == 1
    assert site.component.status is Status.OK


def test_it_asks_after_a_charge(site: Running) -> None:
    """Not while it runs, and not before the wallbox had time to write it down."""
    eventually(lambda: site.looks == 1)
    site.clock.advance(LEAST_BETWEEN_S)
    site.wallbox.stop_charging()
    site.wallbox.wait_until_seen()
    assert site.looks == 1
    site.clock.advance(AFTER_CHARGE_S)
    eventually(lambda: site.looks == 2)


def test_a_young_entry_is_looked_at_again(site: Running) -> None:
    """Its session may come from the edge's own disk yet; if not, it becomes one."""
    eventually(lambda: site.looks == 1)
    young = replace(ENTRY, started_at=AT + 90_000, ended_at=AT + 95_000)
    site.wallbox.logs[Month(2026, 11)] = Parsed((ENTRY, young))
    site.clock.set(AT + 96_000.0)
    eventually(lambda: site.looks == 2)
    assert site.book.log[("1", young.started_at)].session_id is None
    site.clock.set(AT + 95_002.0 + SETTLED_S)
    eventually(lambda: site.looks == 3)
    assert site.book.log[("1", young.started_at)].session_id == 2


def test_what_differs_is_in_health(site: Running) -> None:
    """As numbers; nobody's name or tag."""
    eventually(lambda: site.looks == 1)
    site.book.stored = {
        ("1", 1): SessionRow(id=1, charge_point="1", started_at=AT - 20_000, ended_at=AT - 10_000, energy_wh=5_000),
        ("1", 2): SessionRow(id=2, charge_point="1", started_at=AT - 90_000, ended_at=AT - 80_000, energy_wh=5_000),
    }
    site.clock.advance(EVERY_S)
    eventually(lambda: site.looks == 2)
    eventually(lambda: site.component.detail is not None)
    assert site.component.detail == "1 sessions differ in energy from the wallbox's log, 1 are not in it"
    assert site.component.status is Status.OK
    assert site.book.fills == [Fill(1, None, "A1", "anna")]
    assert site.book.stored[("1", 1)].energy_wh == 5_000


def test_several_plug_ins_in_one_session_are_in_health(site: Running) -> None:
    """Two cards within one recorded session: the plug moved, and nobody saw it."""
    eventually(lambda: site.looks == 1)
    site.book.stored = {
        ("1", 1): SessionRow(id=1, charge_point="1", started_at=AT - 20_000, ended_at=AT - 10_000, energy_wh=9_000)
    }
    first = replace(ENTRY, ended_at=AT - 17_000, energy_wh=4_000)
    second = replace(ENTRY, started_at=AT - 16_000, energy_wh=5_000, tag="B2")
    site.wallbox.logs[Month(2026, 11)] = Parsed((first, second))
    site.clock.advance(EVERY_S)
    eventually(lambda: site.looks == 2)
    eventually(lambda: site.component.detail is not None)
    assert site.component.detail == "1 are several plug-ins there"


def test_a_look_that_broke_off_is_repeated_without_a_second_session() -> None:
    """The session was stored, its entry was not yet."""
    wallbox, book, clock = Wallbox(), Book(), ManualClock(float(AT))
    book.keeps_no_log = True
    with running(wallbox, book, clock) as site:
        eventually(lambda: book.stored)
        book.keeps_no_log = False
        eventually(lambda: site.looks == 1)
        assert len(book.stored) == 1
        assert book.log[("1", ENTRY.started_at)].session_id == 1


@pytest.mark.parametrize("what", ["wallbox", "files", "database"])
def test_failures_are_tried_again_and_then_told(what: str) -> None:
    """So many times; then it waits for the next occasion, and recovers at it."""
    wallbox, book, clock = Wallbox(), Book(), ManualClock(float(AT))
    if what == "wallbox":
        wallbox.fault = "it is off"
    elif what == "files":
        wallbox.logs = {}
    book.is_away = what == "database"
    with running(wallbox, book, clock) as site:
        eventually(lambda: site.component.status is Status.FAILING)
        assert site.looks == 0
        tries = len(wallbox.asked)
        assert tries in (MOST_TRIES, 2 * MOST_TRIES)
        wallbox.fault, book.is_away = None, False
        wallbox.logs = Wallbox().logs
        clock.advance(EVERY_S)
        eventually(lambda: site.component.status is Status.OK)
        assert len(wallbox.asked) == tries + 2
        assert len(book.stored) == 1


def test_a_silent_wallbox_is_not_asked(site: Running) -> None:
    """When it speaks again it is."""
    eventually(lambda: site.looks == 1)
    site.wallbox.state = replace(SITE, meta=replace(SITE.meta, is_stale=True))
    site.clock.advance(EVERY_S)
    site.wallbox.wait_until_seen()
    assert site.looks == 1
    site.wallbox.state = SITE
    eventually(lambda: site.looks == 2)


def test_a_generation_without_a_log_to_read_is_none_of_its_business(site: Running) -> None:
    """1.9's web server may be switched off by a setting: health says so, and nothing is asked."""
    eventually(lambda: site.looks == 1)
    site.wallbox.state = replace(SITE, meta=replace(SITE.meta, generation="2.x"))
    site.clock.advance(EVERY_S)
    eventually(lambda: site.component.status is Status.DISABLED)
    assert site.looks == 1


def test_a_charge_that_waits_for_the_database_is_not_counted_twice() -> None:
    """As after an outage of days; nor is anything added while nobody knows what waits. Later it is found delivered."""
    book, clock = Book(), ManualClock(float(AT))
    recorded = SessionRow(charge_point="1", started_at=ENTRY.started_at - 60, ended_at=ENTRY.ended_at, energy_wh=9_000)
    book.undelivered = None
    with running(Wallbox(), book, clock) as site:
        eventually(lambda: len(site.wallbox.asked) > 2)
        assert site.looks == 0
        book.undelivered = [recorded]
        eventually(lambda: site.looks == 1)
        assert book.stored == {}
        book.add([SessionRecord(session=recorded)])
        book.undelivered = []
        clock.advance(LEAST_BETWEEN_S + 1)
        eventually(lambda: site.looks == 2)
        assert [row.session_id for row in book.log.values()] == [1]
        assert len(book.stored) == 1


def test_bad_lines_do_not_spoil_it(site: Running) -> None:
    eventually(lambda: site.looks == 1)
    site.wallbox.logs[Month(2026, 11)] = Parsed((ENTRY,), (BadLine(2, "there is no time"),))
    site.clock.advance(EVERY_S)
    eventually(lambda: site.looks == 2)
    assert site.component.status is Status.OK
