"""Logins that last: refresh tokens and answers that were lost, devices, and what a login minted."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.handlers import live
from common.store import devices, users
from common.store.bind import Store, open_store
from tests.kit.api_client import PASSWORD, RunningApi, bearer, logged_in, problem, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.states import SITE
from tests.kit.waiting import eventually

JSON = {"content-type": "application/json"}
TOKEN = {"name": "ha", "scopes": ["read"]}
NEW_PASSWORD = "another horse battery"


@pytest.fixture
def edge(redis_url: str) -> Iterator[EdgeDouble]:
    """An edge with two charge points."""
    edge = EdgeDouble(redis_url)
    edge.tell(replace(SITE, charge_points={"1": SITE.charge_points["1"], "2": SITE.charge_points["1"]}))
    edge.beat()
    yield edge
    edge.close()


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def api(tmp_path: Path, redis_url: str, sqlite_url: str, store: Store) -> Iterator[RunningApi]:
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        yield api


def test_a_refresh_token_is_good_once_and_a_second_use_ends_the_login(api: RunningApi, edge: EdgeDouble) -> None:
    """The thief's token and the owner's both die, also the access token that is still young; other logins live on."""
    first, other = logged_in(api, "driver"), logged_in(api, "driver")
    second = api.relay.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
    assert second["user"] == {"name": "driver", "role": "driver"}
    assert second["refresh_token"] != first["refresh_token"]
    assert api.lan.get("/api/v1/state", headers=bearer(second["access_token"])).status_code == 200
    for token in (first["refresh_token"], second["refresh_token"]):
        again = api.lan.post("/api/v1/auth/refresh", json={"refresh_token": token})
        assert problem(again)["code"] == "invalid_token"
    for body in (first, second):
        ended = api.lan.get("/api/v1/state", headers=bearer(body["access_token"]))
        assert problem(ended)["code"] == "login_required"
    assert api.lan.get("/api/v1/state", headers=bearer(other["access_token"])).status_code == 200


def refreshed(client: httpx.Client, token: str, **fields: str) -> httpx.Response:
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    return client.post("/api/v1/auth/refresh", json={"refresh_token": token}, headers=headers)


PHONE, THIEF = {"x_wallport_client_address": "192.0.2.1"}, {"x_wallport_client_address": "192.0.2.66"}


def test_an_answer_that_was_lost_is_given_again_to_the_same_device(api: RunningApi) -> None:
    """Twice at once, and again a moment later: one next token, with which it goes on."""
    first = logged_in(api, "driver")["refresh_token"]
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda _: refreshed(api.relay, first, **PHONE), range(4)))
    answers = [*at_once, refreshed(api.relay, first, **PHONE)]
    assert [answer.status_code for answer in answers] == [200] * 5
    (second,) = {answer.json()["refresh_token"] for answer in answers}
    third = refreshed(api.relay, second, **PHONE)
    assert third.status_code == 200
    assert refreshed(api.relay, third.json()["refresh_token"], **PHONE).status_code == 200


@pytest.mark.parametrize("thief", [THIEF, {**PHONE, "idempotency_key": "guessed"}, "lan", "later"])
def test_a_thief_of_a_used_token_gets_none_and_ends_the_login(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch, thief: Any
) -> None:
    """From another network, with a key that the phone did not send, on another side of the house, or after a while."""
    first = logged_in(api, "driver")["refresh_token"]
    second = refreshed(api.relay, first, **PHONE).json()["refresh_token"]
    if thief == "later":
        monkeypatch.setattr(devices, "REPEAT_S", -1)
    fields = thief if isinstance(thief, dict) else PHONE
    assert problem(refreshed(api.lan if thief == "lan" else api.relay, first, **fields))["code"] == "invalid_token"
    assert problem(refreshed(api.relay, second, **PHONE))["code"] == "invalid_token"


def test_a_phone_that_changes_networks_proves_itself_by_its_key(api: RunningApi) -> None:
    """Which a thief of the stored token does not have, also not on the phone's own network."""
    first = logged_in(api, "driver")["refresh_token"]
    answers = [
        refreshed(api.relay, first, idempotency_key="k7", **PHONE),
        refreshed(api.relay, first, idempotency_key="k7", **THIEF),
        refreshed(api.lan, first, idempotency_key="k7"),
    ]
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert problem(refreshed(api.relay, first, **PHONE))["code"] == "invalid_token"
    assert problem(refreshed(api.relay, answers[0].json()["refresh_token"]))["code"] == "invalid_token"


