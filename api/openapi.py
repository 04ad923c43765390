"""The OpenAPI 3.1 documents, made from operations.py, the types of the shapes and the rules of access.py. Pure.

One is for new clients, one for the existing app's routes. Tests hold that they name exactly the routes that are served,
that real answers fit their shapes, and that generators make clients of them that work (tests/clients).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from api import shapes, shapes_live, shapes_service
from api.access import ANYWHERE, RULES, Role, Rule, is_paced
from api.openapi_examples import EXAMPLES
from api.openapi_schemas import called, plain, whole
from api.operation import CODE, Operation, Parameter
from api.operations import OPERATIONS
from api.problems import CODES, PROBLEMS
from common import version
from common.problems import MEDIA_TYPE

DESCRIPTION = """\
The on-site API of Wallport. Log in with `POST /api/v1/auth/login` and send `Authorization: Bearer …` from then on.
Instants are RFC 3339 in UTC, units stand in the names. Signs: grid import +, battery charging +, PV production +.
Errors are RFC 9457 problems with a stable `code`. Clients ignore members that they do not know: more may come.

This document is the same at every site. At home it needs no login. Through a relay everything answers under
`/s/{site}`, and only with a token: strangers do not reach the home line."""

LEGACY_DESCRIPTION = """\
The routes of an existing iOS app, which stay as they are; new clients use `/openapi.json`. `POST /api/login` answers
with the bare token; it is sent as `Authorization: <token>`, or with `Bearer` before it. 403 stands for 401."""

SERVERS: list[dict[str, Any]] = [
    {"url": "/", "description": "At home"},
    {"url": "https://relay.example.org/s/home", "description": "Through a relay: its name, and the site's"},
]

TAGS: tuple[tuple[str, str, str], ...] = (
    ("Logins", r"/api/v1/auth/|/setup", "Logging in and out, and codes for admin actions"),
    ("Me", r"/api/v1/me", "One's own account, devices, tokens and second factor"),
    ("Cards", r"/api/v1/(users/\{name\}/tags|profiles|rfid)", "RFID cards, and what they do"),
    ("Users", r"/api/v1/users", "Who may use the site"),
    ("Commands", r"/api/v1/(commands|charge-mode|chargepoints/\{id\}/reset-energy)", "What the wallbox shall do"),
    ("State", r"/api/v1/(site|state|chargepoints|live)", "The present"),
    ("Sessions", r"/api/v1/sessions", "Charge sessions and their documents"),
    ("History", r"/api/v1/(history|statistics)", "The past"),
    ("Administration", r"/api/v1/admin/", "For admins alone"),
    ("Legacy", r"/api", "The existing app's routes"),
    ("Service", r"/", "The process itself, and this document"),
)
"""tag, beginning of the paths that have it, words; the first one that fits counts."""

_INTERNAL = "/internal/"
"""Below it is what the edge asks on its own socket. It is nobody else's, so no document tells of it."""

UNIONS: Mapping[str, Any] = {
    "WishedLimit": shapes.WishedLimit,
    "Event": shapes_live.Event,
    "LiveMessage": shapes_live.LiveMessage,
}
"""Alternatives that have a name of their own in the document, wherever they are."""

_REFERENCES = "#/components/schemas/{name}"

_WHOLE = ("Fault", "Capabilities", "ListedChargePoint", "ChargePointAnswer")
"""Classes of the model whose fields all have a value in every answer; `?fields=` leaves out some of the others."""

_TEXT = {"type": "string"}
_BINARY = {"type": "string", "format": "binary"}
_TICKET: Mapping[str, Any] = {
    "name": "ticket",
    "in": "query",
    "required": False,
    "description": "in place of a token, where a browser cannot send one: of `POST /api/v1/auth/ticket`, and good once",
    "schema": _TEXT,
}


def document() -> dict[str, Any]:
    """What new clients are made from."""
    return _document("Wallport", DESCRIPTION, {key: told for key, told in OPERATIONS.items() if not is_legacy(key[1])})


def legacy_document() -> dict[str, Any]:
    """The existing app's routes."""
    told = {key: told for key, told in OPERATIONS.items() if is_legacy(key[1])}
    return _document("Wallport for an existing app", LEGACY_DESCRIPTION, told)


def is_legacy(path: str) -> bool:
    return path.startswith("/api") and not path.startswith("/api/v1/")


def tag_of(path: str) -> str:
    return next(tag for tag, beginning, _ in TAGS if re.match(beginning, path))


