"""A real api in a thread of the test, on a port and a socket of its own, and clients for it."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import uvloop
from argon2 import PasswordHasher
from sanic import Sanic
from websockets.sync.client import ClientConnection, connect, unix_connect

from api.app import Running, started
from api.handlers.hub import Hub
from api.settings import Settings, read_settings
from common.clock import SystemClock
from common.security.passwords import Passwords
from common.store import users
from common.store.bind import open_store

PASSWORD = "correct horse battery"


@dataclass
class RunningApi:
    """`lan` and `relay` are clients of the two listeners, without a login. `stop` returns when it has stopped."""

    settings: Settings
    port: int
    lan: httpx.Client
    relay: httpx.Client
    app: Sanic[Any, Any]
    stop: Callable[[], None]
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def hub(self) -> Hub:
        hub: Hub = self.app.ctx.hub
        return hub

    def login(self, name: str) -> dict[str, str]:
        """The headers of a user who is logged in; one login a name."""
        if name not in self.tokens:
            answer = self.lan.post("/api/v1/auth/login", json={"username": name, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            self.tokens[name] = answer.json()["access_token"]
        return {"authorization": f"Bearer {self.tokens[name]}"}

    def get(self, path: str, name: str = "viewer", **more: Any) -> httpx.Response:
        """GET on the LAN as a user."""
        return self.lan.get(path, headers={**self.login(name), **more.pop("headers", {})}, **more)

    def live(self, query: str = "", name: str | None = "viewer", **more: Any) -> ClientConnection:
        """A live connection on the LAN."""
        connection: ClientConnection = connect(
            f"ws://127.0.0.1:{self.port}/api/v1/live{query}",
            additional_headers=self.login(name) if name else {},
            proxy=None,
            compression=None,
            **more,
        )
        return connection

    def live_by_relay(self, query: str = "", name: str = "viewer") -> ClientConnection:
        """A live connection on the edge's socket."""
        return unix_connect(
            str(self.settings.relay_socket),
            uri=f"ws://site/api/v1/live{query}",
            additional_headers=self.login(name),
            compression=None,
        )


@contextmanager
def running_api(
    folder: Path, redis_url: str, database_url: str, *, users_of_tests: bool = True, **environ: str
) -> Iterator[RunningApi]:
    """The api with the users viewer, driver and admin, whose password is PASSWORD; stopped at the end."""
    settings = read_settings(api_environment(folder, redis_url, database_url, **environ))
    if users_of_tests:
        _add_users(database_url)
    with _in_thread(settings) as (running, stop), _clients(settings, running.port) as (lan, relay):
        yield RunningApi(settings, running.port, lan, relay, running.app, stop)


def api_environment(folder: Path, redis_url: str, database_url: str, **more: str) -> dict[str, str]:
    """The settings of an api of a test, as environment variables."""
    return {
        "WALLPORT_REDIS_URL": redis_url,
        "WALLPORT_DATABASE_URL": database_url,
        "WALLPORT_DATA_DIR": str(folder / "data"),
        "WALLPORT_API_PORT": "0",
        **more,
    }


def _add_users(database_url: str) -> None:
    store = open_store(database_url)
    password_hash = _password_hash()
    for name in ("viewer", "driver", "admin"):
        if users.get(store, name) is None:
            users.add(store, name=name, password_hash=password_hash, role=name, created_at=1_700_000_000)
    store.close()


@cache
def _passwords() -> Passwords:
    """Argon2id like the real one, at a hundredth of its cost; tests/unit/common/security has the real one."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=256, parallelism=1))


@cache
def _password_hash() -> str:
    return _passwords().hash(PASSWORD)


@contextmanager
def _clients(settings: Settings, port: int) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    transport = httpx.HTTPTransport(uds=str(settings.relay_socket))
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as lan,
        httpx.Client(base_url="http://site", transport=transport, trust_env=False) as relay,
    ):
        yield lan, relay


@contextmanager
def _in_thread(settings: Settings) -> Iterator[tuple[Running, Callable[[], None]]]:
    ready = threading.Event()
    outcome: dict[str, Any] = {}

    async def serve() -> None:
        told = asyncio.Event()
        async with started(settings, SystemClock(), _passwords()) as running:
            outcome.update(running=running, told=told, loop=asyncio.get_running_loop())
            ready.set()
            await told.wait()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve())
        except BaseException as exc:  # noqa: BLE001 -- goes to the test's own thread
            outcome["fault"] = exc
        finally:
            ready.set()

    thread = threading.Thread(target=work, name="api", daemon=True)

    def stop() -> None:
        if thread.is_alive():
            outcome["loop"].call_soon_threadsafe(outcome["told"].set)
            thread.join(20)
        assert not thread.is_alive(), "the api did not stop"
        if "fault" in outcome:
            raise outcome["fault"]

    thread.start()
    assert ready.wait(20)
    if "fault" in outcome:
        raise outcome["fault"]
    try:
        yield outcome["running"], stop
    finally:
        stop()


def bearer(token: str) -> dict[str, str]:
    """The header of whoever has this token."""
    return {"authorization": f"Bearer {token}"}


def logged_in(api: RunningApi, name: str, client: httpx.Client | None = None, **more: str) -> dict[str, Any]:
    """The answer to another login of a user, on the LAN unless `client` is another one."""
    answer = (client or api.lan).post("/api/v1/auth/login", json={"username": name, "password": PASSWORD, **more})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def problem(answer: httpx.Response) -> Mapping[str, Any]:
    """The problem in an answer, checked for its form."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert body["status"] == answer.status_code
    assert body["type"] == f"urn:wallport:problem:{body['code']}"
    return body
