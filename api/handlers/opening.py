"""How a login begins, whatever the way: a password that is right, a device in the store, tokens for it.

Called by the handlers of logging in, and by those of the existing app's routes.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sanic import Request

from api import inputs
from api.access import Role
from api.addresses import area_of, network_of
from api.errors import LoginFailed
from api.handlers.audit import audit
from api.handlers.codes import spent
from api.handlers.logins import logins_of
from api.ports import deps_of, login_of
from api.shapes_people import LoginAnswer, UserShape
from api.throttle import Source
from common.errors import AppError
from common.security import refresh_tokens
from common.security.tokens import ACCESS, ACCESS_TTL_S
from common.store import devices, users
from common.store.names import name_key
from common.store.rows import UserRow
from common.store.rows_people import Account, DeviceRow, Kind

LEGACY_TTL_S = 30 * 86_400
"""The existing app logs in when it starts and never again: longer than a phone keeps an app that nobody closes."""

NAMELESS = "unnamed device"


async def checked_password(request: Request, username: str, password: str, action: str = "login") -> Account:
    """The user of this name, if it is their password and they may log in; raises LoginFailed or TooManyAttempts.

    What is wrong is the same answer, in text and in time. `action` is what a failure is called in the audit.
    """
    account, _ = await first_right_password(request, username, (password,), action)
    return account


async def own_password(request: Request, password: str, action: str) -> Account:
    """The user who is logged in, if it is their password. Raises LoginFailed or TooManyAttempts; too many wrong ones in
    a row end the login that they came from, since whoever has it tries to keep it."""
    deps, login = deps_of(request), login_of(request)
    deps.login_tries.admit(login.session_id)
    try:
        account = await checked_password(request, login.user, password, action)
    except LoginFailed:
        await spent(request, login)
        raise
    except AppError:
        deps.login_tries.undo(login.session_id)
        raise
    deps.login_tries.right(login.session_id)
    return account


async def first_right_password(
    request: Request, username: str, passwords: Sequence[str], action: str = "login"
) -> tuple[Account, str]:
    """Like `checked_password` for the first of `passwords` that is right, and which one it is; all are one try."""
    deps = deps_of(request)
    account, source = name_key(username), await _source(request, username)
    now = time.monotonic()
    deps.logins.admit(account, source, now)
    try:
        found = await deps.store.run(users.get_account, username)
        for password in passwords:
            verdict = await deps.passwords.verify(found.user.password_hash if found else None, password)
            if verdict.is_right:
                break
        if found is None or not verdict.is_right or found.user.is_disabled:
            # A name that nobody has may be a password in the wrong field: it is kept nowhere.
            audit(request, action, user=found.user.name if found else None, result=LoginFailed.code)
            raise LoginFailed("the name or the password is wrong")
        if verdict.needs_rehash:
            await deps.store.run(users.set_password_hash, found.user.name, await deps.passwords.rehash(password))
    except LoginFailed:
        raise
    except AppError:
        deps.logins.undo(account, source, now)
        raise
    deps.logins.succeeded(account, source, now)
    return found, password


def source_of(request: Request, device: str | None = None) -> Source:
    """Where a try comes from, for the throttles."""
    address = request.ctx.address
    return Source(request.ctx.origin, network_of(address), area_of(address), device)


async def _source(request: Request, username: str) -> Source:
    """Of a password. A token that comes along, also one that has expired, proves the device that it was made for, as
    long as that login stands among the devices of this very account."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    claims = deps_of(request).tokens.was_bearer(token.strip() or scheme)
    if claims is None or name_key(claims.user) != name_key(username):
        return source_of(request)
    known = await deps_of(request).store.run(devices.active, claims.session_id, int(time.time()))
    if known is None or name_key(known.user.name) != name_key(username):
        return source_of(request)
    return source_of(request, known.device.id)


async def open_login(
    request: Request, account: Account, kind: Kind, device_name: str | None, *, minted_by: str | None = None
) -> LoginAnswer:
    """A device with a refresh token, and its first access token."""
    token = refresh_tokens.new()
    device = await _add_device(
        request,
        account.user,
        kind,
        device_name,
        lasts_s=refresh_tokens.LASTS_S,
        family_hash=token.family_hash,
        refresh_hash=token.token_hash,
        minted_by=minted_by,
    )
    return answer(request, account, device.id, token.text)


async def open_legacy(
    request: Request, account: Account, device_name: str, claims: Mapping[str, Any]
) -> tuple[str, str]:
    """A token for the existing app with `claims` as it reads them, and the id of its session."""
    device = await _add_device(request, account.user, Kind.LEGACY, device_name, lasts_s=LEGACY_TTL_S)
    token = deps_of(request).tokens.issue_legacy(
        user=account.user.name,
        role=account.user.role,
        session_id=device.id,
        ttl_s=LEGACY_TTL_S,
        is_limited=account.charge_points is not None,
        claims=claims,
    )
    return token, device.id


def answer(request: Request, account: Account, session_id: str, refresh_token: str) -> LoginAnswer:
    """An access token for a session, beside its refresh token."""
    user = account.user
    token, _ = deps_of(request).tokens.issue(
        ACCESS,
        user=user.name,
        role=user.role,
        session_id=session_id,
        ttl_s=ACCESS_TTL_S,
        is_limited=account.charge_points is not None,
        has_totp=user.totp_secret is not None,
    )
    return LoginAnswer(token, refresh_token, ACCESS_TTL_S, UserShape(user.name, Role(user.role)))


async def _add_device(
    request: Request,
    user: UserRow,
    kind: Kind,
    name: str | None,
    *,
    lasts_s: int,
    family_hash: str | None = None,
    refresh_hash: str | None = None,
    minted_by: str | None = None,
) -> DeviceRow:
    deps_of(request).changes.admit(user.name, time.monotonic())
    now = int(time.time())
    device = DeviceRow(
        id=secrets.token_urlsafe(12),
        user_id=user.id,
        kind=kind.value,
        name=NAMELESS if name is None else inputs.label(name, "device_name"),
        scopes=(),
        created_at=now,
        expires_at=now + lasts_s,
        seen_at=now,
        seen_from=request.ctx.address,
        family_hash=family_hash,
        refresh_hash=refresh_hash,
        minted_by=minted_by,
    )
    forgotten = await deps_of(request).store.run(devices.add, device)
    logins_of(request).revoked(*forgotten)
    audit(request, "login", user=user.name, new={"device": device.name, "kind": device.kind, "device_id": device.id})
    return device
