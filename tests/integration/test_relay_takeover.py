"""One relay process takes over from another on the same port, while phones go on: no request fails."""

import concurrent.futures
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.kit import site_tokens, tunnel_stack
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
