"""The charge template of openWB 2.x: where each wish stands in it, and which values are allowed there. Pure.

Obeys openWB 2.3 (`control/ev/charge_template.py`), whose core checks none of this: what is written here is taken as it
is. The settings of a mode stand in a section of their own. Only wished members change; unknown ones stay.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common.model import Mode
from edge.openwb import json_values, v2_objects
from edge.openwb.planning import Refused
from edge.openwb.v2_heard import Heard, safely

Template = dict[str, Any]

_LIMITS = {"none": "none", "energy": "amount", "soc": "soc"}
_OUR_LIMITS = {theirs: ours for ours, theirs in _LIMITS.items()}
_MODES: Mapping[str, str] = {mode: name for name, mode in v2_objects.MODES.items() if mode is not Mode.STANDBY}
_selected_mode = safely(v2_objects.selected_mode)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the template: where it is, what it shall be, and how it is read as the wish."""

    wish: str
    path: tuple[str, ...]
    content: Any
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Charge:
    """What a wish is judged by: all wishes of the command, the charge point, its template, and what was heard."""

    wishes: Mapping[str, Any]
    number: str
    template: Template
    heard: Heard

    def section(self, wish: str, mode: Mode) -> str:
        """The name of a mode's settings; raises Refused when this version has none."""
        name = v2_objects.SECTIONS[mode]
        if not isinstance(self.template["chargemode"].get(name), dict):
            raise Refused(f"{wish}: this version of openWB does not have it")
        return name

    def used_mode(self) -> Mode:
        """The wished or else the selected mode; where that one has no settings, instant charging, as the state has."""
        mode = self.wishes.get("mode") or _selected_mode(self.template)
        return Mode(mode) if mode in v2_objects.SECTIONS else Mode.INSTANT

    def is_dc(self) -> bool:
        return bool(self.heard.configuration(self.number, "charging_type") == "DC")


def members(wishes: Mapping[str, Any], number: str, template: Template, heard: Heard) -> list[Member]:
    """What the wishes change in this template; raises Refused."""
    charge = _Charge(wishes, number, template, heard)
    return [member(charge) for wish, member in _MEMBERS.items() if wish in wishes]


def changed(template: Template, wished: list[Member]) -> Template:
    """The whole template anew."""
    result = copy.deepcopy(template)
    for member in wished:
        *branches, leaf = member.path
        branch = result
        for name in branches:
            branch = branch.setdefault(name, {})
        own = branch.get(leaf)
        if isinstance(own, dict) and isinstance(member.content, dict):
            branch[leaf] = {**own, **member.content}  # of a limit the numbers that do not count now are kept, too
        else:
            branch[leaf] = member.content
    return result


def _mode(charge: _Charge) -> Member:
    mode = charge.wishes["mode"]
    if mode == Mode.MIN_PV:
        raise Refused("mode: openWB 2.x has no mode min_pv; wish for pv with a pv_min_current_a")
    if mode not in _MODES:
        raise Refused(f"mode: openWB 2.x has no mode {mode}")
    if mode in v2_objects.SECTIONS:
        charge.section("mode", Mode(mode))
    return Member("mode", ("chargemode", "selected"), _MODES[mode], _selected_mode)


def _current(charge: _Charge) -> Member:
    """Eco charging has a current of its own; all other modes show that of instant charging."""
    mode = Mode.ECO if charge.used_mode() is Mode.ECO else Mode.INSTANT
    lowest, highest = _current_range(charge)
    value = charge.wishes["current_a"]
    if not lowest <= value <= highest:
        raise Refused(f"current_a: this wallbox allows {lowest:g} to {highest:g} A here")
    name = "dc_current" if charge.is_dc() else "current"
    return _number("current_a", ("chargemode", charge.section("current_a", mode), name), value)


def _current_range(charge: _Charge) -> tuple[float, float]:
    """What the templates of charge point and vehicle allow: the core takes more, and silently uses less."""
    heard, number = charge.heard, charge.number
    own = f"chargepoint/template/{heard.configuration(number, 'template')}"
    car = f"vehicle/template/ev_template/{heard.vehicle_configuration(number, 'ev_template')}"
    if charge.is_dc():
        least, most, lowest, highest = "dc_min_current", "dc_max_current", 0.0, 450.0
    else:
        phases = charge.template["chargemode"].get(v2_objects.SECTIONS[charge.used_mode()], {}).get("phases_to_use")
        is_single = heard.configuration(number, "connected_phases") == 1 or phases == 1
        most = "max_current_single_phase" if is_single else "max_current_multi_phases"
        least, lowest, highest = "min_current", 6.0, 32.0
    lower = [limit for limit in (heard.member(car, least),) if _is_number(limit)]
    upper = [limit for limit in (heard.member(own, most), heard.member(car, most)) if _is_number(limit)]
    lowest_here, highest_here = max([lowest, *lower]), min([highest, *upper])
    return (lowest_here, highest_here) if lowest_here <= highest_here else (lowest, highest)


def _pv_min_current(charge: _Charge) -> Member:
    value = charge.wishes["pv_min_current_a"]
    if value != 0 and not 6 <= value <= 16:
        raise Refused("pv_min_current_a: openWB 2.x allows 0, which is surplus only, or 6 to 16 A")
    name = "dc_min_current" if charge.is_dc() else "min_current"
    return _number("pv_min_current_a", ("chargemode", charge.section("pv_min_current_a", Mode.PV), name), value)


def _max_price(charge: _Charge) -> Member:
    path = ("chargemode", charge.section("max_price_per_kwh", Mode.ECO), "max_price")
    price_per_wh = round(charge.wishes["max_price_per_kwh"] / 1000, 9)
    return Member(
        "max_price_per_kwh", path, price_per_wh, safely(json_values.at(*path, read=json_values.per_wh_as_per_kwh))
    )


def _limit(charge: _Charge) -> Member:
    """Each mode has a limit of its own."""
    wish = charge.wishes["limit"]
    content: dict[str, Any] = {"selected": _LIMITS[wish["type"]]}
    if wish["type"] == "energy":
        content["amount"] = wish["energy_wh"]
    if wish["type"] == "soc":
        content["soc"] = wish["soc_percent"]
    path = ("chargemode", charge.section("limit", charge.used_mode()), "limit")

    def read(template: Any) -> Any:
        shown = json_values.member(template, *path)
        kind = _OUR_LIMITS.get(json_values.member(shown, "selected"))
        if kind == "energy":
            return {"type": kind, "energy_wh": shown.get("amount")}
        if kind == "soc":
            return {"type": kind, "soc_percent": shown.get("soc")}
        return None if kind is None else {"type": kind}

    return Member("limit", path, content, safely(read))


def _phases(charge: _Charge) -> Member:
    if charge.heard.configuration(charge.number, "auto_phase_switch_hw") is not True:
        raise Refused("phases: this charge point cannot switch phases")
    path = ("chargemode", charge.section("phases", charge.used_mode()), "phases_to_use")
    return _number("phases", path, charge.wishes["phases"])


def _number(wish: str, path: tuple[str, ...], value: Any) -> Member:
    return Member(wish, path, value, safely(json_values.at(*path, read=json_values.number)))


def _is_number(content: Any) -> bool:
    return isinstance(content, int | float) and not isinstance(content, bool)


_MEMBERS: Mapping[str, Callable[[_Charge], Member]] = {
    "mode": _mode,
    "current_a": _current,
    "limit": _limit,
    "pv_min_current_a": _pv_min_current,
    "max_price_per_kwh": _max_price,
    "phases": _phases,
}

WISHES = tuple(_MEMBERS)
"""The wishes that are written into the template."""
