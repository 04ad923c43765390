"""Whoever guesses passwords and codes, with the widest addresses there are, over the api's two real listeners."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyotp
import pytest

from api.access import RULES
from api.throttle import STRANGERS
from api.tries import ACCOUNT_CODES, MOST_WRONG
from common.security import totp
from common.security.tokens import ACCESS, TokenKey
from common.store import users
from common.store.bind import Store, open_store
from tests.kit.api_client import PASSWORD, RunningApi, problem, running_api

LOGIN = "/api/v1/auth/login"
OWNER = "198.51.100.7"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def api(tmp_path: Path, redis_url: str, sqlite_url: str, store: Store) -> Iterator[RunningApi]:
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        yield api


def network(number: int) -> dict[str, str]:
    """What a relay passes on of a phone: another /48 for each number, as one that lies may say."""
    return {"x-wallport-client-address": f"2001:{number:x}:{number:x}::1"}


def tried(api: RunningApi, password: str, headers: dict[str, str], name: str = "driver") -> httpx.Response:
    return api.relay.post(LOGIN, json={"username": name, "password": password}, headers=headers)


def second_factor(store: Store, name: str) -> pyotp.TOTP:
    secret = totp.new_secret()
    users.set_totp_secret(store, name, secret)
    return pyotp.TOTP(secret)


def wrong(app: pyotp.TOTP) -> str:
    """A code that is none of now, nor of the minutes around."""
    near = {app.at(time.time() + offset_s) for offset_s in range(-300, 301, 30)}
    return next(code for code in (f"{number:06}" for number in range(100)) if code not in near)


class TestPasswords:
    def test_a_relay_that_names_another_network_each_time_gets_few_tries(self, api: RunningApi) -> None:
        """All in all, with the right password among what is refused then. What this home knows still passes: at home,
        the network that logged in before, and anywhere a device that brings a token of its login, though that is over.
        """
        first = tried(api, PASSWORD, {"x-wallport-client-address": OWNER})
        assert first.status_code == 200
        codes = [problem(tried(api, f"wrong {n}", network(n)))["code"] for n in range(1, STRANGERS + 30)]
        assert codes == ["login_failed"] * STRANGERS + ["too_many_attempts"] * 29
        refused = tried(api, PASSWORD, network(5000))
        assert problem(refused)["code"] == "too_many_attempts"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert tried(api, PASSWORD, {"x-wallport-client-address": OWNER}).status_code == 200
        assert api.lan.post(LOGIN, json={"username": "driver", "password": PASSWORD}).status_code == 200
        key = TokenKey.from_file(api.settings.token_key_file, api.settings.site_name)
        login = key.verify(ACCESS, first.json()["access_token"]).session_id
        over, _ = key.issue(ACCESS, user="driver", role="driver", session_id=login, ttl_s=-3600)
        for number, token in enumerate((f"Bearer {over}", f"bearer  {over}")):
            known = {**network(6000 + number), "authorization": token}
            assert tried(api, PASSWORD, known).status_code == 200
        other = api.login("viewer")  # of somebody else, of a login that never was, of another site
        unknown, _ = key.issue(ACCESS, user="driver", role="driver", session_id="x", ttl_s=60)
        foreign, _ = TokenKey.from_file(api.settings.token_key_file, "other").issue(
            ACCESS, user="driver", role="driver", session_id=login, ttl_s=60
        )
        for token in (other["authorization"], f"Bearer {unknown}", f"Bearer {foreign}", "Bearer x", "x"):
            answer = tried(api, PASSWORD, {**network(7000), "authorization": token})
            assert problem(answer)["code"] == "too_many_attempts"

    def test_a_stolen_token_guesses_no_password(self, api: RunningApi) -> None:
        """Wherever a login is asked for its password again: too many wrong ones end it."""
        for path, body in (
            ("me/password", {"old_password": "wrong", "new_password": "quite another one"}),
            ("me/api-tokens", {"name": "x", "scopes": ["read"], "password": "wrong"}),
            ("auth/pairing", {"password": "wrong"}),
            ("me/totp", {"password": "wrong"}),
        ):
            api.tokens.pop("viewer", None)
            method = "PUT" if path == "me/password" else "POST"
            codes = []
            for _ in range(MOST_WRONG + 1):
                answer = api.lan.request(method, f"/api/v1/{path}", json=body, headers=api.login("viewer"))
                codes.append(problem(answer)["code"])
            assert codes == ["login_failed"] * MOST_WRONG + ["login_required"], path


class TestCodes:
    def test_five_wrong_ones_end_their_login(self, api: RunningApi, store: Store) -> None:
        """On the LAN, and through the relay from another network each time; the answer counts down."""
        app = second_factor(store, "admin")
        for client in (api.lan, api.relay):
            api.tokens.pop("admin", None)
            for n in range(MOST_WRONG):
                headers = {**api.login("admin"), **network(n + 1), "wallport-code": wrong(app)}
                refused = problem(client.get("/api/v1/admin/audit", headers=headers))
                assert (refused["code"], refused["tries_left"]) == ("wrong_code", MOST_WRONG - 1 - n)
            ended = client.get("/api/v1/admin/audit", headers={**api.login("admin"), "wallport-code": app.now()})
            assert problem(ended)["code"] == "login_required"

    def test_whoever_knows_the_password_has_few_for_the_account(self, api: RunningApi, store: Store) -> None:
        """In however many logins, from however many networks, by header or behind the existing app's password; then the
        right one is refused there, too. At home the household goes on."""
        app = second_factor(store, "admin")
        judged, number = 0, 0
        while judged < ACCOUNT_CODES:
            number += 1
            login = tried(api, PASSWORD, network(number), "admin").json()["access_token"]
            headers = {"authorization": f"Bearer {login}", "wallport-code": wrong(app)}
            for n in range(MOST_WRONG if number % 2 else 1):
                if judged == ACCOUNT_CODES:
                    break
                answer = api.relay.get("/api/v1/admin/audit", headers={**headers, **network(9000 + n)})
                assert problem(answer)["code"] == "wrong_code"
                judged += 1
        login = tried(api, PASSWORD, network(1), "admin").json()["access_token"]
        headers = {"authorization": f"Bearer {login}", "wallport-code": app.now(), **network(9999)}
        assert problem(api.relay.get("/api/v1/admin/audit", headers=headers))["code"] == "too_many_attempts"
        legacy = {"username": "admin", "password": PASSWORD + app.now()}
        refused = api.relay.post("/api/login", json=legacy, headers=network(1))
        assert problem(refused)["code"] == "too_many_attempts"
        at_home = {**api.login("admin"), "wallport-code": app.now()}
        assert api.lan.get("/api/v1/admin/audit", headers=at_home).status_code == 200

    def test_a_wrong_first_code_counts_alike(self, api: RunningApi) -> None:
        """Of an enrolment that waits."""
        headers = api.login("driver")
        begun = api.lan.post("/api/v1/me/totp", json={"password": PASSWORD}, headers=headers).json()
        body = {"code": wrong(pyotp.TOTP(begun["secret"]))}
        for left in range(MOST_WRONG - 1, -1, -1):
            refused = problem(api.lan.post("/api/v1/me/totp/confirm", json=body, headers=headers))
            assert (refused["code"], refused["tries_left"]) == ("wrong_code", left)
        assert problem(api.lan.get("/api/v1/me", headers=headers))["code"] == "login_required"


class TestWebPages:
    LOGINS = [path for (method, path), rule in RULES.items() if rule.roles is None and method == "POST"]

    @pytest.mark.parametrize(
        "headers",
        [
            {"content-type": "text/plain;charset=UTF-8", "origin": "https://evil.example"},
            {"content-type": "text/plain"},
            {"content-type": "application/x-www-form-urlencoded"},
            {},
            {"content-type": "application/json", "origin": "https://evil.example"},
            {"content-type": "application/json", "origin": "null"},
        ],
    )
    def test_a_foreign_page_spends_none_of_its_visitors_tries(self, api: RunningApi, headers: dict[str, str]) -> None:
        """A hundred from the owner's own address and network, at every login there is; the right password passes."""
        body = b'{"username": "driver", "password": "wrong"}'
        for path in self.LOGINS:
            for _ in range(100 // len(self.LOGINS) + 1):
                answer = api.lan.post(path, content=body, headers=headers)
                code = "foreign_origin" if headers.get("content-type") == "application/json" else None
                assert problem(answer)["code"] == (code or "unsupported_media_type"), path
        for origin in (f"http://127.0.0.1:{api.port}", None):
            own = {"origin": origin} if origin else {}
            good = {"username": "driver", "password": PASSWORD}
            assert api.lan.post(LOGIN, json=good, headers=own).status_code == 200
