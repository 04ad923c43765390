"""One's own account: who one is, the password, the devices, the API tokens."""

import secrets
import time

from sanic import HTTPResponse, Request

from api import inputs, instants
from api.access import READABLE, Role
from api.errors import LoginRequired, NotFound
from api.handlers.answers import json_answer, no_content
from api.handlers.audit import audit
from api.handlers.codes import active_user
from api.handlers.logins import logins_of
from api.handlers.opening import own_password
from api.handlers.proof import check_again
from api.ports import Login, deps_of, login_of
from api.shapes_people import (
    ApiTokenAnswer,
    ApiTokenBody,
    ApiTokensAnswer,
    ApiTokenShape,
    DeviceBody,
    DevicesAnswer,
    DeviceShape,
    MeAnswer,
    PasswordBody,
)
from common.security.tokens import API
from common.store import devices, second_factor, users
from common.store.rows_people import DeviceRow, Kind

DAY_S = 86_400


async def me(request: Request) -> HTTPResponse:
    """The user behind the token, as they are now."""
    inputs.query(request.query_string, ())
    deps, login, user = deps_of(request), login_of(request), await active_user(request)
    is_readable = request.ctx.origin in READABLE
    has_elevation = user.totp_secret is not None and not is_readable
    until = deps.elevations.until(login.session_id, time.time()) if has_elevation else None
    left = await deps.store.run(second_factor.codes_left, user.id)
    return json_answer(
        MeAnswer(
            name=user.name,
            role=Role(user.role),
            has_totp=user.totp_secret is not None,
            elevated_until=instants.text(until) if until else None,
            charge_points=None if login.sight.key is None else list(login.sight.key),
            recovery_codes_left=left,
            device_id=login.session_id,
            may_change_keys=not is_readable or deps.settings.relay_may_see_keys,
        )
    )


async def change_password(request: Request) -> HTTPResponse:
    """The old password → a new one; every other device and every API token has to log in again."""
    body = inputs.body(request.body, PasswordBody)
    login = login_of(request)
    account = await own_password(request, body.old_password, "password_change")
    await set_password(request, account.user.id, account.user.name, body.new_password, keeps=login.session_id)
    return no_content()


async def set_password(request: Request, user_id: int, name: str, password: str, *, keeps: str | None) -> None:
    """Change a password and end all logins and tokens of that user but the session `keeps`."""
    deps = deps_of(request)
    await deps.store.run(users.set_password_hash, name, await deps.passwords.hash(password))
    gone = await deps.store.run(devices.revoke_all, user_id, but=keeps)
    logins_of(request).revoked(*gone)
    deps.pairings.forget_user(user_id)
    audit(request, "password_change", subject=name, new={"ended_devices": len(gone)})


async def list_devices(request: Request) -> HTTPResponse:
    """Everything that is logged in as this user."""
    inputs.query(request.query_string, ())
    login = login_of(request)
    rows = await _rows(request)
    return json_answer(DevicesAnswer([DeviceShape.of(row, login.session_id) for row in rows if row.kind != Kind.API]))


async def rename_device(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- the name in the URL's template
    body = inputs.body(request.body, DeviceBody)
    name = inputs.label(body.name, "name")
    before = await _device(request, id, is_api=False)
    if before.name == name:
        return json_answer(DeviceShape.of(before, login_of(request).session_id))
    row = await deps_of(request).store.run(devices.rename, before.user_id, id, name)
    if row is None:
        raise NotFound("there is no such device")
    logins_of(request).forget_user(before.user_id)
    audit(request, "device_rename", subject=id, old={"name": before.name}, new={"name": name})
    return json_answer(DeviceShape.of(row, login_of(request).session_id))


async def revoke_device(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- see above
    """Its tokens open nothing any more, from this moment on. `?minted=true`: nor do those of what it minted."""
    with_minted = inputs.flag(inputs.query(request.query_string, {"minted"}), "minted")
    return await _revoked(request, id, is_api=False, with_minted=with_minted)


async def list_tokens(request: Request) -> HTTPResponse:
    inputs.query(request.query_string, ())
    rows = [row for row in await _rows(request) if row.kind == Kind.API]
    return json_answer(ApiTokensAnswer([ApiTokenShape.of(row) for row in rows]))


async def add_token(request: Request) -> HTTPResponse:
    """A token for a program, which may do no more than its scopes say, and is shown this once."""
    body = inputs.body(request.body, ApiTokenBody)
    deps, user = deps_of(request), await active_user(request)
    await check_again(request, body.password, "api_token_add")
    now = int(time.time())
    lasts_s = body.expires_in_days * DAY_S
    row = DeviceRow(
        id=secrets.token_urlsafe(12),
        user_id=user.id,
        kind=Kind.API.value,
        name=inputs.label(body.name, "name"),
        scopes=tuple(sorted(set(body.scopes))),
        created_at=now,
        expires_at=now + lasts_s,
        seen_at=0,
        seen_from=request.ctx.address,
        minted_by=login_of(request).session_id,
    )
    await deps.store.run(devices.add, row)
    token, _ = deps.tokens.issue(API, user=user.name, role=user.role, session_id=row.id, ttl_s=lasts_s)
    audit(request, "api_token_add", subject=row.id, new={"name": row.name, "scopes": row.scopes})
    shown = ApiTokenShape.of(row)
    return json_answer(
        ApiTokenAnswer(
            token=token,
            id=shown.id,
            name=shown.name,
            scopes=shown.scopes,
            created_at=shown.created_at,
            expires_at=shown.expires_at,
            used_at=None,
            used_from=None,
            minted_by=shown.minted_by,
        ),
        status=201,
    )


async def revoke_token(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- see above
    return await _revoked(request, id, is_api=True)


async def _revoked(request: Request, device_id: str, *, is_api: bool, with_minted: bool = False) -> HTTPResponse:
    row = await _device(request, device_id, is_api=is_api)
    gone = await deps_of(request).store.run(devices.revoke, row.user_id, device_id, with_minted=with_minted)
    logins_of(request).revoked(device_id, *gone)
    action, ended = "api_token_revoke" if is_api else "device_revoke", {"ended": len(gone)} if with_minted else None
    audit(request, action, subject=device_id, old={"name": row.name}, new=ended)
    return no_content()


async def _device(request: Request, device_id: str, *, is_api: bool) -> DeviceRow:
    """One's own; that of somebody else is not there at all."""
    for row in await _rows(request):
        if row.id == device_id and (row.kind == Kind.API) == is_api:
            return row
    raise NotFound("there is no such token" if is_api else "there is no such device")


async def _rows(request: Request) -> list[DeviceRow]:
    user_id = _user_id(login_of(request))
    return await deps_of(request).store.run(devices.of_user, user_id, int(time.time()))


def _user_id(login: Login) -> int:
    if login.user_id is None:  # only while the database is away, and then these routes are not reached
        raise LoginRequired("this login has ended")
    return login.user_id
