"""One request of the tunnel, served in a thread of its own: from OPEN to the last byte, through the local api.

A `Stream` is where the session's reader leaves what came and the serving thread picks it up; both share the session's
one lock, and neither does I/O while holding it. What the phone may not do is answered here, see edge/dispatch.py.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

import orjson

from common import logs
from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import BadPayload, ErrorCode
from common.tunnel.events import DataReceived, MessageReceived, StreamOpened, WebsocketClosed
from common.tunnel.frames import Fields, Kind
from edge.dispatch import Refusal, answer_fields, api_fields, body_size, refusal
from edge.tunnel import ApiUnavailable, ApiWebsocket, Exchange, LocalApi, WebsocketRefused

SMALL_ANSWER = 64 * 1024
"""Bytes of an answer that is read whole before its head is sent, so that both travel in one message."""

Inbound = DataReceived | MessageReceived | WebsocketClosed

log = logs.get(__name__)


class StreamGone(Exception):
    """The stream was reset, or its tunnel ended: nobody waits for the answer any more."""


class Session(Protocol):
    """What a stream needs of its tunnel; `connection` only under `lock`."""

    lock: threading.Lock
    connection: TunnelConnection

    def wake_writer(self) -> None:
        """Something may have to be sent. Under `lock`."""
        ...

    def forget(self, stream_id: int) -> None:
        """The stream's thread is done with it. Under `lock`."""
        ...


class Stream:
    """The serving threads' end: blocking calls that raise StreamGone once the stream is over."""

    def __init__(self, session: Session, opened: StreamOpened) -> None:
        self.opened = opened
        self._session = session
        self._changed = threading.Condition(session.lock)
        self._inbox: deque[Inbound] = deque()  # bounded by the stream's window
        self._is_gone = False
        self._abort: Callable[[], None] | None = None

    # The reader's calls, under the lock.

    def put(self, event: Inbound) -> None:
        self._inbox.append(event)
        self._changed.notify_all()

    def became_writable(self) -> None:
        self._changed.notify_all()

    def gone(self) -> None:
        """Wake whoever waits, here or at the api."""
        self._is_gone = True
        self._changed.notify_all()
        if self._abort is not None:
            self._abort()

    # The serving threads' calls.

    @property
    def is_gone(self) -> bool:
        return self._is_gone

    def on_gone(self, abort: Callable[[], None] | None) -> None:
        """Call this when the stream is over while the api is still busy with it; it must not block. None: no more."""
        with self._session.lock:
            self._abort = abort
            if self._is_gone and abort is not None:
                abort()

    def next(self) -> Inbound:
        """Wait for what comes next; owes `taken` for data and messages."""
        with self._session.lock:
            while not self._inbox:
                self._check()
                self._changed.wait()
            return self._inbox.popleft()

    def taken(self, size: int) -> None:
        with self._session.lock:
            self._session.connection.consumed(self.opened.stream_id, size)
            self._session.wake_writer()

    def send_headers(self, status: int, fields: Fields, *, end: bool = False) -> None:
        self._send_headers(status, fields, b"", end=end)

    def send_whole(self, status: int, fields: Fields, body: bytes) -> None:
        """Head and body at once if there is room, else one after the other."""
        sent = self._send_headers(status, fields, body, end=True)
        if sent < len(body):
            self.send_data(body[sent:], end=True)

    def send_data(self, data: bytes, *, end: bool = False) -> None:
        """Waits for credit."""
        connection, stream_id, at = self._session.connection, self.opened.stream_id, 0
        with self._session.lock:
            while at < len(data):
                room = self._room()
                piece = data[at : at + room]
                at += len(piece)
                connection.send_data(stream_id, piece, end=end and at == len(data))
                self._session.wake_writer()
            if end and not data:
                self._check()
                connection.send_data(stream_id, b"", end=True)
                self._session.wake_writer()

    def send_message(self, data: bytes, is_text: bool) -> None:
        """Waits for credit."""
        with self._session.lock:
            self._room()
            self._session.connection.send_message(self.opened.stream_id, data, is_text)
            self._session.wake_writer()

    def close_websocket(self, code: int | None, reason: str) -> None:
        with self._session.lock:
            if not self._is_gone:
                self._session.connection.close_websocket(self.opened.stream_id, code, reason)
                self._session.wake_writer()

    def finish(self) -> None:
        """All of the answer is given to the tunnel; what the phone still sends is not wanted."""
        with self._session.lock:
            while self._inbox:
                event = self._inbox.popleft()
                if not isinstance(event, WebsocketClosed):
                    self._session.connection.consumed(self.opened.stream_id, len(event.data))
            self._session.forget(self.opened.stream_id)

    def reset(self, error: ErrorCode, detail: str = "") -> None:
        """Give it up; drops also what is not yet sent. Idempotent."""
        with self._session.lock:
            self._session.connection.reset(self.opened.stream_id, error, detail)
            self._session.forget(self.opened.stream_id)
            self._is_gone = True
            self._changed.notify_all()
            self._session.wake_writer()

    def _send_headers(self, status: int, fields: Fields, body: bytes, *, end: bool) -> int:
        """Returns how much of the body went along."""
        connection, stream_id = self._session.connection, self.opened.stream_id
        with self._session.lock:
            self._check()
            connection.send_headers(stream_id, status, fields, end=end and not body)
            room = connection.writable(stream_id) if body else 0
            if room:
                connection.send_data(stream_id, body[:room], end=end and room >= len(body))
            self._session.wake_writer()
            return min(room, len(body))

    def _room(self) -> int:
        """Under the lock: wait until something may be sent; how many bytes."""
        while True:
            self._check()
            room = self._session.connection.writable(self.opened.stream_id)
            if room > 0:
                return room
            self._changed.wait()

    def _check(self) -> None:
        if self._is_gone:
            raise StreamGone


