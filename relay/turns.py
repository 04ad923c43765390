"""How much of one websocket is taken before others have their turn: pure, time is an argument.

A read brings up to 256 KiB, which may be 40,000 frames, and the event loop reads a busy socket many times in a row. So
what came is cut at the ends of frames (RFC 6455 §5.2) and handed out as far as the turn goes. Used by
relay/adapters/sanic_socket.py.
"""

FRAMES_A_TURN = 32
BYTES_A_TURN = 256 * 1024
"""About a millisecond of either."""

ODD_FRAMES, ODD_FRAMES_PER_S = 200, 20
"""Of pings, pongs and the smallest pieces of a message, which cost more than they say: so many at once, then so many a
second. Browsers send neither, other clients a ping in several seconds."""

SMALLEST_PIECE = 64  # bytes; a message of 1 MiB in longer pieces is no oddity


class Turns:
    """What came of one websocket and waits; bounded by what the loop reads at once, since nobody reads on meanwhile."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._frame_left = 0  # bytes until the end of the frame that is being handed out
        self.renew()

    def renew(self) -> None:
        """All others have had their turn."""
        self._frames_left, self._bytes_left = FRAMES_A_TURN, BYTES_A_TURN

    @property
    def is_over(self) -> bool:
        return self._frames_left <= 0 or self._bytes_left <= 0

    @property
    def has_unread(self) -> bool:
        return bool(self._unread)

    def add(self, data: bytes) -> None:
        self._unread += data

    def drop(self) -> None:
        self._unread.clear()

    def next(self) -> bytearray | None:
        """A frame, or the part of it that is there; None when nothing is, or the turn is over."""
        if self.is_over or not self._unread:
            return None
        if self._frame_left == 0:
            size = frame_size(self._unread)
            if size is None:
                return None  # the rest of its head must come first
            self._frame_left = size
        if self._frame_left >= len(self._unread):
            piece, self._unread = self._unread, bytearray()
        else:
            piece = self._unread[: self._frame_left]
            del self._unread[: self._frame_left]
        self._frame_left -= len(piece)
        self._frames_left -= 1
        self._bytes_left -= len(piece)
        return piece


class Oddities:
    """Counts what is no content; a bucket that time fills."""

    def __init__(self, now: float) -> None:
        self._left, self._at = float(ODD_FRAMES), now

    def is_one_too_many(self, now: float) -> bool:
        self._left = min(ODD_FRAMES, self._left + (now - self._at) * ODD_FRAMES_PER_S) - 1
        self._at = now
        return self._left < 0


def frame_size(begun: bytes | bytearray) -> int | None:
    """The bytes of the frame that begins so, with its head; None as long as that is not whole."""
    if len(begun) < 2:
        return None
    length = begun[1] & 0x7F
    more = {126: 2, 127: 8}.get(length, 0)
    if len(begun) < 2 + more:
        return None
    if more:
        length = int.from_bytes(begun[2 : 2 + more], "big")
    return 2 + more + (4 if begun[1] & 0x80 else 0) + length
