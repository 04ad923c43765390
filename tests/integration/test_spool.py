"""The spool on a real disk: kill -9, damage, a disk that is full or gone."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.health import Health, Status
from common.store.rows import ChargePointSampleRow, SampleRow
from edge.adapters.spool import Spool
from tests.kit.clock import ManualClock
from tests.kit.waiting import eventually


@pytest.fixture
def health() -> Health:
    return Health(ManualClock())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite"


@pytest.fixture
def spool(path: Path, health: Health) -> Iterator[Spool]:
    spool = Spool(path, health, limit_rows=10, memory_rows=3)
    yield spool
    spool.close()


def sample(tick: int) -> SampleRow:
    return SampleRow(
        sampled_at=tick, grid_power_w=-tick, charge_points=(ChargePointSampleRow(charge_point="1", current_a=6.5),)
    )


def fill(spool: Spool, ticks: range) -> None:
    for tick in ticks:
        spool.append(sample(tick))


def drain(spool: Spool) -> list[SampleRow]:
    rows: list[SampleRow] = []
    while batch := spool.take(4):
        rows += batch.rows
        spool.remove(batch)
    return rows


def detail(health: Health) -> str:
    return health.components()["spool"].detail or ""


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    """Every write beyond the first KiB of a file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestQueue:
    def test_first_in_first_out(self, spool: Spool, health: Health) -> None:
        """What is taken stays until it is removed; then it is gone, also for a spool opened later."""
        fill(spool, range(6))
        first, again = spool.take(4), spool.take(4)
        assert first is not None
        assert first == again
        assert drain(spool) == [sample(tick) for tick in range(6)]
        assert spool.take(4) is None
        assert detail(health) == "0 of at most 10 samples wait"

    def test_waits_on_over_a_restart(self, spool: Spool, path: Path, health: Health) -> None:
        fill(spool, range(3))
        spool.close()
        later = Spool(path, health)
        assert drain(later) == [sample(tick) for tick in range(3)]
        later.close()

    def test_full_spool_drops_the_oldest_and_says_so(self, spool: Spool, health: Health) -> None:
        fill(spool, range(13))
        assert health.counters()["samples_dropped"] == 3
        assert health.components()["spool"].status is Status.FAILING
        assert detail(health) == "full, the oldest are dropped: 10 of at most 10 samples wait"
        assert [row.sampled_at for row in drain(spool)] == list(range(3, 13))
        assert health.components()["spool"].status is Status.OK

    def test_samples_that_come_while_a_batch_is_delivered_stay(self, spool: Spool) -> None:
        fill(spool, range(2))
        batch = spool.take(4)
        assert batch is not None
        fill(spool, range(2, 5))
        spool.remove(batch)
        assert [row.sampled_at for row in drain(spool)] == [2, 3, 4]

    def test_nobody_else_may_read_it(self, spool: Spool, path: Path) -> None:
        fill(spool, range(1))
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}, modes


class TestBadDays:
    def test_kill_minus_nine_loses_nothing_that_was_kept(self, path: Path, health: Health) -> None:
        """Every sample whose `append` returned is there afterwards."""
        program = (
            "import sys; from pathlib import Path; from itertools import count\n"
            "from common.health import Health; from common.clock import SystemClock\n"
            "from common.store.rows import SampleRow; from edge.adapters.spool import Spool\n"
            "spool = Spool(Path(sys.argv[1]), Health(SystemClock()))\n"
            "for tick in count():\n"
            "    spool.append(SampleRow(sampled_at=tick))\n"
            "    print(tick, flush=True)\n"
        )
        child = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        with child.stdout as output:
            kept = [int(output.readline()) for _ in range(50)]
            child.kill()
            kept += [int(line) for line in output.read().split()]
        child.wait()
        spool = Spool(path, health)
        waiting = [row.sampled_at for row in drain(spool)]
        spool.close()
        assert waiting[: len(kept)] == kept == list(range(len(kept)))
        assert len(waiting) <= len(kept) + 1  # the one it was killed in

    def test_full_disk_is_shown_and_heals(self, spool: Spool, health: Health) -> None:
        """Samples wait in memory and are delivered from there; the disk is used again as soon as it can be."""
        fill(spool, range(2))
        with no_file_may_grow():
            fill(spool, range(2, 4))
            assert health.components()["spool"].status is Status.FAILING
            assert "disk failed" in detail(health)
            assert "4 of at most 10 samples wait" in detail(health)
        fill(spool, range(4, 5))
        assert health.components()["spool"].status is Status.OK
        assert [row.sampled_at for row in drain(spool)] == [0, 1, 2, 3, 4]

    def test_disk_that_cannot_forget_does_not_deliver_twice(self, spool: Spool) -> None:
        fill(spool, range(6))
        batch = spool.take(4)
        assert batch is not None
        with no_file_may_grow():
            spool.remove(batch)
        assert [row.sampled_at for row in drain(spool)] == [4, 5]

    def test_without_a_disk_memory_is_used_and_bounded(self, tmp_path: Path, health: Health) -> None:
        """The folder is gone: the newest three wait, the others are counted; then the folder is back."""
        folder = tmp_path / "gone"
        spool = Spool(folder / "spool.sqlite", health, memory_rows=3)
        fill(spool, range(5))
        assert health.counters()["samples_dropped"] == 2
        assert str(folder) not in detail(health)
        batch = spool.take(2)
        assert batch is not None
        assert [row.sampled_at for row in batch.rows] == [2, 3]
        fill(spool, range(5, 6))  # pushes out a sample of the batch that is under way
        spool.remove(batch)
        folder.mkdir()
        fill(spool, range(6, 7))
        assert [row.sampled_at for row in drain(spool)] == [4, 5, 6]
        assert health.components()["spool"].status is Status.OK
        spool.close()

    def test_damaged_file_is_set_aside(self, spool: Spool, path: Path, health: Health) -> None:
        """A batch taken from it is nobody's batch in the new file; what comes afterwards is kept."""
        fill(spool, range(6))
        batch = spool.take(4)
        assert batch is not None
        spool.close()
        path.write_bytes(b"not a database" * 1000)
        fill(spool, range(6, 8))
        spool.remove(batch)
        assert health.counters()["spool_files_damaged"] == 1
        assert [row.sampled_at for row in drain(spool)] == [6, 7]
        assert path.with_name("spool.sqlite.damaged").read_bytes().startswith(b"not a database")

    def test_unreadable_entry_is_counted_and_passed_over(self, spool: Spool, path: Path, health: Health) -> None:
        fill(spool, range(1))
        spool.close()
        content = path.read_bytes()
        assert content.count(b'"sampled_at":0') == 1
        path.write_bytes(content.replace(b'"sampled_at":0', b'"sampled_at":"'))
        fill(spool, range(1, 2))
        assert [row.sampled_at for row in drain(spool)] == [1]
        assert health.counters()["samples_unreadable"] == 1
        eventually(lambda: spool.take(1) is None)
