"""What can be done at a charge point of openWB 2.x, from what its templates say. Pure; used by its table only.

The currents are bounded by the charge point's template and by that of the assigned vehicle: the core takes any from 6
to 32 A and silently caps what it uses.
"""

from common.model import Capabilities, LimitType, Mode, Number
from edge.openwb.dialect import Look
from edge.openwb.v2_objects import SECTIONS

CHARGE_POINT_LIMITS = ("max_current_single_phase", "max_current_multi_phases", "dc_max_current")
VEHICLE_LIMITS = (
    *("min_current", "max_current_single_phase", "max_current_multi_phases"),
    *("dc_min_current", "dc_max_current"),
)

_LOWEST_A = 6
_HIGHEST_A = 32
_HIGHEST_DC_A = 450


def capabilities(number: str, look: Look) -> Capabilities:
    """Without a charge template (releases before 2.1.8) only locking and assigning are possible."""
    sections = look(f"fact.template_sections.{number}")
    known = sections if isinstance(sections, frozenset) else frozenset()
    lowest, highest = _currents(number, look)
    vehicle = look(f"charge_points.{number}.vehicle_id")
    return Capabilities(
        modes=tuple(mode for mode, name in SECTIONS.items() if name in known)
        + ((Mode.SCHEDULED, Mode.STOP) if known else ()),
        lowest_current_a=lowest,
        highest_current_a=highest,
        limit_types=tuple(LimitType) if known else (),
        can_enable=True,
        can_assign_vehicle=True,
        can_set_soc=look(f"fact.has_soc_module.{vehicle}") is True,
        can_set_pv_min_current=SECTIONS[Mode.PV] in known,
        can_switch_phases=bool(known) and look(f"fact.switches_phases.{number}") is True,
        has_price_limit=SECTIONS[Mode.ECO] in known,
    )


def _currents(number: str, look: Look) -> tuple[Number, Number]:
    vehicle = f"fact.vehicle_template.{look(f'fact.vehicle_template_of.{number}')}"
    charge_point = f"fact.charge_point_template.{look(f'fact.template_of.{number}')}"
    if look(f"fact.charging_type.{number}") == "DC":
        names, lowest, highest = ("dc_min_current", "dc_max_current"), 0, _HIGHEST_DC_A
    else:
        is_single = look(f"fact.connected_phases.{number}") == 1 or look(f"charge_points.{number}.phases") == 1
        kind = "single_phase" if is_single else "multi_phases"
        names, lowest, highest = ("min_current", f"max_current_{kind}"), _LOWEST_A, _HIGHEST_A
    low, high = names
    upper = min(_number(look(f"{charge_point}.{high}"), highest), _number(look(f"{vehicle}.{high}"), highest), highest)
    lower = max(_number(look(f"{vehicle}.{low}"), lowest), lowest)
    return (lower, upper) if lower <= upper else (lowest, highest)


def _number(value: object, default: Number) -> Number:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default
