"""How the handlers answer: JSON, problems, ETags."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from api.problems import Problem
from common.problems import MEDIA_TYPE


def json_answer(value: Any, *, headers: Mapping[str, str] | None = None, status: int = 200) -> HTTPResponse:
    """`value` is a msgspec Struct or plain values. Kept by no cache unless `headers` say otherwise."""
    return HTTPResponse(
        msgspec.json.encode(value),
        status,
        {"cache-control": "no-store", **(headers or {})},
        "application/json",
    )


def no_content() -> HTTPResponse:
    """Done, and nothing to tell."""
    return HTTPResponse(None, 204, {"cache-control": "no-store"})


def problem_answer(problem: Problem) -> HTTPResponse:
    return HTTPResponse(
        msgspec.json.encode(problem.body), problem.status, {"cache-control": "no-store", **problem.headers}, MEDIA_TYPE
    )


def tagged_answer(request: Request, value: Any, *version: object) -> HTTPResponse:
    """`value` with a weak ETag made of `version`, or 304 if the client has that one already (RFC 9110, 13.1.2)."""
    digest = hashlib.sha256(repr(version).encode()).hexdigest()[:20]
    headers = {"etag": f'W/"{digest}"', "cache-control": "private, no-cache", "vary": "authorization"}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or any(f'"{digest}"' == tag.strip().removeprefix("W/") for tag in known.split(",")):
        return HTTPResponse(None, 304, headers)
    return json_answer(value, headers=headers)
