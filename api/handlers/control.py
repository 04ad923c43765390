"""Commands: what a person wishes becomes one, the answer waits a little for the wallbox, and anybody may look at it.

The answer is 200 when the wallbox has done it, and 202 with the command's address while it may still. A request of
which nothing will come is refused.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

from sanic import HTTPResponse, Request

from api import control, inputs, views
from api.access import decide_wishes
from api.errors import EdgeSilent, NotFound, WallboxSilent
from api.handlers.answers import json_answer
from api.handlers.audit import audit
from api.handlers.hub import Hub
from api.handlers.live import hub_of
from api.handlers.state import known
from api.ports import Deps, deps_of, login_of, sight_of
from api.problems import command_path
from api.shapes import ChargeModeBody, ChargePointBody, NoBody
from api.sight import Sight
from common import logs
from common.commands import Command, CommandRecord
from common.errors import RedisUnavailable

log = logs.get(__name__)

WAIT_S = 5.0
"""How long an answer waits for its command to settle: openWB shows most within a second or two."""

LOOK_EVERY_S = 1.0
"""How often the record itself is read while the change stream tells nothing: the hub may be without Redis."""

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
    if record is None or not (sight_of(request).sees(record.charge_point) or record.by == login_of(request).user):
        raise NotFound("there is no such command, or it is older than a day")
    return json_answer(views.command(record))


async def _answer(request: Request, charge_point: str | None, wishes: Mapping[str, Any]) -> HTTPResponse:
    record = await commanded(request, charge_point, wishes)
    told = views.command(record)
    control.check_done(record, told)
    if record.status.is_settled:
        return json_answer(told)
    return json_answer(told, status=202, headers={"location": command_path(record.id)})


async def commanded(request: Request, charge_point: str | None, wishes: Mapping[str, Any]) -> CommandRecord:
    """What became of these wishes within WAIT_S. Raises whatever speaks against them."""
    inputs.query(request.query_string, ())
    deps, login = deps_of(request), login_of(request)
    decide_wishes(wishes, login.role)
    key = control.idempotency_key(request.headers.getall("idempotency-key", []))
    wish = Command(
        id=secrets.token_hex(16), charge_point=charge_point, wishes=wishes, accepted_at=time.time(), by=login.user
    )
    record = await deps.commands.made_by(login.user, key) if key is not None else None
    if record is None:
        await _check_site(deps, wish, login.sight)
        deps.pace.admit(login.user, time.monotonic())
        record = await deps.commands.accept(wish, key)
    control.check_same(record, wish)
    if record.id != wish.id:
        record = await _settled(deps, hub_of(request), record)
    else:
        log.info("command_accepted", command=wish.id, charge_point=charge_point, wishes=sorted(wishes))
        try:
            record = await _settled(deps, hub_of(request), record)
        finally:  # also when the client leaves meanwhile
            _note(request, record)
    return record


def _note(request: Request, record: CommandRecord) -> None:
    """What is known of it by now: `GET commands/{id}` tells how a command ended that took longer."""
    where = "site" if record.charge_point is None else f"charge point {record.charge_point}"
    audit(
        request,
        "command",
        subject=f"{where}, {record.id}",
        old=dict(record.previous),
        new=dict(record.requested),
        result=record.status.value,
    )


async def _check_site(deps: Deps, wish: Command, sight: Sight) -> None:
    """Raises whatever speaks against the command before it is accepted."""
    seen = await deps.state.observe()
    snapshot = known(seen)
    if not seen.is_edge_alive:
        raise EdgeSilent("the site's edge does not run, so nobody would execute this")
    if snapshot.state.meta.is_stale:
        raise WallboxSilent("the wallbox is not heard of, so it could not confirm this")
    control.check_sight(snapshot.state, sight, wish.charge_point, wish.wishes)
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
