"""Charge templates and EV templates: how they look when new, and how openWB reads one whatever stands in it.

Pure. No part of a template is checked when it is written, so reading must bear anything: a missing or absurd part takes
its default (its `control/ev/charge_template.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INSTANT, PV, ECO, SCHEDULED, STOP = (
    "instant_charging",
    "pv_charging",
    "eco_charging",
    "scheduled_charging",
    "stop",
)


@dataclass(frozen=True, slots=True)
class Limit:
    """`selected` is none, amount (Wh since plug-in) or soc (%)."""

    selected: str
    amount_wh: float
    soc_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeTemplate:
    """What of a charge template decides about the current."""

    number: int | None
    selected: str
    is_prio: bool
    loads_default: bool
    instant_a: float
    instant_limit: Limit
    pv_least_a: float
    pv_least_soc_percent: float
    pv_least_soc_a: float
    pv_limit: Limit
    eco_a: float
    eco_price: float  # € per Wh
    eco_limit: Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class EvTemplate:
    """A car as the wallbox knows it."""

    least_a: float
    most_one_phase_a: float
    most_a: float
    capacity_wh: float
    consumption_wh_per_100km: float
    efficiency: float


def new_charge_template(number: int, name: str) -> dict[str, Any]:
    """A whole charge template as openWB makes it."""

    def limit(soc_percent: int = 50) -> dict[str, Any]:
        return {"selected": "none", "amount": 50000, "soc": soc_percent}

    return {
        "id": number,
        "name": name,
        "prio": False,
        "load_default": False,
        "time_charging": {"active": False, "plans": []},
        "chargemode": {
            "selected": INSTANT,
            "eco_charging": {
                "current": 6,
                "dc_current": 145,
                "limit": limit(),
                "max_price": 0.0002,
                "phases_to_use": 3,
            },
            "pv_charging": {
                "dc_min_current": 145,
                "dc_min_soc_current": 145,
                "feed_in_limit": False,
                "limit": limit(),
                "min_current": 0,
                "min_soc_current": 10,
                "min_soc": 0,
                "phases_to_use": 0,
                "phases_to_use_min_soc": 3,
            },
            "scheduled_charging": {"plans": []},
            "instant_charging": {"current": 16, "dc_current": 145, "limit": limit(80), "phases_to_use": 3},
        },
    }


def new_ev_template(number: int, name: str, *, phases: int, most_a: float, capacity_wh: float) -> dict[str, Any]:
    """A whole EV template as openWB makes it, for such a car."""
    return {
        "dc_min_current": 20,
        "dc_max_current": 150,
        "id": number,
        "name": name,
        "max_current_multi_phases": int(most_a),
        "max_phases": phases,
        "prevent_phase_switch": False,
        "prevent_charge_stop": False,
        "control_pilot_interruption": False,
        "control_pilot_interruption_duration": 4,
        "control_pilot_interruption_retry_interval": 0,
        "average_consump": 17000,
        "min_current": 6,
        "max_current_single_phase": int(most_a),
        "battery_capacity": int(capacity_wh),
        "efficiency": 90,
        "nominal_difference": 1,
        "keep_charge_active_duration": 40,
        "bidi": False,
    }


def charge_template(value: Any) -> ChargeTemplate:
    """What stands in a charge template, or in whatever was put in its place."""
    modes = _part(value, "chargemode")
    instant, pv, eco = _part(modes, INSTANT), _part(modes, PV), _part(modes, ECO)
    selected = modes.get("selected", INSTANT)
    return ChargeTemplate(
        number=template_id(value),
        selected=selected if isinstance(selected, str) else STOP,
        is_prio=_part(value).get("prio") is True,
        loads_default=_part(value).get("load_default") is True,
        instant_a=number_in(instant, "current", 10),
        instant_limit=_limit(instant),
        pv_least_a=number_in(pv, "min_current", 0),
        pv_least_soc_percent=number_in(pv, "min_soc", 0),
        pv_least_soc_a=number_in(pv, "min_soc_current", 10),
        pv_limit=_limit(pv),
        eco_a=number_in(eco, "current", 6),
        eco_price=number_in(eco, "max_price", 0.0002),
        eco_limit=_limit(eco),
    )


def ev_template(value: Any) -> EvTemplate:
    """What stands in an EV template, or in whatever was put in its place."""
    parts = _part(value)
    return EvTemplate(
        least_a=number_in(parts, "min_current", 6),
        most_one_phase_a=number_in(parts, "max_current_single_phase", 16),
        most_a=number_in(parts, "max_current_multi_phases", 16),
        capacity_wh=number_in(parts, "battery_capacity", 82000),
        consumption_wh_per_100km=max(1, number_in(parts, "average_consump", 17000)),
        efficiency=number_in(parts, "efficiency", 90) / 100,
    )


def template_id(value: Any) -> int | None:
    """The number that a template gives itself."""
    number = _part(value).get("id")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def number_in(parts: Mapping[str, Any], name: str, default: float) -> float:
    """A number of believable size, else the default."""
    value = parts.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return default
    return value if -1e9 < value < 1e9 else default


def _limit(mode: dict[str, Any]) -> Limit:
    limit = _part(mode, "limit")
    return Limit(str(limit.get("selected")), number_in(limit, "amount", 50000), number_in(limit, "soc", 50))


def _part(value: Any, name: str | None = None) -> dict[str, Any]:
    """The object at `name`, or `value` itself; an empty one if it is none."""
    if name is not None:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
