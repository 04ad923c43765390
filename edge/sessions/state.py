"""What the session machine remembers: plain values, all of which go into a file and come back.

Changed in place by edge/sessions/ alone. Instants are Unix seconds of the edge's clock; energies are Wh, not rounded
(edge/sessions/records.py does that). None is unknown.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from common.meters import Meter, OddReading


class Seam(StrEnum):
    """Why a segment must not be joined with the one before it."""

    COUNT = "count"
    """The meter began a new count: differences of readings mean nothing over it."""
    FLAP = "flap"
    """The plug was back after a moment, and may be another car's."""


@dataclass(slots=True, kw_only=True)
class Parts:
    """Energy by where it came from, and its cost. `unpriced_wh` is energy whose cost is not in `cost_millicents`."""

    grid_wh: float = 0.0
    pv_wh: float = 0.0
    battery_wh: float = 0.0
    unknown_wh: float = 0.0
    cost_millicents: float = 0.0
    unpriced_wh: float = 0.0

    def add(self, other: "Parts") -> None:
        self.grid_wh += other.grid_wh
        self.pv_wh += other.pv_wh
        self.battery_wh += other.battery_wh
        self.unknown_wh += other.unknown_wh
        self.cost_millicents += other.cost_millicents
        self.unpriced_wh += other.unpriced_wh

    def scaled(self, by: float) -> "Parts":
        """This share of all of it."""
        return Parts(
            grid_wh=self.grid_wh * by,
            pv_wh=self.pv_wh * by,
            battery_wh=self.battery_wh * by,
            unknown_wh=self.unknown_wh * by,
            cost_millicents=self.cost_millicents * by,
            unpriced_wh=self.unpriced_wh * by,
        )

    @property
    def known_wh(self) -> float:
        return self.grid_wh + self.pv_wh + self.battery_wh

    @property
    def all_wh(self) -> float:
        return self.known_wh + self.unknown_wh


@dataclass(slots=True, kw_only=True)
class Flow:
    """What fed the site since the meter of a charge point last grew, in watt-seconds; `unknown_s` nobody knows of."""

    grid_ws: float = 0.0
    pv_ws: float = 0.0
    battery_ws: float = 0.0
    known_s: float = 0.0
    unknown_s: float = 0.0
    is_by_meters: bool = False


@dataclass(slots=True, kw_only=True)
class Segment:
    """One row in the making; the last one of a session that runs has no end."""

    started_at: int
    ended_at: int | None = None
    is_charging: bool = False
    mode: str | None = None
    meter_start_wh: float | None = None
    meter_end_wh: float | None = None
    parts: Parts = field(default_factory=Parts)
    begins: Seam | None = None


@dataclass(slots=True, kw_only=True)
class Flap:
    """The plug was gone for a moment, and back at `back_at`: what the session was until then, should two cars show.

    `signs` counts the looks in a row at which the wallbox named another car; `has_other_card`: somebody held another
    card to the reader.
    """

    absent_since: float
    back_at: float
    vehicle: str | None
    soc_end_percent: int | None
    since_plugged_wh: float | None
    signs: int = 0
    has_other_card: bool = False


@dataclass(slots=True, kw_only=True)
class Session:
    """A session that runs. `is_shown`: it is more than a plug that flapped, so others may know of it.

    `flap` is the last one, as long as it may turn out that another car came. `held_start_wh` is what the meter said
    when the session began, if that was not believed then.
    """

    started_at: int
    meter_start_wh: float | None = None
    meter_end_wh: float | None = None
    segments: list[Segment] = field(default_factory=list)
    soc_start_percent: int | None = None
    soc_end_percent: int | None = None
    vehicle: str | None = None
    tag: str | None = None
    is_by_meters: bool = False
    price_kind: str = "tariff"
    is_shown: bool = False
    flap: Flap | None = None
    held_start_wh: float | None = None


@dataclass(slots=True, kw_only=True)
class Point:
    """One charge point as last judged.

    `meter_wh` is the last believed reading, of which another one has confirmed `sure_wh`; `source` and `count_at` say
    of which meter, and of which of its counts, as in `common.meters.Meter`. `held_wh` is what it said at the last look,
    if that is not believed yet. `since_plugged_wh` is that of the last look
    at which the car was there. `absent_since` is when the running session's car was first seen unplugged; `absent_s`
    how long it has been so. `missing_since` is when the wallbox first had no such charge point.
    """

    seen_at: float
    is_plugged: bool | None = None
    power_w: float | None = None
    is_charging: bool = False
    since_plugged_wh: float | None = None
    meter_wh: float | None = None
    sure_wh: float | None = None
    source: str | None = None
    count_at: float | None = None
    held_wh: float | None = None
    absent_since: float | None = None
    absent_s: float = 0.0
    flow: Flow = field(default_factory=Flow)
    session: Session | None = None
    last_ended_at: int | None = None
    missing_since: float | None = None


@dataclass(slots=True, kw_only=True)
class Site:
    """The site's meters and the price when they were last looked at."""

    at: float
    grid_imported_wh: float | None = None
    pv_produced_wh: float | None = None
    battery_discharged_wh: float | None = None
    has_pv: bool = False
    has_battery: bool = False
    price_per_kwh: float | None = None


@dataclass(slots=True, kw_only=True)
class WaitingScan:
    """A scan that belongs to no session yet."""

    tag: str
    scanned_at: float
    charge_point: str | None = None


@dataclass(slots=True, kw_only=True)
class MachineState:
    """Everything that the machine knows; `meters` and `odd_readings` are the mirror's, kept along with it.

    `waits_since` is when it began to wait after a gap, until the meters are sure.
    """

    points: dict[str, Point] = field(default_factory=dict)
    site: Site | None = None
    scans: list[WaitingScan] = field(default_factory=list)
    waits_since: float | None = None
    meters: dict[str, Meter] = field(default_factory=dict)
    odd_readings: tuple[OddReading, ...] = ()


class Scan(Protocol):
    """A tag that was held to a reader; `charge_point` None: nobody knows at which one."""

    @property
    def tag(self) -> str: ...

    @property
    def scanned_at(self) -> float: ...

    @property
    def charge_point(self) -> str | None: ...
