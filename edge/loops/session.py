"""One connection to the relay after its handshake: the shell of `TunnelConnection` at home, in threads.

The line's thread (edge/loops/line.py) reads, and only parses and hands on; each request has one of a bounded pool
(edge/loops/serving.py), which also sends what it has queued if nobody else is sending (edge/loops/sender.py); another
watches from outside and cuts the connection when the relay is silent or takes nothing. One lock guards the core and
nobody holds it over I/O.
"""

import secrets
import threading
import time
from collections.abc import Callable
from functools import partial

from common import logs
from common.health import Health
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
from edge.loops.sender import Sender
from edge.loops.serving import serve
from edge.loops.streams import Stream
from edge.loops.workers import Workers
from edge.tunnel import LocalApi, NoThreadLeft, RelaySocket, RelayUnavailable

RECEIVE_S = 0.25
"""A read returns at least so often, to see that the process stops; data wakes it at once."""

DRAIN_S = 4.0
"""For requests that run when the process is told to stop: most take milliseconds, and the service manager waits."""

DRAIN_STEP_S = 0.05

WATCH_EVERY_S = 1.0

log = logs.get(__name__)


class TunnelSession:
    """One connection after its handshake. `run` reads until the end; the other calls are for any thread."""

    def __init__(
        self,
        socket: RelaySocket,
        welcome: Welcome,
        limits: Limits,
        api: LocalApi,
        workers: Workers,
        health: Health,
        on_goodbye: Callable[[GoAwayReceived], None],
    ) -> None:
        """`on_goodbye` is called once the relay means to end this connection; it must not block."""
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
        self._health = health
        self._on_goodbye = on_goodbye
        self._streams: dict[int, Stream] = {}  # bounded by limits.streams
        self._running = 0  # requests whose thread is not done, also after a reset; under `lock`
        self._sender = Sender(self.connection, self.lock, socket, self._fail)
        self._is_over = threading.Event()
        self._closed: ConnectionClosed | None = None
        self._failure: RelayUnavailable | None = None

    def run(self, stop: threading.Event) -> None:
        """Blocks until the connection has ended, or `stop`; raises RelayUnavailable with the reason for the former."""
        threads = [
            threading.Thread(target=self._sender.run, name="tunnel-writer", daemon=True),
            threading.Thread(target=self._watch, name="tunnel-watch", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            while not self._is_over.is_set() and not stop.is_set():
                self._receive(RECEIVE_S)
            if not self._is_over.is_set():
                self._drain()
        except RelayUnavailable as exc:
            self._fail(exc)
        finally:
            self._finish(threads, stop.is_set())
        if not stop.is_set():
            raise self._failure or RelayUnavailable("the connection to the relay ended")

    def interrupt(self, why: str) -> None:
        """End the connection, from another thread; `run` raises RelayUnavailable within RECEIVE_S."""
        self._fail(RelayUnavailable(why))

    def cut(self, why: str) -> None:
        """As `interrupt`, for a connection that may not say goodbye any more."""
        self._fail(RelayUnavailable(why))
        self._socket.abort()

    def figures(self) -> tuple[int, int, float | None]:
        """Open streams, how many of them wait for the other end, and the round trip in seconds, once known."""
        with self.lock:
            return self.connection.open_streams, self.connection.stalled_streams, self.connection.rtt_s

    def flush(self) -> None:
        with self.lock:
            due = self.connection.next_deadline()
            if due is not None and due <= 0.0:  # events were born in a stream's call
                for event in self.connection.tick(time.monotonic()):
                    self._handle(event, [])
            message = self._sender.take()
        if message is not None:
            self._sender.send(message)

    def forget(self, stream_id: int) -> None:
        self._streams.pop(stream_id, None)

    def _receive(self, timeout_s: float) -> None:
        message = self._socket.receive(timeout_s)
        if message is not None:
            self._drive(lambda: self.connection.receive(message, time.monotonic()))

    def _drain(self) -> None:
        """Take nothing new, end what would last, and give the rest a little time."""
        with self.lock:
            self.connection.go_away(ErrorCode.DRAIN)
            self._reset(self.connection.live_streams)
        deadline = time.monotonic() + DRAIN_S
        while not self._is_over.is_set() and time.monotonic() < deadline:
            self._receive(DRAIN_STEP_S)
            with self.lock:
                if self.connection.is_drained:
                    return
        with self.lock:
            self._reset(list(self._streams))
        self._receive(DRAIN_STEP_S)  # the writer sends the RESETs meanwhile

    def _reset(self, stream_ids: list[int]) -> None:
        """Under the lock: end these, since the process stops."""
        for stream_id in stream_ids:
            self.connection.reset(stream_id, ErrorCode.DRAIN, "the edge stops")
            if (stream := self._streams.pop(stream_id, None)) is not None:
                stream.gone()
        self._sender.hand_over()

    def _drive(self, step: Callable[[], list[Event]]) -> None:
        """Let the core take a step and hand on what came of it."""
        opened: list[Stream] = []
        with self.lock:
            for event in step():
                self._handle(event, opened)
            self._sender.hand_over()
        for stream in opened:
            try:
                self._workers.submit(partial(self._serve, stream))
            except NoThreadLeft as exc:
                self._refuse(stream, exc)

    def _refuse(self, stream: Stream, why: NoThreadLeft) -> None:
        """Safe to try again: nothing was begun."""
        self._health.count("relay_requests_refused")
        log.warning("no_thread_left", detail=why.detail)
        with self.lock:
            self._running -= 1
            self.connection.reset(stream.opened.stream_id, ErrorCode.REFUSED, why.message)
            self._streams.pop(stream.opened.stream_id, None)
            self._sender.hand_over()

    def _serve(self, stream: Stream) -> None:
        try:
            serve(stream, self._api, self._workers.submit)
        finally:
            with self.lock:
                self._running -= 1

    def _handle(self, event: Event, opened: list[Stream]) -> None:
        match event:
            case StreamOpened():
                self._open(event, opened)
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
                self._on_goodbye(event)
            case ConnectionClosed():
                self._closed = event
                self._is_over.set()
            case HeadersReceived():
                pass  # never on this side

    def _open(self, event: StreamOpened, opened: list[Stream]) -> None:
        """Requests are counted until their thread is done: open and reset in a loop must not pile up threads."""
        if self._running >= self._limits.streams:
            self.connection.reset(event.stream_id, ErrorCode.REFUSED, "requests that were given up still run")
            self._health.count("relay_requests_refused")
            return
        self._running += 1
        stream = self._streams[event.stream_id] = Stream(self, event)
        opened.append(stream)

    def _watch(self) -> None:
        """Outside the way of the data: cuts the line, which frees a blocked sender and the reader."""
        every_s = min(WATCH_EVERY_S, self._limits.write_stall_s / 4)
        progress: tuple[float | None, int | None] = None, None  # of the message that is being sent
        stuck_since = looked_at = time.monotonic()
        while not self._is_over.wait(every_s):
            now = time.monotonic()
            seen = self._sender.sending_since, self._socket.acknowledged_bytes()
            if seen != progress or seen[0] is None:
                progress, stuck_since = seen, now
            if now - stuck_since > self._limits.write_stall_s:
                self.cut("the relay takes no bytes")
                return
            with self.lock:
                deadline = self.connection.next_deadline()
                stalled = self.connection.stalled_streams
            self._health.count("relay_window_blocked_ms", round(stalled * (now - looked_at) * 1000))
            looked_at = now
            if deadline is not None and deadline <= now:
                self._drive(lambda: self.connection.tick(time.monotonic()))
        if self._closed is not None and self._closed.error is ErrorCode.TIMEOUT:
            self.cut("the relay was silent for too long")

    def _fail(self, failure: RelayUnavailable) -> None:
        with self.lock:
            self._failure = self._failure or failure
            self._is_over.set()

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
            self._sender.end()
        threads[0].join(self._limits.write_stall_s if self._failure is None else 1.0)
        if threads[0].is_alive():
            self._socket.abort()
        else:
            self._socket.close(closed.close_code if closed is not None else 1000, "")
