"""A site with one charge point that a test plays: cars, meters, powers and silence, seen as snapshots."""

import math
from dataclasses import dataclass, replace

from common.meters import Meter
from common.model import Battery, ChargePoint, Grid, Meta, Mode, Pv, SiteState, Snapshot, Tariff
from edge.meters import GAP_S, hear, wait

METER = "charge_points.1.meter_wh"
START = 1_800_000_000


@dataclass(slots=True)
class Site:
    """What is true, and what the wallbox says of it. `pass_time` lets the meters count.

    The car draws `power_w` when it is plugged in; the grid gives what PV and battery do not. `shown_meter_wh` is said
    in place of the meter; `is_said` False: the wallbox does not say whether a car is plugged in.
    """

    now: float = START
    is_plugged: bool = False
    power_w: float = 0.0
    pv_w: float = 0.0
    battery_w: float = 0.0
    home_w: float = 0.0
    mode: Mode | None = Mode.PV
    meter_wh: float = 1_000_000.0
    shown_meter_wh: float | None = None
    soc_percent: float | None = None
    vehicle: str | None = None
    is_said: bool = True
    is_stale: bool = False
    has_site: bool = True
    price: float | None = 0.30
    pv_price: float | None = None
    battery_price: float | None = None
    counts_since_plug: bool = False
    meter_at_plug_wh: float = 0.0
    grid_wh: float = 5_000_000.0
    pv_wh: float = 7_000_000.0
    battery_wh: float = 300_000.0
    delivered_wh: float = 0.0
    meter: Meter | None = None

    def pass_time(self, seconds: float) -> "Site":
        hours = seconds / 3600
        self.now += seconds
        self.meter_wh += self.drawn_w * hours
        self.delivered_wh += self.drawn_w * hours
        self.grid_wh += max(0.0, self.grid_w) * hours
        self.pv_wh += self.pv_w * hours
        self.battery_wh += max(0.0, -self.battery_w) * hours
        return self

    def plug(self) -> "Site":
        if not self.is_plugged:
            self.meter_at_plug_wh = self.meter_wh
        self.is_plugged = True
        return self

    def unplug(self) -> "Site":
        self.is_plugged = False
        return self

    @property
    def drawn_w(self) -> float:
        return self.power_w if self.is_plugged else 0.0

    @property
    def grid_w(self) -> float:
        return self.home_w + self.drawn_w + self.battery_w - self.pv_w

    def snapshot(self) -> Snapshot:
        """As the mirror would give it; a meter that says nothing odd is sure, as it is while messages keep coming."""
        said_wh = self.meter_wh if self.shown_meter_wh is None else self.shown_meter_wh
        if math.isfinite(said_wh):
            before = self.meter
            is_gap = before is not None and self.now - before.seen_at > GAP_S
            judged = hear(before, METER, "meter", said_wh, self.now, self.drawn_w, is_gap=is_gap).meter
            judged = wait(judged, METER, self.now, self.drawn_w, is_gap=False).meter
            if judged.held is None:
                judged = replace(judged, sure_wh=judged.wh, sure_at=self.now)
            self.meter = judged
        point = ChargePoint(
            is_plugged=self.is_plugged if self.is_said else None,
            is_charging=self.drawn_w > 0,
            power_w=self.drawn_w,
            meter_wh=self.meter.wh if self.meter is not None and math.isfinite(said_wh) else None,
            energy_since_plugged_wh=self.meter_wh - self.meter_at_plug_wh if self.counts_since_plug else None,
            soc_percent=self.soc_percent,
            vehicle=self.vehicle,
            mode=self.mode,
        )
        state = SiteState(
            meta=Meta(generation="1.9", is_stale=self.is_stale),
            grid=Grid(power_w=self.grid_w, imported_wh=self.grid_wh) if self.has_site else None,
            pv=Pv(power_w=self.pv_w, produced_wh=self.pv_wh) if self.has_site else None,
            battery=Battery(power_w=self.battery_w, discharged_wh=self.battery_wh) if self.has_site else None,
            charge_points={"1": point},
            tariff=Tariff(
                price_per_kwh=self.price, pv_price_per_kwh=self.pv_price, battery_price_per_kwh=self.battery_price
            ),
        )
        meters = {METER: self.meter} if self.meter is not None else {}
        return Snapshot(seq=1, updated_at=self.now, state=state, meters=meters)
