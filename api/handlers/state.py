"""The present: site, state and charge points, as the edge keeps them in Redis."""

from sanic import HTTPResponse, Request

from api import fields, inputs, views
from api.errors import NotFound, StateUnknown
from api.handlers.answers import tagged_answer
from api.ports import Observation, deps_of, sight_of
from common import version
from common.errors import FieldError
from common.model import Snapshot


async def site(request: Request) -> HTTPResponse:
    inputs.query(request.query_string, ())
    deps = deps_of(request)
    seen = await deps.state.observe()
    sight = sight_of(request)
    snapshot = sight.of(known(seen))
    shown = views.site(
        snapshot,
        site_name=deps.settings.site_name,
        time_zone=deps.settings.time_zone.key,
        version=version.installed(),
        is_edge_alive=seen.is_edge_alive,
    )
    settled = (shown["version"], shown["time_zone"], sight.key)
    return tagged_answer(request, shown, "site", snapshot.seq, shown["is_stale"], settled)


async def state(request: Request) -> HTTPResponse:
    selected = selected_fields(inputs.query(request.query_string, {"fields"}))
    deps = deps_of(request)
    seen = await deps.state.observe()
    sight = sight_of(request)
    snapshot = sight.of(known(seen))
    shown = views.state(
        snapshot,
        site_name=deps.settings.site_name,
        now=deps.clock.now(),
        is_edge_alive=seen.is_edge_alive,
        selected=selected,
    )
    return tagged_answer(request, shown, "state", snapshot.seq, shown["is_stale"], selected.paths, sight.key)


async def charge_points(request: Request) -> HTTPResponse:
    inputs.query(request.query_string, ())
    seen = await deps_of(request).state.observe()
    sight = sight_of(request)
    snapshot = sight.of(known(seen))
    head = views.head(snapshot, is_edge_alive=seen.is_edge_alive)
    items = [views.charge_point(key, value) for key, value in snapshot.state.charge_points.items()]
    return tagged_answer(request, {**head, "items": items}, "chargepoints", snapshot.seq, head["is_stale"], sight.key)


async def charge_point(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- the name in the URL's template
    inputs.query(request.query_string, ())
    seen = await deps_of(request).state.observe()
    snapshot = sight_of(request).of(known(seen))
    shown = snapshot.state.charge_points.get(id)
    if shown is None:
        raise NotFound("there is no such charge point")
    head = views.head(snapshot, is_edge_alive=seen.is_edge_alive)
    return tagged_answer(
        request, {**head, **views.charge_point(id, shown)}, "chargepoint", id, snapshot.seq, head["is_stale"]
    )


def known(seen: Observation) -> Snapshot:
    """The snapshot; raises StateUnknown before the edge wrote any."""
    if seen.snapshot is None:
        raise StateUnknown("the edge has not reported any values yet")
    return seen.snapshot


def selected_fields(parameters: dict[str, str]) -> fields.Selection:
    """The selection of `?fields=`; raises FieldError."""
    if "fields" not in parameters:
        return fields.EVERYTHING
    try:
        return fields.selection(parameters["fields"])
    except ValueError as exc:
        raise FieldError("some parameters are wrong", {"fields": str(exc)}) from exc
