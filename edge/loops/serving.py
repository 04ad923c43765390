"""Serves one request of the tunnel in a thread of its own: from OPEN to the last byte, through the local api.

What the phone may not do is answered here, see edge/dispatch.py. A stream that is over ends its request to the api,
and an api that fails resets the stream; neither reaches another request.
"""

import threading
from collections.abc import Callable

import orjson

from common import logs
from common.problems import MEDIA_TYPE, problem_body, title_of
from common.tunnel import self_check
from common.tunnel.errors import BadPayload, ErrorCode
from common.tunnel.events import DataReceived, MessageReceived, WebsocketClosed
from common.tunnel.frames import Kind
from edge.dispatch import Refusal, answer_fields, api_fields, body_size, refusal
from edge.loops.streams import Stream, StreamGone
from edge.tunnel import ApiUnavailable, ApiWebsocket, Exchange, LocalApi, NoThreadLeft, WebsocketRefused

SMALL_ANSWER = 64 * 1024
"""Bytes of an answer that is read whole before its head is sent, so that both travel in one message."""

log = logs.get(__name__)


def serve(stream: Stream, api: LocalApi, submit: Callable[[Callable[[], None]], None]) -> None:
    """Serve one request to its end. `submit` runs another function in a thread, for the second half of a websocket."""
    opened = stream.opened
    try:
        refused = refusal(opened.method, opened.path)
        if opened.path == self_check.PATH and opened.method == "GET" and opened.kind is Kind.HTTP:
            stream.send_headers(204, (), end=True)
        elif refused is not None:
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
    except NoThreadLeft as exc:
        log.warning("no_thread_left", detail=exc.detail)
        stream.reset(ErrorCode.CALM_DOWN, exc.message)
    except BadPayload as exc:
        stream.reset(ErrorCode.UPSTREAM, f"the api's answer cannot travel: {exc.message}")
    except Exception:  # the handler of one inbound message
        log.error("stream_failed", exc_info=True)
        stream.reset(ErrorCode.INTERNAL)


def _refuse(stream: Stream, refused: Refusal) -> None:
    encoded = orjson.dumps(problem_body(refused.code, title_of(refused.code), refused.status, refused.detail))
    fields = (("content-type", MEDIA_TYPE), ("content-length", str(len(encoded))))
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
    is_downward_done, is_downward_begun = threading.Event(), False
    try:
        stream.on_gone(websocket.abort)
        chosen = websocket.subprotocol
        stream.send_headers(101, (("sec-websocket-protocol", chosen),) if chosen is not None else ())
        submit(lambda: _send_down(stream, websocket, is_downward_done))
        is_downward_begun = True
        _send_up(stream, websocket)
    finally:
        websocket.abort()
        if not is_downward_begun:
            websocket.finish()
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
        websocket.finish()
        done.set()
