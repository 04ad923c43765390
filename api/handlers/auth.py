"""Logging in by password, refresh token, pairing code or setup link; logging out; tickets."""

import time

from sanic import HTTPResponse, Request

from api import inputs, instants, pairing
from api.control import idempotency_key
from api.errors import LoginFailed, LoginRequired
from api.handlers.answers import json_answer, no_content
from api.handlers.audit import audit
from api.handlers.logins import logins_of
from api.handlers.opening import answer, checked_password, open_login, source_of
from api.handlers.proof import check_again
from api.ports import deps_of, login_of
from api.sessions import Pairing
from api.shapes_people import (
    AgainBody,
    LoginBody,
    PairBody,
    PairingAnswer,
    RefreshBody,
    SetupBody,
    TicketAnswer,
    TokenKeyAnswer,
)
from common.errors import AppError
from common.security import refresh_tokens
from common.security.refresh_tokens import digest, one_time_secret
from common.security.tokens import TICKET_TTL_S, InvalidToken
from common.store import devices, setup
from common.store.errors import SetupClosed
from common.store.rows_people import Account, Kind


async def login(request: Request) -> HTTPResponse:
    """Name and password → access and refresh token."""
    body = inputs.body(request.body, LoginBody)
    _check_label(body.device_name)
    account = await checked_password(request, body.username, body.password)
    return json_answer(await open_login(request, account, Kind.APP, body.device_name))


async def refresh(request: Request) -> HTTPResponse:
    """A refresh token → the next one, and an access token. One that was used before ends the login it came from, unless
    the same device asks again for an answer that it did not get."""
    body = inputs.body(request.body, RefreshBody)
    deps = deps_of(request)
    old = refresh_tokens.read(body.refresh_token)
    if old is None:
        raise InvalidToken("the token is not valid", detail="not a refresh token")
    new = old.next(deps.tokens.derived)
    rotated = await deps.store.run(
        devices.rotate,
        family_hash=old.family_hash,
        old_hash=old.token_hash,
        new_hash=new.token_hash,
        now=int(time.time()),
        lasts_s=refresh_tokens.LASTS_S,
        proof=_proof(request),
    )
    found = rotated.active
    if found is None:
        raise InvalidToken("the token is not valid", detail="an unknown or expired refresh token")
    if rotated.was_reused:
        logins_of(request).revoked(found.device.id)
        audit(request, "refresh_reused", user=found.user.name, subject=found.device.name, result=InvalidToken.code)
        raise InvalidToken("the token is not valid", detail="a refresh token that was used before")
    return json_answer(answer(request, Account(found.user, found.charge_points), found.device.id, new.text))


async def logout(request: Request) -> HTTPResponse:
    """End this login: its tokens open nothing any more. `?minted=true`: nor do those of what it minted."""
    with_minted = inputs.flag(inputs.query(request.query_string, {"minted"}), "minted")
    login = login_of(request)
    if login.user_id is None:
        raise LoginRequired("this login has ended")
    gone = await deps_of(request).store.run(devices.revoke, login.user_id, login.session_id, with_minted=with_minted)
    logins_of(request).revoked(login.session_id, *gone)
    audit(request, "logout", new={"ended": len(gone)} if with_minted else None)
    return no_content()


async def begin_pairing(request: Request) -> HTTPResponse:
    """A one-time secret for another phone of the same user, as a QR code."""
    body = inputs.body(request.body or b"{}", AgainBody)
    deps, login = deps_of(request), login_of(request)
    if login.user_id is None:
        raise LoginRequired("this login has ended")
    await check_again(request, body.password, "pairing")
    secret = one_time_secret("wpp")
    opened = deps.pairings.put(digest(secret), login.user_id, login.user, login.session_id, time.time())
    urls = await _urls(request)
    payload = pairing.payload(site=deps.tokens.site, secret=secret, urls=urls)
    audit(request, "pairing")
    return json_answer(
        PairingAnswer(
            secret=secret,
            expires_at=instants.text(opened.until),
            site=deps.tokens.site,
            lan_url=urls.lan,
            relay_url=urls.relay,
            payload=payload,
            svg=deps.qr_svg(payload),
        )
    )


