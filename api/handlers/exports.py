"""Charge sessions as files: read from the store page by page, and sent as they are made.

The first page is read before the answer begins, so that an outage is a problem and not half a file. When one begins
later, the connection is cut: a file that lacks its end must not look whole.
"""

from asyncio import WriteTransport
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import cast

from sanic import HTTPResponse, Request
from sanic.response import BaseHTTPResponse

from api import charge_sessions as decisions
from api import downloads, inputs
from api.charge_sessions import Viewer
from api.errors import StateUnknown
from api.exports import csv, pdf
from api.exports.lines import Heading, Line
from api.exports.summary import Meters
from api.handlers.audit import audit
from api.handlers.charge_sessions import viewer_of
from api.handlers.state import known
from api.ports import Deps, deps_of
from api.sight import Sight
from common.errors import RedisUnavailable
from common.store.rows import SessionFilter, SessionRow

ROWS_AT_ONCE = 100  # 9 ms of the event loop's time on a PC, while CSV is made of them
COMMON = decisions.FILTERS | {"lang", "ticket"}

MOST_READ = 20 * pdf.MOST_SESSIONS
"""Of everybody's sessions for one record: the meters are followed through all of them."""


@dataclass(frozen=True, slots=True)
class _Export:
    """What is asked for, and by whom."""

    parameters: Mapping[str, str]
    viewer: Viewer
    wanted: SessionFilter
    heading: Heading


async def csv_file(request: Request) -> HTTPResponse | None:
    """CSV, streamed."""
    asked = await _asked(request, {"separator", "bom"})
    style = downloads.csv_style(asked.parameters, asked.heading)
    headers = downloads.headers(asked.heading, "csv")
    media_type = "text/csv; charset=utf-8"
    pages = _pages(deps_of(request), asked)
    if request.method == "HEAD":
        async with _answering(request, headers, media_type) as answer:
            await answer.send(b"")  # so that it says nothing of a length, as GET does
        return None
    first: list[Line] = await anext(pages, [])
    async with _answering(request, headers, media_type) as answer:
        await answer.send(csv.head(style) + csv.body(first, style))
        async for page in pages:
            await answer.send(csv.body(page, style))
    return None


async def xlsx_file(request: Request) -> HTTPResponse | None:
    """A workbook, made in a file and then sent."""
    asked = await _asked(request, ())
    headers = downloads.headers(asked.heading, "xlsx")
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    deps = deps_of(request)
    async with deps.documents.turn(asked.viewer.user), deps.documents.workbook(asked.heading) as workbook:
        count = 0
        async for page in _pages(deps, asked):
            count += len(page)
            downloads.check_length(count, downloads.MOST_IN_A_WORKBOOK)
            await workbook.add(page)
        size, pieces = await workbook.finished()
        headers["content-length"] = str(size)
        async with _answering(request, headers, media_type) as answer:
            async for piece in pieces:
                await answer.send(piece)
    return None


async def pdf_file(request: Request) -> HTTPResponse:
    """The printed record."""
    asked = await _asked(request, ())
    headers = downloads.headers(asked.heading, "pdf")
    deps = deps_of(request)
    lines: list[Line] = []
    async with deps.documents.turn(asked.viewer.user):
        async for page in _pages(deps, asked):
            lines += page
            downloads.check_length(len(lines), pdf.MOST_SESSIONS)
        meters = await _meters(deps, asked.wanted, lines)
        content = await deps.documents.pdf(lines, meters.trails(), asked.heading)
    return HTTPResponse(content, 200, headers, "application/pdf")


async def _asked(request: Request, own_parameters: set[str] | tuple[str, ...]) -> _Export:
    deps, viewer = deps_of(request), viewer_of(request)
    parameters = inputs.query(request.query_string, COMMON.union(own_parameters))
    if request.method != "HEAD":
        told = {name: value for name, value in parameters.items() if name != "ticket"}
        audit(request, "export", subject=request.path.rpartition("/")[2], new=told)
    language = downloads.language(parameters, request.headers.get("accept-language", ""))
    wanted = decisions.wanted(parameters, viewer, deps.settings.time_zone)
    heading = Heading(
        site_name=deps.settings.site_name,
        language=language,
        zone=deps.settings.time_zone,
        made_at=int(deps.clock.now()),
        made_by=viewer.user,
        from_s=wanted.from_s,
        to_s=wanted.to_s,
        charge_point=wanted.charge_point,
        user=wanted.user_name,
        tag=wanted.tag,
        vehicle=wanted.vehicle,
        charge_point_names=await _charge_point_names(deps, viewer.sight),
    )
    return _Export(parameters, viewer, wanted, heading)


async def _charge_point_names(deps: Deps, sight: Sight) -> Mapping[str, str]:
    """As far as they are known: a document does without."""
    try:
        points = sight.of(known(await deps.state.observe())).state.charge_points
    except (RedisUnavailable, StateUnknown):
        return {}
    return {identifier: point.name for identifier, point in points.items() if point.name}


async def _pages(deps: Deps, asked: _Export) -> AsyncIterator[list[Line]]:
    """The lines of the document, oldest first, as its reader may see them."""
    async for rows in _rows(deps, asked.wanted):
        corrected = await deps.store.corrections([row.id for row in rows if row.id is not None])
        yield decisions.lines(rows, corrected, asked.viewer)


async def _rows(deps: Deps, wanted: SessionFilter) -> AsyncIterator[Sequence[SessionRow]]:
    """Each page is read when the one before is done with, in a transaction of its own."""
    after: tuple[int, int] | None = None
    while True:
        rows = await deps.store.sessions(wanted, limit=ROWS_AT_ONCE, newest_first=False, after=after)
        if rows:
            yield rows
        if len(rows) < ROWS_AT_ONCE:
            return
        after = (rows[-1].started_at, rows[-1].id or 0)


async def _meters(deps: Deps, wanted: SessionFilter, lines: Sequence[Line]) -> Meters:
    """What the meters say between the first and the last of `lines`, over everybody's sessions in between."""
    meters = Meters()
    if not lines:
        return meters
    everybody = replace(
        wanted,
        from_s=lines[0].session.started_at,
        to_s=lines[-1].session.started_at + 1,
        user_name=None,
        tag=None,
        vehicle=None,
    )
    read = 0
    async for rows in _rows(deps, everybody):
        read += len(rows)
        downloads.check_length(read, MOST_READ)
        for row in rows:
            meters.add(row, is_chosen=decisions.matches(wanted, row))
    return meters


@asynccontextmanager
async def _answering(request: Request, headers: Mapping[str, str], media_type: str) -> AsyncIterator[BaseHTTPResponse]:
    """An answer in pieces, ended at the end of the block; cut off if that is not reached."""
    answer = await request.respond(headers=dict(headers), content_type=media_type)
    is_whole = False
    try:
        yield answer
        await answer.eof()
        is_whole = True
    finally:
        # Sanic would end the body in good order even after an exception.
        if not is_whole:
            cast(WriteTransport, request.transport).abort()
