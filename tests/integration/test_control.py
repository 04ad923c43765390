"""Commands on real Redis: one wish, one command, and an answer that waits for the wallbox and never forgets."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpx
import msgspec
import pytest
from websockets.sync.client import ClientConnection

from api.adapters import command_queue
from api.handlers import control as handlers
from common import keys
from common.commands import Command, CommandRecord, Status, accepted
from common.live_events import ScanEvent, SessionEvent, SessionEventType
from common.model import Capabilities, LimitType, Mode, SiteState
from common.store import users
from common.store.bind import open_store
from tests.kit.api_client import RunningApi, problem, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.servers import RedisServer
from tests.kit.states import SITE
from tests.kit.waiting import eventually

OFFERED = Capabilities(
    modes=(Mode.INSTANT, Mode.PV, Mode.STOP),
    limit_types=(LimitType.NONE, LimitType.ENERGY),
    highest_current_a=16,
    energy_limit_step_wh=1000,
    can_enable=True,
)
OFFERING = replace(SITE, charge_points={"1": replace(SITE.charge_points["1"], capabilities=OFFERED)})
POINT = "/api/v1/chargepoints/1"


@pytest.fixture
def edge(redis_url: str) -> Iterator[EdgeDouble]:
    """An edge that is alive and has told what its one charge point offers."""
    edge = EdgeDouble(redis_url)
    edge.tell(OFFERING)
    edge.beat()
    yield edge
    edge.close()


@pytest.fixture
def api(tmp_path: Path, redis_url: str, sqlite_url: str, edge: EdgeDouble) -> Iterator[RunningApi]:
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        yield api


@contextmanager
def obeying(edge: EdgeDouble, *steps: Status, detail: str | None = None) -> Iterator[None]:
    """Inside, every command takes these steps at once, as by an edge."""
    done = threading.Event()

    def work() -> None:
        handled = 0
        while not done.wait(0.01):
            for command in edge.taken()[handled:]:
                handled += 1
                for step in steps:
                    edge.report(record_of(command, step, detail))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def record_of(command: Command, status: Status, detail: str | None = None) -> CommandRecord:
    is_sent = status is not Status.ACCEPTED
    return replace(
        accepted(command),
        status=status,
        previous={"mode": "instant"} if is_sent else {},
        observed=dict(command.wishes) if status is Status.CONFIRMED else {},
        published_at=command.accepted_at if is_sent else None,
        settled_at=command.accepted_at + 1 if status.is_settled else None,
        detail=detail,
    )


def wish(api: RunningApi, body: Any, name: str = "driver", key: str | None = None, path: str = POINT) -> httpx.Response:
    headers = api.login(name) | ({"idempotency-key": key} if key is not None else {})
    return api.lan.patch(path, json=body, headers=headers, timeout=20)


# The answer


def test_a_confirmed_command_is_answered_with_what_the_wallbox_shows(api: RunningApi, edge: EdgeDouble) -> None:
    """200, the design's shape, and the same at its own address for every role; nothing says who wished it."""
    with obeying(edge, Status.PUBLISHED, Status.CONFIRMED):
        answer = wish(api, {"mode": "pv", "current_a": 10, "limit": {"type": "energy", "energy_wh": 4000}})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["status"] == "confirmed"
    assert body["charge_point"] == "1"
    assert body["requested"] == {"mode": "pv", "current_a": 10, "limit": {"type": "energy", "energy_wh": 4000}}
    assert (body["previous"], body["observed"]) == ({"mode": "instant"}, body["requested"])
    assert body["accepted_at"].endswith("Z")
    assert body["settled_at"].endswith("Z")
    (command,) = edge.taken()
    assert (command.id, command.by, command.wishes) == (body["id"], "driver", body["requested"])
    assert abs(command.accepted_at - time.time()) < 60
    for name in ("viewer", "admin"):
        assert api.get(f"/api/v1/commands/{body['id']}", name).json() == body
    assert "driver" not in answer.text
    for key in (keys.command(body["id"]),):
        assert 80_000 < int(str(edge.redis.ttl(key))) <= 86_400


