"""The tunnel's loop as a process: `python -m tests.kit.edge_process DATA_DIR API_SOCKET HOG_S [NAME=SECONDS …]`.

What an edge is without a wallbox, for tests that kill, stop or watch one. `NAME=SECONDS` changes limits of the tunnel.
SIGUSR1 makes it hold Python's lock for HOG_S, as native code does that never lets go. Prints what health says when it
changes, a line each.
"""

import ctypes
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import logs
from common.allocator import use_one_arena
from common.clock import SystemClock
from common.health import Health
from common.tunnel.limits import Limits
from edge.adapters.enrolment import FileEnrolments, enrol
from edge.adapters.local_api import UnixApi
from edge.adapters.relay_socket import WebsocketsRelay
from edge.loops.tunnel import STREAMS, TunnelLoop
from tests.kit import tunnel_stack
from tests.kit.process import ServerProcess
from tests.kit.waiting import eventually

LOOK_S = 0.05


@contextmanager
def edge_process(
    relay: tunnel_stack.Relay,
    site: str,
    data_dir: Path,
    api_socket: Path,
    limits: Mapping[str, float] | None = None,
    hog_s: float = 0.0,
) -> Iterator[ServerProcess]:
    """A process that is enrolled for `site` and online."""
    enrol(relay.origin, relay.code_for(site), data_dir)
    process = ServerProcess(
        command(data_dir, api_socket, limits or {}, hog_s), data_dir / "edge.log", lambda: "relay ok" in process.log()
    )
    with process.running():
        eventually(lambda: tunnel_stack.is_online(relay, site), 20, f"{site} being online")
        yield process


def command(data_dir: Path, api_socket: Path, limits: Mapping[str, float], hog_s: float = 0.0) -> list[str]:
    changed = [f"{name}={value}" for name, value in limits.items()]
    return [sys.executable, "-m", "tests.kit.edge_process", str(data_dir), str(api_socket), str(hog_s), *changed]


def main(data_dir: str, api_socket: str, hog_s: str, *limits: str) -> None:
    logs.set_up()
    use_one_arena()  # as the edge does
    named: dict[str, Any] = {name: float(value) for name, _, value in (text.partition("=") for text in limits)}
    health = Health(SystemClock())
    loop = TunnelLoop(
        FileEnrolments(Path(data_dir)),
        WebsocketsRelay(None),
        UnixApi(Path(api_socket)),
        health,
        replace(Limits(streams=STREAMS), **named),
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # PyDLL calls keep the lock; usleep is the C library's, which takes any number of microseconds.
    signal.signal(signal.SIGUSR1, lambda *_: ctypes.PyDLL(None).usleep(int(float(hog_s) * 1e6)))
    thread = threading.Thread(target=loop.run, args=(stop,), name="edge")
    thread.start()
    told = ""
    while not stop.wait(LOOK_S):
        part = health.components().get("relay")
        says = f"relay {part.status.value} {part.detail or ''}" if part is not None else ""
        if says != told:
            print(says, flush=True)  # noqa: T201 -- for the test that runs us
            told = says
    thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
