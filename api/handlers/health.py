"""For operators and supervisors: whether the process is alive, and whether everything that is configured works.

Both answer without a login, so readiness is found out at most once a second, however often it is asked for.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from sanic import HTTPResponse, Request

from api import inputs
from api.errors import NotReady
from api.handlers.answers import json_answer
from api.handlers.audit import Trail, trail_of
from api.ports import Deps, deps_of
from common.errors import AppError
from common.health import Status

READINESS_KEPT_S = 1.0
PROBE_TIMEOUT_S = 8.0  # the store gives a database 3 s to connect and another thread 5 s to prepare it

Components = dict[str, dict[str, Any]]


async def healthz(_request: Request) -> HTTPResponse:
    return json_answer({"status": "ok"})


async def readyz(request: Request) -> HTTPResponse:
    inputs.query(request.query_string, ())
    components = await _readiness(request.app.ctx).components(deps_of(request), trail_of(request))
    failing = [name for name, part in components.items() if part["status"] not in (Status.OK, Status.DISABLED)]
    if failing:
        raise NotReady(f"not working: {', '.join(failing)}", components)
    return json_answer({"status": "ok", "components": components})


class Readiness:
    """The last answer, and the one probe that is under way."""

    def __init__(self) -> None:
        self._components: Components = {}
        self._known_at = float("-inf")
        self._lock = asyncio.Lock()

    async def components(self, deps: Deps, trail: Trail) -> Components:
        async with self._lock:
            if time.monotonic() - self._known_at >= READINESS_KEPT_S:
                database, redis = await asyncio.gather(_probed(deps.store.ping()), _edge_and_redis(deps))
                self._components = {"database": database, **redis, "audit": trail.component()}
                self._known_at = time.monotonic()
            return self._components


def _readiness(ctx: Any) -> Readiness:
    readiness: Readiness = ctx.readiness
    return readiness


async def _edge_and_redis(deps: Deps) -> Components:
    redis = await _probed(deps.state.observe())
    if redis["status"] is not Status.OK:
        return {"redis": redis, "edge": {"status": Status.FAILING, "detail": "unknown without Redis"}}
    try:
        health = await deps.state.edge_health()
    except AppError as exc:
        return {"redis": redis, "edge": {"status": Status.FAILING, "detail": exc.message}}
    if health is None:
        return {"redis": redis, "edge": {"status": Status.FAILING, "detail": "no heartbeat"}}
    parts = {
        f"edge.{name}": {"status": part.get("status"), "detail": part.get("detail")}
        for name, part in sorted(health.components.items())
    }
    return {"redis": redis, "edge": {"status": Status.OK, "detail": None}, **parts}


async def _probed(probe: Awaitable[object]) -> dict[str, Any]:
    try:
        await asyncio.wait_for(probe, PROBE_TIMEOUT_S)
    except AppError as exc:
        return {"status": Status.FAILING, "detail": exc.message}
    except TimeoutError:
        return {"status": Status.FAILING, "detail": f"no answer within {PROBE_TIMEOUT_S:g} s"}
    return {"status": Status.OK, "detail": None}
