"""The messages of the live channel, as the types that make the OpenAPI document; docs/live.md explains them. Pure."""

from typing import Annotated, Any

import msgspec

from api.shapes import CommandAnswer, Instant, Seq, StateAnswer
from common.commands import EVENT_TYPE
from common.live_events import SCAN_EVENT, SessionEventType
from common.profiles import Outcome

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


Event = CommandEvent | SessionStarted | SessionEnded | CardScanned


class LiveEvent(msgspec.Struct, frozen=True, tag_field="type", tag="event"):
    """What changed no value. Told whatever `fields` selects, but not those of before a snapshot."""

    seq: Seq
    occurred_at: OccurredAt
    event: Event


LiveMessage = LiveSnapshot | LiveChange | LiveEvent
