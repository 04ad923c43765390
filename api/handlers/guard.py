"""Lets nobody past who may not: runs before every handler, asks access.py, and finds out who asks and from where.

A websocket is guarded before its handshake, so a refusal is an ordinary HTTP problem.
"""

import re
import time

from sanic import HTTPResponse, Request
from sanic.response import BaseHTTPResponse

from api import foreign
from api.access import READABLE, RULES, Caller, Origin, Rule, Scope, decide, is_paced, scope_of
from api.addresses import FORWARDED_HEADER, RELAYED_HEADER, client_address, is_trusted
from api.handlers.codes import CODE_HEADER, require_elevation
from api.handlers.logins import logins_of
from api.ports import Deps, deps_of
from common import cors
from common.security.tokens import LEGACY, Claims, InvalidToken

_PARAMETER = re.compile(r"<(\w+)(?::\w+)?>")


async def guard(request: Request) -> None:
    """A request middleware; raises what access.decide, foreign.py and `require_elevation` raise, or InvalidToken."""
    if request.route is None:
        return  # no such route or method: nothing to guard, and the error says so
    deps = deps_of(request)
    origin = deps.origin_of(request)
    request.ctx.origin = origin
    request.ctx.address = _address(request, deps, origin)
    request.ctx.is_tls = _is_tls(request, deps)
    method = _method(request)
    rule = RULES.get((method, template(request.route.path)))
    request.ctx.login = None
    if rule is not None and rule.roles is None and method != "GET":
        _check_page(request, deps)
    caller = Caller(None, origin, may_use_keys=deps.settings.relay_may_see_keys)
    if rule is not None and rule.roles is not None and origin in rule.origins:
        claims = _claims(request, deps, rule)
        if claims is not None:
            login = await logins_of(request).of(claims, request.ctx.address, scope_of(method, rule))
            request.ctx.claims, request.ctx.login = claims, login
            # What a readable relay carried may be ridden by it: there, each request brings its own code.
            was_elevated = origin not in READABLE and deps.elevations.until(login.session_id, time.time()) is not None
            caller = Caller(
                login.role,
                origin,
                is_elevated=was_elevated or bool(request.headers.get(CODE_HEADER)),
                may_use_keys=deps.settings.relay_may_see_keys,
                has_totp=login.has_totp,
                is_limited=login.sight.is_limited,
                scopes=login.scopes,
            )
            request.ctx.caller, request.ctx.is_elevated = caller, was_elevated and login.has_totp
    decide(method, rule, caller)
    if rule is not None and request.ctx.login is not None and is_paced(method, rule):
        deps.changes.admit(request.ctx.login.user, time.monotonic())
    if rule is not None and rule.needs_elevation:
        await require_elevation(request)


def _check_page(request: Request, deps: Deps) -> None:
    """Raise if the page of another web site may stand behind a login."""
    foreign.check_body(request.headers.get("content-type"), has_body=bool(request.body))
    settings = deps.settings
    own_urls = [url for url in (settings.lan_url, settings.relay_url) if url is not None]
    known = (*own_urls, *settings.cors_origins)
    foreign.check_origin(request.headers.get("origin"), request.headers.get("host"), known)


async def answer_preflight(request: Request) -> HTTPResponse | None:
    """A request middleware before the guard: a browser's question carries no token."""
    told = cors.preflight(deps_of(request).settings.cors_origins, request.method, request.headers)
    return None if told is None else HTTPResponse(None, 204, told)


async def harden(request: Request, response: BaseHTTPResponse) -> None:
    """A response middleware: what every answer carries."""
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["referrer-policy"] = "no-referrer"  # a URL may hold a ticket
    origins = deps_of(request).settings.cors_origins
    if "access-control-allow-methods" not in response.headers:
        response.headers.update(
            cors.answer_fields(origins, request.headers.get("origin"), response.headers.get("vary"))
        )


def template(route_path: str) -> str:
    """Sanic's `api/v1/chargepoints/<id:str>` as the `/api/v1/chargepoints/{id}` of access.py and openapi.py."""
    return "/" + _PARAMETER.sub(r"{\1}", route_path)


def _method(request: Request) -> str:
    return "GET" if request.method == "HEAD" else str(request.method)


def _address(request: Request, deps: Deps, origin: Origin) -> str:
    conn_info = request.conn_info
    return client_address(
        origin,
        conn_info.client_ip if conn_info is not None else "",
        relayed=request.headers.get(RELAYED_HEADER),
        # A client may send several fields; each proxy appends to the last, or adds one.
        forwarded=",".join(request.headers.getall(FORWARDED_HEADER, [])),
        trusted=deps.settings.trusted_proxies,
    )


def _is_tls(request: Request, deps: Deps) -> bool:
    """Whether a proxy of ours took this request by https; for the URL in a QR code alone."""
    conn_info = request.conn_info
    peer = conn_info.client_ip if conn_info is not None else ""
    is_from_proxy = is_trusted(peer, deps.settings.trusted_proxies)
    return is_from_proxy and request.headers.get("x-forwarded-proto", "") == "https"


def _claims(request: Request, deps: Deps, rule: Rule) -> Claims | None:
    """What the token or ticket says; None if the request carries neither."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if rule.scope is Scope.LEGACY and not token:
            return deps.tokens.verify(LEGACY, scheme)
        if scheme.lower() != "bearer":
            raise InvalidToken("the token is not valid", detail="not a bearer token")
        return deps.tokens.verify_bearer(token.strip())
    ticket = request.args.get("ticket") if rule.takes_ticket else None
    if ticket is None:
        return None
    claims = deps.tokens.verify(deps.tickets.audience, ticket)
    deps.tickets.redeem(claims, time.time())
    return claims
