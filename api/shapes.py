"""Every body that goes in or out, as the types that check what comes in and make the OpenAPI document. Pure.

The parts of the state are the model's own classes; only what the API adds stands here.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from common.model import Battery, ChargePoint, Grid, Home, Pv, Tariff

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Instant = Annotated[str, msgspec.Meta(description="RFC 3339, UTC", examples=["2026-11-23T10:15:30Z"])]
Seq = Annotated[int, msgspec.Meta(description="grows with every change")]


class LoginBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    username: Name
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    device_name: Name | None = None


class ElevateBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    code: Annotated[str, msgspec.Meta(pattern="^[0-9]{6}$", description="of the authenticator app")]


class UserShape(msgspec.Struct, frozen=True):
    name: str
    role: Literal["viewer", "driver", "admin"]


class LoginAnswer(msgspec.Struct, frozen=True):
    access_token: str
    expires_in_s: int
    user: UserShape


class TicketAnswer(msgspec.Struct, frozen=True):
    ticket: str
    expires_in_s: int


class ElevateAnswer(msgspec.Struct, frozen=True):
    elevated_until: Instant


class MeAnswer(msgspec.Struct, frozen=True):
    """`elevated_until` is null unless this session entered a code within the last 5 minutes."""

    name: str
    role: Literal["viewer", "driver", "admin"]
    has_totp: bool
    elevated_until: Instant | None


class SiteId(msgspec.Struct, frozen=True):
    name: str
    openwb_generation: str
    openwb_version: str | None


class SiteAnswer(SiteId, frozen=True):
    updated_at: Instant
    is_stale: bool
    parts: list[str]
    charge_points: list[str]


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
    tariff: Tariff | msgspec.UnsetType | None = msgspec.UNSET
    charge_points: dict[str, ChargePoint] | msgspec.UnsetType = msgspec.UNSET


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
    """One value per step of `resolution_s` from `from` on; null where nothing was recorded."""

    resolution_s: int
    from_: Instant
    to: Instant
    series: dict[str, list[int | float | bool | None]]


class LiveSnapshot(msgspec.Struct, frozen=True, tag_field="type", tag="snapshot"):
    """The state as a whole; it replaces everything the client knew."""

    seq: Seq
    state: StateAnswer


class LiveChange(msgspec.Struct, frozen=True, tag_field="type", tag="change"):
    """path → new value. Null: unknown now, or a part that is gone; apply nulls before the paths below them."""

    seq: Seq
    changes: dict[str, Any]


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
    """RFC 9457. `code` is one of docs/errors.md; `errors` is there for bad input, `components` for not_ready."""

    type: str
    title: str
    status: int
    code: str
    detail: str | msgspec.UnsetType = msgspec.UNSET
    errors: list[FaultShape] | msgspec.UnsetType = msgspec.UNSET
    components: dict[str, ComponentShape] | msgspec.UnsetType = msgspec.UNSET
