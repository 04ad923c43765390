"""What is recorded and when: the grid of ticks, what counts as missed, and the sample of a state.

Pure; driven by edge/loops/recorder.py. A tick is an instant divisible by the interval (Unix seconds, UTC: daylight
saving time changes nothing). A tick without a sample is a gap; a silent wallbox gives a sample of unknown values. An
old value never stands in for a missing one.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.meters import Meter
from common.model import ChargePoint, Number, Snapshot
from common.store.rows import ChargePointSampleRow, SampleRow

LATEST_S = 15.0
"""A sample may be taken so late, but never later than a quarter of the interval, else its tick is missed.

openWB publishes about every 10 s, so the value read then is at most one publication newer than the tick's own.
"""

OLDEST_S = 120.0
"""Beyond this age the whole state is unknown, whatever it says of itself: the loop that judges it may hang.

A wallbox that speaks every 10 s is called stale long before.
"""

GREATEST = 2**53  # the greatest whole number that survives JSON and SQLite's REAL; no meter reads as much


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do now: record the sample of `tick` (None: nothing), count `missed` ticks, come again at `due`."""

    tick: int | None
    missed: int
    due: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples that wait for delivery, in order; `source` and `through` are for the spool that handed them out."""

    rows: Sequence[SampleRow]
    source: int
    through: int


def next_tick(now: float, interval_s: int) -> int:
    """The first tick after `now`, never `now` itself."""
    return (math.floor(now) // interval_s + 1) * interval_s


def latest_s(interval_s: int) -> float:
    """How late a sample may be taken."""
    return min(LATEST_S, interval_s / 4)


def turn(now: float, due: int, interval_s: int) -> Turn:
    """What is to be done at `now` when `due` is the next tick. However far the clock jumped, at most one sample.

    A clock that was set back by less than an interval is waited for: its tick has been recorded. After a greater step
    the grid goes on from the new time at once, and the store keeps the first sample of a tick that comes again.
    """
    if now < due:
        was_set_back = due - now > 2 * interval_s
        return Turn(None, 0, next_tick(now, interval_s) if was_set_back else due)
    tick = next_tick(now, interval_s) - interval_s
    passed = (tick - due) // interval_s
    if now - tick <= latest_s(interval_s):
        return Turn(tick, passed, tick + interval_s)
    return Turn(None, passed + 1, tick + interval_s)


def sample_from(snapshot: Snapshot | None, tick: int) -> SampleRow:
    """The sample of `tick`; all unknown, and without charge points, where the state is stale or there is none."""
    if snapshot is None or snapshot.state.meta.is_stale or tick - snapshot.updated_at > OLDEST_S:
        return SampleRow(sampled_at=tick)
    state, meters = snapshot.state, snapshot.meters
    grid, pv, battery, home = state.grid, state.pv, state.battery, state.home
    return SampleRow(
        sampled_at=tick,
        grid_power_w=_whole(grid.power_w) if grid else None,
        grid_imported_wh=_meter(grid.imported_wh, meters, "grid.imported_wh") if grid else None,
        grid_exported_wh=_meter(grid.exported_wh, meters, "grid.exported_wh") if grid else None,
        pv_power_w=_whole(pv.power_w) if pv else None,
        pv_produced_wh=_meter(pv.produced_wh, meters, "pv.produced_wh") if pv else None,
        battery_power_w=_whole(battery.power_w) if battery else None,
        battery_soc_percent=_whole(battery.soc_percent) if battery else None,
        battery_charged_wh=_meter(battery.charged_wh, meters, "battery.charged_wh") if battery else None,
        battery_discharged_wh=_meter(battery.discharged_wh, meters, "battery.discharged_wh") if battery else None,
        home_power_w=_whole(home.power_w) if home else None,
        charge_points=tuple(
            _charge_point(name, state.charge_points[name], meters) for name in sorted(state.charge_points)
        ),
        odd_readings=snapshot.odd_readings,
    )


def is_unknown(row: SampleRow) -> bool:
    """Whether a sample says nothing but that the wallbox was silent."""
    return row == SampleRow(sampled_at=row.sampled_at)


def _charge_point(name: str, part: ChargePoint, meters: Mapping[str, Meter]) -> ChargePointSampleRow:
    return ChargePointSampleRow(
        charge_point=name,
        power_w=_whole(part.power_w),
        meter_wh=_meter(part.meter_wh, meters, f"charge_points.{name}.meter_wh"),
        soc_percent=_whole(part.soc_percent),
        is_plugged=part.is_plugged,
        is_charging=part.is_charging,
        current_a=float(part.current_a) if part.current_a is not None and math.isfinite(part.current_a) else None,
    )


def _meter(value: Number | None, meters: Mapping[str, Meter], path: str) -> int | None:
    """A meter's reading, unless what it says just now is odd: then only later it is known which one was right."""
    meter = meters.get(path)
    return None if meter is not None and meter.held is not None else _whole(value)


def _whole(value: Number | None) -> int | None:
    """To the nearest whole number; what no database column can hold is unknown."""
    if value is None or not math.isfinite(value) or abs(value) > GREATEST:
        return None
    return round(value)
