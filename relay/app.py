"""Builds the relay from its settings: routes, error answers, the beat that keeps presence, health and figures. The only
place where handlers meet adapters. Building opens no connection: a Redis or database that is down shows in `readyz`,
and running tunnels go on.
"""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any

import orjson
from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import SanicException

from common import cors, logs, redis_door
from common.clock import SystemClock
from common.crowd import Crowd
from common.errors import AppError, RedisUnavailable
from common.health import Health, Status
from common.metrics import HealthCollector, MetricsListener
from common.problems import MEDIA_TYPE
from common.strict_http import descriptors
from relay.adapters.listener import TUNNEL_PATH, bind, serving, until_told_to_stop
from relay.adapters.presence import RedisPresence
from relay.adapters.registry import ThreadedRegistry, open_registry
from relay.adapters.sanic_response import SanicAnswer
from relay.adapters.sanic_socket import check_upgrade, upgrade
from relay.adapters.service_manager import say_ready
from relay.door import METHODS
from relay.handlers.arrivals import Arrivals
from relay.handlers.carriage import Carriage
from relay.handlers.drain import drain
from relay.handlers.enroll import enroll, rotate_key
from relay.handlers.link import TunnelLink
from relay.handlers.public import Public
from relay.handlers.tunnel import Tunnels, check_fences, check_links
from relay.limits import AtOnce, Cancels, RelayLimits
from relay.metrics import Metrics
from relay.ports import UpgradeRefused, WebServer
from relay.problems import code_of, extra_fields, of_error, problem
from relay.settings import Settings
from relay.sites import Sites
from relay.throttle import LoginThrottle

BEAT_S = 5.0
"""Between looks at Redis and the register."""

CHANGES_EVERY_S = 0.5
"""Between looks at one number in the register: so long a revoked or renamed site may still be reached by its edge and
its old name, whichever process changed it, with or without Redis."""

FIGURES_S = 1.0
"""Between looks at what streams do: how exact the time is that they were stalled."""

HEAD_WITHIN_S = 20
"""For the first byte of a request to become its whole head; nginx in front waits for 15 s."""

LARGEST_HEAD = 16_384  # bytes; Sanic's own ceiling

log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the process."""

    sites: Sites[TunnelLink]
    register: ThreadedRegistry
    presence: RedisPresence
    health: Health
    logins: LoginThrottle
    metrics: Metrics
    listener: MetricsListener | None
    tunnels: Tunnels
    arrivals: Arrivals
    limits: RelayLimits
    cors_origins: frozenset[str]


async def serve(settings: Settings, limits: RelayLimits | None = None) -> None:
    """Until SIGTERM or SIGINT, and then as long as requests under way need. Raises ListenerUnusable."""
    sock = bind(settings.host, settings.port)
    async with serving(create_app(settings, limits), sock):
        say_ready()
        await until_told_to_stop()


def create_app(settings: Settings, limits: RelayLimits | None = None) -> Sanic[Any, Any]:
    """The Sanic application, not yet listening. `limits` take the place of the settings' for tests."""
    app: Sanic[Any, Any] = Sanic(
        "wallport-relay", configure_logging=False, strict_slashes=True
    )  # nginx has rules by path
    app.enable_websocket()  # connections that can be taken over, see sanic_socket.py
    app.config.update(
        {
            "AUTO_EXTEND": False,  # no OpenAPI page, no automatic methods: every route here is written out
            "ACCESS_LOG": False,  # paths and addresses of people; nginx counts requests
            "FALLBACK_ERROR_FORMAT": "json",
            "KEEP_ALIVE_TIMEOUT": 75,  # above nginx's own 60 s towards an upstream, so that nginx closes first
            "REQUEST_MAX_HEADER_SIZE": LARGEST_HEAD,
            "REQUEST_MAX_SIZE": 1024 * 1024,  # of what the relay reads for itself, or drains after an early answer
            "REQUEST_TIMEOUT": HEAD_WITHIN_S,
            "RESPONSE_TIMEOUT": 75,  # without a byte; above the tunnel's own limits, which give better answers
            "GRACEFUL_SHUTDOWN_TIMEOUT": 3.0,
            "MOTD": False,
        }
    )
    limits = limits or settings.limits
    crowd: Crowd[Any] = Crowd(descriptors(), limits.network_connections, settings.trusted_proxies)
    app.ctx.crowd = crowd
    server = WebServer(
        check_upgrade=check_upgrade,
        upgrade=upgrade,
        answer=SanicAnswer,
        keep=lambda request: crowd.keep(request.transport.get_protocol()),
    )
    sites: Sites[TunnelLink] = Sites()
    arrivals, metrics, logins = Arrivals(limits.most_waiting), Metrics(), LoginThrottle()
    register = ThreadedRegistry(open_registry(settings.database_url))
    presence = RedisPresence(settings.redis_url)
    health = Health(SystemClock())
    metrics.registry.register(HealthCollector(health))
    parts = app.ctx.parts = Parts(
        sites=sites,
        register=register,
        presence=presence,
        health=health,
        logins=logins,
        metrics=metrics,
        listener=MetricsListener(*settings.metrics, metrics.registry) if settings.metrics is not None else None,
        tunnels=Tunnels(server, sites, arrivals, register, presence, logins, settings.origin, limits, metrics),
        limits=limits,
        arrivals=arrivals,
        cors_origins=settings.cors_origins,
    )
    carriage = Carriage(server, limits, metrics, Cancels(limits.cancels_per_10_s), AtOnce(limits.network_connections))
    public = Public(carriage, sites, arrivals, register, presence, settings.trusted_proxies)
    _add_routes(app, parts, public, settings.origin)
    app.exception(Exception)(_answer_error)
    app.before_server_start(_announce)
    app.after_server_start(_start_beat)
    app.before_server_stop(_drain)
    app.after_server_stop(_close)
    return app


