"""The one state model for both openWB generations.

Units stand in the names. Signs: grid import +, battery charging +, PV production +, loads +. `None` is "unknown",
never 0; a part that the site does not have,
or of which nothing is known, is `None` as a whole. Only the edge builds states (edge/mirror.py);
the api shows them. `flatten` and `diff` define the paths (`grid.power_w`) that ages, changes and `?fields=` use.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any

from common.meters import Meter, OddReading

Number = int | float
PerPhase = tuple[Number | None, Number | None, Number | None]
PriceSlots = tuple[tuple[int, Number], ...]


class Mode(StrEnum):
    """Charge modes of both generations; each offers what it has, see `Capabilities.modes`."""

    INSTANT = "instant"
    MIN_PV = "min_pv"
    PV = "pv"
    STOP = "stop"
    STANDBY = "standby"
    SCHEDULED = "scheduled"
    ECO = "eco"


class FaultLevel(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class LimitType(StrEnum):
    NONE = "none"
    ENERGY = "energy"
    SOC = "soc"


class DeviceKind(StrEnum):
    """`consumer`: a meter of its own. `smarthome`: switched by the wallbox. `meter`: a counter below the grid's."""

    CONSUMER = "consumer"
    SMARTHOME = "smarthome"
    METER = "meter"


class LoggedMode(StrEnum):
    """What openWB 2.x's charge log names beside `Mode`: charging within a time window, and to and from the car.

    Both follow from a plan, so nobody can wish for them.
    """

    TIME = "time"
    BIDI = "bidi"


