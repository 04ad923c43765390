"""Second factors: setting one up, entering a code for elevation, recovery codes, taking it away."""

import time

from sanic import HTTPResponse, Request

from api import inputs, instants
from api.access import READABLE
from api.errors import TotpAlreadySetUp, TotpNotSetUp
from api.handlers.answers import json_answer, no_content
from api.handlers.audit import audit
from api.handlers.codes import active_user, check_code, judged
from api.handlers.logins import logins_of
from api.handlers.proof import check_again
from api.ports import deps_of, login_of
from api.shapes_people import (
    AgainBody,
    ConfirmAnswer,
    ConfirmBody,
    ElevateAnswer,
    ElevateBody,
    RecoveryCodesAnswer,
    TotpAnswer,
)
from common.security import recovery_codes, totp
from common.store import second_factor, users
from common.store.second_factor import ENROLMENT_LASTS_S


async def enrol(request: Request) -> HTTPResponse:
    """A fresh secret that waits for its first code."""
    body = inputs.body(request.body or b"{}", AgainBody)
    deps, user = deps_of(request), await active_user(request)
    if user.totp_secret is not None:
        raise TotpAlreadySetUp("an authenticator app is set up already; take it away first")
    await check_again(request, body.password, "totp_enrol")
    secret, now = totp.new_secret(), int(time.time())
    if not await deps.store.run(second_factor.begin, user.name, secret, now):
        raise TotpAlreadySetUp("an authenticator app is set up already; take it away first")
    uri = totp.uri(secret, user=user.name, site=deps.settings.site_name)
    audit(request, "totp_enrol")
    return json_answer(TotpAnswer(secret, uri, deps.qr_svg(uri), instants.text(now + ENROLMENT_LASTS_S)))


async def confirm(request: Request) -> HTTPResponse:
    """The first code puts the secret to use, and elevates as `elevate` does: who has just proven the app need not wait
    for another."""
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

    await judged(request, user, accept, "totp_confirm")
    logins_of(request).forget_user(user.id)
    is_readable = request.ctx.origin in READABLE
    until = None if is_readable else instants.text(deps.elevations.elevate(login.session_id, time.time()))
    return json_answer(ConfirmAnswer(codes, until))


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
