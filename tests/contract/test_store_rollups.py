"""Rollups and retention keep the same promises on SQLite and on a real MariaDB."""

import random
from collections.abc import Iterator
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from common.meters import OddOutcome, OddReading
from common.store import odd_readings, retention, rollups, samples
from common.store.bind import Store, open_store
from common.store.rollup_rows import Method, Resolution, RollupRow
from common.store.rows import ChargePointSampleRow, SampleRow
from edge.rollups import Reckoner

BERLIN = ZoneInfo("Europe/Berlin")
START = 1_792_875_600  # 2026-10-24 23:00 in Berlin, an hour before the day with 25 hours
NEVER = 2**40


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = open_store(str(request.getfixturevalue(f"{request.param}_url")))
    yield store
    store.close()


def sample(minute: int) -> SampleRow:
    """Import 6 Wh a minute, the charge point 100 Wh a minute, the house 600 W without a meter."""
    return SampleRow(
        sampled_at=START + 60 * minute,
        grid_power_w=360,
        grid_imported_wh=1000 + 6 * minute,
        home_power_w=600,
        charge_points=(ChargePointSampleRow(charge_point="1", power_w=6000, meter_wh=5000 + 100 * minute),),
    )


def catch_up(store: Store, reckoner: Reckoner | None = None) -> None:
    for _ in range(1000):
        if rollups.advance(store, reckoner or Reckoner(60), BERLIN) == 0:
            return
    raise AssertionError("it never comes to an end")


def buckets(store: Store, resolution: Resolution) -> list[RollupRow]:
    return rollups.between(store, resolution, 0, NEVER)


def everything(store: Store) -> dict[Resolution, list[RollupRow]]:
    return {resolution: buckets(store, resolution) for resolution in Resolution}


def energies(store: Store, resolution: Resolution, series: str) -> list[int]:
    return [row.energy_wh for row in rollups.between(store, resolution, 0, NEVER, [series])]


def test_two_days_over_the_change_of_the_clocks(store: Store) -> None:
    """The local day has 25 hours; all resolutions have the same sum, and say how they came by it."""
    samples.insert(store, [sample(minute) for minute in range(27 * 60 + 1)])
    catch_up(store)
    assert energies(store, Resolution.DAY, "grid_import") == [6 * 60, 6 * 60 * 25, 6 * 60]
    assert energies(store, Resolution.MONTH, "charge_point:1") == [100 * 60 * 27]
    assert energies(store, Resolution.HOUR, "home") == [600] * 27
    assert energies(store, Resolution.QUARTER, "grid_import") == [90] * (27 * 4)
    day = {row.series: row for row in buckets(store, Resolution.DAY) if row.starts_at == START + 3600}
    assert {key: (row.method, row.covered_s) for key, row in day.items()} == {
        "grid_import": (Method.METER, 90_000),
        "grid_export": (Method.POWER, 90_000),
        "home": (Method.POWER, 90_000),
        "charge_point:1": (Method.METER, 90_000),
    }
    sums = {resolution: sum(row.energy_wh for row in rows) for resolution, rows in everything(store).items()}
    assert len(set(sums.values())) == 1, sums


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_arrival_does_not_matter(store: Store, seed: int) -> None:
    """Samples with holes, as they come after outages and by imports, in any order: the same as all at once."""
    dice = random.Random(seed)
    minutes = [minute for minute in range(4000) if not 700 < minute < 2100 and dice.random() < 0.9]
    pieces = [minutes[at : at + 150] for at in range(0, len(minutes), 150)]
    dice.shuffle(pieces)
    for piece in pieces:
        samples.insert(store, [sample(minute) for minute in piece])
        if dice.random() < 0.7:
            catch_up(store)
    catch_up(store)
    gradually = everything(store)
    store.run(lambda db: db.execute("DELETE FROM energy_rollup"))
    samples.insert(store, [sample(minute) for minute in minutes])
    catch_up(store)
    assert everything(store) == gradually
    counted = 6 * (minutes[-1] - minutes[0])
    assert sum(energies(store, Resolution.MONTH, "grid_import")) == counted


def test_work_is_done_in_pieces_and_nothing_of_it_twice(store: Store) -> None:
    """Ten days take several turns; then there is nothing to do until a sample comes."""
    samples.insert(store, [sample(minute) for minute in range(0, 14_400, 5)])
    turns = 1
    while rollups.advance(store, Reckoner(60), BERLIN):
        turns += 1
    assert 10 <= turns <= 13
    assert rollups.advance(store, Reckoner(60), BERLIN) == 0
    before = everything(store)
    samples.insert(store, [sample(14_400)])
    catch_up(store)
    assert everything(store) != before


def test_a_sample_that_makes_no_sense_of_a_gap_takes_back_what_was_spread(store: Store) -> None:
    """A late reading shows that the meter was reset in between: nobody knows any more what it counted."""
    samples.insert(store, [sample(0), sample(600)])
    catch_up(store)
    assert energies(store, Resolution.DAY, "charge_point:1") == [6000, 54_000]
    meter = ChargePointSampleRow(charge_point="1", meter_wh=3)
    samples.insert(store, [SampleRow(sampled_at=START + 60 * 300, charge_points=(meter,))])
    catch_up(store)
    assert energies(store, Resolution.DAY, "charge_point:1") == [64_997]
    assert len(energies(store, Resolution.QUARTER, "charge_point:1")) == 20


