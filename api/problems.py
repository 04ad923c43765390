"""Errors as RFC 9457 problems: code → status and title, and the body. Pure.

`detail` is the error's public message; its private detail goes to the log only. An error whose code is not listed here
is a mistake of ours and answers 500 without a word about itself.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.errors import AcceptanceUnknown
from common.errors import AppError, FieldError
from common.problems import TITLES, problem_body
from common.tunnel.errors import ErrorCode

PROBLEMS: Mapping[str, tuple[int, str]] = {
    "bad_request": (400, TITLES["bad_request"]),
    "malformed_body": (400, "The body is not the JSON object that is expected"),
    "invalid_input": (400, TITLES["invalid_input"]),
    "login_required": (401, TITLES["login_required"]),
    "login_failed": (401, "The login failed"),
    "invalid_token": (401, TITLES["invalid_token"]),
    "not_allowed": (403, "Not allowed"),
    "not_from_here": (403, "Not from here"),
    "elevation_required": (403, "A fresh code is needed"),
    "code_required": (403, "A code must come with the request"),
    "password_required": (403, "The password is needed again"),
    "foreign_origin": (403, "Not from another web site"),
    "totp_required": (403, "Set up an authenticator app first"),
    "wrong_code": (403, "The code is wrong"),
    "setup_closed": (403, "The site is set up already"),
    "not_found": (404, TITLES["not_found"]),
    "user_unknown": (404, "No such user"),
    "unknown_charge_point": (404, "No such charge point"),
    "method_not_allowed": (405, TITLES["method_not_allowed"]),
    "request_timeout": (408, TITLES["request_timeout"]),
    "totp_not_set_up": (409, "No authenticator app is set up"),
    "totp_already_set_up": (409, "An authenticator app is set up already"),
    "user_exists": (409, "The name is taken"),
    "last_admin": (409, "Somebody must manage the site"),
    "too_many_tokens": (409, "Too many API tokens"),
    "tag_taken": (409, "The tag belongs to somebody"),
    "learning_busy": (409, "Somebody else waits for a card"),
    "command_failed": (409, "The wallbox did not do it"),
    "not_possible": (409, "This wallbox does not take that"),
    "body_too_large": (413, TITLES["body_too_large"]),
    "unsupported_media_type": (415, "The body must be JSON"),
    "idempotency_key_reused": (422, "The idempotency key belongs to another request"),
    "upgrade_required": (426, TITLES["upgrade_required"]),
    "too_many_attempts": (429, TITLES["too_many_attempts"]),
    "too_many_commands": (429, "Too many commands"),
    "too_many_changes": (429, "Too many changes"),
    "internal": (500, TITLES["internal"]),
    "store_failed": (500, "The database failed"),
    "acceptance_unknown": (503, "Perhaps accepted"),
    "document_failed": (503, "The document could not be written"),
    "edge_silent": (503, "The edge does not run"),
    "wallbox_silent": (503, "The wallbox is silent"),
    "overloaded": (503, "Too busy"),
    "not_ready": (503, "Not ready"),
    "state_unknown": (503, "No state yet"),
    "schema_too_new": (503, "The database belongs to a newer version"),
    "redis_unavailable": (503, TITLES["redis_unavailable"]),
    "store_unavailable": (503, TITLES["store_unavailable"]),
}
"""code → (status, title)."""

ON_THE_WAY = (
    "api_unavailable",
    "bad_path",
    "bad_upgrade",
    "fields_too_large",
    "relay_stopping",
    "relay_unavailable",
    "site_offline",
    "target_too_long",
    "token_key_unknown",
    "too_many_cancelled",
    "too_many_connections",
    "too_many_requests",
    "unknown_site",
    *(f"tunnel_{error.name.lower()}" for error in ErrorCode if error is not ErrorCode.NONE),
)
"""Codes with which the relay, the edge and nginx answer in the api's place; clients meet them on every route."""

CODES = tuple(sorted({*PROBLEMS, *ON_THE_WAY}))
"""All that a client may be told."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An HTTP answer in the making: `body` is the JSON of RFC 9457."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str]


def problem(
    code: str,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
) -> Problem:
    """The problem with a code of PROBLEMS."""
    status, title = PROBLEMS[code]
    return Problem(status, problem_body(code, title, status, detail, faults), dict(headers or {}))


def as_forbidden(answer: Problem) -> Problem:
    """The same with 403 for 401."""
    headers = {name: value for name, value in answer.headers.items() if name != "www-authenticate"}
    return Problem(403, {**answer.body, "status": 403}, headers)


def of_error(error: AppError) -> Problem:
    """What a client is told about an error that was raised on purpose."""
    if error.code not in PROBLEMS or error.code == "internal":
        return problem("internal")
    answer = problem(error.code, error.message, faults=error.faults if isinstance(error, FieldError) else None)
    components = getattr(error, "components", None)
    if components is not None:
        answer.body["components"] = components
    tries_left = getattr(error, "tries_left", None)
    if tries_left is not None:
        answer.body["tries_left"] = tries_left
    if isinstance(error, AcceptanceUnknown):
        answer.body["command_id"] = error.command_id
        answer.headers["location"] = command_path(error.command_id)
    command = getattr(error, "command", None)
    if command is not None:
        answer.body["command"] = command
        answer.headers["location"] = command_path(command["id"])
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        answer.headers["retry-after"] = str(max(1, math.ceil(retry_after_s)))
    if answer.status == 401:
        answer.headers["www-authenticate"] = CHALLENGE
    return answer


CHALLENGE = 'Bearer realm="wallport"'


def of_token(answer: Problem) -> Problem:
    """The same for a request that came with a token: says that this token is not valid any more, whatever it is tried
    for (RFC 6750 §3.1). The relay's door learns by that of logins that have ended. A wrong password is something else.
    """
    if answer.status != 401 or answer.body["code"] not in ("invalid_token", "login_required"):
        return answer
    told = {**answer.headers, "www-authenticate": f'{CHALLENGE}, error="invalid_token"'}
    return Problem(answer.status, answer.body, told)


def command_path(command_id: str) -> str:
    """Where a command's record answers."""
    return f"/api/v1/commands/{command_id}"


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """What a client is told about an error of the web server itself, such as 405 or 413."""
    for code, (known, _) in PROBLEMS.items():
        if known == status and code in _SERVERS_OWN:
            return problem(code, headers=headers)
    return problem("bad_request" if 400 <= status < 500 else "internal", headers=headers)


_SERVERS_OWN = frozenset(
    {
        "bad_request",
        "not_found",
        "method_not_allowed",
        "request_timeout",
        "body_too_large",
        "upgrade_required",
        "overloaded",
    }
)
