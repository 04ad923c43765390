"""Logins that last, devices, API tokens, pairing, users and their limits, asked over the api's two real listeners."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pyotp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api import access
from api import control as control_decisions
from api.handlers import control, logins
from common.security import totp
from common.security.device_keys import decode_public_key
from common.security.refresh_tokens import digest
from common.security.tokens import ACCESS, API, LEGACY, TICKET, TokenCheck, TokenKey
from common.store import devices, setup, users
from common.store.bind import Store, open_store
from common.store.rows_people import DeviceRow, Kind
from tests.kit.api_client import PASSWORD, RunningApi, bearer, logged_in, problem, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.states import SITE

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


def elevated(api: RunningApi, store: Store, name: str = "admin") -> dict[str, str]:
    """The headers of a user who entered a code."""
    secret = totp.new_secret()
    users.set_totp_secret(store, name, secret)
    headers = api.login(name)
    answer = api.lan.post("/api/v1/auth/elevate", json={"code": pyotp.TOTP(secret).now()}, headers=headers)
    assert answer.status_code == 200, answer.text
    return headers


def audited(api: RunningApi, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    answer = api.lan.get(f"/api/v1/admin/audit{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


# API tokens and the existing app's


def test_an_api_token_does_what_its_scopes_say(
    api: RunningApi, edge: EdgeDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads or commands, never touches an account or what is for admins, and passes the relay's door."""
    monkeypatch.setattr(control, "WAIT_S", 0.1)
    headers = api.login("driver")

    def made(*scopes: str) -> dict[str, Any]:
        body = {"name": "Home Assistant", "scopes": scopes, "expires_in_days": 30, "password": PASSWORD}
        answer = api.lan.post("/api/v1/me/api-tokens", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        token: dict[str, Any] = answer.json()
        return token

    reads, steers = made("read"), made("control")
    path = "/api/v1/chargepoints/1"
    assert api.relay.get(path, headers=bearer(reads["token"])).status_code == 200
    assert problem(api.lan.patch(path, json={"mode": "pv"}, headers=bearer(reads["token"])))["code"] == "not_allowed"
    assert problem(api.lan.get(path, headers=bearer(steers["token"])))["code"] == "not_allowed"
    wished = api.lan.patch(path, json={"is_enabled": True}, headers=bearer(steers["token"]))
    assert wished.status_code == 202, wished.text
    for method, refused in (
        ("GET", "me/devices"),
        ("POST", "auth/pairing"),
        ("POST", "me/api-tokens"),
        ("POST", "me/totp"),
    ):
        answer = api.lan.request(method, f"/api/v1/{refused}", headers=bearer(reads["token"]))
        assert problem(answer)["code"] == "not_allowed", refused
    key = api.relay.get("/internal/token-key").json()
    assert TokenCheck(decode_public_key(key["key"]), key["site"]).check(ACCESS, reads["token"])
    (shown,) = [
        item for item in api.get("/api/v1/me/api-tokens", "driver").json()["items"] if item["id"] == reads["id"]
    ]
    assert shown["used_at"] is not None
    assert "token" not in shown
    assert api.lan.delete(f"/api/v1/me/api-tokens/{reads['id']}", headers=headers).status_code == 204
    assert problem(api.lan.get(path, headers=bearer(reads["token"])))["code"] == "login_required"


def test_an_api_token_lives_a_year_at_most(api: RunningApi) -> None:
    body = {**TOKEN, "password": PASSWORD}
    for days, status in ((365, 201), (366, 400)):
        more = {**body, "expires_in_days": days}
        assert api.lan.post("/api/v1/me/api-tokens", json=more, headers=api.login("viewer")).status_code == status


def test_a_token_of_another_kind_than_its_device_is_refused(api: RunningApi, store: Store) -> None:
    """A leaked signature over one kind is worth nothing as another."""
    key = TokenKey.from_file(api.settings.token_key_file, "home")
    session_id = key.verify(ACCESS, api.login("driver")["authorization"].removeprefix("Bearer ")).session_id
    for audience in (API, LEGACY, f"{TICKET}:x"):
        token, _ = key.issue(audience, user="driver", role="admin", session_id=session_id, ttl_s=60)
        assert problem(api.lan.get("/api/v1/state", headers=bearer(token)))["code"] == "invalid_token"
    token, _ = key.issue(ACCESS, user="driver", role="admin", session_id=session_id, ttl_s=60)
    assert api.lan.get("/api/v1/me", headers=bearer(token)).json()["role"] == "driver", "the database's role counts"


def test_the_existing_apps_token_lasts_and_writes_nothing_for_admins(
    api: RunningApi, edge: EdgeDouble, store: Store
) -> None:
    """It is a device like others, with a scope of its own, also when it is elevated."""
    admin = users.get(store, "admin")
    assert admin is not None
    users.set_totp_secret(store, "admin", totp.new_secret())
    row = DeviceRow(
        id="legacy1",
        user_id=admin.id,
        kind=Kind.LEGACY,
        name="old app",
        scopes=(),
        created_at=1,
        expires_at=4_000_000_000,
        seen_at=1,
        seen_from="192.0.2.1",
    )
    devices.add(store, row)
    key = TokenKey.from_file(api.settings.token_key_file, "home")
    token = key.issue_legacy(
        user="admin", role="admin", session_id="legacy1", ttl_s=10**8, is_limited=False, claims={"username": "admin"}
    )
    headers = bearer(token)
    assert api.relay.get("/api/values", headers=headers).status_code == 200
    for method, path in (
        ("GET", "state"),
        ("GET", "users"),
        ("DELETE", "users/driver"),
        ("POST", "auth/elevate"),
        ("GET", "admin/audit"),
    ):
        assert problem(api.lan.request(method, f"/api/v1/{path}", headers=headers))["code"] == "not_allowed"
    items = api.get("/api/v1/me/devices", "admin").json()["items"]
    assert [item["kind"] for item in items if item["id"] == "legacy1"] == ["legacy"]
    assert api.lan.delete("/api/v1/me/devices/legacy1", headers=api.login("admin")).status_code == 204
    assert problem(api.relay.get("/api/values", headers=headers))["code"] == "login_required"


# Foreign tokens


def test_tokens_that_are_not_ours_open_nothing(api: RunningApi, edge: EdgeDouble) -> None:
    """`alg: none`, HMAC with the public key, another site, another key, expired, without its claims."""
    key = TokenKey.from_file(api.settings.token_key_file, "home")
    good = api.login("admin")["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(good, options={"verify_signature": False})
    foreign = Ed25519PrivateKey.generate()
    head, payload, signature = good.split(".")
    forged = [
        jwt.encode(claims, "", "none"),
        jwt.encode(claims, key.public_text * 2, "HS256"),
        jwt.encode(claims, foreign, "EdDSA"),
        jwt.encode({**claims, "site": "home"}, foreign, "EdDSA", headers={"kid": key.key_id}),
        f"{head}.{payload}.{signature[:-4]}AAAA",
        f"{head}.{payload}.",
        TokenKey.from_file(api.settings.token_key_file, "other site").issue(
            ACCESS, user="admin", role="admin", session_id=claims["sid"], ttl_s=60
        )[0],
        key.issue(ACCESS, user="admin", role="admin", session_id=claims["sid"], ttl_s=-60)[0],
    ]
    for token in forged:
        for client in (api.lan, api.relay):
            assert problem(client.get("/api/v1/state", headers=bearer(token)))["code"] == "invalid_token"


# Pairing and setting up


def test_a_phone_is_paired_once_over_the_relay(api: RunningApi) -> None:
    """The QR code holds site, secret and where to find it; the new device is the user's own."""
    headers = {**api.login("driver"), "host": "wallbox.lan:8080"}
    opened = api.lan.post("/api/v1/auth/pairing", json={"password": PASSWORD}, headers=headers).json()
    payload = json.loads(opened["payload"])
    assert payload == {
        "wallport": 1,
        "site": "home",
        "secret": opened["secret"],
        "lan_url": "http://wallbox.lan:8080",
        "relay_url": None,
    }
    assert opened["svg"].startswith("<svg")
    body = {"secret": opened["secret"], "device_name": "new phone"}
    paired = api.relay.post("/api/v1/auth/pair", json=body)
    assert paired.status_code == 200, paired.text
    assert paired.json()["user"] == {"name": "driver", "role": "driver"}
    items = api.lan.get("/api/v1/me/devices", headers=bearer(paired.json()["access_token"])).json()["items"]
    assert ("new phone", "paired") in [(item["name"], item["kind"]) for item in items]
    assert problem(api.relay.post("/api/v1/auth/pair", json=body))["code"] == "login_failed"


def test_guessed_pairing_codes_are_slowed_down(api: RunningApi) -> None:
    """And a pairing is void once another is begun, or the password changes."""
    again: dict[str, Any] = {"json": {"password": PASSWORD}, "headers": api.login("driver")}
    first = api.lan.post("/api/v1/auth/pairing", **again).json()["secret"]
    second = api.lan.post("/api/v1/auth/pairing", **again).json()["secret"]
    body = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert api.lan.put("/api/v1/me/password", json=body, headers=api.login("driver")).status_code == 204
    codes = [problem(api.lan.post("/api/v1/auth/pair", json={"secret": secret}))["code"] for secret in (first, second)]
    assert codes == ["login_failed"] * 2
    codes = [problem(api.lan.post("/api/v1/auth/pair", json={"secret": "x"}))["code"] for _ in range(4)]
    assert codes == ["login_failed"] * 3 + ["too_many_attempts"]


def test_the_first_admin_comes_by_a_link_on_the_lan(tmp_path: Path, redis_url: str, sqlite_url: str) -> None:
    """Not through the relay, not with another secret, and once."""
    store = open_store(sqlite_url)
    setup.put_link(store, digest("wps_secret"), 4_000_000_000)
    body = {"secret": "wps_secret", "name": "Anna", "password": PASSWORD}
    with running_api(tmp_path, redis_url, sqlite_url, users_of_tests=False) as api:
        assert problem(api.relay.post("/api/v1/auth/setup", json=body))["code"] == "not_from_here"
        assert problem(api.relay.get("/setup"))["code"] == "not_from_here"
        page = api.lan.get("/setup")
        for part, kind in (("script", "script-src"), ("style", "style-src")):
            inline = page.text.partition(f"<{part}>")[2].partition(f"</{part}>")[0].encode()
            digest_of_it = base64.b64encode(hashlib.sha256(inline).digest()).decode()
            assert f"{kind} 'sha256-{digest_of_it}'" in page.headers["content-security-policy"]
        wrong = api.lan.post("/api/v1/auth/setup", json={**body, "secret": "wps_other"})
        assert problem(wrong)["code"] == "setup_closed"
        done = api.lan.post("/api/v1/auth/setup", json=body)
        assert done.status_code == 200, done.text
        assert done.json()["user"] == {"name": "Anna", "role": "admin"}
        assert problem(api.lan.post("/api/v1/auth/setup", json=body))["code"] == "setup_closed"
    store.close()


def test_an_admin_s_first_login_from_outside_says_what_to_do(api: RunningApi) -> None:
    """The page that is named answers at home."""
    refused = api.relay.get("/api/v1/state", headers=api.login("admin"))
    assert problem(refused)["code"] == "totp_required"
    assert "open /setup at home" in problem(refused)["detail"]
    assert api.lan.get("/setup").status_code == 200


# Second factors


def test_a_second_factor_counts_from_its_first_code_on(api: RunningApi, store: Store) -> None:
    """Shown once, confirmed, with recovery codes that count once each; taking it away needs a code."""
    headers = api.login("admin")
    begun = api.lan.post("/api/v1/me/totp", json={"password": PASSWORD}, headers=headers).json()
    assert begun["uri"].startswith("otpauth://totp/")
    assert begun["svg"].startswith("<svg")
    assert api.get("/api/v1/me", "admin").json()["has_totp"] is False
    early = api.lan.post("/api/v1/auth/elevate", json={"code": "123456"}, headers=headers)
    assert problem(early)["code"] == "totp_not_set_up"
    code = pyotp.TOTP(begun["secret"]).now()
    wrong = api.lan.post("/api/v1/me/totp/confirm", json={"code": f"{(int(code) + 1) % 10**6:06}"}, headers=headers)
    assert problem(wrong)["code"] == "wrong_code"
    confirmed = api.lan.post("/api/v1/me/totp/confirm", json={"code": code}, headers=headers).json()
    codes = confirmed["recovery_codes"]
    assert len(set(codes)) == 10
    assert problem(api.lan.post("/api/v1/me/totp", headers=headers))["code"] == "totp_already_set_up"
    me = api.get("/api/v1/me", "admin").json()
    assert (me["has_totp"], me["recovery_codes_left"], me["elevated_until"]) == (True, 10, confirmed["elevated_until"])
    assert problem(api.lan.post("/api/v1/auth/elevate", json={"code": code}, headers=headers))["code"] == "wrong_code"
    for status in (200, 403):
        answer = api.lan.post("/api/v1/auth/elevate", json={"code": codes[0].upper()}, headers=headers)
        assert answer.status_code == status
    fresh = api.lan.post("/api/v1/me/totp/recovery-codes", headers=headers).json()["recovery_codes"]
    assert not set(fresh) & set(codes)
    other = bearer(logged_in(api, "admin")["access_token"])
    assert problem(api.lan.delete("/api/v1/me/totp", headers=other))["code"] == "elevation_required"
    assert api.lan.delete("/api/v1/me/totp", headers=headers).status_code == 204
    assert problem(api.get("/api/v1/admin/audit", "admin"))["code"] == "totp_required"


def test_an_admin_without_a_second_factor_sets_it_up_at_home(api: RunningApi, edge: EdgeDouble) -> None:
    """Every route that needs a login but those that the table names; on the LAN the admin reads as ever."""
    headers = api.login("admin")
    assert api.lan.get("/api/v1/state", headers=headers).status_code == 200
    for (method, path), rule in access.RULES.items():
        if rule.roles is None or access.Origin.RELAY not in rule.origins or rule.before_totp:
            continue
        path = path.replace("{id}", "1").replace("{name}", "driver")
        code = "not_from_here" if rule.is_keys else "totp_required"
        assert problem(api.relay.request(method, path, headers=headers))["code"] == code, path
    begun = api.lan.post("/api/v1/me/totp", json={"password": PASSWORD}, headers=headers).json()
    code = pyotp.TOTP(begun["secret"]).now()
    assert api.lan.post("/api/v1/me/totp/confirm", json={"code": code}, headers=headers).status_code == 200
    assert api.relay.get("/api/v1/state", headers=headers).status_code == 200
    assert api.relay.get("/api/v1/state", headers=api.login("driver")).status_code == 200


# Users


def test_admins_manage_users(api: RunningApi, edge: EdgeDouble, store: Store) -> None:
    """Add, list, change, reset, delete, each with elevation; a change counts with the next request."""
    headers = elevated(api, store)
    path = "/api/v1/users/J%C3%BCrgen"
    body = {"name": "Jürgen", "password": PASSWORD, "role": "driver", "charge_points": ["2"]}
    added = api.lan.post("/api/v1/users", json=body, headers=headers)
    assert added.status_code == 201, added.text
    assert (added.json()["name"], added.json()["charge_points"]) == ("Jürgen", ["2"])
    assert (
        problem(api.lan.post("/api/v1/users", json={**body, "name": "JÜRGEN"}, headers=headers))["code"]
        == "user_exists"
    )
    assert [item["name"] for item in api.get("/api/v1/users", "admin").json()["items"]] == [
        "admin",
        "driver",
        "Jürgen",
        "viewer",
    ]
    theirs = bearer(logged_in(api, "jürgen")["access_token"])
    assert api.lan.get("/api/v1/me", headers=theirs).json()["charge_points"] == ["2"]
    changed = api.lan.patch(path, json={"role": "viewer", "charge_points": None}, headers=headers)
    assert (changed.json()["role"], changed.json()["charge_points"]) == ("viewer", None)
    assert api.lan.get("/api/v1/me", headers=theirs).json()["role"] == "viewer"
    users.set_totp_secret(store, "Jürgen", totp.new_secret())
    assert api.lan.delete(f"{path}/totp", headers=headers).status_code == 204
    assert api.get(path, "admin").json()["has_totp"] is False
    assert api.lan.patch(path, json={"password": NEW_PASSWORD}, headers=headers).status_code == 200
    assert problem(api.lan.get("/api/v1/me", headers=theirs))["code"] == "login_required"
    assert api.lan.delete(path, headers=headers).status_code == 204
    assert problem(api.get(path, "admin"))["code"] == "user_unknown"
    assert problem(api.lan.post("/api/v1/users", json=body, headers=headers))["code"] == "user_exists"
    assert api.lan.delete(f"{path}?pseudonymise=true", headers=headers).status_code == 204
    assert problem(api.lan.delete(f"{path}?pseudonymise=true", headers=headers))["code"] == "user_unknown"
    noted = [item["action"] for item in audited(api, headers, "?user=admin") if item["subject"] == "Jürgen"]
    assert noted == ["user_pseudonymise", "user_remove", "password_change", "totp_reset", "user_change", "user_add"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x" * 65}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": "\u0430dmin"}, "name"),  # a Cyrillic а
        ({"name": "a\u2060b"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": ".."}, "name"),
        ({"name": 7}, "name"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 257}, "password"),
        ({"role": "root"}, "role"),
        ({"charge_points": []}, "charge_points"),
        ({"charge_points": ["../1"]}, "charge_points[0]"),
        ({"role": "admin", "charge_points": ["1"]}, "charge_points"),
        ({"is_disabled": True}, "is_disabled"),  # not for a new user
        ({"id": 1}, "id"),
        ({"totp_secret": "x"}, "totp_secret"),
        ({"password_hash": "x"}, "password_hash"),
    ],
)
def test_what_cannot_be_a_user_is_named(elevated_api: tuple[RunningApi, dict[str, str]], body: Any, field: str) -> None:
    """Odd names, wrong types, and fields that nobody may assign."""
    api, headers = elevated_api
    good = {"name": "Nobody", "password": PASSWORD, "role": "viewer"}
    answer = api.lan.post("/api/v1/users", json={**good, **body}, headers=headers)
    assert [error["field"] for error in problem(answer)["errors"]] == [field]


