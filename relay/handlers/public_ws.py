"""A phone's websocket through the tunnel: the site is asked first, and only its 101 upgrades the phone's side.

A refusal keeps its HTTP status and body. Pings stay on their hop; close codes travel as docs/protocol.md says: what
may not be put on the wire becomes 1011. A phone that does not keep up stops the site through the credit windows, not
the tunnel.
"""

import asyncio
import time
from collections import deque

from sanic import Request

from common.tunnel.errors import ErrorCode, phone_close_code
from common.tunnel.events import HeadersReceived, MessageReceived, WebsocketClosed
from common.tunnel.frames import Kind
from relay.door import Admitted
from relay.handlers.carriage import Carriage
from relay.handlers.link import TunnelLink
from relay.handlers.public_http import send_on
from relay.handlers.stream import Stream
from relay.ports import Socket
from relay.problems import StreamFailed

PING_AFTER_S = 20.0
"""Of silence from the phone: below the 30 s after which some mobile networks forget a connection."""

DEAD_AFTER_S = 45.0
"""Of silence from the phone, so after two pings without an answer."""

MOST_WAITING = 64 * 1024
"""Bytes of the phone's messages that wait for credit before its socket is no longer read: a quarter of a window."""

GOODBYE_S = 5.0
"""For the site's part of the goodbye after the phone has left; then the stream is reset."""


async def carry(by: Carriage, request: Request, admitted: Admitted, client_address: str, link: TunnelLink) -> None:
    """Carry a websocket until either side closes it. Raises AppError and UpgradeRefused before the upgrade."""
    by.server.check_upgrade(request)
    stream = link.open(Kind.WEBSOCKET, "GET", admitted.target, admitted.fields, client_address, end=False)
    try:
        head = await stream.head()
        if head.status != 101:
            link.gate.note_answer(admitted, head.status, head.fields, time.time())
            await send_on(by.server.answer(request), stream, head, admitted.site, is_head=False)
            return
        await _carry_messages(by.server.upgrade(request, _subprotocol(head)), stream)
    except asyncio.CancelledError:
        if stream.head_at is None:
            by.cancels.note(client_address, link.loop.time())
        raise
    finally:
        link.forget(stream)


async def _carry_messages(socket: Socket, stream: Stream) -> None:
    phone = _Phone(socket, stream)
    upward = asyncio.create_task(_send_up(phone, stream))
    downward = asyncio.create_task(_send_down(phone, stream))
    watch = asyncio.create_task(_watch(socket))
    try:
        await asyncio.wait([downward])
        await socket.closed.wait()
    except asyncio.CancelledError:
        if not socket.is_closed:  # not the phone leaving, which Sanic reports this way: the relay stops
            socket.close(1012)
            raise
        await asyncio.wait([upward, downward], timeout=GOODBYE_S)
    finally:
        for task in (upward, downward, watch):
            task.cancel()
        await asyncio.wait([upward, downward, watch])


class _Phone:
    """The phone's messages in order, and its socket's back-pressure."""

    def __init__(self, socket: Socket, stream: Stream) -> None:
        self.socket = socket
        self._stream = stream
        self.goodbye: tuple[int | None, str] | None = None
        self._messages: deque[tuple[bytes, bool]] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        socket.listen(self._on_message, self._on_closed)
        stream.when_failed(lambda _: self._writable.set())

    async def next(self) -> tuple[bytes, bool] | None:
        """The next message and whether it is text; None after the last."""
        while not self._messages:
            if self.goodbye is not None:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        data, is_text = self._messages.popleft()
        self._waiting_bytes -= len(data) + 1
        if self._waiting_bytes < MOST_WAITING:
            self.socket.resume_reading()
        return data, is_text

    async def send(self, data: bytes, is_text: bool) -> None:
        """Send a message; waits while the phone does not keep up, at most until its stream is given up for that."""
        self.socket.send(data, is_text=is_text)
        while not (self.socket.is_writable or self.socket.is_closed or self._stream.has_failed):
            self._writable.clear()
            self.socket.when_writable(self._writable.set)
            await self._writable.wait()

    def _on_message(self, data: bytes, is_text: bool) -> None:
        self._messages.append((data, is_text))
        self._waiting_bytes += len(data) + 1  # empty messages count too
        if self._waiting_bytes >= MOST_WAITING:
            self.socket.pause_reading()
        self._arrived.set()

    def _on_closed(self, code: int | None, reason: str) -> None:
        self.goodbye = (code, reason)
        self._arrived.set()


async def _send_up(phone: _Phone, stream: Stream) -> None:
    try:
        while (message := await phone.next()) is not None:
            await stream.paced(len(message[0]))
            await stream.send_message(*message)
        code, reason = phone.goodbye or (1006, "")
        if code == 1006:
            stream.reset(ErrorCode.CANCEL, "the phone is gone")
        else:
            stream.close_websocket(code, reason)
    except StreamFailed:
        return  # the other direction sees it too


async def _send_down(phone: _Phone, stream: Stream) -> None:
    try:
        while True:
            event = await stream.next()
            if isinstance(event, MessageReceived):
                await phone.send(event.data, event.is_text)
                await stream.paced(len(event.data))
                stream.taken(len(event.data))
            elif isinstance(event, WebsocketClosed):
                phone.socket.close(event.code, event.reason)
                stream.close_websocket(event.code, event.reason)
                return
            else:
                raise StreamFailed(ErrorCode.PROTOCOL, "not a message")
    except StreamFailed as failure:
        phone.socket.close(phone_close_code(failure.error), "")


async def _watch(socket: Socket) -> None:
    """Ping a silent phone, and cut the line to one that stays silent."""
    while not socket.is_closed:
        silent_s = 0.0 if socket.is_paused else socket.loop.time() - socket.last_received_at
        if silent_s > DEAD_AFTER_S:
            socket.abort()
            return
        if silent_s >= PING_AFTER_S:
            socket.ping()
        await asyncio.sleep(PING_AFTER_S - silent_s if silent_s < PING_AFTER_S else PING_AFTER_S / 2)


def _subprotocol(head: HeadersReceived) -> str | None:
    return next((value for name, value in head.fields if name == "sec-websocket-protocol"), None)
