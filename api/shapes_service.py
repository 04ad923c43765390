"""What tells of the process itself, problems, and the raw mirror, as the types of the OpenAPI document. Pure."""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from api.shapes import CommandAnswer, Instant


class TopicsAnswer(msgspec.Struct, frozen=True):
    topics: Annotated[dict[str, str], msgspec.Meta(description="topic → payload as received")]


class HealthAnswer(msgspec.Struct, frozen=True):
    status: Literal["ok"]


class ComponentStatus(StrEnum):
    """`disabled`: not configured; the site is complete without it."""

    OK = "ok"
    STARTING = "starting"
    FAILING = "failing"
    DISABLED = "disabled"


class ComponentShape(msgspec.Struct, frozen=True):
    status: ComponentStatus
    detail: str | None = None


class ReadyAnswer(msgspec.Struct, frozen=True):
    status: Literal["ok"]
    components: dict[str, ComponentShape]


class FaultShape(msgspec.Struct, frozen=True):
    field: str
    message: str


class ProblemShape(msgspec.Struct, frozen=True):
    """RFC 9457. `code` is one of docs/errors.md.

    `errors` is there for bad input and for not_possible, `command` for a command of which nothing came, `command_id`
    for acceptance_unknown, `components` for not_ready, `since` for site_offline: since when, if the relay knows,
    `tries_left` for wrong_code: how many wrong ones are left before this login ends.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str | msgspec.UnsetType = msgspec.UNSET
    errors: list[FaultShape] | msgspec.UnsetType = msgspec.UNSET
    components: dict[str, ComponentShape] | msgspec.UnsetType = msgspec.UNSET
    command: CommandAnswer | msgspec.UnsetType = msgspec.UNSET
    command_id: str | msgspec.UnsetType = msgspec.UNSET
    since: Instant | msgspec.UnsetType | None = msgspec.UNSET
    tries_left: int | msgspec.UnsetType = msgspec.UNSET
