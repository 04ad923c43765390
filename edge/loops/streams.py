"""One request of the tunnel as the thread that serves it sees it.

A `Stream` is where the session's reader leaves what came and the serving thread picks it up; both share the session's
one lock, and neither does I/O while holding it. What is done with it stands in edge/loops/serving.py.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import ErrorCode
from common.tunnel.events import DataReceived, MessageReceived, StreamOpened, WebsocketClosed
from common.tunnel.frames import Fields

Inbound = DataReceived | MessageReceived | WebsocketClosed


class StreamGone(Exception):
    """The stream was reset, or its tunnel ended: nobody waits for the answer any more."""


class Session(Protocol):
    """What a stream needs of its tunnel; `connection` only under `lock`."""

    lock: threading.Lock
    connection: TunnelConnection

    def flush(self) -> None:
        """Something may have to be sent: do that, or leave it to who is sending. Never under `lock`."""
        ...

    def forget(self, stream_id: int) -> None:
        """The stream's thread is done with it. Under `lock`."""
        ...


class Stream:
    """The serving threads' end: blocking calls that raise StreamGone once the stream is over."""

    def __init__(self, session: Session, opened: StreamOpened) -> None:
        self.opened = opened
        self._session = session
        self._changed = threading.Condition(session.lock)
        self._inbox: deque[Inbound] = deque()  # bounded by the stream's window
        self._is_gone = False
        self._abort: Callable[[], None] | None = None

    # The reader's calls, under the lock.

    def put(self, event: Inbound) -> None:
        self._inbox.append(event)
        self._changed.notify_all()

    def became_writable(self) -> None:
        self._changed.notify_all()

    def gone(self) -> None:
        """Wake whoever waits, here or at the api."""
        self._is_gone = True
        self._changed.notify_all()
        if self._abort is not None:
            self._abort()

    # The serving threads' calls.

    @property
    def is_gone(self) -> bool:
        return self._is_gone

    def on_gone(self, abort: Callable[[], None] | None) -> None:
        """Call this when the stream is over while the api is still busy with it; it must not block. None: no more."""
        with self._session.lock:
            self._abort = abort
            if self._is_gone and abort is not None:
                abort()

    def next(self) -> Inbound:
        """Wait for what comes next; owes `taken` for data and messages."""
        with self._session.lock:
            while not self._inbox:
                self._check()
                self._changed.wait()
            return self._inbox.popleft()

    def taken(self, size: int) -> None:
        with self._session.lock:
            self._session.connection.consumed(self.opened.stream_id, size)
        self._session.flush()

    def send_headers(self, status: int, fields: Fields, *, end: bool = False) -> None:
        with self._session.lock:
            self._check()
            self._session.connection.send_headers(self.opened.stream_id, status, fields, end=end)
        self._session.flush()

    def send_whole(self, status: int, fields: Fields, body: bytes) -> None:
        """Head and body in one message if there is room, else one after the other."""
        connection, stream_id = self._session.connection, self.opened.stream_id
        with self._session.lock:
            self._check()
            connection.send_headers(stream_id, status, fields, end=not body)
            is_sent = len(body) <= connection.writable(stream_id)
            if body and is_sent:
                connection.send_data(stream_id, body, end=True)
        self._session.flush()
        if not is_sent:
            self.send_data(body, end=True)

    def send_data(self, data: bytes, *, end: bool = False) -> None:
        """Waits for credit."""
        connection, stream_id, at = self._session.connection, self.opened.stream_id, 0
        while at < len(data) or end:
            with self._session.lock:
                room = self._room() if at < len(data) else 0
                piece = data[at : at + room]
                at += len(piece)
                is_last = end and at == len(data)
                self._check()
                connection.send_data(stream_id, piece, end=is_last)
            self._session.flush()
            if is_last:
                return

    def send_message(self, data: bytes, is_text: bool) -> None:
        """Waits for credit."""
        with self._session.lock:
            self._room()
            self._session.connection.send_message(self.opened.stream_id, data, is_text)
        self._session.flush()

    def close_websocket(self, code: int | None, reason: str) -> None:
        with self._session.lock:
            if not self._is_gone:
                self._session.connection.close_websocket(self.opened.stream_id, code, reason)
        self._session.flush()

    def finish(self) -> None:
        """All of the answer is given to the tunnel; what the phone still sends is not wanted."""
        with self._session.lock:
            unwanted = [event for event in self._inbox if not isinstance(event, WebsocketClosed)]
            self._inbox.clear()
            for event in unwanted:
                self._session.connection.consumed(self.opened.stream_id, len(event.data))
            self._session.forget(self.opened.stream_id)
        if unwanted:
            self._session.flush()

    def reset(self, error: ErrorCode, detail: str = "") -> None:
        """Give it up; drops also what is not yet sent. Idempotent."""
        with self._session.lock:
            self._session.connection.reset(self.opened.stream_id, error, detail)
            self._session.forget(self.opened.stream_id)
            self._is_gone = True
            self._changed.notify_all()
        self._session.flush()

    def _room(self) -> int:
        """Under the lock: wait until something may be sent; how many bytes."""
        while True:
            self._check()
            room = self._session.connection.writable(self.opened.stream_id)
            if room > 0:
                return room
            self._changed.wait()

    def _check(self) -> None:
        if self._is_gone:
            raise StreamGone
