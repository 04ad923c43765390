"""One connection to the relay after its handshake: the shell of `TunnelConnection` at home, in threads.

The loop's thread reads, and only parses and hands on; one writes; one watches both from outside and cuts the line
when the relay is silent or takes nothing; each request has one of a bounded pool (edge/loops/serving.py). One lock
guards the core and nobody holds it over I/O.
"""

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from common import logs
from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import ErrorCode
from common.tunnel.events import (
    ConnectionClosed,
    DataReceived,
    Event,
    GoAwayReceived,
    HeadersReceived,
    MessageReceived,
    StreamOpened,
    StreamReset,
    StreamWritable,
    WebsocketClosed,
)
from common.tunnel.handshake import Welcome
from common.tunnel.limits import Limits
from common.tunnel.states import Role
from edge.loops.serving import serve
from edge.loops.streams import Stream
from edge.tunnel import LocalApi, RelaySocket, RelayUnavailable

RECEIVE_S = 1.0
"""A read returns at least so often, to see that the process stops; data wakes it at once."""

WATCH_EVERY_S = 1.0

log = logs.get(__name__)


class TunnelSession:
    """One connection after its handshake. `run` reads until the end."""

    def __init__(
        self, socket: RelaySocket, welcome: Welcome, limits: Limits, api: LocalApi, workers: ThreadPoolExecutor
    ) -> None:
        self.lock = threading.Lock()  # guards `connection`, `_streams` and what the streams hold; never held over I/O
        self.connection = TunnelConnection(
            Role.EDGE,
            now=time.monotonic(),
            limits=limits,
            peer=welcome.limits,
            ping_phase=secrets.randbelow(1000) / 1000,
        )
        self._socket = socket
        self._limits = limits
        self._api = api
        self._workers = workers
        self._streams: dict[int, Stream] = {}  # bounded by limits.streams
        self._sendable = threading.Condition(self.lock)
        self._is_over = threading.Event()
        self._closed: ConnectionClosed | None = None
        self._failure: RelayUnavailable | None = None
        self._sending_since: float | None = None  # written by the writer alone

    def run(self, stop: threading.Event) -> None:
        """Blocks until the connection has ended, or `stop`; raises RelayUnavailable with the reason for the former."""
        threads = [
            threading.Thread(target=self._write, name="tunnel-writer", daemon=True),
            threading.Thread(target=self._watch, name="tunnel-watch", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            while not self._is_over.is_set() and not stop.is_set():
                message = self._socket.receive(RECEIVE_S)
                if message is not None:
                    self._drive(lambda message=message: self.connection.receive(message, time.monotonic()))  # type: ignore[misc]
        except RelayUnavailable as exc:
            self._fail(exc)
        finally:
            self._finish(threads, stop.is_set())
        if not stop.is_set():
            raise self._failure or RelayUnavailable("the connection to the relay ended")

    def interrupt(self, why: str) -> None:
        """End the connection, from another thread; `run` raises RelayUnavailable within RECEIVE_S."""
        self._fail(RelayUnavailable(why))

    def wake_writer(self) -> None:
        due = self.connection.next_deadline()
        if due is not None and due <= 0.0:  # events were born in a stream's call
            for event in self.connection.tick(time.monotonic()):
                self._handle(event, [])
        self._sendable.notify()

    def forget(self, stream_id: int) -> None:
        self._streams.pop(stream_id, None)

    def _drive(self, step: Callable[[], list[Event]]) -> None:
        """Let the core take a step and hand on what came of it."""
        opened: list[Stream] = []
        with self.lock:
            for event in step():
                self._handle(event, opened)
            self._sendable.notify()
        for stream in opened:
            self._workers.submit(serve, stream, self._api, self._submit)

    def _submit(self, work: Callable[[], None]) -> None:
        self._workers.submit(work)

    def _handle(self, event: Event, opened: list[Stream]) -> None:
        match event:
            case StreamOpened():
                stream = self._streams[event.stream_id] = Stream(self, event)
                opened.append(stream)
            case DataReceived() | MessageReceived() | WebsocketClosed():
                if (known := self._streams.get(event.stream_id)) is not None:
                    known.put(event)
                elif not isinstance(event, WebsocketClosed):
                    self.connection.consumed(event.stream_id, len(event.data))
            case StreamReset():
                if (known := self._streams.pop(event.stream_id, None)) is not None:
                    known.gone()
            case StreamWritable():
                if (known := self._streams.get(event.stream_id)) is not None:
                    known.became_writable()
            case GoAwayReceived():
                log.info("relay_says_goodbye", error=event.error.name)
            case ConnectionClosed():
                self._closed = event
                self._is_over.set()
            case HeadersReceived():
                pass  # never on this side

    def _write(self) -> None:
        """The one thread that sends."""
        try:
            while True:
                with self.lock:
                    while (message := self.connection.data_to_send()) is None:
                        if self._is_over.is_set():
                            return
                        self._sendable.wait()
                self._sending_since = time.monotonic()
                self._socket.send(message)
                self._sending_since = None
        except RelayUnavailable as exc:
            self._fail(exc)

    def _watch(self) -> None:
        """Outside the way of the data: cuts the line, which frees a blocked sender and the reader."""
        while not self._is_over.wait(WATCH_EVERY_S):
            since = self._sending_since
            now = time.monotonic()
            if since is not None and now - since > self._limits.write_stall_s:
                self._fail(RelayUnavailable("the relay takes no bytes"))
                self._socket.abort()
                return
            with self.lock:
                deadline = self.connection.next_deadline()
            if deadline is not None and deadline <= now:
                self._drive(lambda: self.connection.tick(time.monotonic()))
        if self._closed is not None and self._closed.error is ErrorCode.TIMEOUT:
            self._fail(RelayUnavailable("the relay was silent for too long"))
            self._socket.abort()

    def _fail(self, failure: RelayUnavailable) -> None:
        with self.lock:
            self._failure = self._failure or failure
            self._is_over.set()
            self._sendable.notify_all()

    def _finish(self, threads: list[threading.Thread], is_stopping: bool) -> None:
        closed = self._closed
        if closed is not None and self._failure is None:
            self._failure = RelayUnavailable(
                f"the tunnel ended: {closed.detail or closed.error.name.lower()}", close_code=closed.close_code
            )
        with self.lock:
            for event in self.connection.close(ErrorCode.NONE, "the edge stops" if is_stopping else "the tunnel ended"):
                self._handle(event, [])
            for stream in list(self._streams.values()):
                stream.gone()
            self._streams.clear()
            self._is_over.set()
            self._sendable.notify_all()
        threads[0].join(self._limits.write_stall_s if self._failure is None else 1.0)
        if threads[0].is_alive():
            self._socket.abort()
        else:
            self._socket.close(closed.close_code if closed is not None else 1000, "")
