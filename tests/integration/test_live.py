"""The live push on real Redis and a real websocket: no gap, no invention, no queue."""

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from api import numbers
from api.handlers import live
from common.model import Grid, SiteState
from common.security.tokens import ACCESS, TokenKey
from tests.kit.api_client import RunningApi, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.servers import RedisServer
from tests.kit.states import SITE
from tests.kit.waiting import eventually


@pytest.fixture
def edge(redis_url: str) -> Iterator[EdgeDouble]:
    edge = EdgeDouble(redis_url)
    edge.tell(SITE)
    edge.beat()
    yield edge
    edge.close()


@pytest.fixture
def api(tmp_path: Path, redis_url: str, sqlite_url: str, edge: EdgeDouble) -> Iterator[RunningApi]:
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        yield api


def receive(ws: ClientConnection, within_s: float = 10) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(ws.recv(timeout=within_s))
    return message


def change(entry: int, changes: dict[str, Any], nth: int = 0) -> dict[str, Any]:
    """The message that tells of an entry of the edge's, or the `nth` behind it."""
    return {"type": "change", "seq": entry * 100 + nth, "occurred_at": ANY, "changes": changes}


def grid_at(power_w: int) -> SiteState:
    return replace(SITE, grid=replace(SITE.grid or Grid(), power_w=power_w))


def test_a_snapshot_and_then_every_change(api: RunningApi, edge: EdgeDouble) -> None:
    """In order, with the edge's numbers, on the LAN and through the relay's socket alike."""
    with api.live() as lan, api.live_by_relay() as relay:
        for ws in (lan, relay):
            snapshot = receive(ws)
            assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 100_000)
            assert snapshot["state"]["grid"]["power_w"] == -3120
        edge.tell(grid_at(1))
        edge.tell(grid_at(2))
        for ws in (lan, relay):
            told: list[dict[str, Any]] = []
            while not told or told[-1]["seq"] < 100_200:
                told.append(receive(ws))
            assert told[-1] == change(1002, {"grid.power_w": 2})


def test_what_is_told_fits_into_the_state(api: RunningApi, edge: EdgeDouble) -> None:
    """Paths of the site's head are those of the state, a part that is gone is null, a limit is as short."""
    with api.live() as ws:
        receive(ws)
        edge.tell(replace(SITE, battery=None, meta=replace(SITE.meta, version="1.9.305", is_stale=True)))
        told = receive(ws)
        assert told["changes"] == {"battery": None, "site.openwb_version": "1.9.305", "is_stale": True}
        point = replace(SITE.charge_points["1"], limit=None)
        edge.tell(replace(edge.state or SITE, charge_points={"1": point}))
        assert receive(ws)["changes"] == {"charge_points.1.limit": None}
        edge.tell(replace(edge.state or SITE, charge_points=SITE.charge_points))
        assert receive(ws)["changes"] == {"charge_points.1.limit": {"type": "energy", "energy_wh": 10000}}


def test_fields_select_what_is_told(api: RunningApi, edge: EdgeDouble) -> None:
    """Of snapshot and changes; staleness is always told."""
    with api.live("?fields=pv,charge_points.1.power_w") as ws:
        state = receive(ws)["state"]
        assert "grid" not in state
        assert state["charge_points"] == {"1": {"power_w": 11040}}
        edge.tell(grid_at(5))
        edge.tell(replace(grid_at(5), pv=None, meta=replace(SITE.meta, is_stale=True)))
        assert receive(ws) == change(1002, {"pv": None, "is_stale": True})


def test_a_client_that_comes_back_misses_nothing(api: RunningApi, edge: EdgeDouble) -> None:
    """Each change after its number, one message each, and no snapshot."""
    for power_w in range(1, 6):
        edge.tell(grid_at(power_w))
    with api.live("?since=100200") as ws:
        told = [receive(ws) for _ in range(3)]
        assert [message["seq"] for message in told] == [100_300, 100_400, 100_500]
        assert [message["changes"] for message in told] == [{"grid.power_w": power_w} for power_w in (3, 4, 5)]
        assert receive(ws) == change(1005, {"is_stale": False}, 1)
        edge.tell(grid_at(6))
        assert receive(ws) == change(1006, {"grid.power_w": 6})


