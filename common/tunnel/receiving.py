"""What each frame from the peer does: one method per frame type, called by connection.py in the order of arrival.

Raises ProtocolError, which ends the connection, for what the state table or the windows do not allow. Frames for a
stream that is over (they crossed our RESET or END on the way) are dropped, and their credit given back.
"""

from collections.abc import Callable

from common.tunnel.errors import BadPayload, ErrorCode, ProtocolError
from common.tunnel.events import (
    DataReceived,
    Event,
    GoAwayReceived,
    HeadersReceived,
    MessageReceived,
    StreamOpened,
    StreamReset,
    WebsocketClosed,
)
from common.tunnel.fields import Open, decode_headers, decode_open, is_event_stream
from common.tunnel.flow import FreeFrames, Priority, frame_cost
from common.tunnel.frames import (
    Flag,
    Frame,
    FrameType,
    Kind,
    decode_close,
    decode_credit,
    decode_goaway,
    decode_reset,
    encode_frame,
    encode_reset,
)
from common.tunnel.liveness import Liveness
from common.tunnel.session import Session
from common.tunnel.states import Role, Step
from common.tunnel.streams import Stream

_FREE = frozenset({FrameType.CREDIT, FrameType.PING, FrameType.PONG, FrameType.GOAWAY})
"""What costs no credit and belongs to no stream, or to one that need not be there. The rest is bounded by streams."""

_CREDITED = frozenset({FrameType.DATA, FrameType.MSG})


