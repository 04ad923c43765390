"""Processes are killed, or sleep and wake: what runs on them fails at once and visibly, and all heals by itself."""

import concurrent.futures
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.kit import site_tokens, tunnel_stack
from tests.kit.drills import instants
from tests.kit.edge_process import edge_process
from tests.kit.faulty_line import FaultyLine, faulty_line
from tests.kit.servers import RedisServer
from tests.kit.short_timers import (
    BACK_WITHIN_S,
    DEAD_AFTER_S,
    EDGE_LIMITS,
    NOTICED_WITHIN_S,
    PING_AFTER_S,
    RELAY_SETTINGS,
    WRITE_STALL_S,
)
from tests.kit.waiting import eventually

AT_ONCE_S = 5.0
"""A killed process's connections are reset by its kernel: milliseconds, and the rest is for a busy machine."""


class TestKill:
    """kill -9, in the middle of a download, a request that waits, and an open websocket."""

    def test_what_ran_on_a_killed_edge_or_relay_fails_at_once_and_all_heals(
        self, redis_server: RedisServer, api_socket: Path, tmp_path: Path
    ) -> None:
        redis_url = f"redis://127.0.0.1:{redis_server.port}/7"
        limits = {"ping_after_s": PING_AFTER_S, "dead_after_s": DEAD_AFTER_S}
        with (
            tunnel_stack.relay(tmp_path / "relay", redis_url, **RELAY_SETTINGS) as relay,
            edge_process(relay, "home", tmp_path / "edge", api_socket, limits) as edge,
        ):
            for process in (edge, relay.process):
                with under_way(relay) as ends:
                    began = time.monotonic()
                    process.kill()
                    for end in ends:
                        end.result(AT_ONCE_S)
                    assert time.monotonic() - began < AT_ONCE_S
                process.start()
                eventually(lambda: is_online(relay), BACK_WITHIN_S, "being online again")

    def test_a_killed_api_fails_its_requests_only(self, relay: tunnel_stack.Relay, tmp_path: Path) -> None:
        """The tunnel stays, and serves the api that comes next."""
        with ExitStack() as api:
            path, process = api.enter_context(tunnel_stack.site_api_process(tmp_path / "api"))
            with tunnel_stack.edge(relay, "home", tmp_path / "edge", path, EDGE_LIMITS) as edge:
                with under_way(relay) as ends:
                    process.kill()
                    for end in ends:
                        end.result(AT_ONCE_S)
                assert edge.status == "ok"
                path.unlink()
                process.start()
                eventually(lambda: is_online(relay), BACK_WITHIN_S, "values from the next api")
                assert edge.health.counters().get("relay_ended_lost", 0) == 0


class TestSleep:
    def test_an_edge_that_slept_is_offline_meanwhile_and_back_when_it_wakes(
        self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
    ) -> None:
        """SIGSTOP for longer than the relay waits: phones are told 503, and waking up is enough."""
        limits = {"ping_after_s": PING_AFTER_S, "dead_after_s": DEAD_AFTER_S, "write_stall_s": WRITE_STALL_S}
        with edge_process(relay, "sleeper", tmp_path / "edge", api_socket, limits) as edge:
            os.kill(edge.pid, signal.SIGSTOP)
            try:
                eventually(lambda: status(relay, "sleeper") == 503, NOTICED_WITHIN_S, "the relay noticing")
            finally:
                os.kill(edge.pid, signal.SIGCONT)
            eventually(lambda: is_online(relay, "sleeper"), BACK_WITHIN_S, "being online again")

    def test_a_relay_that_slept_is_not_in_the_way_of_its_successor(
        self, redis_server: RedisServer, api_socket: Path, tmp_path: Path
    ) -> None:
        """Two relay processes on one register and one Redis. The first sleeps until its edge has given it up and come
        to the second. On waking it still believes in its tunnel, whose end it was never told: it finds the higher
        fence, lets go, and changes nothing that the second has written."""
        redis_url = f"redis://127.0.0.1:{redis_server.port}/8"
        with (
            two_relays(tmp_path, redis_url) as (line, first, second),
            tunnel_stack.edge(first, "home", tmp_path / "edge", api_socket, EDGE_LIMITS) as edge,
        ):
            os.kill(first.process.pid, signal.SIGSTOP)
            try:
                line.break_off(is_swallowed=True)  # nobody at the first hears of its connection's end
                line.let_new_ones_pass()
                line.target_port = second.port
                eventually(lambda: is_online(second), BACK_WITHIN_S, "being online at the second relay")
            finally:
                os.kill(first.process.pid, signal.SIGCONT)
            eventually(lambda: instants(first.process, "tunnel_ended"), NOTICED_WITHIN_S, "the first letting go")
            assert "error=SUPERSEDED" in first.process.log()
            assert status(first) == 503
            assert is_online(second)
            assert edge.status == "ok"
            assert edge.health.counters().get("relay_ended_superseded", 0) == 0
            assert not instants(second.process, "tunnel_ended")
            listed = tunnel_stack.verb(second, "list")
            assert "online" in listed, listed


