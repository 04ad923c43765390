"""A site of the tests: everything of it known, to be changed with dataclasses.replace."""

from common.model import Battery, ChargePoint, Grid, Home, Limit, LimitType, Meta, Mode, Pv, SiteState

SITE = SiteState(
    meta=Meta(generation="1.9", version="1.9.304", is_stale=False),
    grid=Grid(
        power_w=-3120,
        imported_wh=8123456,
        exported_wh=5012345,
        currents_a=(1.2, 1.1, 1.0),
        powers_w=(-1040, -1040, -1040),
    ),
    pv=Pv(power_w=5400, produced_wh=15234870),
    battery=Battery(power_w=-350, soc_percent=64, charged_wh=2210034, discharged_wh=1910034),
    home=Home(power_w=412),
    charge_points={
        "1": ChargePoint(
            name="Carport",
            is_plugged=True,
            is_charging=True,
            is_enabled=True,
            power_w=11040,
            currents_a=(16.0, 16.0, 16.0),
            voltages_v=(230.1, 230.4, 229.9),
            phases_in_use=3,
            meter_wh=2310482,
            mode=Mode.PV,
            current_a=16,
            limit=Limit(type=LimitType.ENERGY, energy_wh=10000),
        )
    },
)
