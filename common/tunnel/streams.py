"""One stream: its state, what it has queued to send, and what it received that the application has not yet taken.

Bookkeeping for connection.py, which owns the streams and decides; a stream never touches the connection's windows.
"""

from collections import deque
from dataclasses import dataclass, field

from common.tunnel.errors import ErrorCode, ProtocolError, TunnelError
from common.tunnel.flow import Priority, ReceiveWindow, SendWindow, frame_cost
from common.tunnel.frames import HEADER_BYTES, Flag, FrameType, Kind, encode_header
from common.tunnel.limits import LONGEST_DATA, LONGEST_PAYLOAD, SMALLEST_COST
from common.tunnel.states import TRANSITIONS, Role, State, Step


@dataclass(slots=True)
class _Queued:
    """Something to send. DATA and MSG are cut into pieces as credit allows, others go whole and cost none."""

    type: FrameType
    payload: bytes
    flags: int  # on every piece
    last_flags: int  # on the last one as well
    offset: int = 0


@dataclass(slots=True)
class _Unread:
    """A piece of body, or a message, that the application has not taken: its bytes and the credit they still hold.

    `prepaid`: bytes of it whose credit was given before they were taken.
    """

    length: int
    cost: int
    prepaid: int = 0


@dataclass(slots=True)
class _Assembly:
    """The websocket message that is being put together. `cost` is not yet credited, `prepaid` bytes are."""

    data: bytearray = field(default_factory=bytearray)
    cost: int = 0
    prepaid: int = 0
    is_text: bool = False
    is_begun: bool = False


