"""The recorder's grid as series for charts: one value per step, None where nothing was recorded. Pure.

The grid is that of `WALLPORT_SAMPLE_INTERVAL_S`: the instants that are multiples of it. Ticks that are not on it
(recorded under another interval) are left out, never moved.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from api import instants
from api.fields import EVERYTHING, PathTest, Selection, of_paths
from api.inputs import whole_number
from common.errors import FieldError
from common.store.rows import ChargePointSampleRow, SampleRow

MOST_STEPS = 2000  # more than any screen has pixels across, and about 250 kB of answer
DEFAULT_PERIOD_S = 24 * 3600
LATEST = 253402300799.0  # the end of the year 9999, the last that RFC 3339 can write

SITE_SERIES: Mapping[str, str] = {
    name.replace("_", ".", 1): name
    for name in (item.name for item in fields(SampleRow))
    if name not in ("sampled_at", "charge_points")
}
"""path → column: `grid.power_w` is `grid_power_w`."""

CHARGE_POINT_SERIES = tuple(item.name for item in fields(ChargePointSampleRow) if item.name != "charge_point")

_is_series = PathTest(SITE_SERIES, {"charge_points": CHARGE_POINT_SERIES})


@dataclass(frozen=True, slots=True)
class Period:
    """`first_s` and every `step_s` from it, `count` steps; whole Unix seconds."""

    first_s: int
    step_s: int
    count: int
    selected: Selection

    @property
    def end_s(self) -> int:
        return self.first_s + self.count * self.step_s

    def step_of(self, instant_s: int) -> int | None:
        """Which step an instant is; None if it is not on the grid or outside."""
        step, off_grid = divmod(instant_s - self.first_s, self.step_s)
        return None if off_grid or not 0 <= step < self.count else step


def period(parameters: Mapping[str, str], *, interval_s: int, now: float) -> Period:
    """What `?from&to&series&resolution` ask for; raises FieldError. Without `from`, the 24 hours before `to`."""
    faults: dict[str, str] = {}
    read: dict[str, Any] = {}
    for name, parse in (("from", instants.parse), ("to", instants.parse), ("series", _series)):
        try:
            if name in parameters:
                read[name] = parse(parameters[name])
        except ValueError as exc:
            faults[name] = str(exc)
    resolution = parameters.get("resolution", "raw")
    if resolution != "raw" and not _is_number(resolution, interval_s):
        faults["resolution"] = f"must be raw or {interval_s}, the seconds between two samples"
    if faults:
        raise FieldError("some parameters are wrong", faults)
    to_s = read.get("to", now)
    from_s = read.get("from", to_s - min(DEFAULT_PERIOD_S, MOST_STEPS * interval_s))
    first, end = math.ceil(from_s / interval_s), math.ceil(to_s / interval_s)
    if from_s < 0 or to_s > LATEST:
        raise FieldError("the period is out of range", {"from": "must be from 1970 to 9999"})
    if from_s > to_s:
        raise FieldError("the period is empty", {"from": "must not be after to"})
    if end - first > MOST_STEPS:
        longest_s = MOST_STEPS * interval_s
        raise FieldError(
            "the period is too long", {"from": f"must be at most {longest_s} s before to: {MOST_STEPS} values"}
        )
    return Period(first * interval_s, interval_s, end - first, read.get("series", EVERYTHING))


def series(asked: Period, rows: Sequence[SampleRow]) -> dict[str, list[Any]]:
    """path → one value per step. A charge point's series are there if it was recorded, or named in full."""
    found: dict[str, list[Any]] = {path: [None] * asked.count for path in _named(asked.selected)}
    for row in rows:
        step = asked.step_of(row.sampled_at)
        if step is None:
            continue
        for path, column in SITE_SERIES.items():
            if path in found:
                found[path][step] = getattr(row, column)
        for part in row.charge_points:
            for name in CHARGE_POINT_SERIES:
                path = f"charge_points.{part.charge_point}.{name}"
                if asked.selected.has(path):
                    found.setdefault(path, [None] * asked.count)[step] = getattr(part, name)
    return found


def _named(selected: Selection) -> list[str]:
    site = [path for path in SITE_SERIES if selected.has(path)]
    return site + [path for path in selected.paths if path.startswith("charge_points.") and path.count(".") == 2]


def _series(text: str) -> Selection:
    return of_paths(text, _is_series)


def _is_number(text: str, expected: int) -> bool:
    try:
        return whole_number(text, lowest=1, highest=10**9) == expected
    except ValueError:
        return False