class Receiver:
    def __init__(self, session: Session, liveness: Liveness, now: float) -> None:
        self._session = session
        self._liveness = liveness
        self._free = FreeFrames(now)
        self._has_credit = False  # there is news for streams that could not send
        self._peer = session.role.peer
        self._events: list[Event] = []
        self._now = 0.0
        self._handlers: dict[FrameType, Callable[[Frame], None]] = {
            FrameType.OPEN: self._open,
            FrameType.HEADERS: self._headers,
            FrameType.DATA: self._data,
            FrameType.MSG: self._msg,
            FrameType.WSCLOSE: self._wsclose,
            FrameType.RESET: self._reset,
            FrameType.CREDIT: self._credit,
            FrameType.PING: self._ping,
            FrameType.PONG: self._pong,
            FrameType.GOAWAY: self._goaway,
        }

    def begin(self, events: list[Event], now: float) -> None:
        """Some frames come now; what happens is appended to `events`."""
        self._events, self._now = events, now

    def handle(self, frame: Frame) -> None:
        """Take one frame."""
        handler = self._handlers.get(frame.type)
        if handler is None:
            raise ProtocolError(f"{frame.type.name} after the handshake")
        if frame.type in _FREE:
            self._free.take(self._now)
        handler(frame)
        if self._session.out.control.size_bytes > self._session.limits.control_queue_bytes:
            raise ProtocolError("too many frames that want an answer", ErrorCode.CALM_DOWN)

    def skipped(self, length: int) -> None:
        """A frame of a type that is not known here, and need not be."""
        self._free.take(self._now, length)

    def end(self) -> None:
        """That was all for now: tell, once for all of them, which streams may send again."""
        if self._has_credit:
            self._has_credit = False
            self._session.announce_writable(self._events)

    def _open(self, frame: Frame) -> None:
        session, stream_id = self._session, frame.stream_id
        if session.role is not Role.EDGE:
            raise ProtocolError("OPEN from the edge")
        if stream_id % 2 == 0 or stream_id <= session.last_opened:
            raise ProtocolError(f"OPEN of stream {stream_id} after {session.last_opened}")
        session.last_opened = stream_id
        try:
            request = decode_open(frame.payload)
        except BadPayload as fault:
            self._refuse(stream_id, fault.error, fault.message)
            return
        is_ended = bool(frame.flags & Flag.END)
        if request.kind == Kind.WEBSOCKET and is_ended:
            raise ProtocolError("OPEN of a websocket with END")
        if request.kind not in (Kind.HTTP, Kind.WEBSOCKET):
            self._refuse(stream_id, ErrorCode.REFUSED, f"kind {request.kind} is not supported")
        elif session.is_draining:
            self._refuse(stream_id, ErrorCode.REFUSED, "going away")
        elif session.is_full(request.kind, session.limits.streams):
            self._refuse(stream_id, ErrorCode.REFUSED, "too many streams")
        else:
            self._opened(stream_id, request, is_ended)

    def _opened(self, stream_id: int, request: Open, is_ended: bool) -> None:
        kind = Kind(request.kind)
        self._session.add_stream(stream_id, kind).step(self._peer, open_step(kind, is_ended))
        self._events.append(
            StreamOpened(
                stream_id, kind, request.method, request.path, request.fields, request.client_address, is_ended
            )
        )

    def _refuse(self, stream_id: int, error: ErrorCode, detail: str) -> None:
        """Answer an OPEN that starts nothing; the shell need not know."""
        self._session.out.control.frame(encode_frame(FrameType.RESET, stream_id, encode_reset(error, detail)))

    def _headers(self, frame: Frame) -> None:
        stream = self._living(frame)
        if stream is None:
            return
        try:
            answer = decode_headers(frame.payload)
        except BadPayload as fault:
            self._session.abort_and_tell(stream, ErrorCode.UPSTREAM, fault.message, self._events)
            return
        is_ended = bool(frame.flags & Flag.END)
        if answer.status == 101 and is_ended:
            raise ProtocolError("HEADERS 101 with END")
        stream.step(self._peer, headers_step(answer.status, is_ended))
        if is_event_stream(answer.fields):
            stream.priority = Priority.LIVE
        self._events.append(HeadersReceived(stream.id, answer.status, answer.fields, is_ended))
        self._close_if_over(stream)

    def _data(self, frame: Frame) -> None:
        length, is_ended = len(frame.payload), bool(frame.flags & Flag.END)
        if not length and not is_ended:
            raise ProtocolError("DATA of nothing")
        stream = self._charge(frame, frame_cost(FrameType.DATA, length))
        if stream is None:
            return
        stream.step(self._peer, Step.DATA_END if is_ended else Step.DATA)
        stream.receive_data(length)
        self._events.append(DataReceived(stream.id, frame.payload, is_ended))
        self._close_if_over(stream)

    def _msg(self, frame: Frame) -> None:
        length = len(frame.payload)
        if not length and not frame.flags & Flag.FIN:
            raise ProtocolError("MSG of nothing")
        stream = self._charge(frame, frame_cost(FrameType.MSG, length))
        if stream is None:
            return
        stream.step(self._peer, Step.MSG)
        is_text = bool(frame.flags & Flag.TEXT)
        message = stream.receive_piece(frame.payload, frame.flags)
        if stream.assembled_bytes > self._session.limits.message_bytes or (
            message is not None and len(message) > self._session.limits.message_bytes
        ):
            self._session.abort_and_tell(stream, ErrorCode.TOO_LARGE, "websocket message too long", self._events)
        elif message is None:
            self._session.prepay(stream, self._events)
        elif is_text and not _is_utf8(message):
            self._session.abort_and_tell(stream, ErrorCode.BAD_FIELD, "text message is not UTF-8", self._events)
        else:
            self._events.append(MessageReceived(stream.id, message, is_text))

    def _wsclose(self, frame: Frame) -> None:
        stream = self._living(frame)
        if stream is None:
            return
        if stream.is_assembling:
            raise ProtocolError("WSCLOSE within a message")
        code, reason = decode_close(frame.payload)
        stream.step(self._peer, Step.WSCLOSE)
        self._events.append(WebsocketClosed(stream.id, code, reason))
        self._session.forget_if_done(stream)

    def _reset(self, frame: Frame) -> None:
        error, detail = decode_reset(frame.payload)
        stream = self._known(frame)
        if stream is None:
            self._free.take(self._now)
        else:
            self._session.was_reset(stream, error, detail, self._events)

    def _credit(self, frame: Frame) -> None:
        increment = decode_credit(frame.payload)
        if frame.stream_id == 0:
            self._session.out.window.grow(increment)
        else:
            stream = self._known(frame)
            if stream is None:
                return
            stream.outbound.grow(increment)
            stream.has_moved = True
        self._has_credit = True

    def _ping(self, frame: Frame) -> None:
        self._session.out.control.pong(frame.payload)

    def _pong(self, frame: Frame) -> None:
        self._liveness.ponged(frame.payload, self._now)

    def _goaway(self, frame: Frame) -> None:
        session, goaway = self._session, decode_goaway(frame.payload)
        if session.role is Role.RELAY:  # who opens streams; an edge goes on taking those that crossed the GOAWAY
            session.is_draining = True
            for stream in [stream for stream in session.streams.values() if stream.id > goaway.last_id]:
                if not stream.is_closed:
                    self._events.append(StreamReset(stream.id, ErrorCode.REFUSED, "going away", is_local=True))
                session.abort(stream, ErrorCode.CANCEL, "going away")
            session.announce_writable(self._events)
        self._events.append(
            GoAwayReceived(goaway.last_id, goaway.error, goaway.reconnect_after_ms / 1000, goaway.spread_ms / 1000)
        )

    def _known(self, frame: Frame) -> Stream | None:
        """The frame's stream, None when it is gone; raises when it never was."""
        if frame.stream_id % 2 == 0 or frame.stream_id > self._session.last_opened:
            raise ProtocolError(f"{frame.type.name} on stream {frame.stream_id}, which was never opened")
        return self._session.streams.get(frame.stream_id)

    def _living(self, frame: Frame) -> Stream | None:
        stream = self._known(frame)
        if stream is None or stream.is_closed:
            if frame.type not in _CREDITED:
                self._free.take(self._now, len(frame.payload))
            return None
        stream.has_moved = True
        return stream

    def _charge(self, frame: Frame, cost: int) -> Stream | None:
        """Take the cost off both windows; for a stream that is over give the connection's share back at once."""
        self._session.inbound.receive(cost)
        stream = self._living(frame)
        if stream is None:
            self._session.give_credit(None, cost)
        else:
            stream.inbound.receive(cost)
        return stream

    def _close_if_over(self, stream: Stream) -> None:
        if stream.is_closed:
            self._session.drop_unsent(stream)
            self._session.announce_writable(self._events)
            self._session.forget_if_done(stream)


def open_step(kind: Kind, is_ended: bool) -> Step:
    if kind is Kind.WEBSOCKET:
        return Step.OPEN_WEBSOCKET
    return Step.OPEN_END if is_ended else Step.OPEN


def headers_step(status: int, is_ended: bool) -> Step:
    if status == 101:
        return Step.SWITCH
    return Step.HEADERS_END if is_ended else Step.HEADERS


def _is_utf8(message: bytes) -> bool:
    try:
        message.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
