"""Transcripts of credit and of the order of sending."""

import pytest

from common.tunnel.errors import ErrorCode
from common.tunnel.events import (
    ConnectionClosed,
    DataReceived,
    Event,
    HeadersReceived,
    MessageReceived,
    StreamReset,
    StreamWritable,
)
from common.tunnel.fields import Open, encode_open
from common.tunnel.flow import QUANTUM_BYTES
from common.tunnel.frames import (
    Flag,
    Frame,
    FrameType,
    Kind,
    decode_credit,
    encode_credit,
    encode_frame,
    encode_message,
)
from common.tunnel.limits import KIB, LONGEST_DATA, Limits
from tests.kit.tunnel_pair import Pair

SMALL = Limits(stream_window_bytes=1000, connection_window_bytes=2000)


def answered(pair: Pair, content_type: str = "text/csv") -> int:
    """A stream on which the edge may send a body."""
    stream = pair.relay.core.open_stream(Kind.HTTP, "GET", "/x", (), end=True)
    pair.exchange()
    pair.edge.core.send_headers(stream, 200, (("content-type", content_type),))
    pair.exchange()
    pair.edge.take_sent()
    pair.relay.take_sent()
    return stream


def websocket(pair: Pair) -> int:
    stream = pair.relay.core.open_stream(Kind.WEBSOCKET, "GET", "/live", (), end=False)
    pair.exchange()
    pair.edge.core.send_headers(stream, 101, ())
    pair.exchange()
    pair.edge.take_sent()
    pair.relay.take_sent()
    return stream


def credits(frames: list[Frame]) -> list[tuple[int, int]]:  # noqa: A001
    return [(frame.stream_id, decode_credit(frame.payload)) for frame in frames if frame.type is FrameType.CREDIT]


def body_size(events: list[Event]) -> int:
    return sum(len(event.data) for event in events if isinstance(event, DataReceived))


def test_a_sender_stops_at_the_window_and_goes_on_when_half_is_consumed() -> None:
    """Consumed by the application: arriving alone gives nothing back."""
    pair = Pair(SMALL)
    edge, relay = pair.edge.core, pair.relay.core
    stream = answered(pair)
    assert edge.writable(stream) == 1000
    edge.send_data(stream, b"x" * 1000)
    assert edge.writable(stream) == 0
    at_relay, at_edge = pair.exchange()
    assert (body_size(at_relay), at_edge) == (1000, [])
    relay.consumed(stream, 499)
    assert pair.exchange() == ([], [])
    relay.consumed(stream, 1)
    assert pair.exchange() == ([], [StreamWritable(stream)])
    assert (stream, 500) in credits(pair.relay.take_sent())
    assert edge.writable(stream) == 500


def test_a_stream_that_is_reset_is_not_called_writable_after_that() -> None:
    """Though another one's end had made it so, and nobody was told yet."""
    pair = Pair(SMALL)
    first, second, third = answered(pair), answered(pair), answered(pair)
    edge = pair.edge.core
    for stream in (first, second):
        edge.send_data(stream, b"x" * edge.writable(stream))
    assert edge.writable(third) == 0
    edge.reset(first, ErrorCode.CANCEL)
    edge.reset(third, ErrorCode.CANCEL)
    assert edge.tick(0.0) == []


def test_what_others_do_not_take_keeps_no_credit_from_those_who_read() -> None:
    """Downloads that nobody reads hold most of the connection's window; a live stream goes on for ever beside them,
    though half of that window is never consumed."""
    pair = Pair()
    edge, relay = pair.edge.core, pair.relay.core
    while room := edge.writable(stalled := answered(pair)):
        edge.send_data(stalled, b"x" * room)
        pair.exchange()
        if relay.open_streams > 60:
            break
    live = websocket(pair)
    for _ in range(100):
        edge.send_message(live, b"x" * 10_000, is_text=False)
        pair.exchange()
        relay.consumed(live, 10_000)
        pair.exchange()
        assert edge.writable(live) >= 10_000


