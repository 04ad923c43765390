"""A phone's HTTP request through the tunnel and back, both bodies streamed as they come.

The relay holds at most a window of each body. A client that leaves cancels the request at the site; a tunnel that is
lost in the middle cuts the client's connection, so that a truncated body is never taken for a whole one. Bodies with
a known length are counted against it here and at the edge. How fast and how much is in relay/limits.py.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from sanic import Request

from common.errors import AppError
from common.tunnel.errors import ErrorCode
from common.tunnel.events import DataReceived, HeadersReceived
from common.tunnel.frames import Kind
from common.tunnel.limits import LONGEST_DATA
from relay.answers import answer_fields
from relay.door import PREFIX, Admitted
from relay.handlers.carriage import Carriage
from relay.handlers.link import TunnelLink
from relay.handlers.stream import Stream
from relay.limits import Patience, RelayLimits, SlowBody
from relay.ports import Answer
from relay.problems import StreamFailed

SENT_AT_ONCE = LONGEST_DATA
"""Bytes of an answer that are put together for one write, if they are there: a message of the tunnel's."""


class BodyTooLarge(AppError):
    """The request's body is longer than `RelayLimits.body_bytes`."""

    code = "body_too_large"

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"A request may have {most_bytes} bytes.")


async def carry(by: Carriage, request: Request, admitted: Admitted, client_address: str, link: TunnelLink) -> None:
    """Answer the request with the site's answer. Raises AppError as long as nothing was sent to the client."""
    began_at = link.loop.time()
    if admitted.body_size is not None and admitted.body_size > by.limits.body_bytes:
        raise BodyTooLarge(by.limits.body_bytes)
    stream = link.open(
        Kind.HTTP, admitted.method, admitted.target, admitted.fields, client_address, end=not admitted.has_body
    )
    opened_at = link.loop.time()
    upload: asyncio.Task[None] | None = None
    try:
        if admitted.has_body:
            upload = asyncio.create_task(_send_body(request, stream, by.limits))
        head = await _head(stream, upload)
        link.gate.note_answer(admitted, head.status, head.fields, time.time())
        answer = by.server.answer(request)
        head_at = stream.head_at or opened_at
        by.metrics.first_byte_seconds.observe(head_at - began_at)
        by.metrics.overhead_seconds.observe(opened_at - began_at + link.loop.time() - head_at)
        await send_on(answer, stream, head, admitted.site, is_head=request.method == "HEAD")
    except asyncio.CancelledError:
        if stream.head_at is None:
            by.cancels.note(client_address, link.loop.time())
        raise
    finally:
        if upload is not None:
            await _stop(upload)
        link.forget(stream)


async def send_on(writer: Answer, stream: Stream, head: HeadersReceived, site: str, *, is_head: bool) -> None:
    """Send the site's answer on as it comes; on a failure in the middle cut the client's connection."""
    fields = answer_fields(head.status, head.fields, f"{PREFIX}{site}")
    if head.is_ended:
        await writer.whole(head.status, fields, b"")
        return
    counted = _Counted(fields, is_bodiless=is_head or head.status in (204, 304))
    try:
        data, is_ended = await _next_data(stream, counted) if stream.has_next() else (b"", False)
        if is_ended:
            await writer.whole(head.status, fields, data)
        else:
            stream.when_failed(lambda failure: _cut_off(writer, failure))
            await writer.begin(head.status, fields, data)
        while not is_ended:
            await stream.paced(len(data))
            stream.taken(len(data))
            data, is_ended = await _next_data(stream, counted)
            if is_ended:
                await writer.end(data)
            else:
                await writer.write(data)
        await stream.paced(len(data))
        stream.taken(len(data))
    except StreamFailed:
        if not writer.has_begun:
            raise
        writer.abort()


def _cut_off(writer: Answer, failure: StreamFailed) -> None:
    """A client that takes nothing would hold its connection, and what is buffered for it, for as long as it likes."""
    if failure.error is ErrorCode.SLOW_CONSUMER:
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


async def _next_data(stream: Stream, counted: _Counted) -> tuple[bytes, bool]:
    """What has come of the body by now, at least one piece, and whether that is its end. Sending is what costs most."""
    pieces: list[bytes] = []
    size, is_ended = 0, False
    while not is_ended and (not pieces or (size < SENT_AT_ONCE and stream.has_next())):
        event = await stream.next()
        if not isinstance(event, DataReceived):
            raise StreamFailed(ErrorCode.PROTOCOL, "not DATA")
        pieces.append(event.data)
        size += len(event.data)
        is_ended = event.is_ended
        counted.add(len(event.data), is_ended)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces), is_ended


async def _head(stream: Stream, upload: asyncio.Task[None] | None) -> HeadersReceived:
    """The answer's head; or what made the upload fail, if that came first."""
    try:
        return await stream.head()
    except StreamFailed:
        if upload is not None and upload.done() and not upload.cancelled():
            failure = upload.exception()
            if failure is not None and not isinstance(failure, StreamFailed):
                raise failure from None
        raise


async def _send_body(request: Request, stream: Stream, limits: RelayLimits) -> None:
    size = 0
    try:
        async for data in _body(request, limits):
            size += len(data)
            if size > limits.body_bytes:
                raise BodyTooLarge(limits.body_bytes)
            await stream.paced(len(data))
            await stream.write(data)
        await stream.write(b"", end=True)
    except StreamFailed:
        return  # the answer's side sees it too
    except BodyTooLarge:
        stream.reset(ErrorCode.TOO_LARGE)
        raise
    except SlowBody:
        stream.reset(ErrorCode.TIMEOUT)
        raise
    except Exception:
        stream.reset(ErrorCode.CANCEL)  # Sanic found the body malformed; its own answer is a 400
        raise


async def _body(request: Request, limits: RelayLimits) -> AsyncIterator[bytes]:
    """The body in pieces as they come; raises SlowBody when the client keeps us waiting for too long on the whole, and
    Sanic's RequestTimeout after `body_most_s`."""
    body: Any = request.stream
    body.give_time(limits.body_most_s)
    patience = Patience(limits)
    pieces = aiter(body)
    loop = asyncio.get_running_loop()
    while True:
        asked_at = loop.time()
        try:
            async with asyncio.timeout(patience.left_s):
                data = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise SlowBody from None
        patience.got(len(data), loop.time() - asked_at)
        yield data


async def _stop(upload: asyncio.Task[None]) -> None:
    upload.cancel()
    await asyncio.wait([upload])
    if not upload.cancelled():
        upload.exception()  # looked at, so that asyncio does not report it
