"""A TCP proxy on loopback that misbehaves on demand: what home lines and the boxes on their way do to a connection.

Each direction has its own knobs, which may be turned while connections live. Nothing here knows what is carried.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PIECE = 16 * 1024
STEP_S = 0.01
"""Between looks at the knobs."""

SMALL_BUFFER = 8 * 1024
"""Of the proxy's sockets: a direction that is held shall fill up soon."""


@dataclass(slots=True)
class Way:
    """One direction. All knobs off: bytes pass as they come."""

    is_swallowed: bool = False
    """What comes vanishes, also the news that the connection has ended: the peer is half-open."""

    is_held: bool = False
    """Nothing is read: the sender's buffers fill."""

    delay_s: float = 0.0  # of each piece
    bytes_per_s: float | None = None


class FaultyLine:
    """Connections to `port` go to `target_port`, which may be changed for those to come."""

    def __init__(self, listener: socket.socket, target_port: int) -> None:
        self.port: int = listener.getsockname()[1]
        self.target_port = target_port
        self.to_server = Way()
        self.to_client = Way()
        self.accepted = 0
        self._listener = listener
        self._stop = threading.Event()
        self._lock = threading.Lock()  # guards the rest
        self._connections: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def break_off(self, *, is_swallowed: bool = False, is_held: bool = False) -> None:
        """Turn a knob of both directions."""
        for way in (self.to_server, self.to_client):
            way.is_swallowed, way.is_held = is_swallowed, is_held

    def let_new_ones_pass(self) -> None:
        """What is open stays as broken as it is; new connections have knobs of their own, all off."""
        self.to_server, self.to_client = Way(), Way()

    def heal(self) -> None:
        """All knobs off, and what was open is cut: a healed line does not bring old connections back."""
        self.let_new_ones_pass()
        self.cut()

    def cut(self) -> None:
        """Reset every connection, at both ends."""
        with self._lock:
            pairs, self._connections = self._connections, []
        for pair in pairs:
            for end in pair:
                _reset(end)

    def accept_for_ever(self) -> None:
        """A thread's work, until `close`."""
        while not self._stop.is_set():
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.accepted += 1
                self._connections.append((client, server))
            for source, sink, way in ((client, server, self.to_server), (server, client, self.to_client)):
                thread = threading.Thread(target=self._pump, args=(source, sink, way), name="faulty-line", daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _pump(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        try:
            while not self._stop.is_set():
                self._wait_while_held(way)
                data = source.recv(PIECE if way.bytes_per_s is None else 1)
                if way.is_swallowed:
                    if not data:
                        return
                    continue
                self._wait_while_held(way)  # the knob may have been turned while we waited for this piece
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                pause_s = way.delay_s + (len(data) / way.bytes_per_s if way.bytes_per_s else 0.0)
                if pause_s:
                    self._stop.wait(pause_s)
                sink.sendall(data)
        except OSError:
            if not way.is_swallowed:
                _reset(sink)

    def _wait_while_held(self, way: Way) -> None:
        while way.is_held and not self._stop.wait(STEP_S):
            pass


@contextmanager
def faulty_line(target_port: int = 0) -> Iterator[FaultyLine]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)  # inherited by what it accepts
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    line = FaultyLine(listener, target_port)
    thread = threading.Thread(target=line.accept_for_ever, name="faulty-line", daemon=True)
    thread.start()
    try:
        yield line
    finally:
        line.close()
        thread.join(5)


def _reset(end: socket.socket) -> None:
    """RST, as a router that has forgotten the connection sends it."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RD)  # frees a thread that waits for it
    with contextlib.suppress(OSError):
        end.close()
