"""A site's live tunnel: opens streams, sends what they write, hands on what comes, and watches that the edge lives.

The shell of `TunnelConnection` on the relay. All of it runs on the event loop and without a lock: a read parses and
puts events into the streams' inboxes, which the credit windows bound; whatever is to be sent is collected until the
loop's next turn and goes out as few messages as fit. Liveness has a timer of its own that shares nothing with the
data.
"""

import asyncio

from common import logs
from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import ErrorCode, StreamRefused, tunnel_close_code
from common.tunnel.events import (
    ConnectionClosed,
    DataReceived,
    Event,
    GoAwayReceived,
    HeadersReceived,
    MessageReceived,
    StreamOpened,
    StreamReset,
    StreamWritable,
    WebsocketClosed,
)
from common.tunnel.frames import Fields, Kind
from relay.admission import Gate
from relay.handlers.stream import Stream
from relay.limits import Pacer, RelayLimits
from relay.metrics import Metrics
from relay.ports import Socket
from relay.problems import StreamFailed
from relay.sites import Site

CHECK_EVERY_S = 5.0
"""At most between two looks at the deadlines: the shortest that can arise in between is 12 s away."""

FRAMES_A_TURN = 256
"""Of one message, which may have 7,000 of a byte each: about a millisecond. Then other sites have theirs."""

_ENDINGS = {ErrorCode.UPSTREAM: "lost"}
"""Names for people, where the protocol's would mislead."""

log = logs.get(__name__)


