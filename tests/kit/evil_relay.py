"""A relay that obeys nobody: it speaks the handshake as far as it must, and after that sends what frames it likes.

Made from the frame codec alone, without the core that keeps an honest relay to the protocol. One edge at a time; the
test is the relay's mind.
"""

import json
import queue
import secrets
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from common.security.device_keys import DeviceKey
from common.tunnel.errors import ErrorCode
from common.tunnel.fields import Headers, decode_headers
from common.tunnel.frames import (
    Flag,
    Frame,
    FrameType,
    Kind,
    decode_message,
    decode_reset,
    encode_credit,
    encode_frame,
    encode_message,
)
from common.tunnel.handshake import Hello, RelayHandshake
from edge.adapters.enrolment import FileEnrolments
from edge.tunnel import Enrolment
from tests.kit.ports import reserved_port

ANSWER_WITHIN_S = 15.0


@dataclass(slots=True)
class Answer:
    """What came back on one stream; `status` 0 and `error` when it was reset."""

    status: int = 0
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: ErrorCode | None = None
    is_over: bool = False

    @property
    def code(self) -> str:
        """Of a problem."""
        return str(json.loads(self.body).get("code", ""))


class Grip:
    """The relay's end of one tunnel, after WELCOME."""

    def __init__(self, websocket: ServerConnection, hello: Hello) -> None:
        self.hello = hello
        self.close_code: int | None = None
        self._websocket = websocket
        self._sent = 2
        self._received = 2
        self._last_id = -1
        self._answers: dict[int, Answer] = {}

    def send(self, *frames: bytes) -> None:
        """One message of these frames, whatever they are."""
        self.send_message(encode_message(self._sent, b"".join(frames)))

    def send_message(self, message: bytes) -> None:
        self._sent += 1
        try:
            self._websocket.send(message)
        except ConnectionClosed:
            self._note_end()

    def next_id(self) -> int:
        self._last_id += 2
        return self._last_id

    def open(
        self,
        method: str,
        path: str,
        fields: Sequence[tuple[str, str]] = (),
        *,
        is_ended: bool = True,
        client_address: str = "",
        kind: int = Kind.HTTP,
    ) -> int:
        """OPEN, without a look at what is in it."""
        stream_id = self.next_id()
        self._answers[stream_id] = Answer()
        payload = open_payload(method, path, fields, client_address, kind)
        self.send(encode_frame(FrameType.OPEN, stream_id, payload, Flag.END if is_ended else 0))
        return stream_id

    def ask(
        self,
        method: str,
        path: str,
        fields: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        client_address: str = "",
    ) -> Answer:
        """A request and its whole answer."""
        stream_id = self.open(method, path, fields, is_ended=not body, client_address=client_address)
        if body:
            self.send(encode_frame(FrameType.DATA, stream_id, body, Flag.END))
        return self.answer(stream_id)

    def answer(self, stream_id: int, within_s: float = ANSWER_WITHIN_S) -> Answer:
        """What came on this stream until its end, or the connection's."""
        answer, deadline = self._answers[stream_id], time.monotonic() + within_s
        while not answer.is_over and self.close_code is None:
            assert time.monotonic() < deadline, f"no answer on stream {stream_id}"
            self.receive(0.5)
        return answer

    def receive(self, timeout_s: float) -> None:
        """Take one message, if one comes in time."""
        try:
            message = self._websocket.recv(timeout_s)
        except TimeoutError:
            return
        except ConnectionClosed:
            self._note_end()
            return
        assert isinstance(message, bytes)
        frames = list(decode_message(message, self._received))
        self._received += 1
        for frame in frames:
            self._take(frame)

    def close(self) -> None:
        """End the connection in order."""
        self._websocket.close(1012)

    def wait_for_end(self, within_s: float = ANSWER_WITHIN_S) -> int:
        """The code with which the edge closed."""
        deadline = time.monotonic() + within_s
        while self.close_code is None:
            assert time.monotonic() < deadline, "the edge keeps the connection"
            self.receive(0.2)
        return self.close_code

    def _take(self, frame: Frame) -> None:
        answer = self._answers.setdefault(frame.stream_id, Answer())
        if frame.type is FrameType.PING:
            self.send(encode_frame(FrameType.PONG, 0, frame.payload))
        elif frame.type is FrameType.HEADERS:
            head: Headers = decode_headers(frame.payload)
            answer.status, answer.fields = head.status, head.fields
            answer.is_over = bool(frame.flags & Flag.END)
        elif frame.type is FrameType.DATA:
            answer.body += frame.payload
            answer.is_over = bool(frame.flags & Flag.END)
            if frame.payload:
                credit = encode_credit(max(64, len(frame.payload)))
                self.send(encode_frame(FrameType.CREDIT, 0, credit))
                if not answer.is_over:
                    self.send(encode_frame(FrameType.CREDIT, frame.stream_id, credit))
        elif frame.type is FrameType.RESET:
            answer.error, _ = decode_reset(frame.payload)
            answer.is_over = True

    def _note_end(self) -> None:
        received = self._websocket.protocol.close_rcvd
        self.close_code = received.code if received is not None else 1006


