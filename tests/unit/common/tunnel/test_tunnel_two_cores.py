"""Two cores and a model, in any interleaving, with messages cut anywhere.

What must hold: content arrives in order and whole, no window is overrun, each stream ends exactly once at each end,
what is held in memory is bounded, nothing waits for ever, and all credit comes back.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import ErrorCode, StreamRefused
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
from common.tunnel.frames import Kind
from common.tunnel.limits import Limits
from common.tunnel.states import Role
from tests.kit.tunnel_pair import End, Pair

LIMITS = Limits(
    stream_window_bytes=1000,
    connection_window_bytes=3000,
    message_bytes=4000,
    assembly_bytes=6000,
    streams=6,
    http_streams=4,
    bulk_after_bytes=1500,
)


class Half:
    """One direction of one stream as the model sees it."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []  # messages, or bytes one by one
        self.received: list[tuple[Any, ...]] = []
        self.unread: list[int] = []
        self.is_finished = False  # the sender ended it in order
        self.ends = 0  # the receiver was told


class Side:
    """A core, and what its shell knows."""

    def __init__(self, end: End) -> None:
        self.end = end
        self.kinds: dict[int, Kind] = {}
        self.answered: set[int] = set()
        self.upgraded: set[int] = set()
        self.over: set[int] = set()  # reset, by whomever, or ended by the answer's end
        self.out: dict[int, Half] = defaultdict(Half)
        self.is_told_full: set[int] = set()

    @property
    def core(self) -> TunnelConnection:
        return self.end.core

    def may_send(self, stream_id: int) -> bool:
        return stream_id not in self.over and not self.out[stream_id].is_finished


