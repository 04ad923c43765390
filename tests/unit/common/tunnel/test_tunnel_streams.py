"""Transcripts of streams: what one end is asked, what the other is told, what travels in between."""

from collections.abc import Callable

import pytest

from common.tunnel.errors import BadPayload, ErrorCode, StreamRefused, TunnelError
from common.tunnel.events import (
    ConnectionClosed,
    DataReceived,
    HeadersReceived,
    MessageReceived,
    StreamOpened,
    StreamReset,
    WebsocketClosed,
)
from common.tunnel.fields import Open, encode_open
from common.tunnel.frames import Flag, Frame, FrameType, Kind, encode_frame, encode_message
from common.tunnel.limits import Limits
from tests.kit.tunnel_pair import Pair

FIELDS = (("accept", "*/*"), ("cookie", "a=1"))


def get(pair: Pair, path: str = "/api/v1/state") -> int:
    """A request without a body, on its way to the edge."""
    stream = pair.relay.core.open_stream(Kind.HTTP, "GET", path, FIELDS, end=True)
    pair.exchange()
    return stream


def websocket(pair: Pair) -> int:
    """A websocket that both ends have agreed on."""
    stream = pair.relay.core.open_stream(Kind.WEBSOCKET, "GET", "/api/v1/live", (), end=False)
    pair.exchange()
    pair.edge.core.send_headers(stream, 101, ())
    pair.exchange()
    return stream


def kinds(frames: list[Frame]) -> list[FrameType]:
    return [frame.type for frame in frames]


def test_a_request_and_its_answer() -> None:
    pair = Pair()
    relay, edge = pair.relay.core, pair.edge.core
    stream = relay.open_stream(Kind.HTTP, "POST", "/api/v1/x?y=1", FIELDS, end=False, client_address="192.0.2.7")
    relay.send_data(stream, b"question", end=True)
    assert pair.exchange() == (
        [],
        [
            StreamOpened(1, Kind.HTTP, "POST", "/api/v1/x?y=1", FIELDS, "192.0.2.7", is_ended=False),
            DataReceived(1, b"question", is_ended=True),
        ],
    )
    edge.consumed(stream, 8)
    edge.send_headers(stream, 200, (("set-cookie", "a"), ("set-cookie", "b")))
    edge.send_data(stream, b"ans")
    edge.send_data(stream, b"wer", end=True)
    assert pair.exchange() == (
        [
            HeadersReceived(1, 200, (("set-cookie", "a"), ("set-cookie", "b")), is_ended=False),
            DataReceived(1, b"ans", is_ended=False),
            DataReceived(1, b"wer", is_ended=True),
        ],
        [],
    )
    relay.consumed(stream, 6)
    assert relay.open_streams == edge.open_streams == 0


def test_an_answer_without_a_body_is_one_frame() -> None:
    """HEAD, 204, 304."""
    pair = Pair()
    stream = get(pair)
    pair.edge.core.send_headers(stream, 204, (), end=True)
    assert pair.exchange()[0] == [HeadersReceived(1, 204, (), is_ended=True)]
    assert kinds(pair.edge.take_sent()) == [FrameType.HEADERS]
    assert pair.relay.core.open_streams == pair.edge.core.open_streams == 0


def test_an_early_answer_ends_an_upload() -> None:
    """Its end ends the stream; what is still to be uploaded is dropped, at both ends, and costs no credit for ever."""
    pair = Pair()
    relay, edge = pair.relay.core, pair.edge.core
    stream = relay.open_stream(Kind.HTTP, "POST", "/x", (), end=False)
    relay.send_data(stream, b"x" * 1000)
    pair.exchange()
    edge.send_headers(stream, 413, (), end=True)
    relay.send_data(stream, b"on its way")
    at_relay, at_edge = pair.exchange()
    assert at_relay == [HeadersReceived(1, 413, (), is_ended=True)]
    assert at_edge == []
    relay.send_data(stream, b"too late", end=True)
    assert relay.data_to_send() is None
    edge.consumed(stream, 1000)
    assert relay.open_streams == edge.open_streams == 0