class Stream:
    def __init__(self, stream_id: int, kind: Kind, inbound_bytes: int, outbound_bytes: int) -> None:
        self.id = stream_id
        self.kind = kind
        self.state = State.IDLE
        self.priority = Priority.LIVE if kind is Kind.WEBSOCKET else Priority.PLAIN
        self.inbound = ReceiveWindow(inbound_bytes)
        self.outbound = SendWindow(outbound_bytes)
        self.has_moved = True  # since the last tick, either way; see connection.py
        self.was_taken_from = False  # content by the application, since then
        self.was_stalled = False
        self.idle_since = 0.0
        self._sent_bytes = 0
        self._queue: deque[_Queued] = deque()
        self._unread: deque[_Unread] = deque()
        self._unread_bytes = 0
        self._assembly = _Assembly()

    # States

    def step(self, sender: Role, step: Step) -> None:
        """Follow the table; raises ProtocolError where it has no entry."""
        following = TRANSITIONS.get((self.state, sender, step))
        if following is None:
            raise ProtocolError(f"{step.value} from the {sender.value} on a stream that is {self.state.value}")
        self.state = following

    @property
    def is_closed(self) -> bool:
        return self.state is State.CLOSED

    @property
    def is_done(self) -> bool:
        """Closed, all sent, all taken: nothing more to remember."""
        return self.is_closed and not self._queue and not self._unread

    @property
    def has_unread(self) -> bool:
        """Whether content came that the application has not taken."""
        return bool(self._unread)

    @property
    def is_stalled_by_window(self) -> bool:
        """Whether nothing moves because somebody has not taken what was sent: not a fault of this stream."""
        return bool(self._unread) or (self.has_queued and self.outbound.credit < SMALLEST_COST)

    # Sending

    @property
    def given_bytes(self) -> int:
        """Content sent so far, or queued."""
        return self._sent_bytes + self.outbound.queued

    @property
    def has_queued(self) -> bool:
        return bool(self._queue)

    def queue(self, frame_type: FrameType, payload: bytes, flags: int = 0, last_flags: int = 0) -> int:
        """Append; returns the bytes that count against the windows."""
        self._queue.append(_Queued(frame_type, payload, flags, last_flags))
        counted = len(payload) if frame_type in (FrameType.DATA, FrameType.MSG) else 0
        self.outbound.queued += counted
        return counted

    def drop_queue(self) -> int:
        """Forget what is queued; returns the bytes that counted against the windows."""
        dropped, self.outbound.queued = self.outbound.queued, 0
        self._queue.clear()
        return dropped

    def can_send(self, connection_credit: int) -> bool:
        """Whether credit allows a frame now; then only the room in a message can be missing."""
        head = self._queue[0]
        if head.type not in (FrameType.DATA, FrameType.MSG):
            return True
        is_free = head.type is FrameType.DATA and not head.payload
        return is_free or min(self.outbound.credit, connection_credit) >= SMALLEST_COST

    def next_frame(
        self, room: int, quantum: int, connection_credit: int
    ) -> tuple[bytes, bytes | memoryview, int, int] | None:
        """Header and payload of the next frame, of at most `room` bytes together and at most `quantum` of content, its
        payload bytes that counted, and its cost; None when blocked."""
        if not self._queue:
            return None
        item = self._queue[0]
        if item.type not in (FrameType.DATA, FrameType.MSG):
            if len(item.payload) + HEADER_BYTES > room:
                return None
            self._queue.popleft()
            return encode_header(item.type, self.id, len(item.payload), item.flags), item.payload, 0, 0
        left = len(item.payload) - item.offset
        credit = min(self.outbound.credit, connection_credit)
        longest = LONGEST_DATA if item.type is FrameType.DATA else LONGEST_PAYLOAD
        length = min(left, room - HEADER_BYTES, longest, quantum, credit) if left else 0
        cost = frame_cost(item.type, length)
        if cost > credit or room < HEADER_BYTES or (length < left and length < SMALLEST_COST):
            return None
        piece = item.payload if length == len(item.payload) else memoryview(item.payload)[item.offset :][:length]
        item.offset += length
        flags = item.flags
        if length == left:
            flags |= item.last_flags
            self._queue.popleft()
        self.outbound.sent(length, cost)
        self._sent_bytes += length
        return encode_header(item.type, self.id, length, flags), piece, length, cost

    def demote_if_bulk(self, bulk_after_bytes: int) -> None:
        if self.priority is Priority.PLAIN and self._sent_bytes >= bulk_after_bytes:
            self.priority = Priority.BULK

    # Receiving

    def receive_data(self, length: int) -> None:
        if length:
            self._unread.append(_Unread(length, frame_cost(FrameType.DATA, length)))
            self._unread_bytes += length

    def receive_piece(self, payload: bytes, flags: int) -> bytes | None:
        """Add a piece of a message; the whole message with its last one. Its size was checked (`assembled_bytes`)."""
        assembly = self._assembly
        is_text = bool(flags & Flag.TEXT)
        if assembly.is_begun and assembly.is_text != is_text:
            raise ProtocolError("pieces of text and binary mixed")
        assembly.is_begun, assembly.is_text = True, is_text
        assembly.data += payload
        assembly.cost += frame_cost(FrameType.MSG, len(payload))
        if not flags & Flag.FIN:
            return None
        message = bytes(assembly.data)
        self._unread.append(_Unread(len(message), assembly.cost, assembly.prepaid))
        self._unread_bytes += len(message)
        self._assembly = _Assembly()
        return message

    @property
    def is_assembling(self) -> bool:
        return self._assembly.is_begun

    @property
    def assembled_bytes(self) -> int:
        return len(self._assembly.data)

    def prepay(self) -> tuple[int, int]:
        """Credit the message in assembly if all before it was taken: a message over one window would wait for ever.

        Returns the cost to give back and the bytes that are prepaid by it.
        """
        assembly = self._assembly
        if self._unread or not assembly.cost:
            return 0, 0
        cost, assembly.cost = assembly.cost, 0
        prepaid = len(assembly.data) - assembly.prepaid
        assembly.prepaid = len(assembly.data)
        return cost, prepaid

    def consume(self, length: int) -> tuple[int, int]:
        """The application took `length` bytes, from the oldest on. Returns their cost and the prepaid bytes among them.

        Messages without content in front are taken with whatever comes. Raises TunnelError for more than there is.
        """
        if not 0 <= length <= self._unread_bytes:
            raise TunnelError(ErrorCode.INTERNAL, "more consumed than was received")
        self._unread_bytes -= length
        cost = prepaid = 0
        while self._unread:
            oldest = self._unread[0]
            if oldest.length > length:
                break
            length -= oldest.length
            cost += oldest.cost
            prepaid += oldest.prepaid
            self._unread.popleft()
            if length == 0:
                break
        if length:
            oldest = self._unread[0]
            part = min(oldest.cost, length)
            part_prepaid = min(oldest.prepaid, length)
            oldest.length -= length
            oldest.cost -= part
            oldest.prepaid -= part_prepaid
            cost += part
            prepaid += part_prepaid
        return cost, prepaid

    def drop_received(self) -> tuple[int, int]:
        """Forget what was not taken; returns its cost and its prepaid bytes."""
        cost = sum(unread.cost for unread in self._unread) + self._assembly.cost
        prepaid = sum(unread.prepaid for unread in self._unread) + self._assembly.prepaid
        self._unread.clear()
        self._unread_bytes = 0
        self._assembly = _Assembly()
        return cost, prepaid
