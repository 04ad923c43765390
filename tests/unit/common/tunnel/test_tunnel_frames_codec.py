"""The codec: what it encodes it decodes, and any bytes are accepted or are exactly one protocol error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import ErrorCode, ProtocolError
from common.tunnel.events import ConnectionClosed, StreamReset
from common.tunnel.frames import (
    Flag,
    Frame,
    FrameType,
    GoAway,
    Kind,
    decode_close,
    decode_credit,
    decode_goaway,
    decode_message,
    decode_reset,
    encode_close,
    encode_credit,
    encode_frame,
    encode_goaway,
    encode_message,
    encode_reset,
    wire_close_code,
)
from common.tunnel.limits import LONGEST_MESSAGE, LONGEST_PAYLOAD
from common.tunnel.states import Role

data_frames = st.builds(
    Frame,
    st.just(FrameType.DATA),
    st.sampled_from([0, int(Flag.END)]),
    st.integers(1, 2**32 - 1),
    st.binary(max_size=300),
)
ping_frames = st.builds(
    Frame, st.sampled_from([FrameType.PING, FrameType.PONG]), st.just(0), st.just(0), st.binary(min_size=8, max_size=8)
)
msg_frames = st.builds(
    Frame,
    st.just(FrameType.MSG),
    st.sampled_from([0, int(Flag.TEXT), int(Flag.FIN), int(Flag.TEXT | Flag.FIN)]),
    st.integers(1, 2**32 - 1),
    st.binary(max_size=300),
)
frames = st.one_of(data_frames, ping_frames, msg_frames)


def encode(frame: Frame) -> bytes:
    return encode_frame(frame.type, frame.stream_id, frame.payload, frame.flags)


@given(st.lists(frames, min_size=1, max_size=10), st.integers(0, 2**34))
def test_frames_survive_a_message(sent: list[Frame], number: int) -> None:
    """What is encoded is decoded again, in order, whatever the message's number, also beyond 32 bits."""
    message = encode_message(number, b"".join(map(encode, sent)))
    assert list(decode_message(message, number)) == sent


@given(st.lists(frames, min_size=1, max_size=4), st.data())
def test_a_cut_message_is_an_error_unless_cut_between_frames(sent: list[Frame], data: st.DataObject) -> None:
    """No cut inside a frame is taken for a whole one."""
    parts = [encode(frame) for frame in sent]
    whole = encode_message(7, b"".join(parts))
    ends = {4 + sum(map(len, parts[:count])) for count in range(1, len(parts) + 1)}
    size = data.draw(st.integers(0, len(whole)))
    if size in ends:
        assert len(list(decode_message(whole[:size], 7))) <= len(sent)
    else:
        with pytest.raises(ProtocolError):
            list(decode_message(whole[:size], 7))


def answer_to(role: Role, *messages: bytes) -> tuple[list[object], TunnelConnection]:
    core = TunnelConnection(role, now=0.0)
    if role is Role.RELAY:
        core.open_stream(Kind.HTTP, "GET", "/", (), end=False)
        core.open_stream(Kind.WEBSOCKET, "GET", "/", (), end=False)
    core.data_to_send()
    events: list[object] = []
    for message in messages:
        events += core.receive(message, 1.0)
    return events, core


def check_the_fuzz_contract(events: list[object], core: TunnelConnection) -> None:
    closed = [event for event in events if isinstance(event, ConnectionClosed)]
    assert len(closed) <= 1
    assert bool(closed) == core.is_closed
    if closed:
        assert events[-1] is closed[0]
        assert closed[0].error in (ErrorCode.PROTOCOL, ErrorCode.FLOW, ErrorCode.CALM_DOWN)
        assert core.data_to_send() is not None  # GOAWAY
    while core.data_to_send() is not None:
        pass
    resets = [event.stream_id for event in events if isinstance(event, StreamReset)]
    assert len(resets) == len(set(resets))


@given(st.sampled_from(Role), st.binary(max_size=200))
def test_any_bytes_are_accepted_or_one_protocol_error(role: Role, raw: bytes) -> None:
    """Noise, with a right number before it."""
    check_the_fuzz_contract(*answer_to(role, encode_message(2, raw)))


any_frame = st.builds(
    lambda kind, flags, stream, payload: bytes([kind, flags]) + len(payload).to_bytes(2) + stream.to_bytes(4) + payload,
    st.one_of(st.sampled_from([kind.value for kind in FrameType]), st.integers(0, 255)),
    st.one_of(st.sampled_from([0, 1, 2, 4, 6, 0x80]), st.integers(0, 255)),
    st.one_of(st.sampled_from([0, 1, 2, 3, 5]), st.integers(0, 2**32 - 1)),
    st.one_of(
        st.sampled_from(
            [b"", b"\x00\x00\x00\x01", b"\x01\x03GET\x00\x01/\x00\x00\x00", b"\x02\x03GET\x00\x01/\x00\x00\x00"]
        ),
        st.sampled_from([b"\x00\xc8\x00\x00", b"\x00\x65\x00\x00", b"\x03\xe8", b"\x00\x00", b"12345678"]),
        st.binary(max_size=40),
    ),
)


