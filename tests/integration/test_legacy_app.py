"""The existing iOS app against a real api: every call that it makes, decoded as strictly as it does."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest

from common.commands import Status, accepted
from common.model import Capabilities, Mode
from common.security import totp
from common.store import sessions, users
from common.store.bind import Store, open_store
from common.store.rows import SessionRecord, SessionRow
from tests.kit import legacy_app
from tests.kit.api_client import PASSWORD, RunningApi, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.states import SITE

ALL_MODES = Capabilities(modes=tuple(Mode), is_mode_site_wide=True)
STATE = replace(SITE, charge_points={"1": replace(SITE.charge_points["1"], capabilities=ALL_MODES)})
NOW = int(time.time())


class App:
    """The app as it asks: the token raw in the field, paths put behind the root as they are."""

    def __init__(self, client: httpx.Client, root: str = "/api/") -> None:
        self._client = client
        self._root = root
        self.token: str | None = None

    def ask(self, method: str, call: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": self.token} if self.token is not None else {}
        content = {} if body is None else {"json": body}
        return self._client.request(method, f"{self._root}{call}", headers=headers, **content)

    def login(self, username: str, password: str) -> httpx.Response:
        answer = self.ask("POST", "login", {"username": username, "password": password})
        if answer.status_code == 200:
            self.token = answer.text
        return answer

    def get(self, call: str) -> Any:
        answer = self.ask("GET", call)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def edge(redis_url: str) -> Iterator[EdgeDouble]:
    edge = EdgeDouble(redis_url)
    edge.tell(STATE)
    edge.beat()
    yield edge
    edge.close()


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def api(tmp_path: Path, redis_url: str, sqlite_url: str, edge: EdgeDouble) -> Iterator[RunningApi]:
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        yield api


@pytest.fixture(params=["lan", "relay", "lan, typed without a slash"])
def app(request: pytest.FixtureRequest, api: RunningApi, store: Store) -> App:
    """Logged in as an admin who has a second factor, without its code."""
    users.set_totp_secret(store, "admin", totp.new_secret())
    client = api.relay if request.param == "relay" else api.lan
    app = App(client, "/api" if "without" in request.param else "/api/")
    assert app.login("admin", PASSWORD).status_code == 200
    return app


@contextmanager
def obeying(edge: EdgeDouble, last: Status) -> Iterator[list[Any]]:
    """Inside, every command ends like that at once; the list gets what was wished."""
    done, wished = threading.Event(), list[Any]()

    def obey() -> None:
        seen = 0
        while not done.wait(0.02):
            commands = edge.taken()[seen:]
            seen += len(commands)
            for command in commands:
                wished.append(dict(command.wishes))
                edge.report(replace(accepted(command), status=last, detail="told so"))

    thread = threading.Thread(target=obey)
    thread.start()
    try:
        yield wished
    finally:
        done.set()
        thread.join()


def recorded(user: str | None, started_at: int) -> SessionRecord:
    row = SessionRow(
        charge_point="1",
        started_at=started_at,
        ended_at=started_at + 7200,
        charging_s=3600,
        meter_start_wh=1000,
        meter_end_wh=12_000,
        energy_wh=11_000,
        mode="pv",
        user_name=user,
    )
    return SessionRecord(session=row)


def test_every_call_of_the_app_decodes(app: App, store: Store) -> None:
    """On the LAN, through the relay, and with a root that was typed without its slash: no code is ever needed."""
    sessions.upsert(store, [recorded("driver", NOW - 20_000), recorded(None, NOW - 90_000)])
    legacy_app.check(legacy_app.VALUES, app.get("values"))
    mode = app.get("lademodus")
    legacy_app.check(legacy_app.CHARGE_MODE, mode)
    assert mode == {"modusName": "PV Überschuss", "modus": 2}
    log = app.get("ladelog?limit=10")
    legacy_app.check(legacy_app.CHARGE_LOG, log)
    assert [entry["start"] for entry in log["log"]] == [(NOW - 20_000) * 1000, (NOW - 90_000) * 1000]
    people = app.get("user/all")
    legacy_app.check([legacy_app.PERSON], people)
    assert {person["username"]: person["admin"] for person in people} == {
        "viewer": False,
        "driver": False,
        "admin": True,
    }
    assert app.ask("PATCH", "user/@me", {"password": "another good password"}).status_code == 200
    legacy_app.check(legacy_app.VALUES, app.get("values"))


def test_the_dormant_calls_answer_too(api: RunningApi, edge: EdgeDouble) -> None:
    """Older builds read details; the site's flags come from the raw mirror."""
    edge.mirror({"openWB/boolDisplayDailyCharged": "1"})
    app = App(api.lan)
    app.login("viewer", PASSWORD)
    for call in ("globals", "details/globals"):
        told = app.get(call)
        legacy_app.check(legacy_app.SITE, told)
        assert told["boolDisplayDailyCharged"] == 1
    for call in ("verbrauch", "details/verbrauch"):
        legacy_app.check(legacy_app.CONSUMPTION, app.get(call))
    legacy_app.check(legacy_app.CHARGE_POINT, app.get("details/ladepunkt"))
    legacy_app.check(legacy_app.PERSON, app.get("user/@me"))


