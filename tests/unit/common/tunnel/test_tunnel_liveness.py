"""Transcripts of time: a silent peer, a stalled stream, and the end of a connection."""

import pytest

from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import ErrorCode, StreamRefused, http_status, phone_close_code
from common.tunnel.events import ConnectionClosed, DataReceived, Event, GoAwayReceived, HeadersReceived, StreamReset
from common.tunnel.frames import FrameType, Kind
from common.tunnel.states import Role
from tests.kit.tunnel_pair import Pair


def tick(pair: Pair, now: float) -> tuple[list[Event], list[Event]]:
    """Time passes at both ends, and what that makes travels."""
    pair.now = now
    at_relay, at_edge = pair.relay.core.tick(now), pair.edge.core.tick(now)
    more_at_relay, more_at_edge = pair.exchange()
    return at_relay + more_at_relay, at_edge + more_at_edge


def request(pair: Pair, *, end: bool = True, kind: Kind = Kind.HTTP) -> int:
    stream = pair.relay.core.open_stream(kind, "GET", "/x", (), end=end)
    pair.exchange()
    return stream


def test_a_silent_peer_is_asked_and_answers() -> None:
    """After 14 s without a byte, not before; and nothing more while it answers."""
    pair = Pair()
    assert pair.edge.core.next_deadline() == 14.0
    assert tick(pair, 13.9) == ([], [])
    assert pair.edge.take_sent() == []
    assert tick(pair, 14.0) == ([], [])
    assert [frame.type for frame in pair.edge.take_sent()] == [FrameType.PING, FrameType.PONG]
    assert pair.edge.core.next_deadline() == 28.0
    assert pair.edge.core.rtt_s == 0.0


def test_a_dead_peer_is_noticed_within_26_s() -> None:
    """Every open stream ends once, then the connection."""
    pair = Pair()
    stream = request(pair)
    relay = pair.relay.core
    assert relay.tick(14.0) == []
    assert relay.data_to_send() is not None
    assert relay.tick(25.9) == []
    events = relay.tick(26.0)
    assert events == [
        StreamReset(stream, ErrorCode.UPSTREAM, "no byte received after PING", is_local=True),
        ConnectionClosed(ErrorCode.TIMEOUT, "no byte received after PING"),
    ]
    assert relay.tick(27.0) == []
    assert relay.next_deadline() is None


@pytest.mark.parametrize("when", [14.0, 20.0, 25.9])
def test_any_byte_is_a_sign_of_life(when: float) -> None:
    pair = Pair()
    edge = pair.edge.core
    edge.tick(14.0)
    request(pair)
    pair.relay.core.reset(1, ErrorCode.CANCEL)
    pair.relay.flush()
    edge.receive(pair.relay.wire.popleft(), when)
    assert edge.tick(when + 13.9) == []
    assert edge.next_deadline() == when + 14.0


def test_a_process_that_was_stopped_asks_once_more() -> None:
    """Its late clock says nothing about the peer, whose answer may lie unread; but only once."""
    pair = Pair()
    edge = pair.edge.core
    edge.tick(14.0)
    assert edge.tick(75.0) == []
    assert edge.next_deadline() == 87.0
    (closed,) = edge.tick(145.0)
    assert isinstance(closed, ConnectionClosed)


def test_pings_of_many_are_spread() -> None:
    """± 20 %, from the shell's random number."""
    deadlines = [TunnelConnection(Role.EDGE, now=0.0, ping_phase=phase).next_deadline() for phase in (0.0, 0.5, 1.0)]
    assert deadlines == pytest.approx([11.2, 14.0, 16.8])


def run(pair: Pair, start: float, end: float, step: float = 5.0) -> list[Event]:
    """What happens at the relay while time passes and both ends live."""
    events: list[Event] = []
    now = start
    while now <= end:
        events += tick(pair, now)[0]
        now += step
    return events


