"""The bytes' way to the relay: TCP with our own options, and TLS on it where the address says https.

One thread sends and one other receives, and neither ever waits for the other: a home line that takes nothing must not
keep a cancelled request from being heard. That is why TLS runs in memory here (`ssl.SSLObject`) under a lock that
nobody holds over I/O; one `SSLSocket` must not be used by two threads at once, and its lock would be held by whoever
waits. Raises `OSError` and its kind, `ssl.SSLError` among them; relay_socket.py translates.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from urllib.parse import SplitResult

CONNECT_TIMEOUT_S = 10.0
"""For the name, TCP, and TLS, each: a mobile uplink takes 1–2 s."""

WRITE_STALL_S = 20
"""Without a byte acknowledged by the relay's host; the kernel gives the connection up (TCP_USER_TIMEOUT)."""

NOT_SENT_LOWAT = 64 * 1024
"""Bytes the kernel may hold unsent: what is there cannot be overtaken by a PONG or a live value."""

RECEIVED_AT_ONCE = 64 * 1024
"""Bytes: a whole message of the tunnel."""

ACKED_AT = 120
"""Offset of `tcpi_bytes_acked` in Linux' struct tcp_info, which only ever grows at its end (4.1 and newer)."""


class RelayLine:
    """A connection to the relay's host. `send` for one thread, `receive` for one other, the rest for any."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._tls: ssl.SSLObject | None = None
        self._tls_lock = threading.Lock()  # guards the three; never held over I/O
        self._tls_in = ssl.MemoryBIO()
        self._tls_out = ssl.MemoryBIO()
        self._send_lock = threading.Lock()  # keeps what TLS made in its order on the way out
        self._receive_timeout_s: float | None = None
        self._received = bytearray(RECEIVED_AT_ONCE)  # see UnixExchange._receive

    def send(self, data: bytes) -> None:
        """Blocks while the kernel takes nothing."""
        with self._send_lock:
            if self._tls is not None:
                with self._tls_lock:
                    self._tls.write(data)
                    data = self._tls_out.read()
            self._raw.sendall(data)

    def receive(self, timeout_s: float) -> bytes | None:
        """What has come, at least a byte; b"" at the end of the connection, None when nothing whole came in time, or
        before."""
        if timeout_s != self._receive_timeout_s:
            # The kernel's own timeout: Python's would ask it before every read whether one is possible.
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(timeout_s))
            self._receive_timeout_s = timeout_s
        try:
            size = self._raw.recv_into(self._received)
        except BlockingIOError:
            return None
        data = bytes(memoryview(self._received)[:size])
        return data if self._tls is None else self._decrypted(self._tls, data)

    def acknowledged_bytes(self) -> int | None:
        """All that the relay's host has acknowledged so far; None where the system cannot tell. Never blocks."""
        if not hasattr(socket, "TCP_INFO"):
            return None
        with contextlib.suppress(OSError, struct.error):
            info = self._raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ACKED_AT + 8)
            return int(struct.unpack_from("=Q", info, ACKED_AT)[0])
        return None

    def abort(self) -> None:
        """Cut it now, with RST in place of FIN: behind bytes that nobody acknowledges a FIN is never sent, and where
        this host hears nothing but is heard, the relay would take the connection for alive for as long again."""
        with contextlib.suppress(OSError):
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.shut_down()

    def shut_down(self) -> None:
        """Free whoever waits; what is on its way still arrives."""
        with contextlib.suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Nobody may use it any more."""
        self.shut_down()
        self._raw.close()

    def limit_sending(self, timeout_s: float) -> None:
        """From now on `send` raises when the kernel takes nothing for so long."""
        with contextlib.suppress(OSError):
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeout_s))

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Before the first byte. Raises TimeoutError after CONNECT_TIMEOUT_S."""
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        tls = context.wrap_bio(self._tls_in, self._tls_out, server_hostname=host)
        is_done = False
        while not is_done:
            try:
                tls.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                with contextlib.suppress(OSError):  # the alert; what is wrong matters more
                    self._raw.sendall(self._tls_out.read())
                raise
            self._raw.sendall(self._tls_out.read())
            if not is_done:
                self._await_handshake(deadline - time.monotonic())
        self._tls = tls

    def _await_handshake(self, timeout_s: float) -> None:
        data = self.receive(timeout_s) if timeout_s > 0 else None
        if data is None:
            raise TimeoutError("TLS took too long")
        if not data:
            raise ConnectionError("the connection ended within the TLS handshake")
        self._tls_in.write(data)

    def _decrypted(self, tls: ssl.SSLObject, data: bytes) -> bytes | None:
        pieces = []
        with self._tls_lock:
            if data:
                self._tls_in.write(data)
            else:
                self._tls_in.write_eof()
            try:
                while piece := tls.read(RECEIVED_AT_ONCE):
                    pieces.append(piece)
            except ssl.SSLWantReadError:  # what came is not a whole record
                return b"".join(pieces) or None
            except ssl.SSLEOFError:
                pass  # cut off: the websocket above tells whether it had said goodbye
        return b"".join(pieces)


def connected(parts: SplitResult, ca_file: Path | None) -> RelayLine:
    """Connect to the host of an http(s) address. The caller closes with `RelayLine.close`."""
    is_tls = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if is_tls else 80)
    raw = socket.create_connection((host, port), timeout=CONNECT_TIMEOUT_S)
    try:
        _set_options(raw)
        raw.settimeout(None)
        line = RelayLine(raw)
        if is_tls:
            line.start_tls(tls_context(ca_file), host)
    except BaseException:
        raw.close()
        raise
    return line


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Verifies the relay's certificate against the system's authorities, or against `ca_file` only."""
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # would make a `write` wait for a `read`
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


def _timeval(seconds: float) -> bytes:
    whole = int(seconds)
    return struct.pack("@ll", whole, max(1, int((seconds - whole) * 1e6)))
