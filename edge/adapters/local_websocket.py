"""A websocket to the site's own api over its unix socket: the protocol of `websockets` without its I/O.

The library's own client starts a thread for each connection, which would be the third of every live push. Here the two
that carry it send and receive themselves. Both parse and frame under a lock that nobody holds over I/O. A second one
keeps what is sent in order, and the receiver never waits for it: an api that reads only after it is read from would
wait for ever. Raises ApiUnavailable and WebsocketRefused in place of the library's exceptions. Opened by
local_api.py.
"""

import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from edge.tunnel import ApiUnavailable, Pairs, WebsocketRefused

OPEN_TIMEOUT_S = 5.0
"""The api accepts at once or not at all: it is on this machine."""

CLOSE_TIMEOUT_S = 2.0
"""For the api's part of the closing handshake."""

LONGEST_MESSAGE = 1024 * 1024  # bytes of one websocket message, as everywhere on the way

PIECE = 64 * 1024  # bytes that are read at once


class UnixWebsocket:
    """`edge.tunnel.ApiWebsocket`; its documentation is there."""

    def __init__(self, raw: socket.socket, protocol: ClientProtocol) -> None:
        self._socket = raw
        self._protocol = protocol
        self._lock = threading.Lock()  # guards the protocol and `_messages`; never held over I/O
        self._sending = threading.Lock()  # held from taking what is framed until it is sent
        self._outgoing: list[bytes] = []  # framed, under `_lock`
        self._messages: deque[tuple[bytes, bool]] = deque()  # bounded by what one read brings
        self._pieces: list[bytes | bytearray | memoryview] = []  # bounded by the protocol's max_size
        self._is_text = False
        self._has_ended = threading.Event()  # nothing more will come

    @classmethod
    def over(cls, raw: socket.socket, target: str, fields: Pairs) -> "UnixWebsocket":
        """Shake hands on a connected socket, which is closed if that fails."""
        offered = [
            name.strip() for key, value in fields if key == "sec-websocket-protocol" for name in value.split(",")
        ]
        protocol = ClientProtocol(
            parse_uri(f"ws://localhost{target}"),
            subprotocols=[Subprotocol(name) for name in offered] or None,
            max_size=LONGEST_MESSAGE,
        )
        request = protocol.connect()
        for key, value in fields:
            if key not in ("sec-websocket-protocol", "host"):
                request.headers[key] = value
        websocket = cls(raw, protocol)
        try:
            with _translated():
                protocol.send_request(request)
                websocket._shake_hands()
        except (ApiUnavailable, WebsocketRefused):
            raw.close()
            raise
        return websocket

    @property
    def subprotocol(self) -> str | None:
        return self._protocol.subprotocol

    def send(self, data: bytes, is_text: bool) -> None:
        with self._lock:
            if self._protocol.state is not OPEN:
                raise ApiUnavailable("the api closed the websocket")
            if is_text:
                self._protocol.send_text(data)
            else:
                self._protocol.send_binary(data)
            self._outgoing += self._protocol.data_to_send()
        with _translated():
            self._flush()

    def receive(self) -> tuple[bytes, bool] | None:
        """The next message and whether it is text; None once it is closed: see `closed_with`."""
        try:
            with _translated():
                while not self._messages:
                    if self._has_ended.is_set():
                        return None
                    self._read()
        except ApiUnavailable:
            self._has_ended.set()
            return None
        return self._messages.popleft()

    @property
    def closed_with(self) -> tuple[int | None, str] | None:
        """Code (None for none) and reason the api closed with; None when the connection was lost or we closed it."""
        received = self._protocol.close_rcvd
        if received is None:
            return None
        return (None if received.code == 1005 else received.code), received.reason

    def close(self, code: int | None, reason: str) -> None:
        """Close towards the api; waits up to 2 s for its part, which the thread in `receive` sees."""
        with contextlib.suppress(WebSocketException, OSError):
            with self._lock:
                if self._protocol.state is OPEN:
                    self._protocol.send_close(code, reason)
                self._outgoing += self._protocol.data_to_send()
            self._flush()
        self._has_ended.wait(CLOSE_TIMEOUT_S)

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        self.abort()  # frees who is sending
        with self._sending:
            self._socket.close()

    def _shake_hands(self) -> None:
        """Send the request and read the answer; raises the library's exceptions, or TimeoutError."""
        deadline = time.monotonic() + OPEN_TIMEOUT_S
        self._outgoing += self._protocol.data_to_send()
        self._flush()
        while self._protocol.state is not OPEN:
            if self._protocol.handshake_exc is not None:
                raise self._protocol.handshake_exc
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            self._read()
        self._socket.settimeout(None)

    def _read(self) -> None:
        """Wait for bytes and take them; answers pings and the api's goodbye."""
        data = self._socket.recv(PIECE)
        with self._lock:
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
                self._has_ended.set()
            for event in self._protocol.events_received():
                if isinstance(event, Frame):
                    self._keep(event)
            self._outgoing += self._protocol.data_to_send()
            if self._protocol.close_rcvd is not None or self._protocol.parser_exc is not None:
                self._has_ended.set()
        self._flush(must_wait=False)

    def _keep(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._pieces.append(frame.data)
        if frame.fin:
            self._messages.append((b"".join(self._pieces), self._is_text))
            self._pieces.clear()

    def _flush(self, *, must_wait: bool = True) -> None:
        """Send what is framed; unless it `must_wait`, leave that to who is sending, who looks again."""
        while self._outgoing:
            if not self._sending.acquire(blocking=must_wait):
                return
            try:
                with self._lock:
                    outgoing, self._outgoing = self._outgoing, []
                for data in outgoing:
                    if data:  # b"" asks for the end of the connection, which `abort` sees to
                        self._socket.sendall(data)
            finally:
                self._sending.release()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except InvalidStatus as exc:
        response = exc.response
        raise WebsocketRefused(
            response.status_code, list(response.headers.raw_items()), bytes(response.body or b"")
        ) from exc
    except (WebSocketException, OSError) as exc:
        raise ApiUnavailable("the api does not answer", detail=f"{type(exc).__name__}: {exc}") from exc
