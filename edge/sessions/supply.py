"""Where a charge point's energy came from, and what it cost.

Each growth of the charge point's meter is shared in proportion to what fed the site meanwhile: grid import, PV and the
battery's discharge, all by their powers at the same time. Where nobody looked (the edge was down) the site's own meters
say what fed it. Prices are those of that time. docs/records.md tells it to owners.
"""

from dataclasses import dataclass

from common.model import Number, SiteState, Tariff
from edge.meters import GAP_S
from edge.sessions.state import Flow, Parts, Site

MILLICENTS = 100.0  # 1 Wh at 1 EUR/kWh is a tenth of a cent

TARIFF = "tariff"
TARIFF_AND_SETTING = "tariff_set"
TARIFF_OF_GRID = "tariff_grid"


@dataclass(frozen=True, slots=True)
class Prices:
    """EUR per kWh of PV and battery energy where the wallbox names none; None: what grid energy costs then."""

    own_per_kwh: float | None = None


NO_PRICE = (
    "the wallbox shows no price, so charge sessions have no cost; with user management of openWB 2.x Wallport's user "
    "needs the role general-charge-configuration-access for it (docs/openwb.md)"
)


def missing_price(tariff: Tariff | None) -> str | None:
    """NO_PRICE while charging costs nobody knows what, else None."""
    return NO_PRICE if tariff is None or tariff.price_per_kwh is None else None


def site_of(state: SiteState, at: float) -> Site:
    """What to remember of the site for the next look."""
    grid, pv, battery, tariff = state.grid, state.pv, state.battery, state.tariff
    return Site(
        at=at,
        grid_imported_wh=grid.imported_wh if grid else None,
        pv_produced_wh=pv.produced_wh if pv else None,
        battery_discharged_wh=battery.discharged_wh if battery else None,
        has_pv=pv is not None,
        has_battery=battery is not None,
        price_per_kwh=tariff.price_per_kwh if tariff else None,
    )


def gather(flow: Flow, before: Site | None, state: SiteState, now: Site, elapsed_s: float) -> None:
    """Add to `flow` what fed the site in the last `elapsed_s`."""
    if elapsed_s <= 0:
        return
    found = _by_meters(before, now) if elapsed_s > GAP_S else _by_powers(state, elapsed_s)
    if found is None:
        flow.unknown_s += elapsed_s
        return
    flow.grid_ws += found[0]
    flow.pv_ws += found[1]
    flow.battery_ws += found[2]
    flow.known_s += elapsed_s
    flow.is_by_meters = flow.is_by_meters or elapsed_s > GAP_S


def shared(energy_wh: float, flow: Flow) -> Parts:
    """`energy_wh` shared as `flow` says; unknown where most of it is unknown."""
    total_ws = flow.grid_ws + flow.pv_ws + flow.battery_ws
    if total_ws <= 0 or flow.unknown_s > flow.known_s:
        return Parts(unknown_wh=energy_wh)
    return Parts(
        grid_wh=energy_wh * flow.grid_ws / total_ws,
        pv_wh=energy_wh * flow.pv_ws / total_ws,
        battery_wh=energy_wh * flow.battery_ws / total_ws,
    )


def price(parts: Parts, tariff: Tariff | None, before: Site | None, is_gap: bool, prices: Prices) -> str:
    """Put a cost to `parts`; answers which prices were used. A price that changed while nobody looked is unknown."""
    grid = tariff.price_per_kwh if tariff else None
    if is_gap and (before is None or before.price_per_kwh != grid):
        grid = None
    pv, pv_kind = _own_price(tariff.pv_price_per_kwh if tariff else None, grid, prices)
    battery, battery_kind = _own_price(tariff.battery_price_per_kwh if tariff else None, grid, prices)
    for energy_wh, per_kwh in (
        (parts.grid_wh, grid),
        (parts.pv_wh, pv),
        (parts.battery_wh, battery),
        # Whatever it was, it costs the same.
        (parts.unknown_wh, grid if pv == grid == battery else None),
    ):
        if per_kwh is None:
            parts.unpriced_wh += energy_wh
        else:
            parts.cost_millicents += energy_wh * per_kwh * MILLICENTS
    used = {pv_kind} if parts.pv_wh else set()
    used |= {battery_kind} if parts.battery_wh else set()
    return next((kind for kind in (TARIFF_OF_GRID, TARIFF_AND_SETTING) if kind in used), TARIFF)


def _own_price(told: Number | None, grid: Number | None, prices: Prices) -> tuple[Number | None, str]:
    if told is not None:
        return told, TARIFF
    if prices.own_per_kwh is not None:
        return prices.own_per_kwh, TARIFF_AND_SETTING
    return grid, TARIFF_OF_GRID


def _by_powers(state: SiteState, elapsed_s: float) -> tuple[float, float, float] | None:
    """Watt-seconds; a part that the site does not have gives nothing, one whose power is unknown leaves all unknown."""
    grid_w = state.grid.power_w if state.grid else None
    pv_w = state.pv.power_w if state.pv else 0
    battery_w = state.battery.power_w if state.battery else 0
    if grid_w is None or pv_w is None or battery_w is None:
        return None
    return max(0, grid_w) * elapsed_s, max(0, pv_w) * elapsed_s, max(0, -battery_w) * elapsed_s


def _by_meters(before: Site | None, now: Site) -> tuple[float, float, float] | None:
    if before is None:
        return None
    grid_wh = _growth(before.grid_imported_wh, now.grid_imported_wh)
    pv_wh = _growth(before.pv_produced_wh, now.pv_produced_wh) if before.has_pv or now.has_pv else 0.0
    has_battery = before.has_battery or now.has_battery
    battery_wh = _growth(before.battery_discharged_wh, now.battery_discharged_wh) if has_battery else 0.0
    if grid_wh is None or pv_wh is None or battery_wh is None:
        return None
    return grid_wh * 3600, pv_wh * 3600, battery_wh * 3600


def _growth(before_wh: float | None, now_wh: float | None) -> float | None:
    if before_wh is None or now_wh is None or now_wh < before_wh:
        return None
    return now_wh - before_wh