@pytest.fixture(scope="module")
def elevated_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningApi, dict[str, str]]]:
    """One for what is refused anyway; without Redis."""
    folder = tmp_path_factory.mktemp("people")
    url = f"sqlite://{folder / 'store.sqlite'}"
    with running_api(folder, "redis://127.0.0.1:1/0", url) as api:
        store = open_store(url)
        yield api, elevated(api, store)
        store.close()


def test_the_last_admin_can_do_nothing_to_end_it(elevated_api: tuple[RunningApi, dict[str, str]]) -> None:
    api, headers = elevated_api
    for method, body in (("PATCH", {"role": "viewer"}), ("PATCH", {"is_disabled": True}), ("DELETE", None)):
        answer = api.lan.request(method, "/api/v1/users/admin", json=body, headers=headers)
        assert problem(answer)["code"] == "last_admin"


@pytest.mark.parametrize("role", ["viewer", "driver"])
def test_nobody_makes_themselves_more(elevated_api: tuple[RunningApi, dict[str, str]], role: str) -> None:
    """Neither by the users' routes nor by one's own, with fields that are not theirs to set."""
    api, _ = elevated_api
    headers = api.login(role)
    for method, path in (("PATCH", f"users/{role}"), ("POST", "users"), ("GET", "users"), ("GET", "admin/audit")):
        answer = api.lan.request(method, f"/api/v1/{path}", json={"role": "admin"}, headers=headers)
        assert problem(answer)["code"] == "not_allowed"
    body = {"old_password": PASSWORD, "new_password": PASSWORD, "role": "admin"}
    assert problem(api.lan.put("/api/v1/me/password", json=body, headers=headers))["code"] == "invalid_input"
    token = {"name": "x", "scopes": ["admin"]}
    assert problem(api.lan.post("/api/v1/me/api-tokens", json=token, headers=headers))["code"] == "invalid_input"