@pytest.mark.parametrize("since", ["0", "99900", "100400", "1004", "9007199254740991"])
def test_a_number_the_stream_does_not_hold_gives_a_snapshot(api: RunningApi, edge: EdgeDouble, since: str) -> None:
    """Trimmed, never given, or of another Redis."""
    for power_w in range(1, 6):
        edge.tell(grid_at(power_w), kept=2)
    edge.redis.xdel("wallport:changes", "1004-0")
    with api.live(f"?since={since}") as ws:
        message = receive(ws)
        assert (message["type"], message["seq"]) == ("snapshot", 100_500)


def test_a_resume_of_many_pages_has_no_gap(api: RunningApi, edge: EdgeDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page limits do not show, also while more changes come in."""
    monkeypatch.setattr(live, "REPLAY_AT_ONCE", 7)
    for power_w in range(1, 51):
        edge.tell(grid_at(power_w))
    with api.live("?since=100000") as ws:
        first = receive(ws)
        for power_w in range(51, 61):
            edge.tell(grid_at(power_w))
        told = [first]
        while told[-1]["seq"] < 106_000:
            told.append(receive(ws))
        powers = [message["changes"]["grid.power_w"] for message in told if "grid.power_w" in message["changes"]]
        assert powers[:50] == list(range(1, 51))
        assert powers[-1] == 60
        assert powers == sorted(powers)


def test_nobody_vouches_for_values_when_the_edge_falls_silent(api: RunningApi, edge: EdgeDouble) -> None:
    """Clients are told within seconds, each time with a number of its own, and resume from there."""
    with api.live() as ws:
        receive(ws)
        edge.fall_silent()
        assert receive(ws, 15) == change(1000, {"is_stale": True}, 1)
        edge.beat()
        assert receive(ws, 15) == change(1000, {"is_stale": False}, 2)
    with api.live("?since=100002") as ws:
        assert receive(ws) == change(1000, {"is_stale": False}, 3)
        edge.tell(grid_at(6))
        assert receive(ws) == change(1001, {"grid.power_w": 6})


def test_a_ticket_opens_one_connection(api: RunningApi) -> None:
    """And no other route."""
    ticket = api.lan.post("/api/v1/auth/ticket", headers=api.login("viewer")).json()
    assert ticket["expires_in_s"] == 30
    query = f"?ticket={ticket['ticket']}"
    assert api.lan.get(f"/api/v1/state{query}").status_code == 401
    with api.live(query, name=None) as ws:
        assert receive(ws)["type"] == "snapshot"
    with pytest.raises(InvalidStatus) as caught, api.live(query, name=None):
        pass
    assert caught.value.response.status_code == 401


@pytest.mark.parametrize(
    ("query", "status"), [("?since=-1", 400), ("?since=x", 400), ("?fields=bogus", 400), ("?bogus=1", 400)]
)
def test_a_bad_query_is_refused_before_the_handshake(api: RunningApi, query: str, status: int) -> None:
    """With a problem that names the parameter."""
    with pytest.raises(InvalidStatus) as caught, api.live(query):
        pass
    assert caught.value.response.status_code == status
    assert json.loads(caught.value.response.body)["code"] == "invalid_input"


def test_without_a_login_there_is_no_handshake(api: RunningApi) -> None:
    """401, not an open socket that is closed."""
    with pytest.raises(InvalidStatus) as caught, api.live(name=None):
        pass
    assert caught.value.response.status_code == 401


def test_the_connection_ends_with_the_access_token(api: RunningApi) -> None:
    """Close code 4401, so that a client knows to log in again."""
    key = TokenKey.from_file(api.settings.token_key_file, "home")
    session_id = key.verify(ACCESS, api.login("viewer")["authorization"].removeprefix("Bearer ")).session_id
    token, _ = key.issue(ACCESS, user="viewer", role="viewer", session_id=session_id, ttl_s=2)
    api.tokens["viewer"] = token
    with api.live() as ws:
        assert receive(ws)["type"] == "snapshot"
        with pytest.raises(ConnectionClosed):
            receive(ws)
        assert ws.protocol.close_code == 4401


def test_what_a_client_sends_is_ignored(api: RunningApi, edge: EdgeDouble) -> None:
    """Text and bytes; too much at once closes the connection."""
    with api.live() as ws:
        receive(ws)
        ws.send("hello")
        ws.send(b"\x00")
        edge.tell(grid_at(9))
        assert receive(ws)["changes"] == {"grid.power_w": 9}
        ws.send("x" * 5000)
        with pytest.raises(ConnectionClosed):
            receive(ws)
        assert ws.protocol.close_code == 1009


def test_pings_of_a_client_that_takes_no_answer_are_read_no_further(api: RunningApi) -> None:
    """Each answer would wait in memory: what fits into buffers is taken, and then nothing."""
    fields = {**api.login("viewer"), "host": "x", "connection": "upgrade", "upgrade": "websocket"}
    fields |= {"sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    lines = [f"{name}: {value}" for name, value in fields.items()]
    pings = 500 * (b"\x89\xfd" + bytes(4 + 125))
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as client:
        client.sendall("\r\n".join(["GET /api/v1/live HTTP/1.1", *lines, "", ""]).encode())
        assert client.recv(12) == b"HTTP/1.1 101"
        with pytest.raises(TimeoutError):
            sum(client.send(pings) for _ in range(1000))


def test_a_slow_client_gets_the_newest_and_others_are_not_held_up(api: RunningApi, edge: EdgeDouble) -> None:
    """It takes nothing while 16 MB of changes go by, then finds fewer messages, and the last value in the last one."""
    changes = 200
    with _small_socket(api) as slow, api.live("?fields=grid.power_w") as quick:
        receive(quick)
        for power_w in range(changes):
            point = replace(SITE.charge_points["1"], name=os.urandom(40_000).hex())
            newest = edge.tell(replace(grid_at(power_w), charge_points={"1": point}))
            while receive(quick)["seq"] < numbers.of_entry(newest):
                pass
        told = [receive(slow)]
        while told[-1]["seq"] < numbers.of_entry(newest):
            told.append(receive(slow))
        assert told[-1]["changes"]["charge_points.1.name"] == point.name
        assert told[-1]["changes"]["grid.power_w"] == changes - 1
        assert len(told) < changes


def test_a_client_that_takes_nothing_is_cut_off(
    api: RunningApi, edge: EdgeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the send timeout, without a close frame that would only wait too."""
    monkeypatch.setattr(live, "SEND_TIMEOUT_S", 0.3)

    def tell_until_cut_off() -> bool:
        point = replace(SITE.charge_points["1"], name=os.urandom(40_000).hex())
        edge.tell(replace(SITE, charge_points={"1": point}))
        return api.hub.connections == 0

    with _small_socket(api) as slow:
        eventually(lambda: api.hub.connections == 1, 5, "the connection being there")
        eventually(tell_until_cut_off, 40, "the connection being cut off")
        with pytest.raises(ConnectionClosed):
            _receive_for_ever(slow)


def test_the_stream_going_away_is_survived(tmp_path: Path, own_redis: RedisServer, sqlite_url: str) -> None:
    """Clients stay, are told that nobody vouches for the values, and get a new snapshot of a new Redis."""
    edge = EdgeDouble(own_redis.url)
    edge.tell(SITE)
    edge.beat()
    with running_api(tmp_path, own_redis.url, sqlite_url) as api, api.live() as ws:
        receive(ws)
        own_redis.stop()
        assert receive(ws, 15)["changes"] == {"is_stale": True}
        assert api.get("/api/v1/state").json()["code"] == "redis_unavailable"
        assert api.lan.get("/readyz").json()["components"]["redis"]["status"] == "failing"
        with pytest.raises(InvalidStatus) as caught, api.live():
            pass
        assert caught.value.response.status_code == 503
        own_redis.start()
        edge.close()
        edge = EdgeDouble(own_redis.url, first_seq=2000)
        edge.redis.flushall()
        edge.tell(grid_at(77))
        edge.beat()
        told = receive(ws, 20)
        while told["type"] != "snapshot" or told["seq"] != 200_000:
            told = receive(ws, 20)
        assert told["state"]["grid"]["power_w"] == 77
        edge.close()


def test_a_shutdown_says_so(tmp_path: Path, redis_url: str, sqlite_url: str, edge: EdgeDouble) -> None:
    """Close code 1001, and the server does not wait for its live clients."""
    with running_api(tmp_path, redis_url, sqlite_url) as api, api.live() as ws:
        receive(ws)
        api.stop()
        with pytest.raises(ConnectionClosed):
            receive(ws)
        assert ws.protocol.close_code == 1001


def _receive_for_ever(ws: ClientConnection) -> None:
    while True:
        receive(ws)


def _small_socket(api: RunningApi) -> ClientConnection:
    """A live connection whose kernel takes little, so that the server notices soon that nobody reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", api.port))
    return api.live(sock=sock, max_queue=1, max_size=None, ping_interval=None)
