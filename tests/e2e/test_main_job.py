"""A phone's request travels relay → tunnel → edge → api and comes back with the wallbox's values."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from common.store.bind import open_store
from tests.kit import legacy_app
from tests.kit.session_rows import charged, local_s, stored
from tests.kit.stack import PASSWORD, SAMPLE_INTERVAL_S, Stack, gently

pytestmark = pytest.mark.timeout(150)  # an outage and its recovery, on a busy machine


@contextmanager
def live_values(stack: Stack, base_url: str, query: str = "") -> Iterator[ClientConnection]:
    token = stack.logged_in(base_url).headers["Authorization"].removeprefix("Bearer ")
    connection = stack.live(base_url, token, query)
    try:
        yield connection
    finally:
        connection.close()


def messages_until(connection: ClientConnection, path: str, value: Any, within_s: float) -> list[dict[str, Any]]:
    """All messages up to the change that sets `path` to `value`."""
    seen: list[dict[str, Any]] = []
    deadline = time.monotonic() + within_s
    while (left_s := deadline - time.monotonic()) > 0:
        message = json.loads(connection.recv(timeout=left_s))
        seen.append(message)
        if message["type"] == "change" and message["changes"].get(path) == value:
            return seen
    raise AssertionError(f"{path} did not become {value!r} within {within_s} s; seen: {seen}")


def test_live_values_come_back_through_the_relay_and_on_the_lan(stack: Stack) -> None:
    """Both ways show the same state, with units, signs and unknowns as documented."""
    through_relay = stack.logged_in(stack.site_url).get("/api/v1/state")
    assert through_relay.status_code == 200, through_relay.text
    state = through_relay.json()
    assert state["grid"]["power_w"] == -3120
    assert state["pv"]["power_w"] == 5400
    assert state["battery"] is None
    site = {"name": "home", "openwb_generation": "1.9", "openwb_version": "1.9.304.0", "is_secondary": False}
    assert state["site"] == site
    charge_point = state["charge_points"]["1"]
    assert (charge_point["name"], charge_point["meter_wh"]) == ("Carport Süd", 2310482)
    assert (charge_point["mode"], charge_point["is_plugged"], charge_point["soc_percent"]) == ("pv", True, None)
    on_lan = stack.logged_in(stack.lan_url).get("/api/v1/state").json()
    assert on_lan["charge_points"] == state["charge_points"]
    assert set(on_lan) == set(state)


@pytest.mark.parametrize("root", ["api/", "api"])
def test_the_existing_app_works_by_either_address(stack: Stack, root: str) -> None:
    """Through nginx, relay and tunnel as on the LAN: a bare token, and 403 for whoever has none."""
    for base_url in (stack.site_url, stack.lan_url):
        client = stack.client(base_url)
        login = client.post(f"/{root}login", json={"username": "viewer", "password": PASSWORD})
        assert login.status_code == 200, login.text
        assert legacy_app.claims(login.text)["username"] == "viewer"
        app = {"authorization": login.text}
        for call, model in (
            ("values", legacy_app.VALUES),
            ("lademodus", legacy_app.CHARGE_MODE),
            ("ladelog?limit=25", legacy_app.CHARGE_LOG),
        ):
            answer = client.get(f"/{root}{call}", headers=app)
            assert answer.status_code == 200, answer.text
            legacy_app.check(model, answer.json())
            assert client.get(f"/{root}{call}").status_code == 403


def test_value_from_the_broker_reaches_the_phone_within_a_second(stack: Stack) -> None:
    """A value published on the broker is pushed through the relay within a second, and then in `state`."""
    with live_values(stack, stack.site_url) as connection:
        assert json.loads(connection.recv(timeout=5))["type"] == "snapshot"
        stack.publish("openWB/evu/W", "777")
        messages_until(connection, "grid.power_w", 777, within_s=1.0)
    assert stack.logged_in(stack.site_url).get("/api/v1/state").json()["grid"]["power_w"] == 777
    stack.publish("openWB/evu/W", "-3120")
    client = stack.logged_in(stack.lan_url)
    gently(lambda: client.get("/api/v1/state").json()["grid"]["power_w"] == -3120)


def test_client_that_comes_back_misses_nothing(stack: Stack) -> None:
    """With the last number it saw, a client gets every later change once and in order, in place of a snapshot."""
    with live_values(stack, stack.site_url) as connection:
        seq = json.loads(connection.recv(timeout=5))["seq"]
    client = stack.logged_in(stack.lan_url)

    def is_shown(power_w: int) -> bool:
        return bool(client.get("/api/v1/state").json()["home"]["power_w"] == power_w)

    for power_w in (500, 501, 502):
        stack.publish("openWB/global/WHouseConsumption", str(power_w))
        gently(partial(is_shown, power_w))
    with live_values(stack, stack.site_url, f"?since={seq}") as connection:
        seen = messages_until(connection, "home.power_w", 502, within_s=5)
    assert {message["type"] for message in seen} <= {"change", "event"}
    numbers = [message["seq"] for message in seen]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > seq
    changes = [message["changes"] for message in seen if message["type"] == "change"]
    powers = [change["home.power_w"] for change in changes if "home.power_w" in change]
    assert powers == [500, 501, 502]


def test_many_requests_at_once_share_the_tunnel_with_a_live_connection(stack: Stack) -> None:
    """Forty requests over one tunnel all come back while a websocket stays open on it."""
    client = stack.logged_in(stack.site_url)
    with live_values(stack, stack.site_url) as connection:
        connection.recv(timeout=5)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: client.get("/api/v1/state").status_code, range(40)))
        assert answers == [200] * 40
        stack.publish("openWB/lp/1/W", "7000")
        messages_until(connection, "charge_points.1.power_w", 7000, within_s=5)


def test_documents_through_the_relay_are_those_of_the_lan(stack: Stack) -> None:
    """Byte by byte, with their names, and by a link with a ticket as a browser opens it."""
    count = 700  # so many that the CSV takes several pages of the store and frames of the tunnel
    store = open_store(stack.environ["api"]["WALLPORT_DATABASE_URL"])
    stored(store, [replace(row, user_name="driver") for row in charged(count, local_s(2025, 1, 1))])
    store.close()
    lan, away = (stack.logged_in(url, "driver") for url in (stack.lan_url, stack.site_url))
    listed = away.get("/api/v1/sessions", params={"from": "2025-11-01", "to": "2025-12-01"}).json()["items"]
    assert len(listed) == 30
    whole = lan.get("/api/v1/sessions.csv", params={"to": "2026-12-31"})
    assert whole.content.count(b"\r\n") == 1 + count
    assert away.get("/api/v1/sessions.csv", params={"to": "2026-12-31"}).content == whole.content
    stranger = stack.client(stack.site_url)
    for ending, begins in (("csv", b"No."), ("xlsx", b"PK"), ("pdf", b"%PDF-")):
        path = f"/api/v1/sessions.{ending}?from=2025-11-01&to=2025-12-01&lang=en"
        assert stranger.get(path).status_code == 401
        ticket = away.post("/api/v1/auth/ticket").json()["ticket"]
        answer = stranger.get(f"{path}&ticket={ticket}")
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(begins)
        name = f"charge-sessions_home_driver_2025-11-01_2025-11-30.{ending}"
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert answer.headers["cache-control"].startswith("private")


def test_samples_stand_on_the_grid(stack: Stack) -> None:
    """`history` has one value a step of the recorder, through the relay too."""
    client = stack.logged_in(stack.site_url)
    from_ = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"  # of a whole day it would have coarser steps

    def history() -> Any:
        wanted = {"series": "grid.power_w,charge_points.1.meter_wh", "from": from_}
        answer = client.get("/api/v1/history", params=wanted)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        known = [value for value in body["series"]["charge_points.1.meter_wh"] if value is not None]
        return body if len(known) >= 2 else None

    stack.publish("openWB/system/Timestamp", str(int(time.time())))
    beat = Heartbeat(stack)
    try:
        body = gently(history, 30, "two samples with known values")
    finally:
        beat.stop()
    assert body["resolution_s"] == SAMPLE_INTERVAL_S
    assert set(body["series"]) == {"grid.power_w", "charge_points.1.meter_wh"}


class Heartbeat:
    """Publishes openWB's heartbeat each second, so that the site is not stale."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(1):
            self._stack.publish("openWB/system/Timestamp", str(int(time.time())))


