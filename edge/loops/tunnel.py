"""Keeps the one line to the relay: connects, proves who we are, serves what comes, comes back after every loss.

The shell of `TunnelConnection` at home, in threads: this one reads and only parses and hands on; one writes; one
watches both from outside and cuts the line when the relay is silent or takes nothing; each request has one of a
bounded pool (edge/loops/streams.py). One lock guards the core and nobody holds it over I/O. Without an enrolment
nothing goes out.
"""

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from urllib.parse import urlsplit

from common import logs
from common.backoff import Backoff
from common.health import Health, Status
from common.security.device_keys import DeviceKeyUnusable
from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import ErrorCode, HandshakeFailed
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
from common.tunnel.handshake import EdgeHandshake, Welcome
from common.tunnel.limits import Limits
from common.tunnel.states import Role
from edge.loops.streams import Stream, serve
from edge.tunnel import (
    Ending,
    Enrolment,
    Enrolments,
    EnrolmentUnusable,
    LocalApi,
    Relay,
    RelaySocket,
    RelayUnavailable,
    ending_of,
    next_pause_s,
)

COMPONENT = "relay"

STREAMS = 64
"""Requests at once: a household's phones have a live push each and load a page with a dozen requests."""

WORKERS = 2 * STREAMS
"""Threads at most: a websocket takes two. None waits for another, so a long one never holds up a short one."""

LOOK_EVERY_S = 2.0
"""For an enrolment that is new or has changed."""

RECEIVE_S = 1.0
"""A read returns at least so often, to see that the process stops; data wakes it at once."""

WATCH_EVERY_S = 1.0

log = logs.get(__name__)


class TunnelLoop:
    """`run(stop)` never raises on purpose and returns only when told to."""

    def __init__(
        self, enrolments: Enrolments, relay: Relay, api: LocalApi, health: Health, limits: Limits | None = None
    ) -> None:
        self._enrolments = enrolments
        self._relay = relay
        self._api = api
        self._health = health
        self._limits = limits or Limits(streams=STREAMS)
        self._boot_id = secrets.token_hex(8)
        self._last_fence = 0
        self._spread_s = 0.0
        self._backoff = Backoff()

    def run(self, stop: threading.Event) -> None:
        with ThreadPoolExecutor(WORKERS, "tunnel") as workers:
            while not stop.is_set():
                enrolment = self._enrolment()
                if enrolment is None:
                    stop.wait(LOOK_EVERY_S)
                    continue
                ending, lived_s = self._connect(enrolment, workers, stop)
                pause_s = next_pause_s(ending, lived_s, self._spread_s, self._backoff)
                self._pause(pause_s, enrolment, stop)
        self._api.close()

    def _enrolment(self) -> Enrolment | None:
        try:
            enrolment = self._enrolments.load()
        except EnrolmentUnusable as exc:
            self._report(Status.FAILING, exc.message, exc.detail)
            return None
        if enrolment is None:
            self._report(Status.DISABLED, None)
        return enrolment

    def _connect(
        self, enrolment: Enrolment, workers: ThreadPoolExecutor, stop: threading.Event
    ) -> tuple[Ending, float | None]:
        """One connection from dialling to its end; how it ended, and how long it was up."""
        if COMPONENT not in self._health.components() or self._is(Status.DISABLED):
            self._report(Status.STARTING, None)
        opened_at: float | None = None
        try:
            with self._relay.connect(enrolment.relay_url) as socket:
                welcome = self._shake_hands(enrolment, socket)
                opened_at = time.monotonic()
                self._last_fence, self._spread_s = welcome.fence, welcome.reconnect_spread_s
                self._report(Status.OK, None)
                log.info("tunnel_opened", site=enrolment.site, fence=welcome.fence)
                session = TunnelSession(socket, welcome, self._limits, self._api, workers)
                session.run(stop)
        except HandshakeFailed as exc:
            ending = ending_of(exc.close_code)
            self._report(Status.FAILING, exc.message, exc.detail)
        except RelayUnavailable as exc:
            ending = ending_of(exc.close_code)
            self._report(Status.FAILING, exc.message, exc.detail)
        except DeviceKeyUnusable as exc:
            ending = Ending.REFUSED
            self._report(Status.FAILING, exc.message, exc.detail)
        else:
            ending = Ending.LOST
        return ending, time.monotonic() - opened_at if opened_at is not None else None

    def _shake_hands(self, enrolment: Enrolment, socket: RelaySocket) -> Welcome:
        deadline = time.monotonic() + self._limits.handshake_timeout_s
        handshake = EdgeHandshake(
            self._enrolments.key(),
            relay_origin=origin_of(enrolment.relay_url),
            site=enrolment.site_id,
            boot_id=self._boot_id,
            last_fence=self._last_fence,
            software=f"wallport-edge/{version('wallport')}",
            limits=self._limits.announced(),
        )
        socket.send(handshake.hello())
        socket.send(handshake.receive_challenge(_next(socket, deadline)))
        return handshake.receive_welcome(_next(socket, deadline))

    def _pause(self, pause_s: float, enrolment: Enrolment, stop: threading.Event) -> None:
        """Wait, but not longer than until somebody enrols anew."""
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0 and not stop.wait(min(left_s, LOOK_EVERY_S)):
            try:
                if self._enrolments.load() != enrolment:
                    self._backoff.reset()
                    return
            except EnrolmentUnusable:
                return

    def _report(self, status: Status, reason: str | None, detail: str | None = None) -> None:
        is_new = self._health.report(COMPONENT, status, reason)
        if status is Status.FAILING:
            (log.warning if is_new else log.debug)("relay_lost", reason=reason, detail=detail)
        elif is_new:
            log.info(f"relay_{status.value}")

    def _is(self, status: Status) -> bool:
        return self._health.components()[COMPONENT].status is status


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


def origin_of(relay_url: str) -> str:
    """Scheme, host and port as the relay calls itself."""
    parts = urlsplit(relay_url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _next(socket: RelaySocket, deadline: float) -> bytes:
    message = socket.receive(max(0.0, deadline - time.monotonic()))
    if message is None:
        raise RelayUnavailable("the relay did not answer the handshake in time")
    return message