def _add_routes(app: Sanic[Any, Any], parts: Parts, public: Public, origin: str) -> None:
    async def tunnel(request: Request) -> None:
        await parts.tunnels.take(request)

    async def site(request: Request, **_: str) -> None:
        told = cors.preflight(parts.cors_origins, request.method, request.headers)
        if told is not None:
            await SanicAnswer(request).whole(204, told.items(), b"")
            return
        await public.carry(request)

    async def enrolment(request: Request) -> HTTPResponse:
        return await enroll(request, parts.register, parts.sites, origin)

    async def key_change(request: Request) -> HTTPResponse:
        return await rotate_key(request, parts.register, origin)

    async def healthz(_: Request) -> HTTPResponse:
        return HTTPResponse(b'{"status":"ok"}', content_type="application/json")

    async def readyz(_: Request) -> HTTPResponse:
        return _readiness(parts.health)

    for handler in (tunnel, site):
        handler.is_websocket = True  # type: ignore[attr-defined]  # Sanic: it answers by itself, see sanic_response.py
    app.add_route(tunnel, TUNNEL_PATH, methods=["GET"])
    app.add_route(site, "/s/<site>", methods=sorted(METHODS), stream=True, name="site_root")
    app.add_route(site, "/s/<site>/<path:path>", methods=sorted(METHODS), stream=True, name="site")
    app.add_route(enrolment, "/enroll", methods=["POST"])
    app.add_route(key_change, "/rotate-key", methods=["POST"])
    app.add_route(healthz, "/healthz", methods=["GET", "HEAD"])
    app.add_route(readyz, "/readyz", methods=["GET", "HEAD"])


def _readiness(health: Health) -> HTTPResponse:
    """503 when something is failing; `components` says which. Traffic goes on all the same."""
    components = {
        name: {"status": part.status.value, "since": part.since, "detail": part.detail}
        for name, part in sorted(health.components().items())
    }
    body = {"status": "ok" if health.is_ready() else "failing", "components": components}
    return HTTPResponse(orjson.dumps(body), 200 if health.is_ready() else 503, content_type="application/json")


async def _answer_error(request: Request, exc: Exception) -> HTTPResponse:
    """The one place where a failed request becomes an answer."""
    headers = {"cache-control": "no-store"}
    if isinstance(exc, UpgradeRefused):
        status, body = exc.status, problem(exc.status, exc.code, exc.message)
        headers |= {"upgrade": "websocket"} if status == 426 else {}
    elif isinstance(exc, AppError):
        status, body = of_error(exc)
        request.app.ctx.parts.metrics.refused.labels(code_of(exc)).inc()
        log.debug("request_refused", problem=code_of(exc), status=status, detail=exc.detail)
    elif isinstance(exc, SanicException):
        status = exc.status_code or 500
        if status == 413 and not request.headers:  # it was the head that is too large, so none of it was read
            status = 431
        body = problem(status, _SANIC_CODES.get(status, "bad_request" if status < 500 else "internal"), _said(status))
    else:
        log.error("request_failed", exc_info=exc)
        status, body = 500, problem(500, "internal", "The relay failed to handle the request.")
    headers |= extra_fields(exc, status)
    headers |= cors.answer_fields(request.app.ctx.parts.cors_origins, request.headers.get("origin"), None)
    return HTTPResponse(body, status, headers, content_type=MEDIA_TYPE)


_SANIC_CODES = {
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    431: "fields_too_large",
}


def _said(status: int) -> str:
    """Sanic's own messages quote the request."""
    return {404: "There is nothing here.", 405: "This method is not possible here."}.get(
        status, "The request could not be read." if status < 500 else "The relay failed to handle the request."
    )