def test_the_next_token_of_one_that_was_used_is_not_given_again(api: RunningApi) -> None:
    """Once anybody has used it, the former one is a thief's."""
    first = logged_in(api, "driver")["refresh_token"]
    second = refreshed(api.relay, first, **PHONE).json()["refresh_token"]
    third = refreshed(api.relay, second, **PHONE).json()["refresh_token"]
    assert problem(refreshed(api.relay, first, **PHONE))["code"] == "invalid_token"
    assert problem(refreshed(api.relay, third, **PHONE))["code"] == "invalid_token"


@pytest.mark.parametrize("token", ["x", "", "wpr_a.b", f"wpr_{'a' * 22}.{'b' * 43}", "wpr_" + "a" * 100, "\ud800"])
def test_what_is_no_refresh_token_is_refused(api: RunningApi, token: str) -> None:
    """Alike, whatever it is."""
    answer = api.lan.post("/api/v1/auth/refresh", content=json.dumps({"refresh_token": token}), headers=JSON)
    assert problem(answer)["code"] in ("invalid_token", "invalid_input", "malformed_body")


def test_a_disabled_user_refreshes_nothing(api: RunningApi, store: Store) -> None:
    body = logged_in(api, "driver")
    users.set_disabled(store, "driver", True)
    refused = api.lan.post("/api/v1/auth/refresh", json={"refresh_token": body["refresh_token"]})
    assert problem(refused)["code"] == "invalid_token"


def test_devices_are_listed_renamed_and_revoked_at_once(api: RunningApi, edge: EdgeDouble) -> None:
    """With name, address and kind; a revoked one's token and live connection end, and its refresh token too."""
    phone = logged_in(api, "driver", device_name="Anna's phone")
    headers = api.login("driver")
    items = {item["name"]: item for item in api.get("/api/v1/me/devices", "driver").json()["items"]}
    assert set(items) == {"Anna's phone", "unnamed device"}
    assert items["unnamed device"]["is_current"]
    assert (items["Anna's phone"]["kind"], items["Anna's phone"]["seen_from"]) == ("app", "127.0.0.1")
    path = "/api/v1/me/devices/" + items["Anna's phone"]["id"]
    assert api.lan.patch(path, json={"name": "tablet"}, headers=headers).json()["name"] == "tablet"
    assert problem(api.lan.patch(path, json={"name": "a\u202eb"}, headers=headers))["code"] == "invalid_input"
    assert api.lan.get("/api/v1/state", headers=bearer(phone["access_token"])).status_code == 200
    assert api.lan.delete(path, headers=headers).status_code == 204
    refused = api.lan.get("/api/v1/state", headers=bearer(phone["access_token"]))
    assert problem(refused)["code"] == "login_required"
    refresh = api.lan.post("/api/v1/auth/refresh", json={"refresh_token": phone["refresh_token"]})
    assert problem(refresh)["code"] == "invalid_token"
    assert problem(api.lan.delete(path, headers=headers))["code"] == "not_found"


