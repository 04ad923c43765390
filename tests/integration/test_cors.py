"""A page of another origin uses a real api, at home and through a real relay: what a browser asks and is told."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.handlers.codes import CODE_HEADER
from tests.kit import tunnel_stack
from tests.kit.api_client import PASSWORD, RunningApi, problem, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.servers import RedisServer
from tests.kit.states import SITE
from tests.kit.waiting import eventually

APP, EVIL = "https://app.example.org", "https://evil.example"
NAME = "home"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[RunningApi]:
    redis_server.flush()
    edge = EdgeDouble(redis_server.url)
    edge.tell(SITE)
    edge.beat()
    folder = tmp_path_factory.mktemp("api")
    database = f"sqlite://{folder / 'store.sqlite'}"
    with running_api(folder, redis_server.url, database, WALLPORT_CORS_ORIGINS=APP) as api:
        yield api
    edge.close()


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, api: RunningApi) -> Iterator[str]:
    """The site's address at the relay."""
    redis_url = f"redis://127.0.0.1:{redis_server.port}/7"
    with (
        tunnel_stack.relay(tmp_path_factory.mktemp("relay"), redis_url, WALLPORT_CORS_ORIGINS=APP) as relay,
        tunnel_stack.edge(relay, NAME, tmp_path_factory.mktemp("edge"), api.settings.relay_socket, is_answering=False),
    ):
        url = relay.site_url(NAME)
        eventually(lambda: httpx.get(f"{url}/api/v1/state", headers=api.login("viewer")).status_code == 200, 20)
        yield url


@pytest.fixture(params=["lan", "relay"])
def base_url(request: pytest.FixtureRequest, api: RunningApi, away: str) -> str:
    return str(api.lan.base_url).rstrip("/") if request.param == "lan" else away


def ask(url: str, origin: str) -> httpx.Response:
    """A browser's question before a command; it carries no token."""
    asked = {"access-control-request-method": "PATCH", "access-control-request-headers": "authorization,content-type"}
    return httpx.options(f"{url}/api/v1/chargepoints/1", headers={"origin": origin, **asked}, trust_env=False)


def test_a_listed_page_may_send_what_the_api_takes(base_url: str) -> None:
    """204 without a login, before anything is asked of the site."""
    answer = ask(base_url, APP)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert {"authorization", CODE_HEADER} <= set(answer.headers["access-control-allow-headers"].split(", "))


def test_other_pages_are_answered_as_before(base_url: str) -> None:
    """No field of CORS, whatever they ask."""
    answer = ask(base_url, EVIL)
    assert answer.status_code in (401, 405)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_listed_page_may_read_answers_and_errors(base_url: str, api: RunningApi) -> None:
    """Values, a problem of the api, and a refusal at the relay's door or the api's."""
    url = f"{base_url}/api/v1/state"
    state = httpx.get(url, headers={**api.login("viewer"), "origin": APP}, trust_env=False)
    bad = httpx.get(f"{url}?fields=bogus", headers={**api.login("viewer"), "origin": APP}, trust_env=False)
    nobody = httpx.get(url, headers={"origin": APP}, trust_env=False)
    assert [answer.status_code for answer in (state, bad, nobody)] == [200, 400, 401]
    for answer in (state, bad, nobody):
        assert answer.headers["access-control-allow-origin"] == APP
        assert "Origin" in answer.headers["vary"]
    assert state.headers["vary"] == "authorization, Origin"
    assert "etag" in state.headers["access-control-expose-headers"]
    assert problem(bad)["code"] == "invalid_input"


def test_a_listed_page_may_log_in(base_url: str) -> None:
    """Others may not: a wrong password would count against their visitor."""
    answers = {
        origin: httpx.post(
            f"{base_url}/api/v1/auth/login",
            json={"username": "viewer", "password": PASSWORD},
            headers={"origin": origin},
            trust_env=False,
        )
        for origin in (APP, EVIL)
    }
    assert answers[APP].status_code == 200
    assert answers[APP].headers["access-control-allow-origin"] == APP
    assert problem(answers[EVIL])["code"] == "foreign_origin"


@pytest.mark.parametrize("origin", [EVIL, "null", ""])
def test_other_pages_may_read_nothing(base_url: str, api: RunningApi, origin: str) -> None:
    """Also with a token that is right."""
    answer = httpx.get(f"{base_url}/api/v1/state", headers={**api.login("viewer"), "origin": origin}, trust_env=False)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_no_answer_has_an_empty_alt_svc(base_url: str, api: RunningApi) -> None:
    """Sanic puts one into each."""
    for path in ("/api/v1/state", "/api/v1/sessions.csv", "/nowhere", "/api/v1/state?fields=bogus"):
        answer = httpx.get(f"{base_url}{path}", headers=api.login("viewer"), trust_env=False)
        assert "alt-svc" not in answer.headers, path


def test_by_default_no_page_may(tmp_path: Path, redis_server: RedisServer) -> None:
    """The list is empty, so nothing of CORS is said and nothing depends on the origin."""
    with running_api(tmp_path, redis_server.url, f"sqlite://{tmp_path / 'store.sqlite'}") as api:
        url = str(api.lan.base_url).rstrip("/")
        assert ask(url, APP).status_code == 405
        answer = api.get("/api/v1/me", headers={"origin": APP})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "vary" not in answer.headers
