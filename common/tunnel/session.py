"""All streams and windows of one connection, and how each of them ends.

Shared by connection.py (what the shell calls) and receiving.py (what the peer sends); both keep to its methods, so that
credit is given back and a stream ends exactly once whichever way it goes.
"""

from common.tunnel.errors import ErrorCode, ProtocolError, TunnelError
from common.tunnel.events import ConnectionClosed, Event, StreamReset, StreamWritable
from common.tunnel.flow import Priority, ReceiveWindow
from common.tunnel.frames import FrameType, GoAway, Kind, encode_frame, encode_goaway, encode_reset
from common.tunnel.limits import KIB, Announced, Limits
from common.tunnel.outbox import Outbox
from common.tunnel.states import Role, Step
from common.tunnel.streams import Stream

HANDSHAKE_MESSAGES = 2
"""Sent by each end before this begins (HELLO, PROOF; CHALLENGE, WELCOME): the next has number 2."""

LEAST_ROOM = 4 * KIB
"""Bytes of a stream's window: less is not worth a piece of its own, which costs both ends what a whole one does."""

_LONGEST_MS = (1 << 32) - 1


class Session:
    def __init__(self, role: Role, limits: Limits, peer: Announced) -> None:
        self.role = role
        self.limits = limits
        self.peer = peer
        self.streams: dict[int, Stream] = {}
        self.out = Outbox(HANDSHAKE_MESSAGES, peer.connection_window_bytes, limits.bulk_after_bytes)
        self.inbound = ReceiveWindow(limits.connection_window_bytes, is_shared=True)
        self.pending: list[Event] = []  # born outside receive and tick
        self.last_opened = 0  # the highest stream id the relay used
        self.is_draining = False  # no new streams, by the edge's GOAWAY
        self.has_said_goaway = False
        self.is_closed = False
        self._live_reserve = min(limits.live_reserve_bytes, peer.connection_window_bytes // 8)
        self._short_reserve = min(limits.short_reserve_bytes, peer.connection_window_bytes // 4)
        self._prepaid_bytes = 0
        self._blocked: set[int] = set()  # told that they are not writable

    # Streams

    def is_full(self, kind: int, most: int) -> bool:
        """Whether one more stream of this kind is too many."""
        if len(self.streams) >= most:
            return True
        plain = sum(stream.priority is not Priority.LIVE for stream in self.streams.values())
        return kind == Kind.HTTP and plain >= self.limits.most_plain(most)

    def add_stream(self, stream_id: int, kind: Kind) -> Stream:
        stream = Stream(stream_id, kind, self.limits.stream_window_bytes, self.peer.stream_window_bytes)
        self.streams[stream_id] = stream
        self.last_opened = stream_id
        return stream

    def living(self, stream_id: int) -> Stream | None:
        """The stream, unless it is over or unknown."""
        stream = self.streams.get(stream_id)
        return stream if stream is not None and not stream.is_closed else None

    def act(self, stream: Stream, step: Step) -> None:
        """Our own step; one that the table does not have is the caller's fault, not the peer's."""
        try:
            stream.step(self.role, step)
        except ProtocolError as fault:
            raise TunnelError(ErrorCode.INTERNAL, fault.message) from None

    def queue(self, stream: Stream, frame_type: FrameType, payload: bytes, flags: int = 0, last_flags: int = 0) -> None:
        self.out.window.queued += stream.queue(frame_type, payload, flags, last_flags)
        self.out.scheduler.add(stream.id, stream.priority)

    def next_message(self, budget: int) -> bytes | None:
        """See `Outbox.next_message`."""
        message = self.out.next_message(self.streams, budget)
        while self.out.done:
            self._forget(self.out.done.pop())
        return message

    def forget_if_done(self, stream: Stream) -> None:
        if stream.is_done:
            self._forget(stream)

    # Windows

    def is_stalled(self, stream: Stream) -> bool:
        """Whether nothing moves because somebody has not taken what was sent: not a fault of this stream."""
        return stream.is_stalled_by_window or stream.id in self._blocked

    def room(self, stream: Stream) -> int:
        """Bytes the stream may queue with credit for them."""
        free = self.out.window.room
        if stream.priority is not Priority.LIVE:
            free -= self._live_reserve
            short = min(self.limits.short_bytes, stream.outbound.size) - stream.given_bytes
            free = max(free - self._short_reserve, min(free, short))
        return max(0, min(stream.outbound.room, free))

    def writable(self, stream: Stream) -> int:
        """As `room`, but 0 for a body when only a rest of the stream's window is left; a 0 is remembered, for
        `announce_writable`. All but the rest is with the peer then, so more credit will come."""
        is_rest = stream.kind is Kind.HTTP and stream.outbound.room < min(LEAST_ROOM, stream.outbound.size // 4)
        room = 0 if is_rest else self.room(stream)
        if room == 0:
            self._blocked.add(stream.id)
        return room

    def announce_writable(self, events: list[Event]) -> None:
        """Tell of each stream that was not writable and now is."""
        for stream_id in sorted(self._blocked):
            stream = self.living(stream_id)
            if stream is None:
                self._blocked.discard(stream_id)
            elif self.writable(stream):
                self._blocked.discard(stream_id)
                events.append(StreamWritable(stream_id))

    def give_credit(self, stream: Stream | None, cost: int) -> None:
        """What cost this much was taken or dropped; None for a stream that is gone."""
        if increment := self.inbound.give_back(cost):
            self.out.control.credit(0, increment)
        if stream is not None and not stream.is_closed and (increment := stream.inbound.give_back(cost)):
            self.out.control.credit(stream.id, increment)

    def take(self, stream: Stream, n_bytes: int) -> None:
        """The application took this much."""
        stream.has_moved = stream.was_taken_from = True
        cost, prepaid = stream.consume(n_bytes)
        self._prepaid_bytes -= prepaid
        self.give_credit(stream, cost)
        self.prepay(stream, self.pending)
        self.forget_if_done(stream)

    def prepay(self, stream: Stream, events: list[Event]) -> None:
        """Let a long message go on; see `Stream.prepay`. Resets the stream when all long messages are too much."""
        cost, prepaid = stream.prepay()
        if self._prepaid_bytes + prepaid > self.limits.assembly_bytes:
            self._prepaid_bytes += prepaid
            self.give_credit(stream, cost)
            self.abort_and_tell(stream, ErrorCode.CALM_DOWN, "too many long messages at once", events)
        elif cost:
            self._prepaid_bytes += prepaid
            self.give_credit(stream, cost)

    # Ends

    def abort(self, stream: Stream, error: ErrorCode, detail: str) -> None:
        """End the stream from here. RESET goes out unless the peer knows nothing of it, or knows it is over."""
        is_known = not self.out.control.withdraw_open(stream.id)
        if is_known and (not stream.is_closed or stream.has_queued):
            self.out.control.frame(encode_frame(FrameType.RESET, stream.id, encode_reset(error, detail)))
        self._forget(stream)

    def abort_and_tell(self, stream: Stream, error: ErrorCode, detail: str, events: list[Event]) -> None:
        """As `abort`, where the shell has not asked for it."""
        if not stream.is_closed:
            events.append(StreamReset(stream.id, error, detail, is_local=True))
        self.abort(stream, error, detail)
        self.announce_writable(events)

    def was_reset(self, stream: Stream, error: ErrorCode, detail: str, events: list[Event]) -> None:
        """The peer ended it."""
        if not stream.is_closed:
            events.append(StreamReset(stream.id, error, detail, is_local=False))
        self._forget(stream)
        self.announce_writable(events)

    def drop_unsent(self, stream: Stream) -> None:
        """The peer ended the stream in order and needs no more of what we queued."""
        self.out.window.queued -= stream.drop_queue()

    def send_goaway(self, error: ErrorCode, reconnect_after_s: float, spread_s: float) -> None:
        last_id = self.last_opened if self.role is Role.EDGE else 0
        goaway = GoAway(last_id, error, _milliseconds(reconnect_after_s), _milliseconds(spread_s))
        self.out.control.frame(encode_frame(FrameType.GOAWAY, 0, encode_goaway(goaway)))

    def end(self, events: list[Event], error: ErrorCode, detail: str) -> None:
        """End everything: one StreamReset for each stream that is open, one ConnectionClosed, one GOAWAY to send."""
        if self.is_closed:
            return
        self.is_closed = True
        told = error if error in (ErrorCode.DRAIN, ErrorCode.SUPERSEDED) else ErrorCode.UPSTREAM
        for stream in self.streams.values():
            if not stream.is_closed:
                unsent = self.out.control.withdraw_open(stream.id)
                events.append(StreamReset(stream.id, ErrorCode.REFUSED if unsent else told, detail, is_local=True))
        self.streams.clear()
        self._blocked.clear()
        self.out.clear()
        self.send_goaway(error, 0.0, 0.0)
        events.append(ConnectionClosed(error, detail))

    def _forget(self, stream: Stream) -> None:
        """Remove it and give its share of the connection's windows back."""
        self.drop_unsent(stream)
        cost, prepaid = stream.drop_received()
        self._prepaid_bytes -= prepaid
        self.give_credit(None, cost)
        self.out.control.forget(stream.id)
        self.streams.pop(stream.id, None)
        self._blocked.discard(stream.id)
        # No event names a stream after its end; of those that wait only this one can.
        self.pending = [event for event in self.pending if event != StreamWritable(stream.id)]


def _milliseconds(seconds: float) -> int:
    return max(0, min(_LONGEST_MS, round(seconds * 1000)))
