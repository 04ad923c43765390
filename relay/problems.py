"""Errors as RFC 9457 problems: which status each code has. Pure; used by the app's error handler.

docs/errors.md lists the codes. A problem never quotes what the client sent beyond its own message.
"""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from common.errors import AppError, FieldError
from common.problems import problem_body, title_of
from common.tunnel.errors import ErrorCode, http_status
from relay.admission import NotAdmitted
from relay.limits import TooManyCancelled
from relay.sites import SiteOffline, as_rfc3339
from relay.throttle import TooManyAttempts

RETRY_AFTER_S = 5
"""For 429 and 503: an edge that lost its line is back after one or two tries of its own."""

STATUS = {
    "bad_request": 400,
    "invalid_input": 400,
    "login_required": 401,
    "invalid_token": 401,
    "bad_code": 403,
    "wrong_origin": 409,
    "bad_rotation": 403,
    "not_found": 404,
    "unknown_site": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "target_too_long": 414,
    "upgrade_required": 426,
    "request_timeout": 408,
    "too_many_attempts": 429,
    "too_many_cancelled": 429,
    "too_many_connections": 429,
    "fields_too_large": 431,
    "site_offline": 503,
    "token_key_unknown": 503,
    "relay_stopping": 503,
    "overloaded": 503,
    "redis_unavailable": 503,
    "store_unavailable": 503,
}


class StreamFailed(AppError):
    """The tunnel or the edge gave the request up before it was answered whole; `error` says why."""

    code = "tunnel_failed"  # followed by the error's name, see `code_of`

    def __init__(self, error: ErrorCode, detail: str = "") -> None:
        super().__init__(_SAID.get(error, "The site's edge could not answer the request."), detail=detail or error.name)
        self.error = error


_SAID = {
    ErrorCode.REFUSED: "The site's edge cannot take more requests now.",
    ErrorCode.TIMEOUT: "The site's edge did not answer in time.",
    ErrorCode.BAD_FIELD: "The request holds what cannot be carried.",
    ErrorCode.TOO_LARGE: "The request is too large.",
    ErrorCode.UPSTREAM: "The site's API cannot be reached by its edge.",
    ErrorCode.SUPERSEDED: "The site's edge is reconnecting.",
    ErrorCode.DRAIN: "The site's edge is reconnecting.",
}


def status_of(error: AppError) -> int:
    if isinstance(error, StreamFailed):
        return http_status(error.error)
    if isinstance(error, NotAdmitted) and error.is_legacy:
        return 403
    return STATUS.get(error.code, 500)


def code_of(error: AppError) -> str:
    return f"tunnel_{error.error.name.lower()}" if isinstance(error, StreamFailed) else error.code


def extra_fields(error: Exception, status: int) -> dict[str, str]:
    """Header fields that belong to the status."""
    if status in (429, 503):
        wait_s = error.retry_after_s if isinstance(error, TooManyAttempts | TooManyCancelled) else RETRY_AFTER_S
        return {"retry-after": str(math.ceil(wait_s))}
    return {"www-authenticate": "Bearer"} if status == 401 else {}


def problem(status: int, code: str, detail: str, more: Mapping[str, Any] | None = None) -> bytes:
    """The body: `type`, `title`, `status`, `code`, `detail` and what else this problem has."""
    return orjson.dumps(problem_body(code, title_of(code), status, detail) | dict(more or {}))


def of_error(error: AppError) -> tuple[int, bytes]:
    """Status and body for an error of ours; the private detail stays out."""
    status = status_of(error)
    if status == 500:
        return status, problem(status, "internal", "The relay failed to handle the request.")
    more: dict[str, Any] = {}
    if isinstance(error, SiteOffline):
        more["since"] = as_rfc3339(error.since) if error.since is not None else None
    faults = error.faults if isinstance(error, FieldError) else None
    code = code_of(error)
    body = problem_body(code, title_of(code), status, error.message, faults)
    return status, orjson.dumps(body | more)