def test_downloads_that_nobody_reads_leave_room_for_the_next_answer() -> None:
    """Each of forty takes all it is given; one that comes then is not kept waiting."""
    pair = Pair()
    edge = pair.edge.core
    for _ in range(40):
        stream = answered(pair)
        edge.send_data(stream, b"x" * 65_000)
        pair.exchange()
        pair.relay.core.consumed(stream, 65_000)  # by the buffers on the way to the phone
        pair.exchange()
        edge.send_data(stream, b"x" * edge.writable(stream))
        pair.exchange()
    assert edge.writable(answered(pair)) == 64 * 1024


def test_the_connection_has_a_window_of_its_own() -> None:
    """Two streams use it up, less the part that is kept for live ones; the third waits for its credit."""
    pair = Pair(SMALL)
    first, second, third, live = answered(pair), answered(pair), answered(pair), websocket(pair)
    edge, relay = pair.edge.core, pair.relay.core
    edge.send_data(first, b"x" * 1000)
    assert edge.writable(second) == 750  # 2000 / 8 is kept
    edge.send_data(second, b"x" * 750)
    assert edge.writable(third) == 0
    assert edge.writable(live) == 250
    pair.exchange()
    relay.consumed(first, 1000)
    assert StreamWritable(third) in pair.exchange()[1]
    assert credits(pair.relay.take_sent()) == [(0, 1000), (first, 1000)][::-1]


def test_what_a_reset_stream_had_queued_makes_room_for_others() -> None:
    """Whichever end resets; and somebody waiting is told."""
    for by_relay in (True, False):
        pair = Pair(SMALL)
        first, second, third = answered(pair), answered(pair), answered(pair)
        edge, relay = pair.edge.core, pair.relay.core
        edge.send_data(first, b"x" * 1000)
        edge.send_data(second, b"x" * 750)
        assert edge.writable(third) == 0
        if by_relay:
            relay.reset(first, ErrorCode.CANCEL)
            pair.relay.flush()
            events = edge.receive(pair.relay.wire.popleft(), 0.0)
        else:
            edge.reset(first, ErrorCode.UPSTREAM)
            assert edge.next_deadline() == 0.0  # something to tell
            events = edge.tick(0.0)
        assert StreamWritable(third) in events
        assert edge.writable(third) == 1000


@pytest.mark.parametrize(
    ("sizes", "is_overrun"),
    [([900, 100], False), ([1001], True), ([64] * 15, False), ([1] * 15, False), ([1] * 16, True)],
)
def test_overrun_ends_the_connection(sizes: list[int], is_overrun: bool) -> None:
    """Never a silent drop. A piece of one byte costs 64, so that memory is what the window says."""
    pair = Pair(SMALL)
    opened = encode_frame(FrameType.OPEN, 1, encode_open(Open(1, "POST", "/", "", ())))
    data = b"".join(encode_frame(FrameType.DATA, 1, b"x" * size) for size in sizes)
    events = pair.edge.core.receive(encode_message(2, opened + data), 0.0)
    closed = [event for event in events if isinstance(event, ConnectionClosed)]
    assert bool(closed) == is_overrun
    if closed:
        assert (closed[0].error, closed[0].close_code) == (ErrorCode.FLOW, 4400)


@pytest.mark.parametrize("stream", [0, 1])
def test_credit_beyond_any_window_ends_the_connection(stream: int) -> None:
    pair = Pair()
    answered(pair)
    credit = encode_frame(FrameType.CREDIT, stream, encode_credit(2**31 - 1))
    (*_, closed) = pair.edge.core.receive(encode_message(3, credit + credit), 0.0)
    assert isinstance(closed, ConnectionClosed)
    assert closed.error is ErrorCode.FLOW


