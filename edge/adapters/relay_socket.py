"""The one websocket to the relay, over `websockets.sync` on a socket of our own.

`send` holds the library's lock for as long as the kernel takes nothing, and pings would wait behind it; so the
library's pings are off (the tunnel has its own), one thread sends, one receives, and `abort` shuts the socket down
from outside the lock, which frees both within milliseconds. Raises RelayUnavailable in place of the library's
exceptions. Used by edge/loops/tunnel.py.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from common.tunnel.limits import LONGEST_MESSAGE
from edge.tunnel import RelayUnavailable

SUBPROTOCOL = Subprotocol("wallport-tunnel.v1")

CONNECT_TIMEOUT_S = 10.0
"""For the name, TCP, TLS and the upgrade together, each: a mobile uplink takes 1–2 s."""

WRITE_STALL_S = 20
"""Without a byte acknowledged by the relay's host; the kernel gives the connection up (TCP_USER_TIMEOUT)."""

NOT_SENT_LOWAT = 64 * 1024
"""Bytes the kernel may hold unsent: what is there cannot be overtaken by a PONG or a live value."""


ACKED_AT = 120
"""Offset of `tcpi_bytes_acked` in Linux' struct tcp_info, which only ever grows at its end (4.1 and newer)."""


class WebsocketsRelaySocket:
    """`edge.tunnel.RelaySocket`. `cutter` is a second handle of the same connection, below TLS."""

    def __init__(self, connection: ClientConnection, cutter: socket.socket) -> None:
        self._connection = connection
        self._cutter = cutter

    def send(self, message: bytes) -> None:
        with _translated():
            self._connection.send(message)

    def receive(self, timeout_s: float) -> bytes | None:
        with _translated():
            try:
                message = self._connection.recv(timeout_s)
            except TimeoutError:
                return None
        if isinstance(message, str):
            raise RelayUnavailable("the relay sent text")
        return message

    def acknowledged_bytes(self) -> int | None:
        if not hasattr(socket, "TCP_INFO"):
            return None
        with contextlib.suppress(OSError, struct.error):
            info = self._cutter.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKED_AT + 8)
            return int(struct.unpack_from("=Q", info, ACKED_AT)[0])
        return None

    def close(self, code: int, reason: str) -> None:
        with contextlib.suppress(WebSocketException, OSError):
            self._connection.close(code, reason)

    def abort(self) -> None:
        # With RST in place of FIN: behind bytes that nobody acknowledges a FIN is never sent, and where this host hears
        # nothing but is heard, the relay would take the connection for alive for as long again.
        with contextlib.suppress(OSError):
            self._cutter.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.shut_down()

    def shut_down(self) -> None:
        """Free whoever waits on the socket; what is on its way still arrives."""
        with contextlib.suppress(OSError):
            self._cutter.shutdown(socket.SHUT_RDWR)


class WebsocketsRelay:
    """`edge.tunnel.Relay`; `ca_file` holds the only authorities to trust, None means the machine's."""

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file

    @contextmanager
    def connect(self, relay_url: str) -> Iterator[WebsocketsRelaySocket]:
        """Connect to `{relay_url}/tunnel`."""
        parts = urlsplit(relay_url)
        is_tls = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if is_tls else 80)
        with _translated():
            raw = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)
        with raw, raw.dup() as cutter:
            _set_options(raw)
            with _translated():
                connection = connect(
                    f"{'wss' if is_tls else 'ws'}://{parts.netloc}/tunnel",
                    sock=raw,
                    ssl=tls_context(self._ca_file) if is_tls else None,
                    server_hostname=host if is_tls else None,
                    subprotocols=[SUBPROTOCOL],
                    compression=None,
                    proxy=None,
                    open_timeout=CONNECT_TIMEOUT_S,
                    ping_interval=None,
                    close_timeout=1.0,
                    max_size=LONGEST_MESSAGE,
                    max_queue=64,  # messages: more than the windows let through; a full queue would delay a PONG
                    user_agent_header=None,
                ).__enter__()
            relay_socket = WebsocketsRelaySocket(connection, cutter)
            try:
                yield relay_socket
            finally:
                relay_socket.shut_down()
                connection.close()


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Verifies the relay's certificate against the system's authorities, or against `ca_file` only."""
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _set_options(raw: socket.socket) -> None:
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_USER_TIMEOUT", WRITE_STALL_S * 1000),
        ("TCP_NOTSENT_LOWAT", NOT_SENT_LOWAT),
        ("TCP_KEEPIDLE", 30),
        ("TCP_KEEPINTVL", 10),
        ("TCP_KEEPCNT", 3),
    ):
        if hasattr(socket, name):  # Linux has all of them; elsewhere the tunnel's own watchdog does the work
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ConnectionClosed as exc:
        received = exc.rcvd
        code = received.code if received is not None else None
        said = f" ({received.reason})" if received is not None and received.reason else ""
        message = f"the relay closed the connection with {code}{said}" if code else "the connection to the relay broke"
        raise RelayUnavailable(message, close_code=code, detail=str(exc)) from exc
    except InvalidStatus as exc:
        raise RelayUnavailable(f"the relay answered with HTTP {exc.response.status_code}", detail=str(exc)) from exc
    except ssl.SSLCertVerificationError as exc:
        raise RelayUnavailable("the relay's certificate is not trusted", detail=str(exc)) from exc
    except (InvalidHandshake, WebSocketException) as exc:
        raise RelayUnavailable("the relay does not speak our protocol", detail=str(exc)) from exc
    except TimeoutError as exc:
        raise RelayUnavailable("the relay did not answer in time", detail=str(exc)) from exc
    except OSError as exc:
        raise RelayUnavailable("the relay cannot be reached", detail=str(exc)) from exc