@pytest.mark.parametrize("kind", Kind)
def test_a_request_without_an_answer_ends_after_30_s(kind: Kind) -> None:
    """With a RESET to the edge, late by at most the 5 s between two looks."""
    pair = Pair()
    stream = request(pair, end=kind is Kind.HTTP, kind=kind)
    assert run(pair, 0.0, 25.0) == []
    assert run(pair, 30.0, 35.0) == [StreamReset(stream, ErrorCode.TIMEOUT, "nothing for 30 s", is_local=True)]
    assert pair.edge.core.open_streams == 0


def test_an_answer_that_stands_still_ends_after_60_s() -> None:
    pair = Pair()
    stream = request(pair)
    pair.edge.core.send_headers(stream, 200, ())
    pair.exchange()
    assert run(pair, 0.0, 40.0) == []
    pair.edge.core.send_data(stream, b"x")
    assert run(pair, 45.0, 45.0) == [DataReceived(stream, b"x", is_ended=False)]
    pair.relay.core.consumed(stream, 1)
    assert run(pair, 50.0, 100.0) == []
    assert run(pair, 105.0, 115.0) == [StreamReset(stream, ErrorCode.TIMEOUT, "nothing for 60 s", is_local=True)]


@pytest.mark.parametrize("why", ["event stream", "websocket"])
def test_a_silent_live_stream_stays(why: str) -> None:
    pair = Pair()
    stream = request(pair, end=why != "websocket", kind=Kind(1 + (why == "websocket")))
    fields = (("content-type", "text/event-stream; charset=utf-8"),) if why == "event stream" else ()
    pair.edge.core.send_headers(stream, 101 if why == "websocket" else 200, fields)
    pair.exchange()
    assert run(pair, 0.0, 300.0) == []
    assert pair.relay.core.open_streams == 1


@pytest.mark.parametrize("kind", ["download", "websocket", "upload"])
def test_content_that_nobody_takes_ends_its_stream_after_60_s(kind: str) -> None:
    """The other end hears SLOW_CONSUMER, and the windows are free again."""
    pair = Pair()
    relay, edge = pair.relay.core, pair.edge.core
    is_websocket = kind == "websocket"
    stream = request(pair, end=kind == "download", kind=Kind(1 + is_websocket))
    if kind == "upload":
        relay.send_data(stream, b"x" * relay.writable(stream))
        assert relay.writable(stream) == 0
    else:
        edge.send_headers(stream, 101 if is_websocket else 200, ())
        edge.send_message(stream, b"x", is_text=False) if is_websocket else edge.send_data(stream, b"x")
    pair.exchange()
    assert (relay.stalled_streams, run(pair, 0.0, 55.0)) == (1, [])
    told = run(pair, 60.0, 70.0)
    assert told == [StreamReset(stream, ErrorCode.SLOW_CONSUMER, "nothing taken for 60 s", is_local=True)]
    assert (relay.open_streams, edge.open_streams, relay.stalled_streams) == (0, 0, 0)


def test_a_slow_consumer_that_takes_something_now_and_then_stays() -> None:
    """Progress is timed, not completion: slow phones get their bodies too."""
    pair = Pair()
    stream = request(pair)
    pair.edge.core.send_headers(stream, 200, ())
    pair.edge.core.send_data(stream, b"x" * 10)
    pair.exchange()
    for minute in range(9):
        assert run(pair, minute * 50.0, minute * 50.0 + 45.0) == []
        pair.relay.core.consumed(stream, 1)
    assert pair.relay.core.open_streams == 1


def test_a_draining_relay_says_when_to_dial_again_and_serves_on() -> None:
    """Phones that have a connection to it may still ask, until it closes the tunnel."""
    pair = Pair()
    stream = request(pair)
    pair.relay.core.go_away(ErrorCode.DRAIN, reconnect_after_s=1.5, spread_s=30)
    pair.relay.core.go_away(ErrorCode.DRAIN)
    assert pair.exchange() == ([], [GoAwayReceived(0, ErrorCode.DRAIN, 1.5, 30.0)])
    late = request(pair)
    for running in (stream, late):
        pair.edge.core.send_headers(running, 200, (), end=True)
    assert pair.exchange()[0] == [HeadersReceived(running, 200, (), is_ended=True) for running in (stream, late)]
    assert pair.relay.core.open_streams == 0


