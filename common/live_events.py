"""What the live channel tells beside values and commands: the edge announces it, the api shows it.

No event says who charged or whose card it was: every user may watch the live channel.
"""

from dataclasses import dataclass
from enum import StrEnum


class SessionEventType(StrEnum):
    STARTED = "session_started"
    ENDED = "session_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """A charge session began or ended. Instants in Unix seconds; `energy_wh` None: unknown.

    `id` is the session's in the database; None when the database has not taken it yet, as while it is away.
    """

    type: SessionEventType
    charge_point: str
    started_at: int
    ended_at: int | None
    energy_wh: int | None
    id: int | None = None


SCAN_EVENT = "card_scanned"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanEvent:
    """A card was held to a reader, or more is known of what became of it. `scanned_at` in Unix seconds.

    `charge_point` None: the wallbox did not say at which one. `outcome`: a `common.profiles.Outcome`.
    """

    charge_point: str | None
    scanned_at: float
    outcome: str
    type: str = SCAN_EVENT
