"""Commands: what a person wishes becomes one, the answer waits a little for the wallbox, and anybody may look at it.

The answer is 200 when the command is settled, however it ended, and 202 with its address when it is not yet.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from sanic import HTTPResponse, Request

from api import control, inputs, views
from api.access import Role, decide_wishes
from api.errors import EdgeSilent, LoginRequired, NotFound, WallboxSilent
from api.handlers.answers import json_answer
from api.handlers.hub import Hub
from api.handlers.live import hub_of
from api.handlers.state import known
from api.ports import Deps, deps_of, login_of
from api.problems import command_path
from api.shapes import ChargeModeBody, ChargePointBody, NoBody
from common import logs
from common.commands import Command, CommandRecord
from common.errors import AppError, RedisUnavailable

log = logs.get(__name__)

WAIT_S = 5.0
"""How long an answer waits for its command to settle: openWB shows most within a second or two."""

LOOK_EVERY_S = 1.0
"""How often the record itself is read while the change stream tells nothing: the hub may be without Redis."""

USER_TIMEOUT_S = 2.0
"""How long the database may take to say who a user is now."""

_ID = re.compile(r"[0-9a-f]{32}")


async def change_charge_point(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- the name in the URL's template
    wishes = control.wishes_of(inputs.body(request.body, ChargePointBody))
    return await _answer(request, id, wishes)


async def reset_energy(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- see above
    if request.body:
        inputs.body(request.body, NoBody)
    return await _answer(request, id, {"reset_energy": True})


async def set_charge_mode(request: Request) -> HTTPResponse:
    body = inputs.body(request.body, ChargeModeBody)
    charge_point = body.charge_point if isinstance(body.charge_point, str) else None
    return await _answer(request, charge_point, {"mode": body.mode.value})


async def command(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- see above
    """The newest record."""
    inputs.query(request.query_string, ())
    record = await deps_of(request).commands.record(id) if _ID.fullmatch(id) else None
    if record is None:
        raise NotFound("there is no such command, or it is older than a day")
    return json_answer(views.command(record))


async def _answer(request: Request, charge_point: str | None, wishes: Mapping[str, Any]) -> HTTPResponse:
    inputs.query(request.query_string, ())
    deps, login = deps_of(request), login_of(request)
    decide_wishes(wishes, await _present_role(request))
    key = control.idempotency_key(request.headers.getall("idempotency-key", []))
    wish = Command(
        id=secrets.token_hex(16), charge_point=charge_point, wishes=wishes, accepted_at=time.time(), by=login.user
    )
    record = await deps.commands.made_by(login.user, key) if key is not None else None
    if record is None:
        await _check_site(deps, wish)
        deps.pace.admit(login.user, time.monotonic())
        record = await deps.commands.accept(wish, key)
    control.check_same(record, wish)
    if record.id == wish.id:
        log.info(
            "command_accepted",
            command=wish.id,
            user=login.user,
            origin=request.ctx.origin,
            charge_point=charge_point,
            wishes=sorted(wishes),
        )
    record = await _settled(deps, hub_of(request), record)
    if record.status.is_settled:
        return json_answer(views.command(record))
    return json_answer(views.command(record), status=202, headers={"location": command_path(record.id)})


async def _present_role(request: Request) -> Role:
    """What the user is now: somebody who was disabled commands nothing more.

    A database that is away or slow must not keep anybody from stopping a charge: then the token's role counts.
    """
    login = login_of(request)
    try:
        user = await asyncio.wait_for(deps_of(request).store.user(login.user), USER_TIMEOUT_S)
    except (AppError, TimeoutError):
        return login.role
    if user is None or user.is_disabled:
        raise LoginRequired("this user may no longer log in")
    return Role(user.role)


async def _check_site(deps: Deps, wish: Command) -> None:
    """Raises whatever speaks against the command before it is accepted."""
    seen = await deps.state.observe()
    snapshot = known(seen)
    if not seen.is_edge_alive:
        raise EdgeSilent("the site's edge does not run, so nobody would execute this")
    if snapshot.state.meta.is_stale:
        raise WallboxSilent("the wallbox is not heard of, so it could not confirm this")
    control.check_possible(snapshot.state, wish.charge_point, wish.wishes)


async def _settled(deps: Deps, hub: Hub, record: CommandRecord) -> CommandRecord:
    """The record when it settles, or as it is after WAIT_S."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + WAIT_S
    with hub.watching(record.id) as watch:
        record = await _newest(deps, record)  # what happened before the watch began
        while not record.status.is_settled and (left_s := deadline - loop.time()) > 0:
            told = await watch.next(min(left_s, LOOK_EVERY_S))
            record = told if told is not None else await _newest(deps, record)
    return record


async def _newest(deps: Deps, record: CommandRecord) -> CommandRecord:
    """The command is accepted: that Redis is away by now is no reason to answer with an error."""
    try:
        return await deps.commands.record(record.id) or record
    except RedisUnavailable:
        return record
