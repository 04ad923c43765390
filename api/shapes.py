"""Every body that goes in or out, as the types that check what comes in and make the OpenAPI document. Pure.

The parts of the state are the model's own classes; only what the API adds stands here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from common.commands import Status
from common.model import Battery, ChargePoint, Device, Fault, Grid, Home, Limit, Mode, Number, Pv, Vehicle

END = r"$(?!\n)"
"""The end of a pattern: Python's `$` alone also stands before a last newline."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Instant = Annotated[
    str,
    msgspec.Meta(
        description="RFC 3339, UTC", examples=["2026-11-23T10:15:30Z"], extra_json_schema={"format": "date-time"}
    ),
]
Seq = Annotated[int, msgspec.Meta(description="grows with every change")]


class NoLimit(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="none"):
    """Charge until the car is full."""


class EnergyLimit(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="energy"):
    """Stop when so much was charged. openWB 1.9 takes whole kWh, up to 100."""

    energy_wh: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class SocLimit(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="soc"):
    """Stop when the car has reached it."""

    soc_percent: Annotated[int, msgspec.Meta(ge=1, le=100)]


WishedLimit = NoLimit | EnergyLimit | SocLimit

Ampere = Annotated[
    int, msgspec.Meta(ge=1, le=450, description="within the charge point's `capabilities`; more than 32 is for DC")
]


class ChargePointBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """At least one wish. What a charge point offers and takes stands in its `capabilities`."""

    mode: Mode | msgspec.UnsetType = msgspec.UNSET
    current_a: Ampere | msgspec.UnsetType = msgspec.UNSET
    limit: WishedLimit | msgspec.UnsetType = msgspec.UNSET
    is_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    vehicle: (
        Annotated[
            str,
            msgspec.Meta(
                pattern="^(0|[1-9][0-9]{0,5})" + END, description="the id of a vehicle as text, as in `vehicles`"
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    soc_percent: (
        Annotated[int, msgspec.Meta(ge=0, le=100, description="of the car, as a person read it there")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    pv_min_current_a: (
        Annotated[int, msgspec.Meta(ge=0, le=16, description="least current in PV mode; 0 is surplus only")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    min_pv_current_a: (
        Annotated[int, msgspec.Meta(ge=6, le=16, description="the current of the mode `min_pv`")] | msgspec.UnsetType
    ) = msgspec.UNSET
    max_price_per_kwh: (
        Annotated[float, msgspec.Meta(ge=-1, le=10, description="EUR; charging led by prices waits above it")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    phases: Annotated[Literal[0, 1, 3], msgspec.Meta(description="0 leaves it to the wallbox")] | msgspec.UnsetType = (
        msgspec.UNSET
    )


class ChargeModeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Without `charge_point` the mode is meant for the whole site."""

    mode: Mode
    charge_point: Annotated[str, msgspec.Meta(max_length=64)] | msgspec.UnsetType = msgspec.UNSET


class NoBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Nothing, or an empty object."""


class Wishes(msgspec.Struct, frozen=True):
    """Those of a command; what was not wished for is not there."""

    mode: Mode | msgspec.UnsetType = msgspec.UNSET
    current_a: int | msgspec.UnsetType = msgspec.UNSET
    limit: Limit | msgspec.UnsetType = msgspec.UNSET
    is_enabled: bool | msgspec.UnsetType = msgspec.UNSET
    vehicle: str | msgspec.UnsetType = msgspec.UNSET
    soc_percent: int | msgspec.UnsetType = msgspec.UNSET
    pv_min_current_a: int | msgspec.UnsetType = msgspec.UNSET
    min_pv_current_a: int | msgspec.UnsetType = msgspec.UNSET
    max_price_per_kwh: Number | msgspec.UnsetType = msgspec.UNSET
    phases: int | msgspec.UnsetType = msgspec.UNSET
    reset_energy: bool | msgspec.UnsetType = msgspec.UNSET


class Shown(msgspec.Struct, frozen=True):
    """What the wallbox itself shows of a command's wishes; null, or not there: nobody knows."""

    mode: Mode | msgspec.UnsetType | None = msgspec.UNSET
    current_a: Number | msgspec.UnsetType | None = msgspec.UNSET
    limit: Limit | msgspec.UnsetType | None = msgspec.UNSET
    is_enabled: bool | msgspec.UnsetType | None = msgspec.UNSET
    vehicle: str | msgspec.UnsetType | None = msgspec.UNSET
    soc_percent: Number | msgspec.UnsetType | None = msgspec.UNSET
    pv_min_current_a: Number | msgspec.UnsetType | None = msgspec.UNSET
    min_pv_current_a: Number | msgspec.UnsetType | None = msgspec.UNSET
    max_price_per_kwh: Number | msgspec.UnsetType | None = msgspec.UNSET
    phases: int | msgspec.UnsetType | None = msgspec.UNSET
    reset_energy: Annotated[
        Number | msgspec.UnsetType | None, msgspec.Meta(description="Wh counted for the running charge")
    ] = msgspec.UNSET


class CommandAnswer(msgspec.Struct, frozen=True):
    """What became of a command. It is settled unless `accepted` or `published`; only the wallbox itself confirms.

    `confirmed`: the wallbox's own values show the wish. `timed_out`: never sent, or sent and not shown, or undone.
    `rejected`: the wallbox's limits forbid it; it was not sent. `superseded`: a newer command or somebody at the
    wallbox changed the same thing. A confirmed command may still become `published` again, when openWB 2.x undoes it
    and it is sent anew, and then anything else. `affects` names the other charge points that the wallbox changes too.
    """

    id: str
    status: Status
    charge_point: Annotated[str | None, msgspec.Meta(description="null: the whole site")]
    requested: Wishes
    previous: Annotated[Shown, msgspec.Meta(description="just before it was sent")]
    observed: Annotated[Shown, msgspec.Meta(description="the newest")]
    detail: Annotated[str | None, msgspec.Meta(description="for people")]
    affects: list[str]
    accepted_at: Instant
    published_at: Instant | None
    settled_at: Instant | None


class Generation(StrEnum):
    """Of openWB."""

    V1 = "1.9"
    V2 = "2.x"


class SiteId(msgspec.Struct, frozen=True):
    name: str
    openwb_generation: Generation
    openwb_version: str | None
    is_secondary: Annotated[bool, msgspec.Meta(description="another wallbox leads this one, and takes its commands")]


class SiteAnswer(SiteId, frozen=True):
    """`version` is Wallport's own. Days, months and hours of cards are those of `time_zone`, an IANA name."""

    version: str
    time_zone: str
    currency: Literal["EUR"]
    updated_at: Instant
    is_stale: bool
    parts: list[str]
    charge_points: list[str]
    modes: Annotated[list[Mode], msgspec.Meta(description="what `PUT charge-mode` takes for the whole site")]


class PriceShape(msgspec.Struct, frozen=True):
    """A slot of a dynamic tariff; it lasts until the next one."""

    starts_at: Instant
    price_per_kwh: Number


class TariffShape(msgspec.Struct, frozen=True):
    """EUR per kWh: of the grid now, and of PV and battery energy where the wallbox reckons with them.

    `max_price_per_kwh` is the site's price limit (1.9).
    """

    is_dynamic: Annotated[bool | None, msgspec.Meta(description="whether the grid's price changes by the hour")]
    price_per_kwh: Annotated[Number | None, msgspec.Meta(description="null: charging costs nobody knows what")]
    pv_price_per_kwh: Number | None
    battery_price_per_kwh: Number | None
    max_price_per_kwh: Number | None
    prices: Annotated[list[PriceShape] | None, msgspec.Meta(description="the known slots in order")]
    fault: Annotated[Fault | None, msgspec.Meta(description="of fetching the prices")]


class StateAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part that the site lacks is null; of a selection (`?fields=`) only the selected values are there."""

    seq: Seq
    updated_at: Instant
    is_stale: Annotated[bool, msgspec.Meta(description="nobody vouches for the values any more")]
    site: SiteId
    ages_s: Annotated[dict[str, float], msgspec.Meta(description="path → seconds since the wallbox last confirmed it")]
    grid: Grid | msgspec.UnsetType | None = msgspec.UNSET
    pv: Pv | msgspec.UnsetType | None = msgspec.UNSET
    battery: Battery | msgspec.UnsetType | None = msgspec.UNSET
    home: Home | msgspec.UnsetType | None = msgspec.UNSET
    tariff: TariffShape | msgspec.UnsetType | None = msgspec.UNSET
    charge_points: dict[str, ChargePoint] | msgspec.UnsetType = msgspec.UNSET
    devices: dict[str, Device] | msgspec.UnsetType = msgspec.UNSET
    vehicles: dict[str, Vehicle] | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedChargePoint(ChargePoint):
    """A charge point with its id."""

    id: str


class ChargePointsAnswer(msgspec.Struct, frozen=True):
    seq: Seq
    updated_at: Instant
    is_stale: bool
    items: list[ListedChargePoint]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargePointAnswer(ListedChargePoint):
    """One charge point, and how fresh it is."""

    seq: Seq
    updated_at: Instant
    is_stale: bool


class HistoryAnswer(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """One value per step; null where nothing was recorded.

    `starts_at` tells when each of them begins. They are `resolution_s` apart; days and months only about so.
    """

    resolution_s: int
    from_: Instant
    to: Instant
    starts_at: list[Instant]
    series: Annotated[dict[str, list[Number | None]], msgspec.Meta(description="what is true or false is 1 or 0")]
