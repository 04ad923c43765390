"""The past as series for charts: which steps a request means, and one value for each of them. Pure.

Steps are the recorder's own ticks, or whole multiples of them, or the buckets of the energy rollups. What each series
has for a step: power the mean, energy the sum, everything else its value at the step's beginning. None where nothing
was recorded. Ticks that are not on the grid (recorded under another interval) are left out, never moved.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from zoneinfo import ZoneInfo

from api.fields import EVERYTHING, PathTest, Selection, of_paths
from api.periods import boundary
from common.errors import FieldError
from common.local_time import Unit, spans
from common.store.rollup_rows import CHARGE_POINT, Method, Resolution, RollupRow, SeriesKey
from common.store.rows import ChargePointSampleRow, PowerMeans, SampleRow

PARAMETERS = frozenset({"from", "to", "series", "resolution"})
MOST_STEPS = 2000  # more than any screen has pixels across, and about 300 kB of answer
DEFAULT_PERIOD_S = 24 * 3600
LATEST = 253370678400.0  # 9998-12-31: the calendar ends with 9999, and each step has an end in it

MEANS_S = (60, 120, 300, 600)
"""Steps for which samples are averaged: with an interval of 5 s that reads 240,000 rows at most."""

BUCKETS_S = {
    Resolution.QUARTER: 900,
    Resolution.HOUR: 3600,
    Resolution.DAY: 86_400,
    Resolution.MONTH: 2_629_746,  # a twelfth of the Gregorian year
}
"""How long buckets are; days and months only about so."""

SITE_SERIES: Mapping[str, str] = {
    name.replace("_", ".", 1): name
    for name in (item.name for item in fields(SampleRow))
    if name not in ("sampled_at", "charge_points", "odd_readings")
}
"""path → column: `grid.power_w` is `grid_power_w`."""

CHARGE_POINT_SERIES = tuple(item.name for item in fields(ChargePointSampleRow) if item.name != "charge_point")

_POINTS = tuple(name for name in CHARGE_POINT_SERIES if name != "power_w")

ENERGY_SERIES: Mapping[str, SeriesKey] = {
    "grid.import_energy_wh": "grid_import",
    "grid.export_energy_wh": "grid_export",
    "pv.energy_wh": "pv",
    "battery.charge_energy_wh": "battery_charge",
    "battery.discharge_energy_wh": "battery_discharge",
    "home.energy_wh": "home",
}
"""path → series of the rollups; a charge point has `energy_wh`."""

ENERGY = "energy_wh"

_POWERS: Mapping[str, tuple[SeriesKey, SeriesKey | None]] = {
    "grid.power_w": ("grid_import", "grid_export"),
    "pv.power_w": ("pv", None),
    "battery.power_w": ("battery_charge", "battery_discharge"),
    "home.power_w": ("home", None),
}
"""path → the series that it is made of, and the one that counts against it."""

_is_series = PathTest([*SITE_SERIES, *ENERGY_SERIES], {"charge_points": (*CHARGE_POINT_SERIES, ENERGY)})


@dataclass(frozen=True, slots=True)
class Steps:
    """What a request means. `bucket` None: the samples' own grid, or with `is_mean` a coarser one of it.

    `starts` are whole Unix seconds, `step_s` apart, but for days and months.
    """

    starts: Sequence[int]
    end_s: int
    step_s: int
    selected: Selection
    bucket: Resolution | None = None
    is_mean: bool = False

    @property
    def first_s(self) -> int:
        return self.starts[0] if self.starts else self.end_s

    @property
    def count(self) -> int:
        return len(self.starts)

    def numbers(self) -> dict[int, int]:
        """start → which step it is."""
        return {start: number for number, start in enumerate(self.starts)}

    def wants_points(self) -> bool:
        """Whether a series is asked for that has the value at the step's beginning."""
        whole = ("power_w", ENERGY)  # what is told of a step as a whole
        return not self.selected.paths or not all(path.endswith(whole) for path in self.selected.paths)


