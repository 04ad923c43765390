"""Puts the api together: settings and parts in, a Sanic application or a running process out. The only such place."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.config import Config

from api.access import Origin
from api.adapters import listeners, qr, web_files
from api.adapters.cards import CardThreads
from api.adapters.command_queue import CommandQueue
from api.adapters.documents import Documents
from api.adapters.passwords import PasswordThreads
from api.adapters.redis_state import RedisState
from api.adapters.store import StoreThreads
from api.control import MOST_CHANGES, Pace
from api.errors import TooManyChanges
from api.handlers import (
    admin,
    audit,
    auth,
    charge_sessions,
    control,
    docs,
    exports,
    front,
    health,
    legacy,
    live,
    me,
    records,
    rfid,
    state,
    totp,
    users,
    web,
)
from api.handlers.audit import Trail
from api.handlers.errors import ProblemHandler
from api.handlers.guard import answer_preflight, guard, harden, template
from api.handlers.hub import Hub
from api.handlers.logins import Logins
from api.handlers.tasks import ended
from api.ports import Deps
from api.sessions import Elevations, Pairings, Tickets
from api.settings import Settings
from api.throttle import SecretThrottle, Throttle
from api.tries import LoginTries, code_budgets
from common import logs
from common.clock import Clock
from common.console import command
from common.crowd import Crowd
from common.errors import AppError
from common.security.passwords import Passwords
from common.security.tokens import TokenKey
from common.store import setup
from common.store.bind import open_store
from common.strict_http import descriptors

log = logs.get(__name__)

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]

LEGACY_CALLS: Mapping[tuple[str, str], Handler] = {
    ("POST", "login"): legacy.login,
    ("GET", "values"): legacy.values,
    ("GET", "lademodus"): legacy.charge_mode,
    ("GET", "ladelog"): legacy.charge_log,
    ("GET", "user/<who:str>"): legacy.me,
    ("PATCH", "user/<who:str>"): legacy.change_password,
    ("GET", "user/all"): legacy.people,
}
"""What the existing app calls, behind `/api/`, or `/api` where its address was typed without a slash."""

ROUTES: Mapping[tuple[str, str], Handler] = {
    ("GET", "/"): front.page,
    ("GET", "/sw.js"): web.worker,
    ("GET", "/assets/<file:str>"): web.asset,
    ("GET", "/healthz"): health.healthz,
    ("GET", "/readyz"): health.readyz,
    ("GET", "/openapi.json"): docs.document,
    ("GET", "/openapi-legacy.json"): docs.legacy_document,
    ("GET", "/docs"): docs.page,
    ("GET", "/setup"): front.setup,
    ("POST", "/api/v1/auth/login"): auth.login,
    ("POST", "/api/v1/auth/refresh"): auth.refresh,
    ("POST", "/api/v1/auth/logout"): auth.logout,
    ("POST", "/api/v1/auth/pairing"): auth.begin_pairing,
    ("POST", "/api/v1/auth/pair"): auth.pair,
    ("POST", "/api/v1/auth/setup"): auth.set_up,
    ("POST", "/api/v1/auth/ticket"): auth.ticket,
    ("POST", "/api/v1/auth/elevate"): totp.elevate,
    ("GET", "/api/v1/me"): me.me,
    ("PUT", "/api/v1/me/password"): me.change_password,
    ("POST", "/api/v1/me/totp"): totp.enrol,
    ("POST", "/api/v1/me/totp/confirm"): totp.confirm,
    ("POST", "/api/v1/me/totp/recovery-codes"): totp.new_recovery_codes,
    ("DELETE", "/api/v1/me/totp"): totp.disable,
    ("GET", "/api/v1/me/devices"): me.list_devices,
    ("PATCH", "/api/v1/me/devices/<id:str>"): me.rename_device,
    ("DELETE", "/api/v1/me/devices/<id:str>"): me.revoke_device,
    ("GET", "/api/v1/me/api-tokens"): me.list_tokens,
    ("POST", "/api/v1/me/api-tokens"): me.add_token,
    ("DELETE", "/api/v1/me/api-tokens/<id:str>"): me.revoke_token,
    ("GET", "/api/v1/users"): users.list_users,
    ("POST", "/api/v1/users"): users.add_user,
    ("GET", "/api/v1/users/<name:str>"): users.user,
    ("PATCH", "/api/v1/users/<name:str>"): users.change_user,
    ("DELETE", "/api/v1/users/<name:str>"): users.remove_user,
    ("DELETE", "/api/v1/users/<name:str>/totp"): users.reset_totp,
    ("GET", "/api/v1/site"): state.site,
    ("GET", "/api/v1/state"): state.state,
    ("GET", "/api/v1/chargepoints"): state.charge_points,
    ("GET", "/api/v1/chargepoints/<id:str>"): state.charge_point,
    ("PATCH", "/api/v1/chargepoints/<id:str>"): control.change_charge_point,
    ("POST", "/api/v1/chargepoints/<id:str>/reset-energy"): control.reset_energy,
    ("PUT", "/api/v1/charge-mode"): control.set_charge_mode,
    ("GET", "/api/v1/commands/<id:str>"): control.command,
    ("GET", "/api/v1/history"): records.history,
    ("GET", "/api/v1/history.csv"): records.history_file,
    ("GET", "/api/v1/statistics"): records.site_statistics,
    ("GET", "/api/v1/statistics/sessions"): records.session_statistics,
    ("GET", "/api/v1/statistics/reconciliation"): records.reconciliation,
    ("GET", "/api/v1/sessions"): charge_sessions.sessions,
    ("GET", "/api/v1/sessions/<id:str>"): charge_sessions.session,
    ("PATCH", "/api/v1/sessions/<id:str>"): charge_sessions.correct,
    ("GET", "/api/v1/sessions.csv"): exports.csv_file,
    ("GET", "/api/v1/sessions.xlsx"): exports.xlsx_file,
    ("GET", "/api/v1/sessions.pdf"): exports.pdf_file,
    ("GET", "/api/v1/users/<name:str>/tags"): rfid.list_tags,
    ("POST", "/api/v1/users/<name:str>/tags"): rfid.add_tag,
    ("DELETE", "/api/v1/users/<name:str>/tags/<tag:str>"): rfid.remove_tag,
    ("GET", "/api/v1/users/<name:str>/tags/learn"): rfid.learning,
    ("POST", "/api/v1/users/<name:str>/tags/learn"): rfid.wait_for_card,
    ("DELETE", "/api/v1/users/<name:str>/tags/learn"): rfid.stop_waiting,
    ("GET", "/api/v1/profiles"): rfid.list_profiles,
    ("POST", "/api/v1/profiles"): rfid.add_profile,
    ("POST", "/api/v1/profiles/dry-run"): rfid.dry_run,
    ("GET", "/api/v1/profiles/<id:str>"): rfid.profile,
    ("PUT", "/api/v1/profiles/<id:str>"): rfid.replace_profile,
    ("DELETE", "/api/v1/profiles/<id:str>"): rfid.remove_profile,
    ("GET", "/api/v1/rfid/scans"): rfid.scans,
    **{
        (method, f"/api{slash}{name}"): handler
        for slash in ("/", "")
        for (method, name), handler in LEGACY_CALLS.items()
    },
    ("POST", "/api/lademodus/<mode:str>"): legacy.set_charge_mode,
    ("PATCH", "/api/user"): legacy.change_user,
    ("GET", "/api/globals"): legacy.site,
    ("GET", "/api/verbrauch"): legacy.consumption,
    ("GET", "/api/details/globals"): legacy.site,
    ("GET", "/api/details/ladepunkt"): legacy.charge_point,
    ("GET", "/api/details/verbrauch"): legacy.consumption,
    ("GET", "/api/raw/keys"): legacy.raw_topics,
    ("GET", "/api/raw/rest"): legacy.raw_texts,
    ("GET", "/internal/token-key"): auth.token_key,
    ("GET", "/api/v1/admin/topics"): admin.topics,
    ("GET", "/api/v1/admin/audit"): audit.entries,
    ("GET", "/api/v1/admin/audit.csv"): audit.export,
}
"""(method, path in Sanic's spelling) → handler, besides the websocket."""

LIVE_PATH = "/api/v1/live"

SANIC_SETTINGS: Mapping[str, Any] = {
    "ACCESS_LOG": False,
    # sanic-ext stays off. Of what it offers, CORS would replace our `Vary` (common/cors.py), its OpenAPI loses
    # msgspec's constraints and loads its pages from a CDN, and `Deps` reach the handlers without injection.
    "AUTO_EXTEND": False,
    "KEEP_ALIVE_TIMEOUT": 75,  # above the 60 s after which nginx gives up an idle upstream connection
    "MOTD": False,
    "REQUEST_MAX_SIZE": 64 * 1024,  # the largest body is a login
    "REQUEST_TIMEOUT": 30,
    "RESPONSE_TIMEOUT": 30,  # above the 15 s after which the store gives up a query
    "TOUCHUP": False,  # rewrites Sanic's own source at the start, once per process: a second app would not start
    "WEBSOCKET_MAX_SIZE": 4096,  # clients have nothing to say
    "WEBSOCKET_PING_INTERVAL": 20,
    "WEBSOCKET_PING_TIMEOUT": 20,
}

NETWORK_CONNECTIONS = 200
"""Of one address, or of one /64, on the LAN at once; from a proxy of ours any number."""

RESTART_AFTER_S = 1.0
NEW_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Running:
    """A started api and where it can be reached."""

    app: Sanic[Any, Any]
    host: str
    port: int


def create_app(deps: Deps, name: str = "wallport-api") -> Sanic[Any, Any]:
    """The application with all its routes, guarded. Must be called inside the running event loop."""
    config = Config(env_prefix=None)  # its settings are ours; no SANIC_… variable changes them
    config.update(SANIC_SETTINGS)
    app: Sanic[Any, Any] = Sanic(name, config=config, configure_logging=False, error_handler=ProblemHandler())
    app.ctx.deps = deps
    app.ctx.crowd = Crowd(descriptors(), NETWORK_CONNECTIONS, deps.settings.trusted_proxies)
    app.ctx.hub = Hub(deps.state)
    app.ctx.logins = Logins(deps.store)
    app.ctx.trail = Trail(deps.store, deps.settings.audit_days)
    app.ctx.readiness = health.Readiness()
    app.ctx.web_files = web_files.read()
    for (method, path), handler in ROUTES.items():
        methods = ["GET", "HEAD"] if method == "GET" else [method]
        app.add_route(handler, path, methods=methods, name=f"{method}_{path}".translate(_NAME))
    app.add_websocket_route(live.push, LIVE_PATH, name="live")
    app.register_middleware(answer_preflight, "request")
    app.register_middleware(guard, "request")
    app.register_middleware(_prepare_live, "request")
    app.register_middleware(harden, "response")
    return app


def served_routes(app: Sanic[Any, Any]) -> set[tuple[str, str]]:
    """(method, path) of everything that answers, as access.py and openapi.py spell it; HEAD goes with GET."""
    return {
        (method, template(route.path)) for route in app.router.routes for method in route.methods if method != "HEAD"
    }


@asynccontextmanager
async def started(settings: Settings, clock: Clock, passwords: Passwords | None = None) -> AsyncIterator[Running]:
    """The whole api at work inside the block. Raises ListenerUnusable, KeyFileUnusable or FieldError at the start.

    `passwords` is for tests, which have no time for argon2's real cost.
    """
    if settings.relay_may_see_keys:
        log.warning(
            "relay_may_see_keys", help="whoever runs the relay can read new passwords, second factors and tokens"
        )
    async with AsyncExitStack() as stack:
        tokens = TokenKey.from_file(settings.token_key_file, settings.site_name)
        lan = listeners.bind_tcp(settings.host, settings.port)
        stack.callback(lan.close)
        relay = listeners.bind_unix(settings.relay_socket)
        stack.callback(relay.close)
        redis = RedisState(settings.redis_url)
        stack.push_async_callback(redis.close)
        commands = CommandQueue(settings.redis_url)
        stack.push_async_callback(commands.close)
        store = StoreThreads(open_store(settings.database_url))
        stack.callback(store.close)
        documents = Documents()
        stack.callback(documents.close)
        hashing = PasswordThreads(passwords or Passwords())
        stack.callback(hashing.close)
        deps = Deps(
            settings=settings,
            clock=clock,
            state=redis,
            commands=commands,
            store=store,
            cards=CardThreads(store),
            documents=documents,
            passwords=hashing,
            tokens=tokens,
            origin_of=_origin_of,
            tickets=Tickets(),
            elevations=Elevations(),
            logins=Throttle(),
            login_tries=LoginTries(),
            codes=code_budgets(),
            pairs=SecretThrottle(),
            pairings=Pairings(),
            pace=Pace(),
            changes=Pace(MOST_CHANGES, TooManyChanges),
            qr_svg=qr.svg,
        )
        host, port = lan.getsockname()[:2]
        app = create_app(deps, name=f"wallport-api-{port}")  # Sanic knows its apps by name; a test has several
        hub = asyncio.create_task(_supervised("hub", app.ctx.hub.run))
        stack.push_async_callback(ended, hub)
        trail = asyncio.create_task(_supervised("audit", app.ctx.trail.run))
        stack.push_async_callback(ended, trail)
        stack.push_async_callback(app.ctx.trail.settled)  # before its task ends, after the last request
        await stack.enter_async_context(listeners.serving(app, lan, relay))
        stack.push_async_callback(ended, asyncio.create_task(_tell_if_new(store)))
        yield Running(app, host, port)


async def serve(settings: Settings, clock: Clock) -> None:
    """Serve until SIGTERM or SIGINT."""
    async with started(settings, clock) as running:
        await listeners.until_told_to_stop(
            lambda: log.info("api_started", host=running.host, port=running.port, site=settings.site_name)
        )
        log.info("api_stopping")


async def _tell_if_new(store: StoreThreads) -> None:
    """A site without users: say how to make the first one. The link itself is for the command line alone."""
    try:
        is_new = await asyncio.wait_for(store.run(setup.is_open), NEW_WITHIN_S)
    except (AppError, TimeoutError):
        return  # the database is away; who comes finds out
    if is_new:
        log.warning("no_users_yet", help=f"run on this machine: {command('api', 'setup-link')}")


def _origin_of(request: Request) -> Origin:
    return listeners.origin_of(request)


async def _prepare_live(request: Request) -> None:
    """The websocket's own checks, before its handshake."""
    if request.route is not None and getattr(request.route.extra, "websocket", False):
        await live.prepare(request)


async def _supervised(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Restart a task that failed by a bug, visibly."""
    while True:
        started_at = time.monotonic()
        try:
            await run()
        except Exception:  # the supervisor; ruff sees that it is logged
            log.error("task_failed", task=name, ran_s=round(time.monotonic() - started_at, 1), exc_info=True)
        await asyncio.sleep(RESTART_AFTER_S)


_NAME = str.maketrans(dict.fromkeys("/<>:.{}", "_"))