# Limits


def test_a_limited_user_sees_and_steers_their_charge_points_only(
    api: RunningApi, edge: EdgeDouble, store: Store
) -> None:
    """In state, site, lists, history, live push and commands; the others are not there, and no id tells otherwise."""
    users.change(store, "driver", charge_points=["2"])
    state = api.get("/api/v1/state", "driver").json()
    assert set(state["charge_points"]) == {"2"}
    assert not [path for path in state["ages_s"] if path.startswith("charge_points.1")]
    assert api.get("/api/v1/site", "driver").json()["charge_points"] == ["2"]
    assert [item["id"] for item in api.get("/api/v1/chargepoints", "driver").json()["items"]] == ["2"]
    assert problem(api.get("/api/v1/chargepoints/1", "driver"))["code"] == "not_found"
    series = api.get("/api/v1/history", "driver").json()["series"]
    assert not [path for path in series if path.startswith("charge_points.1")]
    assert "charge_points.1" not in api.get("/api/v1/history.csv", "driver").text
    headers = api.login("driver")
    for path, code in (("1", "unknown_charge_point"), ("9", "unknown_charge_point")):
        wished = api.lan.patch(f"/api/v1/chargepoints/{path}", json={"is_enabled": True}, headers=headers)
        assert problem(wished)["code"] == code
    everywhere = api.lan.put("/api/v1/charge-mode", json={"mode": "pv"}, headers=headers)
    assert problem(everywhere)["code"] == "not_allowed"
    shared = api.lan.patch("/api/v1/chargepoints/2", json={"mode": "pv"}, headers=headers)
    assert problem(shared)["code"] == "not_allowed", "openWB 1.9 has one mode for all"
    with api.live(name="driver") as ws:
        assert set(json.loads(ws.recv(timeout=10))["state"]["charge_points"]) == {"2"}
        both = {"1": SITE.charge_points["1"], "2": replace(SITE.charge_points["1"], power_w=1)}
        edge.tell(replace(SITE, charge_points={**both, "1": replace(both["1"], power_w=2)}))
        changes: dict[str, Any] = {}
        while "charge_points.2.power_w" not in changes:
            changes |= json.loads(ws.recv(timeout=10))["changes"]
        assert not [path for path in changes if path.startswith("charge_points.1")]


