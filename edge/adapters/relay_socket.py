"""The one websocket to the relay: the protocol of `websockets` without its I/O, over a line of our own.

The library's own client holds one lock over sending and parsing and adds a thread: a blocked send would keep what comes
from being heard, and each message would wake one thread more. Here one thread sends and one receives, and both parse
and frame under a lock that nobody holds over I/O. Raises RelayUnavailable in place of the libraries' exceptions. Used
by edge/loops/tunnel.py.
"""

import contextlib
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from common.tunnel.limits import LONGEST_MESSAGE
from common.unreachable import clause
from edge.adapters.relay_line import RelayLine, connected
from edge.tunnel import RelayUnavailable

SUBPROTOCOL = Subprotocol("wallport-tunnel.v1")

UPGRADE_TIMEOUT_S = 10.0
"""From the request to the answer: a mobile uplink takes 1–2 s."""

GOODBYE_S = 1.0
"""For the relay's part of the closing handshake."""


class WebsocketsRelaySocket:
    """`edge.tunnel.RelaySocket`; its documentation is there."""

    def __init__(self, line: RelayLine, protocol: ClientProtocol) -> None:
        self._line = line
        self._protocol = protocol
        self._lock = threading.Lock()  # guards the protocol; never held over I/O
        self._messages: deque[bytes] = deque()  # bounded by what one receive brings
        self._pieces: list[bytes | bytearray | memoryview] = []  # bounded by the protocol's max_size

    def send(self, message: bytes) -> None:
        with _translated:
            with self._lock:
                if self._protocol.state is not OPEN:
                    raise self._ended()
                self._protocol.send_binary(message)
                outgoing = self._protocol.data_to_send()
            self._send_all(outgoing)

    def receive(self, timeout_s: float) -> bytes | None:
        deadline = time.monotonic() + timeout_s
        while not self._messages:
            with _translated:
                data = self._line.receive(timeout_s)
                if data is not None:
                    self._take(data)
            if not self._messages and time.monotonic() >= deadline:
                return None
        return self._messages.popleft()

    def acknowledged_bytes(self) -> int | None:
        return self._line.acknowledged_bytes()

    def close(self, code: int, reason: str) -> None:
        deadline = time.monotonic() + GOODBYE_S
        self._line.limit_sending(GOODBYE_S)
        with contextlib.suppress(WebSocketException, OSError):
            with self._lock:
                if self._protocol.state is OPEN:
                    self._protocol.send_close(code, reason)
                outgoing = self._protocol.data_to_send()
            self._send_all(outgoing)
            while (left_s := deadline - time.monotonic()) > 0 and (data := self._line.receive(left_s)) != b"":
                if data:
                    self._protocol.receive_data(data)
        self._line.shut_down()

    def abort(self) -> None:
        self._line.abort()

    def shake_hands(self) -> None:
        """The upgrade; raises the library's exceptions, or TimeoutError."""
        deadline = time.monotonic() + UPGRADE_TIMEOUT_S
        request = self._protocol.connect()
        self._protocol.send_request(request)
        self._send_all(self._protocol.data_to_send())
        while self._protocol.handshake_exc is None:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("no answer to the upgrade")
            data = self._line.receive(left_s)
            if data is not None and self._feed(data):
                return
        raise self._protocol.handshake_exc

    def _feed(self, data: bytes) -> bool:
        """Take bytes that came; whether the upgrade was among them. b"" is the end."""
        with self._lock:
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            events = self._protocol.events_received()
            outgoing = self._protocol.data_to_send()
        self._send_all(outgoing)  # the answer to a ping or a close
        is_upgraded = False
        for event in events:
            if isinstance(event, Response):
                is_upgraded = self._protocol.handshake_exc is None
            elif isinstance(event, Frame):
                self._keep(event)
        return is_upgraded

    def _take(self, data: bytes) -> None:
        self._feed(data)
        if not self._messages and self._protocol.state is not OPEN:
            raise self._ended()

    def _keep(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            raise RelayUnavailable("the relay sent text")
        if frame.opcode not in (Opcode.BINARY, Opcode.CONT):
            return
        self._pieces.append(frame.data)
        if frame.fin:
            self._messages.append(b"".join(self._pieces))
            self._pieces.clear()

    def _send_all(self, outgoing: list[bytes]) -> None:
        for data in outgoing:
            if data:  # b"" asks for the end of the connection, which `close` and the relay see to
                self._line.send(data)

    def _ended(self) -> RelayUnavailable:
        received, fault = self._protocol.close_rcvd, self._protocol.parser_exc
        if received is not None and received.code != 1005:
            said = f" ({received.reason})" if received.reason else ""
            message = f"the relay closed the connection with {received.code}{said}"
            return RelayUnavailable(message, close_code=received.code)
        if fault is not None and not isinstance(fault, EOFError):
            return RelayUnavailable("the relay does not speak our protocol", detail=str(fault))
        return RelayUnavailable("the connection to the relay broke")


class WebsocketsRelay:
    """`edge.tunnel.Relay`; `ca_file` holds the only authorities to trust, None means the machine's."""

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file

    @contextmanager
    def connect(self, relay_url: str) -> Iterator[WebsocketsRelaySocket]:
        """Connect to `{relay_url}/tunnel`."""
        parts = urlsplit(relay_url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        protocol = ClientProtocol(
            parse_uri(f"{scheme}://{parts.netloc}/tunnel"), subprotocols=[SUBPROTOCOL], max_size=LONGEST_MESSAGE
        )
        with _translated:
            line = connected(parts, self._ca_file)
        with contextlib.closing(line):
            relay_socket = WebsocketsRelaySocket(line, protocol)
            with _translated:
                relay_socket.shake_hands()
            yield relay_socket


class _Translated:
    """Raises RelayUnavailable in place of the libraries' exceptions. A generator would cost each message 5 µs."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _type: type[BaseException] | None, exc: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if exc is not None and (message := _explained(exc)):
            raise RelayUnavailable(message, detail=str(exc)) from exc


_translated = _Translated()


def _explained(exc: BaseException) -> str:
    """What to say of it; nothing of one that is not about the relay."""
    if isinstance(exc, InvalidStatus):
        return f"the relay answered with HTTP {exc.response.status_code}"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"the relay's certificate is not trusted{clause(exc)}"
    if isinstance(exc, InvalidHandshake | WebSocketException):
        return "the relay does not speak our protocol"
    if isinstance(exc, TimeoutError):
        return "the relay did not answer in time"
    return f"the relay cannot be reached{clause(exc)}" if isinstance(exc, OSError) else ""
