"""What the api remembers of logins between requests: used tickets and elevated sessions. Pure: time is an argument.

Kept in the process, not in Redis: one process serves a site, and forgetting on a restart only costs a new code. Tickets
are signed for the process that made them, so that one of before a restart is refused, not accepted twice.
Single-threaded: the api's event loop owns both.
"""

import secrets

from api.errors import Overloaded
from common.security.tokens import TICKET, TICKET_TTL_S, Claims, InvalidToken

ELEVATION_S = 5 * 60
MOST_ENTRIES = 10_000
"""Of each map, about 1 MB: only logged-in users add to them, and each entry ends within minutes."""


class Tickets:
    """Accepts each ticket once. `audience` is what they are signed for: this process's tickets."""

    def __init__(self) -> None:
        self.audience = f"{TICKET}:{secrets.token_urlsafe(6)}"
        self._used: dict[str, float] = {}

    def redeem(self, ticket: Claims, now: float) -> None:
        """Use up a ticket that was verified; raises InvalidToken the second time."""
        if ticket.token_id in self._used:
            raise InvalidToken("the token is not valid", detail="a ticket that was used before")
        _make_room(self._used, now)
        self._used[ticket.token_id] = now + TICKET_TTL_S


class Elevations:
    """Which sessions entered a TOTP code within the last ELEVATION_S."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def elevate(self, session_id: str, now: float) -> float:
        """Elevate one login's session; the instant until which it holds."""
        self._until.pop(session_id, None)  # so that it stands behind those that end earlier
        _make_room(self._until, now)
        self._until[session_id] = now + ELEVATION_S
        return self._until[session_id]

    def until(self, session_id: str, now: float) -> float | None:
        """The end of a session's elevation, None if it has none now."""
        until = self._until.get(session_id)
        return until if until is not None and until > now else None


def _make_room(ends: dict[str, float], now: float) -> None:
    """Forget what is over; raises Overloaded if that makes no room. Insertion order is the order of ends."""
    while ends:
        oldest = next(iter(ends))
        if ends[oldest] > now:
            break
        del ends[oldest]
    if len(ends) >= MOST_ENTRIES:
        raise Overloaded("too many sessions at once", retry_after_s=TICKET_TTL_S)