# Audit


def test_the_audit_tells_who_did_what(api: RunningApi, edge: EdgeDouble, store: Store) -> None:
    """Logins that failed and those that did not, elevation, commands and exports, with device, origin and address."""
    api.lan.post("/api/v1/auth/login", json={"username": "driver", "password": "wrong password"})
    api.lan.post("/api/v1/auth/login", json={"username": "my secret password", "password": "x"})
    headers = elevated(api, store)
    logged_in(api, "driver", api.relay, device_name="=cmd()")
    entries = audited(api, headers)
    assert [(entry["action"], entry["result"]) for entry in entries] == [
        ("login", "ok"),
        ("elevation", "ok"),
        ("login", "ok"),
        ("login", "login_failed"),
        ("login", "login_failed"),
    ]
    assert [entry["user"] for entry in entries] == ["driver", "admin", "admin", None, "driver"]
    assert entries[0]["origin"] == "relay"
    assert entries[1]["device_name"] == "unnamed device"
    assert "secret" not in json.dumps(entries)
    assert len(audited(api, headers, "?result=login_failed&user=driver")) == 1
    page = api.lan.get("/api/v1/admin/audit?limit=2", headers=headers).json()
    more = api.lan.get(f"/api/v1/admin/audit?limit=9&cursor={page['next_cursor']}", headers=headers).json()
    assert [*page["items"], *more["items"]] == entries
    assert problem(api.lan.get("/api/v1/admin/audit?cursor=x&from=y", headers=headers))["code"] == "invalid_input"
    sheet = api.lan.get("/api/v1/admin/audit.csv?user=driver", headers=headers)
    assert sheet.headers["content-type"].startswith("text/csv")
    lines = sheet.text.splitlines()
    assert len(lines) == 3
    assert "=cmd()" in lines[1]
    head = api.lan.head("/api/v1/admin/audit.csv", headers=headers)
    assert (head.status_code, head.content, "content-length" in head.headers) == (200, b"", False)
    assert audited(api, headers)[0]["action"] == "export"