class TwoCores(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(LIMITS)
        self.relay = Side(self.pair.relay)
        self.edge = Side(self.pair.edge)
        self.seed = 0

    @initialize()
    def begin_with_one_of_each(self) -> None:
        """Random steps alone seldom get as far as a websocket that carries messages both ways."""
        for kind in Kind:
            stream_id = self.relay.core.open_stream(kind, "POST", "/x", (), end=False)
            self.relay.kinds[stream_id] = kind
        self.carry()
        for stream_id, kind in self.edge.kinds.items():
            self.edge.core.send_headers(stream_id, 101 if kind is Kind.WEBSOCKET else 200, ())
            self.edge.answered.add(stream_id)
            if kind is Kind.WEBSOCKET:
                self.edge.upgraded.add(stream_id)
        self.carry()

    # What a shell does

    @rule(kind=st.sampled_from(Kind), end=st.booleans())
    def open_stream(self, kind: Kind, end: bool) -> None:
        end = end and kind is Kind.HTTP
        try:
            stream_id = self.relay.core.open_stream(kind, "POST", "/x", (), end=end)
        except StreamRefused:
            assert self.relay.core.open_streams >= LIMITS.http_streams
            return
        self.relay.kinds[stream_id] = kind
        self.relay.out[stream_id].is_finished = end

    @rule(data=st.data(), end=st.booleans(), is_upgrade=st.booleans())
    def answer(self, data: st.DataObject, end: bool, is_upgrade: bool) -> None:
        waiting = [at for at in self.edge.kinds if at not in self.edge.answered | self.edge.over]
        if not waiting:
            return
        stream_id = data.draw(st.sampled_from(waiting))
        self.edge.answered.add(stream_id)
        if self.edge.kinds[stream_id] is Kind.WEBSOCKET and is_upgrade:
            self.edge.upgraded.add(stream_id)
            self.edge.core.send_headers(stream_id, 101, ())
            return
        fields = (("content-type", "text/event-stream"),) if stream_id % 4 == 1 else ()
        self.edge.core.send_headers(stream_id, 200, fields, end=end)
        if end:
            self._finish(self.edge, stream_id)

    @rule(data=st.data(), size=st.one_of(st.integers(0, 70), st.just(1500)), end=st.sampled_from([False, False, True]))
    def send_data(self, data: st.DataObject, size: int, end: bool) -> None:
        found = self._draw_sender(data, lambda side, at: self._sends_data(side, at))
        if found is None:
            return
        side, stream_id = found
        room = side.core.writable(stream_id)
        if room == 0:
            side.is_told_full.add(stream_id)
        content = self._content(min(size, room))
        side.core.send_data(stream_id, content, end=end)
        side.out[stream_id].sent += [(byte,) for byte in content]
        if end:
            self._finish(side, stream_id)

    @rule(data=st.data(), size=st.one_of(st.integers(0, 50), st.integers(900, 4000)), is_text=st.booleans())
    def send_message(self, data: st.DataObject, size: int, is_text: bool) -> None:
        found = self._draw_sender(data, lambda side, at: self._sends_messages(side, at))
        if found is None:
            return
        side, stream_id = found
        if side.core.writable(stream_id) == 0:
            side.is_told_full.add(stream_id)
            return
        content = self._content(size)
        side.core.send_message(stream_id, content, is_text)
        side.out[stream_id].sent.append((content, is_text))

    @rule(data=st.data(), code=st.sampled_from([None, 1000, 1001, 3000]))
    def close_websocket(self, data: st.DataObject, code: int | None) -> None:
        found = self._draw_sender(data, lambda side, at: self._sends_messages(side, at))
        if found is not None:
            side, stream_id = found
            side.core.close_websocket(stream_id, code)
            side.core.close_websocket(stream_id, code)  # twice is once
            side.out[stream_id].is_finished = True

    @rule(data=st.data(), error=st.sampled_from([ErrorCode.CANCEL, ErrorCode.UPSTREAM, ErrorCode.REFUSED]))
    def reset(self, data: st.DataObject, error: ErrorCode) -> None:
        found = self._draw_sender(data, lambda side, at: at in side.kinds)
        if found is not None:
            side, stream_id = found
            side.core.reset(stream_id, error)
            side.core.reset(stream_id, error)
            side.over.add(stream_id)
            self._other(side).out[stream_id].unread.clear()

    @rule(data=st.data(), role=st.sampled_from(Role))
    def consume(self, data: st.DataObject, role: Role) -> None:
        side = self._side(role)
        readable = [at for at, half in self._other(side).out.items() if half.unread]
        if readable:
            stream_id = data.draw(st.sampled_from(sorted(readable)))
            unread = self._other(side).out[stream_id].unread
            side.core.consumed(stream_id, unread.pop(0))

    # What the network does

    @rule(role=st.sampled_from(Role), budget=st.integers(1, 70_000), most=st.integers(1, 4))
    def flush(self, role: Role, budget: int, most: int) -> None:
        self._side(role).end.flush(budget, most)

    @rule(role=st.sampled_from(Role))
    def deliver(self, role: Role) -> None:
        side = self._side(role)
        if side.end.wire:
            receiver = self._other(side)
            self._take(receiver, receiver.core.receive(side.end.wire.popleft(), 0.0))

    @rule()
    def carry(self) -> None:
        """All that is there, once both ways."""
        for side in (self.relay, self.edge):
            side.end.flush()
            receiver = self._other(side)
            while side.end.wire:
                self._take(receiver, receiver.core.receive(side.end.wire.popleft(), 0.0))

    @rule(role=st.sampled_from(Role))
    def tick(self, role: Role) -> None:
        """Tells what happened outside `receive`; no time passes."""
        side = self._side(role)
        self._take(side, side.core.tick(0.0))

    # What must hold

    @invariant()
    def content_is_in_order(self) -> None:
        for side in (self.relay, self.edge):
            for half in side.out.values():
                assert half.sent[: len(half.received)] == half.received
                assert half.ends <= 1

    @invariant()
    def memory_is_bounded(self) -> None:
        for side in (self.relay, self.edge):
            held = sum(sum(half.unread) for half in self._other(side).out.values())
            assert held <= LIMITS.connection_window_bytes + LIMITS.assembly_bytes
            assert side.core.open_streams <= LIMITS.streams
            websockets = sum(kind is Kind.WEBSOCKET for kind in side.kinds.values())
            assert side.core.queued_bytes <= LIMITS.connection_window_bytes + websockets * LIMITS.message_bytes

    def teardown(self) -> None:
        """Let everything run dry, end what is open, and look whether all came and nothing is left."""
        self._run_dry()
        self._check_arrived()
        for stream_id, kind in list(self.edge.kinds.items()):
            if kind is Kind.WEBSOCKET and stream_id in self.edge.upgraded:
                self.relay.core.close_websocket(stream_id, 1000)
                self.edge.core.close_websocket(stream_id, 1000)
            else:
                self.edge.core.reset(stream_id, ErrorCode.CANCEL)
        self._run_dry()
        for side in (self.relay, self.edge):
            assert side.core.open_streams == 0
            assert side.core.queued_bytes == 0
            inbound, outbound = side.core._session.inbound, self._other(side).core._session.out.window
            assert inbound.available + inbound.taken == LIMITS.connection_window_bytes
            assert outbound.credit == inbound.available
            assert side.core._session._prepaid_bytes == 0

    def _run_dry(self) -> None:
        moved = True
        while moved:
            moved = False
            for side in (self.relay, self.edge):
                self._take(side, side.core.tick(0.0))
                moved |= side.end.flush() > 0
                receiver = self._other(side)
                while side.end.wire:  # also what was on its way before, and wants an answer
                    self._take(receiver, receiver.core.receive(side.end.wire.popleft(), 0.0))
                    moved = True
                for stream_id, half in side.out.items():
                    while half.unread:
                        receiver.core.consumed(stream_id, half.unread.pop(0))
                        moved = True

    def _check_arrived(self) -> None:
        for side in (self.relay, self.edge):
            for stream_id, half in side.out.items():
                assert half.unread == []
                if stream_id in self.relay.over | self.edge.over and not (side is self.edge and half.is_finished):
                    continue
                if stream_id in self._other(side).over and not half.ends:
                    continue  # cancelled by the receiver while the end was on its way
                assert half.received == half.sent
                assert half.ends == half.is_finished
                if not half.is_finished:
                    assert stream_id not in side.is_told_full  # StreamWritable came
                    assert not self._may_write(side, stream_id) or side.core.writable(stream_id) > 0

    # Help

    def _take(self, side: Side, events: list[Event]) -> None:
        other = self._other(side)
        for event in events:
            assert not isinstance(event, ConnectionClosed | GoAwayReceived), event
            stream_id = event.stream_id
            half = other.out[stream_id]
            assert stream_id not in side.over, f"{event} after the end"
            match event:
                case StreamOpened():
                    assert stream_id not in side.kinds
                    side.kinds[stream_id] = event.kind
                    half.ends += event.is_ended
                case HeadersReceived():
                    assert stream_id not in side.answered
                    side.answered.add(stream_id)
                    if event.status == 101:
                        side.upgraded.add(stream_id)
                    half.ends += event.is_ended
                    if event.is_ended:
                        side.over.add(stream_id)
                case DataReceived():
                    half.received += [(byte,) for byte in event.data]
                    half.unread += [len(event.data)] if event.data else []
                    half.ends += event.is_ended
                    if event.is_ended and side is self.relay:
                        side.over.add(stream_id)
                case MessageReceived():
                    half.received.append((event.data, event.is_text))
                    half.unread.append(len(event.data))
                case WebsocketClosed():
                    half.ends += 1
                case StreamReset():
                    side.over.add(stream_id)
                    half.unread.clear()
                case StreamWritable():
                    side.is_told_full.discard(stream_id)
                    assert side.core.writable(stream_id) > 0

    def _finish(self, side: Side, stream_id: int) -> None:
        side.out[stream_id].is_finished = True
        if side is self.edge:
            side.over.add(stream_id)  # the answer's end is the stream's

    def _sends_data(self, side: Side, stream_id: int) -> bool:
        is_plain = side.kinds[stream_id] is Kind.HTTP
        if side is self.relay:
            return is_plain
        return stream_id in side.answered and stream_id not in side.upgraded

    def _sends_messages(self, side: Side, stream_id: int) -> bool:
        return stream_id in side.upgraded

    def _may_write(self, side: Side, stream_id: int) -> bool:
        return stream_id in side.kinds and (self._sends_data(side, stream_id) or self._sends_messages(side, stream_id))

    def _draw_sender(self, data: st.DataObject, suits: Callable[[Side, int], bool]) -> tuple[Side, int] | None:
        found = [
            (side, at) for side in (self.relay, self.edge) for at in side.kinds if side.may_send(at) and suits(side, at)
        ]
        return data.draw(st.sampled_from(found)) if found else None

    def _content(self, size: int) -> bytes:
        """Bytes that tell a mix-up: ASCII, so that they may be text, and different each time."""
        self.seed += 1
        return bytes(32 + (self.seed * 7 + at) % 90 for at in range(size))

    def _side(self, role: Role) -> Side:
        return self.relay if role is Role.RELAY else self.edge

    def _other(self, side: Side) -> Side:
        return self.edge if side is self.relay else self.relay


TestTwoCores = TwoCores.TestCase
TestTwoCores.settings = settings(max_examples=150, stateful_step_count=50)