@pytest.mark.parametrize("status", [Status.REJECTED, Status.TIMED_OUT, Status.SUPERSEDED])
def test_a_request_of_which_nothing_comes_is_refused(api: RunningApi, edge: EdgeDouble, status: Status) -> None:
    """409 with the reason and the command: a script that looks at the status alone must not take it for done."""
    with obeying(edge, status, detail="is_enabled: the wallbox did not show it"):
        answer = wish(api, {"is_enabled": False}, key="once")
        again = wish(api, {"is_enabled": False}, key="once")
    found = problem(answer)
    code = "not_possible" if status is Status.REJECTED else "command_failed"
    assert (found["status"], found["code"]) == (409, code)
    assert (found["command"]["status"], found["detail"]) == (status, "is_enabled: the wallbox did not show it")
    assert found.get("errors", []) == (
        [{"field": "is_enabled", "message": "the wallbox did not show it"}] if status is Status.REJECTED else []
    )
    assert again.json() == found
    told = api.get(answer.headers["location"])
    assert (told.status_code, told.json()) == (200, found["command"])


def test_an_answer_waits_only_so_long(api: RunningApi, edge: EdgeDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then 202 with the address, where the end is found later."""
    monkeypatch.setattr(handlers, "WAIT_S", 0.4)
    with obeying(edge, Status.PUBLISHED):
        answer = wish(api, {"mode": "stop"})
    assert answer.status_code == 202
    assert answer.json()["status"] == "published"
    where = answer.headers["location"]
    assert where == f"/api/v1/commands/{answer.json()['id']}"
    (command,) = edge.taken()
    edge.report(record_of(command, Status.CONFIRMED))
    assert api.get(where).json()["status"] == "confirmed"


def test_the_wait_is_for_the_stream_and_the_record_itself(api: RunningApi, edge: EdgeDouble) -> None:
    """A record that changed without an event is found too, by looking at it now and then."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(wish, api, {"mode": "pv"})
        (command,) = eventually(edge.taken)
        record = record_of(command, Status.CONFIRMED)
        edge.redis.set(keys.command(command.id), msgspec.json.encode(record))
        assert asked.result(10).json()["status"] == "confirmed"


def test_every_way_to_wish(api: RunningApi, edge: EdgeDouble) -> None:
    """The mode of the site and of one charge point, and the counter, over both listeners."""
    can = replace(OFFERED, can_reset_energy=True)
    edge.tell(replace(SITE, charge_points={"1": replace(SITE.charge_points["1"], capabilities=can)}))
    headers = api.login("driver")
    with obeying(edge, Status.CONFIRMED):
        answers = [
            api.relay.put("/api/v1/charge-mode", json={"mode": "pv"}, headers=headers),
            api.lan.put("/api/v1/charge-mode", json={"mode": "stop", "charge_point": "1"}, headers=headers),
            api.lan.post(f"{POINT}/reset-energy", headers=headers),
            api.relay.post(f"{POINT}/reset-energy", json={}, headers=headers),
        ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [(command.charge_point, command.wishes) for command in edge.taken()] == [
        (None, {"mode": "pv"}),
        ("1", {"mode": "stop"}),
        ("1", {"reset_energy": True}),
        ("1", {"reset_energy": True}),
    ]


# What is refused makes no command


@pytest.mark.parametrize(
    ("body", "status", "code", "fields"),
    [
        ({}, 400, "invalid_input", ["body"]),
        ({"colour": "red"}, 400, "invalid_input", ["colour"]),
        ({"mode": "fast", "current_a": 0}, 400, "invalid_input", ["current_a", "mode"]),
        ({"limit": {"type": "energy"}}, 400, "invalid_input", ["limit.energy_wh"]),
        ({"current_a": 500}, 400, "invalid_input", ["current_a"]),
        ({"current_a": 32}, 409, "not_possible", ["current_a"]),
        ({"current_a": 400}, 409, "not_possible", ["current_a"]),
        ({"limit": {"type": "energy", "energy_wh": 10_500}}, 409, "not_possible", ["limit"]),
        ({"mode": "eco"}, 409, "not_possible", ["mode"]),
        ({"limit": {"type": "soc", "soc_percent": 80}, "mode": "pv"}, 409, "not_possible", ["limit"]),
        ([], 400, "malformed_body", []),
        ({"mode": "pv", "phases": 1}, 403, "not_allowed", []),
    ],
)
def test_what_is_wrong_is_named(
    api: RunningApi, edge: EdgeDouble, body: Any, status: int, code: str, fields: list[str]
) -> None:
    """By field; the charge point's own range with its ends."""
    answer = wish(api, body)
    found = problem(answer)
    assert (found["status"], found["code"]) == (status, code)
    assert [error["field"] for error in found.get("errors", [])] == fields
    if body == {"current_a": 32}:
        assert "6 to 16 A" in found["errors"][0]["message"]
    assert edge.taken() == []


def test_a_body_where_none_belongs_and_unknown_parameters_are_refused(api: RunningApi, edge: EdgeDouble) -> None:
    """A misspelt wish is not dropped in silence."""
    headers = api.login("driver")
    answers = [
        api.lan.post(f"{POINT}/reset-energy", json={"now": True}, headers=headers),
        api.lan.patch(f"{POINT}?force=1", json={"mode": "pv"}, headers=headers),
        api.lan.put("/api/v1/charge-mode", json={"mode": "pv", "charge_points": "1"}, headers=headers),
        api.lan.put("/api/v1/charge-mode", json={"charge_point": "1"}, headers=headers),
    ]
    assert [problem(answer)["code"] for answer in answers] == ["invalid_input"] * 4
    assert edge.taken() == []


def test_a_charge_point_must_be_there(api: RunningApi, edge: EdgeDouble) -> None:
    """Also one that vanished."""
    assert problem(wish(api, {"mode": "pv"}, path="/api/v1/chargepoints/2"))["code"] == "unknown_charge_point"
    body = {"mode": "pv", "charge_point": "7"}
    other = api.lan.put("/api/v1/charge-mode", json=body, headers=api.login("driver"))
    assert problem(other)["code"] == "unknown_charge_point"
    edge.tell(replace(SITE, charge_points={}))
    assert problem(wish(api, {"mode": "pv"}))["code"] == "unknown_charge_point"
    assert edge.taken() == []


@pytest.mark.parametrize(
    ("state", "is_alive", "code"),
    [
        (OFFERING, False, "edge_silent"),
        (replace(OFFERING, meta=replace(SITE.meta, is_stale=True)), True, "wallbox_silent"),
    ],
)
def test_a_command_nobody_would_execute_is_not_accepted(
    api: RunningApi, edge: EdgeDouble, state: SiteState, is_alive: bool, code: str
) -> None:
    """A retryable 503 that says who is missing."""
    edge.tell(state)
    if not is_alive:
        edge.fall_silent()
    found = problem(wish(api, {"mode": "pv"}))
    assert (found["status"], found["code"]) == (503, code)
    assert edge.taken() == []


def test_a_viewer_wishes_nothing_and_an_admin_everything(api: RunningApi, edge: EdgeDouble) -> None:
    """On every route."""
    headers = api.login("viewer")
    tries = [
        wish(api, {"mode": "pv"}, "viewer"),
        api.lan.put("/api/v1/charge-mode", json={"mode": "pv"}, headers=headers),
        api.relay.post(f"{POINT}/reset-energy", headers=headers),
    ]
    assert [problem(answer)["code"] for answer in tries] == ["not_allowed"] * 3
    assert problem(wish(api, {"phases": 3}, "admin"))["code"] == "not_possible"
    assert edge.taken() == []


def test_whoever_was_disabled_or_demoted_commands_nothing(api: RunningApi, edge: EdgeDouble, sqlite_url: str) -> None:
    """From the first wish on; a moment later the token does not even read."""
    headers = api.login("driver")
    store = open_store(sqlite_url)
    users.set_disabled(store, "driver", True)
    store.close()
    assert problem(wish(api, {"mode": "pv"}))["code"] == "login_required"
    eventually(lambda: api.lan.get("/api/v1/state", headers=headers).status_code == 401)
    assert edge.taken() == []


def test_an_unknown_command_is_not_found(api: RunningApi, edge: EdgeDouble) -> None:
    """Whatever its id looks like; no other key of Redis can be read that way."""
    edge.redis.set("wallport:command:x", b"secret")
    for identifier in ("0" * 32, "x", "..%2Fstate", "*", "A" * 5000):
        assert api.get(f"/api/v1/commands/{identifier}").status_code in (404, 400, 414)


def test_a_flood_ends(api: RunningApi, edge: EdgeDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 with the time to wait; what was made before is not made again."""
    monkeypatch.setattr(api.app.ctx.deps.pace, "_most", 2)
    with obeying(edge, Status.CONFIRMED):
        assert wish(api, {"mode": "pv"}, key="a").status_code == 200
        assert wish(api, {"mode": "pv"}).status_code == 200
        refused = wish(api, {"mode": "pv"})
        assert wish(api, {"mode": "pv"}, key="a").status_code == 200
    assert problem(refused)["code"] == "too_many_commands"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert len(edge.taken()) == 2


# The same again


def test_a_repeated_request_is_the_same_command(api: RunningApi, edge: EdgeDouble) -> None:
    """By key and user, over either route that says the same; also when the wallbox has fallen silent meanwhile."""
    with obeying(edge, Status.CONFIRMED):
        first = wish(api, {"mode": "pv"}, key="k 1").json()
        edge.fall_silent()
        again = wish(api, {"mode": "pv"}, key="k 1")
        body = {"mode": "pv", "charge_point": "1"}
        headers = api.login("driver") | {"idempotency-key": "k 1"}
        by_mode = api.relay.put("/api/v1/charge-mode", json=body, headers=headers)
        edge.beat()
        others = wish(api, {"mode": "pv"}, "admin", key="k 1").json()
        reused = wish(api, {"mode": "stop"}, key="k 1")
    assert again.json() == by_mode.json() == first
    assert others["id"] != first["id"]
    assert (problem(reused)["status"], problem(reused)["code"]) == (422, "idempotency_key_reused")
    assert [command.by for command in edge.taken()] == ["driver", "admin"]
    assert 80_000 < int(str(edge.redis.ttl(keys.idempotency("driver", "k 1")))) <= 86_400


def test_many_taps_at_once_are_one_command(
    api: RunningApi, edge: EdgeDouble, tmp_path: Path, redis_url: str, sqlite_url: str
) -> None:
    """At two processes."""
    with (
        running_api(tmp_path / "second", redis_url, sqlite_url) as second,
        obeying(edge, Status.CONFIRMED),
        ThreadPoolExecutor(10) as pool,
    ):
        apis = [api, second] * 5
        for each in (api, second):
            each.login("driver")
        answers = list(pool.map(lambda each: wish(each, {"mode": "pv"}, key="tap"), apis))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(edge.taken()) == 1


def test_a_refused_request_leaves_its_key_unused(api: RunningApi, edge: EdgeDouble) -> None:
    """What was wrong can be corrected and sent again."""
    assert wish(api, {"mode": "eco"}, key="k").status_code == 409
    with obeying(edge, Status.CONFIRMED):
        assert wish(api, {"mode": "pv"}, key="k").status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_malformed_key_is_named(api: RunningApi, edge: EdgeDouble, key: str) -> None:
    """Not ignored: the client relies on it."""
    assert problem(wish(api, {"mode": "pv"}, key=key))["errors"][0]["field"] == "Idempotency-Key"
    assert edge.taken() == []


# Events


def receive(ws: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(ws.recv(timeout=10))
    return message


def test_everybody_on_the_live_channel_is_told_of_each_step(api: RunningApi, edge: EdgeDouble) -> None:
    """With a number, whatever they selected, and again for whoever comes back; a later change has its place."""
    with api.live("?fields=pv") as ws, api.live_by_relay() as relayed:
        for each in (ws, relayed):
            assert receive(each)["type"] == "snapshot"
        with obeying(edge, Status.PUBLISHED):
            command_id = eventually(lambda: wish_id(api, edge))
        told = receive(ws)
        assert (told["type"], told["seq"]) == ("event", 100_100)
        assert told["event"]["type"] == "command"
        assert told["event"]["command"]["id"] == command_id
        assert told["event"]["command"]["status"] == "published"
        assert receive(relayed) == told
        (command,) = edge.taken()
        edge.report(record_of(command, Status.CONFIRMED))
        assert receive(ws)["event"]["command"]["status"] == "confirmed"
        edge.tell(replace(OFFERING, pv=None))
        assert receive(ws) == {"type": "change", "seq": 100300, "occurred_at": ANY, "changes": {"pv": None}}
    with api.live("?since=100000&fields=pv") as ws:
        steps = [receive(ws) for _ in range(3)]
    assert [(step["type"], step["seq"]) for step in steps] == [
        ("event", 100_100),
        ("event", 100_200),
        ("change", 100_300),
    ]


def test_everybody_on_the_live_channel_is_told_of_sessions(api: RunningApi, edge: EdgeDouble) -> None:
    """When one began and when it ended, and again for whoever comes back; an event of a newer edge is no harm."""
    began = SessionEvent(
        type=SessionEventType.STARTED, charge_point="1", started_at=60, ended_at=None, energy_wh=7, id=3
    )
    ended = replace(began, type=SessionEventType.ENDED, ended_at=120)
    told = {"id": 3, "charge_point": "1", "started_at": "1970-01-01T00:01:00Z", "energy_wh": 7}
    with api.live("?fields=pv") as ws:
        assert receive(ws)["type"] == "snapshot"
        edge.announce(began)
        event = {**told, "type": "session_started", "ended_at": None}
        assert receive(ws) == {"type": "event", "seq": 100_100, "occurred_at": ANY, "event": event}
        edge.announce({"type": "of_a_newer_edge", "session": 1})
        edge.announce(ended)
        event = {**told, "type": "session_ended", "ended_at": "1970-01-01T00:02:00Z"}
        assert receive(ws) == {"type": "event", "seq": 100_300, "occurred_at": ANY, "event": event}
    with api.live("?since=100000&fields=pv") as ws:
        assert [receive(ws)["event"]["type"] for _ in range(2)] == ["session_started", "session_ended"]


def test_a_limited_user_is_told_of_their_charge_points_only_also_when_they_come_back(
    api: RunningApi, edge: EdgeDouble, sqlite_url: str
) -> None:
    """Sessions, cards and values of other charge points are in no push and in no replay."""
    store = open_store(sqlite_url)
    users.change(store, "driver", charge_points=["2"])
    store.close()
    point = replace(OFFERING.charge_points["1"], power_w=1)
    with api.live("?since=100000", "driver") as pushed:
        receive(pushed)  # is_stale
        for number in ("1", "2"):
            session = SessionEvent(
                type=SessionEventType.STARTED, charge_point=number, started_at=60, ended_at=None, energy_wh=7
            )
            edge.announce(session)
            edge.announce(replace(session, type=SessionEventType.ENDED, ended_at=120))
            edge.announce(ScanEvent(charge_point=number, scanned_at=70.0, outcome="applied"))
        edge.announce(ScanEvent(charge_point=None, scanned_at=70.0, outcome="unknown"))
        edge.tell(replace(OFFERING, charge_points={"1": replace(point, power_w=2), "2": replace(point, power_w=3)}))
        told = [receive(pushed)]
        while told[-1]["type"] != "change":
            told.append(receive(pushed))
    with api.live("?since=100000", "driver") as resumed:
        again = [receive(resumed) for _ in range(4)]
    for message in told + again:
        event = message.get("event")
        assert event is None or event["charge_point"] == "2"
        assert not [path for path in message.get("changes", {}) if path.startswith("charge_points.1")]
    assert [message["event"]["type"] for message in again[:3]] == ["session_started", "session_ended", "card_scanned"]
    assert "charge_points.2.power_w" in again[3]["changes"]


def test_everybody_is_told_of_a_card_but_not_whose_it_is(api: RunningApi, edge: EdgeDouble) -> None:
    """And again when more is known of what became of it."""
    with api.live("?fields=pv", "viewer") as ws:
        receive(ws)
        edge.announce(ScanEvent(charge_point=None, scanned_at=60.5, outcome="waiting"))
        edge.announce(ScanEvent(charge_point="1", scanned_at=60.5, outcome="applied"))
        event = {"type": "card_scanned", "charge_point": None, "scanned_at": "1970-01-01T00:01:00Z"}
        first = receive(ws)["event"]
        assert {**first, "scanned_at": ANY} == {**event, "outcome": "waiting", "scanned_at": ANY}
        assert receive(ws)["event"] == {**first, "charge_point": "1", "outcome": "applied"}


def wish_id(api: RunningApi, edge: EdgeDouble) -> str:
    """The id of a wish that does not settle, without waiting for its answer."""
    if not edge.taken():
        with pytest.raises(httpx.ReadTimeout):
            api.lan.patch(POINT, json={"mode": "pv"}, headers=api.login("driver"), timeout=0.3)
    return edge.taken()[0].id


def test_an_event_of_a_newer_edge_is_passed_over(api: RunningApi, edge: EdgeDouble) -> None:
    """It does not stop the channel."""
    with api.live() as ws:
        receive(ws)
        edge.seq += 1
        edge.redis.xadd(keys.changes(), {"e": b'{"type":"song","title":"x"}'}, id=f"{edge.seq}-0")
        edge.tell(replace(OFFERING, pv=None))
        assert receive(ws) == {"type": "change", "seq": 100200, "occurred_at": ANY, "changes": {"pv": None}}


# Redis


def test_redis_away_accepts_nothing_and_comes_back(
    api: RunningApi, edge: EdgeDouble, redis_server: RedisServer
) -> None:
    """503; afterwards dead pooled connections do no harm."""
    with obeying(edge, Status.CONFIRMED):
        assert wish(api, {"mode": "pv"}).status_code == 200
    redis_server.stop()
    assert problem(wish(api, {"mode": "pv"}))["code"] == "redis_unavailable"
    redis_server.start()
    edge.redis.flushall()
    edge.tell(OFFERING)
    edge.beat()
    with obeying(edge, Status.CONFIRMED):
        assert wish(api, {"mode": "pv"}).status_code == 200


def test_a_command_that_may_have_been_accepted_is_told_as_such(
    api: RunningApi, edge: EdgeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with its id and address; the same key later finds it, or makes it."""
    monkeypatch.setattr(command_queue, "_ACCEPT", command_queue._ACCEPT.replace("return ARGV[4]", BUSY))
    found = wish(api, {"mode": "pv"}, key="k")
    assert problem(found)["code"] == "acceptance_unknown"
    command_id = problem(found)["command_id"]
    assert found.headers["location"] == f"/api/v1/commands/{command_id}"
    monkeypatch.undo()
    (command,) = eventually(edge.taken)
    assert command.id == command_id
    with obeying(edge, Status.CONFIRMED):
        again = wish(api, {"mode": "pv"}, key="k")
    assert again.json()["id"] == command_id
    assert api.get(found.headers["location"]).json()["status"] == "confirmed"


BUSY = """
local began = redis.call('TIME')
repeat local now = redis.call('TIME') until (now[1] - began[1]) * 1e6 + now[2] - began[2] > 3e6
return ARGV[4]
"""
"""Keeps Redis busy for longer than the api waits for it."""


def test_what_redis_refuses_was_not_accepted(api: RunningApi, edge: EdgeDouble) -> None:
    """Nothing of it is there: no record and no key."""
    edge.redis.set(keys.commands(), b"not a stream")
    assert problem(wish(api, {"mode": "pv"}, key="k"))["code"] == "redis_unavailable"
    assert edge.redis.keys("wallport:command:*") == []
    assert edge.redis.keys("wallport:idempotency:*") == []
