"""The grid of ticks and the sample of a state."""

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model import Battery, ChargePoint, Grid, Home, Meta, Pv, SiteState, Snapshot
from common.store.rows import ChargePointSampleRow, SampleRow
from edge.recorder import OLDEST_S, Turn, is_unknown, latest_s, next_tick, sample_from, turn

INSTANTS = st.floats(min_value=0, max_value=1e11, allow_nan=False)
INTERVALS = st.integers(min_value=5, max_value=3600)
TICK = 1_800_000_000


class TestNextTick:
    @given(INSTANTS, INTERVALS)
    def test_is_the_first_one_after_now(self, now: float, interval_s: int) -> None:
        """On the grid, after now, and no further than one interval."""
        tick = next_tick(now, interval_s)
        assert tick % interval_s == 0
        assert now < tick
        assert tick - interval_s <= now

    @given(st.integers(min_value=0, max_value=10**10), INTERVALS)
    def test_a_tick_is_followed_by_the_next(self, number: int, interval_s: int) -> None:
        assert next_tick(number * interval_s, interval_s) == (number + 1) * interval_s


class TestTurn:
    def test_transcript_of_a_day_with_everything(self) -> None:
        """What the clock said, and what was done about it."""
        assert turn(12.0, 60, 60) == Turn(None, 0, 60)  # not yet
        assert turn(60.0, 60, 60) == Turn(60, 0, 120)  # on the instant
        assert turn(135.0, 120, 60) == Turn(120, 0, 180)  # a quarter late: still taken
        assert turn(195.1, 180, 60) == Turn(None, 1, 240)  # later: a gap
        assert turn(425.0, 240, 60) == Turn(420, 3, 480)  # suspended for a while: three gaps, no catching up
        assert turn(478.0, 480, 60) == Turn(None, 0, 480)
        assert turn(419.0, 480, 60) == Turn(None, 0, 480)  # set back by a second after 420: wait, 420 is recorded
        assert turn(100.0, 480, 60) == Turn(None, 0, 120)  # set back by hours: on from there
        assert turn(1e9 + 0.5, 120, 60) == Turn(None, 16_666_665, 1_000_000_020)  # set forward by decades: one gap more

    def test_lateness_is_bounded_for_long_intervals(self) -> None:
        """A quarter of an hour's sample is no quarter of an hour late."""
        assert [latest_s(interval_s) for interval_s in (5, 60, 3600)] == [1.25, 15.0, 15.0]

    @given(st.lists(st.floats(min_value=0, max_value=7200), max_size=60), INTERVALS, INSTANTS)
    def test_a_clock_that_goes_forward_gives_each_tick_once(
        self, steps: list[float], interval_s: int, start: float
    ) -> None:
        """Whatever the pauses: recorded and missed ticks together are all ticks, none of them twice, none too late."""
        now, due, recorded, missed = start, next_tick(start, interval_s), [], 0
        first = due
        for step in steps:
            now += step
            did = turn(now, due, interval_s)
            if did.tick is not None:
                recorded.append(did.tick)
                assert 0 <= now - did.tick <= latest_s(interval_s)
            missed += did.missed
            due = did.due
            assert now < due <= next_tick(now, interval_s)
        assert recorded == sorted(set(recorded))
        assert len(recorded) + missed == (due - first) // interval_s

    @given(st.lists(st.floats(min_value=-1e6, max_value=1e6), max_size=60), INTERVALS)
    def test_no_jump_stops_the_recording(self, steps: list[float], interval_s: int) -> None:
        """After any jump the next tick is at most two intervals away, and one turn records at most one sample."""
        now, due = 1e9, next_tick(1e9, interval_s)
        for step in steps:
            now = max(0.0, now + step)
            due = turn(now, due, interval_s).due
            assert due % interval_s == 0
            assert now < due <= now + 2 * interval_s

    @given(INTERVALS, st.floats(min_value=0.001, max_value=0.999))
    def test_small_step_back_repeats_no_tick(self, interval_s: int, share: float) -> None:
        """The usual correction by a time server, right after a sample was taken."""
        tick = 1000 * interval_s
        due = turn(tick, tick, interval_s).due
        assert turn(tick - share * interval_s, due, interval_s) == Turn(None, 0, tick + interval_s)