def test_nobody_fills_the_audit(api: RunningApi, edge: EdgeDouble, store: Store) -> None:
    """A viewer who renames, exports or logs in without end: so many a minute, whatever it is, and nothing is lost of
    what others do. What changes nothing is no entry."""
    admin = elevated(api, store)
    headers = api.login("viewer")
    device_id = api.get("/api/v1/me", "viewer").json()["device_id"]
    path = f"/api/v1/me/devices/{device_id}"
    answers = [api.lan.patch(path, json={"name": "same"}, headers=headers) for _ in range(3)]
    answers += [api.lan.patch(path, json={"name": f"name {n}"}, headers=headers) for n in range(200)]
    answers += [api.lan.get("/api/v1/sessions.csv", headers=headers) for _ in range(20)]
    good = {"username": "viewer", "password": PASSWORD}
    answers += [api.lan.post("/api/v1/auth/login", json=good) for _ in range(20)]
    refused = [problem(answer)["code"] for answer in answers if answer.status_code != 200]
    assert len(answers) - len(refused) == control_decisions.MOST_CHANGES - 1, "the first login is one, too"
    assert set(refused) == {"too_many_changes"}
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert api.get("/api/v1/state", "viewer").status_code == 200
    renamed = audited(api, admin, "?action=device_rename&limit=500")
    assert len(renamed) == control_decisions.MOST_CHANGES - 1 - 2
    assert api.lan.patch("/api/v1/users/driver", json={"role": "viewer"}, headers=admin).status_code == 200
    assert audited(api, admin, "?action=user_change")[0]["subject"] == "driver"


