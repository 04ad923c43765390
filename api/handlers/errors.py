"""Whatever a handler or Sanic raises becomes a problem; the one place where every exception is caught.

Nothing of an unexpected exception reaches the client: it goes to the log, redacted.
"""

import time

from sanic import HTTPResponse, Request
from sanic.exceptions import MethodNotAllowed, RequestCancelled, SanicException
from sanic.handlers import ErrorHandler

from api import problems
from api.handlers.answers import problem_answer
from common import legacy_app, logs
from common.errors import AppError

log = logs.get(__name__)

WARN_EVERY_S = 60.0


class ProblemHandler(ErrorHandler):
    """Sanic asks it for the answer to every exception, `Exception` itself included."""

    def default(self, request: Request, exception: BaseException) -> HTTPResponse:
        self.log(request, exception)
        if isinstance(exception, AppError):
            problem = problems.of_error(exception)
            if "authorization" in request.headers:
                problem = problems.of_token(problem)
            if problem.status == 401 and legacy_app.is_path(request.path):
                problem = problems.as_forbidden(problem)
            return problem_answer(problem)
        if isinstance(exception, SanicException):
            headers = {"allow": _allowed(request)} if isinstance(exception, MethodNotAllowed) else {}
            return problem_answer(problems.of_status(exception.status_code, headers))
        return problem_answer(problems.problem("internal"))

    def __init__(self) -> None:
        super().__init__()
        self._warned_at: dict[str, float] = {}

    def log(self, request: Request, exception: BaseException) -> None:  # type: ignore[override]  # static in Sanic
        """What a client did wrong is worth a debug line, what we could not do a warning at times, a bug an error."""
        known = {"method": getattr(request, "method", None), "path": _path(request)}
        if isinstance(exception, AppError) and exception.code in problems.PROBLEMS:
            write = log.warning if self._is_worth_a_warning(exception.code) else log.debug
            write("request_refused", reason=exception.code, detail=exception.detail, **known)
        elif isinstance(exception, RequestCancelled):
            log.debug("client_left", **known)
        elif isinstance(exception, SanicException) and exception.status_code < 500:
            log.debug("request_refused", reason=exception.status_code, **known)
        else:
            log.error("request_failed", exc_info=exception, **known)

    def _is_worth_a_warning(self, code: str) -> bool:
        """Of something that we could not do, the first in a while: an outage is asked about many times a second."""
        now = time.monotonic()
        if problems.PROBLEMS[code][0] < 500 or now - self._warned_at.get(code, -WARN_EVERY_S) < WARN_EVERY_S:
            return False
        self._warned_at[code] = now
        return True


def _allowed(request: Request) -> str:
    """The methods of the route that the path belongs to (RFC 9110, 15.5.6); Sanic forgets them for some routes."""
    segments = request.path.strip("/").split("/")
    found: dict[int, set[str]] = {}
    for route in request.app.router.routes:
        parts = route.path.strip("/").split("/")
        if len(parts) == len(segments) and all(
            part.startswith("<") or part == segment for part, segment in zip(parts, segments, strict=True)
        ):
            found.setdefault(sum(part.startswith("<") for part in parts), set()).update(route.methods)
    # A path in plain words is a thing of its own, although it looks like the id of another.
    return ", ".join(sorted(found[min(found)] if found else ()))


def _path(request: Request | None) -> str | None:
    """Without the query, which may hold a ticket."""
    return None if request is None else request.path
