"""What comes out of the store and goes into it: plain frozen values, never entities, so any thread may hold them.

Units and signs are those of common/model.py. None is "unknown". Powers, meters and states of charge are whole numbers:
they add up alike on both databases, digit by digit, and half a watt or watt-hour is far below any meter's error.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePointSampleRow:
    """One charge point at one tick. `meter_wh` is its absolute meter, `current_a` the current set (6–32 A)."""

    charge_point: str
    power_w: int | None = None
    meter_wh: int | None = None
    soc_percent: int | None = None
    is_plugged: bool | None = None
    is_charging: bool | None = None
    current_a: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """The site at one tick, `sampled_at` in whole Unix seconds. All None: the wallbox was silent then."""

    sampled_at: int
    grid_power_w: int | None = None
    grid_imported_wh: int | None = None
    grid_exported_wh: int | None = None
    pv_power_w: int | None = None
    pv_produced_wh: int | None = None
    battery_power_w: int | None = None
    battery_soc_percent: int | None = None
    battery_charged_wh: int | None = None
    battery_discharged_wh: int | None = None
    home_power_w: int | None = None
    charge_points: tuple[ChargePointSampleRow, ...] = ()
    """Ordered by `charge_point`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    """A person who may log in. `created_at` in Unix seconds; `totp_last_step` is the newest time step accepted."""

    id: int
    name: str
    role: str
    password_hash: str = field(repr=False)
    created_at: int
    is_disabled: bool
    totp_secret: str | None = field(repr=False)
    totp_last_step: int | None
