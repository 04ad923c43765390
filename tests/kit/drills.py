"""Faults that last: what must be seen with the tunnel's real timers, and is therefore done beside the other tests.

Each drill runs from its beginning to its end with processes of its own, and returns what it saw.
"""

import concurrent.futures
import os
import re
import signal
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from common.security.device_keys import DeviceKey, encode_public_key
from edge.adapters.enrolment import FileEnrolments
from edge.tunnel import Enrolment
from relay.adapters.registry import open_registry
from tests.kit import tunnel_stack
from tests.kit.edge_process import command, edge_process
from tests.kit.namespaces import two_hosts
from tests.kit.process import ServerProcess
from tests.kit.waiting import eventually

HOG_S = 10.0
SLEEP_S = 60.0
RELAY_PORT = 8090  # in a namespace of its own


@dataclass(frozen=True, slots=True)
class Deafness:
    """Seconds from the moment when one host heard nothing more until each end had given the tunnel up, and from its
    healing until the tunnel was back."""

    edge_noticed_after_s: float
    relay_noticed_after_s: float
    back_after_s: float


def deaf_host(folder: Path, api_socket: Path, *, is_relay: bool) -> Deafness:
    """One host drops every packet that comes in, with all timers as they are; then it hears again."""
    data = folder / "edge"
    data.mkdir(parents=True)
    with ExitStack() as context:
        public, home = context.enter_context(two_hosts())
        url = f"http://{public.address}:{RELAY_PORT}"
        database_url = f"sqlite://{folder / 'relay.sqlite'}"
        settings = {
            "WALLPORT_RELAY_HOST": public.address,
            "WALLPORT_RELAY_PORT": str(RELAY_PORT),
            "WALLPORT_RELAY_ORIGIN": url,
            "WALLPORT_RELAY_DATABASE_URL": database_url,
            "WALLPORT_RELAY_REDIS_URL": "redis://127.0.0.1:1/0",  # there is none in that namespace; it is not needed
            "WALLPORT_DATA_DIR": str(folder),
        }
        environ = [f"{name}={value}" for name, value in settings.items()]
        relay = ServerProcess(
            public.command(["env", *environ, sys.executable, "-m", "relay", "run"]),
            folder / "relay.log",
            lambda: "relay_started" in relay.log(),
        )
        context.enter_context(relay.running())
        registry = open_registry(database_url)
        context.callback(registry.close)
        key = DeviceKey.generate()  # registered by hand: to enrol, an edge wants TLS
        row = registry.enrol(registry.add("home", time.time()), encode_public_key(key.public_key), time.time())
        FileEnrolments(data).save(Enrolment(url, row.site_id, row.name), key)
        edge = ServerProcess(
            home.command(command(data, api_socket, {})), data / "edge.log", lambda: "relay ok" in edge.log()
        )
        context.enter_context(edge.running())
        deaf, deaf_at = public if is_relay else home, time.time()
        deaf.go_deaf()
        eventually(lambda: instants(edge, "relay_lost"), 60, "the edge noticing", every_s=0.25)
        eventually(lambda: instants(relay, "tunnel_ended"), 60, "the relay noticing", every_s=0.25)
        healed_at = time.time()
        deaf.hear_again()
        eventually(lambda: len(instants(relay, "tunnel_opened")) == 2, 60, "the tunnel being back", every_s=0.25)
        return Deafness(
            instants(edge, "relay_lost")[0] - deaf_at,
            instants(relay, "tunnel_ended")[0] - deaf_at,
            instants(relay, "tunnel_opened")[1] - healed_at,
        )


@dataclass(frozen=True, slots=True)
class Sleep:
    """Whether the site was offline while one process was stopped, and how long after its waking it was back."""

    was_offline: bool
    back_after_s: float


def stopped_process(folder: Path, redis_url: str, api_socket: Path, *, is_relay: bool) -> Sleep:
    """SIGSTOP of one end for SLEEP_S, as a machine that sleeps, with all timers as they are."""
    with (
        tunnel_stack.relay(folder / "relay", redis_url) as relay,
        edge_process(relay, "home", folder / "edge", api_socket) as edge,
        tunnel_stack.phone(relay, "home") as phone,
    ):
        stopped, ended = (relay.process, (edge, "relay_lost")) if is_relay else (edge, (relay.process, "tunnel_ended"))
        os.kill(stopped.pid, signal.SIGSTOP)
        try:
            threading.Event().wait(SLEEP_S)  # the fault itself
            was_offline = bool(instants(*ended))
        finally:
            os.kill(stopped.pid, signal.SIGCONT)
        woke_at = time.monotonic()
        eventually(lambda: _answers(phone), 60, "the site being back", every_s=0.25)
        return Sleep(was_offline, time.monotonic() - woke_at)


def _answers(phone: httpx.Client) -> bool:
    try:
        return phone.get("/api/v1/state").status_code == 200
    except httpx.HTTPError:
        return False


@dataclass(frozen=True, slots=True)
class Hogging:
    """How a request went that came while the edge's process could run no Python, and how many tunnels there were."""

    status: int
    answered_after_s: float
    tunnels_opened: int
    tunnels_ended: int


def hogged_edge(folder: Path, redis_url: str, api_socket: Path) -> Hogging:
    """Native code holds the lock of Python in the edge for 10 s, at the worst moment: the relay asks at once, and waits
    for an answer as long as it does by default."""
    with (
        tunnel_stack.relay(folder / "relay", redis_url, ping_after_s=1) as relay,
        edge_process(relay, "home", folder / "edge", api_socket, hog_s=HOG_S) as edge,
        tunnel_stack.phone(relay, "home") as phone,
        concurrent.futures.ThreadPoolExecutor(1) as pool,
    ):
        os.kill(edge.pid, signal.SIGUSR1)
        began = time.monotonic()
        answer = pool.submit(phone.get, "/api/v1/state", timeout=30).result()
        return Hogging(
            answer.status_code,
            time.monotonic() - began,
            len(instants(relay.process, "tunnel_opened")),
            len(instants(relay.process, "tunnel_ended")),
        )


def instants(process: ServerProcess, event: str) -> list[float]:
    """When the process has logged this event, Unix seconds."""
    found = re.findall(rf"(?m)^timestamp=(\S+) .*event={event}\b", process.log())
    return [datetime.fromisoformat(text).timestamp() for text in found]
