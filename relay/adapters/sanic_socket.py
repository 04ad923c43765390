"""The one file that knows Sanic's websocket quirks: a request becomes a socket, and stays Sanic's connection.

Sanic's own websocket class makes a task for every read, holds one lock over sends and pings, answers a ping while a
message waits and so lets messages overtake each other, and closes a healthy peer whose messages are unread (sanic
25.12 with websockets 17). `SanicSocket` takes its place below `WebSocketProtocol`: it runs websockets' sans-I/O
protocol in Sanic's own callbacks, in order, without a task or lock, and never waits. It takes turns with all other
connections (relay/turns.py). Used by the handlers of tunnels and phones.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from sanic import Request
from websockets.datastructures import Headers
from websockets.frames import EXTERNAL_CLOSE_CODES, Frame, Opcode
from websockets.http11 import Request as Upgrade
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from relay.adapters.connections import cut
from relay.ports import UpgradeRefused
from relay.turns import SMALLEST_PIECE, Oddities, Turns

LONGEST_MESSAGE = 1024 * 1024
"""Bytes of one message from anybody; longer ones close with 1009. The tunnel's own messages have 64 KiB."""

CLOSE_TIMEOUT_S = 5.0
"""For the peer's part of the closing handshake; then the connection is cut."""

MOST_UNSENT = 256 * 1024
"""Bytes of pongs and data that may wait for a peer that sends but does not read; then it is cut."""


class SanicSocket:
    """`relay.ports.Socket`; its documentation is there."""

    def __init__(self, protocol: Any, ws_proto: ServerProtocol) -> None:
        self.ws_proto = ws_proto
        self.loop: asyncio.AbstractEventLoop = protocol.loop
        self.last_received_at = self.loop.time()
        self.is_closed = False
        self.is_paused = False  # by pause_reading: nothing can be heard of the peer
        self.closed = asyncio.Event()
        self._protocol = protocol
        self._transport: asyncio.Transport = protocol.transport
        self._turns = Turns()
        self._is_turn_begun = False
        self._is_reading = True
        self._oddities = Oddities(self.last_received_at)
        self._fragments = bytearray()
        self._is_text = False
        self._on_message: Callable[[bytes, bool], None] = lambda _data, _is_text: None
        self._on_closed: Callable[[int | None, str], None] = lambda _code, _reason: None
        self._on_writable: Callable[[], None] | None = None
        self._waiting: asyncio.Task[None] | None = None

    def listen(self, on_message: Callable[[bytes, bool], None], on_closed: Callable[[int | None, str], None]) -> None:
        self._on_message, self._on_closed = on_message, on_closed

    @property
    def is_writable(self) -> bool:
        return bool(self._protocol._can_write.is_set())

    @property
    def unsent_bytes(self) -> int:
        return 0 if self.is_closed else self._transport.get_write_buffer_size()

    def when_writable(self, call: Callable[[], None]) -> None:
        self._on_writable = call
        if self._waiting is None:
            self._waiting = self.loop.create_task(self._wait_until_writable())

    def send(self, data: bytes, *, is_text: bool = False) -> None:
        if self.ws_proto.state is not OPEN:
            return
        if is_text:
            self.ws_proto.send_text(data)
        else:
            self.ws_proto.send_binary(data)
        self._flush()

    def ping(self) -> None:
        if self.ws_proto.state is OPEN:
            self.ws_proto.send_ping(b"")
            self._flush()

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        if self.ws_proto.state is not OPEN:
            return
        if code is not None and code not in EXTERNAL_CLOSE_CODES and not 3000 <= code < 5000:
            code = 1011
        self.ws_proto.send_close(code, reason if code is not None else "")
        self._flush()
        self.loop.call_later(CLOSE_TIMEOUT_S, self.abort)

    def abort(self) -> None:
        if not self.is_closed:
            cut(self._transport)

    def pause_reading(self) -> None:
        if not self.is_paused and not self._transport.is_closing():
            self.is_paused = True
            self._read_on(is_allowed=False)

    def resume_reading(self) -> None:
        if self.is_paused and not self._transport.is_closing():
            self.is_paused = False
            self.last_received_at = self.loop.time()
            if self._turns.has_unread:
                self._begin_turn()
            else:
                self._read_on(is_allowed=True)

    # What comes from the transport, through Sanic's WebSocketProtocol.

    def data_received(self, data: bytes) -> None:
        self.last_received_at = self.loop.time()
        self._turns.add(data)
        self._begin_turn()
        self._take()

    def _begin_turn(self) -> None:
        """What is taken until the loop comes round again counts together."""
        if not self._is_turn_begun:
            self._is_turn_begun = True
            self.loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._is_turn_begun = False
        self._turns.renew()
        if self._turns.has_unread and not self.is_paused:
            self._begin_turn()
        self._take()

    def _take(self) -> None:
        """Take what came, as far as the turn goes, and read on if it is not over."""
        while not (self.is_paused or self.is_closed) and (piece := self._turns.next()) is not None:
            self.ws_proto.receive_data(piece)
            self._handle_events()
        if self.is_closed:
            self._turns.drop()
        if self.unsent_bytes > MOST_UNSENT and not self.is_writable:
            self.abort()
        self._read_on(is_allowed=not self.is_paused and not self._turns.is_over)

    def _read_on(self, *, is_allowed: bool) -> None:
        if is_allowed is not self._is_reading and not self._transport.is_closing():
            self._is_reading = is_allowed
            if is_allowed:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def eof_received(self) -> None:
        self.ws_proto.receive_eof()
        self._handle_events()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._closed(1006, "")
        self.closed.set()

    def _handle_events(self) -> None:
        self._flush()
        for frame in self.ws_proto.events_received():
            if isinstance(frame, Frame) and not self.is_closed:
                self._handle_frame(frame)
        if self.ws_proto.parser_exc is not None:  # 1002, 1007 or 1009 is on its way to the peer
            self._closed(1006, "")
        if self.ws_proto.close_expected():
            self.loop.call_later(CLOSE_TIMEOUT_S, self.abort)

    def _handle_frame(self, frame: Frame) -> None:
        if _is_odd(frame) and self._oddities.is_one_too_many(self.loop.time()):
            self.ws_proto.fail(1008, "too many frames that say nothing")
            self._flush()
            self._closed(1006, "")
            return
        if frame.opcode is Opcode.CLOSE:
            received = self.ws_proto.close_rcvd
            has_code = received is not None and received.code != 1005
            self._closed(received.code if received and has_code else None, received.reason if received else "")
            return
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self._deliver(bytes(frame.data))
                return
        self._fragments += frame.data
        if frame.fin:
            whole = bytes(self._fragments)
            self._fragments.clear()
            self._deliver(whole)

    def _deliver(self, data: bytes) -> None:
        if self._is_text:
            try:
                data.decode("utf-8")
            except UnicodeDecodeError:
                self.ws_proto.fail(1007)
                self._flush()
                self._closed(1006, "")
                return
        self._on_message(data, self._is_text)

    def _flush(self) -> None:
        for data in self.ws_proto.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:  # both sides have said goodbye: a server ends the connection (RFC 6455 §7.1.1)
                self._transport.close()

    def _closed(self, code: int | None, reason: str) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._on_closed(code, reason)

    async def _wait_until_writable(self) -> None:
        await self._protocol._can_write.wait()
        self._waiting = None
        call, self._on_writable = self._on_writable, None
        if call is not None:
            call()


