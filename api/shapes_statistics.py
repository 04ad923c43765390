"""The bodies of the statistics, as the types that make the OpenAPI document. Pure; see shapes.py for the others."""

from typing import Annotated

import msgspec

from api.shapes import Instant
from common.local_time import Unit
from common.meters import OddOutcome
from common.store.rollup_rows import Method
from common.store.rows import SessionGroup

Percent = Annotated[float, msgspec.Meta(ge=0, le=100, description="to one decimal place")]
Wh = Annotated[int | None, msgspec.Meta(description="Wh; null: nothing is known")]


class SiteEnergies(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """`consumption_wh` is what the site used: grid, PV and battery together, charging included.

    `self_consumption_percent` is the share of the PV energy that was not exported, `autarky_percent` the share of the
    consumption that was not imported. `methods` and `covered_percent` are by series: how the energy was computed, and
    how much of the time samples cover.
    """

    from_: Instant
    to: Instant
    grid_import_wh: Wh
    grid_export_wh: Wh
    pv_wh: Wh
    battery_charge_wh: Wh
    battery_discharge_wh: Wh
    home_wh: Wh
    charge_points_wh: dict[str, int]
    consumption_wh: Wh
    self_consumption_percent: Percent | None
    autarky_percent: Percent | None
    methods: dict[str, Method]
    covered_percent: dict[str, Percent]


class SiteStatisticsAnswer(msgspec.Struct, frozen=True):
    by: Unit
    time_zone: str
    items: list[SiteEnergies]
    total: SiteEnergies


class SessionTotals(msgspec.Struct, frozen=True):
    """Of the sessions that began then. Where something is not known of all of them, the counts say of how many it is:
    `energy_known`, `sources_known` and `cost_known`; the sums are those of these."""

    sessions: int
    running: int
    charging_s: int
    energy_wh: int
    energy_known: int
    grid_wh: int
    pv_wh: int
    battery_wh: int
    sources_known: int
    cost_millicents: Annotated[int, msgspec.Meta(description="thousandths of a cent")]
    cost_known: int


class GroupTotals(SessionTotals, frozen=True):
    """The one of these that `group` names is there; null: sessions of nobody known."""

    user: str | msgspec.UnsetType | None = msgspec.UNSET
    tag: str | msgspec.UnsetType | None = msgspec.UNSET
    vehicle: str | msgspec.UnsetType | None = msgspec.UNSET
    charge_point: str | msgspec.UnsetType | None = msgspec.UNSET


class PeriodTotals(GroupTotals, frozen=True, rename={"from_": "from"}, kw_only=True):
    from_: Instant
    to: Instant


class SessionStatisticsAnswer(msgspec.Struct, frozen=True):
    """`items` are the periods and groups that have sessions, `totals` each group over all periods."""

    by: Unit
    time_zone: str
    group: SessionGroup | None
    items: list[PeriodTotals]
    totals: list[GroupTotals]
    total: SessionTotals


class ReconciledDay(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    from_: Instant
    to: Instant
    meter_wh: int
    sessions_wh: int
    unexplained_wh: int


class ReconciledChargePoint(msgspec.Struct, frozen=True):
    """`unexplained_wh` is what the meter counted beyond the sessions; below 0 they have more than it.

    `days` are those on which the two differ. A session over midnight counts for each day with what the meter shows.
    """

    charge_point: str
    meter_wh: int
    method: Method | None
    covered_s: int
    sessions: int
    sessions_without_energy: int
    sessions_wh: int
    unexplained_wh: int
    days: list[ReconciledDay]


class OddReadingShape(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """Readings of a meter that were out of line, from the first one to the last.

    `meter` is its path in the state, `before_wh` the reading that was believed then. `outcome` is what became of them:
    `dropped`, they did not last, and nothing was counted; `counted`, a rise that lasted; `new_count`, the meter began
    anew or is another one.
    """

    meter: str
    from_: Instant
    to: Instant
    before_wh: int
    first_wh: int
    last_wh: int
    outcome: OddOutcome


class ReconciliationAnswer(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    from_: Instant
    to: Instant
    time_zone: str
    items: list[ReconciledChargePoint]
    odd_readings: Annotated[
        list[OddReadingShape], msgspec.Meta(description="of all meters, the grid's too; oldest first, the newest 500")
    ]