def test_a_live_connection_ends_with_its_device(
    api: RunningApi, edge: EdgeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Close code 4401, as when the token expires."""
    monkeypatch.setattr(live, "LOOK_AGAIN_S", 0.1)
    with api.live(name="driver") as ws:
        ws.recv(timeout=10)
        assert api.lan.post("/api/v1/auth/logout", headers=api.login("driver")).status_code == 204
        eventually(lambda: _is_closed(ws))
        assert ws.protocol.close_code == 4401


def _is_closed(ws: Any) -> bool:
    try:
        ws.recv(timeout=0.2)
    except TimeoutError:
        return False
    except Exception:  # noqa: BLE001 -- whatever the library calls it
        return True
    return False


def test_nobody_reaches_anothers_devices_or_tokens(api: RunningApi) -> None:
    """By a guessed or overheard id: it is not there."""
    theirs = api.get("/api/v1/me/devices", "driver").json()["items"][0]["id"]
    token = api.lan.post(
        "/api/v1/me/api-tokens", json={**TOKEN, "password": PASSWORD}, headers=api.login("driver")
    ).json()["id"]
    headers = api.login("viewer")
    for method, path in (
        ("DELETE", f"devices/{theirs}"),
        ("DELETE", f"api-tokens/{token}"),
        ("PATCH", f"devices/{theirs}"),
    ):
        answer = api.lan.request(method, f"/api/v1/me/{path}", json={"name": "x"}, headers=headers)
        assert problem(answer)["code"] == "not_found"
    assert len(api.get("/api/v1/me/devices", "driver").json()["items"]) == 1


def test_a_password_change_ends_everything_else(api: RunningApi, edge: EdgeDouble) -> None:
    """It needs the old one, which is throttled like a login; this login stays."""
    other = logged_in(api, "driver")
    headers = api.login("driver")
    body = {**TOKEN, "password": PASSWORD}
    token = api.lan.post("/api/v1/me/api-tokens", json=body, headers=headers).json()
    wrong = api.lan.put(
        "/api/v1/me/password", json={"old_password": "wrong", "new_password": NEW_PASSWORD}, headers=headers
    )
    assert problem(wrong)["code"] == "login_failed"
    short = api.lan.put("/api/v1/me/password", json={"old_password": PASSWORD, "new_password": "x"}, headers=headers)
    assert problem(short)["code"] == "invalid_input"
    body = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert api.lan.put("/api/v1/me/password", json=body, headers=headers).status_code == 204
    assert api.lan.get("/api/v1/state", headers=headers).status_code == 200
    for gone in (other["access_token"], token["token"]):
        assert problem(api.lan.get("/api/v1/state", headers=bearer(gone)))["code"] == "login_required"
    old = api.lan.post("/api/v1/auth/login", json={"username": "driver", "password": PASSWORD})
    assert problem(old)["code"] == "login_failed"


@pytest.mark.parametrize("way", ["auth/logout", "me/devices"])
def test_what_a_login_minted_is_listed_and_ended_with_it_on_wish(api: RunningApi, edge: EdgeDouble, way: str) -> None:
    """The paired phone, what that paired in turn, and the tokens of both; without the wish they stay and are shown."""
    again = {"password": PASSWORD}
    stolen, other = logged_in(api, "driver"), bearer(logged_in(api, "driver")["access_token"])
    mine = api.lan.get("/api/v1/me", headers=bearer(stolen["access_token"])).json()["device_id"]

    def paired(by: dict[str, Any]) -> dict[str, Any]:
        opened = api.lan.post("/api/v1/auth/pairing", json=again, headers=bearer(by["access_token"])).json()
        answer: dict[str, Any] = api.relay.post("/api/v1/auth/pair", json={"secret": opened["secret"]}).json()
        return answer

    phone = paired(stolen)
    second = paired(phone)
    body = {**TOKEN, **again}
    token = api.lan.post("/api/v1/me/api-tokens", json=body, headers=bearer(second["access_token"])).json()
    shown = {item["id"]: item["minted_by"] for item in api.lan.get("/api/v1/me/devices", headers=other).json()["items"]}
    (first_phone,) = [key for key, minted_by in shown.items() if minted_by == mine]
    (second_phone,) = [key for key, minted_by in shown.items() if minted_by == first_phone]
    (item,) = api.lan.get("/api/v1/me/api-tokens", headers=other).json()["items"]
    assert (item["id"], item["minted_by"]) == (token["id"], second_phone)
    assert api.lan.post("/api/v1/auth/logout", headers=bearer(phone["access_token"])).status_code == 204
    assert api.lan.get("/api/v1/state", headers=bearer(token["token"])).status_code == 200
    if way == "auth/logout":
        ended = api.lan.post("/api/v1/auth/logout?minted=true", headers=bearer(stolen["access_token"]))
    else:
        ended = api.lan.delete(f"/api/v1/me/devices/{mine}?minted=true", headers=other)
    assert ended.status_code == 204
    for gone in (stolen["access_token"], second["access_token"], token["token"]):
        assert problem(api.lan.get("/api/v1/state", headers=bearer(gone)))["code"] == "login_required"
    assert api.lan.get("/api/v1/state", headers=other).status_code == 200


def test_a_pairing_ends_with_the_login_that_asked_for_it(api: RunningApi) -> None:
    headers = bearer(logged_in(api, "driver")["access_token"])
    secret = api.lan.post("/api/v1/auth/pairing", json={"password": PASSWORD}, headers=headers).json()["secret"]
    assert api.lan.post("/api/v1/auth/logout", headers=headers).status_code == 204
    assert problem(api.relay.post("/api/v1/auth/pair", json={"secret": secret}))["code"] == "login_failed"
