"""The session machine's file on a real disk: crashes, damage, a disk that is full or gone."""

import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from common.health import Health, Status
from common.store.rows import SegmentRow, SessionRecord, SessionRow
from edge.adapters.session_file import SessionFile
from edge.sessions.state import MachineState, Point, Session, WaitingScan
from tests.kit.clock import ManualClock

STATE = MachineState(
    points={"1": Point(seen_at=5.5, meter_wh=10.25, session=Session(started_at=3, tag="A"))},
    scans=[WaitingScan(tag="B", scanned_at=1.0)],
)


@pytest.fixture
def health() -> Health:
    return Health(ManualClock())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.sqlite"


@pytest.fixture
def file(path: Path, health: Health) -> Iterator[SessionFile]:
    file = SessionFile(path, health, limit=6, memory_limit=3)
    yield file
    file.close()


def record(started_at: int, energy_wh: int = 0) -> SessionRecord:
    row = SessionRow(charge_point="1", started_at=started_at, ended_at=None, energy_wh=energy_wh, vehicle="Käfer")
    return SessionRecord(session=row, segments=(SegmentRow(started_at=started_at, ended_at=None, is_charging=True),))


def drain(file: SessionFile) -> list[SessionRecord]:
    records: list[SessionRecord] = []
    while batch := file.take(2):
        records += batch.records
        file.remove(batch)
    return records


def alter(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    """Every write beyond the first KiB of a file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def detail(health: Health) -> str:
    return health.components()["sessions"].detail or ""


def test_all_that_waits_can_be_looked_at(file: SessionFile, path: Path) -> None:
    """It stays; while the disk fails nobody knows what is on it."""
    assert file.undelivered() == []
    file.save(STATE, [record(1, 10), record(2)])
    file.save(STATE, [record(1, 20)])
    for _ in range(2):
        assert file.undelivered() == [record(2).session, record(1, 20).session]
    file.close()
    away = path.rename(path.with_name("away"))
    path.mkdir()
    assert file.undelivered() is None
    path.rmdir()
    away.rename(path)
    assert len(drain(file)) == 2
    assert file.undelivered() == []


class TestFile:
    def test_keeps_the_state_and_what_waits(self, file: SessionFile, path: Path, health: Health) -> None:
        """Both are there for a process that comes after one that was killed."""
        assert file.load() is None
        file.save(STATE, [record(1), record(2)])
        after = SessionFile(path, health)
        assert after.load() == STATE
        assert drain(after) == [record(1), record(2)]
        assert file.take(9) is None
        after.close()

    def test_of_a_session_the_newest_record_waits(self, file: SessionFile, health: Health) -> None:
        """In the order of the last changes."""
        file.save(STATE, [record(1), record(2), record(1, energy_wh=5)])
        file.save(STATE, [record(2, energy_wh=7), record(3)])
        assert detail(health) == "3 of at most 6 sessions wait"
        assert drain(file) == [record(1, energy_wh=5), record(2, energy_wh=7), record(3)]

    def test_what_changed_while_it_was_delivered_waits_on(self, file: SessionFile) -> None:
        """Only what was handed out is forgotten."""
        file.save(STATE, [record(1)])
        batch = file.take(9)
        assert batch is not None
        file.save(STATE, [record(1, energy_wh=5)])
        file.remove(batch)
        assert drain(file) == [record(1, energy_wh=5)]

    def test_the_oldest_gives_way(self, file: SessionFile, health: Health) -> None:
        """Counted, and said in health until something was delivered."""
        for number in range(8):
            file.save(STATE, [record(number)])
        assert health.counters()["sessions_dropped"] == 2
        assert health.components()["sessions"].status is Status.FAILING
        assert drain(file) == [record(number) for number in range(2, 8)]

    def test_two_threads(self, path: Path, health: Health) -> None:
        """One saves, one delivers: each session arrives, its newest record last."""
        file = SessionFile(path, health, limit=20, memory_limit=3)  # the other may come late
        arrived: list[SessionRecord] = []
        is_over = threading.Event()

        def deliver() -> None:
            while not is_over.is_set():
                arrived.extend(drain(file))
            arrived.extend(drain(file))

        thread = threading.Thread(target=deliver)
        thread.start()
        for number in range(60):
            file.save(STATE, [record(number // 3, energy_wh=number)])
        is_over.set()
        thread.join(30)
        newest = {found.session.started_at: found.session.energy_wh for found in arrived}
        file.close()
        assert newest == {number: 3 * number + 2 for number in range(20)}


class TestBadDays:
    def test_without_a_disk_sessions_wait_in_memory(self, tmp_path: Path, health: Health) -> None:
        """Bounded, told, and written as soon as there is a disk."""
        folder = tmp_path / "gone"
        file = SessionFile(folder / "sessions.sqlite", health, memory_limit=3)
        assert file.load() is None
        for number in range(5):
            file.save(STATE, [record(number)])
        assert health.components()["sessions"].status is Status.FAILING
        assert "in memory" in detail(health)
        assert health.counters()["sessions_dropped"] == 2
        batch = file.take(1)
        assert batch is not None
        assert batch.records == [record(2)]
        file.save(STATE, [record(2, energy_wh=1)])
        file.remove(batch)
        folder.mkdir()
        file.save(STATE, [record(9)])
        assert health.components()["sessions"].status is Status.OK
        assert drain(file) == [record(3), record(4), record(2, energy_wh=1), record(9)]
        file.close()

    def test_full_disk_delivers_nothing_twice(self, file: SessionFile, health: Health) -> None:
        """What can be read is handed out once, also if it cannot be deleted; what cannot be written is in memory."""
        file.save(STATE, [record(1), record(2)])
        before = file.take(1)
        assert before is not None
        with no_file_may_grow():
            file.save(STATE, [record(3)])
            assert health.components()["sessions"].status is Status.FAILING
            file.remove(before)
            during = drain(file)
            assert record(3) in during
            assert file.take(9) is None
        file.save(STATE, [record(4)])
        assert health.components()["sessions"].status is Status.OK
        delivered = [*before.records, *during, *drain(file)]
        assert sorted(found.session.started_at for found in delivered) == [1, 2, 3, 4]

    @pytest.mark.parametrize("damage", [b"", b"this is no database" * 500])
    def test_a_damaged_file_is_set_aside(self, path: Path, health: Health, damage: bytes) -> None:
        """Recording goes on with a new one; an empty file is a new one."""
        path.write_bytes(damage)
        file = SessionFile(path, health)
        assert file.load() is None
        file.save(STATE, [record(1)])
        assert file.load() == STATE
        assert health.components()["sessions"].status is Status.OK
        assert path.with_name("sessions.sqlite.damaged").exists() is bool(damage)
        file.close()

    def test_a_record_or_state_of_another_version_is_left_out(
        self, file: SessionFile, path: Path, health: Health
    ) -> None:
        """Counted; what can be read goes on."""
        file.save(STATE, [record(1), record(2)])
        alter(path, "UPDATE waiting SET record = '{}' WHERE started_at = 1", "UPDATE memory SET state = '[1]'")
        assert file.load() is None
        assert drain(file) == [record(2)]
        assert health.counters() == {"session_states_unreadable": 1, "sessions_unreadable": 1}

    def test_unknown_fields_are_no_harm(self, file: SessionFile, path: Path) -> None:
        """A state that a newer program wrote is still the state."""
        file.save(STATE, [])
        alter(path, "UPDATE memory SET state = json_set(state, '$.newer', 1, '$.points.1.newer', 2)")
        assert file.load() == replace(STATE)
