"""How the objects of openWB 2.x are read: hierarchy, charge template, configuration, vehicle. Pure; used by its table.

Each function takes decoded JSON, never null, and returns a value, None for unknown, or raises `Unreadable`.
"""

from collections.abc import Callable
from typing import Any

from common.model import Limit, LimitType, Mode, Number
from edge.openwb import json_values
from edge.openwb.dialect import Range
from edge.openwb.json_values import member
from edge.openwb.parsing import SkipReason, Unreadable, Value
from edge.openwb.plausible import CHARGED, PERCENT

SECTIONS = {Mode.INSTANT: "instant_charging", Mode.PV: "pv_charging", Mode.ECO: "eco_charging"}
"""The part of a charge template that holds a mode's settings; the other modes have none."""

MODES = {
    **{name: mode for mode, name in SECTIONS.items()},
    "scheduled_charging": Mode.SCHEDULED,
    "stop": Mode.STOP,
    "standby": Mode.STANDBY,  # until 2.1
}

_LIMITS = {"none": LimitType.NONE, "amount": LimitType.ENERGY, "soc": LimitType.SOC}
_FAULTS = {0: "ok", 1: "warning", 2: "error"}


def ids(kind: str) -> Callable[[Any], Value]:
    """The ids of all components of a kind in the hierarchy."""
    return lambda hierarchy: frozenset(identifier for identifier, found in _components(hierarchy) if found == kind)


def grid_counter(hierarchy: Any) -> Value:
    """The first counter at the root is the one at the grid connection."""
    _components(hierarchy)  # readable as a whole, or not at all
    roots = [json_values.identifier(item["id"]) for item in _elements(hierarchy) if item["type"] == "counter"]
    return frozenset(roots[:1])


def other_counters(hierarchy: Any) -> Value:
    counters = frozenset(identifier for identifier, kind in _components(hierarchy) if kind == "counter")
    grid = grid_counter(hierarchy)
    return counters - grid if isinstance(grid, frozenset) else counters


def bare_hierarchy(hierarchy: Any) -> list[dict[str, Any]]:
    """With the members that are read here, and no others."""
    roots: list[dict[str, Any]] = []
    waiting = [(_elements(hierarchy), roots)]
    while waiting:
        items, bare = waiting.pop()
        for item in items:
            children: list[dict[str, Any]] = []
            bare.append({"id": json_values.whole(item["id"]), "type": item["type"], "children": children})
            waiting.append((_elements(item.get("children") or []), children))
    return roots


def _components(hierarchy: Any) -> list[tuple[str, str]]:
    """Id and kind of all; without recursion, as a payload may be as deep as it likes."""
    found: list[tuple[str, str]] = []
    waiting = _elements(hierarchy)
    while waiting:
        item = waiting.pop()
        found.append((json_values.identifier(item["id"]), item["type"]))
        waiting += _elements(item.get("children") or [])
    return found


def _elements(content: Any) -> list[dict[str, Any]]:
    if not isinstance(content, list):
        raise Unreadable(SkipReason.NOT_A_LIST)
    for item in content:
        if not json_values.is_object(item) or "id" not in item or not isinstance(item.get("type"), str):
            raise Unreadable(SkipReason.NOT_AN_OBJECT)
    return list(content)


def mode(content: Any) -> Mode:
    if not isinstance(content, str) or content not in MODES:
        raise Unreadable(SkipReason.NOT_A_CHOICE)
    return MODES[content]


def selected_mode(template: Any) -> Mode | None:
    selected = member(template, "chargemode", "selected")
    return None if selected is None else mode(selected)


def _of_mode(template: Any, name: str) -> Any:
    """A setting of the selected mode; of instant charging where that mode has no settings."""
    selected = member(template, "chargemode", "selected")
    section = selected if selected in SECTIONS.values() else SECTIONS[Mode.INSTANT]
    return member(template, "chargemode", section, name)


def current(name: str) -> Callable[[Any], Value]:
    """PV charging has no current of its own: there it is that of instant charging, as it will be when switched to."""

    def read(template: Any) -> Value:
        content = _of_mode(template, name)
        if content is None:
            content = member(template, "chargemode", SECTIONS[Mode.INSTANT], name)
        return None if content is None else json_values.number(content)

    return read


def limit(template: Any) -> Limit | None:
    limit = _of_mode(template, "limit")
    kind = member(limit, "selected")
    if kind is None:
        return None
    if not isinstance(kind, str) or kind not in _LIMITS:
        raise Unreadable(SkipReason.NOT_A_CHOICE)
    return Limit(
        type=_LIMITS[kind],
        energy_wh=_amount(member(limit, "amount"), CHARGED) if kind == "amount" else None,
        soc_percent=_amount(member(limit, "soc"), PERCENT) if kind == "soc" else None,
    )


def _amount(content: Any, plausible: Range) -> Number | None:
    if content is None:
        return None
    value = json_values.number(content)
    plausible.check(value)
    return value


def phases(template: Any) -> Value:
    content = _of_mode(template, "phases_to_use")
    return None if content is None else json_values.whole(content)


def sections(template: Any) -> Value:
    """Which modes' settings the template has: older releases know fewer."""
    sections = member(template, "chargemode")
    return frozenset(sections) if json_values.is_object(sections) else None


def vehicle_id(configuration: Any) -> Value:
    """The core's own rewrites have `_ev` in place of `ev`, or an older one beside it."""
    assigned = member(configuration, "ev")
    if assigned is None:
        assigned = member(configuration, "_ev")
    return None if assigned is None else json_values.identifier(assigned)


def is_visible(configuration: Any) -> Value:
    return member(configuration, "visibility") is not False


def soc(content: Any) -> Value:
    """A vehicle of which nothing is known has the SoC 0 and no instant."""
    soc = member(content, "soc")
    if soc is None or (soc == 0 and member(content, "timestamp") is None):
        return None
    return json_values.number(soc)


def fault_level(content: Any) -> str:
    level = _FAULTS.get(json_values.whole(content))
    if level is None:
        raise Unreadable(SkipReason.NOT_A_CHOICE)
    return level


def soc_fault_level(content: Any) -> str | None:
    """As with the SoC: without an instant, 0 says nothing."""
    level = member(content, "fault_state")
    if level is None or (level == 0 and member(content, "timestamp") is None):
        return None
    return fault_level(level)


def is_named(content: Any) -> bool:
    """A name of white space alone is one, too; raises Unreadable for what is no name."""
    json_values.name(content)
    return True


def is_instant(content: Any) -> bool:
    """0 is none."""
    return json_values.number(content) != 0


def has_prices(content: Any) -> bool:
    return json_values.prices(content) is not None