def test_the_lan_can_not_claim_to_be_the_relay(api: RunningApi, store: Store) -> None:
    """The origin hangs on the connection: what a client says of itself moves neither origin nor address."""
    claims = {
        "x-wallport-client-address": "203.0.113.7",
        "x-forwarded-for": "203.0.113.8",
        "x-wallport-origin": "relay",
    }
    api.lan.post("/api/v1/auth/login", json={"username": "driver", "password": "wrong password"}, headers=claims)
    entry = audited(api, elevated(api, store), "?result=login_failed")[0]
    assert (entry["origin"], entry["address"]) == ("lan", "127.0.0.1")


def test_a_command_is_audited_with_what_became_of_it(
    api: RunningApi, edge: EdgeDouble, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the client does not wait for it."""
    monkeypatch.setattr(control, "WAIT_S", 0.1)
    headers = elevated(api, store)
    answer = api.lan.patch("/api/v1/chargepoints/1", json={"is_enabled": True}, headers=api.login("driver"))
    assert answer.status_code == 202, answer.text
    (entry,) = audited(api, headers, "?action=command")
    assert (entry["user"], entry["new"], entry["result"]) == ("driver", {"is_enabled": True}, "accepted")
    assert entry["subject"] == f"charge point 1, {answer.json()['id']}"
    assert logins.KNOWN_FOR_S <= 2, "docs/security.md says so"
