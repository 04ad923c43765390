"""What openWB 2.x makes of a value on `openWB/set/…`: accepted, refused or ignored (its `helpermodules/setdata.py`).

Pure. Accepted: to be shown on `openWB/…`, the set topic emptied. Refused, and an unknown leaf: the set topic emptied,
nothing else. An unknown id or branch: nothing at all. The types are strict: `1.0` and `"1"` are no int, `"true"` is no
bool; but what is expected to be JSON may be anything, even text.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

Check = Callable[[Any], bool]


class Verdict(Enum):
    ACCEPTED = auto()
    REFUSED = auto()
    IGNORED = auto()


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer from `lowest` to `highest`."""

    lowest: float = float("-inf")
    highest: float = float("inf")

    def __call__(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.lowest <= value <= self.highest


@dataclass(frozen=True, slots=True)
class Decimal:
    """A number in one of the ranges; an integer is one, too."""

    ranges: tuple[tuple[float, float], ...]

    def __call__(self, value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and any(lowest <= value <= highest for lowest, highest in self.ranges)


def is_anything(_value: Any) -> bool:
    return True


def is_switch(value: Any) -> bool:
    """true, false, 0 or 1."""
    return isinstance(value, bool) or (isinstance(value, int) and value in (0, 1))


def is_text(value: Any) -> bool:
    """A string or null; text that is no JSON has been made a string before."""
    return value is None or isinstance(value, str)


def one_of(*choices: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value in choices


def list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def decide(name: str, value: Any, known: Mapping[str, Collection[int]]) -> Verdict:
    """What becomes of `value` on `openWB/set/<name>`. `known` has the ids that exist, by the kinds of `OWNERS`."""
    if not name.startswith(BRANCHES):
        return Verdict.IGNORED
    for pattern, kind in OWNERS:
        match = pattern.match(name)
        if match is not None and not any(match[1] == str(number) for number in known[kind]):
            return Verdict.IGNORED
    for pattern, check in _RULES:
        if pattern.fullmatch(name):
            return Verdict.ACCEPTED if check(value) else Verdict.REFUSED
    return Verdict.REFUSED


BRANCHES = ("chargepoint/", "vehicle/", "general/", "bat/", "counter/", "pv/", "optional/", "system/")

OWNERS = (
    (re.compile(r"chargepoint/template/(\d+)"), "charge_point_template"),
    (re.compile(r"chargepoint/(\d+)/"), "charge_point"),
    (re.compile(r"vehicle/template/charge_template/(\d+)"), "charge_template"),
    (re.compile(r"vehicle/template/ev_template/(\d+)"), "ev_template"),
    (re.compile(r"vehicle/(\d+)/"), "vehicle"),
    (re.compile(r"counter/(\d+)/"), "counter"),
    (re.compile(r"bat/(\d+)/"), "battery"),
    (re.compile(r"pv/(\d+)/"), "inverter"),
)

_NUMBER = Decimal(((float("-inf"), float("inf")),))
_PERCENT = Decimal(((0, 100),))
_PRICE = Decimal(((0, 99.99),))  # € per Wh
_CP, _VEHICLE, _PV = r"chargepoint/\d+", r"vehicle/\d+", "general/chargemode_config/pv_charging"

_RULES: tuple[tuple[re.Pattern[str], Check], ...] = tuple(
    (re.compile(pattern), check)
    for pattern, check in (
        (rf"{_CP}/set/charge_template", is_anything),
        (rf"{_CP}/config", is_anything),
        (rf"{_CP}/config/(ev|template)", Whole(0)),
        (rf"{_CP}/set/manual_lock", is_switch),
        (rf"{_CP}/(set|get)/rfid", is_text),
        (rf"{_CP}/set/current", Decimal(((float("-inf"), 0), (6, 32)))),
        (rf"{_CP}/set/phases_to_use", Whole(0, 3)),
        (rf"{_CP}/set/log", is_anything),
        (rf"{_CP}/get/(plug_state|charge_state)", is_switch),
        (rf"{_CP}/get/(power|imported|exported|frequency|rfid_timestamp)", _NUMBER),
        (rf"{_CP}/get/(powers|currents|voltages|power_factors)", list_of(_NUMBER)),
        (rf"{_CP}/get/fault_state", Whole(0, 2)),
        (rf"{_CP}/get/(fault_str|state_str|vehicle_id)", is_text),
        (r"chargepoint/template/\d+", is_anything),
        (r"vehicle/template/(charge|ev)_template/\d+", is_anything),
        (rf"{_VEHICLE}/(name|color)", is_text),
        (rf"{_VEHICLE}/info", is_anything),
        (rf"{_VEHICLE}/tag_id", list_of(lambda tag: isinstance(tag, str))),
        (rf"{_VEHICLE}/(charge|ev)_template", Whole(0)),
        (rf"{_VEHICLE}/soc_module/(config|general_config)", is_anything),
        (rf"{_VEHICLE}/soc_module/calculated_soc_state/manual_soc", _PERCENT),
        (rf"{_VEHICLE}/get/soc", _PERCENT),
        (rf"{_VEHICLE}/get/range", Decimal(((0, 1000),))),
        (rf"{_VEHICLE}/get/odometer", Decimal(((0, 9_999_999),))),
        (rf"{_VEHICLE}/get/soc_timestamp", _NUMBER),
        (rf"{_VEHICLE}/get/force_soc_update", is_switch),
        ("general/control_interval", one_of(10, 20, 60)),
        ("general/temporary_charge_templates_active", is_switch),
        (r"general/prices/(bat|grid|pv)", _PRICE),
        ("general/chargemode_config/unbalanced_load", is_switch),
        ("general/chargemode_config/unbalanced_load_limit", Decimal(((10, 32),))),
        (rf"{_PV}/(feed_in_yield|switch_(on_threshold|on_delay|off_delay))", Whole(0)),
        (rf"{_PV}/switch_off_threshold", _NUMBER),
        (rf"{_PV}/phase_switch_delay", Decimal(((5, 180),))),
        (rf"{_PV}/control_range", list_of(Whole())),
        (rf"{_PV}/(min|max)_bat_soc", _PERCENT),
        (rf"{_PV}/bat_power_(discharge|reserve)", Decimal(((0, float("inf")),))),
        (rf"{_PV}/(bat_power_(discharge|reserve)_active|retry_failed_phase_switches)", is_switch),
        (rf"{_PV}/bat_mode", is_text),
        (r"bat/config/(configured|bat_control_activated|price_(charge|limit)_activated)", is_switch),
        (r"bat/config/bat_control_(min|max)_soc", _PERCENT),
        (r"bat/config/(price|charge)_limit", _PRICE),
        (r"bat/config/(power_limit_mode|power_limit_condition|manual_mode)", is_text),
        (r"counter/\d+/config/max_currents", list_of(Whole(6, 1500))),
        (r"counter/\d+/config/max_total_power", Decimal(((0, float("inf")),))),
        ("counter/get/hierarchy", is_anything),
        ("optional/rfid/active", is_switch),
        (r"optional/ep/(flexible_tariff|grid_fee)/provider", is_anything),
        ("system/debug_level", one_of(10, 20, 30)),
    )
)