def steps(parameters: Mapping[str, str], *, interval_s: int, now: float, zone: ZoneInfo) -> Steps:
    """What `?from&to&series&resolution` ask for; raises FieldError. Without `from`, the 24 hours before `to`."""
    faults: dict[str, str] = {}
    read: dict[str, Any] = {}
    for name in ("from", "to", "series"):
        try:
            if name in parameters:
                read[name] = _series(parameters[name]) if name == "series" else boundary(parameters[name], zone)
        except ValueError as exc:
            faults[name] = str(exc)
    selected: Selection = read.get("series", EVERYTHING)
    wished = parameters.get("resolution", "auto")
    grids = _grids(interval_s)
    has_energy = any(path.endswith(ENERGY) for path in selected.paths)
    if has_energy:
        grids = {name: grid for name, grid in grids.items() if grid[1] is not None}
    if wished != "auto" and wished not in grids:
        faults["resolution"] = f"must be auto or one of {', '.join(grids)}{' for energies' if has_energy else ''}"
    if faults:
        raise FieldError("some parameters are wrong", faults)
    to_s = read.get("to", now)
    from_s = read.get("from", to_s - DEFAULT_PERIOD_S)
    if from_s < 0 or to_s > LATEST:
        raise FieldError("the period is out of range", {"from": "must be from 1970 to 9998"})
    if from_s > to_s:
        raise FieldError("the period is empty", {"from": "must not be after to"})
    for step_s, bucket, is_mean in grids.values() if wished == "auto" else [grids[wished]]:
        if (to_s - from_s) / step_s <= MOST_STEPS + 2:
            found = _laid_out(from_s, to_s, step_s, bucket, is_mean, selected, zone)
            if found.count <= MOST_STEPS:
                return found
    raise FieldError("the period is too long", {"from": f"must leave at most {MOST_STEPS} steps before to"})


def samples(asked: Steps, rows: Sequence[SampleRow]) -> dict[str, list[Any]]:
    """path → one value per step of the samples' own grid."""
    found = _Table(asked, [*SITE_SERIES], CHARGE_POINT_SERIES)
    for row in rows:
        found.put_row(row, has_powers=True)
    return found.series


def means(asked: Steps, powers: Sequence[PowerMeans], points: Sequence[SampleRow]) -> dict[str, list[Any]]:
    """path → one value per step of a coarser grid: mean powers, and what else stood at the steps' beginnings."""
    found = _Table(asked, [*SITE_SERIES], CHARGE_POINT_SERIES)
    for row in points:
        found.put_row(row)
    for mean in powers:
        for path in _POWERS:
            found.put(mean.starts_at, path, mean.site.get(SITE_SERIES[path]))
        for name, power_w in mean.charge_points.items():
            found.put(mean.starts_at, f"charge_points.{name}.power_w", power_w)
    return found.series


def buckets(asked: Steps, rows: Sequence[RollupRow], points: Sequence[SampleRow], now: float) -> dict[str, list[Any]]:
    """path → one value per bucket: energies, the powers that they are in the mean, and the rest as in `means`."""
    found = _Table(asked, [*SITE_SERIES, *ENERGY_SERIES], (*CHARGE_POINT_SERIES, ENERGY))
    for point in points:
        found.put_row(point)
    ends = dict(zip(asked.starts, (*asked.starts[1:], asked.end_s), strict=True))
    by_start: dict[int, dict[SeriesKey, RollupRow]] = {}
    for row in rows:
        if row.starts_at in ends:
            by_start.setdefault(row.starts_at, {})[row.series] = row
    for start, at_once in by_start.items():
        lasted_s = (min(ends[start], now) if start < now else ends[start]) - start
        for path, key in ENERGY_SERIES.items():
            found.put(start, path, at_once[key].energy_wh if key in at_once else None)
        for path, (key, against) in _POWERS.items():
            found.put(start, path, _difference(at_once, key, against, lasted_s))
        for key, row in at_once.items():
            if key.startswith(CHARGE_POINT):
                name = f"charge_points.{key.removeprefix(CHARGE_POINT)}"
                found.put(start, f"{name}.{ENERGY}", row.energy_wh)
                found.put(start, f"{name}.power_w", _mean_w(row, lasted_s))
    return found.series


