"""The routes of an older backend that an iOS app in use was written for. It must work as it is: docs/legacy-app.md.

What is said stands in api/legacy.py. Whoever logs in here gets a token of a device of its own kind, which opens these
routes alone; errors say 403 where others say 401 (handlers/errors.py), since the app knows nothing else.
"""

import re
import time
from typing import Any
from urllib.parse import unquote

from sanic import HTTPResponse, Request

from api import inputs, legacy
from api.access import READABLE, Role
from api.errors import CommandFailed, LoginFailed, LoginRequired, NotAllowed, NotFound, StateUnknown, TotpNotSetUp
from api.handlers.answers import json_answer
from api.handlers.codes import check_code
from api.handlers.control import commanded
from api.handlers.me import set_password
from api.handlers.opening import first_right_password, open_legacy
from api.handlers.state import known
from api.handlers.users import changed_user
from api.ports import deps_of, login_of
from api.problems import command_path
from api.shapes_legacy import LegacyLoginBody, LegacyPasswordBody, LegacyUserBody
from common.commands import Status
from common.errors import FieldError
from common.model import Snapshot
from common.security.tokens import LEGACY
from common.store import sessions, users
from common.store.rows import SessionFilter

DEVICE = "iOS app (ChargeMarie)"

DEFAULT_LIMIT, MOST_ENTRIES = 25, 100
"""The app asks for 10, 25, 50 or 100."""

_WITH_CODE = re.compile(r"(.+)([0-9]{6})", re.DOTALL)


async def login(request: Request) -> HTTPResponse:
    """Name and password → the token as bare text. An admin's code right behind the password elevates, as `auth/elevate`
    does: at home."""
    body = _body(request, LegacyLoginBody)
    split = _WITH_CODE.fullmatch(body.password)
    passwords = (body.password, split[1]) if split is not None else (body.password,)
    account, password = await first_right_password(request, body.username, passwords)
    user = account.user
    code = body.password[len(password) :]
    if code:
        try:
            await check_code(request, user, code)
        except TotpNotSetUp as exc:
            raise LoginFailed("the name or the password is wrong") from exc
    token, session_id = await open_legacy(
        request, account, DEVICE, legacy.person(user.name, is_admin=user.role == Role.ADMIN)
    )
    if code and request.ctx.origin not in READABLE:
        deps_of(request).elevations.elevate(session_id, time.time())
    return HTTPResponse(token, headers={"cache-control": "no-store"}, content_type="text/plain; charset=utf-8")


async def values(request: Request) -> HTTPResponse:
    return json_answer(legacy.values(await _snapshot(request)))


async def charge_mode(request: Request) -> HTTPResponse:
    told = legacy.charge_mode((await _snapshot(request)).state)
    if told is None:
        raise StateUnknown("the charge mode is not known yet")
    return json_answer(told)


async def set_charge_mode(request: Request, mode: str) -> HTTPResponse:
    """Wish for the mode at all charge points; `{}` once the wallbox shows it, or 202 while it does not yet."""
    wished = legacy.WISHED_MODES.get(mode)
    if wished is None:
        raise NotFound("there is no such charge mode")
    record = await commanded(request, None, {"mode": wished.value})
    if record.status.is_settled and record.status is not Status.CONFIRMED:
        raise CommandFailed(record.detail or f"the wallbox did not follow: {record.status.value}")
    if record.status.is_settled:
        return json_answer({})
    return json_answer({}, status=202, headers={"location": command_path(record.id)})


async def charge_log(request: Request) -> HTTPResponse:
    limit = _limit(inputs.query(request.query_string, {"limit"}).get("limit"))
    login = login_of(request)
    whose = SessionFilter(user_name=None if login.role is Role.ADMIN else login.user)
    rows = await deps_of(request).store.run(sessions.page, whose, limit=limit)
    return json_answer(legacy.charge_log(rows, deps_of(request).clock.now()))


async def me(request: Request, who: str) -> HTTPResponse:
    _check_oneself(who)
    inputs.query(request.query_string, ())
    login = login_of(request)
    return json_answer(legacy.person(login.user, is_admin=login.role is Role.ADMIN))


async def change_password(request: Request, who: str) -> HTTPResponse:
    """The app asks for no old one. Other devices have to log in again, which tells the owner.

    Only the app's own token may: whoever takes another one, which lives for minutes, must not get the account by it.
    """
    _check_oneself(who)
    if request.ctx.claims.audience != LEGACY:
        raise NotAllowed("only the existing app's token may; others use PUT /api/v1/me/password")
    body = _body(request, LegacyPasswordBody)
    login = login_of(request)
    if login.user_id is None:
        raise LoginRequired("this login has ended")
    await set_password(request, login.user_id, login.user, body.password, keeps=login.session_id)
    return json_answer({})


async def people(request: Request) -> HTTPResponse:
    inputs.query(request.query_string, ())
    accounts = await deps_of(request).store.run(users.list_accounts)
    return json_answer(
        [legacy.person(account.user.name, is_admin=account.user.role == Role.ADMIN) for account in accounts]
    )


async def change_user(request: Request) -> HTTPResponse:
    body = _body(request, LegacyUserBody)
    wishes: dict[str, Any] = {}
    if isinstance(body.admin, bool):
        wishes["role"] = Role.ADMIN.value if body.admin else Role.DRIVER.value
    if isinstance(body.password, str):
        wishes["password"] = body.password
    if not wishes:
        raise FieldError("some fields are missing or wrong", {"body": "must change something"})
    await changed_user(request, body.username, wishes)
    return json_answer({})


async def site(request: Request) -> HTTPResponse:
    snapshot = await _snapshot(request)
    return json_answer(legacy.site(snapshot.state, await deps_of(request).state.topics()))


async def charge_point(request: Request) -> HTTPResponse:
    return json_answer(legacy.charge_point((await _snapshot(request)).state))


async def consumption(request: Request) -> HTTPResponse:
    return json_answer(legacy.consumption((await _snapshot(request)).state))


async def raw_topics(request: Request) -> HTTPResponse:
    inputs.query(request.query_string, ())
    return json_answer(await deps_of(request).state.topics())


async def raw_texts(request: Request) -> HTTPResponse:
    return json_answer(legacy.rest(await _snapshot(request)))


async def _snapshot(request: Request) -> Snapshot:
    inputs.query(request.query_string, ())
    return known(await deps_of(request).state.observe())


def _body(request: Request, shape: type[inputs.Body]) -> inputs.Body:
    """The app may send more than is known; that is ignored. Raises MalformedBody or FieldError."""
    return inputs.body(request.body, shape, ignores_unknown=True)


def _check_oneself(who: str) -> None:
    """Raises NotFound for all but `@me`: Sanic matches no route with that letter in it."""
    if unquote(who) != "@me":
        raise NotFound("there is nobody of this name")


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MOST_ENTRIES:
        raise FieldError("some parameters are wrong", {"limit": f"must be from 1 to {MOST_ENTRIES}"})
    return int(text)