@contextmanager
def under_way(relay: tunnel_stack.Relay, site: str = "home") -> Iterator[list["concurrent.futures.Future[Any]"]]:
    """A download, a request that waits and a websocket, all running; futures of their ends, which fail unless each is a
    visible failure."""
    headers = site_tokens.headers()
    with concurrent.futures.ThreadPoolExecutor(4) as pool, ExitStack() as context:
        phone = context.enter_context(tunnel_stack.phone(relay, site))
        websocket = context.enter_context(
            connect(f"{relay.websocket_url(site)}/api/ws", proxy=None, additional_headers=headers)
        )
        websocket.send("hello")
        assert websocket.recv(10) == "hello"
        download = context.enter_context(phone.stream("GET", "/api/events"))
        pieces = download.iter_text()
        assert next(pieces) == "data: first\n\n"
        before = phone.get("/api/counts").json()["slow"]
        waits = pool.submit(phone.get, "/api/slow")
        eventually(lambda: phone.get("/api/counts").json()["slow"] > before, what="the request being on its way")

        def whole_never() -> None:
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                next(pieces)

        def answered_or_cut() -> None:
            failure = waits.exception(20)
            assert isinstance(failure, httpx.TransportError) or waits.result().status_code in (502, 503)

        def closed() -> None:
            with pytest.raises(ConnectionClosed) as caught:
                websocket.recv(20)
            assert caught.value.rcvd is None or caught.value.rcvd.code in (1011, 1012, 1013)

        yield [pool.submit(end) for end in (whole_never, answered_or_cut, closed)]


@contextmanager
def two_relays(folder: Path, redis_url: str) -> Iterator[tuple[FaultyLine, tunnel_stack.Relay, tunnel_stack.Relay]]:
    """On one register and one Redis, behind a line that leads to the first, which is too patient to find by itself that
    its edge is gone."""
    with faulty_line() as line:
        own = RELAY_SETTINGS | {"origin": line.url, "database_url": f"sqlite://{folder / 'relays.sqlite'}"}
        with (
            tunnel_stack.relay(
                folder / "first", redis_url, **(own | {"ping_after_s": 14, "dead_after_s": 12})
            ) as first,
            tunnel_stack.relay(folder / "second", redis_url, **own) as second,
        ):
            line.target_port = first.port
            yield line, first, second


def status(relay: tunnel_stack.Relay, site: str = "home") -> int:
    answer = httpx.get(f"{relay.site_url(site)}/api/v1/state", headers=site_tokens.headers(), timeout=20)
    return answer.status_code


def is_online(relay: tunnel_stack.Relay, site: str = "home") -> bool:
    try:
        return status(relay, site) == 200
    except httpx.TransportError:
        return False
