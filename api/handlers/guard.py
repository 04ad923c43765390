"""Lets nobody past who may not: runs before every handler, asks access.py, and finds out who asks and from where.

A websocket is guarded before its handshake, so a refusal is an ordinary HTTP problem.
"""

import re
import time

from sanic import Request
from sanic.response import BaseHTTPResponse

from api.access import RULES, Caller, Origin, Rule, Scope, decide, scope_of
from api.addresses import FORWARDED_HEADER, RELAYED_HEADER, client_address, is_trusted
from api.handlers.logins import Logins
from api.ports import Deps, deps_of
from common.security.tokens import LEGACY, Claims, InvalidToken

_PARAMETER = re.compile(r"<(\w+)(?::\w+)?>")


async def guard(request: Request) -> None:
    """A request middleware; raises what access.decide raises, or InvalidToken."""
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
    caller = Caller(None, origin)
    if rule is not None and rule.roles is not None and origin in rule.origins:
        claims = _claims(request, deps, rule)
        if claims is not None:
            login = await logins_of(request).of(claims, request.ctx.address, scope_of(method, rule))
            request.ctx.claims, request.ctx.login = claims, login
            caller = Caller(
                login.role,
                origin,
                # Without a second factor there is no elevation, also when it was taken away just now.
                is_elevated=login.has_totp and deps.elevations.until(login.session_id, time.time()) is not None,
                has_totp=login.has_totp,
                is_limited=login.sight.is_limited,
                scopes=login.scopes,
            )
    decide(method, rule, caller)


def logins_of(request: Request) -> Logins:
    """What app.py put there."""
    logins: Logins = request.app.ctx.logins
    return logins


async def harden(_request: Request, response: BaseHTTPResponse) -> None:
    """A response middleware: what every answer carries."""
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["referrer-policy"] = "no-referrer"  # a URL may hold a ticket


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
