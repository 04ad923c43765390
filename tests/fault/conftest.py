"""What the faults happen to: a real relay process with short timers behind a faulty line, a small real api, real edges.

Phones reach the relay at its own port, edges through the line. Both are shared by all tests of the folder; each test
has its own edge of the site `home`, and leaves relay and line as it found them.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.kit import drills, tunnel_stack
from tests.kit.faulty_line import FaultyLine, faulty_line
from tests.kit.namespaces import why_impossible
from tests.kit.ports import reserved_port
from tests.kit.servers import RedisServer
from tests.kit.short_timers import EDGE_LIMITS, RELAY_SETTINGS


@pytest.fixture(scope="session", autouse=True)
def drilled(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: RedisServer,
    api_socket: Path,
) -> Iterator[Callable[[str], Any]]:
    """What a drill of tests/kit/drills.py saw.

    They take up to 80 s, nearly all of it waiting, so they begin with the first test of the folder and run beside
    the others, if somebody will ask for them. Where files run in parallel anyway they begin when they are asked for.
    """
    folder, redis_url = tmp_path_factory.mktemp("drills"), f"redis://127.0.0.1:{redis_server.port}/6"
    begun: dict[str, Future[Any]] = {}
    with ThreadPoolExecutor(5) as pool:

        def begin() -> None:
            begun["hogged_edge"] = pool.submit(drills.hogged_edge, folder / "hogged_edge", redis_url, api_socket)
            impossible = why_impossible()
            for end in ("edge", "relay"):
                is_relay, own = end == "relay", folder / end
                begun[f"stopped_{end}"] = pool.submit(
                    drills.stopped_process, own / "stopped", redis_url, api_socket, is_relay=is_relay
                )
                begun[f"deaf_{end}"] = (
                    pool.submit(pytest.skip, impossible)
                    if impossible
                    else pool.submit(drills.deaf_host, own / "deaf", api_socket, is_relay=is_relay)
                )

        def seen(name: str) -> Any:
            if not begun:
                begin()
            return begun[name].result(150)

        is_asked_for = any(item.path.name == "test_real_time.py" for item in request.session.items)
        if is_asked_for and "PYTEST_XDIST_WORKER" not in os.environ:
            begin()
        yield seen


@pytest.fixture(scope="session")
def running_line() -> Iterator[FaultyLine]:
    with faulty_line() as running:
        yield running


@pytest.fixture
def line(running_line: FaultyLine) -> Iterator[FaultyLine]:
    """The edges' way to the relay; healed after the test."""
    yield running_line
    running_line.heal()


@pytest.fixture(scope="session")
def relay(
    running_line: FaultyLine, tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> Iterator[tunnel_stack.Relay]:
    redis_url = f"redis://127.0.0.1:{redis_server.port}/5"
    with reserved_port() as metrics_port:
        own = RELAY_SETTINGS | {"origin": running_line.url, "metrics": f"127.0.0.1:{metrics_port}"}
        with tunnel_stack.relay(tmp_path_factory.mktemp("relay"), redis_url, **own) as running:
            running_line.target_port = running.port
            yield running


@pytest.fixture(scope="session")
def api_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tunnel_stack.site_api(tmp_path_factory.mktemp("api")) as path:
        yield path


@pytest.fixture
def edge(relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path) -> Iterator[tunnel_stack.Edge]:
    """An edge of the site `home` with short timers, online."""
    with tunnel_stack.edge(relay, "home", tmp_path / "edge", api_socket, EDGE_LIMITS) as running:
        yield running


@pytest.fixture
def phone(relay: tunnel_stack.Relay) -> Iterator[httpx.Client]:
    with tunnel_stack.phone(relay, "home") as client:
        yield client
