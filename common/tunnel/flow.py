"""Who may send how much, and in which order.

`ReceiveWindow` and `SendWindow` count credit, for one stream or for the connection; `FreeFrames` what costs none and
comes; `ControlQueue` holds what costs no
credit and goes first; `Scheduler` says whose turn it is among streams. Counting only: nothing here knows a socket, and
connection.py alone joins the parts (docs/protocol.md, "Windows" and "Order of sending").
"""

from collections import deque
from enum import IntEnum

from common.tunnel.errors import ErrorCode, ProtocolError
from common.tunnel.frames import HEADER_BYTES, LONGEST_CREDIT, FrameType, encode_credit, encode_frame
from common.tunnel.limits import (
    FREE_FRAME_BYTES,
    FREE_FRAMES,
    FREE_FRAMES_PER_S,
    LONGEST_PAYLOAD,
    SMALLEST_COST,
)

QUANTUM_BYTES = LONGEST_PAYLOAD
"""What one stream sends in its turn, where others wait for theirs."""

CREDIT_FRAME_BYTES = HEADER_BYTES + 4


class Priority(IntEnum):
    """Lower goes first, always; within one, streams take turns by bytes."""

    LIVE = 0  # websockets, event streams
    PLAIN = 1
    BULK = 2  # downloads


def frame_cost(frame_type: FrameType, length: int) -> int:
    """The credit a DATA or MSG frame with `length` bytes of payload uses up, on its stream and on the connection."""
    return 0 if frame_type is FrameType.DATA and length == 0 else max(length, SMALLEST_COST)


class ReceiveWindow:
    """What the peer may still send, and what the application has taken but is not yet credited."""

    __slots__ = ("available", "is_shared", "size", "taken")

    def __init__(self, size: int, *, is_shared: bool = False) -> None:
        self.size = size
        self.is_shared = is_shared
        self.available = size
        self.taken = 0

    def receive(self, cost: int) -> None:
        """Raises ProtocolError with FLOW when the peer overran its credit."""
        if cost > self.available:
            raise ProtocolError("window overrun", ErrorCode.FLOW)
        self.available -= cost

    def give_back(self, cost: int) -> int:
        """The application took `cost`. The credit to send now: 0 until half the window has been taken; of a shared one
        an eighth, or as much as the peer has left, who must not wait for what other streams do not take."""
        self.taken += cost
        is_due = self.taken * 2 >= self.size
        if self.is_shared:
            is_due = self.taken * 8 >= self.size or self.taken >= self.available
        if not is_due:
            return 0
        granted, self.taken = self.taken, 0
        self.available += granted
        return granted


class SendWindow:
    """What we may still send (`credit`), and what is queued against it."""

    __slots__ = ("credit", "queued", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.credit = size
        self.queued = 0

    @property
    def room(self) -> int:
        """Bytes that may be queued with credit for them; negative behind a long message."""
        return self.credit - self.queued

    def sent(self, length: int, cost: int) -> None:
        self.queued -= length
        self.credit -= cost

    def grow(self, increment: int) -> None:
        self.credit += increment
        if self.credit > LONGEST_CREDIT:
            raise ProtocolError("more credit than a window can hold", ErrorCode.FLOW)


class FreeFrames:
    """What the peer may still send that uses up no credit: a bucket that time fills."""

    __slots__ = ("_at", "_left")

    def __init__(self, now: float) -> None:
        self._at = now
        self._left = float(FREE_FRAMES)

    def take(self, now: float, length: int = 0) -> None:
        """Count one frame; raises ProtocolError with CALM_DOWN for one too many."""
        self._left = (
            min(FREE_FRAMES, self._left + (now - self._at) * FREE_FRAMES_PER_S) - 1 - length // FREE_FRAME_BYTES
        )
        self._at = now
        if self._left < 0:
            raise ProtocolError("too many frames that cost nothing", ErrorCode.CALM_DOWN)


class ControlQueue:
    """What is sent before any stream's content: PONG, then RESET, PING and GOAWAY, then credits, then OPENs.

    Bounded: one PONG (the newest PING is answered), one credit a stream, one OPEN a stream; `size_bytes` counts the
    rest, which a peer can provoke, and the connection ends when it passes its limit.
    """

    def __init__(self) -> None:
        self.size_bytes = 0
        self._pong: bytes | None = None
        self._frames: deque[bytes] = deque()
        self._credits: dict[int, int] = {}
        self._opens: dict[int, bytes] = {}

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._frames or self._credits or self._opens or self._pong is not None)

    def pong(self, payload: bytes) -> None:
        self._pong = encode_frame(FrameType.PONG, 0, payload)

    def frame(self, frame: bytes) -> None:
        self._frames.append(frame)
        self.size_bytes += len(frame)

    def credit(self, stream_id: int, increment: int) -> None:
        self._credits[stream_id] = self._credits.get(stream_id, 0) + increment

    def open(self, stream_id: int, frame: bytes) -> None:
        self._opens[stream_id] = frame

    def withdraw_open(self, stream_id: int) -> bool:
        """Forget an OPEN that was not sent; False when it was."""
        return self._opens.pop(stream_id, None) is not None

    def forget(self, stream_id: int) -> None:
        """The stream is gone: it needs no credit."""
        self._credits.pop(stream_id, None)

    def clear(self) -> None:
        self._pong = None
        self._frames.clear()
        self.size_bytes = 0
        self._credits.clear()
        self._opens.clear()

    def take(self, room: int) -> list[bytes]:
        """Whole frames of at most `room` bytes together, removed from the queue; anything left means: no more room."""
        taken: list[bytes] = []
        if self._pong is not None:
            taken.append(self._pong)  # a message always has room for the first
            room -= len(self._pong)
            self._pong = None
        while self._frames and len(self._frames[0]) <= room:
            frame = self._frames.popleft()
            self.size_bytes -= len(frame)
            taken.append(frame)
            room -= len(frame)
        while not self._frames and self._credits and room >= CREDIT_FRAME_BYTES:
            stream_id, increment = self._credits.popitem()
            taken.append(encode_frame(FrameType.CREDIT, stream_id, encode_credit(increment)))
            room -= CREDIT_FRAME_BYTES
        while not self._frames and not self._credits and self._opens:
            stream_id, frame = next(iter(self._opens.items()))
            if len(frame) > room:
                break
            del self._opens[stream_id]
            taken.append(frame)
            room -= len(frame)
        return taken


class Scheduler:
    """The lines of streams with something queued, one for each priority."""

    def __init__(self) -> None:
        self._lines: tuple[deque[int], ...] = tuple(deque() for _ in Priority)
        self._listed: set[int] = set()

    def __bool__(self) -> bool:
        """Whether a stream is in a line."""
        return bool(self._listed)

    def add(self, stream_id: int, priority: Priority) -> None:
        """To the end of its line, unless it is in one."""
        if stream_id not in self._listed:
            self._listed.add(stream_id)
            self._lines[priority].append(stream_id)

    def put_back(self, stream_id: int, priority: Priority) -> None:
        """To the front: its turn came but the message was full."""
        self._listed.add(stream_id)
        self._lines[priority].appendleft(stream_id)

    def has_waiting(self, priority: Priority) -> bool:
        return bool(self._lines[priority])

    def next_in(self, priority: Priority) -> int | None:
        """Take the first off a line; None when the line is empty."""
        line = self._lines[priority]
        if not line:
            return None
        self._listed.discard(line[0])
        return line.popleft()
