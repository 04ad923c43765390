"""The bodies of tags, profiles and scans, as api/shapes.py has those of the rest. Pure."""

from enum import StrEnum
from typing import Annotated

import msgspec

from api.shapes import END, Ampere, Instant, Name, WishedLimit
from common.commands import Status
from common.model import Mode
from common.profiles import Day, Outcome

Label = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00-\x1f\x7f]*" + END,
        description="a text of 1 to 64 characters without control characters",
    ),
]
TypedTag = Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="as the reader gives it; text")]
Hour = Annotated[
    str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]" + END, description="a time at the site like 07:30")
]
ChargePointId = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]


class LearningStatus(StrEnum):
    IDLE = "idle"
    WAITING = "waiting"
    LEARNED = "learned"
    EXPIRED = "expired"


class TagBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    tag: TypedTag
    label: Label | None = None


class LearnBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    label: Label | None = None


class TagShape(msgspec.Struct, frozen=True):
    tag: str
    label: str | None
    added_at: Instant


class TagsAnswer(msgspec.Struct, frozen=True):
    items: list[TagShape]


class LearningAnswer(msgspec.Struct, frozen=True):
    """`waiting`: the next card that is nobody's is this user's, until `ends_at`; `tag` is the one that came."""

    status: LearningStatus
    tag: str | None
    label: str | None
    ends_at: Instant | None


class ProfileBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename={"from_": "from"}):
    """At least one of `mode`, `current_a` and `limit`. Without `tag` it is for all tags of its user.

    From `from` to before `until`; if `until` is earlier in the day the window crosses midnight, and `weekdays` are
    those on which it begins. Without weekdays it holds every day. `restores`: what was before is put back on unplug.
    """

    name: Label
    user: Annotated[Name | None, msgspec.Meta(description="whose it is; oneself if absent")] = None
    tag: TypedTag | None = None
    charge_point: Annotated[ChargePointId | None, msgspec.Meta(description="null: any")] = None
    mode: Mode | msgspec.UnsetType = msgspec.UNSET
    current_a: Ampere | msgspec.UnsetType = msgspec.UNSET
    limit: WishedLimit | msgspec.UnsetType = msgspec.UNSET
    weekdays: Annotated[list[Day], msgspec.Meta(max_length=7)] = []
    from_: Hour | None = None
    until: Hour | None = None
    expires_at: Instant | None = None
    restores: bool = True
    is_enabled: bool = True


class ProfileAnswer(msgspec.Struct, frozen=True, rename={"from_": "from"}, kw_only=True):
    id: str
    name: str
    user: str
    tag: str | None
    charge_point: str | None
    mode: Mode | msgspec.UnsetType = msgspec.UNSET
    current_a: int | msgspec.UnsetType = msgspec.UNSET
    limit: WishedLimit | msgspec.UnsetType = msgspec.UNSET
    weekdays: list[Day]
    from_: Hour | None
    until: Hour | None
    expires_at: Instant | None
    restores: bool
    is_enabled: bool


class ProfilesAnswer(msgspec.Struct, frozen=True):
    items: list[ProfileAnswer]


class DryRunBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What would this card do? `at` is the site's time (`2026-11-29T23:00`) or an RFC 3339 instant; now if absent."""

    tag: TypedTag
    at: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    charge_point: ChargePointId | None = None


class DryRunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`reasons` go through the profiles in their order."""

    outcome: Annotated[str, msgspec.Meta(description="`apply`, or an outcome of scans that says why nothing is done")]
    user: str | None
    profile: ProfileAnswer | None
    charge_point: str | None
    at: Instant
    local_time: str
    reasons: list[str]


class CommandPurpose(StrEnum):
    APPLY = "apply"
    RESTORE = "restore"


class ScanCommandShape(msgspec.Struct, frozen=True):
    """`GET commands/{id}` has the whole of it, for a day."""

    id: str
    purpose: CommandPurpose
    status: Status


class ScanAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`tag` of a card that was nobody's is its last two characters."""

    id: str
    scanned_at: Instant
    tag: str
    charge_point: str | None
    user: str | None
    profile: str | None
    outcome: Outcome
    detail: Annotated[str | None, msgspec.Meta(description="for people")]
    commands: list[ScanCommandShape]


class ScansAnswer(msgspec.Struct, frozen=True):
    """The newest first."""

    items: list[ScanAnswer]
    next_cursor: str | None
