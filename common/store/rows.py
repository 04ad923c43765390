"""What comes out of the store and goes into it: plain frozen values, never entities, so any thread may hold them.

Units and signs are those of common/model.py. None is "unknown". Powers, meters and states of charge are whole numbers:
they add up alike on both databases, digit by digit, and half a watt or watt-hour is far below any meter's error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from common.meters import OddReading


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
    odd_readings: tuple[OddReading, ...] = ()
    """Those that were settled lately, stored once by their key, however many samples have them; not read with them."""


@dataclass(frozen=True, slots=True)
class PowerMeans:
    """Mean powers of the samples from `starts_at` on: column → W, and charge point → W; None where none is known."""

    starts_at: int
    site: Mapping[str, int | None]
    charge_points: Mapping[str, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """A stretch of a session in which the mode stayed and current flowed, or did not. `ended_at` None: it runs."""

    started_at: int
    ended_at: int | None
    is_charging: bool
    mode: str | None = None
    meter_start_wh: int | None = None
    meter_end_wh: int | None = None
    grid_wh: int | None = None
    pv_wh: int | None = None
    battery_wh: int | None = None
    cost_millicents: int | None = None


class Doubt(StrEnum):
    """Why a session of a log or an import may be part of another one.

    `overlaps`: another session of the charge point has time in common with it, and another energy. `counted`: the meter
    may have counted it for the recorded session beside it, which has energy that no entry of a log explains.
    """

    OVERLAPS = "overlaps"
    COUNTED = "counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One time that a car was plugged in, from plug to unplug; `ended_at` None while it runs.

    (charge_point, started_at) is its natural key. `energy_wh` is `meter_end_wh` − `meter_start_wh`, unless the meter
    began a new count in between: then it is the sum of the segments' differences. `grid_wh`, `pv_wh` and `battery_wh`
    add up to it where known (of a log's session a part may be unknown), and `sources_method` says how they were
    computed. `cost_millicents` is in thousandths of a cent, by `cost_method`. `mode` is the one that most energy was
    charged in. `origin` is recorded (by the edge itself), log (only the wallbox's log has it) or import. `doubt` says
    why it may be part of another session, see `Doubt`; None: it is not. `discharged_wh` is what a bidirectional car
    gave back, by the wallbox's log, and no part of `energy_wh`; None: none that is known. `id` None: not stored yet.
    """

    id: int | None = None
    charge_point: str
    started_at: int
    ended_at: int | None
    charging_s: int = 0
    first_charged_at: int | None = None
    last_charged_at: int | None = None
    meter_start_wh: int | None = None
    meter_end_wh: int | None = None
    energy_wh: int | None = None
    grid_wh: int | None = None
    pv_wh: int | None = None
    battery_wh: int | None = None
    sources_method: str | None = None
    cost_millicents: int | None = None
    cost_method: str | None = None
    soc_start_percent: int | None = None
    soc_end_percent: int | None = None
    mode: str | None = None
    vehicle: str | None = None
    tag: str | None = None
    user_name: str | None = None
    origin: str = "recorded"
    doubt: str | None = None
    discharged_wh: int | None = None


class SessionGroup(StrEnum):
    """By what sums of sessions are told apart."""

    USER = "user"
    TAG = "tag"
    VEHICLE = "vehicle"
    CHARGE_POINT = "charge_point"


@dataclass(frozen=True, slots=True)
class SessionSums:
    """The sessions that began in the period from `from_s` on, of one group (None: those without).

    `energy_known`, `sources_known` and `cost_known` say of how many sessions the sums beside them are made.
    """

    from_s: int
    name: str | None
    sessions: int
    running: int
    charging_s: int
    energy_wh: int
    energy_known: int
    grid_wh: int
    pv_wh: int
    battery_wh: int
    sources_known: int
    cost_millicents: int
    cost_known: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """A session with all its segments: in order, without a hole from its start to its end, their energies its energy.

    Sessions that were not recorded (`origin`) and those of long ago may have no segments.
    """

    session: SessionRow
    segments: tuple[SegmentRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions: from_s ≤ started_at < to_s, and the fields given equal. None: whatever it is.

    `charge_points`: at one of these, besides what `charge_point` asks for.
    """

    from_s: int | None = None
    to_s: int | None = None
    charge_point: str | None = None
    user_name: str | None = None
    tag: str | None = None
    vehicle: str | None = None
    charge_points: tuple[str, ...] | None = None
    with_running: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRow:
    """What an admin changed of a session; the values are JSON texts, the session's row has the new one."""

    id: int
    session_id: int
    corrected_at: int
    corrected_by: str
    field: str
    old_value: str
    new_value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntryRow:
    """An entry of the wallbox's own charge log; `session_id` is the session it belongs to, None while there is none."""

    charge_point: str
    started_at: int
    ended_at: int
    energy_wh: int
    mode: str | None = None
    vehicle: str | None = None
    tag: str | None = None
    read_at: int
    session_id: int | None = None


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


@dataclass(frozen=True, slots=True)
class ScanCommand:
    """A command that a scan made: `purpose` is apply or restore, `status` as in `common.commands.Status`."""

    id: str
    purpose: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRow:
    """`key` is the edge's name of the scan, `scanned_at` in Unix seconds, `outcome` a `common.profiles.Outcome`.

    `user` is whose tag it was then, None when nobody's or when that user is gone. `id` None: not stored yet.
    """

    id: int | None = None
    key: str
    scanned_at: int
    tag: str
    charge_point: str | None
    user: str | None = None
    profile: str | None = None
    outcome: str
    detail: str | None = None
    commands: tuple[ScanCommand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanFilter:
    """What to list: `from_s` ≤ scanned_at < `to_s`; before (scanned_at, id) in `before`, as newest come first."""

    user: str | None = None
    outcome: str | None = None
    charge_point: str | None = None
    from_s: int | None = None
    to_s: int | None = None
    before: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class TagRow:
    """`added_at` in Unix seconds."""

    tag: str
    label: str | None
    added_at: int


@dataclass(frozen=True, slots=True)
class LearningRow:
    """`user` waits for a card until `ends_at`; `tag` is the one that came."""

    user: str
    label: str | None
    ends_at: int
    tag: str | None