async def _announce(app: Sanic[Any, Any]) -> None:
    """Before anybody can see that this process is up, and tells the one before it to stop: that one asks for us."""
    parts: Parts = app.ctx.parts
    with contextlib.suppress(RedisUnavailable):  # the beat reports it
        await parts.presence.note_node(parts.tunnels.node_id, time.time())


async def _start_beat(app: Sanic[Any, Any]) -> None:
    parts: Parts = app.ctx.parts
    for name in ("redis", "database", *(("metrics",) if parts.listener is not None else ())):
        parts.health.report(name, Status.STARTING)
    app.ctx.beats = [asyncio.create_task(work(parts)) for work in (_beat, _measure, _follow_changes)]
    log.info("relay_started", node=parts.tunnels.node_id)


async def _beat(parts: Parts) -> None:
    while True:
        _serve_metrics(parts)
        await asyncio.gather(_beat_redis(parts), _beat_register(parts))
        await asyncio.sleep(BEAT_S)


async def _measure(parts: Parts) -> None:
    """What is not an event but a state."""
    loop, metrics = asyncio.get_running_loop(), parts.metrics
    looked_at = loop.time()
    while True:
        await asyncio.sleep(FIGURES_S)
        now = loop.time()
        metrics.loop_lag_seconds.set(max(0.0, now - looked_at - FIGURES_S))
        figures = [link.figures() for link in parts.sites]
        stalled = sum(figure[1] for figure in figures)
        metrics.tunnels.set(len(figures))
        metrics.streams.set(sum(figure[0] for figure in figures))
        metrics.stalled.set(stalled)
        metrics.queued_bytes.set(sum(figure[2] for figure in figures))
        metrics.blocked_seconds.inc(stalled * (now - looked_at))
        looked_at = now


def _serve_metrics(parts: Parts) -> None:
    """Tried again at each beat: the process that this one replaces may still have the address."""
    if parts.listener is None or parts.listener.is_running:
        return
    try:
        parts.listener.start()
    except AppError as exc:
        _report(parts.health, "metrics", exc)
    else:
        _report(parts.health, "metrics", None)


async def _beat_redis(parts: Parts) -> None:
    rtts_s = {link.site.site_id: link.rtt_s for link in parts.sites}
    for rtt_s in rtts_s.values():
        if rtt_s is not None:
            parts.metrics.rtt_seconds.observe(rtt_s)
    try:
        await parts.presence.ping()
        await parts.presence.note_seen(rtts_s, time.time())
        if not parts.tunnels.is_stopping:
            await parts.presence.note_node(parts.tunnels.node_id, time.time())
            await check_fences(parts.sites, parts.presence)
    except AppError as exc:
        _report(parts.health, "redis", exc)
    else:
        if _report(parts.health, "redis", None):
            await _look_at_the_door(parts)


async def _look_at_the_door(parts: Parts) -> None:
    """When Redis is there for the first time, and again when it was away."""
    with contextlib.suppress(RedisUnavailable):  # the next beat reports it
        found = await parts.presence.openness()
        parts.health.report(redis_door.COMPONENT, Status.OK, found)
        if found is not None:
            log.warning("redis_lets_anybody_write", fault=found)


async def _beat_register(parts: Parts) -> None:
    try:
        await parts.register.ping()
    except AppError as exc:
        _report(parts.health, "database", exc)
    else:
        _report(parts.health, "database", None)


async def _follow_changes(parts: Parts) -> None:
    """Have the tunnels obey what any process has changed in the register."""
    seen = -1
    while True:
        try:
            revision = await parts.register.revision()
            if revision != seen:
                await check_links(list(parts.sites), parts.sites, parts.register, parts.arrivals)
                seen = revision
        except AppError as exc:  # the beat reports it
            log.debug("changes_not_seen", reason=exc.message)
        await asyncio.sleep(CHANGES_EVERY_S)


def _report(health: Health, name: str, failure: AppError | None) -> bool:
    """Whether the status changed."""
    status, message = (Status.OK, None) if failure is None else (Status.FAILING, failure.message)
    is_changed = health.report(name, status, message)
    if is_changed and failure is None:
        log.info("component_ok", component=name)
    elif is_changed and failure is not None:
        log.warning("component_failing", component=name, reason=failure.message, detail=failure.detail)
    return is_changed


async def _drain(app: Sanic[Any, Any]) -> None:
    parts: Parts = app.ctx.parts
    parts.tunnels.is_stopping = True
    if parts.listener is not None:
        parts.listener.stop()  # the successor wants the address
    end_requests = app.ctx.end_requests
    await drain(parts.sites, parts.presence, parts.tunnels.node_id, parts.limits, parts.metrics, end_requests)
    for beat in app.ctx.beats:
        beat.cancel()


async def _close(app: Sanic[Any, Any]) -> None:
    parts: Parts = app.ctx.parts
    await parts.presence.close()
    parts.register.close()
    log.info("relay_stopped")
