"""Every body that goes in or out, as the types that check what comes in and make the OpenAPI document. Pure.

The parts of the state are the model's own classes; only what the API adds stands here.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from common.commands import EVENT_TYPE, Status
from common.live_events import SCAN_EVENT, SessionEventType
from common.model import Battery, ChargePoint, Device, Grid, Home, Mode, Number, Pv, Vehicle
from common.profiles import Outcome

END = r"$(?!\n)"
"""The end of a pattern: Python's `$` alone also stands before a last newline."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Instant = Annotated[str, msgspec.Meta(description="RFC 3339, UTC", examples=["2026-11-23T10:15:30Z"])]
Seq = Annotated[int, msgspec.Meta(description="grows with every change")]


class NoLimit(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="none"):
    """Charge until the car is full."""


class EnergyLimit(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="energy"):
    """Stop when so much was charged. openWB 1.9 takes whole kWh, up to 100."""

    energy_wh: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class SocLimit(msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="type", tag="soc"):
    """Stop when the car has reached it."""

    soc_percent: Annotated[int, msgspec.Meta(ge=1, le=100)]


Ampere = Annotated[
    int, msgspec.Meta(ge=1, le=450, description="within the charge point's `capabilities`; more than 32 is for DC")
]


class ChargePointBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """At least one wish. What a charge point offers and takes stands in its `capabilities`."""

    mode: Mode | msgspec.UnsetType = msgspec.UNSET
    current_a: Ampere | msgspec.UnsetType = msgspec.UNSET
    limit: NoLimit | EnergyLimit | SocLimit | msgspec.UnsetType = msgspec.UNSET
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


class CommandAnswer(msgspec.Struct, frozen=True):
    """What became of a command. It is settled unless `accepted` or `published`; only the wallbox itself confirms.

    `confirmed`: the wallbox's own values show the wish. `timed_out`: never sent, or sent and not shown, or undone.
    `rejected`: the wallbox's limits forbid it; it was not sent. `superseded`: a newer command or somebody at the
    wallbox changed the same thing. A confirmed command may still become `published` again, when openWB 2.x undoes it
    and it is sent anew, and then anything else. `previous` and `observed` have the names of `requested` with the
    wallbox's own values, as far as they are known; for `reset_energy` the counted Wh. `affects` names the other charge
    points that the wallbox changes too.
    """

    id: str
    status: Status
    charge_point: Annotated[str | None, msgspec.Meta(description="null: the whole site")]
    requested: dict[str, Any]
    previous: Annotated[dict[str, Any], msgspec.Meta(description="just before it was sent")]
    observed: Annotated[dict[str, Any], msgspec.Meta(description="the newest")]
    detail: Annotated[str | None, msgspec.Meta(description="for people")]
    affects: list[str]
    accepted_at: Instant
    published_at: Instant | None
    settled_at: Instant | None


class SiteId(msgspec.Struct, frozen=True):
    name: str
    openwb_generation: str
    openwb_version: str | None
    is_secondary: Annotated[bool, msgspec.Meta(description="another wallbox leads this one, and takes its commands")]


class SiteAnswer(SiteId, frozen=True):
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

    price_per_kwh: Number | None
    pv_price_per_kwh: Number | None
    battery_price_per_kwh: Number | None
    max_price_per_kwh: Number | None
    prices: Annotated[list[PriceShape] | None, msgspec.Meta(description="the known slots in order")]


class StateAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part that the site lacks is null; of a selection (`?fields=`) only the selected values are there."""

    seq: Seq
    updated_at: Instant
    is_stale: Annotated[bool, msgspec.Meta(description="nobody vouches for the values any more")]
    site: SiteId
    ages_s: Annotated[dict[str, float], msgspec.Meta(description="path → seconds since it was last heard of")]
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
    """One value per step from `from` on; null where nothing was recorded.

    Steps are `resolution_s` apart; days and months only about so, and `starts_at` tells when each of them begins.
    """

    resolution_s: int
    from_: Instant
    to: Instant
    series: dict[str, list[int | float | bool | None]]
    starts_at: list[Instant] | msgspec.UnsetType = msgspec.UNSET


OccurredAt = Annotated[Instant | None, msgspec.Meta(description="when the wallbox's news came; null: unknown")]


class LiveSnapshot(msgspec.Struct, frozen=True, tag_field="type", tag="snapshot"):
    """The state as a whole; it replaces everything the client knew, its number too."""

    seq: Seq
    occurred_at: Instant
    state: StateAnswer


class LiveChange(msgspec.Struct, frozen=True, tag_field="type", tag="change"):
    """path → new value. Null: unknown now, or a part that is gone; apply nulls before the paths below them."""

    seq: Seq
    occurred_at: OccurredAt
    changes: dict[str, Any]


class CommandEvent(msgspec.Struct, frozen=True, tag_field="type", tag=EVENT_TYPE):
    """What became of anybody's command; it replaces what was known of this command."""

    command: CommandAnswer


class SessionStarted(msgspec.Struct, frozen=True, tag_field="type", tag=SessionEventType.STARTED.value):
    """A charge session began. `id` is that of `GET sessions/{id}`; null while the database is away."""

    id: int | None
    charge_point: str
    started_at: Instant
    ended_at: Instant | None
    energy_wh: int | None


class SessionEnded(msgspec.Struct, frozen=True, tag_field="type", tag=SessionEventType.ENDED.value):
    """A charge session ended: told about a minute after the plug was pulled, since a plug may be put back at once.

    `charge_points.{id}.is_plugged` changes as soon as the wallbox says so.
    """

    id: int | None
    charge_point: str
    started_at: Instant
    ended_at: Instant | None
    energy_wh: int | None


class CardScanned(msgspec.Struct, frozen=True, tag_field="type", tag=SCAN_EVENT):
    """A card was held to a reader, or more is known of what became of it; whose it was is not told.

    `charge_point` is null when the wallbox did not say at which one.
    """

    charge_point: str | None
    scanned_at: Instant
    outcome: Outcome


class LiveEvent(msgspec.Struct, frozen=True, tag_field="type", tag="event"):
    """What changed no value. Told whatever `fields` selects, but not those of before a snapshot."""

    seq: Seq
    occurred_at: OccurredAt
    event: CommandEvent | SessionStarted | SessionEnded | CardScanned


class TopicsAnswer(msgspec.Struct, frozen=True):
    topics: Annotated[dict[str, str], msgspec.Meta(description="topic → payload as received")]


class HealthAnswer(msgspec.Struct, frozen=True):
    status: Literal["ok"]


class ComponentShape(msgspec.Struct, frozen=True):
    status: Literal["ok", "starting", "failing", "disabled"]
    detail: str | None = None


class ReadyAnswer(msgspec.Struct, frozen=True):
    status: Literal["ok"]
    components: dict[str, ComponentShape]


class FaultShape(msgspec.Struct, frozen=True):
    field: str
    message: str


class ProblemShape(msgspec.Struct, frozen=True):
    """RFC 9457. `code` is one of docs/errors.md.

    `errors` is there for bad input, `components` for not_ready, `command_id` for acceptance_unknown.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str | msgspec.UnsetType = msgspec.UNSET
    errors: list[FaultShape] | msgspec.UnsetType = msgspec.UNSET
    components: dict[str, ComponentShape] | msgspec.UnsetType = msgspec.UNSET
    command_id: str | msgspec.UnsetType = msgspec.UNSET
