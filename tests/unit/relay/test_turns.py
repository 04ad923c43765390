"""What one websocket is given of a turn: whole frames, or the parts that are there, and not too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from relay.turns import BYTES_A_TURN, FRAMES_A_TURN, ODD_FRAMES, ODD_FRAMES_PER_S, Oddities, Turns, frame_size

frames = st.builds(
    lambda size, opcode, mask: Frame(opcode, b"x" * size).serialize(mask=mask),
    st.one_of(st.integers(0, 130), st.sampled_from([65_535, 65_536, 70_000])),
    st.sampled_from([Opcode.BINARY, Opcode.TEXT]),
    st.booleans(),
)


def taken(turns: Turns) -> list[bytes]:
    pieces = []
    while (piece := turns.next()) is not None:
        pieces.append(bytes(piece))
    return pieces


@given(st.lists(frames, max_size=80), st.integers(1, 100_000))
def test_what_goes_in_comes_out_frame_by_frame(sent: list[bytes], step: int) -> None:
    """However it is cut on its way, and in more than one turn."""
    whole, turns, out = b"".join(sent), Turns(), b""
    for at in range(0, len(whole), step):
        turns.add(whole[at : at + step])
        while True:
            pieces = taken(turns)
            assert len(pieces) <= FRAMES_A_TURN
            assert sum(map(len, pieces[:-1])) < BYTES_A_TURN
            out += b"".join(pieces)
            if not turns.is_over:
                break
            turns.renew()
        turns.renew()
    assert out == whole
    assert not turns.has_unread


@given(frames)
def test_a_frame_tells_its_size_as_soon_as_its_head_is_whole(frame: bytes) -> None:
    sizes = [frame_size(frame[:at]) for at in range(min(len(frame), 15) + 1)]
    known = [size for size in sizes if size is not None]
    assert set(known) <= {len(frame)}
    assert sizes[:2] == [None, None]
    assert sizes[-1] == len(frame)


def test_a_flood_of_the_smallest_frames_gets_a_turn_like_everybody() -> None:
    turns = Turns()
    turns.add(Frame(Opcode.PING, b"").serialize(mask=True) * 40_000)
    assert len(taken(turns)) == FRAMES_A_TURN
    assert turns.next() is None
    assert turns.is_over
    turns.renew()
    assert len(taken(turns)) == FRAMES_A_TURN


def test_what_says_nothing_is_counted_by_time() -> None:
    oddities = Oddities(0.0)
    assert not any(oddities.is_one_too_many(0.0) for _ in range(ODD_FRAMES))
    assert oddities.is_one_too_many(0.0)
    steady = Oddities(0.0)
    assert not any(steady.is_one_too_many(count / ODD_FRAMES_PER_S) for count in range(10_000))


@pytest.mark.parametrize("begun", [b"", b"\x82", b"\x82\xfe", b"\x82\xfe\x01", b"\x82\xff\0\0\0\0\0\0\x01"])
def test_half_a_head_tells_nothing(begun: bytes) -> None:
    assert frame_size(begun) is None
