"""What needs a code or the password again, at home and through a relay that reads, over the two real listeners."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from api.access import RULES
from common.security import totp
from common.store import users
from common.store.bind import Store, open_store
from tests.kit.api_client import PASSWORD, RunningApi, problem, running_api
from tests.kit.waiting import eventually

AUDIT = "/api/v1/admin/audit"
MINTS = [path for (_, path), rule in RULES.items() if rule.asks_again]


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def api(tmp_path: Path, redis_url: str, sqlite_url: str, store: Store) -> Iterator[RunningApi]:
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        yield api


@pytest.fixture
def app(store: Store) -> pyotp.TOTP:
    """The admin's authenticator app."""
    secret = totp.new_secret()
    users.set_totp_secret(store, "admin", secret)
    return pyotp.TOTP(secret)


def minting(path: str) -> dict[str, Any]:
    return {"name": "ha", "scopes": ["read"]} if path.endswith("api-tokens") else {}


class TestThroughTheRelay:
    def test_a_code_opens_its_own_request_and_nothing_else(self, api: RunningApi, app: pyotp.TOTP) -> None:
        """Not the next request, not the same once more, and no five minutes."""
        headers = api.login("admin")
        assert problem(api.relay.get(AUDIT, headers=headers))["code"] == "code_required"
        code = {"wallport-code": app.now()}
        assert api.relay.get(AUDIT, headers={**headers, **code}).status_code == 200
        assert problem(api.relay.get(AUDIT, headers={**headers, **code}))["code"] == "wrong_code"
        assert problem(api.relay.get(AUDIT, headers=headers))["code"] == "code_required"
        assert problem(api.lan.get(AUDIT, headers=headers))["code"] == "elevation_required"

    def test_what_was_elevated_at_home_cannot_be_ridden(self, api: RunningApi, app: pyotp.TOTP) -> None:
        headers = api.login("admin")
        code = {"code": app.now()}
        assert problem(api.relay.post("/api/v1/auth/elevate", json=code, headers=headers))["code"] == "not_from_here"
        assert api.lan.post("/api/v1/auth/elevate", json=code, headers=headers).status_code == 200
        assert api.lan.get(AUDIT, headers=headers).status_code == 200
        assert problem(api.relay.get(AUDIT, headers=headers))["code"] == "code_required"
        me = api.relay.get("/api/v1/me", headers=headers).json()
        assert (me["elevated_until"], me["may_change_keys"]) == (None, False)
        assert api.lan.get("/api/v1/me", headers=headers).json()["may_change_keys"] is True

    def test_anothers_cards_need_a_code_too(self, api: RunningApi, app: pyotp.TOTP) -> None:
        """Where only some requests of a route need elevation."""
        path, body, headers = "/api/v1/users/driver/tags", {"tag": "04a1b2c3"}, api.login("admin")
        assert api.lan.post("/api/v1/auth/elevate", json={"code": app.now()}, headers=headers).status_code == 200
        assert problem(api.relay.post(path, json=body, headers=headers))["code"] == "code_required"
        assert api.lan.post(path, json=body, headers=headers).status_code == 201

    def test_a_code_behind_the_existing_apps_password_opens_nothing_there(
        self, api: RunningApi, app: pyotp.TOTP
    ) -> None:
        login = api.relay.post("/api/login", json={"username": "admin", "password": PASSWORD + app.now()})
        assert login.status_code == 200
        headers = {"authorization": login.text}
        change = {"username": "driver", "password": "quite another one"}
        assert problem(api.relay.patch("/api/user", json=change, headers=headers))["code"] == "not_from_here"
        assert problem(api.lan.patch("/api/user", json=change, headers=headers))["code"] == "elevation_required"


