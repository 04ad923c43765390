"""Makes websocket messages of what waits to be sent: control first, then streams in their turns.

Owned by connection.py, which queues; the order is that of docs/protocol.md, "Order of sending".
"""

from collections.abc import Mapping

from common.tunnel.flow import QUANTUM_BYTES, ControlQueue, Priority, Scheduler, SendWindow
from common.tunnel.frames import HEADER_BYTES, NUMBER_BYTES, encode_message
from common.tunnel.limits import LONGEST_MESSAGE, LONGEST_PAYLOAD
from common.tunnel.streams import Stream

SMALLEST_BUDGET = NUMBER_BYTES + HEADER_BYTES + LONGEST_PAYLOAD
"""Of one message: below it an OPEN could wait for ever."""

_PRIORITIES = tuple(Priority)  # an enum makes its members' list anew each time it is asked

Parts = list[bytes | memoryview]
"""Frames of one message, each whole or as header and payload, which is not copied before they are joined."""


class Outbox:
    def __init__(self, first_number: int, connection_window_bytes: int, bulk_after_bytes: int) -> None:
        self.control = ControlQueue()
        self.window = SendWindow(connection_window_bytes)
        self.scheduler = Scheduler()
        self.done: list[Stream] = []  # closed, and the last of them is in a message now
        self._number = first_number
        self._bulk_after_bytes = bulk_after_bytes

    def next_message(self, streams: Mapping[int, Stream], budget: int) -> bytes | None:
        """One message of at most `budget` bytes (but never below SMALLEST_BUDGET), or None: nothing to send now.

        Streams that have sent all they queued stay in `streams`; the caller forgets those in `done`.
        """
        if not self.scheduler and not self.control:
            return None
        room = max(SMALLEST_BUDGET, min(budget, LONGEST_MESSAGE)) - NUMBER_BYTES
        frames: Parts = [*self.control.take(room)]
        room -= sum(map(len, frames))
        if not self.control:  # an OPEN must not be overtaken by its stream's data
            for priority in _PRIORITIES:
                room = self._fill(priority, streams, room, frames)
        if not frames:
            return None
        message = encode_message(self._number, *frames)
        self._number += 1
        return message

    def clear(self) -> None:
        """Forget all that waits; streams are gone by now."""
        self.control.clear()
        self.window.queued = 0

    def _fill(self, priority: Priority, streams: Mapping[int, Stream], room: int, frames: Parts) -> int:
        """Give turns in one line until it is empty, blocked, or the message full; returns the room left."""
        blocked: list[Stream] = []
        while (stream_id := self.scheduler.next_in(priority)) is not None:
            stream = streams.get(stream_id)
            if stream is None or not stream.has_queued:
                continue
            if not stream.can_send(self.window.credit):
                blocked.append(stream)
                continue
            quantum = QUANTUM_BYTES if self.scheduler.has_waiting(priority) else room
            left = self._turn(stream, quantum, room, frames)
            if left == room:
                self.scheduler.put_back(stream_id, priority)
                break
            room = left
            if stream.is_done:
                self.done.append(stream)
            elif stream.has_queued:
                stream.demote_if_bulk(self._bulk_after_bytes)
                self.scheduler.add(stream_id, stream.priority)
        for stream in blocked:
            self.scheduler.add(stream.id, stream.priority)
        return room

    def _turn(self, stream: Stream, quantum: int, room: int, frames: Parts) -> int:
        """Send for one stream, up to `quantum` bytes; returns the room left."""
        while quantum > 0 and (made := stream.next_frame(room, quantum, self.window.credit)) is not None:
            header, payload, length, cost = made
            self.window.sent(length, cost)
            frames += header, payload
            size = len(header) + len(payload)
            room -= size
            quantum -= size
            stream.has_moved = True
        return room
