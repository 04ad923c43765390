"""The main job, measured in one run: `GET /api/v1/state` direct and through the relay, and MQTT messages into Redis.

Runs the demo with this machine's real servers where they are installed. Every figure is the median of ROUNDS rounds
that alternate between direct and relay, so that whatever else the machine does hits both.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import redis
from paho.mqtt.enums import CallbackAPIVersion

from bench.load import Load, median, run_load
from common import keys

ROUNDS = 3
ROUND_S = 4.0
CONNECTIONS = (1, 16)
MESSAGES = 20_000
READY_WITHIN_S = 120.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="wallport-bench-") as folder:
        ready_file = Path(folder) / "ready.json"
        arguments = ["--folder", f"{folder}/demo", "--ready-file", str(ready_file), "--history-days", "0"]
        if all(shutil.which(name) for name in ("mosquitto", "redis-server", "mariadbd")):
            arguments.append("--real")
        demo = subprocess.Popen(
            [sys.executable, "-m", "simulator", *arguments],
            stdout=subprocess.DEVNULL,
        )
        try:
            ready = _wait_for_ready(demo, ready_file)
            _measure_requests(ready)
            _measure_messages(ready)
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(60)


def _measure_requests(ready: dict[str, Any]) -> None:
    token = _login(ready)
    urls = {"direct": f"{ready['lan_url']}/api/v1/state", "relay": f"{ready['relay_site_url']}/api/v1/state"}
    print(f"\nGET /api/v1/state, medians of {ROUNDS} rounds of {ROUND_S:.0f} s")
    print(f"{'connections':>11} {'way':>7} {'requests/s':>11} {'p50 ms':>8} {'p99 ms':>8}")
    for connections in CONNECTIONS:
        rounds: dict[str, list[Load]] = {way: [] for way in urls}
        for _ in range(ROUNDS):
            for way, url in urls.items():
                rounds[way].append(run_load(url, token, connections, ROUND_S))
        loads = {way: median(of_way) for way, of_way in rounds.items()}
        for way, load in loads.items():
            figures = f"{load.requests_per_s:>11.0f} {load.p50_ms:>8.2f} {load.p99_ms:>8.2f}"
            print(f"{connections:>11} {way:>7} {figures}")
        direct, relay = loads["direct"], loads["relay"]
        share, slower = relay.requests_per_s / direct.requests_per_s, relay.p99_ms / direct.p99_ms
        print(f"{'':>11} {'ratio':>7} {share:>11.2f} {relay.p50_ms / direct.p50_ms:>8.1f} {slower:>8.1f}", flush=True)


def _measure_messages(ready: dict[str, Any]) -> None:
    """Publish as fast as the broker takes it; the clock stops when Redis holds the last value of each topic.

    The topics are of charge points that the simulator does not have. The edge keeps the newest value of a topic when
    messages arrive faster than it writes, so not each becomes a write.
    """
    topics = [
        f"openWB/lp/{n}/{name}"
        for n in range(4, 9)
        for name in ("W", "APhase1", "APhase2", "APhase3", "VPhase1", "VPhase2")
    ]
    rounds = MESSAGES // len(topics)
    port = urlsplit(ready["mqtt_url"]).port or 1883
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    store = redis.Redis(port=_redis_port(ready), decode_responses=True)
    began = time.perf_counter()
    for value in range(1, rounds + 1):
        for topic in topics:
            client.publish(topic, str(value % 16 if value < rounds else 15.5))
    pause = threading.Event()
    deadline = time.monotonic() + 60
    while set(store.hmget(keys.mirror(), topics)) != {"15.5"}:
        if time.monotonic() > deadline:
            raise RuntimeError("the messages did not arrive in Redis within 60 s")
        pause.wait(0.005)
    elapsed = time.perf_counter() - began
    client.disconnect()
    client.loop_stop()
    print(f"\nMQTT into Redis: {rounds * len(topics)} messages on {len(topics)} topics in {elapsed:.2f} s", end="")
    print(f" = {rounds * len(topics) / elapsed:.0f} messages/s")


def _redis_port(ready: dict[str, Any]) -> int:
    return (urlsplit(ready["lan_url"]).port or 0) + 3


def _login(ready: dict[str, Any]) -> str:
    body = json.dumps({"username": "viewer", "password": ready["users"]["viewer"]["password"]}).encode()
    url = f"{ready['lan_url']}/api/v1/auth/login"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["access_token"])


def _wait_for_ready(demo: subprocess.Popen[bytes], ready_file: Path) -> dict[str, Any]:
    pause = threading.Event()
    deadline = time.monotonic() + READY_WITHIN_S
    while not ready_file.exists():
        if demo.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the demo did not become ready; see what it printed")
        pause.wait(0.1)
    ready: dict[str, Any] = json.loads(ready_file.read_text(encoding="utf-8"))
    return ready


if __name__ == "__main__":
    main()