async def pair(request: Request) -> HTTPResponse:
    """The secret of a pairing → access and refresh token for the phone that scanned it."""
    body = inputs.body(request.body, PairBody)
    _check_label(body.device_name)
    deps = deps_of(request)
    source, now = source_of(request), time.monotonic()
    deps.pairs.admit(source, now)
    opened = deps.pairings.take(digest(body.secret), time.time())
    try:
        account = None if opened is None else await _account_of(request, opened)
    except AppError:
        deps.pairs.undo(source, now)
        raise
    if opened is None or account is None:
        audit(request, "login", subject="pairing", result=LoginFailed.code)
        raise LoginFailed("the pairing code is wrong, was used, or is older than five minutes")
    deps.pairs.undo(source, now)
    paired = await open_login(request, account, Kind.PAIRED, body.device_name, minted_by=opened.minted_by)
    return json_answer(paired)


async def _account_of(request: Request, opened: Pairing) -> Account | None:
    """Whose phone it becomes; None if the login that asked for it has ended since, or its user may not log in."""
    minting = await deps_of(request).store.run(devices.active, opened.minted_by, int(time.time()))
    if minting is None or minting.user.id != opened.user_id:
        return None
    return Account(minting.user, minting.charge_points)


async def set_up(request: Request) -> HTTPResponse:
    """The secret of a setup link → the first admin, logged in."""
    body = inputs.body(request.body, SetupBody)
    _check_label(body.device_name)
    deps = deps_of(request)
    source, now = source_of(request), time.monotonic()
    deps.pairs.admit(source, now)
    secret_hash = digest(body.secret)
    try:
        await deps.store.run(setup.check_link, secret_hash, int(time.time()))  # before a hash costs anything
        password_hash = await deps.passwords.hash(body.password)
        user = await deps.store.run(
            setup.redeem, secret_hash=secret_hash, name=body.name, password_hash=password_hash, now=int(time.time())
        )
    except SetupClosed:
        audit(request, "setup", result=SetupClosed.code)
        raise
    except AppError:
        deps.pairs.undo(source, now)
        raise
    deps.pairs.undo(source, now)
    audit(request, "setup", user=user.name, subject=user.name, new={"role": user.role})
    return json_answer(await open_login(request, Account(user, None), Kind.APP, body.device_name))


async def ticket(request: Request) -> HTTPResponse:
    """A ticket for this session; what it opens ends with the access token."""
    deps, login = deps_of(request), login_of(request)
    user = await deps.store.user(login.user)
    if user is None or user.is_disabled:
        raise LoginRequired("this user may no longer log in")
    ticket, _ = deps.tokens.issue(
        deps.tickets.audience,
        user=login.user,
        role=login.role.value,
        session_id=login.session_id,
        ttl_s=TICKET_TTL_S,
        lasts_until=login.lasts_until,
        is_limited=login.sight.is_limited,
        has_totp=login.has_totp,
    )
    return json_answer(TicketAnswer(ticket, TICKET_TTL_S))


async def token_key(request: Request) -> HTTPResponse:
    """The public half of the signing key, which the edge hands to the relay's door."""
    inputs.query(request.query_string, ())
    tokens = deps_of(request).tokens
    return json_answer(TokenKeyAnswer(tokens.site, tokens.public_text))


async def _urls(request: Request) -> pairing.Urls:
    """Where the phone finds the site: the settings, else what is known of this very request."""
    settings = deps_of(request).settings
    lan = settings.lan_url
    if lan is None:
        lan = pairing.lan_url(request.ctx.origin, request.headers.get("host", ""), is_tls=request.ctx.is_tls)
    return pairing.Urls(lan=lan, relay=settings.relay_url)


def _proof(request: Request) -> str:
    """What shows that a refresh is sent again by the same device: the key that it made up for it, which stands nowhere
    beside the token; else the network that it came from."""
    key = idempotency_key(request.headers.getall("idempotency-key", []))
    source = source_of(request)
    return digest(f"key {key}" if key is not None else f"network {source.origin} {source.network}")


def _check_label(name: str | None) -> None:
    """Before anything costs time."""
    if name is not None:
        inputs.label(name, "device_name")