def _is_odd(frame: Frame) -> bool:
    """Whether it brings next to nothing."""
    if frame.opcode in (Opcode.PING, Opcode.PONG):
        return True
    is_piece = frame.opcode is Opcode.CONT or not frame.fin
    return is_piece and len(frame.data) < SMALLEST_PIECE


class _SanicSide:
    """The attributes that WebSocketProtocol uses of its websocket; the names are Sanic's."""

    def __init__(self, socket: SanicSocket) -> None:
        self._socket = socket
        self.ws_proto = socket.ws_proto
        self.loop = socket.loop
        self.data_received = socket.data_received
        self.eof_received = socket.eof_received
        self.connection_lost = socket.connection_lost

    def end_connection(self, code: int) -> None:
        """The handler has returned."""
        self._socket.close(code)

    async def close(self, code: int) -> None:
        """The server stops."""
        self._socket.close(code)


def check_upgrade(request: Request) -> None:
    """Raise UpgradeRefused if the client's opening handshake cannot be answered; sends nothing."""
    _accept(request, None)


def upgrade(request: Request, subprotocol: str | None) -> SanicSocket:
    """Answer 101 and take the connection over. The handler must stay until `closed` is set.

    Raises UpgradeRefused, before anything is sent: also for a client that did not wait for the answer (RFC 6455 §4.1),
    since what it sent may be read in two ways, and Sanic has stopped to read behind it.
    """
    protocol: Any = request.transport.get_protocol()
    if protocol.recv_buffer:
        http: Any = request.stream
        http.keep_alive = False
        raise UpgradeRefused(400, "nothing may be sent before the answer to the handshake")
    ws_proto, head = _accept(request, subprotocol)
    socket = SanicSocket(protocol, ws_proto)
    protocol.websocket = _SanicSide(socket)
    protocol.transport.write(head)
    return socket


def _accept(request: Request, subprotocol: str | None) -> tuple[ServerProtocol, bytes]:
    ws_proto = ServerProtocol(
        subprotocols=[Subprotocol(subprotocol)] if subprotocol is not None else None,
        state=OPEN,
        max_size=LONGEST_MESSAGE,
    )
    if request.version != "1.1":
        raise UpgradeRefused(505, "a websocket needs HTTP/1.1")
    response = ws_proto.accept(Upgrade(request.path, Headers(request.headers.items())))
    if response.status_code != 101:
        raise UpgradeRefused(response.status_code, str(ws_proto.handshake_exc))
    return ws_proto, response.serialize()
