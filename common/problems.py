"""The JSON of an RFC 9457 problem, one shape for whoever answers: api, relay, and the edge in the api's place.

Pure. Which code has which status stands in each product's `problems.py`; docs/errors.md lists them all. A code has one
title, whoever answers.
"""

from collections.abc import Mapping
from typing import Any

MEDIA_TYPE = "application/problem+json"

TITLES: Mapping[str, str] = {
    "bad_request": "The request is malformed",
    "invalid_input": "Some fields are missing or wrong",
    "login_required": "Log in first",
    "invalid_token": "The token is not valid",
    "not_found": "Not found",
    "method_not_allowed": "Method not allowed",
    "request_timeout": "The request took too long to arrive",
    "body_too_large": "The request is too large",
    "upgrade_required": "This is a websocket",
    "too_many_attempts": "Too many attempts",
    "overloaded": "Too busy",
    "internal": "Something went wrong here",
    "redis_unavailable": "Redis is unavailable",
    "store_unavailable": "The database is unavailable",
}
"""Of the codes that more than one product answers with."""


def title_of(code: str) -> str:
    """Also of a code that one product alone has: its own words."""
    return TITLES.get(code, code.replace("_", " ").capitalize())


def problem_body(
    code: str, title: str, status: int, detail: str | None = None, faults: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """`faults` maps each faulty field to what is wrong with it; they become `errors`, in the order of their names."""
    body: dict[str, Any] = {"type": f"urn:wallport:problem:{code}", "title": title, "status": status, "code": code}
    if detail is not None:
        body["detail"] = detail
    if faults is not None:
        body["errors"] = [{"field": name, "message": fault} for name, fault in sorted(faults.items())]
    return body
