"""A closed-loop HTTP/1.1 load on loopback: each connection sends its next request when the last answer is complete."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured; latencies in milliseconds."""

    requests_per_s: float
    p50_ms: float
    p99_ms: float


def run_load(url: str, token: str, connections: int, duration_s: float) -> Load:
    """GET `url` over `connections` kept-alive connections; raises RuntimeError at the first answer that is not 200."""
    return asyncio.run(_run(url, token, connections, duration_s))


def median(loads: list[Load]) -> Load:
    """The median of each figure."""
    return Load(
        statistics.median(load.requests_per_s for load in loads),
        statistics.median(load.p50_ms for load in loads),
        statistics.median(load.p99_ms for load in loads),
    )


async def _run(url: str, token: str, connections: int, duration_s: float) -> Load:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    request = (
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json\r\n\r\n"
    ).encode()
    latencies: list[float] = []
    began = time.perf_counter()
    await asyncio.gather(*(_connection(host, port, request, began + duration_s, latencies) for _ in range(connections)))
    elapsed = time.perf_counter() - began
    latencies.sort()
    percentiles = statistics.quantiles(latencies, n=100)
    return Load(len(latencies) / elapsed, percentiles[49] * 1000, percentiles[98] * 1000)


async def _connection(host: str, port: int, request: bytes, until: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        while time.perf_counter() < until:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"not 200: {head[:200]!r}")
            await _skip_body(reader, head.lower())
            latencies.append(time.perf_counter() - began)
    finally:
        writer.close()


async def _skip_body(reader: asyncio.StreamReader, head: bytes) -> None:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            await reader.readexactly(int(value))
            return
    while True:  # chunked
        size = int((await reader.readline()).split(b";")[0], 16)
        await reader.readexactly(size + 2)
        if size == 0:
            return