@dataclass(frozen=True, slots=True)
class Fault:
    """`text` is the wallbox's own words (often German), never parsed for logic, without addresses and secrets.

    Of several inverters or batteries, those that are worst off say why, each with its name.
    """

    level: FaultLevel = FaultLevel.OK
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """When instant charging ends: with the type energy `energy_wh` counts, with soc `soc_percent`."""

    type: LimitType = LimitType.NONE
    energy_wh: Number | None = None
    soc_percent: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this wallbox lets be done at one charge point, as far as it says so itself.

    `is_mode_site_wide`: setting the mode here sets it for every charge point. `lowest_current_a` and
    `highest_current_a` bound the current of instant charging, in the wallbox's own words; a PV minimum current may also
    be 0. `limit_types` are those of `Limit`; an energy is a multiple of `energy_limit_step_wh`, up to
    `highest_energy_limit_wh`. A wallbox that others control offers nothing.
    """

    modes: tuple[Mode, ...] = ()
    is_mode_site_wide: bool = False
    lowest_current_a: Number = 6
    highest_current_a: Number = 32
    limit_types: tuple[LimitType, ...] = ()
    energy_limit_step_wh: int = 1
    highest_energy_limit_wh: int = 1_000_000
    can_enable: bool = False
    can_assign_vehicle: bool = False
    can_set_soc: bool = False
    can_set_pv_min_current: bool = False
    can_switch_phases: bool = False
    can_reset_energy: bool = False
    has_price_limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The meter at the grid connection. Import +, export −."""

    power_w: Number | None = None
    imported_wh: Number | None = None
    exported_wh: Number | None = None
    currents_a: PerPhase | None = None
    voltages_v: PerPhase | None = None
    powers_w: PerPhase | None = None
    frequency_hz: Number | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pv:
    """All inverters together. Production +."""

    power_w: Number | None = None
    produced_wh: Number | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """The house battery. Charging +, discharging −."""

    power_w: Number | None = None
    soc_percent: Number | None = None
    charged_wh: Number | None = None
    discharged_wh: Number | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The house without charge points and battery, as the wallbox computes it; ≥ 0."""

    power_w: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePoint:
    """One charge point. `meter_wh` is its absolute meter, `odd_meter_wh` what that says while it is not believed.

    `is_enabled` False is a locked charge point. `energy_charged_wh` counts the running or else the last charge (2.x:
    since the mode was last switched), `energy_since_plugged_wh` all since the car was plugged in. `state_text` is the
    wallbox's own account of what it does and why, for people. `soc_fault` is that of asking the car for its SoC.

    What a person set: `current_a` is the current of instant charging (2.x in eco mode: of eco charging), 6–32 A, more
    with DC. `limit` and `phases` (wished: 0 automatic, 1, 3) are those of the present mode. `pv_min_current_a` is the
    least current in PV mode (2.x: 0 is surplus only), `min_pv_current_a` that of the mode `min_pv`.
    `max_price_per_kwh` (EUR) is the price above which price-led charging waits.
    """

    name: str | None = None
    is_plugged: bool | None = None
    is_charging: bool | None = None
    is_enabled: bool | None = None
    power_w: Number | None = None
    currents_a: PerPhase | None = None
    voltages_v: PerPhase | None = None
    phases_in_use: int | None = None
    meter_wh: Number | None = None
    odd_meter_wh: Number | None = None
    energy_charged_wh: Number | None = None
    energy_since_plugged_wh: Number | None = None
    soc_percent: Number | None = None
    vehicle: str | None = None
    vehicle_id: str | None = None
    mode: Mode | None = None
    current_a: Number | None = None
    pv_min_current_a: Number | None = None
    min_pv_current_a: Number | None = None
    max_price_per_kwh: Number | None = None
    phases: int | None = None
    limit: Limit | None = None
    state_text: str | None = None
    fault: Fault | None = None
    soc_fault: Fault | None = None
    capabilities: Capabilities | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A load that the wallbox measures beside the charge points.

    `power_w` consumption +. `is_on` is the relay of a smarthome device; `temperatures_c` are its three sensors.
    """

    kind: DeviceKind
    name: str | None = None
    power_w: Number | None = None
    energy_wh: Number | None = None
    is_on: bool | None = None
    temperatures_c: PerPhase | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """A car that the wallbox knows (2.x). Neither position nor range nor mileage: they are nobody else's business."""

    name: str | None = None
    soc_percent: Number | None = None
    soc_fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Prices in EUR per kWh: of the grid now, and of PV and battery energy where the wallbox reckons with them.

    `is_dynamic` says whether the grid's price changes by the hour; with a fixed one no price at all means that the
    wallbox does not show it to us. `prices` are the known slots of a dynamic tariff in order, each
    `[starts_at, price_per_kwh]` with Unix seconds. `fault` is that of fetching them.
    `max_price_per_kwh` is the site's price limit (1.9).
    """

    is_dynamic: bool | None = None
    price_per_kwh: Number | None = None
    pv_price_per_kwh: Number | None = None
    battery_price_per_kwh: Number | None = None
    max_price_per_kwh: Number | None = None
    prices: PriceSlots | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """`generation` is "1.9" or "2.x"; `is_stale` is True when the wallbox's own heartbeat stopped or was never seen.

    A secondary wallbox is led by another one: it measures, and whoever wants something of it asks the other one.
    """

    generation: str
    version: str | None = None
    is_stale: bool = True
    is_secondary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteState:
    """Everything known about a site at one instant."""

    meta: Meta
    grid: Grid | None = None
    pv: Pv | None = None
    battery: Battery | None = None
    home: Home | None = None
    charge_points: Mapping[str, ChargePoint] = field(default_factory=dict)
    tariff: Tariff | None = None
    devices: Mapping[str, Device] = field(default_factory=dict)
    vehicles: Mapping[str, Vehicle] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the edge keeps in Redis: the state, its number, and when each path was last heard of.

    `seq` grows with every change, also over restarts and a lost Redis (it never falls behind Unix milliseconds at the
    first start). `updated_at` is the instant of the last message from the wallbox; `heard_at` maps paths to the
    instants when the wallbox last said their values, or confirmed them by its heartbeat, where it tells changes only.
    `meters` says by path how each meter was judged, `odd_readings` which readings were odd lately. All instants are
    Unix seconds on the edge's clock.
    """

    seq: int
    updated_at: float
    state: SiteState
    heard_at: Mapping[str, float] = field(default_factory=dict)
    meters: Mapping[str, Meter] = field(default_factory=dict)
    odd_readings: tuple[OddReading, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeHealth:
    """The edge's heartbeat: `components` maps names (mqtt, redis, store, relay, …) to `{"status","since","detail"}`."""

    at: float
    components: Mapping[str, Mapping[str, Any]]
    counters: Mapping[str, int] = field(default_factory=dict)


def flatten(state: SiteState) -> dict[str, Any]:
    """All paths with a known value. Leaves are text, numbers, booleans, tuples, `Fault`, `Limit` and `Capabilities`.

    A part the site lacks has no path; an unknown value has none either.
    """
    return dict(_leaves("", state))


def diff(old: SiteState | None, new: SiteState) -> dict[str, Any]:
    """What to tell a client that holds `old`: path → new value.

    None at a path means: unknown now; at the path of a part or of a charge point: gone as a whole.
    """
    return diff_of_paths(flatten(old) if old is not None else {}, flatten(new))


def diff_of_paths(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """`diff` of two states that were flattened already."""
    changes = {path: value for path, value in after.items() if path not in before or before[path] != value}
    parts = {path.rpartition(".")[0] for path in after}
    for path in before.keys() - after.keys():
        part = path.rpartition(".")[0]
        changes[path if part in parts else part] = None
    return changes


_LEAF_CLASSES = (Fault, Limit, Capabilities)


def _leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    names = _branches(type(value))  # type: ignore[arg-type]  # mypy takes a class for no Hashable
    if names is not None:
        for name in names:
            yield from _leaves(f"{prefix}.{name}" if prefix else name, getattr(value, name))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(f"{prefix}.{name}", item)
    elif value is not None:
        yield prefix, value


@functools.cache
def _branches(kind: type) -> tuple[str, ...] | None:
    """The fields of a part of the state; None for a leaf."""
    is_part = is_dataclass(kind) and not issubclass(kind, _LEAF_CLASSES)
    return tuple(item.name for item in fields(kind)) if is_part else None
