"""Second factors: setting one up, entering a code for elevation, recovery codes, taking it away."""

import time
from collections.abc import Awaitable, Callable

from sanic import HTTPResponse, Request

from api import inputs, instants
from api.addresses import network_of
from api.errors import LoginRequired, TotpAlreadySetUp, TotpNotSetUp, WrongCode
from api.handlers.answers import json_answer, no_content
from api.handlers.audit import audit
from api.handlers.guard import logins_of
from api.ports import Deps, deps_of, login_of
from api.shapes_people import (
    ConfirmAnswer,
    ConfirmBody,
    ElevateAnswer,
    ElevateBody,
    RecoveryCodesAnswer,
    TotpAnswer,
)
from common.errors import AppError
from common.security import recovery_codes, totp
from common.store import second_factor, users
from common.store.names import name_key
from common.store.rows import UserRow
from common.store.second_factor import ENROLMENT_LASTS_S


async def enrol(request: Request) -> HTTPResponse:
    """A fresh secret that waits for its first code."""
    deps, user = deps_of(request), await active_user(request)
    secret, now = totp.new_secret(), int(time.time())
    if not await deps.store.run(second_factor.begin, user.name, secret, now):
        raise TotpAlreadySetUp("an authenticator app is set up already; take it away first")
    uri = totp.uri(secret, user=user.name, site=deps.settings.site_name)
    audit(request, "totp_enrol")
    return json_answer(TotpAnswer(secret, uri, deps.qr_svg(uri), instants.text(now + ENROLMENT_LASTS_S)))


async def confirm(request: Request) -> HTTPResponse:
    """The first code puts the secret to use, and elevates: who has just proven the app need not wait for another."""
    body = inputs.body(request.body, ConfirmBody)
    deps, login, user = deps_of(request), login_of(request), await active_user(request)
    if user.totp_secret is not None:
        raise TotpAlreadySetUp("an authenticator app is set up already")
    secret = await deps.store.run(second_factor.waiting, user.id, int(time.time()))
    if secret is None:
        raise TotpNotSetUp("there is nothing to confirm, or it is too old: begin with POST me/totp")
    codes = recovery_codes.new_codes()

    async def accept() -> bool:
        step = totp.matching_step(secret, body.code, time.time())
        if step is None:
            return False
        kept = recovery_codes.hashes(codes)
        return await deps.store.run(second_factor.confirm, user.name, secret, step, kept)

    await _judged(request, user, accept, "totp_confirm")
    logins_of(request).forget_user(user.id)
    until = deps.elevations.elevate(login.session_id, time.time())
    return json_answer(ConfirmAnswer(codes, instants.text(until)))


async def elevate(request: Request) -> HTTPResponse:
    """A code → this session may do admin actions for a while. Each time step and each recovery code counts once."""
    body = inputs.body(request.body, ElevateBody)
    deps, login, user = deps_of(request), login_of(request), await active_user(request)
    await check_code(request, user, body.code)
    until = deps.elevations.elevate(login.session_id, time.time())
    return json_answer(ElevateAnswer(instants.text(until)))


async def new_recovery_codes(request: Request) -> HTTPResponse:
    """Fresh ones in place of all that are left."""
    deps, user = deps_of(request), await active_user(request)
    codes = recovery_codes.new_codes()
    await deps.store.run(second_factor.replace_codes, user.name, recovery_codes.hashes(codes))
    audit(request, "recovery_codes_renew")
    return json_answer(RecoveryCodesAnswer(codes))


async def disable(request: Request) -> HTTPResponse:
    """Take one's own second factor away; the elevation that this needs proves that one has it."""
    deps, user = deps_of(request), await active_user(request)
    await deps.store.run(users.set_totp_secret, user.name, None)
    deps.elevations.drop(login_of(request).session_id)
    logins_of(request).forget_user(user.id)
    audit(request, "totp_disable")
    return no_content()


async def active_user(request: Request) -> UserRow:
    """The row of whoever is logged in; raises LoginRequired if they were disabled or removed since."""
    user = await deps_of(request).store.user(login_of(request).user)
    if user is None or user.is_disabled:
        raise LoginRequired("this user may no longer log in")
    return user


async def check_code(request: Request, user: UserRow, code: str) -> None:
    """Use up a code of this user; raises WrongCode, TotpNotSetUp or TooManyAttempts."""
    secret = user.totp_secret
    if secret is None:
        raise TotpNotSetUp("set up an authenticator app first")
    await _judged(request, user, lambda: _is_right(deps_of(request), user, secret, code), "elevation")


async def _judged(request: Request, user: UserRow, is_right: Callable[[], Awaitable[bool]], action: str) -> None:
    """Ask `is_right` within the throttle of codes, and note what came of it; raises WrongCode or TooManyAttempts."""
    deps = deps_of(request)
    account, network = name_key(user.name), network_of(request.ctx.address)
    now = time.monotonic()
    deps.codes.admit(account, network, now)
    try:
        was_right = await is_right()
    except AppError:
        deps.codes.undo(account, network, now)
        raise
    if not was_right:
        audit(request, action, result=WrongCode.code)
        raise WrongCode("the code is wrong, too old, or was used before")
    deps.codes.succeeded(account, network, now)
    audit(request, action)


async def _is_right(deps: Deps, user: UserRow, secret: str, code: str) -> bool:
    kept = recovery_codes.code_hash(code)
    if kept is not None:
        return await deps.store.run(second_factor.use_code, user.id, kept)
    step = totp.matching_step(secret, code, time.time())
    return step is not None and await deps.store.run(users.accept_totp_step, user.name, step)