class TestKeys:
    def test_stay_at_home_whatever_comes_along(self, api: RunningApi, app: pyotp.TOTP) -> None:
        """The right password, the right code, and a login that is elevated at home."""
        headers = api.login("admin")
        assert api.lan.post("/api/v1/auth/elevate", json={"code": app.now()}, headers=headers).status_code == 200
        keys = [key for key, rule in RULES.items() if rule.is_keys]
        assert len(keys) == 11
        for method, path in keys:
            path = path.replace("{name}", "driver")
            body = {**minting(path), "password": PASSWORD}
            code = {"wallport-code": app.now()}
            answer = api.relay.request(method, path, json=body, headers={**headers, **code})
            assert problem(answer)["code"] == "not_from_here", path

    def test_pass_where_the_owner_says_so_each_with_its_code(
        self, tmp_path: Path, redis_url: str, sqlite_url: str
    ) -> None:
        """But an admin's first second factor stays at home."""
        with running_api(tmp_path, redis_url, sqlite_url, WALLPORT_API_RELAY_MAY_SEE_KEYS="true") as api:
            headers = api.login("admin")
            for path in ("me/totp", "me/totp/confirm"):
                answer = api.relay.post(f"/api/v1/{path}", json={"password": PASSWORD}, headers=headers)
                assert problem(answer)["code"] == "totp_required"
            store = open_store(sqlite_url)
            secret = totp.new_secret()
            users.set_totp_secret(store, "admin", secret)
            store.close()
            user = {"name": "Bert", "password": PASSWORD, "role": "viewer"}

            def refused_without() -> bool:
                answer = api.relay.post("/api/v1/users", json=user, headers=headers)
                return bool(problem(answer)["code"] == "code_required")

            eventually(refused_without, 5, "the api knowing of the second factor")
            code = {"wallport-code": pyotp.TOTP(secret).now()}
            assert api.relay.post("/api/v1/users", json=user, headers={**headers, **code}).status_code == 201
            driver = api.login("driver")
            begun = api.relay.post("/api/v1/me/totp", json={"password": PASSWORD}, headers=driver)
            first = {"code": pyotp.TOTP(begun.json()["secret"]).now()}
            confirmed = api.relay.post("/api/v1/me/totp/confirm", json=first, headers=driver)
            assert confirmed.json()["elevated_until"] is None


class TestMinting:
    @pytest.mark.parametrize("path", MINTS)
    def test_asks_for_the_password_again(self, api: RunningApi, path: str) -> None:
        """A token alone makes none that lives longer."""
        headers = api.login("viewer")
        for body, code in (
            ({}, "password_required"),
            ({"password": None}, "password_required"),
            ({"password": ""}, "login_failed"),
            ({"password": "wrong"}, "login_failed"),
        ):
            refused = api.lan.post(path, json={**minting(path), **body}, headers=headers)
            assert problem(refused)["code"] == code
        made = api.lan.post(path, json={**minting(path), "password": PASSWORD}, headers=headers)
        assert made.status_code in (200, 201)

    @pytest.mark.parametrize("path", [path for path in MINTS if "totp" not in path])
    def test_asks_who_has_a_second_factor_for_a_code(self, api: RunningApi, app: pyotp.TOTP, path: str) -> None:
        """The password does not do, since whoever read it once has it; a code with the request, or of the last minutes
        at home, does."""
        headers, body = api.login("admin"), {**minting(path), "password": PASSWORD}
        assert problem(api.lan.post(path, json=body, headers=headers))["code"] == "elevation_required"
        code = {"wallport-code": app.now()}
        assert api.lan.post(path, json=minting(path), headers={**headers, **code}).status_code in (200, 201)
        assert problem(api.lan.post(path, json=body, headers=headers))["code"] == "elevation_required"

    def test_a_code_is_asked_for_once_in_five_minutes_at_home(self, api: RunningApi, app: pyotp.TOTP) -> None:
        headers = api.login("admin")
        assert api.lan.post("/api/v1/auth/elevate", json={"code": app.now()}, headers=headers).status_code == 200
        assert api.lan.post("/api/v1/auth/pairing", headers=headers).status_code == 200
        assert api.lan.post("/api/v1/me/api-tokens", json=minting("api-tokens"), headers=headers).status_code == 201
