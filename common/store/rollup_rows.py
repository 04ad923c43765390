"""What goes between rollups and the store: plain frozen values. docs/records.md says what series and methods mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from common.store.rows import SampleRow

QUARTER_S = 900
HOUR_S = 3600

MOST_GAP_S = 92 * 86_400
"""Two readings of a meter further apart say nothing: nobody could tell in which season the energy flowed.

Also bounds how far a late sample reaches, and a search for the reading before it.
"""

SeriesKey = str
"""A name in METER_COLUMNS, `home`, or `charge_point:<its name>`."""

METER_COLUMNS = {
    "grid_import": "grid_imported_wh",
    "grid_export": "grid_exported_wh",
    "pv": "pv_produced_wh",
    "battery_charge": "battery_charged_wh",
    "battery_discharge": "battery_discharged_wh",
}
"""series → the column of `sample` with its meter. `home` has no meter."""

CHARGE_POINT = "charge_point:"


class Method(StrEnum):
    """How an energy was computed: from a meter, from the integral of power, or partly so and partly so."""

    METER = "meter"
    POWER = "power"
    MIXED = "mixed"


class Resolution(StrEnum):
    """Days and months are those of the site's time zone."""

    QUARTER = "quarter"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupRow:
    """The energy of one series in one bucket. `covered_s`: how many of its seconds lie between samples that tell."""

    starts_at: int
    series: SeriesKey
    energy_wh: int
    covered_s: int
    method: Method


@dataclass(frozen=True, slots=True)
class Reading:
    """A meter's reading, more than 0."""

    at: int
    wh: int


@dataclass(frozen=True, slots=True)
class Edges:
    """The last reading before the samples of a window, and the first one after them; None: none within MOST_GAP_S.

    `begun_at` are the instants from the one to the other at which the meter began a new count, as far as was seen.
    """

    before: Reading | None = None
    after: Reading | None = None
    begun_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """from_s ≤ t < to_s is to be computed anew. `is_new`: since samples arrived there."""

    from_s: int
    to_s: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Window:
    """The quarters from_s ≤ t < to_s, computed from the samples that lie up to `reach_s` around them."""

    from_s: int
    to_s: int
    reach_s: int
    new: tuple[Mark, ...] = ()

    def is_new(self, at: int) -> bool:
        """Whether the sample of this instant has just arrived."""
        return any(mark.from_s <= at < mark.to_s for mark in self.new)


class Reckoner(Protocol):
    """Decides what is computed, and computes it. Pure: a unit of work may ask it twice."""

    def window(self, marks: Sequence[Mark]) -> tuple[Window | None, list[Mark]]:
        """What to compute now (None: nothing), and the marks that are left."""
        ...

    def reckon(
        self, window: Window, rows: Sequence[SampleRow], edges: dict[SeriesKey, Edges]
    ) -> tuple[list[RollupRow], list[Mark]]:
        """The quarters of the window, and the marks of what else changes."""
        ...
