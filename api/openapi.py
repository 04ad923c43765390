"""The OpenAPI 3.1 document, made from operations.py, the types of shapes.py and the rules of access.py. Pure.

A test holds that it names exactly the routes that are served, and that real answers fit their shapes.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from api import shapes
from api.access import RULES, Role, Rule
from api.operation import Operation, Parameter
from api.operations import OPERATIONS
from api.problems import PROBLEMS
from common.problems import MEDIA_TYPE

DESCRIPTION = """\
The on-site API of Wallport. Log in with `POST /api/v1/auth/login` and send `Authorization: Bearer …` from then on.
Instants are RFC 3339 in UTC, units stand in the names. Signs: grid import +, battery charging +, PV production +.
Errors are RFC 9457 problems with a stable `code`. Through a relay everything answers under `/s/{site}`."""

_TEXT = {"type": "string"}


def document() -> dict[str, Any]:
    """The whole document, in the order of OPERATIONS."""
    answers = [operation.answer for operation in OPERATIONS.values() if operation.answer is not None]
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
    answer: dict[str, Any] = {"description": operation.summary}
    if operation.answer is not None:
        answer["content"] = {operation.media_type: {"schema": by_type[repr(operation.answer)]}}
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
    if operation.is_command:
        headers = {"location": {"schema": _TEXT, "description": "`/api/v1/commands/{id}`"}}
        shown["responses"]["202"] = {**answer, "description": "Not settled yet", "headers": headers}
    if operation.has_etag:
        shown["responses"]["304"] = {"description": "Nothing changed since the ETag in If-None-Match"}
    if operation.parameters:
        shown["parameters"] = [_parameter(parameter, path) for parameter in operation.parameters]
    if operation.body is not None:
        content = {"application/json": {"schema": by_type[repr(operation.body)]}}
        shown["requestBody"] = {"required": not operation.is_body_optional, "content": content}
    return shown


def _problems(operation: Operation, rule: Rule) -> dict[str, Any]:
    codes = {*operation.problems, "internal"}
    if rule.roles is not None:
        codes |= {"login_required", "invalid_token", "not_allowed", "store_unavailable", "overloaded"}
        if Role.ADMIN in rule.roles and not rule.before_totp:
            codes.add("totp_required")
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
        "in": "path" if is_in_path else "header" if parameter.is_header else "query",
        "required": is_in_path,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _version() -> str:
    try:
        return version("wallport")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "0"
