"""The site's own api over its unix socket: the only place that the tunnel leads to.

HTTP/1.1 by `http.client` on kept connections, bodies both ways piece by piece; websockets by `websockets.sync`.
Nothing here takes a host or port. Raises ApiUnavailable in place of the libraries' exceptions. Called by
edge/loops/tunnel.py in the threads of its streams; `abort` of an exchange may be called from any other.
"""

import contextlib
import http.client
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from edge.tunnel import ApiUnavailable, Pairs, WebsocketRefused

CONNECT_TIMEOUT_S = 5.0
"""The api accepts at once or not at all: it is on this machine."""

SILENCE_TIMEOUT_S = 90.0
"""Without a byte from or to the api: event streams send at least one each 15 s; the relay gives up after 60 s."""

KEPT_CONNECTIONS = 16
"""Idle connections to the api: what one person's page loads at once."""

KEPT_FOR_S = 30.0
"""Below the api's own keep-alive time of 120 s, so that no request meets a connection that is being closed."""

PIECE = 64 * 1024
"""Bytes read from the api at most at once: one stream window."""

LONGEST_MESSAGE = 1024 * 1024  # bytes of one websocket message, as everywhere on the way


class UnixApi:
    """`edge.tunnel.LocalApi`: the api's socket and the idle connections to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # guards _idle
        self._idle: list[tuple[_UnixConnection, float]] = []

    def request(self, method: str, target: str, fields: Pairs, *, has_body: bool) -> "UnixExchange":
        """Send a request's head on a connection of its own. With a body: `send` its pieces, then `end_body`."""
        connection = self._idle_connection() or _UnixConnection(self._path)
        exchange = UnixExchange(self, connection, method)
        try:
            exchange.send_head(target, fields, has_body=has_body)
        except ApiUnavailable:
            exchange.abort()
            connection.close()
            raise
        return exchange

    def websocket(self, target: str, fields: Pairs) -> "UnixWebsocket":
        """Open a websocket; raises WebsocketRefused when the api answers with anything but 101."""
        offered = [
            name.strip() for key, value in fields if key == "sec-websocket-protocol" for name in value.split(",")
        ]
        others = [(key, value) for key, value in fields if key not in ("sec-websocket-protocol", "host")]
        raw = _unix_socket(self._path)
        try:
            with _translated():
                connection = connect(
                    f"ws://localhost{target}",
                    sock=raw,
                    subprotocols=[Subprotocol(name) for name in offered] or None,
                    additional_headers=others,
                    user_agent_header=None,
                    compression=None,
                    proxy=None,
                    open_timeout=CONNECT_TIMEOUT_S,
                    ping_interval=None,  # both ends are on this machine: a dead peer's socket closes
                    close_timeout=2.0,
                    max_size=LONGEST_MESSAGE,
                    max_queue=4,
                ).__enter__()
        except (ApiUnavailable, WebsocketRefused):
            raw.close()
            raise
        return UnixWebsocket(connection)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def keep(self, connection: "_UnixConnection") -> None:
        """Take back a connection whose exchange ended cleanly."""
        with self._lock:
            if len(self._idle) < KEPT_CONNECTIONS:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()

    def _idle_connection(self) -> "_UnixConnection | None":
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, kept_at = self._idle.pop()
            if time.monotonic() - kept_at < KEPT_FOR_S and not _has_something_to_read(connection.sock):
                return connection
            connection.close()  # too old, or the api has closed it


