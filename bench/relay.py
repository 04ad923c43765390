"""The way through the relay, measured in one run: beside the direct way, and beside OpenSSH's `ssh -R`.

Requests, a large body, and live push while large bodies travel. Every figure is the median of ROUNDS rounds that
alternate between the ways, so that whatever else the machine does hits all of them. Beside the wall clock stands the
CPU time that relay, edge and api spent on a request, which other work on the machine changes less.
"""

import json
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from websockets.sync.client import ClientConnection, connect

from bench.load import Load, download, download_for_ever, median, percentiles, run_load
from bench.site import Site, running_site
from bench.ssh import reverse_tunnel

ROUNDS = 3
ROUND_S = 4.0
CONNECTIONS = (16, 1)
BODY_BYTES = 64 * 1024 * 1024
CHANGES = 300
CHANGES_PER_S = 50.0
DIRECT = "direct"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="wallport-bench-") as name:
        folder = Path(name)
        with running_site(folder) as site, reverse_tunnel(folder / "ssh", site.api_port) as ssh_port:
            ways = {DIRECT: site.lan_url, "relay": site.relay_site_url}
            if ssh_port is not None:
                ways["ssh -R"] = f"http://127.0.0.1:{ssh_port}"
            _measure_requests(site, ways)
            _measure_body(site, ways)
            _measure_live(site)


def _measure_requests(site: Site, ways: dict[str, str]) -> None:
    print(f"\nGET /api/v1/state, medians of {ROUNDS} rounds of {ROUND_S:.0f} s; shares and factors of the direct way")
    head = f"{'connections':>11} {'way':>7} {'requests/s':>11} {'share':>6} {'p50 ms':>8} {'factor':>6}"
    print(f"{head} {'p99 ms':>8} {'factor':>6}   CPU µs a request")
    for connections in CONNECTIONS:
        rounds: dict[str, list[Load]] = {way: [] for way in ways}
        spent: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, url in ways.items():
                before = _cpu_s(site)
                load = run_load(f"{url}/api/v1/state", site.token, connections, ROUND_S)
                rounds[way].append(load)
                requests = load.requests_per_s * ROUND_S
                spent[way].append({name: (now - before[name]) / requests * 1e6 for name, now in _cpu_s(site).items()})
        direct = median(rounds[DIRECT])
        for way in ways:
            load = median(rounds[way])
            share = load.requests_per_s / direct.requests_per_s
            slower, slowest = load.p50_ms / direct.p50_ms, load.p99_ms / direct.p99_ms
            cpu = ", ".join(f"{name} {statistics.median(of[name] for of in spent[way]):.0f}" for name in before)
            print(
                f"{connections:>11} {way:>7} {load.requests_per_s:>11.0f} {share:>6.2f} {load.p50_ms:>8.2f} "
                f"{slower:>6.1f} {load.p99_ms:>8.2f} {slowest:>6.1f}   {cpu}",
                flush=True,
            )
        if "ssh -R" not in ways:
            print(f"{connections:>11} {'ssh -R':>7} {'not installed':>11}")


def _measure_body(site: Site, ways: dict[str, str]) -> None:
    path = f"/api/v1/bench/{BODY_BYTES}"
    print(f"\nA body of {BODY_BYTES >> 20} MiB, medians of {ROUNDS}")
    rounds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, url in ways.items():
            rounds[way].append(download(f"{url}{path}", site.token))
    direct = statistics.median(rounds[DIRECT])
    for way in ways:
        bytes_per_s = statistics.median(rounds[way])
        print(f"{way:>11} {bytes_per_s / 1e6:>9.0f} MB/s {bytes_per_s / direct:>6.2f}", flush=True)


def _measure_live(site: Site) -> None:
    """From a change's publication on the broker to its message at a phone that is connected through the relay; and of
    that the tunnel's own part: how much later than at a phone that is connected on the LAN."""
    print(f"\nLive push through the relay, {ROUNDS} rounds of {CHANGES} changes, {CHANGES_PER_S:.0f} a second")
    idle: list[tuple[list[float], list[float]]] = []
    busy: list[tuple[list[float], list[float]]] = []
    for _ in range(ROUNDS):
        idle.append(_latencies_ms(site))
        with _downloading(site):
            busy.append(_latencies_ms(site))
    for name, rounds in (("nothing else", idle), ("beside a download", busy)):
        for part, measured in zip(("from the broker", "the tunnel's part"), zip(*rounds, strict=True), strict=True):
            p50_ms, p99_ms = (statistics.median(values) for values in zip(*map(percentiles, measured), strict=True))
            print(f"{name:>18}, {part}: p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms", flush=True)


def _latencies_ms(site: Site) -> tuple[list[float], list[float]]:
    """Of each change that arrived: since its publication, and since its arrival on the LAN."""
    published: dict[float, float] = {}
    on_lan: dict[float, float] = {}
    through_relay: dict[float, float] = {}
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(site.broker.host, site.broker.port)
    client.loop_start()
    pause = threading.Event()
    with _phone(site.lan_url, site.token) as near, _phone(site.relay_site_url, site.token) as far:

        def publish() -> None:
            begin = time.perf_counter()
            for number in range(CHANGES):
                pause.wait(max(0.0, begin + number / CHANGES_PER_S - time.perf_counter()))
                value = float(1000 + len(published) + 1)
                published[value] = time.perf_counter()
                client.publish("openWB/evu/W", f"{value:.0f}")

        threads = [
            threading.Thread(target=publish),
            threading.Thread(target=_note_arrivals, args=(near, published, on_lan)),
            threading.Thread(target=_note_arrivals, args=(far, published, through_relay)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    client.disconnect()
    client.loop_stop()
    since_published = [(at - published[value]) * 1000 for value, at in through_relay.items()]
    return since_published, [(at - on_lan[value]) * 1000 for value, at in through_relay.items() if value in on_lan]


@contextmanager
def _phone(url: str, token: str) -> Iterator[ClientConnection]:
    """A phone that has had its first message, the whole state."""
    live = f"{url.replace('http', 'ws')}/api/v1/live"
    with connect(live, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None) as phone:
        phone.recv(10)
        yield phone


def _note_arrivals(phone: ClientConnection, published: dict[float, float], arrived: dict[float, float]) -> None:
    """Until the last change has come; values that came together were told as one change."""
    value: float | None = None
    while value != 1000 + CHANGES:
        value = json.loads(phone.recv(10)).get("changes", {}).get("grid.power_w")
        if value is not None and value in published:
            arrived[value] = time.perf_counter()


@contextmanager
def _downloading(site: Site) -> Iterator[None]:
    """One large body after the other through the relay, fetched by a process of its own."""
    url = f"{site.relay_site_url}/api/v1/bench/{BODY_BYTES}"
    process = multiprocessing.get_context("spawn").Process(target=download_for_ever, args=(url, site.token))
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _cpu_s(site: Site) -> dict[str, float]:
    """CPU seconds of user and system that each process has spent so far."""
    return {name: _cpu_of(process.pid) for name, process in site.processes.items()}


def _cpu_of(pid: int) -> float:
    times = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