@given(st.sampled_from(Role), st.lists(st.lists(any_frame, max_size=6).map(b"".join), min_size=1, max_size=4))
def test_any_frames_are_accepted_or_one_protocol_error(role: Role, bodies: list[bytes]) -> None:
    """Well-formed headers with every type, flag and stream, in any order."""
    messages = [encode_message(2 + at, body) for at, body in enumerate(bodies)]
    check_the_fuzz_contract(*answer_to(role, *messages))


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (b"", "message too short"),
        (encode_message(2, b""), "message too short"),
        (encode_message(3, encode_frame(FrameType.PING, 0, b"12345678")), "message 3 where 2 was due"),
        (encode_message(2, b"\x77\x80\x40\x01" + b"\x00" * 20000), "frame too long"),
        (encode_message(2, encode_frame(FrameType.MSG, 1, b"x" * 16_385)), "frame of 16385 bytes"),
        (encode_message(2, encode_frame(FrameType.DATA, 1, b"x" * 10)[:-1]), "frame cut"),
        (encode_message(2, encode_frame(FrameType.PING, 0, b"12345678") + b"\x00"), "cut header"),
        (encode_message(2, b"\x77" + b"\x00" * 7), "unknown frame type 0x77"),
        (encode_message(2, encode_frame(FrameType.DATA, 1, b"x", 0x80)), "flags 0x80"),
        (encode_message(2, encode_frame(FrameType.PING, 0, b"12345678", 1)), "flags 0x01"),
        (encode_message(2, encode_frame(FrameType.DATA, 0, b"x")), "frame on stream 0"),
        (encode_message(2, encode_frame(FrameType.PING, 1, b"12345678")), "frame on stream 1"),
        (encode_message(2, encode_frame(FrameType.PING, 0, b"1234567")), "frame of 7 bytes"),
        (encode_message(2, b"\x00" * LONGEST_MESSAGE), "message too long"),
    ],
)
def test_faults_of_structure_are_named(message: bytes, what: str) -> None:
    """Each fault is found before anything is made of the message."""
    with pytest.raises(ProtocolError, match=what):
        list(decode_message(message, 2))


def test_an_unknown_type_with_the_skippable_flag_is_passed_over() -> None:
    """So that later versions can add frames that old ends need not know."""
    unknown = b"\x77\x80\x00\x03\x00\x00\x00\x09abc"
    ping = Frame(FrameType.PING, 0, 0, b"12345678")
    assert list(decode_message(encode_message(2, unknown + encode(ping)), 2)) == [ping]


@given(st.sampled_from(ErrorCode), st.text(max_size=100))
def test_reset_keeps_its_error_and_the_start_of_its_detail(error: ErrorCode, detail: str) -> None:
    payload = encode_reset(error, detail)
    assert len(payload) <= 66
    found, cut = decode_reset(payload)
    assert found is error
    assert detail.encode("utf-8", "replace").decode().startswith(cut)


def test_an_unknown_error_number_is_read_as_internal() -> None:
    """A newer peer may know more errors than we do."""
    assert decode_reset(b"\x03\xe7") == (ErrorCode.INTERNAL, "")


@pytest.mark.parametrize(
    ("given_code", "travels"),
    [
        (None, 0),
        (1005, 0),
        (1006, 1011),
        (1015, 1011),
        (1004, 1011),
        (999, 1011),
        (1016, 1011),
        (2999, 1011),
        (5000, 1011),
    ]
    + [(code, code) for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999)],
)
def test_close_codes(given_code: int | None, travels: int) -> None:
    """Codes that may stand in a close frame pass verbatim, none stays none, the rest is 1011."""
    assert wire_close_code(given_code) == travels
    code, reason = decode_close(encode_close(given_code, "why"))
    assert (code or 0) == travels
    assert reason == ("why" if travels else "")


@pytest.mark.parametrize("raw", [b"\x03\xed", b"\x03\xee", b"\x03\xf7", b"\x00\x00why", b"\x03\xe8\xff", b"\x00\x01"])
def test_close_payloads_that_must_not_travel(raw: bytes) -> None:
    """1005, 1006, 1015, a reason without a code, a reason that is not UTF-8, a code below 1000."""
    with pytest.raises(ProtocolError):
        decode_close(raw)


def test_a_long_reason_is_cut_between_characters() -> None:
    assert encode_close(1000, "ü" * 100)[2:] == ("ü" * 61).encode()


@given(st.integers(1, 2**31 - 1))
def test_credit_survives(increment: int) -> None:
    assert decode_credit(encode_credit(increment)) == increment


@pytest.mark.parametrize("raw", [b"\x00\x00\x00\x00", b"\x80\x00\x00\x00"])
def test_credit_of_nothing_or_too_much_is_a_flow_error(raw: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_credit(raw)
    assert caught.value.error is ErrorCode.FLOW


def test_goaway_survives() -> None:
    goaway = GoAway(41, ErrorCode.DRAIN, 1500, 120_000)
    assert decode_goaway(encode_goaway(goaway)) == goaway


def test_the_largest_frames_fit_a_message() -> None:
    """Three full frames and one shorter, to the byte."""
    sizes = [LONGEST_PAYLOAD, LONGEST_PAYLOAD, LONGEST_PAYLOAD, LONGEST_PAYLOAD - 4 - 4 * 8]
    message = encode_message(0, b"".join(encode_frame(FrameType.DATA, 1, b"x" * size) for size in sizes))
    assert len(message) == LONGEST_MESSAGE
    assert [len(frame.payload) for frame in decode_message(message, 0)] == sizes