def test_small_pieces_get_their_whole_cost_back() -> None:
    """Consumed in other portions than they came in."""
    pair = Pair(SMALL)
    stream = answered(pair)
    for _ in range(100):
        for _ in range(10):
            pair.edge.core.send_data(stream, b"abc")
        assert body_size(pair.exchange()[0]) == 30
        for portion in (1, 4, 20, 5):
            pair.relay.core.consumed(stream, portion)
    pair.exchange()
    assert pair.edge.core.writable(stream) >= 500


def test_empty_messages_cost_credit_and_get_it_back() -> None:
    """One call of `consumed` for each."""
    pair = Pair(SMALL)
    stream = websocket(pair)
    sent = 0
    while pair.edge.core.writable(stream) and sent < 100:
        pair.edge.core.send_message(stream, b"", is_text=True)
        sent += 1
        pair.exchange()
    pair.edge.flush()
    assert sent == 100  # queued without weight, but
    pair.relay.core.consumed(stream, 0)
    received = 0
    for _ in range(200):
        events, _ = pair.exchange()
        received += len(events)
        pair.relay.core.consumed(stream, 0)
    assert received == 100 - 15  # 15 x 64 fit the window at first


def test_a_long_message_waits_until_the_one_before_was_consumed() -> None:
    """Its credit beyond one window is given early only when the application holds nothing else of the stream."""
    pair = Pair(Limits(stream_window_bytes=1000, connection_window_bytes=8000))
    stream = websocket(pair)
    first, second = b"1" * 2500, b"2" * 3000
    pair.edge.core.send_message(stream, first, is_text=False)
    assert pair.exchange()[0] == [MessageReceived(stream, first, is_text=False)]
    assert pair.edge.core.writable(stream) > 0
    pair.edge.core.send_message(stream, second, is_text=False)
    assert pair.exchange()[0] == []
    pair.relay.core.consumed(stream, 2500)
    assert pair.exchange()[0] == [MessageReceived(stream, second, is_text=False)]


def test_all_long_messages_together_are_bounded() -> None:
    """The stream that goes over is reset, the others go on."""
    pair = Pair(Limits(stream_window_bytes=1000, connection_window_bytes=8000, assembly_bytes=3500))
    one, two = websocket(pair), websocket(pair)
    pair.edge.core.send_message(one, b"1" * 3000, is_text=False)
    assert len(pair.exchange()[0]) == 1
    pair.edge.core.send_message(two, b"2" * 3000, is_text=False)
    assert pair.exchange()[0] == [
        StreamReset(two, ErrorCode.CALM_DOWN, "too many long messages at once", is_local=True)
    ]
    pair.relay.core.consumed(one, 3000)
    pair.exchange()
    pair.edge.core.send_message(one, b"3" * 3000, is_text=False)
    assert pair.exchange()[0] == [MessageReceived(one, b"3" * 3000, is_text=False)]


def content(frames: list[Frame]) -> list[int]:
    """The streams that content was sent for, in order."""
    return [frame.stream_id for frame in frames if frame.type in (FrameType.DATA, FrameType.MSG)]


def test_live_goes_before_plain_and_plain_before_downloads() -> None:
    """Whatever was queued first."""
    pair = Pair(Limits(bulk_after_bytes=30_000))
    download, plain, events, live = answered(pair), answered(pair), answered(pair, "text/event-stream"), websocket(pair)
    edge = pair.edge.core
    edge.send_data(download, b"d" * 48_000)
    pair.edge.flush(budget=33_000, most=1)  # now it is a download
    edge.send_data(plain, b"p" * 20_000)
    edge.send_data(events, b"data: 1\n\n")
    edge.send_message(live, b"{}", is_text=True)
    pair.edge.take_sent()
    pair.edge.flush()
    assert content(pair.edge.take_sent()) == [events, live, plain, download]


