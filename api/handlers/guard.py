"""Lets nobody past who may not: runs before every handler, asks access.py, and finds out who asks and from where.

A websocket is guarded before its handshake, so a refusal is an ordinary HTTP problem.
"""

import re
import time

from sanic import Request
from sanic.response import BaseHTTPResponse

from api.access import RULES, Caller, Origin, Role, Rule, decide
from api.addresses import FORWARDED_HEADER, RELAYED_HEADER, client_address
from api.ports import Deps, Login, deps_of
from common.security.tokens import ACCESS, Claims, InvalidToken

_PARAMETER = re.compile(r"<(\w+)(?::\w+)?>")


async def guard(request: Request) -> None:
    """A request middleware; raises what access.decide raises, or InvalidToken."""
    if request.route is None:
        return  # no such route or method: nothing to guard, and the error says so
    deps = deps_of(request)
    origin = deps.origin_of(request)
    request.ctx.origin = origin
    request.ctx.address = _address(request, deps, origin)
    rule = RULES.get((_method(request), template(request.route.path)))
    login = None
    if rule is not None and rule.roles is not None and origin in rule.origins:
        login = _login(request, deps, rule)
    is_elevated = login is not None and deps.elevations.until(login.session_id, time.time()) is not None
    decide(rule, Caller(login.role if login else None, origin, is_elevated))
    request.ctx.login = login


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


def _login(request: Request, deps: Deps, rule: Rule) -> Login | None:
    """Who is logged in; None if the request carries neither token nor ticket."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidToken("the token is not valid", detail="not a bearer token")
        return _known(deps.tokens.verify(ACCESS, token.strip()))
    ticket = request.args.get("ticket") if rule.takes_ticket else None
    if ticket is None:
        return None
    claims = deps.tokens.verify(deps.tickets.audience, ticket)
    deps.tickets.redeem(claims, time.time())
    return _known(claims)


def _known(claims: Claims) -> Login:
    try:
        role = Role(claims.role)
    except ValueError as exc:
        raise InvalidToken("the token is not valid", detail="of an unknown role") from exc
    return Login(claims.user, role, claims.session_id, claims.lasts_until)
