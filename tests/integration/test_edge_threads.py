"""Threads of an edge: two a websocket and no more, and one that cannot be had costs one request, not the edge."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from edge.loops.tunnel import STREAMS
from tests.contract.test_systemd_units import unit
from tests.kit import site_tokens, tunnel_stack
from tests.kit.edge_process import edge_process
from tests.kit.servers import RedisServer
from tests.kit.waiting import eventually

OTHER_THREADS = 40
"""Of a whole edge: its loops, one each, the tunnel's three, and some for a second connection that is about to end."""


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[tunnel_stack.Relay]:
    with tunnel_stack.relay(tmp_path_factory.mktemp("relay"), f"redis://127.0.0.1:{redis_server.port}/14") as running:
        yield running


@pytest.fixture(scope="module")
def api_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tunnel_stack.site_api(tmp_path_factory.mktemp("api")) as path:
        yield path


def live(relay: tunnel_stack.Relay, site: str) -> ClientConnection:
    url = f"{relay.websocket_url(site)}/api/ws"
    return connect(url, additional_headers=site_tokens.headers(), proxy=None, ping_interval=None, close_timeout=1)


def test_as_many_websockets_as_may_be_need_two_threads_each(
    relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
) -> None:
    """Which fit into what the unit and the container allow, with all else that an edge does."""
    with edge_process(relay, "crowded", tmp_path, api_socket) as process, ExitStack() as stack:

        def threads() -> int:
            return len(list(Path(f"/proc/{process.pid}/task").iterdir()))

        before = threads()
        sockets = [stack.enter_context(live(relay, "crowded")) for _ in range(STREAMS)]
        for number, ws in enumerate(sockets):
            ws.send(f"{number}")
        assert [ws.recv(20) for ws in sockets] == [f"{number}" for number in range(STREAMS)]
        assert threads() - before <= 2 * STREAMS
        assert int(unit("edge")["TasksMax"][0]) >= 2 * STREAMS + OTHER_THREADS


class Few(threading.Thread):
    """The system allows so many workers of the tunnel."""

    most = 0

    def start(self) -> None:
        running = sum(thread.name == "tunnel" for thread in threading.enumerate())
        if self.name == "tunnel" and running >= self.most:
            raise RuntimeError("can't start new thread")
        super().start()


@pytest.mark.parametrize(("most", "told"), [(10, 503), (11, 1013)])
def test_a_thread_that_cannot_be_had_costs_one_request(
    relay: tunnel_stack.Relay,
    api_socket: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    told: int,
) -> None:
    """It is refused before it is begun; a websocket that gets only the first of its two is closed."""
    monkeypatch.setattr(Few, "most", most)
    monkeypatch.setattr("edge.loops.workers.threading.Thread", Few)
    site = f"poor-{most}"
    with tunnel_stack.edge(relay, site, tmp_path, api_socket) as edge, tunnel_stack.phone(relay, site) as phone:
        refused: list[int | None] = []
        with ExitStack() as stack:
            for _ in range(8):
                try:
                    ws = stack.enter_context(live(relay, site))
                    ws.send("x")
                    ws.recv(10)
                except InvalidStatus as exc:
                    refused.append(exc.response.status_code)
                except ConnectionClosed as exc:
                    refused.append(exc.rcvd.code if exc.rcvd is not None else None)
            assert refused == [told] * 3
            assert edge.status == "ok"
        eventually(lambda: phone.get("/api/v1/state").status_code == 200, 15, "room again")
        with live(relay, site) as ws:
            ws.send("x")
            assert ws.recv(10) == "x"
