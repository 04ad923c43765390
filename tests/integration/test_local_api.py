"""The edge's HTTP client on a real unix socket, against answers of every form; the peer says each word as told."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from edge.adapters.local_api import UnixApi
from edge.tunnel import ApiUnavailable

Pairs = list[tuple[str, str]]


class Peer:
    """Answers each request on a connection with the next of `answers`, then closes it. A part None ends it earlier."""

    def __init__(self, path: Path, answers: list[list[bytes]]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._answers = iter(answers)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, suppress(OSError):  # the client may cut it at any word
                while request := connection.recv(65_536):
                    self.requests.append(request)
                    parts = next(self._answers)
                    for part in parts:
                        connection.sendall(part)
                    if parts[-1:] == [b""]:
                        break


@contextmanager
def peer(*answers: list[bytes]) -> Iterator[tuple[UnixApi, Peer]]:
    """Each answer is the pieces in which it is sent; an empty last one closes the connection."""
    with tempfile.TemporaryDirectory(prefix="wallport-") as folder:
        path = Path(folder) / "api.sock"
        running, api = Peer(path, list(answers)), UnixApi(path)
        try:
            yield api, running
        finally:
            api.close()
            running.close()


def ask(api: UnixApi, method: str = "GET") -> tuple[int, Pairs, bytes]:
    """Status, fields and body of the whole answer."""
    exchange = api.request(method, "/api/x?y=1", (("accept", "a"), ("content-length", "9")), has_body=False)
    try:
        status, fields = exchange.answer()
        body = b""
        while data := exchange.read():
            body += data
        return status, fields, body
    finally:
        exchange.finish()


def test_a_request_goes_out_as_it_came() -> None:
    """Target and fields stand as given, with a host, and without the length of a body that there is not."""
    with peer([b"HTTP/1.1 204 No Content\r\n\r\n"]) as (api, running):
        assert ask(api) == (204, [], b"")
    assert running.requests == [b"GET /api/x?y=1 HTTP/1.1\r\naccept: a\r\nhost: localhost\r\n\r\n"]


@pytest.mark.parametrize(
    ("method", "parts", "expected"),
    [
        ("GET", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"], b"body"),
        ("GET", [b"HTTP/1.1 200 OK\r\ncontent-", b"length: 4\r\n\r\nbo", b"dy"], b"body"),
        (
            "GET",
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\n", b"2\r\ndy\r\n0\r\n\r\n"],
            b"body",
        ),
        ("GET", [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody"], b"body"),
        ("GET", [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"], b""),
        ("HEAD", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"], b""),
        ("HEAD", [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"], b""),
        ("GET", [b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\ncontent-length: 4\r\n\r\n'], b""),
    ],
)
def test_an_answer_of_any_form_is_read_to_its_end(method: str, parts: list[bytes], expected: bytes) -> None:
    """However it is framed and cut; and the connection carries the next request."""
    with peer(parts, parts) as (api, running):
        assert ask(api, method)[2] == expected
        assert ask(api, method)[2] == expected
        assert running.connections == 1


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody", b""],
        [b"HTTP/1.1 200 OK\r\n\r\nbo", b"dy", b""],
        [b"HTTP/1.0 200 OK\r\ncontent-length: 4\r\n\r\nbody", b""],
    ],
)
def test_a_connection_that_ends_is_not_used_again(parts: list[bytes]) -> None:
    """Whether the end was announced or is the body's end."""
    with peer(parts, parts) as (api, running):
        assert ask(api)[2] == b"body"
        assert ask(api)[2] == b"body"
        assert running.connections == 2


@pytest.mark.parametrize(
    "parts",
    [
        [b""],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbody", b""],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\n", b""],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nbody"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\nbody"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nx: 1\r\n 2\r\ncontent-length: 0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n", b"x: %s\r\n\r\n" % (b"y" * 200_000)],
        [b"what?\r\n\r\n"],
    ],
)
def test_a_broken_answer_is_a_failure_and_never_a_short_body(parts: list[bytes]) -> None:
    """It raises ApiUnavailable, and the next request has a connection of its own."""
    with peer(parts, [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]) as (api, running):
        with pytest.raises(ApiUnavailable):
            ask(api)
        assert ask(api)[2] == b"ok"
        assert running.connections == 2


def test_fields_keep_order_duplicates_and_letters() -> None:
    """Also where a server writes ISO-8859-1 in place of UTF-8."""
    answer = "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nX: ü\r\nset-cookie: b\r\ncontent-length: 0\r\n\r\n"
    for encoding in ("utf-8", "iso-8859-1"):
        with peer([answer.encode(encoding)]) as (api, _):
            fields = ask(api)[1]
            assert fields == [("Set-Cookie", "a"), ("X", "ü"), ("set-cookie", "b"), ("content-length", "0")]


def test_an_api_that_is_not_running_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ApiUnavailable, match="not running"):
        UnixApi(tmp_path / "none.sock").request("GET", "/", (), has_body=False)


def test_another_thread_can_cut_a_request_that_waits() -> None:
    """The waiting thread fails, and the peer sees its client leave."""
    with peer([]) as (api, _):
        exchange = api.request("GET", "/api/slow", (), has_body=False)
        timer = threading.Timer(0.05, exchange.abort)
        timer.start()
        with pytest.raises(ApiUnavailable):
            exchange.answer()
        exchange.finish()
        timer.join()
