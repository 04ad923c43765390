"""One request's way through a tunnel, as the handlers of the public side see it.

A read of the tunnel leaves what came in the inbox, which the stream's window bounds; nobody here blocks that read.
Owned by a `TunnelLink` (relay/handlers/link.py), which sends what is written here.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from common.tunnel.errors import ErrorCode
from common.tunnel.events import DataReceived, HeadersReceived, MessageReceived, WebsocketClosed
from relay.limits import Pacer
from relay.problems import StreamFailed

Inbound = HeadersReceived | DataReceived | MessageReceived | WebsocketClosed


class Link(Protocol):
    """What a stream needs of its tunnel."""

    loop: asyncio.AbstractEventLoop
    pacer: Pacer

    def consumed(self, stream_id: int, size: int) -> None: ...

    def writable(self, stream_id: int) -> int: ...

    def send_data(self, stream_id: int, data: bytes, *, end: bool) -> None: ...

    def send_message(self, stream_id: int, data: bytes, is_text: bool) -> None: ...

    def close_websocket(self, stream_id: int, code: int | None, reason: str) -> None: ...

    def reset(self, stream_id: int, error: ErrorCode, detail: str) -> None: ...

    def note_paced(self, wait_s: float) -> None: ...


class Stream:
    """For one task, plus one that only writes."""

    def __init__(self, link: Link, stream_id: int) -> None:
        self.stream_id = stream_id
        self.head_at: float | None = None  # on the loop's clock: when the answer's head came
        self._link = link
        self._inbox: deque[Inbound] = deque()  # bounded by the stream's window
        self._failure: StreamFailed | None = None
        self._observer: Callable[[StreamFailed], None] | None = None
        self._arrived: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    async def next(self) -> Inbound:
        """What came next; raises StreamFailed once the stream is reset. Owes `taken` for data and messages."""
        while not self._inbox:
            if self._failure is not None:
                raise self._failure
            self._arrived = self._link.loop.create_future()
            await self._arrived
        return self._inbox.popleft()

    def has_next(self) -> bool:
        return bool(self._inbox)

    @property
    def has_failed(self) -> bool:
        """Whether `next` will raise, after what came before."""
        return self._failure is not None

    def when_failed(self, call: Callable[[StreamFailed], None]) -> None:
        """Call this at once when the stream fails: for who waits for a phone that takes nothing, and not in `next`."""
        self._observer = call

    async def head(self) -> HeadersReceived:
        event = await self.next()
        if not isinstance(event, HeadersReceived):
            raise StreamFailed(ErrorCode.PROTOCOL, "no HEADERS")
        return event

    def taken(self, size: int) -> None:
        """The client took so many bytes: the edge may send more."""
        if self._failure is None:
            self._link.consumed(self.stream_id, size)

    async def paced(self, size: int) -> None:
        """Bytes of content are on their way, either way; waits while the site is over its share."""
        wait_s = self._link.pacer.take(size, self._link.loop.time())
        if wait_s > 0:
            self._link.note_paced(wait_s)
            await asyncio.sleep(wait_s)

    async def write(self, data: bytes, *, end: bool = False) -> None:
        """Send a piece of the request's body; waits for credit. Raises StreamFailed."""
        at = 0
        while at < len(data):
            size = min(await self._room(), len(data) - at)
            piece = data[at : at + size] if size < len(data) else data
            at += size
            self._link.send_data(self.stream_id, piece, end=end and at == len(data))
        if end and not data:
            self._raise_failure()
            self._link.send_data(self.stream_id, b"", end=True)

    async def send_message(self, data: bytes, is_text: bool) -> None:
        """Send a websocket message; waits for credit. Raises StreamFailed."""
        await self._room()
        self._link.send_message(self.stream_id, data, is_text)

    def close_websocket(self, code: int | None, reason: str) -> None:
        if self._failure is None:
            self._link.close_websocket(self.stream_id, code, reason)

    def reset(self, error: ErrorCode, detail: str = "") -> None:
        """Give the stream up; whoever waits on it gets StreamFailed. Idempotent, also after its end."""
        if self._failure is None:
            self._link.reset(self.stream_id, error, detail)
            self.fail(StreamFailed(error, detail))

    def put(self, event: Inbound) -> None:
        if self.head_at is None:
            self.head_at = self._link.loop.time()
        self._inbox.append(event)
        _wake(self._arrived)

    def fail(self, failure: StreamFailed) -> None:
        if self._failure is None:
            self._failure = failure
            _wake(self._arrived)
            _wake(self._writable)
            if self._observer is not None:
                self._observer(failure)

    def wake_writer(self) -> None:
        _wake(self._writable)

    async def _room(self) -> int:
        """How many bytes may be sent now, at least one."""
        while True:
            self._raise_failure()
            room = self._link.writable(self.stream_id)
            if room > 0:
                return room
            self._writable = self._link.loop.create_future()
            await self._writable

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