class _Table:
    """Series under construction. A charge point's are there if something was recorded, or named in full."""

    def __init__(self, asked: Steps, site_paths: Sequence[str], charge_point_names: Sequence[str]) -> None:
        self._selected = asked.selected
        self._numbers = asked.numbers()
        self._names = charge_point_names
        named = [path for path in site_paths if asked.selected.has(path)]
        named += [path for path in asked.selected.paths if _is_full(path, charge_point_names)]
        self.series: dict[str, list[Any]] = {path: [None] * len(self._numbers) for path in named}

    def put(self, start: int, path: str, value: Any) -> None:
        number = self._numbers.get(start)
        if number is None:
            return
        values = self.series.get(path)
        if values is None:
            if not self._selected.has(path):
                return
            values = self.series[path] = [None] * len(self._numbers)
        values[number] = value

    def put_row(self, row: SampleRow, *, has_powers: bool = False) -> None:
        """A sample's values; its powers only where a step is a tick."""
        if row.sampled_at not in self._numbers:
            return
        for path, column in SITE_SERIES.items():
            if has_powers or path not in _POWERS:
                self.put(row.sampled_at, path, getattr(row, column))
        for part in row.charge_points:
            for name in CHARGE_POINT_SERIES if has_powers else _POINTS:
                value = getattr(part, name)
                told = int(value) if isinstance(value, bool) else value
                self.put(row.sampled_at, f"charge_points.{part.charge_point}.{name}", told)


def _grids(interval_s: int) -> dict[str, tuple[int, Resolution | None, bool]]:
    """`?resolution=` → seconds, bucket, whether samples are averaged; from fine to coarse."""
    found: dict[str, tuple[int, Resolution | None, bool]] = {"raw": (interval_s, None, False)}
    found[str(interval_s)] = found["raw"]
    for step_s in MEANS_S:
        if step_s > interval_s and step_s % interval_s == 0:
            found[str(step_s)] = (step_s, None, True)
    for bucket, step_s in BUCKETS_S.items():
        name = str(step_s) if bucket in (Resolution.QUARTER, Resolution.HOUR) else bucket.value
        found.setdefault(name, (step_s, bucket, False))
    return dict(sorted(found.items(), key=lambda item: item[1][0]))


def _laid_out(
    from_s: float,
    to_s: float,
    step_s: int,
    bucket: Resolution | None,
    is_mean: bool,
    selected: Selection,
    zone: ZoneInfo,
) -> Steps:
    """Ticks from the first one in the period to the last; longer steps as far as they have a part in it."""
    if bucket in (Resolution.DAY, Resolution.MONTH):
        found = list(spans(Unit(bucket.value), from_s, to_s, zone))
        end_s = found[-1][1] if found else math.ceil(to_s)
        return Steps([start for start, _ in found], end_s, step_s, selected, bucket)
    is_tick = bucket is None and not is_mean
    first = math.ceil(from_s / step_s) if is_tick else math.floor(from_s / step_s)
    end = math.ceil(to_s / step_s)
    return Steps(
        range(first * step_s, end * step_s, step_s), max(first, end) * step_s, step_s, selected, bucket, is_mean
    )


def _difference(
    rows: Mapping[SeriesKey, RollupRow], key: SeriesKey, against: SeriesKey | None, lasted_s: float
) -> int | None:
    values = [_mean_w(rows[name], lasted_s) if name in rows else None for name in _both(key, against)]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return known[0] - (known[1] if len(known) > 1 else 0)


def _both(key: SeriesKey, against: SeriesKey | None) -> Iterator[SeriesKey]:
    yield key
    if against is not None:
        yield against


def _mean_w(row: RollupRow, lasted_s: float) -> int | None:
    """A meter counts on while nobody looks, so its energy is that of the whole time; what no sample saw is a gap."""
    over_s = row.covered_s if row.method is Method.POWER else lasted_s
    return round(row.energy_wh * 3600 / over_s) if row.covered_s > 0 and over_s > 0 else None


def _is_full(path: str, names: Sequence[str]) -> bool:
    return path.startswith("charge_points.") and path.count(".") == 2 and path.rpartition(".")[2] in names


def _series(text: str) -> Selection:
    return of_paths(text, _is_series)
