"""Frames that use up no credit are bounded by time, and a message of very many frames is taken in parts."""

import pytest

from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import ErrorCode, TunnelError
from common.tunnel.events import ConnectionClosed, DataReceived, Event
from common.tunnel.frames import Flag, FrameType, Kind, encode_credit, encode_frame, encode_message, encode_reset
from common.tunnel.limits import FREE_FRAMES, FREE_FRAMES_PER_S, LONGEST_MESSAGE
from common.tunnel.states import Role

PING = encode_frame(FrameType.PING, 0, b"12345678")
UNKNOWN = encode_frame(FrameType.PING, 0, b"12345678").replace(b"\x20\x00", b"\x7f\x80", 1)


class Relay:
    """A relay's end with one stream that is open (1) and one that is over (3)."""

    def __init__(self) -> None:
        self.core = TunnelConnection(Role.RELAY, now=0.0)
        self.number = 2
        for _ in range(2):
            self.core.open_stream(Kind.HTTP, "GET", "/", (), end=True)
        while self.core.data_to_send() is not None:
            pass
        self.core.reset(3, ErrorCode.CANCEL)

    def receive(self, frames: bytes, now: float = 0.0, most: int | None = None) -> list[Event]:
        message = encode_message(self.number, frames)
        self.number += 1
        return self.core.receive(message, now, most)


def flood(frame: bytes, now: float = 0.0) -> ErrorCode | None:
    """With what the relay ends a connection on which this comes as fast as it can; None if it takes 100,000."""
    relay, at_once = Relay(), (LONGEST_MESSAGE - 4) // len(frame)
    for _ in range(100_000 // at_once + 1):
        for event in relay.receive(frame * at_once, now):
            if isinstance(event, ConnectionClosed):
                return event.error
    return None


@pytest.mark.parametrize(
    "frame",
    [
        PING,
        encode_frame(FrameType.PONG, 0, b"12345678"),
        encode_frame(FrameType.CREDIT, 0, encode_credit(1)),
        encode_frame(FrameType.CREDIT, 1, encode_credit(1)),
        encode_frame(FrameType.CREDIT, 3, encode_credit(1)),
        encode_frame(FrameType.RESET, 3, encode_reset(ErrorCode.CANCEL, "")),
        encode_frame(FrameType.HEADERS, 3, b"\x00\xc8\x00\x00"),
        encode_frame(FrameType.WSCLOSE, 3, b"\x00\x00"),
        encode_frame(FrameType.GOAWAY, 0, bytes(14)),
        UNKNOWN,
    ],
)
def test_a_flood_of_what_costs_nothing_ends_the_connection(frame: bytes) -> None:
    assert flood(frame) is ErrorCode.CALM_DOWN
    assert flood(frame, now=1e6) is ErrorCode.CALM_DOWN  # also after a long silence


def test_what_is_skipped_counts_by_its_size_too() -> None:
    """Or 16 KiB of nothing at a time would be no flood."""
    frame = b"\x7f\x80\x40\x00\x00\x00\x00\x00" + bytes(16_384)
    relay, count = Relay(), 0
    while not relay.core.is_closed:
        relay.receive(frame)
        count += 1
    assert count < FREE_FRAMES / 60


def test_what_time_allows_is_taken_for_ever() -> None:
    relay = Relay()
    for second in range(1, 30):
        at_once = FREE_FRAMES_PER_S // 2
        for half in (0.0, 0.5):
            relay.receive(encode_frame(FrameType.CREDIT, 1, encode_credit(1)) * at_once, second + half)
    assert not relay.core.is_closed


def test_content_is_bounded_by_its_windows_alone() -> None:
    """More small pieces than any number of free frames, given back as they are taken."""
    relay = Relay()
    relay.receive(encode_frame(FrameType.HEADERS, 1, b"\x00\xc8\x00\x00"))
    for _ in range(20):
        for event in relay.receive(encode_frame(FrameType.DATA, 1, b"x") * 1000):
            assert isinstance(event, DataReceived)
            relay.core.consumed(1, 1)
        while relay.core.data_to_send() is not None:
            pass
    assert not relay.core.is_closed


def test_a_message_is_taken_in_parts_and_in_order() -> None:
    relay = Relay()
    relay.receive(encode_frame(FrameType.HEADERS, 1, b"\x00\xc8\x00\x00"))
    pieces = [encode_frame(FrameType.DATA, 1, bytes([at % 256])) for at in range(600)]
    events = relay.receive(b"".join(pieces), most=256)
    assert len(events) == 256
    with pytest.raises(TunnelError):
        relay.core.receive(encode_message(relay.number, PING), 0.0)
    while relay.core.is_midway:
        more = relay.core.receive_rest(0.0, 256)
        assert len(more) <= 256
        events += more
    assert [event.data for event in events if isinstance(event, DataReceived)] == [
        bytes([at % 256]) for at in range(600)
    ]
    assert relay.receive(encode_frame(FrameType.DATA, 1, b"", Flag.END)) == [DataReceived(1, b"", True)]


def test_a_fault_in_a_later_part_ends_the_connection() -> None:
    relay = Relay()
    relay.receive(PING * 300 + b"\x7f\x00\x00\x00\x00\x00\x00\x00", most=256)
    assert not relay.core.is_closed
    closed = relay.core.receive_rest(0.0, 256)[-1]
    assert isinstance(closed, ConnectionClosed)
    assert closed.error is ErrorCode.PROTOCOL
    assert not relay.core.is_midway
