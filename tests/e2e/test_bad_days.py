"""Any one part may die or be away: the rest goes on, says what is missing, and heals by itself."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.kit.stack import Stack, gently

pytestmark = pytest.mark.timeout(150)  # an outage and its recovery, on a busy machine


def kill(stack: Stack, name: str) -> None:
    """kill -9, and reap."""
    process = stack.processes[name]
    os.kill(process.pid, signal.SIGKILL)
    process.stop()


def status_through_relay(stack: Stack) -> int:
    return stack.client(stack.site_url).get("/api/v1/state").status_code


@pytest.mark.parametrize("name", ["edge", "api", "relay"])
def test_killed_process_heals_without_touching_the_others(stack: Stack, name: str) -> None:
    """kill -9 of one process and its restart is enough: the others keep their pids, and all is ready again."""
    others = {other: process.pid for other, process in stack.processes.items() if other != name}
    client = stack.logged_in(stack.lan_url)
    kill(stack, name)
    stack.processes[name].start()
    gently(stack.is_ready, 40, f"being ready after {name} was killed")
    assert {other: stack.processes[other].pid for other in others} == others
    # The signing key outlived the restart: the token from before is still good.
    gently(lambda: client.get("/api/v1/state").status_code == 200, 10, "values for the token from before")


def test_stopped_edge_is_offline_at_once_and_online_after_it_returns(stack: Stack) -> None:
    """The relay answers 503 `site_offline` and since when, quickly, and forgets it when the edge is back."""
    stack.processes["edge"].stop()
    try:
        client = stack.client(stack.site_url)
        answer = gently(
            lambda: offline if (offline := client.get("/api/v1/state")).status_code == 503 else None, 5, "503"
        )
        assert answer.json()["code"] == "site_offline"
        assert answer.json()["since"]
        assert answer.elapsed.total_seconds() < 0.5
    finally:
        stack.processes["edge"].start()
    gently(lambda: status_through_relay(stack) == 401, 40, "the site being online again")


def components(stack: Stack) -> Any:
    return stack.readiness()["components"]


@pytest.mark.parametrize("server", ["broker", "redis", "mariadb"])
def test_server_that_is_away_is_named_and_comes_back(stack: Stack, server: str) -> None:
    """`readyz` names what is away; logins need the database, live values Redis, and nothing else; all heals."""
    lan = stack.logged_in(stack.lan_url)
    outage = {"broker": "edge.mqtt", "redis": "redis", "mariadb": "database"}[server]
    getattr(stack, server).stop()
    try:
        gently(lambda: components(stack).get(outage, {}).get("status") == "failing", 30, f"{outage} being named")
        readiness = stack.client(stack.lan_url).get("/readyz")
        assert readiness.status_code == 503
        assert lan.get("/healthz").status_code == 200
        state = lan.get("/api/v1/state")
        assert state.status_code == (503 if server == "redis" else 200)
        history = lan.get("/api/v1/history", params={"series": "grid.power_w"})
        assert history.status_code == (503 if server == "mariadb" else 200)
        assert status_through_relay(stack) == 401  # the tunnel does not care
    finally:
        getattr(stack, server).start()
    gently(stack.is_ready, 40, f"being ready after {server} was away")
    gently(lambda: lan.get("/api/v1/state").status_code == 200, 10)
    stack.publish("openWB/evu/Hz", "50.02")
    stack.publish("openWB/evu/W", "4321")
    gently(lambda: lan.get("/api/v1/state").json()["grid"]["power_w"] == 4321, 20, "values flowing again")
    stack.publish("openWB/evu/W", "-3120")


def test_every_process_ends_in_order_on_sigterm(stack: Stack) -> None:
    """SIGTERM ends each process by itself; the log shows no traceback."""
    for name, process in stack.processes.items():
        process.stop()
        assert "Traceback" not in process.log(), f"{name}: {process.log()[-3000:]}"
        process.start()
    gently(stack.is_ready, 40)


def test_lan_is_complete_and_quiet_without_a_relay(stack: Stack) -> None:
    """Without an enrolment the site is ready, `relay` is disabled, and the relay hears nothing."""
    enrolment = Path(stack.environ["edge"]["WALLPORT_DATA_DIR"]) / "relay.json"
    away = enrolment.rename(enrolment.with_suffix(".away"))
    stack.processes["edge"].stop()
    stack.processes["edge"].start()
    try:
        gently(lambda: components(stack).get("edge.relay", {}).get("status") == "disabled", 20, "the relay disabled")
        assert stack.client(stack.lan_url).get("/readyz").status_code == 200
        assert stack.client(stack.site_url).get("/api/v1/state").status_code == 503
    finally:
        away.rename(enrolment)
    # The enrolment is noticed without a restart.
    gently(lambda: status_through_relay(stack) == 401, 40, "the site being online")
