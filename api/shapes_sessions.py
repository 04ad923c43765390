"""The bodies about charge sessions, as the types that check what comes in and make the OpenAPI document. Pure."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from api.shapes import END, Instant
from api.shapes_statistics import OddReadingShape
from common.model import Mode
from common.store.rows import Doubt

Wh = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Amount = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,5})?" + END,
        description="a decimal number as text, like 3.27 or -0.5, with at most 9 digits and 5 places",
        examples=["3.27450"],
    ),
]


class Origin(StrEnum):
    """`recorded`: by the edge itself. `log`: only the wallbox's own log has it. `import`: from an older system."""

    RECORDED = "recorded"
    LOG = "log"
    IMPORT = "import"


class ChargedMode(StrEnum):
    """A charge mode, or what only openWB 2.x's charge log names: `time` and `bidi`, which follow from a plan."""

    INSTANT = "instant"
    MIN_PV = "min_pv"
    PV = "pv"
    STOP = "stop"
    STANDBY = "standby"
    SCHEDULED = "scheduled"
    ECO = "eco"
    TIME = "time"
    BIDI = "bidi"


class SourcesShape(msgspec.Struct, frozen=True):
    """They add up to `energy_wh`; `method` says how they were computed. Only a wallbox's log leaves a part unknown."""

    grid_wh: int | None
    pv_wh: int | None
    battery_wh: int | None
    unknown_wh: int | None
    method: str | None


class CostShape(msgspec.Struct, frozen=True):
    amount: Amount
    currency: str
    method: str | None


class SessionShape(msgspec.Struct, frozen=True):
    """One time that a car was plugged in. `energy_wh` is `meter_end_wh` − `meter_start_wh`.

    Unless the meter began a new count in between: then it is the sum of the segments' differences, and one segment does
    not begin with the reading with which the one before ended.

    While it runs, `ended_at` and `plugged_s` are null and the rest is what is known so far.
    """

    id: int
    charge_point: str
    started_at: Instant
    ended_at: Instant | None
    first_charged_at: Instant | None
    last_charged_at: Instant | None
    plugged_s: int | None
    charging_s: int
    energy_wh: int | None
    meter_start_wh: int | None
    meter_end_wh: int | None
    sources: SourcesShape | None
    cost: CostShape | None
    soc_start_percent: int | None
    soc_end_percent: int | None
    mode: Annotated[ChargedMode | None, msgspec.Meta(description="in which most of the energy was charged")]
    vehicle: str | None
    tag: str | None
    user: str | None
    discharged_wh: Annotated[
        int | None,
        msgspec.Meta(description="what the car gave back, no part of `energy_wh`; null: none that the wallbox logged"),
    ]
    origin: Origin
    doubt: Annotated[Doubt | None, msgspec.Meta(description="null: it is a session of its own")]
    is_corrected: bool


class SessionsAnswer(msgspec.Struct, frozen=True):
    """Newest first."""

    items: list[SessionShape]
    next_cursor: Annotated[str | None, msgspec.Meta(description="for `cursor`; null: there are no more")]


class SegmentShape(msgspec.Struct, frozen=True):
    """A stretch in which the mode stayed and current flowed, or did not."""

    started_at: Instant
    ended_at: Instant | None
    is_charging: bool
    mode: Mode | None
    meter_start_wh: int | None
    meter_end_wh: int | None
    grid_wh: int | None
    pv_wh: int | None
    battery_wh: int | None
    cost: CostShape | None


class CorrectionShape(msgspec.Struct, frozen=True):
    """What an admin changed, or what followed from it. Null where the role does not show people: who, and why."""

    field: str
    old_value: Any
    new_value: Any
    corrected_at: Instant
    corrected_by: str | None
    reason: str | None


class SessionAnswer(SessionShape, frozen=True):
    segments: list[SegmentShape]
    corrections: Annotated[list[CorrectionShape], msgspec.Meta(description="oldest first")]
    odd_readings: Annotated[
        list[OddReadingShape], msgspec.Meta(description="of this charge point's meter meanwhile, oldest first")
    ]


class CostBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    amount: Amount
    currency: Literal["EUR"] = "EUR"


class SessionBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A correction: the reason, and at least one field. Null makes it unknown.

    New meter readings change the energy, and make sources and cost unknown, since nobody measured those; a cost may be
    given along with them.
    """

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    user: Text | msgspec.UnsetType | None = msgspec.UNSET
    tag: Text | msgspec.UnsetType | None = msgspec.UNSET
    vehicle: Text | msgspec.UnsetType | None = msgspec.UNSET
    meter_start_wh: Wh | msgspec.UnsetType = msgspec.UNSET
    meter_end_wh: Wh | msgspec.UnsetType = msgspec.UNSET
    cost: CostBody | msgspec.UnsetType | None = msgspec.UNSET
    doubt: Annotated[
        Doubt | msgspec.UnsetType | None, msgspec.Meta(description="null settles it; nothing else does")
    ] = msgspec.UNSET
