"""A real relay process, a small real api behind a unix socket, and edges whose tunnel loop runs in a thread here."""

import base64
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from common.clock import SystemClock
from common.health import Health
from common.tunnel.limits import Limits
from edge.adapters.enrolment import FileEnrolments, enrol
from edge.adapters.local_api import UnixApi
from edge.adapters.public_url import HttpPublicUrl
from edge.adapters.relay_socket import WebsocketsRelay
from edge.loops.self_check import SelfCheckLoop
from edge.loops.tunnel import TunnelLoop
from edge.self_check import Finding, Judge
from relay.adapters.registry import Registry, open_registry
from tests.kit import site_tokens
from tests.kit.ports import reserved_port
from tests.kit.process import ServerProcess, accepts, program
from tests.kit.waiting import eventually

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Relay:
    """A running relay; `registry` is its database, as its command line sees it."""

    process: ServerProcess
    port: int
    registry: Registry
    environ: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        """What edges dial: the relay itself, unless something stands before it."""
        return self.environ.get("WALLPORT_RELAY_ORIGIN", self.url)

    def site_url(self, site: str) -> str:
        return f"{self.url}/s/{site}"

    def websocket_url(self, site: str) -> str:
        return f"ws://127.0.0.1:{self.port}/s/{site}"

    def figure(self, name: str) -> float:
        """A metric's value, summed over its labels; for a relay with WALLPORT_RELAY_METRICS."""
        text = httpx.get(f"http://{self.environ['WALLPORT_RELAY_METRICS']}/metrics", trust_env=False).text
        values = [line.rpartition(" ")[2] for line in text.splitlines() if re.match(rf"{name}(\{{|\s)", line)]
        return sum(float(value) for value in values)

    def code_for(self, site: str) -> str:
        """A fresh code; adds the site if it is new."""
        known = self.registry.find_named(site)
        return self.registry.add(site, time.time()) if known is None else self.registry.new_code(site, time.time())


class Edge:
    """The tunnel's loop of one site in a thread of this process."""

    def __init__(self, data_dir: Path, api_socket: Path, limits: Limits | None = None) -> None:
        self.data_dir = data_dir
        self._limits = limits
        self.health = Health(SystemClock())
        self._api_socket = api_socket
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._loop: TunnelLoop | None = None

    def enrol(self, relay: Relay, site: str) -> None:
        enrol(relay.origin, relay.code_for(site), self.data_dir)

    def start(self, *, checks: bool = False) -> None:
        """`checks`: with the self-check, all the time instead of every five minutes."""
        self._stop.clear()
        files = FileEnrolments(self.data_dir)
        self._loop = loop = TunnelLoop(
            files, WebsocketsRelay(None), UnixApi(self._api_socket), self.health, self._limits
        )
        loops = [loop.run]
        if checks:
            loops.append(SelfCheckLoop(loop, files.key, HttpPublicUrl(None), self.health, Impatient(), 0.1).run)
        self._threads = [threading.Thread(target=run, args=(self._stop,), name="edge-under-test") for run in loops]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "the tunnel's loop did not stop"
        self._threads = []

    def dial_now(self) -> None:
        """End the pause between two tries."""
        assert self._loop is not None
        self._loop.dial_anew("the test wants it")

    @property
    def status(self) -> str:
        return self.status_of("relay")

    def status_of(self, component: str) -> str:
        part = self.health.components().get(component)
        return part.status.value if part is not None else ""

    @property
    def streams(self) -> int:
        """Requests and websockets that its tunnel carries at the moment."""
        return self._loop.figures()[1] if self._loop is not None else 0

    @property
    def detail(self) -> str:
        part = self.health.components().get("relay")
        return (part.detail or "") if part is not None else ""


class Impatient(Judge):
    """Checks at once, and again at once."""

    def first_pause_s(self) -> float:
        return 0.0

    def pause_s(self, finding: Finding) -> float:
        return 0.2