def serve(stream: Stream, api: LocalApi, submit: Callable[[Callable[[], None]], None]) -> None:
    """Serve one request to its end. `submit` runs another function in a thread, for the second half of a websocket."""
    opened = stream.opened
    try:
        refused = refusal(opened.method, opened.path)
        if refused is not None:
            _refuse(stream, refused)
        elif opened.kind is Kind.WEBSOCKET:
            _serve_websocket(stream, api, submit)
        else:
            _serve_http(stream, api)
        stream.finish()
    except StreamGone:
        stream.finish()
    except ApiUnavailable as exc:
        if not stream.is_gone:  # else it was cut off because of that
            log.info("api_failed", reason=exc.message, detail=exc.detail)
        stream.reset(ErrorCode.UPSTREAM, exc.message)
    except BadPayload as exc:
        stream.reset(ErrorCode.UPSTREAM, f"the api's answer cannot travel: {exc.message}")
    except Exception:  # the handler of one inbound message
        log.error("stream_failed", exc_info=True)
        stream.reset(ErrorCode.INTERNAL)


def _refuse(stream: Stream, refused: Refusal) -> None:
    body = {"type": "about:blank", "title": refused.code.replace("_", " ").capitalize(), "status": refused.status}
    encoded = orjson.dumps(body | {"code": refused.code, "detail": refused.detail})
    fields = (("content-type", "application/problem+json"), ("content-length", str(len(encoded))))
    if stream.opened.method == "HEAD":
        stream.send_headers(refused.status, fields, end=True)
    else:
        stream.send_whole(refused.status, fields, encoded)


def _serve_http(stream: Stream, api: LocalApi) -> None:
    opened = stream.opened
    try:
        expected = body_size(opened.fields) if not opened.is_ended else None
    except ValueError:
        _refuse(stream, Refusal(400, "bad_request", "Content-Length is malformed."))
        return
    fields = api_fields(opened.fields, opened.client_address)
    exchange = api.request(opened.method, opened.path, fields, has_body=not opened.is_ended)
    try:
        stream.on_gone(exchange.abort)
        if not opened.is_ended and not _send_body(stream, exchange, expected):
            exchange.abort()
            stream.reset(ErrorCode.PROTOCOL, "the body and its content-length differ")
            return
        _send_answer(stream, exchange)
    finally:
        stream.on_gone(None)  # the connection may serve another request from now on
        exchange.finish()


def _send_body(stream: Stream, exchange: Exchange, expected: int | None) -> bool:
    """False if the body is not as long as was promised; then the api must not take it for whole."""
    size = 0
    while not exchange.is_answered_early:
        event = stream.next()
        if not isinstance(event, DataReceived):
            return False
        size += len(event.data)
        if expected is not None and (size > expected or (event.is_ended and size != expected)):
            return False
        exchange.send(event.data)
        stream.taken(len(event.data))
        if event.is_ended:
            exchange.end_body()
            return True
    return True


def _send_answer(stream: Stream, exchange: Exchange) -> None:
    status, named = exchange.answer()
    fields = answer_fields(named)
    if exchange.size_left == 0:
        stream.send_headers(status, fields, end=True)
        return
    if exchange.size_left is not None and exchange.size_left <= SMALL_ANSWER:
        pieces = []
        while exchange.size_left:
            pieces.append(exchange.read())
        stream.send_whole(status, fields, b"".join(pieces))
        return
    stream.send_headers(status, fields)
    while data := exchange.read():
        stream.send_data(data, end=exchange.size_left == 0)
        if exchange.size_left == 0:
            return
    stream.send_data(b"", end=True)


def _serve_websocket(stream: Stream, api: LocalApi, submit: Callable[[Callable[[], None]], None]) -> None:
    opened = stream.opened
    try:
        websocket = api.websocket(opened.path, api_fields(opened.fields, opened.client_address))
    except WebsocketRefused as exc:
        stream.send_whole(exc.status, answer_fields(list(exc.fields)), exc.body)
        return
    is_downward_done = threading.Event()
    try:
        stream.on_gone(websocket.abort)
        chosen = websocket.subprotocol
        stream.send_headers(101, (("sec-websocket-protocol", chosen),) if chosen is not None else ())
        submit(lambda: _send_down(stream, websocket, is_downward_done))
        _send_up(stream, websocket)
    finally:
        websocket.abort()
    is_downward_done.wait(1.0)  # its goodbye may be on the way


def _send_up(stream: Stream, websocket: ApiWebsocket) -> None:
    """The phone's messages to the api, until the phone's goodbye has been passed on."""
    while True:
        event = stream.next()
        if isinstance(event, WebsocketClosed):
            websocket.close(event.code, event.reason)
            stream.close_websocket(event.code, event.reason)
            return
        if isinstance(event, MessageReceived):
            try:
                websocket.send(event.data, event.is_text)
            except ApiUnavailable:
                if websocket.closed_with is None:
                    raise
                # it closed in order; the phone did not know that yet
            stream.taken(len(event.data))


def _send_down(stream: Stream, websocket: ApiWebsocket, done: threading.Event) -> None:
    """The api's messages to the phone, and its goodbye."""
    try:
        while (message := websocket.receive()) is not None:
            stream.send_message(*message)
        closed_with = websocket.closed_with
        if closed_with is None:
            stream.reset(ErrorCode.UPSTREAM, "the api is gone")
        else:
            stream.close_websocket(*closed_with)
    except StreamGone:
        pass
    finally:
        done.set()
