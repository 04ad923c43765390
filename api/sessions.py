"""What the api remembers of logins between requests: used tickets, elevated sessions, who a session is. Pure: time is
an argument.

Kept in the process, not in Redis: one process serves a site, and forgetting on a restart only costs a new code. Tickets
are signed for the process that made them, so that one of before a restart is refused, not accepted twice.
Single-threaded: the api's event loop owns both.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace

from api.errors import Overloaded
from common.security.tokens import TICKET, TICKET_TTL_S, Claims, InvalidToken
from common.store.rows_people import Active

ELEVATION_S = 5 * 60
PAIRING_S = 5 * 60
MOST_PAIRINGS = 100  # one a user; a household has a handful

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


@dataclass(frozen=True, slots=True)
class Pairing:
    """Who may be paired with, until when, and the login that asked for it."""

    user_id: int
    user: str
    until: float
    minted_by: str


class Pairings:
    """One-time secrets by which a phone becomes a user's. Kept as their hashes, in the process."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Pairing] = OrderedDict()

    def put(self, secret_hash: str, user_id: int, user: str, minted_by: str, now: float) -> Pairing:
        """Open a pairing in place of this user's earlier one."""
        for known in [key for key, item in self._open.items() if item.user_id == user_id]:
            del self._open[known]
        pairing = self._open[secret_hash] = Pairing(user_id, user, now + PAIRING_S, minted_by)
        while len(self._open) > MOST_PAIRINGS:
            self._open.popitem(last=False)
        return pairing

    def take(self, secret_hash: str, now: float) -> Pairing | None:
        """Use up a pairing; None if there is none, or it is too old."""
        found = self._open.pop(secret_hash, None)
        return found if found is not None and found.until > now else None

    def forget_user(self, user_id: int) -> None:
        """What this user opened is void: their password changed, or they may no longer log in."""
        for known in [key for key, item in self._open.items() if item.user_id == user_id]:
            del self._open[known]


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

    def drop(self, session_id: str) -> None:
        """End a session's elevation, if it has one."""
        self._until.pop(session_id, None)

    def until(self, session_id: str, now: float) -> float | None:
        """The end of a session's elevation, None if it has none now."""
        until = self._until.get(session_id)
        return until if until is not None and until > now else None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the database said of a session at one instant; `active` None: it is revoked, or never was."""

    active: Active | None
    at: float


class KnownSessions:
    """What the database said lately, so that not every request asks it; also what is believed while it is away.

    Revoked sessions are remembered as such, and so stay revoked then.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, Remembered] = OrderedDict()

    def get(self, session_id: str) -> Remembered | None:
        found = self._known.get(session_id)
        if found is not None:
            self._known.move_to_end(session_id)
        return found

    def put(self, session_id: str, active: Active | None, now: float) -> None:
        self._known[session_id] = Remembered(active, now)
        self._known.move_to_end(session_id)
        while len(self._known) > MOST_ENTRIES:
            self._known.popitem(last=False)

    def noted(self, session_id: str, seen_at: int) -> None:
        """The device was written down as seen, or could not be: not to be tried again at once."""
        found = self._known.get(session_id)
        if found is not None and found.active is not None:
            device = replace(found.active.device, seen_at=seen_at)
            self._known[session_id] = Remembered(replace(found.active, device=device), found.at)

    def forget_user(self, user_id: int) -> None:
        """Something about this user changed: the next request of each session asks the database."""
        for session_id in [key for key, item in self._known.items() if item.active and item.active.user.id == user_id]:
            del self._known[session_id]


def _make_room(ends: dict[str, float], now: float) -> None:
    """Forget what is over; raises Overloaded if that makes no room. Insertion order is the order of ends."""
    while ends:
        oldest = next(iter(ends))
        if ends[oldest] > now:
            break
        del ends[oldest]
    if len(ends) >= MOST_ENTRIES:
        raise Overloaded("too many sessions at once", retry_after_s=TICKET_TTL_S)
