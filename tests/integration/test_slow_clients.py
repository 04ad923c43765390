"""Whoever sends one byte at a time is waited for until a fixed instant, not for as long as bytes come."""

import concurrent.futures
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import strict_http
from relay.app import HEAD_WITHIN_S
from tests.kit import site_tokens, tunnel_stack
from tests.kit.api_client import RunningApi, running_api
from tests.kit.servers import RedisServer

BYTE_EVERY_S = 0.25
SLACK_S = 6.0
"""For a busy machine, and for what is still read after an answer."""

TOKEN = f"Authorization: Bearer {site_tokens.token()}\r\n"
SLOW_HEAD = "GET /healthz HTTP/1.1\r\nHost: r\r\nX-Slow: "
SLOW_CHUNK = "Transfer-Encoding: chunked\r\n\r\n384\r\n"


def drip(address: tuple[str, int], beginning: str, endless: bytes = b"x") -> tuple[float, bytes]:
    """Send a beginning, then a byte at a time until the server ends it: after how many seconds, and its answer."""
    began_at, answer = time.monotonic(), b""
    with socket.create_connection(address, timeout=20) as sock:
        sock.sendall(beginning.encode())
        sock.settimeout(BYTE_EVERY_S)
        while time.monotonic() < began_at + 60:
            try:
                piece = sock.recv(4096)
                if not piece:
                    break
                answer += piece
                continue
            except TimeoutError:
                pass
            except OSError:
                break
            try:
                sock.sendall(endless)
            except OSError:
                break
    return time.monotonic() - began_at, answer


def dripped(address: tuple[str, int], beginnings: dict[str, str]) -> dict[str, tuple[float, bytes]]:
    """All of them at once."""
    with concurrent.futures.ThreadPoolExecutor(len(beginnings)) as pool:
        running = {name: pool.submit(drip, address, text) for name, text in beginnings.items()}
        return {name: one.result(90) for name, one in running.items()}


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[tunnel_stack.Relay]:
    with (
        tunnel_stack.relay(
            tmp_path_factory.mktemp("relay"), f"redis://127.0.0.1:{redis_server.port}/9", body_grace_s=2
        ) as running,
        tunnel_stack.site_api(tmp_path_factory.mktemp("api")) as api_socket,
        tunnel_stack.edge(running, "home", tmp_path_factory.mktemp("edge"), api_socket),
    ):
        yield running


def test_a_relay_waits_for_a_head_and_a_body_until_a_fixed_instant(relay: tunnel_stack.Relay) -> None:
    """Also for one that it answers before the body is there, and for one that it reads itself."""
    promised = "Content-Length: 900\r\n\r\n"
    found = dripped(
        ("127.0.0.1", relay.port),
        {
            "head": SLOW_HEAD,
            "head of a websocket": f"GET /tunnel HTTP/1.1\r\nHost: r\r\nUpgrade: websocket\r\nX-Slow: {TOKEN}",
            "body for the relay": f"POST /enroll HTTP/1.1\r\nHost: r\r\n{promised}",
            "chunks for the relay": f"POST /rotate-key HTTP/1.1\r\nHost: r\r\n{SLOW_CHUNK}",
            "chunk line": "POST /enroll HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n",
            "body without a token": f"POST /s/home/api/v1/upload HTTP/1.1\r\nHost: r\r\n{promised}",
            "chunks without a token": f"POST /s/home/api/v1/upload HTTP/1.1\r\nHost: r\r\n{SLOW_CHUNK}",
            "body for nobody": f"POST /nothing HTTP/1.1\r\nHost: r\r\n{promised}",
            "body for the site": f"POST /s/home/api/upload HTTP/1.1\r\nHost: r\r\n{TOKEN}{promised}",
            "chunks for the site": f"POST /s/home/api/upload HTTP/1.1\r\nHost: r\r\n{TOKEN}{SLOW_CHUNK}",
            "body with a refused head": f"POST /enroll HTTP/1.1\r\nHost: r\r\nHost: q\r\n{promised}",
        },
    )
    within_s = dict.fromkeys(found, 2.0) | {
        "head": HEAD_WITHIN_S,
        "head of a websocket": HEAD_WITHIN_S,
        "body for the relay": strict_http.BODY_WITHIN_S,
        "chunks for the relay": strict_http.BODY_WITHIN_S,
        "chunk line": 64 * BYTE_EVERY_S,
        "body for the site": 2 + strict_http.LINGER_S,
        "chunks for the site": 2 + strict_http.LINGER_S,
    }
    late = {name: took_s for name, (took_s, _) in found.items() if took_s > within_s[name] + SLACK_S}
    assert late == {}
    told = {name: answer[9:12] for name, (_, answer) in found.items()}
    assert told == dict.fromkeys(found, b"408") | {
        "chunk line": b"400",
        "body without a token": b"401",
        "chunks without a token": b"401",
        "body for nobody": b"404",
        "body with a refused head": b"400",
    }


def test_a_connection_on_which_nothing_comes_is_not_kept(relay: tunnel_stack.Relay) -> None:
    with socket.create_connection(("127.0.0.1", relay.port), timeout=HEAD_WITHIN_S + SLACK_S) as sock:
        assert sock.recv(1) == b""


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningApi]:
    monkeypatch.setattr(strict_http, "BODY_WITHIN_S", 2.0)
    with running_api(tmp_path, "redis://127.0.0.1:1/0", f"sqlite://{tmp_path / 'store.sqlite'}") as api:
        api.app.config.update({"REQUEST_TIMEOUT": 2.0})  # of connections that come from now on
        yield api


def test_an_api_waits_for_a_head_and_a_body_until_a_fixed_instant(api: RunningApi) -> None:
    promised = "Content-Length: 900\r\n\r\n"
    found = dripped(
        ("127.0.0.1", api.port),
        {
            "head": SLOW_HEAD,
            "body": f"POST /api/v1/auth/login HTTP/1.1\r\nHost: r\r\n{promised}",
            "chunks": f"POST /api/v1/auth/login HTTP/1.1\r\nHost: r\r\n{SLOW_CHUNK}",
            "body without a token": f"PUT /api/v1/me/password HTTP/1.1\r\nHost: r\r\n{promised}",
            "body for nobody": f"POST /nothing HTTP/1.1\r\nHost: r\r\n{promised}",
        },
    )
    assert {name: took_s for name, (took_s, _) in found.items() if took_s > 2 + strict_http.LINGER_S + SLACK_S} == {}
    assert {name: answer[9:12] for name, (_, answer) in found.items()}["head"] == b"408"
    assert {name: answer[9:12] for name, (_, answer) in found.items()}["body"] == b"408"
