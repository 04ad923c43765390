"""One tunnel connection after its handshake, without I/O: what shells at both ends drive (docs/protocol.md).

A shell owns one websocket and one `TunnelConnection`, and calls it under one lock (asyncio needs none); no call blocks.
`now` is monotonic seconds. Its loop, the same for both roles:

    conn = TunnelConnection(Role.EDGE, now=now(), peer=welcome.limits)     # the relay: Role.RELAY, peer=hello.limits
    on each binary message:   handle(conn.receive(message, now()))         # only parse and enqueue: never wait in here
    on a text message:        handle(conn.close(ErrorCode.PROTOCOL))
    at conn.next_deadline():  handle(conn.tick(now()))                     # from a timer that no send can hold up
    after every call:         while message := conn.data_to_send(): websocket.send(message); read next_deadline() again
    when the websocket ends:  handle(conn.lost("why"))
    on ConnectionClosed:      send what data_to_send() has, close with event.close_code; on TIMEOUT abort the socket

The relay, for a phone's request:

    stream = conn.open_stream(Kind.HTTP, "POST", "/api/v1/x?y=1", fields, client_address="192.0.2.7", end=False)
    while chunk := await body():                                  # StreamRefused above → 503; BadPayload → 400 or 413
        while chunk:
            n = conn.writable(stream) or await StreamWritable     # 0: wait for it, or for the stream's end
            conn.send_data(stream, chunk[:n]); chunk = chunk[n:]
    conn.send_data(stream, b"", end=True)
    HeadersReceived → start the answer; DataReceived → write to the phone, then conn.consumed(stream, len(data));
    is_ended → done, also when the upload is not; StreamReset → http_status(error) if nothing was answered yet, else cut
    the phone off. Phone gone at any time → conn.reset(stream, ErrorCode.CANCEL): needed also after is_ended, unless all
    was consumed. A websocket: open_stream(Kind.WEBSOCKET, "GET", …, end=False); HeadersReceived 101 → upgrade the
    phone, then send_message and MessageReceived (consumed after each, also when empty); phone closes →
    close_websocket(code); WebsocketClosed → close the phone's websocket, then close_websocket with the same code if
    not yet called; StreamReset → close the phone's websocket with phone_close_code(error).

The edge:

    StreamOpened → start a request to the local api, or reset(stream, ErrorCode.REFUSED) when too busy to start it.
    DataReceived → body to the api, then consumed; is_ended → end of the body. Api answers → send_headers(stream,
    status, fields), send_data as above, end=True with the last (HEAD, 204, 304: send_headers(…, end=True)). Api fails →
    reset(stream, ErrorCode.UPSTREAM). A websocket: send_headers(stream, 101, fields) once the api accepted it, or any
    other status with a body as its refusal; then messages as above. StreamReset → drop the request to the api.

Calls on a stream that is over do nothing, so a shell need not mind races with StreamReset. A call the stream's state
does not allow, or more data than `writable`, raises TunnelError: a bug of the shell.
"""

from collections.abc import Iterator
from itertools import islice

from common.tunnel.errors import ErrorCode, ProtocolError, StreamRefused, TunnelError
from common.tunnel.events import Event
from common.tunnel.fields import Headers, Open, encode_headers, encode_open, is_event_stream
from common.tunnel.flow import Priority
from common.tunnel.frames import Fields, Flag, Frame, FrameType, Kind, decode_message, encode_close, encode_frame
from common.tunnel.limits import LONGEST_MESSAGE, Announced, Limits
from common.tunnel.liveness import Liveness
from common.tunnel.receiving import Receiver, headers_step, open_step
from common.tunnel.session import HANDSHAKE_MESSAGES, Session
from common.tunnel.states import Role, State, Step
from common.tunnel.streams import Stream

STREAM_CHECK_S = 5.0
"""Between looks at the streams' own timeouts, which are therefore late by at most this; less if one is shorter."""

HIGHEST_STREAM_ID = (1 << 32) - 1


