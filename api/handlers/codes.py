"""Codes of the authenticator app, and recovery codes: judging one, and asking for one that comes with a request.

Called by the guard, by the handlers of second factors, and by those that need elevation in some cases only.
"""

import time
from collections.abc import Awaitable, Callable

from sanic import Request

from api.access import Caller, decide_elevation
from api.errors import LoginRequired, TotpNotSetUp, WrongCode
from api.handlers.audit import audit
from api.handlers.logins import logins_of
from api.ports import Deps, Login, deps_of, login_of
from common.errors import AppError
from common.security import recovery_codes, totp
from common.store import devices, second_factor, users
from common.store.names import name_key
from common.store.rows import UserRow

CODE_HEADER = "wallport-code"
"""Not X-Wallport-…: relays and edges drop what begins so."""


async def require_elevation(request: Request) -> None:
    """Return if this request may do what needs elevation, by the last five minutes or by the code that it brings.

    The code is used up. Raises TotpRequired, ElevationRequired, CodeRequired, WrongCode or TooManyAttempts.
    """
    caller: Caller = request.ctx.caller
    decide_elevation(caller)
    if request.ctx.is_elevated:
        return
    user = await active_user(request)
    await check_code(request, user, request.headers.get(CODE_HEADER, ""), subject=f"{request.method} {request.path}")
    request.ctx.is_elevated = True


async def active_user(request: Request) -> UserRow:
    """The row of whoever is logged in; raises LoginRequired if they were disabled or removed since."""
    user = await deps_of(request).store.user(login_of(request).user)
    if user is None or user.is_disabled:
        raise LoginRequired("this user may no longer log in")
    return user


async def check_code(request: Request, user: UserRow, code: str, *, subject: str | None = None) -> None:
    """Use up a code of this user; raises WrongCode, TotpNotSetUp or TooManyAttempts. `subject`: what it was for."""
    secret = user.totp_secret
    if secret is None:
        raise TotpNotSetUp("set up an authenticator app first")
    await judged(request, user, lambda: _is_right(deps_of(request), user, secret, code), "elevation", subject=subject)


async def judged(
    request: Request, user: UserRow, is_right: Callable[[], Awaitable[bool]], action: str, *, subject: str | None = None
) -> None:
    """Ask `is_right` within the bounds of tries.py, and note what came of it; raises WrongCode or TooManyAttempts.

    Too many wrong ones in a row end the login that they came from.
    """
    deps, login = deps_of(request), _login(request)
    budget = (name_key(user.name), request.ctx.origin)
    now = time.monotonic()
    if login is not None:
        deps.login_tries.admit(login.session_id)
    try:
        deps.codes.take(budget, now)
        try:
            was_right = await is_right()
        except AppError:
            deps.codes.give_back(budget, now)
            raise
    except AppError:
        if login is not None:
            deps.login_tries.undo(login.session_id)
        raise
    if not was_right:
        audit(request, action, user=user.name, subject=subject, result=WrongCode.code)
        left = None if login is None else await spent(request, login)
        raise WrongCode("the code is wrong, too old, or was used before", tries_left=left)
    deps.codes.give_back(budget, now)
    if login is not None:
        deps.login_tries.right(login.session_id)
    audit(request, action, user=user.name, subject=subject)


async def spent(request: Request, login: Login) -> int:
    """How many wrong secrets in a row this login may still send; at 0 it has ended."""
    deps = deps_of(request)
    left = deps.login_tries.left(login.session_id)
    if left > 0 or login.user_id is None:
        return left
    logins_of(request).revoked(login.session_id)  # at once, whatever the database says
    await deps.store.run(devices.revoke, login.user_id, login.session_id)
    audit(request, "login_end", subject=login.session_id, result="too_many_wrong")
    return left


def _login(request: Request) -> Login | None:
    login: Login | None = getattr(request.ctx, "login", None)
    return login


async def _is_right(deps: Deps, user: UserRow, secret: str, code: str) -> bool:
    kept = recovery_codes.code_hash(code)
    if kept is not None:
        return await deps.store.run(second_factor.use_code, user.id, kept)
    step = totp.matching_step(secret, code, time.time())
    return step is not None and await deps.store.run(users.accept_totp_step, user.name, step)