def test_a_client_that_leaves_cancels_at_the_edge() -> None:
    pair = Pair()
    stream = get(pair)
    pair.relay.core.reset(stream, ErrorCode.CANCEL, "client left")
    pair.relay.core.reset(stream, ErrorCode.CANCEL, "twice")
    assert pair.exchange() == ([], [StreamReset(1, ErrorCode.CANCEL, "client left", is_local=False)])
    assert kinds(pair.relay.take_sent()) == [FrameType.OPEN, FrameType.RESET]
    pair.edge.core.send_headers(stream, 200, ())  # the api's answer crosses it
    assert pair.exchange() == ([], [])


def test_a_request_that_is_cancelled_before_it_was_sent_never_travels() -> None:
    pair = Pair()
    stream = pair.relay.core.open_stream(Kind.HTTP, "GET", "/", (), end=True)
    pair.relay.core.reset(stream, ErrorCode.CANCEL)
    assert pair.relay.core.data_to_send() is None
    assert get(pair) == 3
    assert pair.edge.core.open_streams == 1


def test_an_answer_that_is_cancelled_after_its_end_was_queued_still_sends_reset() -> None:
    """The other end has not seen the end: without RESET it would wait for ever."""
    pair = Pair()
    stream = get(pair)
    pair.edge.core.send_headers(stream, 200, ())
    pair.edge.core.send_data(stream, b"x" * 60_000, end=True)
    pair.edge.flush(budget=20_000, most=1)
    pair.edge.core.reset(stream, ErrorCode.UPSTREAM)
    at_relay, _ = pair.exchange()
    assert at_relay[-1] == StreamReset(1, ErrorCode.UPSTREAM, "", is_local=False)
    assert pair.relay.core.open_streams == pair.edge.core.open_streams == 0


def test_a_cancel_that_meets_an_answer_whose_end_is_queued_is_no_news_to_the_edge() -> None:
    """The edge's shell has done its part: one end is enough."""
    pair = Pair()
    stream = get(pair)
    pair.edge.core.send_headers(stream, 200, ())
    pair.edge.core.send_data(stream, b"x" * 60_000, end=True)
    pair.relay.core.reset(stream, ErrorCode.CANCEL)
    pair.relay.flush()
    assert pair.edge.core.receive(pair.relay.wire.popleft(), 0.0) == []
    assert pair.edge.core.queued_bytes == 0
    assert pair.edge.core.open_streams == 0


def test_a_websocket_carries_messages_both_ways_and_closes() -> None:
    pair = Pair()
    relay, edge = pair.relay.core, pair.edge.core
    stream = websocket(pair)
    relay.send_message(stream, b"{}", is_text=True)
    relay.send_message(stream, b"", is_text=False)
    edge.send_message(stream, "grüß".encode(), is_text=True)
    assert pair.exchange() == (
        [MessageReceived(1, "grüß".encode(), is_text=True)],
        [MessageReceived(1, b"{}", is_text=True), MessageReceived(1, b"", is_text=False)],
    )
    edge.consumed(stream, 2)
    edge.consumed(stream, 0)
    relay.consumed(stream, 6)
    relay.close_websocket(stream, 1001, "gone")
    edge.send_message(stream, b"last", is_text=True)  # may still come, until the edge closes too
    assert pair.exchange() == (
        [MessageReceived(1, b"last", is_text=True)],
        [WebsocketClosed(1, 1001, "gone")],
    )
    edge.close_websocket(stream, 1001, "gone")
    edge.close_websocket(stream, 1001, "gone")
    assert pair.exchange() == ([WebsocketClosed(1, 1001, "gone")], [])
    relay.consumed(stream, 4)
    assert relay.open_streams == edge.open_streams == 0