@pytest.mark.parametrize("path", ["site", "state", "chargepoints", "history", "me", "admin/topics"])
def test_nothing_but_health_answers_without_a_login(stack: Stack, path: str) -> None:
    """Without a token, and with a wrong one, both ways answer with a 401 problem and no data."""
    for base_url in (stack.lan_url, stack.site_url):
        for token in (None, "wrong", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."):
            answer = stack.client(base_url, token).get(f"/api/v1/{path}")
            assert answer.status_code == 401
            assert answer.headers["content-type"].startswith("application/problem+json")
            assert answer.json()["code"]


def test_live_is_refused_before_the_upgrade(stack: Stack) -> None:
    """A websocket without a valid token gets its 401 at the relay's door, not an open connection."""
    with pytest.raises(InvalidStatus) as refused:
        stack.live(stack.site_url, "wrong")
    assert refused.value.response.status_code == 401


def test_bad_requests_get_a_clear_problem_through_the_relay(stack: Stack) -> None:
    """Not JSON, unknown fields, a wrong password, an unknown path, an unknown site: each has its status and code."""
    client = stack.client(stack.site_url)
    not_json = client.post("/api/v1/auth/login", content=b"{", headers={"Content-Type": "application/json"})
    assert not_json.status_code == 400
    extra = client.post("/api/v1/auth/login", json={"username": "viewer", "password": PASSWORD, "role": "admin"})
    assert extra.status_code == 400
    assert any("role" in json.dumps(error) for error in extra.json()["errors"])
    wrong = client.post("/api/v1/auth/login", json={"username": "viewer", "password": "wrong"})
    assert wrong.status_code == 401
    assert stack.logged_in(stack.site_url).get("/api/v1/nothing").status_code == 404
    unknown_site = stack.client(f"{stack.public_url}/s/elsewhere").get("/api/v1/state")
    assert unknown_site.headers["content-type"].startswith("application/problem+json")
    assert unknown_site.status_code in (404, 503)


def test_raw_topics_are_for_elevated_admins_on_the_lan(stack: Stack) -> None:
    """Neither a viewer, nor an admin without a fresh code, nor anybody through the relay reads the raw mirror."""
    assert stack.logged_in(stack.lan_url, "viewer").get("/api/v1/admin/topics").status_code == 403
    not_elevated = stack.logged_in(stack.lan_url, "admin").get("/api/v1/admin/topics")
    assert (not_elevated.status_code, not_elevated.json()["code"]) == (403, "elevation_required")
    assert stack.logged_in(stack.site_url, "admin").get("/api/v1/admin/topics").status_code == 403
