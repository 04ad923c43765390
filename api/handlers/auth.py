"""Logging in, elevation, tickets, and who one is."""

import secrets
import time

from sanic import HTTPResponse, Request

from api import inputs, instants
from api.access import Role
from api.addresses import network_of
from api.errors import LoginFailed, LoginRequired, TotpNotSetUp, WrongCode
from api.handlers.answers import json_answer
from api.ports import deps_of, login_of
from api.shapes import (
    ElevateAnswer,
    ElevateBody,
    LoginAnswer,
    LoginBody,
    MeAnswer,
    TicketAnswer,
    TokenKeyAnswer,
    UserShape,
)
from common import logs
from common.errors import AppError
from common.security import totp
from common.security.tokens import ACCESS, ACCESS_TTL_S, TICKET_TTL_S
from common.store.rows import UserRow
from common.store.users import name_key

log = logs.get(__name__)


async def login(request: Request) -> HTTPResponse:
    """Name and password → access token. What fails and why is the same answer, in text and in time."""
    body = inputs.body(request.body, LoginBody)
    deps = deps_of(request)
    account, network = name_key(body.username), network_of(request.ctx.address)
    now = time.monotonic()
    deps.logins.admit(account, network, now)
    try:
        user = await deps.store.user(body.username)
        verdict = await deps.passwords.verify(user.password_hash if user else None, body.password)
        if user is not None and verdict.needs_rehash:
            await deps.store.set_password_hash(user.name, await deps.passwords.hash(body.password))
    except AppError:
        deps.logins.undo(account, network, now)
        raise
    if user is None or not verdict.is_right or user.is_disabled:
        log.info("login_failed", user=user.name if user else None, address=request.ctx.address)
        raise LoginFailed("the name or the password is wrong")
    deps.logins.succeeded(account, network, now)
    token, _ = deps.tokens.issue(
        ACCESS, user=user.name, role=user.role, session_id=secrets.token_urlsafe(12), ttl_s=ACCESS_TTL_S
    )
    log.info(
        "login_succeeded",
        user=user.name,
        origin=request.ctx.origin,
        address=request.ctx.address,
        device=body.device_name,
    )
    return json_answer(LoginAnswer(token, ACCESS_TTL_S, _user_shape(user)))


async def ticket(request: Request) -> HTTPResponse:
    """A ticket for this session; what it opens ends with the access token."""
    deps, login = deps_of(request), login_of(request)
    user = await _active(request)
    ticket, _ = deps.tokens.issue(
        deps.tickets.audience,
        user=user.name,
        role=user.role,
        session_id=login.session_id,
        ttl_s=TICKET_TTL_S,
        lasts_until=login.lasts_until,
    )
    return json_answer(TicketAnswer(ticket, TICKET_TTL_S))


async def elevate(request: Request) -> HTTPResponse:
    """A TOTP code → this session may do admin actions for a while. Each time step is accepted once."""
    body = inputs.body(request.body, ElevateBody)
    deps, login = deps_of(request), login_of(request)
    user = await _active(request)
    if user.totp_secret is None:
        raise TotpNotSetUp("set up an authenticator app first")
    account, network = name_key(user.name), network_of(request.ctx.address)
    now = time.monotonic()
    deps.codes.admit(account, network, now)
    step = totp.matching_step(user.totp_secret, body.code, time.time())
    try:
        is_right = step is not None and await deps.store.accept_totp_step(user.name, step)
    except AppError:
        deps.codes.undo(account, network, now)
        raise
    if not is_right:
        log.info("elevation_failed", user=user.name, address=request.ctx.address)
        raise WrongCode("the code is wrong, too old, or was used before")
    deps.codes.succeeded(account, network, now)
    until = deps.elevations.elevate(login.session_id, time.time())
    log.info("elevation_succeeded", user=user.name, origin=request.ctx.origin, address=request.ctx.address)
    return json_answer(ElevateAnswer(instants.text(until)))


async def me(request: Request) -> HTTPResponse:
    """The user behind the token, as they are now."""
    inputs.query(request.query_string, ())
    user = await _active(request)
    until = deps_of(request).elevations.until(login_of(request).session_id, time.time())
    shape = _user_shape(user)
    return json_answer(
        MeAnswer(shape.name, shape.role, user.totp_secret is not None, instants.text(until) if until else None)
    )


async def token_key(request: Request) -> HTTPResponse:
    """The public half of the signing key, which the edge hands to the relay's door."""
    inputs.query(request.query_string, ())
    tokens = deps_of(request).tokens
    return json_answer(TokenKeyAnswer(tokens.site, tokens.public_text))


async def _active(request: Request) -> UserRow:
    """The row of whoever is logged in; raises LoginRequired if they were disabled or removed since."""
    user = await deps_of(request).store.user(login_of(request).user)
    if user is None or user.is_disabled:
        raise LoginRequired("this user may no longer log in")
    return user


def _user_shape(user: UserRow) -> UserShape:
    return UserShape(user.name, Role(user.role).value)
