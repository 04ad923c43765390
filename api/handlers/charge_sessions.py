"""Charge sessions: a list in pages, one with its segments, and corrections by admins."""

from sanic import HTTPResponse, Request

from api import charge_sessions as decisions
from api import inputs, odd_readings
from api.access import Role
from api.charge_sessions import Viewer
from api.errors import LoginRequired, NotAllowed, NotFound
from api.handlers.answers import tagged_answer
from api.handlers.audit import audit
from api.ports import deps_of, login_of
from api.shapes_sessions import SessionBody
from common.errors import FieldError
from common.store.errors import SessionUnknown
from common.store.rows import SessionRecord, UserRow


async def sessions(request: Request) -> HTTPResponse:
    """Newest first."""
    deps, viewer = deps_of(request), viewer_of(request)
    parameters = inputs.query(request.query_string, decisions.FILTERS | decisions.PAGING)
    asked = decisions.page(parameters, viewer, deps.settings.time_zone)
    rows = await deps.store.sessions(asked.wanted, limit=asked.limit + 1, newest_first=True, after=asked.after)
    page, is_last = rows[: asked.limit], len(rows) <= asked.limit
    corrected = await deps.store.corrections([row.id for row in page if row.id is not None])
    shown = {
        "items": [decisions.shown(line) for line in decisions.lines(page, corrected, viewer)],
        "next_cursor": None if is_last else decisions.cursor(page[-1]),
    }
    return tagged_answer(request, shown, "sessions", shown)


async def session(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- the name in the URL's template
    inputs.query(request.query_string, ())
    return await _whole(request, await _known(request, id))


async def correct(request: Request, id: str) -> HTTPResponse:  # noqa: A002 -- see above
    """Change fields, for a reason; what stood there, and who changed it, is kept."""
    inputs.query(request.query_string, ())
    body = inputs.body(request.body, SessionBody)
    changes = decisions.changes(body)
    deps = deps_of(request)
    admin = await _present_admin(request)
    if isinstance(body.user, str):
        user = await deps.store.user(body.user)
        if user is None:
            raise FieldError("the correction cannot be", {"user": "is nobody's name here"})
        changes["user_name"] = user.name
    before = await _known(request, id)
    changes = decisions.only_changes(changes, before.session)
    try:
        record = await deps.store.correct_session(
            before.session.id or 0, changes, by=admin.name, at_s=int(deps.clock.now()), reason=body.reason
        )
    except SessionUnknown as exc:
        raise NotFound("there is no such charge session") from exc
    except FieldError as exc:
        raise decisions.with_api_names(exc) from exc
    old = {name: getattr(before.session, name, None) for name in changes}
    audit(request, "session_correct", subject=str(record.session.id), old=old, new=dict(changes))
    return await _whole(request, record)


def viewer_of(request: Request) -> Viewer:
    login = login_of(request)
    return Viewer(login.role, login.user, login.sight)


async def _known(request: Request, id: str) -> SessionRecord:  # noqa: A002 -- see above
    """The session; raises NotFound, also for one that this role may not see: nobody learns which ids there are."""
    session_id = decisions.identifier(id)
    record = await deps_of(request).store.session(session_id) if session_id is not None else None
    if record is None or not decisions.may_see(record.session, viewer_of(request)):
        raise NotFound("there is no such charge session")
    return record


async def _whole(request: Request, record: SessionRecord) -> HTTPResponse:
    session_id = record.session.id or 0
    corrections = (await deps_of(request).store.corrections([session_id])).get(session_id, ())
    line = decisions.visible(decisions.line_of(record.session, corrections), viewer_of(request))
    odd = await deps_of(request).store.odd_readings(*odd_readings.wanted(record.session, deps_of(request).clock.now()))
    shown = decisions.shown_whole(record, line, odd)
    return tagged_answer(request, shown, "session", shown)


async def _present_admin(request: Request) -> UserRow:
    """Whoever is logged in, as they are now: somebody who was disabled, or is no admin any more, corrects nothing."""
    user = await deps_of(request).store.user(login_of(request).user)
    if user is None or user.is_disabled:
        raise LoginRequired("this user may no longer log in")
    if user.role != Role.ADMIN:
        raise NotAllowed("your role does not allow this")
    return user