class UnixExchange:
    """`edge.tunnel.Exchange`; its documentation is there."""

    def __init__(self, api: UnixApi, connection: "_UnixConnection", method: str) -> None:
        self._api = api
        self._connection = connection
        self._method = method
        self._is_chunked = False
        self.is_answered_early = False
        self._response: http.client.HTTPResponse | None = None
        self.size_left: int | None = None

    def send_head(self, target: str, fields: Pairs, *, has_body: bool) -> None:
        with _translated():
            self._connection.putrequest(self._method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in fields:
                if name != "content-length" or has_body:
                    self._connection.putheader(name, value.encode("utf-8"))
            if not any(name == "host" for name, _ in fields):
                self._connection.putheader("host", "localhost")
            self._is_chunked = has_body and not any(name == "content-length" for name, _ in fields)
            if self._is_chunked:
                self._connection.putheader("transfer-encoding", "chunked")
            self._connection.endheaders()

    def send(self, data: bytes) -> None:
        """A piece of the body; dropped once the api has answered without waiting for the whole."""
        self.is_answered_early = self.is_answered_early or _has_something_to_read(self._connection.sock)
        if not data or self.is_answered_early:
            return
        self._send(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    def end_body(self) -> None:
        if self._is_chunked and not self.is_answered_early:
            self._send(b"0\r\n\r\n")

    def answer(self) -> tuple[int, list[tuple[str, str]]]:
        with _translated():
            response = self._response = self._connection.getresponse()
        fields = [(name, _as_utf8(value)) for name, value in response.getheaders()]
        self.size_left = 0 if self._method == "HEAD" else response.length  # 0 for 204 and 304, None for chunks
        return response.status, fields

    def read(self) -> bytes:
        response = self._response
        if response is None or self.size_left == 0:
            return b""
        with _translated():
            data = response.read1(PIECE)
        if self.size_left is not None:
            self.size_left -= len(data)
            if not data:
                raise ApiUnavailable("the api broke off its answer")
        elif not data:
            self.size_left = 0
        return data

    def finish(self) -> None:
        """Keep the connection for the next request if it is clean, else close it."""
        response = self._response
        is_clean = response is not None and self.size_left == 0 and not response.will_close
        if response is not None:
            response.close()
        if is_clean and not self.is_answered_early:
            self._api.keep(self._connection)
        else:
            self._connection.close()

    def abort(self) -> None:
        """Cut the connection: whoever waits on it fails at once, and the api sees its client leave."""
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _send(self, data: bytes) -> None:
        try:
            with _translated():
                self._connection.send(data)
        except ApiUnavailable:
            self.is_answered_early = True  # it stopped reading; its answer, if any, tells why


class UnixWebsocket:
    """`edge.tunnel.ApiWebsocket`; its documentation is there."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.subprotocol: str | None = connection.subprotocol

    def send(self, data: bytes, is_text: bool) -> None:
        with _translated():
            self._connection.send(data, text=is_text)

    def receive(self) -> tuple[bytes, bool] | None:
        """The next message and whether it is text; None once it is closed: see `close_code`."""
        try:
            with _translated():
                message = self._connection.recv()
        except ApiUnavailable:
            return None
        return (message.encode("utf-8"), True) if isinstance(message, str) else (message, False)

    @property
    def closed_with(self) -> tuple[int | None, str] | None:
        """Code (None for none) and reason the api closed with; None when the connection was lost or we closed it."""
        received = self._connection.protocol.close_rcvd
        if received is None:
            return None
        return (None if received.code == 1005 else received.code), received.reason

    def close(self, code: int | None, reason: str) -> None:
        """Close towards the api; waits up to 2 s for its part."""
        with contextlib.suppress(WebSocketException, OSError):
            self._connection.close(code, reason)  # type: ignore[arg-type]  # None is not declared: a close without code

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SILENCE_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = _unix_socket(self._path)
        self.sock.settimeout(SILENCE_TIMEOUT_S)


def _unix_socket(path: Path) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        raw.settimeout(CONNECT_TIMEOUT_S)
        raw.connect(str(path))
    except OSError as exc:
        raw.close()
        raise ApiUnavailable("the api is not running", detail=str(exc)) from exc
    return raw


def _has_something_to_read(sock: socket.socket | None) -> bool:
    if sock is None:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _as_utf8(value: str) -> str:
    """`http.client` reads fields as ISO-8859-1; the wire has UTF-8."""
    try:
        return value.encode("iso-8859-1").decode("utf-8")
    except UnicodeDecodeError:
        return value


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except InvalidStatus as exc:
        response = exc.response
        raise WebsocketRefused(
            response.status_code, list(response.headers.raw_items()), bytes(response.body or b"")
        ) from exc
    except ConnectionClosed as exc:
        raise ApiUnavailable("the api closed the websocket", detail=str(exc)) from exc
    except (http.client.HTTPException, WebSocketException, OSError) as exc:
        raise ApiUnavailable("the api does not answer", detail=f"{type(exc).__name__}: {exc}") from exc
