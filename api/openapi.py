"""The OpenAPI 3.1 document, made from the types of shapes.py and the rules of access.py. Pure.

A test holds that it names exactly the routes that are served, and that real answers fit their shapes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from api import shapes
from api.access import RULES, Rule
from api.history import MOST_STEPS
from api.problems import MEDIA_TYPE, PROBLEMS

DESCRIPTION = """\
The on-site API of Wallport. Log in with `POST /api/v1/auth/login` and send `Authorization: Bearer …` from then on.
Instants are RFC 3339 in UTC, units stand in the names. Signs: grid import +, battery charging +, PV production +.
Errors are RFC 9457 problems with a stable `code`. Through a relay everything answers under `/s/{site}`."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A text in the query, or in the path where its name stands in braces."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """`problems` are the codes besides those that any route with this rule may answer."""

    summary: str
    answer: Any
    body: type[msgspec.Struct] | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[str, ...] = ()
    has_etag: bool = False
    media_type: str = "application/json"
    description: str = ""
    success: str = "200"


_TEXT = {"type": "string"}
_INSTANT = {"type": "string", "format": "date-time"}
_FIELDS = Parameter("fields", "paths or their beginnings, with commas between: `grid,charge_points.1.power_w`", _TEXT)
_ID = Parameter("id", "as in `GET /api/v1/chargepoints`", _TEXT)

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/healthz"): Operation("Whether the process is alive", shapes.HealthAnswer),
    ("GET", "/readyz"): Operation(
        "Whether everything that is configured works", shapes.ReadyAnswer, problems=("not_ready",)
    ),
    ("GET", "/openapi.json"): Operation("This document", dict[str, Any]),
    ("GET", "/docs"): Operation("This document as a page", str, media_type="text/html"),
    ("POST", "/api/v1/auth/login"): Operation(
        "Log in",
        shapes.LoginAnswer,
        body=shapes.LoginBody,
        problems=(
            "malformed_body",
            "invalid_input",
            "login_failed",
            "too_many_attempts",
            "overloaded",
            "store_unavailable",
        ),
    ),
    ("POST", "/api/v1/auth/ticket"): Operation(
        "A ticket: `?ticket=` in place of a token, for 30 s and once",
        shapes.TicketAnswer,
        problems=("store_unavailable", "overloaded"),
        description="For browsers, which cannot set a header on a websocket or a link.",
    ),
    ("POST", "/api/v1/auth/elevate"): Operation(
        "Enter a TOTP code: this session may do admin actions for 5 minutes",
        shapes.ElevateAnswer,
        body=shapes.ElevateBody,
        problems=(
            "malformed_body",
            "invalid_input",
            "wrong_code",
            "totp_not_set_up",
            "too_many_attempts",
            "overloaded",
            "store_unavailable",
        ),
    ),
    ("GET", "/api/v1/me"): Operation("Who is logged in", shapes.MeAnswer, problems=("store_unavailable", "overloaded")),
    ("GET", "/api/v1/site"): Operation(
        "What the site is and has", shapes.SiteAnswer, problems=("redis_unavailable", "state_unknown"), has_etag=True
    ),
    ("GET", "/api/v1/state"): Operation(
        "All values of the present",
        shapes.StateAnswer,
        parameters=(_FIELDS,),
        problems=("invalid_input", "redis_unavailable", "state_unknown"),
        has_etag=True,
        description="The ETag changes with the values and with `is_stale`, not with their ages.",
    ),
    ("GET", "/api/v1/chargepoints"): Operation(
        "All charge points",
        shapes.ChargePointsAnswer,
        problems=("redis_unavailable", "state_unknown"),
        has_etag=True,
    ),
    ("GET", "/api/v1/chargepoints/{id}"): Operation(
        "One charge point",
        shapes.ChargePointAnswer,
        parameters=(_ID,),
        problems=("not_found", "redis_unavailable", "state_unknown"),
        has_etag=True,
    ),
    ("GET", "/api/v1/history"): Operation(
        "Recorded values, one per step",
        shapes.HistoryAnswer,
        parameters=(
            Parameter("from", "the first instant; 24 hours before `to` if absent", _INSTANT),
            Parameter("to", "the instant before which it ends; now if absent", _INSTANT),
            Parameter("series", "paths or their beginnings, with commas between; all if absent", _TEXT),
            Parameter("resolution", "`raw`, or the seconds between two samples", _TEXT),
        ),
        problems=("invalid_input", "store_unavailable", "overloaded"),
        description=f"At most {MOST_STEPS} steps.",
    ),
    ("GET", "/api/v1/live"): Operation(
        "Websocket: a snapshot, then every change",
        shapes.LiveSnapshot | shapes.LiveChange,
        parameters=(
            Parameter(
                "since", "the last number the client knows: it is told all changes after it", {"type": "integer"}
            ),
            _FIELDS,
        ),
        problems=("invalid_input", "upgrade_required", "redis_unavailable", "overloaded"),
        description=(
            "Each message is one JSON object. With `since` the changes after it follow at once, or a new snapshot if "
            "they are no longer known. A slow client is told the newest value of each path. The server closes with "
            "4401 when the access token has expired, 1001 when it stops, 1011 after a fault; a client that takes "
            "nothing for 10 s is cut off. What the client sends is ignored."
        ),
        success="101",
    ),
    ("GET", "/api/v1/admin/topics"): Operation(
        "The raw MQTT mirror", shapes.TopicsAnswer, problems=("redis_unavailable",)
    ),
}
"""(method, path) → what it does."""