@dataclass(slots=True)
class EvilRelay:
    """`origin` is what it calls itself in CHALLENGE; `before_welcome` frames go out in WELCOME's place.
    `fence` is the last that it gave."""

    url: str
    origin: str
    before_welcome: bytes = b""
    proofs: list[bytes] = field(default_factory=list)
    closed_with: "queue.Queue[int]" = field(default_factory=queue.Queue)
    _grips: "queue.Queue[Grip]" = field(default_factory=queue.Queue)
    fence: int = 0

    def grip(self, within_s: float = ANSWER_WITHIN_S) -> Grip:
        """The next edge that believed us."""
        return self._grips.get(timeout=within_s)

    def enrolment(self, data_dir: Path, key: DeviceKey | None = None) -> None:
        """What an edge has on disk that was enrolled here."""
        FileEnrolments(data_dir).save(Enrolment(self.url, "site-id", "home"), key or DeviceKey.generate())

    def meet(self, websocket: ServerConnection) -> None:
        """A connection's handler: the handshake, then the test has it until it ends."""
        handshake = _Unchecked(self.origin, secrets.token_bytes(32))
        try:
            hello = handshake.receive_hello(_bytes(websocket))
            websocket.send(handshake.challenge())
            self.proofs.append(_bytes(websocket))
            if self.before_welcome:
                websocket.send(encode_message(1, self.before_welcome))
            else:
                self.fence = max(self.fence, hello.last_fence) + 1
                websocket.send(handshake.believe(self.fence))
                self._grips.put(Grip(websocket, hello))
            _wait_closed(websocket)
        except ConnectionClosed:
            pass
        received = websocket.protocol.close_rcvd
        self.closed_with.put(received.code if received is not None else 1006)


class _Unchecked(RelayHandshake):
    """Believes every proof."""

    def believe(self, fence: int) -> bytes:
        self._is_proven = True
        return self.welcome(fence=fence, node_id="evil", time=time.time())


@contextmanager
def evil_relay() -> Iterator[EvilRelay]:
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        evil = EvilRelay(url, url)
        server: Server
        with serve(
            evil.meet,
            "127.0.0.1",
            port,
            subprotocols=[Subprotocol("wallport-tunnel.v1")],
            compression=None,
            ping_interval=None,
            max_size=None,
            max_queue=None,  # else the end of a connection is not seen behind what no test reads
        ) as server:
            thread = threading.Thread(target=server.serve_forever, name="evil-relay")
            thread.start()
            try:
                yield evil
            finally:
                server.shutdown()
                thread.join(10)


def open_payload(
    method: str, path: str, fields: Sequence[tuple[str, str]], client_address: str = "", kind: int = Kind.HTTP
) -> bytes:
    """OPEN's payload as docs/protocol.md draws it, for any content."""
    pairs = b"".join(
        struct.pack("!HH", len(name.encode()), len(value.encode())) + name.encode() + value.encode()
        for name, value in fields
    )
    head = struct.pack("!BB", kind, len(method)) + method.encode() + struct.pack("!H", len(path.encode()))
    return (
        head + path.encode() + struct.pack("!B", len(client_address)) + client_address.encode()
        + struct.pack("!H", len(fields)) + pairs
    )  # fmt: skip


def _bytes(websocket: ServerConnection) -> bytes:
    message = websocket.recv(ANSWER_WITHIN_S)
    assert isinstance(message, bytes)
    return message


def _wait_closed(websocket: ServerConnection) -> None:
    """The test's thread reads; this one only keeps the connection."""
    websocket.recv_events_thread.join()
