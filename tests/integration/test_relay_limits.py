"""What a phone is told that meets a limit of the relay: on real sockets, with limits that are met soon."""

import concurrent.futures
import contextlib
import errno
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from tests.kit import site_tokens, tunnel_stack
from tests.kit.servers import RedisServer
from tests.kit.waiting import eventually

SITE = "home"
STREAMS, REQUESTS, BODY_BYTES, CANCELS, BYTES_PER_S = 8, 4, 100_000, 5, 1_000_000


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[tunnel_stack.Relay]:
    with tunnel_stack.relay(
        tmp_path_factory.mktemp("relay"),
        f"redis://127.0.0.1:{redis_server.port}/5",
        site_streams=STREAMS,
        site_requests=REQUESTS,
        body_bytes=BODY_BYTES,
        body_grace_s=1,
        cancels=CANCELS,
        site_bytes_per_s=BYTES_PER_S,
        answer_timeout_s=6,
        progress_timeout_s=1,
        slow_consumer_s=1,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def edge(relay: tunnel_stack.Relay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tunnel_stack.Edge]:
    with (
        tunnel_stack.site_api(tmp_path_factory.mktemp("api")) as api_socket,
        tunnel_stack.edge(relay, SITE, tmp_path_factory.mktemp("edge"), api_socket) as running,
    ):
        yield running


@pytest.fixture
def phone(relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> Iterator[httpx.Client]:
    eventually(lambda: edge.streams == 0, 20, "the last test's requests being over")
    with httpx.Client(base_url=relay.site_url(SITE), headers=site_tokens.headers(), timeout=30) as client:
        yield client


def websocket(relay: tunnel_stack.Relay) -> ClientConnection:
    headers = site_tokens.headers()
    return connect(f"{relay.websocket_url(SITE)}/api/ws", proxy=None, additional_headers=headers, open_timeout=20)


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem; of a kind to wait for says how long."""
    assert answer.headers["content-type"] == "application/problem+json"
    if answer.status_code in (429, 503):
        assert int(answer.headers["retry-after"]) >= 1
    return answer.status_code, answer.json()["code"]


def is_cut(sock: socket.socket) -> bool:
    """Whether the relay has reset the connection, whatever it still holds."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET


def head(method: str, path: str, *fields: str) -> bytes:
    token = f"Authorization: Bearer {site_tokens.token()}"
    return "\r\n".join([f"{method} /s/{SITE}{path} HTTP/1.1", "Host: r", token, *fields, "", ""]).encode()


def dial(relay: tunnel_stack.Relay, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), timeout=30, source_address=(source, 0))


def drain(sock: socket.socket) -> None:
    while sock.recv(1_000_000):
        pass


def test_more_requests_than_may_run_are_refused_and_live_push_still_opens(
    relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
) -> None:
    """Nothing of what is refused reaches the site, so it is safe to send again; what runs is left alone."""
    with concurrent.futures.ThreadPoolExecutor(REQUESTS) as pool:
        slow = [
            pool.submit(httpx.get, f"{phone.base_url}api/slow", headers=phone.headers, timeout=30) for _ in range(4)
        ]
        eventually(lambda: edge.streams == REQUESTS, 5, "as many as may run")
        assert told(phone.get("/api/v1/state")) == (503, "tunnel_refused")
        with websocket(relay) as ws:
            ws.send("x")
            assert ws.recv(20) == "x"
        # And nobody answers them: they end after their own limit.
        assert [told(one.result(60)) for one in slow] == [(504, "tunnel_timeout")] * 4
    assert phone.get("/api/v1/state").status_code == 200


def test_more_streams_than_may_be_open_are_refused_before_the_upgrade(
    relay: tunnel_stack.Relay, phone: httpx.Client
) -> None:
    with ExitStack() as open_ones:
        for _ in range(STREAMS):
            open_ones.enter_context(websocket(relay))
        with pytest.raises(InvalidStatus) as caught:
            websocket(relay)
        assert caught.value.response.status_code == 503
        assert int(caught.value.response.headers["retry-after"]) >= 1
        assert told(phone.get("/api/v1/state")) == (503, "tunnel_refused")


def test_heads_that_are_too_large_are_told_so(phone: httpx.Client) -> None:
    """One field, many fields, a long path; and one that is more than the web server itself reads."""
    many = {f"x-{number}": "1" for number in range(100)}
    assert told(phone.get("/api/v1/state", headers={"x-long": "x" * 15_500})) == (431, "fields_too_large")
    assert told(phone.get("/api/v1/state", headers=many)) == (431, "fields_too_large")
    assert told(phone.get("/api/v1/state", headers={"x-long": "x" * 40_000})) == (431, "fields_too_large")
    assert told(phone.get(f"/api/{'x' * 8200}")) == (414, "target_too_long")
    assert phone.get("/api/v1/state", headers={"x-long": "x" * 5_000}).status_code == 200


def test_a_body_may_have_so_many_bytes(phone: httpx.Client) -> None:
    """Known or not before it comes; one that is just within is carried."""
    assert phone.post("/api/upload", content=b"x" * BODY_BYTES).json()["size"] == BODY_BYTES
    assert told(phone.post("/api/upload", content=b"x" * (BODY_BYTES + 1))) == (413, "body_too_large")
    pieces = iter([b"x" * 50_000, b"x" * 50_000, b"x"])
    assert told(phone.post("/api/upload", content=pieces)) == (413, "body_too_large")


def test_an_upload_that_stands_still_is_given_up(
    relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
) -> None:
    with dial(relay) as sock:
        sock.sendall(head("POST", "/api/upload", "Content-Length: 5000") + b"x")
        answer = sock.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 408")
    assert "application/problem+json" in answer
    assert '"request_timeout"' in answer
    eventually(lambda: edge.streams == 0, what="the site being free of it")


def test_a_site_has_so_many_bytes_a_second(phone: httpx.Client) -> None:
    """Above its share it comes slower, and whole; nothing is refused."""
    began_at = time.monotonic()
    size = 4 * BYTES_PER_S
    assert len(phone.get("/api/download", params={"size": size}).content) == size
    assert time.monotonic() - began_at > 1.5  # two seconds' worth at once, then as many again one a second


def test_an_address_that_gives_up_many_requests_has_to_wait(
    relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
) -> None:
    """Open and reset in a loop costs the site a thread each (CVE-2023-44487). Other addresses do not feel it."""
    for _ in range(CANCELS):
        with dial(relay, "127.0.0.9") as sock:
            sock.sendall(head("GET", "/api/slow"))
            eventually(lambda: edge.streams == 1, what="it being at the site")
        eventually(lambda: edge.streams == 0, what="it being given up")
    with dial(relay, "127.0.0.9") as sock:
        sock.sendall(head("GET", "/api/v1/state"))
        answer = sock.recv(4096).decode()
    assert answer.startswith("HTTP/1.1 429")
    assert "retry-after: 10" in answer
    assert '"too_many_cancelled"' in answer
    assert phone.get("/api/v1/state").status_code == 200


def test_a_phone_that_never_reads_is_cut_off(
    relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
) -> None:
    """Its download ends at the site, too, and takes nothing from others meanwhile."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", relay.port))
        sock.sendall(head("GET", "/api/download?size=20000000"))
        eventually(lambda: edge.streams == 1, 20, "it being under way")
        assert phone.get("/api/v1/state").status_code == 200
        eventually(lambda: edge.streams == 0, 30, "the download being given up")
        eventually(lambda: is_cut(sock), 20, "the relay letting go of the phone, too")


def test_an_answer_that_stands_still_is_cut(edge: tunnel_stack.Edge, phone: httpx.Client) -> None:
    """In the middle, so that nobody takes the part for the whole. An event stream may be silent for longer."""
    with phone.stream("GET", "/api/events") as live:
        events = live.iter_text()
        assert next(events) == "data: first\n\n"
        with phone.stream("GET", "/api/half") as answer:
            assert answer.status_code == 200
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                answer.read()
        phone.post("/api/open-gate")
        assert next(events) == "data: second\n\n"
    eventually(lambda: edge.streams == 0, what="the site being free of both")


def talk_on(sock: socket.socket) -> None:
    """Sends messages until the connection is cut: more of them than all buffers between here and the site hold."""
    message = Frame(Opcode.BINARY, b"x" * 60_000).serialize(mask=True)
    while True:
        sock.sendall(message)


def test_a_message_that_is_too_large_closes_with_1009(relay: tunnel_stack.Relay, phone: httpx.Client) -> None:
    with websocket(relay) as ws:
        with contextlib.suppress(ConnectionClosed):
            ws.send(b"x" * (1024 * 1024 + 1))
        with pytest.raises(ConnectionClosed) as caught:
            ws.recv(20)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


def test_a_phone_that_never_reads_its_websocket_is_cut_off(
    relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
) -> None:
    """It talks on, and hears none of the answers: given up at both ends, while others are served."""
    with socket.socket() as sock, concurrent.futures.ThreadPoolExecutor(1) as pool:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(30)  # the relay reads slower than it talks, and not at all behind what nobody takes
        sock.connect(("127.0.0.1", relay.port))
        upgrade = ("upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13")
        sock.sendall(head("GET", "/api/ws", *upgrade, "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="))
        answer = b""
        while b"\r\n\r\n" not in answer:  # whoever does not wait for the answer is refused
            answer += sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 101")
        talking = pool.submit(talk_on, sock)
        assert phone.get("/api/v1/state").status_code == 200
        eventually(lambda: edge.streams == 0, 30, "the websocket being given up")
        with pytest.raises(ConnectionError):  # the relay has let go of the phone, too
            talking.result(35)


def test_a_phone_that_talks_before_the_answer_is_refused(relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> None:
    """Whether it sends little or much; else nothing would be read of it any more, and its stream would stay."""
    upgrade = ("upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13")
    asked = head("GET", "/api/ws", *upgrade, "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==")
    for size in (1, 60_000, 200_000):
        message = Frame(Opcode.BINARY, b"x" * size).serialize(mask=True)
        with dial(relay) as sock:
            answer = b""
            with contextlib.suppress(OSError):
                sock.sendall(asked + message)
                while piece := sock.recv(4096):
                    answer += piece
        assert answer.startswith(b"HTTP/1.1 400") or not answer
        assert b"101 Switching" not in answer
        eventually(lambda: edge.streams == 0, what="the site being free of it")
