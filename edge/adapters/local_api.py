"""The site's own api over its unix socket: the only place that the tunnel leads to.

HTTP/1.1 on kept connections, bodies both ways piece by piece; `httptools` parses the answers (measured: a twelfth of
what `http.client` costs). Fields and targets are written as they come: the tunnel's codec has refused every control
character, edge/dispatch.py every doubtful target. Nothing here takes a host or port. Raises ApiUnavailable in place of
the libraries' exceptions. Used by the threads of the tunnel's streams; `abort` of an exchange is for any other.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from pathlib import Path

import httptools

from common.tunnel.limits import LONGEST_DATA
from edge.adapters.local_websocket import UnixWebsocket
from edge.tunnel import ApiUnavailable, Pairs

CONNECT_TIMEOUT_S = 5.0
"""The api accepts at once or not at all: it is on this machine."""

SILENCE_TIMEOUT_S = 90
"""Without a byte from or to the api: event streams send at least one each 15 s; the relay gives up after 60 s."""

KEPT_CONNECTIONS = 16
"""Idle connections to the api: what one person's page loads at once."""

KEPT_FOR_S = 30.0
"""Below the api's own keep-alive time of 75 s, so that no request meets a connection that is being closed."""

PIECE = LONGEST_DATA
"""Bytes read from the api at most at once: what one message of the tunnel carries."""

_OWN = threading.local()

LONGEST_HEAD = 64 * 1024
"""Bytes before the answer's body: four times what the tunnel can carry."""


class UnixApi:
    """`edge.tunnel.LocalApi`: the api's socket and the idle connections to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # guards _idle
        self._idle: list[tuple[socket.socket, float]] = []

    def request(self, method: str, target: str, fields: Pairs, *, has_body: bool) -> "UnixExchange":
        """Send a request's head on a connection of its own. With a body: `send` its pieces, then `end_body`."""
        connection = self._idle_connection() or _connected(self._path)
        exchange = UnixExchange(self, connection, method)
        try:
            exchange.send_head(target, fields, has_body=has_body)
        except ApiUnavailable:
            connection.close()
            raise
        return exchange

    def websocket(self, target: str, fields: Pairs) -> UnixWebsocket:
        """Open a websocket; raises WebsocketRefused when the api answers with anything but 101."""
        return UnixWebsocket.over(_connected(self._path), target, fields)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def keep(self, connection: socket.socket) -> None:
        """Take back a connection whose exchange ended cleanly."""
        with self._lock:
            if len(self._idle) < KEPT_CONNECTIONS:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()

    def _idle_connection(self) -> socket.socket | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection, kept_at = self._idle.pop()
            if time.monotonic() - kept_at < KEPT_FOR_S and not _has_something_to_read(connection):
                return connection
            connection.close()  # too old, or the api has closed it