@pytest.mark.parametrize("name", ["a", "ab", "abc", "Jürgen", "why?>~", "名前ん"])
def test_the_token_is_read_whatever_the_name(api: RunningApi, store: Store, name: str) -> None:
    """Bare text with two dots; its payload decodes by the app's own way."""
    known = users.get(store, "driver")
    assert known is not None
    users.add(store, name=name, password_hash=known.password_hash, role="driver", created_at=NOW)
    answer = App(api.lan).login(name, PASSWORD)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == answer.text.strip()
    assert answer.text.count(".") == 2
    told = legacy_app.claims(answer.text)
    legacy_app.check(legacy_app.PERSON, told)
    assert told["username"] == name


class TestErrors:
    def test_they_are_403_where_others_are_401(self, api: RunningApi) -> None:
        """The app knows "not logged in" by 403 alone, and crashes on a body that is not UTF-8."""
        app = App(api.relay)
        for answer in (
            app.login("admin", "not the password"),
            app.login("nobody", "not the password"),
            app.ask("GET", "values"),
            app.ask("GET", "ladelog?limit=25"),
        ):
            assert answer.status_code == 403
            assert answer.json()["status"] == 403
            assert "www-authenticate" not in answer.headers
        app.token = "a.b.c"
        assert app.ask("GET", "values").status_code == 403
        assert api.relay.get("/api/v1/state").status_code == 401

    def test_nothing_is_known_yet(self, tmp_path: Path, redis_url: str, sqlite_url: str) -> None:
        """An error, never a 200 with other content."""
        with running_api(tmp_path, redis_url, sqlite_url) as api:
            app = App(api.lan)
            app.login("viewer", PASSWORD)
            for call in ("values", "lademodus", "globals"):
                assert app.ask("GET", call).status_code == 503

    def test_bad_input_is_named(self, api: RunningApi) -> None:
        app = App(api.lan)
        app.login("viewer", PASSWORD)
        for call in ("ladelog?limit=0", "ladelog?limit=101", "ladelog?limit=x", "values?x=1"):
            assert app.ask("GET", call).status_code == 400
        assert app.ask("PATCH", "user/@me", {"password": "short"}).status_code == 400
        assert app.ask("POST", "login", {"username": "viewer"}).status_code == 400
        assert app.ask("POST", "login", {"username": "viewer", "password": PASSWORD, "more": 1}).status_code == 200


