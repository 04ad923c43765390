"""Builds a `SiteState` from single values by path, as the dialect tables name them.

It knows the shape of the state, and nothing of topics or of what was said before; called by `edge/mirror.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from common.model import (
    Battery,
    Capabilities,
    ChargePoint,
    Device,
    DeviceKind,
    Fault,
    FaultLevel,
    Grid,
    Home,
    Limit,
    LimitType,
    Meta,
    Number,
    PerPhase,
    PriceSlots,
    Pv,
    SiteState,
    Tariff,
    Vehicle,
)
from edge.openwb.parsing import LONGEST_FAULT, Value, one_line

EVERY_CHARGE_POINT = "charge_points.*."

_PHASES = ("0", "1", "2")
_SEVERITY = {"ok": 0, "warning": 1, "error": 2}
_LAST_SLOT_S = 3600  # how long the only slot of a tariff lasts; exchanges trade hours


def assemble(
    generation: str,
    is_stale: bool,
    values: Mapping[str, Value],
    capabilities: Callable[[str], Capabilities],
    now: float,
) -> SiteState:
    """The state of all known values. A part of which nothing is known is None; so is a charge point, by absence.

    A path whose value is None tells that the part is there, though nothing is known of this value.
    """
    tree: dict[str, Any] = {}
    for_all: dict[str, Value] = {}
    for path, value in values.items():
        if path.startswith(EVERY_CHARGE_POINT):
            for_all[path.removeprefix(EVERY_CHARGE_POINT)] = value
        else:
            _plant(tree, path, value)
    meta = Meta(generation=generation, is_stale=is_stale, **tree.get("meta", {}))
    charge_points: dict[str, dict[str, Any]] = tree.get("charge_points", {})
    return SiteState(
        meta=meta,
        grid=Grid(**grid) if (grid := _part(tree, "grid")) is not None else None,
        pv=Pv(**pv) if (pv := _part(tree, "pv")) is not None else None,
        battery=Battery(**battery) if (battery := _part(tree, "battery")) is not None else None,
        home=Home(**home) if (home := _part(tree, "home")) is not None else None,
        charge_points={
            number: ChargePoint(
                capabilities=Capabilities() if meta.is_secondary else capabilities(number),
                **{**for_all, **_leaves(charge_points[number])},
            )
            for number in sorted(charge_points, key=int)
        },
        tariff=_priced(Tariff(**tariff), now) if (tariff := _part(tree, "tariff")) is not None else None,
        devices={
            identifier: Device(kind=DeviceKind(identifier.partition("-")[0]), **_leaves(device))
            for identifier, device in sorted(tree.get("devices", {}).items())
        },
        vehicles={
            number: Vehicle(**_leaves(vehicle))
            for number, vehicle in sorted(tree.get("vehicles", {}).items(), key=lambda item: int(item[0]))
        },
    )


def price_at(slots: PriceSlots, now: float) -> Number | None:
    """The price of the slot that `now` lies in. The last slot is as long as the one before it."""
    for (starts_at, price), following in zip(slots, (*slots[1:], None), strict=True):
        if following is not None:
            ends_at = following[0]
        else:
            ends_at = starts_at + (starts_at - slots[-2][0] if len(slots) > 1 else _LAST_SLOT_S)
        if starts_at <= now < ends_at:
            return price
    return None


def _priced(tariff: Tariff, now: float) -> Tariff:
    """With the price of now, where the wallbox has slots but does not say which one counts."""
    if tariff.price_per_kwh is not None or tariff.prices is None:
        return tariff
    return replace(tariff, price_per_kwh=price_at(tariff.prices, now))


def _plant(tree: dict[str, Any], path: str, value: Value) -> None:
    *branches, leaf = path.split(".")
    for branch in branches:
        tree = tree.setdefault(branch, {})
    tree[leaf] = value


def _part(tree: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """What is known of a part; None if the site has no such part, as far as is known."""
    branch = tree.get(name, {})
    return _leaves(branch) or ({} if None in branch.values() else None)


def _leaves(branch: Mapping[str, Any]) -> dict[str, Any]:
    """What was spread over several values, put together; None is left out."""
    leaves = _sums(branch["units"]) if "units" in branch else {}
    leaves |= {name: _leaf(name, value) for name, value in branch.items() if name != "units"}
    return {name: value for name, value in leaves.items() if value is not None}


def _sums(units: Mapping[str, Mapping[str, Number]]) -> dict[str, Any]:
    """What the inverters, or batteries, have together; what one of them does not say is unknown."""
    names = {name for unit in units.values() for name in unit}
    parts = {name: [unit.get(name) for unit in units.values()] for name in names}
    return {name: None if None in values else sum(filter(None, values)) for name, values in parts.items()}


def _leaf(name: str, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if name == "limit":
        return _limit(value)
    if name in ("fault", "soc_fault"):
        return _fault(value)
    return _per_phase(value)


def _per_phase(phases: Mapping[str, Any]) -> PerPhase | None:
    first, second, third = (phases.get(phase) for phase in _PHASES)
    return None if first is second is third is None else (first, second, third)


def _limit(parts: Mapping[str, Any]) -> Limit | None:
    """The wallbox keeps the numbers of limits that do not apply; only the one that does is shown."""
    kind = parts.get("type")
    if kind is None:
        return None
    return Limit(
        type=LimitType(kind),
        energy_wh=parts.get("energy_wh") if kind == "energy" else None,
        soc_percent=parts.get("soc_percent") if kind == "soc" else None,
    )


def _fault(parts: Mapping[str, Any]) -> Fault | None:
    """One fault, or that of several by number: the worst level, and what each says that has it, after its name."""
    by_number = sorted(parts, key=lambda name: (len(name), name))
    units = [parts[name] for name in by_number if isinstance(parts[name], dict)]
    levels = [FaultLevel(part["level"]) for part in (*units, parts) if part.get("level") is not None]
    if not levels:
        return None
    level = max(levels, key=lambda one: _SEVERITY[one])
    if level is FaultLevel.OK:
        return Fault(level)
    told = [_told(unit) for unit in units if unit.get("level") == level and unit.get("text")]
    own = parts.get("text") if parts.get("level") == level else None
    return Fault(level, one_line("; ".join(told), LONGEST_FAULT) or own)


def _told(unit: Mapping[str, Any]) -> str:
    return f"{unit['name']}: {unit['text']}" if unit.get("name") else str(unit["text"])