def test_a_zone_that_changed_gets_days_of_its_own(store: Store) -> None:
    samples.insert(store, [sample(minute) for minute in range(0, 3000, 10)])
    assert not rollups.adopt_zone(store, "Europe/Berlin", 0)
    catch_up(store)
    total = sum(energies(store, Resolution.DAY, "grid_import"))
    assert not rollups.adopt_zone(store, "Europe/Berlin", 0)
    assert rollups.adopt_zone(store, "Asia/Kolkata", 0)
    while rollups.advance(store, Reckoner(60), ZoneInfo("Asia/Kolkata")):
        pass
    days = buckets(store, Resolution.DAY)
    assert {(row.starts_at + 19_800) % 86_400 for row in days} == {0}
    assert sum(energies(store, Resolution.DAY, "grid_import")) == total


class TestRetention:
    def test_old_samples_go_piece_by_piece_and_the_rollups_stay(self, store: Store) -> None:
        samples.insert(store, [sample(minute) for minute in range(4500)])
        catch_up(store)
        before = everything(store)
        limit = START + 60 * 4400
        gone = []
        while count := retention.forget_samples(store, limit):
            gone.append(count)
        assert sum(gone) == 4400
        assert len(gone) == 3
        left = samples.between(store, 0, NEVER, 10_000)
        assert [row.sampled_at for row in left] == [START + 60 * minute for minute in range(4400, 4500)]
        assert all(row.charge_points for row in left)
        catch_up(store, Reckoner(60, not_before=limit // 900 * 900))
        assert everything(store) == before

    def test_each_resolution_goes_by_itself(self, store: Store) -> None:
        samples.insert(store, [sample(minute) for minute in range(0, 4500, 5)])
        catch_up(store)
        before = everything(store)
        limit = START + 86_400
        while retention.forget_rollups(store, Resolution.QUARTER, limit):
            pass
        after = everything(store)
        assert after[Resolution.QUARTER] == [row for row in before[Resolution.QUARTER] if row.starts_at >= limit]
        assert {**after, Resolution.QUARTER: []} == {**before, Resolution.QUARTER: []}

    def test_late_samples_of_before_the_limit_change_nothing(self, store: Store) -> None:
        """What they would be added up with is gone."""
        samples.insert(store, [sample(minute) for minute in range(3000)])
        catch_up(store)
        before = everything(store)
        samples.insert(store, [sample(-10)])
        catch_up(store, Reckoner(60, not_before=START + 86_400))
        assert everything(store) == before


def odd(at_minute: int, outcome: OddOutcome, meter: str = "grid.imported_wh") -> OddReading:
    at = START + 60 * at_minute
    return OddReading(meter=meter, from_s=at, to_s=at + 5, before_wh=1, first_wh=2, last_wh=3, outcome=outcome)


def test_odd_readings_are_stored_once_with_whichever_sample_brings_them(store: Store) -> None:
    """Several samples carry each, and a delivery may come twice; they are read by period and by meter."""
    dropped = odd(1, OddOutcome.DROPPED)
    begun = odd(2, OddOutcome.NEW_COUNT, "charge_points.1.meter_wh")
    rows = [replace(sample(minute), odd_readings=(dropped, begun)) for minute in range(3, 6)]
    for _ in range(2):
        samples.insert(store, rows)
    samples.insert(store, [replace(sample(6), odd_readings=(begun,))])
    assert odd_readings.between(store, 0, NEVER) == [dropped, begun]
    assert odd_readings.between(store, 0, NEVER, "charge_points.1.meter_wh") == [begun]
    assert odd_readings.between(store, dropped.from_s + 1, begun.from_s) == []
    assert [row.odd_readings for row in samples.between(store, 0, NEVER, 9)] == [()] * 4


def test_a_count_that_began_anew_and_overtook_the_old_one_is_told_by_the_odd_reading(store: Store) -> None:
    """The samples alone look like one count: 400 Wh lower, and two minutes unknown in which it counted on."""
    lowered = [
        replace(
            sample(minute),
            charge_points=(ChargePointSampleRow(charge_point="1", power_w=6000, meter_wh=4600 + 100 * minute),),
        )
        for minute in range(15, 61)
    ]
    unknown = [
        replace(sample(minute), charge_points=(ChargePointSampleRow(charge_point="1", power_w=6000),))
        for minute in range(10, 15)
    ]
    begun = odd(10, OddOutcome.NEW_COUNT, "charge_points.1.meter_wh")
    samples.insert(store, [sample(minute) for minute in range(10)])
    samples.insert(store, unknown)
    catch_up(store)
    samples.insert(store, [replace(lowered[0], odd_readings=(begun,)), *lowered[1:]])
    catch_up(store)
    assert sum(energies(store, Resolution.HOUR, "charge_point:1")) == 6_000
    assert Method.MIXED in {row.method for row in buckets(store, Resolution.QUARTER) if "charge" in row.series}