def document() -> dict[str, Any]:
    """The whole document, in the order of OPERATIONS."""
    answers = [operation.answer for operation in OPERATIONS.values()]
    bodies = [operation.body for operation in OPERATIONS.values() if operation.body]
    schemas, components = msgspec.json.schema_components(
        [*answers, *bodies, shapes.ProblemShape], ref_template="#/components/schemas/{name}"
    )
    by_type = dict(zip([*map(repr, answers), *map(repr, bodies)], schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wallport", "version": _version(), "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "ticket": {"type": "apiKey", "in": "query", "name": "ticket"},
            },
        },
    }


def _operation(method: str, path: str, operation: Operation, by_type: Mapping[str, Any]) -> dict[str, Any]:
    rule = RULES[method, path]
    answer: dict[str, Any] = {
        "description": operation.summary,
        "content": {operation.media_type: {"schema": by_type[repr(operation.answer)]}},
    }
    if operation.has_etag:
        answer["headers"] = {"etag": {"schema": _TEXT}}
    shown: dict[str, Any] = {
        "operationId": f"{method.lower()}_{path.strip('/').replace('/', '_').replace('{', '').replace('}', '')}",
        "summary": operation.summary,
        "security": _security(rule),
        "responses": {operation.success: answer, **_problems(operation, rule)},
    }
    if operation.description:
        shown["description"] = operation.description
    if operation.has_etag:
        shown["responses"]["304"] = {"description": "Nothing changed since the ETag in If-None-Match"}
    if operation.parameters:
        shown["parameters"] = [_parameter(parameter, path) for parameter in operation.parameters]
    if operation.body is not None:
        content = {"application/json": {"schema": by_type[repr(operation.body)]}}
        shown["requestBody"] = {"required": True, "content": content}
    return shown


def _problems(operation: Operation, rule: Rule) -> dict[str, Any]:
    codes = {*operation.problems, "internal"}
    if rule.roles is not None:
        codes |= {"login_required", "invalid_token", "not_allowed"}
    if len(rule.origins) == 1:
        codes.add("not_from_here")
    if rule.needs_elevation:
        codes.add("elevation_required")
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemShape"}}}
    return {
        str(status): {"description": ", ".join(f"`{code}`" for code in known), "content": content}
        for status, known in sorted(by_status.items())
    }


def _security(rule: Rule) -> list[dict[str, list[str]]]:
    if rule.roles is None:
        return []
    return [{"token": []}, {"ticket": []}] if rule.takes_ticket else [{"token": []}]


def _parameter(parameter: Parameter, path: str) -> dict[str, Any]:
    is_in_path = f"{{{parameter.name}}}" in path
    return {
        "name": parameter.name,
        "in": "path" if is_in_path else "query",
        "required": is_in_path,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _version() -> str:
    try:
        return version("wallport")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "0"
