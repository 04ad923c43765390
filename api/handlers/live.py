"""The websocket: a snapshot or the missed changes, then every change, until the client, the token or the server ends.

What goes wrong before the handshake (`prepare`) is an ordinary HTTP problem; afterwards it is a close code.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import msgspec
from sanic import Request, Websocket
from sanic.exceptions import WebsocketClosed
from websockets.exceptions import ConnectionClosed

from api import inputs, live, numbers, views
from api.access import Scope
from api.errors import LoginRequired, UpgradeRequired
from api.fields import Selection
from api.handlers.hub import Hub
from api.handlers.logins import logins_of
from api.handlers.state import selected_fields
from api.handlers.tasks import ended
from api.live import Outbox
from api.ports import Deps, Login, deps_of, login_of
from api.sight import Sight
from common import logs
from common.errors import AppError, FieldError, RedisUnavailable
from common.security.tokens import InvalidToken

log = logs.get(__name__)

TOKEN_EXPIRED = 4401
LOOK_AGAIN_S = 5.0
"""How long a connection may outlive its session, its user's role or limits."""

FAULT = 1011

SEND_TIMEOUT_S = 10.0
"""A client that takes nothing for this long is gone or hopeless; about 100 kB wait in buffers by then."""

REPLAY_AT_ONCE = 500
HIGHEST_SEQ = 2**53 - 1  # what a JavaScript client can hold exactly
STATE_RETRY_S = 1.0

_GONE = (asyncio.CancelledError, WebsocketClosed, ConnectionClosed)
"""What sending raises when the client left first."""


@dataclass(frozen=True, slots=True)
class Asked:
    selected: Selection
    since: int | None


async def prepare(request: Request) -> None:
    """Check everything that can be checked before the handshake; runs after the guard."""
    if request.headers.get("upgrade", "").lower() != "websocket":
        raise UpgradeRequired("connect with a websocket")
    parameters = inputs.query(request.query_string, {"since", "fields", "ticket"})
    since = None
    if "since" in parameters:
        try:
            since = inputs.whole_number(parameters["since"], lowest=0, highest=HIGHEST_SEQ)
        except ValueError as exc:
            raise FieldError("some parameters are wrong", {"since": str(exc)}) from exc
    request.ctx.live = Asked(selected_fields(parameters), since)
    hub_of(request).check_room()
    await deps_of(request).state.observe()


async def push(request: Request, ws: Websocket) -> None:
    """One connection, from handshake to close."""
    asked: Asked = request.ctx.live
    deps, hub = deps_of(request), hub_of(request)
    login = login_of(request)
    outbox = Outbox(asked.selected, login.sight)
    with hub.subscribed(outbox) as wake:
        telling = asyncio.create_task(_tell(ws, deps, outbox, wake, asked, login.sight))
        listening = asyncio.create_task(_ignore(ws))
        asking = asyncio.create_task(_until_changed(request, login))
        expires_in_s = max(0.0, login.lasts_until - time.time())
        try:
            done, _ = await asyncio.wait(
                (telling, listening, asking), timeout=expires_in_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            await ended(telling, listening, asking)
            fault, _ = await asyncio.gather(telling, listening, return_exceptions=True)
    if not done or done == {asking}:
        await ws.close(TOKEN_EXPIRED, "the access token has expired" if not done else "the login has changed or ended")
    elif telling in done:
        await _end(ws, fault)


async def _until_changed(request: Request, login: Login) -> None:
    """Return when the session is over, or its user may see other things than when it began."""
    while True:
        await asyncio.sleep(LOOK_AGAIN_S)
        try:
            now = await logins_of(request).of(request.ctx.claims, request.ctx.address, Scope.READ)
        except (LoginRequired, InvalidToken):
            return
        except AppError:
            continue  # the database is away
        if (now.role, now.sight, now.scopes) != (login.role, login.sight, login.scopes):
            return


def hub_of(request: Request) -> Hub:
    hub: Hub = request.app.ctx.hub
    return hub


async def _tell(ws: Websocket, deps: Deps, outbox: Outbox, wake: asyncio.Event, asked: Asked, sight: Sight) -> None:
    if asked.since is not None:
        await _replay(ws, deps, outbox, asked.since)
    while True:
        wake.clear()
        if outbox.needs_snapshot:
            message = await _snapshot(deps, outbox, asked.selected, sight)
        else:
            message = outbox.take()
        if message is not None:
            await _send(ws, message)
        elif outbox.needs_snapshot:
            await asyncio.sleep(STATE_RETRY_S)
        else:
            await wake.wait()


async def _snapshot(deps: Deps, outbox: Outbox, selected: Selection, sight: Sight) -> dict[str, Any] | None:
    """The snapshot message; None while there is no state or no Redis, which may last."""
    try:
        seen = await deps.state.observe()
    except RedisUnavailable:
        return None
    if seen.snapshot is None:
        return None
    state = views.state(
        sight.of(seen.snapshot),
        site_name=deps.settings.site_name,
        now=deps.clock.now(),
        is_edge_alive=seen.is_edge_alive,
        selected=selected,
    )
    outbox.snapshot_told(seen.snapshot.seq, state["is_stale"])
    return {"type": "snapshot", "seq": state["seq"], "occurred_at": state["updated_at"], "state": state}


async def _replay(ws: Websocket, deps: Deps, outbox: Outbox, since: int) -> None:
    """Tell every change after `since`, if the stream still has that entry; else the outbox keeps wanting a snapshot."""
    told, nth = numbers.entry_and_nth(since)
    while True:
        try:
            entries = await deps.state.entries_from(told, REPLAY_AT_ONCE)
        except RedisUnavailable:
            return
        if not entries or entries[0].seq != told:
            return  # never was, or trimmed by now
        for entry in entries[1:]:
            message = live.message(outbox.visible(live.told(entry)))
            if message is not None:
                await _send(ws, message)
            told, nth = entry.seq, 0
        if len(entries) < REPLAY_AT_ONCE:
            outbox.told_up_to(told, nth)
            return


async def _send(ws: Websocket, message: dict[str, Any]) -> None:
    text = msgspec.json.encode(message).decode()
    await asyncio.wait_for(ws.send(text), SEND_TIMEOUT_S)


async def _ignore(ws: Websocket) -> None:
    """Read what the client sends and forget it: without this Sanic would not see its pongs and its close."""
    while True:
        await ws.recv()


async def _end(ws: Websocket, fault: BaseException | None) -> None:
    """End a connection whose telling ended first."""
    if isinstance(fault, TimeoutError):
        log.info("live_client_too_slow")
        if ws.io_proto is not None and ws.io_proto.transport is not None:
            ws.io_proto.transport.abort()  # its buffers are full: a close frame would wait in them as well
    elif not isinstance(fault, _GONE):
        log.error("live_connection_failed", exc_info=fault)
        await ws.close(FAULT, "something went wrong here")