def test_streams_of_one_kind_take_turns_by_bytes() -> None:
    """One with small pieces gets as many bytes a turn as one with large ones."""
    pair = Pair()
    large, small = answered(pair), answered(pair)
    pair.edge.core.send_data(large, b"l" * 60_000)
    for _ in range(40):
        pair.edge.core.send_data(small, b"s" * 1000)
    pair.edge.flush()
    sent = [(frame.stream_id, len(frame.payload)) for frame in pair.edge.take_sent()]
    first_half = sent[: len(sent) // 2]
    by_stream = {at: sum(size for stream, size in first_half if stream == at) for at in (large, small)}
    assert abs(by_stream[large] - by_stream[small]) <= 2 * 16_384


def test_a_download_that_is_alone_fills_messages_with_one_frame() -> None:
    """Each frame costs both ends; nobody waits for a turn."""
    pair = Pair()
    download = answered(pair)
    pair.edge.core.send_data(download, b"d" * LONGEST_DATA)
    pair.edge.core.send_data(download, b"d" * 1000)
    pair.edge.flush(most=1)
    assert [len(frame.payload) for frame in pair.edge.take_sent()] == [LONGEST_DATA]


def test_downloads_that_share_a_message_take_short_turns() -> None:
    pair = Pair()
    one, other = answered(pair), answered(pair)
    for stream in (one, other):
        pair.edge.core.send_data(stream, b"d" * LONGEST_DATA)
    pair.edge.flush(most=1)
    sent = pair.edge.take_sent()
    assert [frame.stream_id for frame in sent] == [one, other, one, other]
    assert {len(frame.payload) for frame in sent[:3]} == {QUANTUM_BYTES}


def test_a_rest_of_the_window_is_not_worth_a_piece() -> None:
    """It would cost both ends what a full message does; the credit for more is on its way."""
    pair = Pair(Limits(stream_window_bytes=64 * KIB))
    download = answered(pair)
    pair.edge.core.send_data(download, b"d" * (64 * KIB - 100))
    assert pair.edge.core.writable(download) == 0
    pair.exchange()
    pair.relay.core.consumed(download, 64 * KIB - 100)
    _, at_edge = pair.exchange()
    assert StreamWritable(download) in at_edge
    assert pair.edge.core.writable(download) == 64 * KIB


def test_a_large_head_is_not_passed_over_for_ever() -> None:
    """With the smallest budget a full HEADERS fits only as the first frame of a message: its turn waits for it."""
    pair = Pair()
    busy = answered(pair)
    late = pair.relay.core.open_stream(Kind.HTTP, "GET", "/x", (), end=True)
    pair.exchange()
    pair.edge.core.send_data(busy, b"x" * 60_000)
    pair.edge.core.send_headers(late, 200, (("x", "v" * 16_000),))
    pair.edge.flush(budget=1, most=2)
    assert [frame.type for frame in pair.edge.take_sent()].count(FrameType.HEADERS) == 1


def test_data_never_overtakes_the_open_of_its_stream() -> None:
    pair = Pair()
    for _ in range(3):
        stream = pair.relay.core.open_stream(Kind.HTTP, "POST", "/x", (("x", "v" * 15_000),), end=False)
        pair.relay.core.send_data(stream, b"x" * 100, end=True)
    while pair.relay.flush(budget=20_000, most=1):
        at_edge = pair.edge.core.receive(pair.relay.wire.popleft(), 0.0)
        assert not any(isinstance(event, ConnectionClosed) for event in at_edge)
    assert pair.edge.core.open_streams == 3


def test_control_goes_before_content() -> None:
    """PONG first of all, then RESET, then credit."""
    pair = Pair(SMALL)
    stream, other = answered(pair), answered(pair)
    upload = pair.relay.core.open_stream(Kind.HTTP, "POST", "/x", (), end=False)
    pair.relay.core.send_data(upload, b"x" * 600)
    pair.exchange()
    pair.edge.take_sent()
    edge = pair.edge.core
    edge.send_data(stream, b"x" * 100)
    edge.consumed(upload, 600)
    edge.reset(other, ErrorCode.UPSTREAM)
    pair.relay.core.tick(100.0)
    pair.relay.flush()
    edge.receive(pair.relay.wire.popleft(), 0.0)
    pair.edge.flush()
    assert [frame.type for frame in pair.edge.take_sent()] == [
        FrameType.PONG,
        FrameType.RESET,
        FrameType.CREDIT,
        FrameType.CREDIT,
        FrameType.DATA,
    ]


def test_only_the_newest_ping_is_answered() -> None:
    """A peer that asks without end and never reads costs nothing."""
    pair = Pair()
    pings = b"".join(encode_frame(FrameType.PING, 0, at.to_bytes(8)) for at in range(1000))
    pair.edge.core.receive(encode_message(2, pings), 0.0)
    pair.edge.flush()
    assert pair.edge.take_sent() == [Frame(FrameType.PONG, 0, 0, (999).to_bytes(8))]


def test_a_peer_that_provokes_answers_and_reads_none_is_closed() -> None:
    """Thousands of OPENs over the limit, each with its RESET."""
    pair = Pair(Limits(streams=1))
    payload = encode_open(Open(1, "GET", "/", "", ()))
    events: list[Event] = []
    number, stream = 2, 1
    while not pair.edge.core.is_closed:
        assert number < 20
        frames = b"".join(encode_frame(FrameType.OPEN, at, payload) for at in range(stream, stream + 2000, 2))
        events = pair.edge.core.receive(encode_message(number, frames), 0.0)
        number, stream = number + 1, stream + 2000
    assert isinstance(events[-1], ConnectionClosed)
    assert events[-1].error is ErrorCode.CALM_DOWN


def test_a_message_never_exceeds_its_budget() -> None:
    """Nor 64 KiB; a budget too small for one frame is raised to it."""
    pair = Pair()
    stream = answered(pair)
    pair.edge.core.send_data(stream, b"x" * 60_000)
    for budget, most in ((1, 16_396), (20_000, 20_000), (1_000_000, 65_536)):
        message = pair.edge.core.data_to_send(budget)
        assert message is not None
        assert len(message) <= most


def test_end_alone_needs_no_credit() -> None:
    """An answer can end while its window is used up."""
    pair = Pair(SMALL)
    stream = answered(pair)
    pair.edge.core.send_data(stream, b"x" * 1000)
    pair.edge.core.send_data(stream, b"", end=True)
    events, _ = pair.exchange()
    assert events[-1] == DataReceived(stream, b"", is_ended=True)
    assert not any(isinstance(event, HeadersReceived) for event in events)
    assert pair.edge.take_sent()[-1].flags & Flag.END


def test_who_talks_on_and_takes_nothing_is_given_up() -> None:
    """What a phone sends, and a site takes, is no sign that the phone takes what waits for it."""
    pair = Pair(Limits(slow_consumer_s=4.0))
    live = websocket(pair)
    pair.edge.core.send_message(live, b"news", is_text=False)
    pair.exchange()  # and the relay's application does not consume it
    given_up: list[StreamReset] = []
    for second in range(1, 12):
        pair.relay.core.send_message(live, b"more", is_text=False)
        for event in pair.exchange()[1]:
            if isinstance(event, MessageReceived):
                pair.edge.core.consumed(live, len(event.data))
        given_up += [event for event in pair.relay.core.tick(float(second)) if isinstance(event, StreamReset)]
    assert [(event.stream_id, event.error) for event in given_up] == [(live, ErrorCode.SLOW_CONSUMER)]


def test_who_takes_a_little_now_and_then_is_not() -> None:
    pair = Pair(Limits(slow_consumer_s=4.0))
    live = websocket(pair)
    for second in range(1, 30):
        pair.edge.core.send_message(live, b"news", is_text=False)
        pair.exchange()
        if second % 3 == 0:
            pair.relay.core.consumed(live, 4)
        assert pair.relay.core.tick(float(second)) == []
