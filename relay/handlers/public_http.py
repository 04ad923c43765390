"""A phone's HTTP request through the tunnel and back, both bodies streamed as they come.

The relay holds at most a window of each body. A client that leaves cancels the request at the site; a tunnel that is
lost in the middle cuts the client's connection, so that a truncated body is never taken for a whole one. Bodies with
a known length are counted against it here and at the edge.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from sanic import Request

from common.errors import AppError
from common.tunnel.errors import ErrorCode
from common.tunnel.events import DataReceived, HeadersReceived
from common.tunnel.frames import Kind
from relay.door import Admitted, response_fields
from relay.handlers.link import Stream, TunnelLink
from relay.ports import Answer, WebServer
from relay.problems import StreamFailed

LONGEST_BODY = 10 * 1024 * 1024
"""Bytes of a request: a restored backup, the largest thing anybody uploads, has about 1 MiB a year."""


class BodyTooLarge(AppError):
    """The request's body is longer than LONGEST_BODY."""

    code = "body_too_large"

    def __init__(self) -> None:
        super().__init__(f"A request may have {LONGEST_BODY} bytes.")


async def carry(server: WebServer, request: Request, admitted: Admitted, client_address: str, link: TunnelLink) -> None:
    """Answer the request with the site's answer. Raises AppError as long as nothing was sent to the client."""
    if admitted.body_size is not None and admitted.body_size > LONGEST_BODY:
        raise BodyTooLarge
    stream = link.open(
        Kind.HTTP, admitted.method, admitted.target, admitted.fields, client_address, end=not admitted.has_body
    )
    upload: asyncio.Task[None] | None = None
    try:
        if admitted.has_body:
            upload = asyncio.create_task(_send_body(request, stream))
        head = await _head(stream, upload)
        await send_on(server.answer(request), stream, head, admitted.site, is_head=request.method == "HEAD")
    finally:
        if upload is not None:
            await _stop(upload)
        link.forget(stream)


async def send_on(writer: Answer, stream: Stream, head: HeadersReceived, site: str, *, is_head: bool) -> None:
    """Send the site's answer on as it comes; on a failure in the middle cut the client's connection."""
    fields = response_fields(head.fields, site)
    if head.is_ended:
        await writer.whole(head.status, fields, b"")
        return
    counted = _Counted(fields, is_bodiless=is_head or head.status in (204, 304))
    try:
        first = await _next_data(stream, counted) if stream.has_next() else None
        if first is not None and first.is_ended:
            await writer.whole(head.status, fields, first.data)
            stream.taken(len(first.data))
            return
        await writer.begin(head.status, fields, first.data if first is not None else b"")
        if first is not None:
            stream.taken(len(first.data))
        while True:
            piece = await _next_data(stream, counted)
            if piece.is_ended:
                await writer.end(piece.data)
                stream.taken(len(piece.data))
                return
            await writer.write(piece.data)
            stream.taken(len(piece.data))
    except StreamFailed:
        if not writer.has_begun:
            raise
        writer.abort()


class _Counted:
    """Holds a body against the length its fields promised."""

    def __init__(self, fields: list[tuple[str, str]], *, is_bodiless: bool) -> None:
        lengths = [value for name, value in fields if name == "content-length"]
        if len(lengths) > 1 or not all(length.isascii() and length.isdigit() for length in lengths):
            raise StreamFailed(ErrorCode.BAD_FIELD, "bad content-length in an answer")
        self._expected = 0 if is_bodiless else int(lengths[0]) if lengths else None
        self._seen = 0

    def add(self, size: int, is_ended: bool) -> None:
        self._seen += size
        if self._expected is None:
            return
        if self._seen > self._expected or (is_ended and self._seen != self._expected):
            raise StreamFailed(ErrorCode.PROTOCOL, "an answer's body and its content-length differ")


async def _next_data(stream: Stream, counted: _Counted) -> DataReceived:
    event = await stream.next()
    if not isinstance(event, DataReceived):
        raise StreamFailed(ErrorCode.PROTOCOL, "not DATA")
    counted.add(len(event.data), event.is_ended)
    return event


async def _head(stream: Stream, upload: asyncio.Task[None] | None) -> HeadersReceived:
    """The answer's head; or what made the upload fail, if that came first."""
    try:
        return await stream.head()
    except StreamFailed:
        if upload is not None and upload.done() and not upload.cancelled():
            failure = upload.exception()
            if isinstance(failure, AppError) and not isinstance(failure, StreamFailed):
                raise failure from None
        raise


async def _send_body(request: Request, stream: Stream) -> None:
    size = 0
    try:
        async for data in _body(request):
            size += len(data)
            if size > LONGEST_BODY:
                raise BodyTooLarge
            await stream.write(data)
        await stream.write(b"", end=True)
    except StreamFailed:
        return  # the answer's side sees it too
    except BodyTooLarge:
        stream.reset(ErrorCode.TOO_LARGE)
        raise
    except Exception:
        stream.reset(ErrorCode.CANCEL)  # Sanic found the body malformed; its own answer is a 400
        raise


async def _body(request: Request) -> AsyncIterator[bytes]:
    body: Any = request.stream
    async for data in body:
        yield data


async def _stop(upload: asyncio.Task[None]) -> None:
    upload.cancel()
    await asyncio.wait([upload])
    if not upload.cancelled():
        upload.exception()  # looked at, so that asyncio does not report it