class TestToken:
    def test_it_opens_nothing_but_the_apps_routes(self, api: RunningApi, store: Store) -> None:
        """No account, no admin's action, no newer route, however it is sent."""
        users.set_totp_secret(store, "admin", totp.new_secret())
        app = App(api.lan)
        app.login("admin", PASSWORD)
        for scheme in ("", "Bearer "):
            headers = {"authorization": f"{scheme}{app.token}"}
            for method, path in (
                ("GET", "/api/v1/state"),
                ("GET", "/api/v1/me/devices"),
                ("POST", "/api/v1/users"),
                ("POST", "/api/v1/auth/ticket"),
                ("POST", "/api/v1/auth/elevate"),
                ("GET", "/api/v1/live"),
            ):
                assert api.lan.request(method, path, headers=headers).status_code in (401, 403), path
        assert app.ask("PATCH", "user", {"username": "driver", "admin": True}).json()["code"] == "elevation_required"
        assert app.ask("GET", "raw/rest").json()["code"] == "elevation_required"

    def test_it_ends_with_its_device(self, api: RunningApi) -> None:
        """At once, and so it does with a changed password."""
        app = App(api.lan)
        app.login("driver", PASSWORD)
        devices = api.get("/api/v1/me/devices", "driver").json()["items"]
        (device,) = [device for device in devices if device["kind"] == "legacy"]
        headers = api.login("driver")
        assert api.lan.delete(f"/api/v1/me/devices/{device['id']}", headers=headers).status_code == 204
        assert app.ask("GET", "values").status_code == 403
        app.login("driver", PASSWORD)
        other = App(api.lan)
        other.login("driver", PASSWORD)
        assert other.ask("PATCH", "user/@me", {"password": "another good password"}).status_code == 200
        assert app.ask("GET", "values").status_code == 403
        assert other.ask("GET", "values").status_code == 200

    def test_a_token_of_another_login_sets_no_password_without_the_old_one(self, api: RunningApi) -> None:
        """Whoever takes one for its few minutes does not get the account by it."""
        login = api.lan.post("/api/v1/auth/login", json={"username": "driver", "password": PASSWORD}).json()
        answer = api.lan.patch(
            "/api/user/@me",
            json={"password": "another good password"},
            headers={"authorization": f"Bearer {login['access_token']}"},
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
        assert App(api.lan).login("driver", PASSWORD).status_code == 200

    def test_drivers_have_their_own_log(self, api: RunningApi, store: Store) -> None:
        sessions.upsert(store, [recorded("driver", NOW - 20_000), recorded("somebody", NOW - 90_000)])
        app = App(api.lan)
        app.login("driver", PASSWORD)
        assert [entry["start"] for entry in app.get("ladelog?limit=50")["log"]] == [(NOW - 20_000) * 1000]
        assert app.ask("GET", "user/all").status_code == 403

    def test_an_admin_without_a_second_factor_gets_nothing_through_the_relay(self, api: RunningApi) -> None:
        """As everywhere; on the LAN it is enough."""
        app = App(api.relay)
        app.login("admin", PASSWORD)
        assert app.ask("GET", "values").json()["code"] == "totp_required"
        at_home = App(api.lan)
        at_home.login("admin", PASSWORD)
        assert at_home.ask("GET", "values").status_code == 200


class TestElevation:
    def test_a_code_behind_the_password_lets_an_admin_act(self, api: RunningApi, store: Store) -> None:
        """Once for each code; five minutes long, for this login alone."""
        secret = totp.new_secret()
        users.set_totp_secret(store, "admin", secret)
        app, code = App(api.lan), pyotp.TOTP(secret).now()
        assert app.login("admin", f"{PASSWORD}{code}").status_code == 200
        assert app.ask("PATCH", "user", {"username": "driver", "admin": True}).json() == {}
        row = users.get(store, "driver")
        assert row is not None
        assert row.role == "admin"
        assert app.ask("PATCH", "user", {"username": "driver", "admin": False}).status_code == 200
        assert app.ask("PATCH", "user", {"username": "ghost", "admin": False}).status_code == 404
        assert app.ask("PATCH", "user", {"username": "driver"}).status_code == 400
        assert "lademodus" in app.get("raw/rest")
        assert isinstance(app.get("raw/keys"), dict)
        again = App(api.lan)
        assert again.login("admin", f"{PASSWORD}{code}").status_code == 403
        assert again.login("admin", f"{PASSWORD}000000").status_code == 403

    def test_raw_topics_stay_at_home(self, api: RunningApi, store: Store) -> None:
        secret = totp.new_secret()
        users.set_totp_secret(store, "admin", secret)
        app = App(api.relay)
        app.login("admin", f"{PASSWORD}{pyotp.TOTP(secret).now()}")
        assert app.ask("GET", "raw/keys").json()["code"] == "not_from_here"

    def test_a_password_that_ends_with_digits_is_one(self, api: RunningApi, store: Store) -> None:
        app = App(api.lan)
        app.login("driver", PASSWORD)
        assert app.ask("PATCH", "user/@me", {"password": "good password 123456"}).status_code == 200
        assert App(api.lan).login("driver", "good password 123456").status_code == 200
        assert App(api.lan).login("driver", "good password 123456492039").status_code == 403


class TestChargeMode:
    @pytest.mark.parametrize(("call", "mode"), [("3", "stop"), ("4", "standby"), ("pvuberschuss", "pv")])
    def test_it_is_set_by_openwbs_numbers_and_names(
        self, api: RunningApi, edge: EdgeDouble, call: str, mode: str
    ) -> None:
        """Through the ordinary commands, which the wallbox confirms."""
        app = App(api.relay)
        app.login("driver", PASSWORD)
        with obeying(edge, Status.CONFIRMED) as wished:
            answer = app.ask("POST", f"lademodus/{call}", [])
        assert (answer.status_code, answer.json()) == (200, {})
        assert wished == [{"mode": mode}]

    def test_what_the_wallbox_did_not_do_is_no_success(self, api: RunningApi, edge: EdgeDouble) -> None:
        app = App(api.lan)
        app.login("driver", PASSWORD)
        with obeying(edge, Status.TIMED_OUT):
            answer = app.ask("POST", "lademodus/0", [])
        assert (answer.status_code, answer.json()["detail"]) == (409, "told so")
        assert app.ask("POST", "lademodus/9", []).status_code == 404
        looking = App(api.lan)
        looking.login("viewer", PASSWORD)
        assert looking.ask("POST", "lademodus/0", []).status_code == 403
