"""What a hostile client may send to the api: every answer is a problem or a closed connection, never a 500."""

import contextlib
import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.kit.api_client import RunningApi, problem, running_api


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """Without Redis: none of these requests gets that far."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    with running_api(folder, "redis://127.0.0.1:1/0", f"sqlite://{folder / 'store.sqlite'}") as api:
        yield api


def raw(api: RunningApi, request: bytes) -> tuple[int, bytes]:
    """Status and body of the answer to these very bytes; status 0 if the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as client:
        client.sendall(request)
        answer = HTTPResponse(client)
        try:
            answer.begin()
        except ConnectionError:
            return 0, b""
        return answer.status, answer.read()


HEAD = b" HTTP/1.1\r\nhost: site\r\nconnection: close\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /\xff" + HEAD + b"\r\n",
        b"GET /api/v1/state?fields=\xff\xfe" + HEAD + b"\r\n",
        b"GET /api/v1/state?fields=%ff" + HEAD + b"\r\n",
        b"GET /api/v1/live?ticket=\xff" + HEAD + b"\r\n",
        b"GET /api/v1/chargepoints/%00%ff" + HEAD + b"\r\n",
        b"GET /api/v1/chargepoints/..%2f..%2fadmin%2ftopics" + HEAD + b"\r\n",
        b"GET //api//v1/state" + HEAD + b"\r\n",
        b"GET http://[" + HEAD + b"\r\n",
        b"GET * HTTP/1.1\r\n\r\n",
        b"PROPFIND /healthz" + HEAD + b"\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",  # TLS on a plain port
        b"GET /healthz" + HEAD + b"x: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /healthz?" + b"a" * 20_000 + HEAD + b"\r\n",
        b"GET /api/v1/me" + HEAD + b"authorization: Bearer " + b"\xff" * 40 + b"\r\n\r\n",
        b"GET /api/v1/me" + HEAD + b"authorization: Bearer " + b"a" * 5000 + b"\r\n\r\n",
        b"GET /api/v1/me" + HEAD + b"authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
        b"POST /api/v1/auth/login" + HEAD + b"content-length: x\r\n\r\n{}",
        b"POST /api/v1/auth/login" + HEAD + b"content-length: -1\r\n\r\n{}",
        b"POST /api/v1/auth/login" + HEAD + b"content-length: 10\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/auth/login" + HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/auth/login" + HEAD + b"content-length: 2\r\nexpect: bogus\r\n\r\n{}",
        b"POST /api/v1/auth/login"
        + HEAD
        + b'content-length: 42\r\n\r\n{"username":"\\ud800","password":"\\udfff"}    ',
        b"GET /api/v1/live" + HEAD + b"upgrade: websocket\r\n\r\n",
        b"GET /healthz" + HEAD + b"x-forwarded-for: \xff\r\n\r\n",
    ],
)
def test_no_bytes_make_it_fail(api: RunningApi, request_bytes: bytes) -> None:
    """4xx as a problem; a health check in odd clothes may be answered."""
    status, body = raw(api, request_bytes)
    assert status == 200 or 400 <= status < 500, body
    if status >= 400:
        assert json.loads(body)["status"] == status
    assert api.lan.get("/healthz").status_code == 200


@pytest.mark.parametrize("name", ["content-length ", "transfer-encoding\x0b", "x y"])
def test_nothing_hides_behind_a_field_that_is_none(api: RunningApi, name: str) -> None:
    """The connection ends with the refusal: what follows may be a body to one reader and a request to the next."""
    hidden = b"GET /healthz HTTP/1.1\r\nhost: site\r\nconnection: close\r\n\r\n"
    head = f"POST /api/v1/auth/login HTTP/1.1\r\nhost: site\r\n{name}: {len(hidden)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as client:
        client.sendall(head + hidden)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := client.recv(65536):
                answer += part
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nhost: site\r\n"
CHUNKED = LOGIN + b"transfer-encoding: chunked\r\n\r\n"
HIDDEN = b"GET /healthz HTTP/1.1\r\nhost: site\r\nconnection: close\r\n\r\n"
DOUBTFUL = {
    "TE after a vertical tab": LOGIN + b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "TE after a space that is not ASCII": LOGIN + b"transfer-encoding:\xc2\xa0chunked\r\n\r\n0\r\n\r\n",
    "CL after a space that is not ASCII": LOGIN + b"content-length:\xc2\xa02\r\n\r\n{}",
    "CL before a next line": LOGIN + b"content-length: 2\xc2\x85\r\n\r\n{}",
    "TE of HTTP/1.0": LOGIN.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk's extension with a bare LF": CHUNKED + b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    "a last chunk's extension with a bare LF": CHUNKED + b"0;\n\r\n\r\n",
    "a chunk's extension behind 100": CHUNKED.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")
    + b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    "a bare LF in a field": LOGIN + b"x: 1\ncontent-length: 2\r\n\r\n{}",
    "two Hosts": LOGIN + b"host: other\r\ncontent-length: 2\r\n\r\n{}",
    "no Host": LOGIN.replace(b"host: site\r\n", b"") + b"content-length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_two_readers_may_read_differently_is_refused_and_ends_the_connection(api: RunningApi, case: str) -> None:
    """On both listeners: a proxy stands in front of the one, the edge in front of the other."""
    for family, address in (
        (socket.AF_INET, ("127.0.0.1", api.port)),
        (socket.AF_UNIX, str(api.settings.relay_socket)),
    ):
        with socket.socket(family) as client:
            client.settimeout(10)
            client.connect(address)
            client.sendall(DOUBTFUL[case] + HIDDEN)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while part := client.recv(65536):
                    answer += part
        final = [part[:4] for part in answer.split(b"HTTP/1.1 ")[1:] if part[:4] != b"100 "]
        assert final == [b"400 "], answer


def test_a_websocket_handshake_that_is_none_is_refused(api: RunningApi) -> None:
    """Without Redis 503, and never 500."""
    headers = {**api.login("viewer"), "upgrade": "websocket", "connection": "upgrade"}
    assert problem(api.lan.get("/api/v1/live", headers=headers))["code"] == "redis_unavailable"


def test_a_client_on_the_lan_cannot_choose_its_address_or_origin(api: RunningApi) -> None:
    """Other addresses in its headers do not help a guesser, and no header makes the relay's listener the LAN's."""
    tries = [
        api.lan.post(
            "/api/v1/auth/login",
            json={"username": "driver", "password": "wrong password"},
            headers={"x-forwarded-for": f"203.0.113.{n}", "x-wallport-client-address": f"203.0.113.{n}"},
        ).status_code
        for n in range(7)
    ]
    assert tries == [401] * 5 + [429] * 2
    for name in ("x-wallport-origin", "x-forwarded-for", "x-real-ip", "forwarded"):
        answer = api.relay.get("/api/v1/admin/topics", headers={**api.login("admin"), name: "lan"})
        assert problem(answer)["code"] == "not_from_here"