def test_a_draining_edge_lets_streams_finish_and_takes_no_new_ones() -> None:
    pair = Pair()
    stream = request(pair)
    pair.edge.core.go_away(ErrorCode.DRAIN)
    assert pair.exchange() == ([GoAwayReceived(stream, ErrorCode.DRAIN, 0.0, 0.0)], [])
    with pytest.raises(StreamRefused):
        pair.relay.core.open_stream(Kind.HTTP, "GET", "/", (), end=True)
    pair.edge.core.send_headers(stream, 200, (), end=True)
    assert pair.exchange()[0] == [HeadersReceived(stream, 200, (), is_ended=True)]
    assert pair.edge.core.open_streams == 0


def test_a_request_that_crosses_the_edges_goaway_is_safe_to_retry() -> None:
    """The edge has started those up to the last id only, and says so."""
    pair = Pair()
    started = request(pair)
    pair.edge.core.go_away(ErrorCode.SUPERSEDED)
    crossing = pair.relay.core.open_stream(Kind.HTTP, "GET", "/", (), end=True)
    pair.relay.flush()
    at_relay, at_edge = pair.exchange()
    assert at_edge == []
    assert at_relay == [
        StreamReset(crossing, ErrorCode.REFUSED, "going away", is_local=True),
        GoAwayReceived(started, ErrorCode.SUPERSEDED, 0.0, 0.0),
    ]
    assert http_status(ErrorCode.REFUSED) == 503


def test_a_lost_websocket_ends_each_stream_once() -> None:
    """REFUSED where the edge cannot know of it."""
    pair = Pair()
    sent = request(pair)
    unsent = pair.relay.core.open_stream(Kind.HTTP, "GET", "/", (), end=True)
    events = pair.relay.core.lost("reset by peer")
    assert events == [
        StreamReset(sent, ErrorCode.UPSTREAM, "reset by peer", is_local=True),
        StreamReset(unsent, ErrorCode.REFUSED, "reset by peer", is_local=True),
        ConnectionClosed(ErrorCode.UPSTREAM, "reset by peer"),
    ]
    assert pair.relay.core.lost("again") == pair.relay.core.close(ErrorCode.NONE) == []
    assert pair.relay.core.data_to_send() is None
    assert (http_status(ErrorCode.UPSTREAM), phone_close_code(ErrorCode.UPSTREAM)) == (502, 1011)


@pytest.mark.parametrize("error", [ErrorCode.SUPERSEDED, ErrorCode.REVOKED, ErrorCode.DRAIN])
def test_closing_says_why_and_is_final(error: ErrorCode) -> None:
    """One GOAWAY, and nothing after it whatever is called or comes."""
    pair = Pair()
    stream = request(pair)
    pair.edge.core.send_headers(stream, 200, ())
    pair.edge.flush()
    events = pair.relay.core.close(error, "another edge came")
    assert [type(event) for event in events] == [StreamReset, ConnectionClosed]
    assert pair.relay.core.receive(pair.edge.wire.popleft(), 0.0) == []
    pair.relay.core.send_data(stream, b"x")
    pair.relay.core.reset(stream, ErrorCode.CANCEL)
    pair.relay.core.consumed(stream, 1)
    assert pair.relay.core.tick(1000.0) == []
    with pytest.raises(StreamRefused):
        pair.relay.core.open_stream(Kind.HTTP, "GET", "/", (), end=True)
    _, at_edge = pair.exchange()
    assert at_edge == [GoAwayReceived(0, error, 0.0, 0.0)]
    assert pair.relay.core.is_closed