@contextmanager
def relay(folder: Path, redis_url: str, **own: int | str) -> Iterator[Relay]:
    """`own` are settings of the relay without their common beginning, in lower case (`site_requests=4`), or shared ones
    by their whole name; but `descriptors` is how many files and sockets it may have open."""
    descriptors = own.pop("descriptors", None)
    folder.mkdir(parents=True, exist_ok=True)
    with reserved_port() as port:
        settings = {
            "WALLPORT_RELAY_PORT": str(port),
            "WALLPORT_RELAY_ORIGIN": f"http://127.0.0.1:{port}",
            "WALLPORT_RELAY_DATABASE_URL": f"sqlite://{folder / 'relay.sqlite'}",
            "WALLPORT_RELAY_REDIS_URL": redis_url,
            "WALLPORT_RELAY_TRUSTED_PROXIES": "127.0.0.1",
            "WALLPORT_DATA_DIR": str(folder),
            **{
                name if name.startswith("WALLPORT_") else f"WALLPORT_RELAY_{name.upper()}": str(value)
                for name, value in own.items()
            },
        }
        process = relay_process(settings, folder / "relay.log", lambda: accepts(port), descriptors)
        registry = open_registry(settings["WALLPORT_RELAY_DATABASE_URL"])
        with process.running():
            yield Relay(process, port, registry, settings)
        registry.close()


def relay_process(
    settings: Mapping[str, str], log_file: Path, is_ready: Callable[[], bool], descriptors: int | str | None = None
) -> ServerProcess:
    """`wallport-relay run` with these settings and no other."""
    limit = [program("prlimit"), f"--nofile={descriptors}:{descriptors}"] if descriptors is not None else []
    command = [*limit, "env", *_foreign_settings(), *[f"{name}={value}" for name, value in settings.items()]]
    return ServerProcess([*command, sys.executable, "-m", "relay", "run"], log_file, is_ready)


@contextmanager
def site_api(folder: Path) -> Iterator[Path]:
    """The small api of site_api.py; its socket."""
    with site_api_process(folder) as (path, _):
        yield path


@contextmanager
def site_api_process(folder: Path) -> Iterator[tuple[Path, ServerProcess]]:
    """As `site_api`, for who wants to end the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wallport-") as short:  # pytest's folders are too long for a socket
        path = Path(short) / "api.sock"
        command = [sys.executable, "-m", "tests.kit.site_api", str(path)]
        process = ServerProcess(command, folder / "api.log", path.exists)
        with process.running():
            yield path, process


@contextmanager
def edge(
    relay: Relay,
    site: str,
    data_dir: Path,
    api_socket: Path,
    limits: Limits | None = None,
    *,
    is_answering: bool = True,
) -> Iterator[Edge]:
    """An edge that is enrolled for `site` and online; unless it `is_answering`, its api need not have values."""
    running = Edge(data_dir, api_socket, limits)
    running.enrol(relay, site)
    running.start()
    try:
        is_up = (lambda: is_online(relay, site)) if is_answering else (lambda: running.status == "ok")
        eventually(is_up, 15, f"{site} being online: {running.detail}")
        yield running
    finally:
        running.stop()


def verb(relay: Relay, *arguments: str) -> str:
    """`wallport-relay site …` as a process of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "relay", "site", *arguments],
        env=environ() | relay.environ,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def phone(relay: Relay, site: str) -> httpx.Client:
    """A client that is logged in; the caller closes it."""
    return httpx.Client(base_url=relay.site_url(site), headers=site_tokens.headers(), timeout=20, trust_env=False)


def is_online(relay: Relay, site: str) -> bool:
    answer = httpx.get(f"{relay.site_url(site)}/api/v1/state", headers=site_tokens.headers(), timeout=20)
    return answer.status_code == 200


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def environ() -> dict[str, str]:
    """Our own without settings: whoever runs the tests may have those of a real relay."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WALLPORT_")}


def _foreign_settings() -> list[str]:
    """Options of `env` that drop what whoever runs the tests has set for a real relay."""
    return [option for name in os.environ if name.startswith("WALLPORT_") for option in ("-u", name)]