def test_closes_that_cross_are_one_close() -> None:
    pair = Pair()
    stream = websocket(pair)
    pair.relay.core.close_websocket(stream, None)
    pair.edge.core.close_websocket(stream, 1006)
    pair.relay.flush()
    pair.edge.flush()
    assert pair.exchange() == ([WebsocketClosed(1, 1011, "")], [WebsocketClosed(1, None, "")])
    assert pair.relay.core.open_streams == pair.edge.core.open_streams == 0


def test_a_websocket_may_be_refused_with_a_plain_answer() -> None:
    """401 with a body, before the phone's side was upgraded."""
    pair = Pair()
    stream = pair.relay.core.open_stream(Kind.WEBSOCKET, "GET", "/api/v1/live", (), end=False)
    pair.exchange()
    pair.edge.core.send_headers(stream, 401, ())
    pair.edge.core.send_data(stream, b"{}", end=True)
    assert pair.exchange()[0] == [HeadersReceived(1, 401, (), is_ended=False), DataReceived(1, b"{}", is_ended=True)]


@pytest.mark.parametrize("size", [16_384, 16_385, 65_536, 1024 * 1024])
def test_long_messages_arrive_whole(size: int) -> None:
    """Cut into pieces of 16 KiB, also those longer than a window."""
    pair = Pair()
    stream = websocket(pair)
    pair.edge.take_sent()
    message = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    pair.edge.core.send_message(stream, message, is_text=False)
    assert pair.exchange()[0] == [MessageReceived(1, message, is_text=False)]
    pieces = [frame for frame in pair.edge.take_sent() if frame.type is FrameType.MSG]
    assert all(len(piece.payload) <= 16_384 for piece in pieces)
    assert [bool(piece.flags & Flag.FIN) for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_a_message_over_the_limit_is_refused_at_both_ends() -> None:
    """By its sender at once; from a sender that has no such limit by resetting its stream only."""
    pair = Pair(Limits(message_bytes=2_000_000), Limits())
    stream, other = websocket(pair), websocket(pair)
    with pytest.raises(TunnelError) as caught:
        pair.relay.core.send_message(stream, b"x" * (1024 * 1024 + 1), is_text=False)
    assert caught.value.error is ErrorCode.TOO_LARGE
    pair.edge.core.send_message(stream, b"x" * (1024 * 1024 + 1), is_text=False)
    at_relay, at_edge = pair.exchange()
    assert at_relay == [StreamReset(stream, ErrorCode.TOO_LARGE, "websocket message too long", is_local=True)]
    assert at_edge == [StreamReset(stream, ErrorCode.TOO_LARGE, "websocket message too long", is_local=False)]
    pair.edge.core.send_message(other, b"still here", is_text=False)
    assert pair.exchange()[0] == [MessageReceived(other, b"still here", is_text=False)]


def test_text_that_is_not_utf8_resets_its_stream() -> None:
    pair = Pair()
    stream = websocket(pair)
    pair.edge.core.send_message(stream, b"\xff", is_text=True)
    assert pair.exchange()[0] == [StreamReset(stream, ErrorCode.BAD_FIELD, "text message is not UTF-8", is_local=True)]


def raw_to_edge(*frames: bytes) -> tuple[list[object], Pair]:
    pair = Pair()
    events = pair.edge.core.receive(encode_message(2, b"".join(frames)), 0.0)
    return list(events), pair


def open_frame(stream: int, kind: int = 1, path: str = "/") -> bytes:
    return encode_frame(FrameType.OPEN, stream, encode_open(Open(kind, "GET", path, "", ())))


def test_an_open_that_must_not_travel_ends_its_stream_only() -> None:
    """A phone's strange header, passed on by a relay that knows it not to be strange, must not end the tunnel."""
    bad = open_frame(1, path="/abc").replace(b"/abc", b"/a\r\n")
    events, pair = raw_to_edge(bad, open_frame(3))
    assert [type(event) for event in events] == [StreamOpened]
    pair.edge.flush()
    assert pair.edge.take_sent() == [Frame(FrameType.RESET, 0, 1, b"\x00\x07bad path")]


def test_bad_headers_from_the_edge_end_their_stream_only() -> None:
    pair = Pair()
    stream = get(pair)
    raw = encode_frame(FrameType.HEADERS, stream, b"\x00\xc8\x00\x01\x00\x01\x00\x01x\n")
    assert pair.relay.core.receive(encode_message(2, raw), 0.0) == [
        StreamReset(stream, ErrorCode.UPSTREAM, "control character in a field", is_local=True)
    ]


def test_a_kind_that_is_not_known_is_refused() -> None:
    """3, raw bytes, is reserved; the relay may try without harm."""
    events, pair = raw_to_edge(open_frame(1, kind=3))
    assert events == []
    pair.edge.flush()
    (frame,) = pair.edge.take_sent()
    assert (frame.type, frame.payload[:2]) == (FrameType.RESET, b"\x00\x04")


@pytest.mark.parametrize(
    ("frames", "what"),
    [
        ([open_frame(2)], "OPEN of stream 2"),
        ([open_frame(3), open_frame(1)], "OPEN of stream 1 after 3"),
        ([open_frame(1), open_frame(1)], "OPEN of stream 1 after 1"),
        ([encode_frame(FrameType.DATA, 1, b"x")], "never opened"),
        ([encode_frame(FrameType.RESET, 5, b"\0\0")], "never opened"),
        ([open_frame(1), encode_frame(FrameType.DATA, 1, b"")], "DATA of nothing"),
        ([open_frame(1), encode_frame(FrameType.DATA, 1, b"", 1), encode_frame(FrameType.DATA, 1, b"x")], "awaiting"),
        ([open_frame(1), encode_frame(FrameType.HEADERS, 1, b"\0\xc8\0\0")], "HEADERS from the relay"),
        ([open_frame(1), encode_frame(FrameType.MSG, 1, b"x", Flag.FIN)], "MSG from the relay"),
        ([open_frame(1, kind=2), encode_frame(FrameType.MSG, 1, b"x", Flag.FIN)], "upgrading"),
        ([open_frame(1), encode_frame(FrameType.WSCLOSE, 1, b"\0\0")], "WSCLOSE from the relay"),
        ([encode_frame(FrameType.HELLO, 0, b"{}")], "HELLO after the handshake"),
        ([encode_frame(FrameType.OPEN, 1, open_frame(1, kind=2)[8:], Flag.END)], "OPEN of a websocket with END"),
    ],
)
def test_what_the_table_does_not_allow_ends_the_connection(frames: list[bytes], what: str) -> None:
    """With one event after what came before it, and GOAWAY PROTOCOL to the peer."""
    events, pair = raw_to_edge(*frames)
    closed = events[-1]
    assert isinstance(closed, ConnectionClosed)
    assert (closed.error, closed.close_code) == (ErrorCode.PROTOCOL, 4400)
    assert what in closed.detail
    pair.edge.flush()
    assert kinds(pair.edge.take_sent()) == [FrameType.GOAWAY]


@pytest.mark.parametrize(
    ("frames", "what"),
    [
        ([encode_frame(FrameType.MSG, 1, b"")], "MSG of nothing"),
        ([encode_frame(FrameType.MSG, 1, b"x"), encode_frame(FrameType.MSG, 1, b"x", Flag.TEXT)], "mixed"),
        ([encode_frame(FrameType.MSG, 1, b"x"), encode_frame(FrameType.WSCLOSE, 1, b"\0\0")], "within a message"),
        ([encode_frame(FrameType.WSCLOSE, 1, b"\0\0"), encode_frame(FrameType.MSG, 1, b"x")], "edge_left"),
        ([encode_frame(FrameType.WSCLOSE, 1, b"\x03\xee")], "1006"),
        ([encode_frame(FrameType.DATA, 1, b"x")], "DATA from the edge"),
    ],
)
def test_faults_on_a_websocket_end_the_connection(frames: list[bytes], what: str) -> None:
    pair = Pair()
    websocket(pair)
    *_, closed = pair.relay.core.receive(encode_message(3, b"".join(frames)), 0.0)
    assert isinstance(closed, ConnectionClosed)
    assert what in closed.detail


def test_a_switch_with_end_is_a_fault() -> None:
    pair = Pair()
    pair.relay.core.open_stream(Kind.WEBSOCKET, "GET", "/", (), end=False)
    pair.relay.flush()
    raw = encode_frame(FrameType.HEADERS, 1, b"\0\x65\0\0", Flag.END)
    *_, closed = pair.relay.core.receive(encode_message(2, raw), 0.0)
    assert isinstance(closed, ConnectionClosed)


def test_more_streams_than_allowed_are_refused_at_both_ends() -> None:
    """By the relay before anything is sent; by the edge with a RESET that is safe to retry."""
    pair = Pair(Limits(streams=3, http_streams=2), Limits())
    relay = pair.relay.core
    get(pair)
    get(pair)
    third = relay.open_stream(Kind.HTTP, "GET", "/", (), end=True)  # the relay allows 64 plain ones
    at_relay, at_edge = pair.exchange()
    assert at_relay == [StreamReset(third, ErrorCode.REFUSED, "too many streams", is_local=False)]
    assert at_edge == []
    websocket(pair)
    with pytest.raises(StreamRefused):
        relay.open_stream(Kind.WEBSOCKET, "GET", "/", (), end=False)  # the edge announced 3


def test_an_ended_stream_counts_until_it_is_consumed() -> None:
    """Or phones that never read could pile up answers without end."""
    pair = Pair(Limits(streams=1))
    stream = get(pair)
    pair.edge.core.send_headers(stream, 200, ())
    pair.edge.core.send_data(stream, b"answer", end=True)
    pair.exchange()
    with pytest.raises(StreamRefused):
        get(pair)
    pair.relay.core.consumed(stream, 6)
    assert get(pair) == 3
    pair.edge.core.send_headers(3, 200, ())
    pair.edge.core.send_data(3, b"answer", end=True)
    pair.exchange()
    pair.relay.core.reset(3, ErrorCode.CANCEL)  # the client left: nothing to tell the edge
    assert pair.exchange() == ([], [])
    assert FrameType.RESET not in kinds(pair.relay.take_sent())
    assert get(pair) == 5


def test_calls_out_of_place_are_errors_of_the_caller() -> None:
    """Nothing of them is sent, and the stream goes on."""
    pair = Pair()
    relay, edge = pair.relay.core, pair.edge.core
    stream = get(pair)
    socket = websocket(pair)
    wrong: list[Callable[[], object]] = [
        lambda: edge.open_stream(Kind.HTTP, "GET", "/", (), end=True),
        lambda: relay.open_stream(Kind.WEBSOCKET, "GET", "/", (), end=True),
        lambda: relay.send_data(stream, b"after the end"),
        lambda: relay.send_headers(stream, 200, ()),
        lambda: edge.send_data(stream, b"before headers"),
        lambda: edge.send_message(stream, b"x", is_text=False),
        lambda: edge.send_headers(socket, 101, (), end=True),
        lambda: edge.send_data(socket, b"x"),
        lambda: edge.consumed(stream, 1),
        lambda: edge.send_data(socket, b"x" * 70_000),
    ]
    for call in wrong:
        with pytest.raises(TunnelError):
            call()
    with pytest.raises(BadPayload):
        edge.send_headers(stream, 200, (("x", "a\nb"),))
    edge.send_headers(stream, 200, (), end=True)
    assert pair.exchange()[0] == [HeadersReceived(stream, 200, (), is_ended=True)]
