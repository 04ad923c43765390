"""A simulated past through the real recording code."""

import pickle
from itertools import pairwise

import pytest

from common.store.rows import SampleRow
from simulator.dialects import DIALECTS, Generation
from simulator.past import Recording, walk
from simulator.physics import Site
from simulator.wallbox import Wallbox

MIDNIGHT = 1_794_956_400  # 2026-11-18 in Berlin
UNTIL = MIDNIGHT + 2 * 3600 + 30


def recorded(generation: Generation, seed: int = 1) -> tuple[Recording, Wallbox]:
    wallbox = DIALECTS[generation].make(Site(), seed, UNTIL, 0)
    recording = Recording(generation.value, Site(), seed)
    for at, batch in walk(wallbox, generation.value, UNTIL):
        recording.hear(at, batch)
    return recording, wallbox


def meters(row: SampleRow) -> list[int]:
    found = [row.grid_imported_wh, row.pv_produced_wh, *(part.meter_wh for part in row.charge_points)]
    return [value for value in found if value is not None]


@pytest.mark.parametrize("generation", Generation)
def test_every_minute_is_recorded_and_no_meter_goes_back(generation: Generation) -> None:
    """From midnight on, and the night's charging is a session that runs."""
    recording, _ = recorded(generation)
    rows = recording.samples
    assert [row.sampled_at for row in rows] == list(range(MIDNIGHT + 60, UNTIL, 60))
    assert all(len(meters(row)) == 4 for row in rows)
    assert all(before <= after for two in pairwise(rows) for before, after in zip(*map(meters, two), strict=True))
    assert recording.machine.running()


def test_the_same_seed_has_the_same_past() -> None:
    """And another one another."""
    first, again, other = (recorded(Generation.V1, seed)[0] for seed in (1, 1, 2))
    assert first.samples == again.samples
    assert first.machine.state == again.machine.state
    assert first.samples != other.samples


@pytest.mark.parametrize("generation", Generation)
def test_a_wallbox_goes_on_in_another_process(generation: Generation) -> None:
    """What was put away and taken out again lives on like the one that was not, in fine ticks."""
    _, wallbox = recorded(generation)
    other: Wallbox = pickle.loads(pickle.dumps(wallbox))
    assert other.next_due_at() == wallbox.next_due_at() <= UNTIL + 10
    for one in (wallbox, other):
        one.run_until(UNTIL + 600)
    assert other.publish() == wallbox.publish()