def _document(title: str, description: str, operations: Mapping[tuple[str, str], Operation]) -> dict[str, Any]:
    shown = {key: told for key, told in operations.items() if not key[1].startswith(_INTERNAL)}
    types = list(dict.fromkeys(_types(shown)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCES)
    by_type = dict(zip(types, map(plain, schemas), strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in shown.items():
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, operation, by_type)
    tags = {tag_of(path) for path in paths}
    return _with_unions(
        {
            "openapi": "3.1.0",
            "info": {
                "title": title,
                "version": version.installed(),
                "description": description,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": SERVERS,
            "tags": [{"name": tag, "description": words} for tag, _, words in TAGS if tag in tags],
            "paths": paths,
            "components": {
                "schemas": {called(name): _component(name, schema) for name, schema in components.items()}
                | {
                    "ProblemCode": {
                        "type": "string",
                        "enum": list(CODES),
                        "description": "docs/errors.md explains each",
                    }
                },
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            },
        }
    )


def _with_unions(document: dict[str, Any]) -> dict[str, Any]:
    """The document with a reference wherever one of UNIONS stands."""
    schemas, _ = msgspec.json.schema_components(UNIONS.values(), ref_template=_REFERENCES)
    forms = dict(zip(UNIONS, map(plain, schemas), strict=True))
    used: set[str] = set()

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            name = next((name for name, form in forms.items() if value == form), None)
            if name is not None:
                used.add(name)
                return {"$ref": _REFERENCES.format(name=name)}
            return {key: told(item) for key, item in value.items()}
        return [told(item) for item in value] if isinstance(value, list) else value

    found: dict[str, Any] = told(document)
    found["components"]["schemas"] |= {name: form for name, form in forms.items() if name in used}
    return found


def _types(operations: Mapping[tuple[str, str], Operation]) -> Iterator[Any]:
    """All that has a schema; whatever is there twice is told once."""
    yield shapes_service.ProblemShape
    for operation in operations.values():
        yield from (kind for kind in (operation.answer, operation.body) if kind is not None)
        yield from (p.schema for p in operation.parameters if isinstance(p.schema, type))


def _component(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    found = plain(schema)
    if name in _WHOLE:
        found = whole(found)
    if name == shapes_service.ProblemShape.__name__:
        found["properties"]["code"] = {"$ref": "#/components/schemas/ProblemCode"}
    if name in EXAMPLES:
        found["examples"] = [EXAMPLES[name]]
    return found


def _operation(method: str, path: str, operation: Operation, by_type: Mapping[Any, Any]) -> dict[str, Any]:
    rule = RULES[method, path]
    answer: dict[str, Any] = {"description": operation.summary}
    if operation.answer is not None:
        schema = _BINARY if operation.answer is bytes else by_type[operation.answer]
        answer["content"] = {operation.media_type: {"schema": schema}}
    if operation.has_etag:
        answer["headers"] = {"etag": {"schema": _TEXT}}
    shown: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [tag_of(path) if not operation.is_command or is_legacy(path) else "Commands"],
        "summary": operation.summary,
        "security": [] if rule.roles is None else [{"token": []}, {}] if rule.takes_ticket else [{"token": []}],
        "responses": {operation.success: answer, **_problems(method, path, operation, rule)},
    }
    if operation.description:
        shown["description"] = operation.description
    if operation.is_command:
        headers = {"location": {"schema": _TEXT, "description": "`/api/v1/commands/{id}`"}}
        shown["responses"]["202"] = {**answer, "description": "Not settled yet", "headers": headers}
    if operation.has_etag:
        shown["responses"]["304"] = {"description": "Nothing changed since the ETag in If-None-Match"}
    listed = operation.parameters
    if rule.needs_elevation or rule.asks_again or "elevation_required" in operation.problems:
        listed += (CODE,)
    parameters = [_parameter(parameter, path, by_type) for parameter in listed]
    if rule.takes_ticket:
        parameters.append(dict(_TICKET))
    if parameters:
        shown["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": by_type[operation.body]}}
        shown["requestBody"] = {"required": not operation.is_body_optional, "content": content}
    return shown


def _problems(method: str, path: str, operation: Operation, rule: Rule) -> dict[str, Any]:
    codes = {*operation.problems, "bad_request", "invalid_input", "internal"}
    if operation.body is not None:
        codes |= {"malformed_body", "body_too_large"}
    if rule.roles is not None:
        codes |= {"login_required", "invalid_token", "not_allowed", "store_unavailable", "overloaded"}
        if Role.ADMIN in rule.roles and not rule.before_totp:
            codes.add("totp_required")
    elif method != "GET":
        codes |= {"foreign_origin", "unsupported_media_type"}
    if rule.origins != ANYWHERE or rule.is_keys:
        codes.add("not_from_here")
    if rule.needs_elevation or rule.asks_again or "elevation_required" in codes:
        codes |= {"elevation_required", "code_required", "wrong_code", "too_many_attempts"}
    if is_paced(method, rule):
        codes.add("too_many_changes")
    if rule.asks_again:
        codes |= {"password_required", "login_failed"}
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        status = PROBLEMS[code][0]
        by_status.setdefault(403 if status == 401 and is_legacy(path) else status, []).append(code)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemShape"}}}
    return {
        str(status): {"description": ", ".join(f"`{code}`" for code in known), "content": content}
        for status, known in sorted(by_status.items())
    }


def _parameter(parameter: Parameter, path: str, by_type: Mapping[Any, Any]) -> dict[str, Any]:
    is_in_path = f"{{{parameter.name}}}" in path
    schema = by_type[parameter.schema] if isinstance(parameter.schema, type) else dict(parameter.schema)
    return {
        "name": parameter.name,
        "in": "path" if is_in_path else "header" if parameter.is_header else "query",
        "required": is_in_path,
        "description": parameter.description,
        "schema": schema,
    }
