"""One relay process takes over from another on the same port, while phones go on: no request fails."""

import concurrent.futures
import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from relay.adapters.listener import bind, leave_to_successor
from tests.kit import site_tokens, tunnel_stack
from tests.kit.ports import reserved_port
from tests.kit.process import ServerProcess
from tests.kit.servers import RedisServer
from tests.kit.waiting import eventually

SITES = ("home", "cabin")
BODY = b"x" * 50_000


@pytest.fixture
def relay(tmp_path: Path, own_redis: RedisServer) -> Iterator[tunnel_stack.Relay]:
    with tunnel_stack.relay(tmp_path / "relay", own_redis.url, reconnect_spread_s=1, drain_s=15) as running:
        yield running


@dataclass(slots=True)
class Traffic:
    """Requests without a pause from several phones, and what became of them."""

    done: int = 0
    failed: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def ask(self, url: str, *, keeps_connection: bool) -> None:
        client = httpx.Client(base_url=url, headers=site_tokens.headers(), timeout=30)
        while not self.is_over.wait(0.01):
            try:
                answers = [client.get("/api/v1/state"), client.post("/api/upload", content=BODY)]
                self.failed += [f"HTTP {one.status_code}: {one.text}" for one in answers if one.status_code != 200]
                self.done += len(answers)
            except httpx.HTTPError as exc:
                self.failed.append(repr(exc))
            if not keeps_connection:
                client.close()
                client = httpx.Client(base_url=url, headers=site_tokens.headers(), timeout=30)
        client.close()


@contextmanager
def traffic(relay: tunnel_stack.Relay) -> Iterator[Traffic]:
    flowing = Traffic()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        phones = [
            pool.submit(flowing.ask, relay.site_url(site), keeps_connection=keeps)
            for site in SITES
            for keeps in (True, False)
        ]
        try:
            eventually(lambda: flowing.done > 20, 30, "traffic")
            yield flowing
        finally:
            flowing.is_over.set()
        for phone in phones:
            phone.result(60)


def successor_of(relay: tunnel_stack.Relay, folder: Path, name: str) -> ServerProcess:
    log_file = folder / f"{name}.log"
    return tunnel_stack.relay_process(
        relay.environ, log_file, lambda: log_file.exists() and "relay_started" in log_file.read_text()
    )


def test_new_connections_go_to_the_process_that_came_second() -> None:
    """From the moment the first one is about to close its listener; and to the one that is left, whichever it is."""
    with bind("127.0.0.1", 0) as first:
        address = first.getsockname()
        first.listen(100)
        with bind(*address) as second:
            assert taken_by(first, address) == (20,)  # the second does not listen before it is ready
            second.listen(100)
            leave_to_successor(first)
            assert taken_by(first, address, second) == (0, 20)
            first.close()
            assert taken_by(second, address) == (20,)
            with bind(*address) as third:
                third.listen(100)
                leave_to_successor(second)
                assert taken_by(second, address, third) == (0, 20)
            assert taken_by(second, address) == (20,)


def taken_by(one: socket.socket, address: Any, *others: socket.socket) -> tuple[int, ...]:
    """How many of twenty connections each listener gets."""
    phones = [socket.create_connection(address, timeout=10) for _ in range(20)]
    counts = tuple(accepted(listener) for listener in (one, *others))
    for phone in phones:
        phone.close()
    return counts


def accepted(listener: socket.socket) -> int:
    listener.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def test_it_tells_systemd_that_it_is_ready(tmp_path: Path, redis_url: str) -> None:
    """Not before its successor may be told to take over."""
    with tempfile.TemporaryDirectory(prefix="wallport-") as short, reserved_port() as port:
        path = f"{short}/notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(30)
            settings = {
                "NOTIFY_SOCKET": path,
                "WALLPORT_RELAY_PORT": str(port),
                "WALLPORT_RELAY_REDIS_URL": redis_url,
                "WALLPORT_DATA_DIR": str(tmp_path),
            }
            with tunnel_stack.relay_process(settings, tmp_path / "relay.log", lambda: True).running():
                assert manager.recv(100) == b"READY=1"
                assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=20).status_code == 200


def test_a_second_process_takes_over_without_a_failed_request(relay: tunnel_stack.Relay, tmp_path: Path) -> None:
    """Twice in a row: with kept and with fresh connections, and with bodies. The end is orderly each time, and a
    websocket is ended once its site can be reached at the successor."""
    with (
        tunnel_stack.site_api(tmp_path / "api") as api_socket,
        tunnel_stack.edge(relay, SITES[0], tmp_path / "edge", api_socket),
        tunnel_stack.edge(relay, SITES[1], tmp_path / "edge2", api_socket),
        ExitStack() as successors,
        traffic(relay) as flowing,
    ):
        old = relay.process
        url = f"{relay.websocket_url(SITES[0])}/api/ws"
        live = connect(url, proxy=None, additional_headers=site_tokens.headers())
        for turn in range(2):
            new = successor_of(relay, tmp_path, f"successor-{turn}")
            successors.enter_context(new.running())
            before = flowing.done
            assert old.stop() == 0
            eventually(lambda before=before: flowing.done > before + 40, 30, "traffic at the successor")  # type: ignore[misc]
            old = new
        with pytest.raises(ConnectionClosed) as caught, live:
            live.recv(10)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1012
        flowing.is_over.set()
    assert flowing.failed == []
