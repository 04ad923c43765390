"""Load on loopback: closed-loop HTTP/1.1 requests, and downloads.

Closed loop: each connection sends its next request when the last answer is complete. The generator shares the machine
with what it measures, so only ratios between runs of one bench mean something.
"""

import asyncio
import socket
import statistics
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvloop


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured; latencies in milliseconds."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float


def run_load(url: str, token: str, connections: int, duration_s: float) -> Load:
    """GET `url` over `connections` kept-alive connections; raises RuntimeError at the first answer that is not 200."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(url, token, connections, duration_s))


def median(loads: list[Load]) -> Load:
    """The median of each figure."""
    return Load(
        statistics.median(load.requests_per_s for load in loads),
        statistics.median(load.p50_ms for load in loads),
        statistics.median(load.p99_ms for load in loads),
    )


def percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p99."""
    cuts = statistics.quantiles(values, n=100)
    return cuts[49], cuts[98]


def download(url: str, token: str) -> float:
    """Bytes per second of one body with a content-length; raises RuntimeError if it is not 200 or not complete."""
    parts = urlsplit(url)
    buffer = bytearray(256 * 1024)
    began = time.perf_counter()
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=60) as connection:
        connection.sendall(_request(url, token))
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1024)
        size = _content_length(head)
        left = size - len(head.partition(b"\r\n\r\n")[2])
        while left > 0:
            received = connection.recv_into(buffer)
            if not received:
                raise RuntimeError("the body was cut off")
            left -= received
    return size / (time.perf_counter() - began)


def download_for_ever(url: str, token: str) -> None:
    """For a process that is terminated."""
    while True:
        download(url, token)


def _request(url: str, token: str) -> bytes:
    parts = urlsplit(url)
    return (
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json\r\n\r\n"
    ).encode()


def _content_length(head: bytes) -> int:
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"not 200: {head[:300]!r}")
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    raise RuntimeError("an answer without a content-length")


async def _run(url: str, token: str, connections: int, duration_s: float) -> Load:
    parts = urlsplit(url)
    request = _request(url, token)
    latencies: list[float] = []
    began = time.perf_counter()
    until = began + duration_s
    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(_connection(parts.hostname or "", parts.port or 80, request, until, latencies))
    elapsed = time.perf_counter() - began
    p50_s, p99_s = percentiles(latencies)
    return Load(len(latencies) / elapsed, p50_s * 1000, p99_s * 1000)


async def _connection(host: str, port: int, request: bytes, until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        while time.perf_counter() < until:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(_content_length(head))
            latencies.append(time.perf_counter() - began)
    finally:
        writer.close()
