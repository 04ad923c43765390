"""Phones, and an api, that do what they should not: each harms itself at most, never another, nor the tunnel."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from websockets.sync.client import connect

from tests.kit import site_tokens, tunnel_stack
from tests.kit.faulty_line import faulty_line
from tests.kit.memory import resident_bytes
from tests.kit.short_timers import EDGE_LIMITS, SLOW_CONSUMER_S
from tests.kit.site_tokens import token
from tests.kit.waiting import eventually

MIB = 1024 * 1024
OTHER = {"x-forwarded-for": "198.51.100.7"}
"""Whose address another phone has; loopback is a trusted proxy here."""

FLOODER = "203.0.113.9"

STALLED = 16
HELD_BYTES = 16 * MIB
"""What the relay may hold for STALLED phones that do not read: the connection's window of 3 MiB for all of them, a
transport's buffer for each, and what Python does not give back."""


def request(path: str, method: str = "GET", *, fields: str = "", address: str = "198.51.100.1") -> bytes:
    return (
        f"{method} /s/home{path} HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {token()}\r\n"
        f"x-forwarded-for: {address}\r\n{fields}\r\n"
    ).encode()


@contextmanager
def sent(relay: tunnel_stack.Relay, data: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as phone:
        phone.sendall(data)
        yield phone


def leave(phone: socket.socket) -> None:
    """As an app that is killed: RST."""
    phone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    phone.close()


def answer_to(relay: tunnel_stack.Relay, data: bytes) -> bytes:
    """All that comes back until the relay closes; "" when it was cut off."""
    with sent(relay, data) as phone:
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := phone.recv(65_536):
                received += piece
        return received


def is_idle(relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> bool:
    """No request is left at either end."""
    return edge.streams == 0 and relay.figure("wallport_relay_streams") == 0


class TestReading:
    def test_phones_that_never_read_cost_little_and_only_themselves(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """Sixteen large downloads nobody takes: others are served meanwhile, live push too, the relay's memory is
        bounded, and after the time for slow readers their requests are given up at both ends."""
        with connect(
            f"{relay.websocket_url('home')}/api/ws", proxy=None, additional_headers=site_tokens.headers()
        ) as ws:
            before = resident_bytes(relay.process.pid)
            with contextlib.ExitStack() as phones:
                for _ in range(STALLED):
                    stalled = phones.enter_context(sent(relay, request("/api/download?size=50000000")))
                    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                eventually(lambda: edge.streams >= STALLED / 2, what="the downloads being on their way")
                eventually(lambda: relay.figure("wallport_relay_streams_stalled") > 0, what="a download that stands")
                for number in range(10):
                    answer = phone.get("/api/v1/state", headers=OTHER)
                    assert answer.status_code == 200
                    assert answer.elapsed.total_seconds() < SLOW_CONSUMER_S * 0.8, "it waited for a slow one's end"
                    ws.send(f"still here {number}")
                    assert ws.recv(10) == f"still here {number}"
                assert resident_bytes(relay.process.pid) - before < HELD_BYTES
                eventually(lambda: edge.streams == 1, 8 * SLOW_CONSUMER_S, "the downloads being given up")
            ws.send("and now")
            assert ws.recv(10) == "and now"

    def test_a_phone_on_a_trickling_line_is_given_up(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """One byte a second of a large answer: the stream ends, the tunnel does not feel it."""
        with faulty_line(relay.port) as mobile:
            mobile.to_client.bytes_per_s = 1.0
            with socket.create_connection(("127.0.0.1", mobile.port), timeout=20) as slow:
                slow.sendall(request("/api/download?size=50000000"))
                eventually(lambda: edge.streams == 1, what="the download being on its way")
                assert phone.get("/api/v1/state").status_code == 200
                eventually(lambda: edge.streams == 0, SLOW_CONSUMER_S + 20, "the download being given up")
        assert phone.get("/api/v1/state").status_code == 200


class TestLeaving:
    def test_a_phone_that_opens_and_resets_as_fast_as_it_can_is_held_off(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """It is told 429 soon; whoever has another address is served all the time; nothing is left of it at home."""
        told = 0
        threads_before = threading.active_count()
        for number in range(400):
            with sent(relay, request("/api/slow", address=FLOODER)) as flooding:
                if number % 4:
                    leave(flooding)
                    continue
                flooding.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    told += b" 429 " in flooding.recv(100)
                leave(flooding)
            if number % 50 == 0:
                assert phone.get("/api/v1/state", headers=OTHER).status_code == 200
        assert told > 0
        assert b" 429 " in answer_to(relay, request("/api/v1/state", fields="connection: close\r\n", address=FLOODER))
        eventually(lambda: is_idle(relay, edge), 15, "all requests being over")
        assert threading.active_count() - threads_before < 2 * EDGE_LIMITS.streams
        assert edge.status == "ok"

    def test_uploads_that_are_broken_off_leave_nothing_behind(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """Some in the middle of what they had promised, some in the middle of a chunk."""
        for number in range(30):
            promise = "content-length: 5000000\r\n" if number % 2 else "transfer-encoding: chunked\r\n"
            body = b"x" * 100_000 if number % 2 else b"186A0\r\n" + b"x" * 50_000
            address = f"198.51.100.{number}"  # else it would be held off for giving up so many
            with sent(relay, request("/api/upload", "POST", fields=promise, address=address) + body) as broken:
                leave(broken)
        eventually(lambda: is_idle(relay, edge), 15, "all requests being over")
        assert phone.post("/api/upload", content=b"y" * 300_000).json()["size"] == 300_000


class TestLengths:
    def test_a_body_shorter_than_promised_is_never_taken_for_whole(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge
    ) -> None:
        """The phone says that it is done, after fewer bytes: the site's api must not answer with what it got."""
        with sent(relay, request("/api/upload", "POST", fields="content-length: 100\r\n") + b"x" * 60) as phone:
            phone.shutdown(socket.SHUT_WR)
            assert b" 200 " not in phone.recv(4096)
        eventually(lambda: is_idle(relay, edge), 15, "the request being over")

    def test_what_follows_a_body_is_another_request_or_none(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge
    ) -> None:
        """More bytes than promised never reach the site as part of the first request."""
        smuggled = "GET /s/home/api/v1/state HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n"
        data = request("/api/upload", "POST", fields="content-length: 5\r\n") + b"12345" + smuggled.encode()
        answers = answer_to(relay, data)
        assert b'"size":5' in answers
        assert answers.count(b"HTTP/1.1") == 2
        assert b" 401 " in answers, "the second request has no token"

    @pytest.mark.parametrize(
        "lie",
        [
            pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 60, id="too short"),
            pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + b"x" * 100_000, id="long, short"),
            pytest.param(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nxxx", id="half a chunk"),
            pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n12345", id="two lengths"),
        ],
    )
    def test_an_api_that_lies_about_its_answer_is_not_believed(
        self, relay: tunnel_stack.Relay, tmp_path: Path, lie: bytes
    ) -> None:
        """A phone is told 502, or cut off: never a short body that looks whole."""
        with (
            canned_api(lie) as path,
            tunnel_stack.edge(relay, "home", tmp_path / "edge", path, EDGE_LIMITS, is_answering=False),
            tunnel_stack.phone(relay, "home") as phone,
        ):
            try:
                answer = phone.get("/api/v1/state")
            except (httpx.RemoteProtocolError, httpx.ReadError):
                return
            assert answer.status_code == 502, answer.text

    def test_what_follows_an_answer_is_nobodys(self, relay: tunnel_stack.Relay, tmp_path: Path) -> None:
        """An api whose answer is longer than it said must not answer the next phone with the rest."""
        poison = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison"
        lie = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + poison
        with (
            canned_api(lie) as path,
            tunnel_stack.edge(relay, "home", tmp_path / "edge", path, EDGE_LIMITS, is_answering=False),
            tunnel_stack.phone(relay, "home") as phone,
        ):
            for _ in range(6):
                answer = phone.get("/api/v1/state")
                assert answer.status_code == 502 or answer.text == "ok"


@contextmanager
def canned_api(answer: bytes) -> Iterator[Path]:
    """An api that answers every request with the same bytes, whatever they say."""
    with TemporaryDirectory(prefix="wallport-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "api.sock"
        listener.bind(str(path))
        listener.listen(16)
        is_over = threading.Event()

        def serve() -> None:
            while True:
                with listener.accept()[0] as connection:
                    if is_over.is_set():
                        return
                    head = connection.recv(65_536)
                    key = b"/internal/token-key" in head
                    connection.sendall(TOKEN_KEY_ANSWER if key else answer)

        thread = threading.Thread(target=serve, name="canned-api", daemon=True)
        thread.start()
        try:
            yield path
        finally:
            is_over.set()
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            thread.join(5)


_KEY = f'{{"site": "{site_tokens.KEY.site}", "key": "{site_tokens.KEY.public_text}"}}'
TOKEN_KEY_ANSWER = (
    f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(_KEY)}\r\n\r\n{_KEY}"
).encode()
