"""What the live channel tells of charge sessions: the edge announces it, the api shows it."""

from dataclasses import dataclass
from enum import StrEnum


class SessionEventType(StrEnum):
    STARTED = "session_started"
    ENDED = "session_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """A session began or ended. Instants in Unix seconds; `energy_wh` None: unknown.

    It says nothing of who charged: every user may watch the live channel. The key of the session is (charge_point,
    started_at); its row comes into the database some moments later.
    """

    type: SessionEventType
    charge_point: str
    started_at: int
    ended_at: int | None
    energy_wh: int | None