class TunnelConnection:
    """One end of one tunnel; see the module's docstring for its use. Not thread-safe."""

    def __init__(
        self,
        role: Role,
        *,
        now: float,
        limits: Limits | None = None,
        peer: Announced | None = None,
        ping_phase: float = 0.5,
    ) -> None:
        """`peer` is what the other end announced in its HELLO or WELCOME; `ping_phase`, a random number from 0 to 1,
        spreads the PINGs of many connections over ± 20 %."""
        limits = limits or Limits()
        self._limits = limits
        self._session = Session(role, limits, peer or Announced())
        self._liveness = Liveness(now, limits.ping_after_s * (0.8 + 0.4 * ping_phase), limits.dead_after_s)
        self._receiver = Receiver(self._session, self._liveness, now)
        self._rest: Iterator[Frame] | None = None  # of a message of which only a part was taken
        self._next_number = HANDSHAKE_MESSAGES
        self._last_tick = now
        self._timeouts = {
            State.AWAITING: limits.answer_timeout_s,
            State.UPGRADING: limits.answer_timeout_s,
            State.REQUESTING: limits.progress_timeout_s,
            State.ANSWERING: limits.progress_timeout_s,
            State.RESPONDING: limits.progress_timeout_s,
        }
        shortest_s = min(limits.slow_consumer_s, *self._timeouts.values())
        self._stream_check_s = min(STREAM_CHECK_S, shortest_s / 4)

    @property
    def is_closed(self) -> bool:
        return self._session.is_closed

    @property
    def open_streams(self) -> int:
        """Streams that are open, or ended with something not yet sent or not yet consumed."""
        return len(self._session.streams)

    @property
    def live_streams(self) -> list[int]:
        """Ids of websockets and event streams: what lasts until somebody ends it."""
        return [stream.id for stream in self._session.streams.values() if stream.priority is Priority.LIVE]

    @property
    def is_drained(self) -> bool:
        """No stream is left, and nothing waits to be sent."""
        return not self._session.streams and not self._session.out.control

    @property
    def is_due(self) -> bool:
        """Whether something may have to be sent, or events wait for `tick`. Cheap to ask after each call."""
        return bool(self._session.out.scheduler or self._session.out.control or self._session.pending)

    @property
    def is_midway(self) -> bool:
        """Whether a part of the last message is not taken yet."""
        return self._rest is not None

    @property
    def stalled_streams(self) -> int:
        """Streams on which something waits for the other end, or for the application, to take what came before."""
        return sum(self._session.is_stalled(stream) for stream in self._session.streams.values())

    @property
    def queued_bytes(self) -> int:
        """Content that waits to be sent."""
        return self._session.out.window.queued

    @property
    def rtt_s(self) -> float | None:
        """Of the last PING that was answered."""
        return self._liveness.rtt_s

    # Time and bytes

    def receive(self, message: bytes, now: float, most_frames: int | None = None) -> list[Event]:
        """Take one binary websocket message. A fault in it ends the connection, after what came before the fault.

        A shell that serves others, too, takes `most_frames` of it at a time: while `is_midway`, `receive_rest` must be
        called before the next message.
        """
        if self._rest is not None:
            raise TunnelError(ErrorCode.INTERNAL, "the message before is not taken whole")
        if self._session.is_closed:
            return self._take_pending()
        self._liveness.received(now)
        self._rest = decode_message(message, self._next_number, self._receiver.skipped)
        self._next_number += 1
        return self.receive_rest(now, most_frames)

    def receive_rest(self, now: float, most_frames: int | None = None) -> list[Event]:
        """Take what is left of the last message, or `most_frames` of it."""
        events = self._take_pending()
        rest, count = self._rest, 0
        if rest is None or self._session.is_closed:
            self._rest = None
            return events
        self._receiver.begin(events, now)
        try:
            for frame in islice(rest, most_frames):
                self._receiver.handle(frame)
                count += 1
            self._receiver.end()
        except ProtocolError as fault:
            self._session.end(events, fault.error, fault.message)
        if count != most_frames or self._session.is_closed:
            self._rest = None
        return events

    def tick(self, now: float) -> list[Event]:
        """Let time act: PINGs, a dead peer, streams without answer or progress. Never early, safe to call often."""
        events = self._take_pending()
        if self._session.is_closed:
            return events
        try:
            ping = self._liveness.tick(now)
        except TimeoutError as dead:
            self._session.end(events, ErrorCode.TIMEOUT, str(dead))
            return events
        if ping is not None:
            self._session.out.control.frame(encode_frame(FrameType.PING, 0, ping))
        if self._session.role is Role.RELAY:
            for stream in list(self._session.streams.values()):
                self._check_progress(stream, events, now)
        self._last_tick = now
        return events

    def next_deadline(self) -> float | None:
        """When to call `tick`; in the past when events wait for it; None when closed."""
        if self._session.pending:
            return 0.0
        if self._session.is_closed:
            return None
        if self._session.role is Role.RELAY and self._session.streams:
            return min(self._liveness.deadline, self._last_tick + self._stream_check_s)
        return self._liveness.deadline

    def data_to_send(self, budget: int = LONGEST_MESSAGE) -> bytes | None:
        """The next websocket message to send, or None. `budget` bounds its bytes, but never below one full frame."""
        return self._session.next_message(budget)

    # Streams

    def open_stream(
        self,
        kind: Kind,
        method: str,
        path: str,
        fields: Fields,
        *,
        end: bool,
        priority: Priority | None = None,
        client_address: str = "",
    ) -> int:
        """Relay only: start a stream, returns its id. A websocket's OPEN never has `end`.

        `priority` None: LIVE for websockets, else PLAIN. Raises StreamRefused when none can be started now, and
        BadPayload (BAD_FIELD, TOO_LARGE) when the request must not travel.
        """
        if self._session.is_closed or self._session.is_draining:
            raise StreamRefused("the tunnel is going away")
        if self._session.role is not Role.RELAY or (kind is Kind.WEBSOCKET and end):
            raise TunnelError(ErrorCode.INTERNAL, "only the relay opens streams, and a websocket's OPEN has no end")
        if self._session.is_full(kind, min(self._limits.streams, self._session.peer.streams)):
            raise StreamRefused("too many streams")
        payload = encode_open(Open(kind, method, path, client_address, fields))
        stream_id = self._session.last_opened + 2 if self._session.last_opened else 1
        if stream_id >= 1 << 32:
            raise StreamRefused("stream ids are used up")
        stream = self._session.add_stream(stream_id, kind)
        self._session.act(stream, open_step(kind, end))
        if priority is not None:
            stream.priority = priority
        frame = encode_frame(FrameType.OPEN, stream_id, payload, Flag.END if end else 0)
        self._session.out.control.open(stream_id, frame)
        return stream_id

    def send_headers(self, stream_id: int, status: int, fields: Fields, end: bool = False) -> None:
        """Edge only: answer. Raises BadPayload when the answer must not travel: reset the stream with UPSTREAM then."""
        stream = self._session.living(stream_id)
        if stream is None:
            return
        if status == 101 and end:
            raise TunnelError(ErrorCode.INTERNAL, "an upgraded websocket ends with close_websocket")
        payload = encode_headers(Headers(status, fields))
        self._session.act(stream, headers_step(status, end))
        if is_event_stream(fields):
            stream.priority = Priority.LIVE
        self._session.queue(stream, FrameType.HEADERS, payload, Flag.END if end else 0)

    def send_data(self, stream_id: int, data: bytes, end: bool = False) -> None:
        """Queue a piece of body of at most `writable(stream_id)` bytes."""
        stream = self._session.living(stream_id)
        if stream is None or not (data or end):
            return
        if len(data) > self._session.room(stream):
            raise TunnelError(ErrorCode.FLOW, "more data than writable")
        self._session.act(stream, Step.DATA_END if end else Step.DATA)
        self._session.queue(stream, FrameType.DATA, data, last_flags=Flag.END if end else 0)

    def send_message(self, stream_id: int, data: bytes, is_text: bool) -> None:
        """Queue one whole websocket message while `writable(stream_id)` is not 0; it may be longer than that.

        `data` of a text message is UTF-8. Raises TunnelError: TOO_LARGE over `Limits.message_bytes`.
        """
        stream = self._session.living(stream_id)
        if stream is None:
            return
        if len(data) > self._limits.message_bytes:
            raise TunnelError(ErrorCode.TOO_LARGE, "websocket message too long")
        if not self._session.room(stream):
            raise TunnelError(ErrorCode.FLOW, "not writable")
        self._session.act(stream, Step.MSG)
        self._session.queue(stream, FrameType.MSG, data, Flag.TEXT if is_text else 0, Flag.FIN)

    def close_websocket(self, stream_id: int, code: int | None, reason: str = "") -> None:
        """Close our direction, after what is queued. None or 1005: no code; 1006, 1015 and unknown ones become 1011.

        Does nothing when already called.
        """
        stream = self._session.living(stream_id)
        mine = State.EDGE_LEFT if self._session.role is Role.EDGE else State.RELAY_LEFT
        if stream is None or stream.state is mine:
            return
        self._session.act(stream, Step.WSCLOSE)
        self._session.queue(stream, FrameType.WSCLOSE, encode_close(code, reason))

    def reset(self, stream_id: int, error: ErrorCode, detail: str = "") -> None:
        """Abort the stream and drop what it holds, at both ends. `detail` is for logs, cut at 64 bytes.

        Also for a stream that ended before all was consumed; then nothing is sent.
        """
        stream = self._session.streams.get(stream_id)
        if stream is None:
            return
        self._session.abort(stream, error, detail)
        self._session.announce_writable(self._session.pending)

    def consumed(self, stream_id: int, n_bytes: int) -> None:
        """The application took `n_bytes` of what it was given on this stream: the peer may send as much again.

        Call it for every DataReceived and MessageReceived, or the stream stalls; raises TunnelError for too many bytes.
        """
        stream = self._session.streams.get(stream_id)
        if stream is not None:
            self._session.take(stream, n_bytes)

    def writable(self, stream_id: int) -> int:
        """Bytes that `send_data` takes now; for websockets, whether a message is taken. After a 0 StreamWritable comes.

        Never 0 for a stream that is over, where sending does nothing: nobody shall wait for it.
        """
        stream = self._session.living(stream_id)
        return self._session.writable(stream) if stream is not None else self._session.peer.stream_window_bytes

    # The connection's end

    def go_away(self, error: ErrorCode, *, reconnect_after_s: float = 0.0, spread_s: float = 0.0) -> None:
        """Say that the end is near; the shell closes when `open_streams` is 0 or time is up.

        The edge takes no new streams from then on. The relay's own `open_stream` still works, for requests on
        connections that phones have open: the edge dials again, and serves both until this one is closed.
        """
        if self._session.is_closed or self._session.has_said_goaway:
            return
        self._session.has_said_goaway = True
        self._session.is_draining = self._session.role is Role.EDGE
        self._session.send_goaway(error, reconnect_after_s, spread_s)

    def close(self, error: ErrorCode, detail: str = "") -> list[Event]:
        """End at once: every stream is reset, GOAWAY is left for `data_to_send`."""
        events = self._take_pending()
        if not self._session.is_closed:
            self._session.end(events, error, detail)
        return events

    def lost(self, detail: str) -> list[Event]:
        """The websocket is gone. Streams end with REFUSED where OPEN was not sent, else with UPSTREAM."""
        events = self.close(ErrorCode.UPSTREAM, detail)
        self._session.out.clear()
        return events

    def _take_pending(self) -> list[Event]:
        events, self._session.pending = self._session.pending, []
        return events

    def _check_progress(self, stream: Stream, events: list[Event], now: float) -> None:
        """Reset a stream that got no answer, stands still for no reason, or whose content nobody takes, also when who
        should take it talks on all the while."""
        is_stalled = self._session.is_stalled(stream)
        is_live_answer = stream.priority is Priority.LIVE and stream.state in (State.ANSWERING, State.RESPONDING)
        may_be_silent = stream.state not in self._timeouts or is_live_answer
        has_moved = stream.was_taken_from if stream.has_unread else stream.has_moved
        if has_moved or (may_be_silent and not is_stalled) or is_stalled is not stream.was_stalled:
            stream.has_moved = stream.was_taken_from = False
            stream.was_stalled = is_stalled
            stream.idle_since = now
            return
        timeout_s = self._limits.slow_consumer_s if is_stalled else self._timeouts[stream.state]
        if now - stream.idle_since < timeout_s:
            return
        if is_stalled:
            self._session.abort_and_tell(stream, ErrorCode.SLOW_CONSUMER, f"nothing taken for {timeout_s:g} s", events)
        else:
            self._session.abort_and_tell(stream, ErrorCode.TIMEOUT, f"nothing for {timeout_s:g} s", events)
