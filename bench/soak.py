"""Whether memory stays flat while a fifth of the phones does not read: `python -m bench.soak [SECONDS]`, 60 by default.

One relay process, one edge as a process, a small api behind it, and PHONES that ask, download, upload and talk by
websocket for as long; STALLED of them ask for a large answer, read none of it, and try again when they are given up.
Printed is the resident memory of relay and edge, and its slope over the time after the first third, in which caches and
the allocator's pages fill. Exit status 1 if one of them grows; below ten minutes the first third is too short for that.
"""

import contextlib
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.kit import servers, site_tokens, tunnel_stack
from tests.kit.edge_process import edge_process
from tests.kit.memory import resident_bytes

DURATION_S = 60.0
PHONES = 20
STALLED = 4
SAMPLE_S = 0.5
SLOW_CONSUMER_S = 3  # so that each stalled phone is given up twenty times a minute
MIB = 1024 * 1024
FLAT_BYTES_PER_MINUTE = MIB // 4
"""What a regression over some minutes makes of an allocator's pages that come and go."""


class Phones:
    """What the phones' threads share."""

    def __init__(self, relay: tunnel_stack.Relay) -> None:
        self.relay = relay
        self.over = threading.Event()
        self.requests = self.failures = self.given_up = 0

    def ask(self) -> None:
        """Requests of every kind, one after the other."""
        while not self.over.is_set():
            headers = site_tokens.headers()
            with httpx.Client(
                base_url=self.relay.site_url("home"), headers=headers, timeout=30, trust_env=False
            ) as phone:
                for _ in range(20):
                    if self.over.is_set():
                        return
                    self._count(phone.get("/api/v1/state"))
                    self._count(phone.get("/api/download", params={"size": 300_000}))
                    self._count(phone.post("/api/upload", content=b"x" * 200_000))

    def talk(self) -> None:
        """A websocket that echoes, opened anew now and then."""
        url = f"{self.relay.websocket_url('home')}/api/ws"
        while not self.over.is_set():
            try:
                with connect(url, proxy=None, additional_headers=site_tokens.headers(), open_timeout=30) as websocket:
                    for number in range(500):
                        websocket.send("x" * (number * 100))
                        websocket.recv(30)
                        self.requests += 1
                        if self.over.wait(0.01):
                            return
            except (WebSocketException, OSError):
                self.failures += 1

    def stall(self) -> None:
        """A large answer that nobody reads, until the relay ends it."""
        while not self.over.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.relay.port), 10) as phone:
                phone.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                request = "GET /s/home/api/download?size=50000000 HTTP/1.1\r\nhost: relay\r\n"
                phone.sendall(f"{request}authorization: Bearer {site_tokens.token()}\r\n\r\n".encode())
                self.over.wait(2.5 * SLOW_CONSUMER_S)
                self.given_up += 1

    def _count(self, answer: httpx.Response) -> None:
        self.requests += 1
        self.failures += answer.status_code != 200


def main(duration_s: float = DURATION_S) -> bool:
    """Whether memory was flat."""
    with (
        tempfile.TemporaryDirectory(prefix="wallport-soak-") as name,
        servers.redis_server(Path(name) / "redis") as redis,
        tunnel_stack.site_api(Path(name) / "api") as api_socket,
        tunnel_stack.relay(Path(name) / "relay", redis.url, slow_consumer_s=SLOW_CONSUMER_S) as relay,
        edge_process(relay, "home", Path(name) / "edge", api_socket) as edge,
    ):
        phones = Phones(relay)
        works: list[Callable[[], None]] = [phones.stall] * STALLED + [phones.talk] * STALLED
        works += [phones.ask] * (PHONES - len(works))
        threads = [threading.Thread(target=work, daemon=True) for work in works]
        samples: dict[str, list[tuple[float, int]]] = {"relay": [], "edge": []}
        pids = {"relay": relay.process.pid, "edge": edge.pid}
        began = time.monotonic()
        for thread in threads:
            thread.start()
        while (now := time.monotonic() - began) < duration_s:
            for process, pid in pids.items():
                samples[process].append((now, resident_bytes(pid)))
            phones.over.wait(SAMPLE_S)
        phones.over.set()
        for thread in threads:
            thread.join(35)
        print(f"{phones.requests} requests, {phones.failures} failed; {phones.given_up} answers that nobody read")
        verdicts = [_is_flat(process, seen, duration_s) for process, seen in samples.items()]
        return all(verdicts)


def _is_flat(process: str, seen: list[tuple[float, int]], duration_s: float) -> bool:
    late = [(at, bytes_) for at, bytes_ in seen if at > duration_s / 3]
    slope = 60 * statistics.linear_regression([at for at, _ in late], [bytes_ for _, bytes_ in late]).slope
    first, last, most = seen[0][1], seen[-1][1], max(bytes_ for _, bytes_ in seen)
    is_flat = slope < FLAT_BYTES_PER_MINUTE
    print(
        f"{process:>6}: {first / MIB:.0f} MiB at first, {most / MIB:.0f} at most, {last / MIB:.0f} at the end; "
        f"{slope / MIB:+.2f} MiB a minute after the first third{'' if is_flat else '  GROWS'}",
        flush=True,
    )
    return is_flat


if __name__ == "__main__":
    sys.exit(0 if main(*(float(argument) for argument in sys.argv[1:2])) else 1)