def snapshot(state: SiteState, updated_at: float = TICK - 3.0) -> Snapshot:
    return Snapshot(seq=1, updated_at=updated_at, state=state)


LIVE = Meta(generation="1.9", is_stale=False)
STATE = SiteState(
    meta=LIVE,
    grid=Grid(power_w=-3120.4, imported_wh=8123456.5, exported_wh=5012345),
    pv=Pv(power_w=5400, produced_wh=15234870),
    battery=Battery(power_w=-350, soc_percent=64.4, charged_wh=2210034, discharged_wh=1910034),
    home=Home(power_w=412),
    charge_points={
        "2": ChargePoint(is_plugged=False),
        "1": ChargePoint(
            power_w=11040, meter_wh=2310482.7, soc_percent=57, is_plugged=True, is_charging=True, current_a=16
        ),
    },
)


class TestSample:
    def test_takes_every_recorded_value(self) -> None:
        """Rounded to whole units, charge points in the order of their names."""
        assert sample_from(snapshot(STATE), TICK) == SampleRow(
            sampled_at=TICK,
            grid_power_w=-3120,
            grid_imported_wh=8123456,
            grid_exported_wh=5012345,
            pv_power_w=5400,
            pv_produced_wh=15234870,
            battery_power_w=-350,
            battery_soc_percent=64,
            battery_charged_wh=2210034,
            battery_discharged_wh=1910034,
            home_power_w=412,
            charge_points=(
                ChargePointSampleRow(
                    charge_point="1",
                    power_w=11040,
                    meter_wh=2310483,
                    soc_percent=57,
                    is_plugged=True,
                    is_charging=True,
                    current_a=16.0,
                ),
                ChargePointSampleRow(charge_point="2", is_plugged=False),
            ),
        )

    def test_missing_part_is_unknown_not_zero(self) -> None:
        row = sample_from(snapshot(SiteState(meta=LIVE, home=Home(power_w=0))), TICK)
        assert row == SampleRow(sampled_at=TICK, home_power_w=0)
        assert not is_unknown(row)

    @pytest.mark.parametrize(
        "silent",
        [
            None,
            snapshot(SiteState(meta=Meta(generation="1.9", is_stale=True), grid=STATE.grid)),
            snapshot(STATE, updated_at=TICK - OLDEST_S - 1),
        ],
        ids=["nothing heard", "stale", "not judged for too long"],
    )
    def test_silence_is_recorded_as_unknown(self, silent: Snapshot | None) -> None:
        """An old value never stands in for a missing one."""
        row = sample_from(silent, TICK)
        assert row == SampleRow(sampled_at=TICK)
        assert is_unknown(row)

    @pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e300])
    def test_what_no_column_holds_is_unknown(self, value: float) -> None:
        """One such value must not keep a whole batch from being stored."""
        state = SiteState(
            meta=LIVE,
            grid=Grid(power_w=value),
            charge_points={"1": ChargePoint(current_a=math.inf if value > 1e299 else value)},
        )
        row = sample_from(snapshot(state), TICK)
        assert row.grid_power_w is None
        assert row.charge_points == (ChargePointSampleRow(charge_point="1"),)


@pytest.mark.parametrize("interval_s", [5, 60, 900, 3600])
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_the_changes_of_the_clocks_move_no_tick(interval_s: int, day: str) -> None:
    """A local day of 23 or 25 hours has that many hours of samples, evenly spaced."""
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    start, end = begin.timestamp(), (begin + timedelta(days=1)).timestamp()
    now, due, ticks = start - 1, next_tick(start - 1, interval_s), []
    while now < end:
        did = turn(now, due, interval_s)
        assert did.missed == 0
        if did.tick is not None:
            ticks.append(did.tick)
        now, due = float(did.due), did.due
    assert ticks == list(range(int(start), int(end), interval_s))
    assert (end - start) / 3600 == {"2026-03-29": 23, "2026-10-25": 25}[day]