class TunnelLink:
    """A site's tunnel after its handshake. `start` once; `close` or a lost socket ends it and fails its streams."""

    def __init__(
        self,
        site: Site,
        fence: int,
        public_key: str,
        socket: Socket,
        connection: TunnelConnection,
        limits: RelayLimits,
        gate: Gate,
        metrics: Metrics,
    ) -> None:
        self.site = site
        self.gate = gate
        self.fence = fence
        self.public_key = public_key  # that it was proven with
        self.loop = socket.loop
        self.pacer = Pacer(limits.site_bytes_per_s, socket.loop.time())
        self.ended = ""  # why, once it has
        self.is_leaving = False  # the edge stops: no new requests
        self._socket = socket
        self._connection = connection
        self._metrics = metrics
        self._write_stall_s = limits.tunnel.write_stall_s
        self._check_every_s = min(CHECK_EVERY_S, self._write_stall_s / 4)
        self._streams: dict[int, Stream] = {}  # bounded by limits.streams
        self._is_flush_due = False
        self._blocked_since: float | None = None
        self._blocked_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to carry; the socket's messages come here from now on."""
        self._socket.listen(self._on_message, self._on_closed)
        self._arm()
        self._flush_soon()

    @property
    def rtt_s(self) -> float | None:
        """Of the last PING that was answered."""
        return self._connection.rtt_s

    def figures(self) -> tuple[int, int, int]:
        """Open streams, how many of them are stalled, and bytes that wait to be sent."""
        connection = self._connection
        if not connection.open_streams:
            return 0, 0, 0
        return connection.open_streams, connection.stalled_streams, connection.queued_bytes

    # For the public handlers.

    def open(self, kind: Kind, method: str, path: str, fields: Fields, client_address: str, *, end: bool) -> Stream:
        """Begin a request; `end` when it has no body. Raises StreamRefused, or BadPayload for what cannot travel."""
        if self.ended:
            raise StreamRefused("the tunnel has ended")
        stream_id = self._connection.open_stream(kind, method, path, fields, client_address=client_address, end=end)
        self._metrics.requests.labels(kind.name.lower()).inc()
        stream = self._streams[stream_id] = Stream(self, stream_id)
        self._flush_soon()
        return stream

    def forget(self, stream: Stream) -> None:
        """The handler is done with the stream; what is still open of it is cancelled."""
        stream.reset(ErrorCode.CANCEL)
        self._streams.pop(stream.stream_id, None)

    def send_data(self, stream_id: int, data: bytes, *, end: bool) -> None:
        self._connection.send_data(stream_id, data, end=end)
        self._flush_soon()

    def send_message(self, stream_id: int, data: bytes, is_text: bool) -> None:
        self._connection.send_message(stream_id, data, is_text)
        self._flush_soon()

    def close_websocket(self, stream_id: int, code: int | None, reason: str) -> None:
        self._connection.close_websocket(stream_id, code, reason)
        self._flush_soon()

    def reset(self, stream_id: int, error: ErrorCode, detail: str) -> None:
        self._connection.reset(stream_id, error, detail)
        self._flush_soon()

    def consumed(self, stream_id: int, size: int) -> None:
        self._connection.consumed(stream_id, size)
        self._flush_soon()

    def writable(self, stream_id: int) -> int:
        return self._connection.writable(stream_id)

    def note_paced(self, wait_s: float) -> None:
        self._metrics.paced_seconds.inc(wait_s)

    # The end.

    def go_away(self, spread_s: float) -> None:
        """The relay is about to stop: the edge may dial another one, and serves this connection until `close`."""
        if not self.ended:
            self._connection.go_away(ErrorCode.DRAIN, spread_s=spread_s)
            self._flush_soon()

    def end_live_streams(self, error: ErrorCode) -> None:
        """End websockets and event streams, which nobody else would."""
        for stream_id in self._connection.live_streams:
            stream = self._streams.get(stream_id)
            if stream is not None:
                stream.reset(error)

    def close(self, error: ErrorCode, detail: str) -> None:
        """End the tunnel from this side: say why, close the websocket, fail the streams."""
        if self.ended:
            return
        self._handle(self._connection.close(error, detail))
        self._end(error, detail)

    async def wait_until_ended(self) -> None:
        """Until the socket is gone; Sanic keeps the connection as long as its handler runs."""
        await self._socket.closed.wait()

    def abort(self) -> None:
        self._socket.abort()

    # The socket's side.

    def _on_message(self, data: bytes, is_text: bool) -> None:
        if self.ended:
            return
        if is_text:
            self.close(ErrorCode.PROTOCOL, "a text message")
            return
        self._received(self._connection.receive(data, self.loop.time(), FRAMES_A_TURN))

    def _received(self, events: list[Event]) -> None:
        """Hand on what came; the rest of a message of very many frames waits until others had their turn."""
        self._handle(events)
        if self._connection.is_midway and not self.ended:
            self._socket.pause_reading()
            self.loop.call_soon(self._receive_rest)
        elif self._socket.is_paused:
            self._socket.resume_reading()
        self._flush_soon()

    def _receive_rest(self) -> None:
        if not self.ended:
            self._received(self._connection.receive_rest(self.loop.time(), FRAMES_A_TURN))

    def _on_closed(self, code: int | None, reason: str) -> None:
        detail = f"the connection ended with {code} {reason}".strip()
        self._handle(self._connection.lost(detail))
        self._end(ErrorCode.UPSTREAM, detail)

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case HeadersReceived() | DataReceived() | MessageReceived() | WebsocketClosed():
                    stream = self._streams.get(event.stream_id)
                    if stream is not None:
                        stream.put(event)
                    elif isinstance(event, DataReceived | MessageReceived):
                        self._connection.consumed(event.stream_id, len(event.data))
                case StreamReset():
                    stream = self._streams.get(event.stream_id)
                    if stream is not None:
                        self._metrics.resets.labels(event.error.name.lower()).inc()
                        stream.fail(StreamFailed(event.error, event.detail))
                case StreamWritable():
                    stream = self._streams.get(event.stream_id)
                    if stream is not None:
                        stream.wake_writer()
                case ConnectionClosed():
                    if event.error is ErrorCode.TIMEOUT:
                        self._end(event.error, event.detail)
                        self._socket.abort()
                    else:
                        self._flush()
                        self._end(event.error, event.detail)
                case GoAwayReceived():
                    self.is_leaving = True
                    log.info("edge_leaves", site=self.site.name, error=event.error.name)
                case StreamOpened():
                    pass  # never on this side

    def _end(self, error: ErrorCode, detail: str) -> None:
        if self.ended:
            return
        self.ended = detail or error.name.lower()
        self._metrics.tunnels_ended.labels(_ENDINGS.get(error, error.name.lower())).inc()
        log.info("tunnel_ended", site=self.site.name, fence=self.fence, reason=self.ended, error=error.name)
        if self._timer is not None:
            self._timer.cancel()
        for stream in list(self._streams.values()):
            stream.fail(StreamFailed(error, "the tunnel ended"))
        self._socket.close(tunnel_close_code(error), detail[:60])

    # Sending.

    def _flush_soon(self) -> None:
        if not self._is_flush_due and not self.ended and self._connection.is_due:
            self._is_flush_due = True
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        if self.ended:
            return
        if (due := self._connection.next_deadline()) is not None and due <= self.loop.time():
            self._handle(self._connection.tick(self.loop.time()))
        while self._socket.is_writable and not self.ended:
            self._blocked_since = None
            message = self._connection.data_to_send()
            if message is None:
                return
            self._socket.send(message)
        if self._blocked_since is None:
            self._blocked_since, self._blocked_bytes = self.loop.time(), self._socket.unsent_bytes
        self._socket.when_writable(self._flush)

    # Liveness.

    def _arm(self) -> None:
        deadline = self._connection.next_deadline()
        now = self.loop.time()
        at = now + self._check_every_s if deadline is None else min(max(deadline, now), now + self._check_every_s)
        self._timer = self.loop.call_at(at, self._check)

    def _check(self) -> None:
        now = self.loop.time()
        if self._is_stalled(now):
            self._end(ErrorCode.TIMEOUT, "the edge takes no bytes")
            self._socket.abort()
            return
        self._flush()
        if not self.ended:
            self._arm()

    def _is_stalled(self, now: float) -> bool:
        if self._blocked_since is None:
            return False
        if self._socket.unsent_bytes != self._blocked_bytes:
            self._blocked_since, self._blocked_bytes = now, self._socket.unsent_bytes
        return now - self._blocked_since > self._write_stall_s
