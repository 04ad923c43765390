"""Who is behind a token now: asks the database whether the session still is, and believes what it knows without it.

A look (scope read) may rely on what the database said KNOWN_FOR_S ago; a command or anything about accounts asks anew.
While the database is away, looks and commands go on for sessions known from before and for access tokens, which end
within 15 minutes; accounts, API tokens and limited users that nobody knows wait for it.
"""

import asyncio
import contextlib
import time

from sanic import Request

from api.access import LEGACY_SCOPES, LOGIN_SCOPES, TOKEN_SCOPES, Role, Scope
from api.errors import LoginRequired, Overloaded
from api.ports import Login, StoreRunner
from api.sessions import KnownSessions
from api.sight import Sight
from common.errors import StoreUnavailable
from common.security.tokens import ACCESS, API, BEARER, LEGACY, Claims, InvalidToken
from common.store import devices
from common.store.errors import StoreError
from common.store.rows_people import Active, Kind

KNOWN_FOR_S = 2.0
"""How long what the command line or another process changed goes unseen by those who only look."""

ASK_TIMEOUT_S = 2.0
"""How long the database may take to say who somebody is: nobody may be kept from stopping a charge by it."""

AWAY_FOR_S = 1.0
"""After a failure, how long nobody asks it for looks and commands: a database that hangs would slow each of them."""

SEEN_EVERY_S = 60
SEEN_TIMEOUT_S = 0.5

_KINDS = {ACCESS: (Kind.APP, Kind.PAIRED), API: (Kind.API,), LEGACY: (Kind.LEGACY,)}


class Logins:
    """One per api; the event loop owns it."""

    def __init__(self, store: StoreRunner) -> None:
        self._store = store
        self._known = KnownSessions()
        self._asked: dict[str, asyncio.Task[Active | None]] = {}
        self._away_until = 0.0

    async def of(self, claims: Claims, address: str, scope: Scope) -> Login:
        """Who `claims` are now. Raises LoginRequired for a session that is revoked or whose user is disabled,
        InvalidToken, or what the store raises where nothing may be believed without it."""
        active = await self._active(claims, scope)
        if active is None:
            return _by_token(claims)
        if claims.audience in BEARER and active.device.kind not in _KINDS[claims.audience]:
            raise InvalidToken("the token is not valid", detail="of another kind than its device")
        await self._note_seen(active, address)
        return _login(claims, active)

    def forget_user(self, user_id: int) -> None:
        """Let a change of this user count from the next request on."""
        self._asked.clear()  # what is under way may have read from before the change
        self._known.forget_user(user_id)

    def revoked(self, *session_ids: str) -> None:
        """Let these sessions be over from now on, also while the database is away."""
        self._asked.clear()
        for session_id in session_ids:
            self._known.put(session_id, None, time.monotonic())

    async def _active(self, claims: Claims, scope: Scope) -> Active | None:
        """What the database says; None if the token is to be believed without it."""
        session_id, now = claims.session_id, time.monotonic()
        known = self._known.get(session_id)
        is_fresh = known is not None and now - known.at < KNOWN_FOR_S
        needs_database = scope in (Scope.ACCOUNT, Scope.ADMIN)
        try:
            if known is not None and is_fresh and scope is Scope.READ:
                active = known.active
            elif now < self._away_until and not needs_database:
                raise StoreUnavailable("the database is unavailable")
            else:
                active = await self._ask(session_id)
        except (StoreUnavailable, StoreError, Overloaded):
            if needs_database:
                raise
            if known is None:
                if claims.audience in (API, LEGACY) or claims.is_limited:
                    raise  # nobody knows whether it was revoked since, or what it is limited to
                return None
            active = known.active
        if active is None or active.device.expires_at <= time.time():
            raise LoginRequired("this login has ended; log in again")
        return active

    async def _ask(self, session_id: str) -> Active | None:
        """One question at a time about each session."""
        task = self._asked.get(session_id)
        if task is None:
            task = self._asked[session_id] = asyncio.create_task(self._asked_database(session_id))
            task.add_done_callback(_looked_at)
        try:
            active = await asyncio.wait_for(asyncio.shield(task), ASK_TIMEOUT_S)
        except TimeoutError as exc:
            self._away_until = time.monotonic() + AWAY_FOR_S
            raise StoreUnavailable("the database does not answer") from exc
        except (StoreUnavailable, StoreError, Overloaded):
            self._away_until = time.monotonic() + AWAY_FOR_S
            raise
        return active

    async def _asked_database(self, session_id: str) -> Active | None:
        task = asyncio.current_task()
        try:
            active = await self._store.run(devices.active, session_id, int(time.time()))
            if self._asked.get(session_id) is task:
                self._known.put(session_id, active, time.monotonic())
            return active
        finally:
            if self._asked.get(session_id) is task:
                del self._asked[session_id]

    async def _note_seen(self, active: Active, address: str) -> None:
        now = int(time.time())
        if now - active.device.seen_at < SEEN_EVERY_S or time.monotonic() < self._away_until:
            return
        with contextlib.suppress(StoreUnavailable, StoreError, Overloaded, TimeoutError):
            noted = self._store.run(devices.seen, active.device.id, now, address)
            await asyncio.wait_for(noted, SEEN_TIMEOUT_S)
        self._known.noted(active.device.id, now)


def logins_of(request: Request) -> Logins:
    """What app.py put there."""
    logins: Logins = request.app.ctx.logins
    return logins


def _looked_at(task: "asyncio.Task[Active | None]") -> None:
    """Its exception is known to whoever waited; if nobody waits any more, nobody needs it."""
    if not task.cancelled():
        task.exception()


def _login(claims: Claims, active: Active) -> Login:
    user, device = active.user, active.device
    scopes = {
        Kind.API: frozenset(Scope(scope) for scope in device.scopes if scope in TOKEN_SCOPES),
        Kind.LEGACY: LEGACY_SCOPES,
    }.get(Kind(device.kind), LOGIN_SCOPES)
    return Login(
        user=user.name,
        role=Role(user.role),
        session_id=claims.session_id,
        lasts_until=min(claims.lasts_until, device.expires_at),
        user_id=user.id,
        kind=device.kind,
        device_name=device.name,
        scopes=scopes,
        has_totp=user.totp_secret is not None,
        sight=Sight(None if active.charge_points is None else frozenset(active.charge_points)),
    )


def _by_token(claims: Claims) -> Login:
    """While the database is away."""
    try:
        role = Role(claims.role)
    except ValueError as exc:
        raise InvalidToken("the token is not valid", detail="of an unknown role") from exc
    return Login(claims.user, role, claims.session_id, claims.lasts_until, has_totp=claims.has_totp)