class UnixExchange:
    """`edge.tunnel.Exchange`; its documentation is there."""

    def __init__(self, api: UnixApi, connection: socket.socket, method: str) -> None:
        self._api = api
        self._connection = connection
        self._method = method
        self._is_chunked = False
        self._answer = _Answer(is_bodiless=method == "HEAD")
        self.is_answered_early = False
        self.size_left: int | None = None

    def send_head(self, target: str, fields: Pairs, *, has_body: bool) -> None:
        names = {name for name, _ in fields}
        lines = [f"{self._method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields if has_body or name != "content-length"]
        if "host" not in names:
            lines.append("host: localhost")
        self._is_chunked = has_body and "content-length" not in names
        if self._is_chunked:
            lines.append("transfer-encoding: chunked")
        self._send_all("\r\n".join([*lines, "", ""]).encode("utf-8"))

    def send(self, data: bytes) -> None:
        """A piece of the body; dropped once the api has answered without waiting for the whole."""
        self.is_answered_early = self.is_answered_early or _has_something_to_read(self._connection)
        if not data or self.is_answered_early:
            return
        self._send_body(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    def end_body(self) -> None:
        if self._is_chunked and not self.is_answered_early:
            self._send_body(b"0\r\n\r\n")

    def answer(self) -> tuple[int, list[tuple[str, str]]]:
        received = 0
        while not self._answer.has_head:
            received += self._receive()
            if received > LONGEST_HEAD + PIECE:
                raise ApiUnavailable("the head of the api's answer is too long")
        self.size_left = self._answer.size
        return self._answer.status, self._answer.fields

    def read(self) -> bytes:
        answer = self._answer
        while not (answer.pieces or answer.is_complete):
            self._receive()
        data = answer.pieces[0] if len(answer.pieces) == 1 else b"".join(answer.pieces)
        answer.pieces.clear()
        if self.size_left is not None:
            self.size_left -= len(data)
        elif answer.is_complete:
            self.size_left = 0
        return data

    def finish(self) -> None:
        """Keep the connection for the next request if it is clean, else close it."""
        self._answer.forget_parser()
        if self._answer.is_clean and not self.is_answered_early:
            self._api.keep(self._connection)
        else:
            self._connection.close()

    def abort(self) -> None:
        """Cut the connection: whoever waits on it fails at once, and the api sees its client leave."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> int:
        """Wait for more of the answer; how many bytes came.

        Into a buffer of the thread's: what `recv` makes for the longest piece and then cuts to what came leaves holes
        in the heap, which grew by a MiB a minute (`python -m bench.soak 600`).
        """
        buffer = _buffer()
        try:
            size = self._connection.recv_into(buffer)
            self._answer.feed(memoryview(buffer)[:size])
        except OSError as exc:
            raise ApiUnavailable("the api does not answer", detail=f"{type(exc).__name__}: {exc}") from exc
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            raise ApiUnavailable("the api's answer is malformed", detail=f"{type(exc).__name__}: {exc}") from exc
        return size

    def _send_body(self, data: bytes) -> None:
        try:
            self._send_all(data)
        except ApiUnavailable:
            self.is_answered_early = True  # it stopped reading; its answer, if any, tells why

    def _send_all(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except OSError as exc:
            raise ApiUnavailable("the api does not answer", detail=f"{type(exc).__name__}: {exc}") from exc


class _Answer:
    """What httptools has found in one answer so far, by callbacks. `size` is the body's, None when not known ahead."""

    def __init__(self, *, is_bodiless: bool) -> None:
        self.status = 0
        self.fields: list[tuple[str, str]] = []
        self.size: int | None = None
        self.pieces: list[bytes] = []
        self.has_head = False
        self.is_complete = False
        self.is_clean = False  # complete, and the connection may carry another exchange
        self._is_bodiless = is_bodiless
        self._ends_with_connection = False
        self._parser = httptools.HttpResponseParser(self)

    def forget_parser(self) -> None:
        """The last call: parser and callbacks know each other, and only the garbage collector would free them."""
        del self._parser

    def feed(self, data: bytes | memoryview) -> None:
        if data:
            self._parser.feed_data(data)
        elif self._ends_with_connection:
            self.is_complete = True
        else:
            raise ConnectionError("the connection ended within an answer")

    def on_message_begin(self) -> None:
        if self.has_head:
            self.is_clean = False
            raise ValueError("more than one answer")
        self.fields.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode("ascii"), _text(value)))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.has_head = self.status >= 200  # what is below is followed by the answer proper
        named = {name.lower(): value for name, value in self.fields}
        if self._is_bodiless or self.status in (204, 304):
            self.size, self.is_complete, self.is_clean = 0, True, self._parser.should_keep_alive()
        elif "transfer-encoding" not in named:
            length = named.get("content-length")
            self.size = int(length) if length is not None else None
            self._ends_with_connection = length is None

    def on_body(self, data: bytes) -> None:
        if self.is_complete:
            self.is_clean = False  # a body that must not be
        else:
            self.pieces.append(data)

    def on_message_complete(self) -> None:
        if self.has_head and not self.is_complete:
            self.is_complete, self.is_clean = True, self._parser.should_keep_alive()


def _buffer() -> bytearray:
    """For what this thread receives."""
    buffer: bytearray | None = getattr(_OWN, "buffer", None)
    if buffer is None:
        buffer = _OWN.buffer = bytearray(PIECE)
    return buffer


def _connected(path: Path) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        raw.settimeout(CONNECT_TIMEOUT_S)
        raw.connect(str(path))
        # The kernel's own timeouts: Python's would ask it before every read and write whether one is possible.
        raw.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            raw.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", SILENCE_TIMEOUT_S, 0))
    except OSError as exc:
        raw.close()
        raise ApiUnavailable("the api is not running", detail=str(exc)) from exc
    return raw


def _text(value: bytes) -> str:
    """The wire has UTF-8; what is not is read as HTTP of old meant it."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("iso-8859-1")


def _has_something_to_read(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
