"""The door on real sockets: who has no valid token of that very site does not reach the home line."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from common.security.device_keys import decode_public_key
from common.security.tokens import ACCESS, TICKET, TokenKey
from relay.throttle import NETWORK_TRIES
from tests.kit import site_tokens, tunnel_stack
from tests.kit.api_client import PASSWORD, running_api
from tests.kit.ports import reserved_port
from tests.kit.servers import RedisServer
from tests.kit.site_tokens import KEY
from tests.kit.waiting import eventually

SITE = "home"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[tunnel_stack.Relay]:
    url = f"redis://127.0.0.1:{redis_server.port}/7"
    with (
        reserved_port() as metrics,
        tunnel_stack.relay(tmp_path_factory.mktemp("relay"), url, metrics=f"127.0.0.1:{metrics}") as running,
    ):
        yield running


@pytest.fixture(scope="module")
def site_url(relay: tunnel_stack.Relay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with (
        tunnel_stack.site_api(tmp_path_factory.mktemp("api")) as api_socket,
        tunnel_stack.edge(relay, SITE, tmp_path_factory.mktemp("edge"), api_socket),
    ):
        yield relay.site_url(SITE)


def marked(site_url: str) -> int:
    """How often something reached the site that should not."""
    return int(httpx.get(f"{site_url}/api/counts", headers=site_tokens.headers(), timeout=20).json()["marked"])


def base64url(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def payload(**changes: object) -> dict[str, object]:
    now = int(time.time())
    told = {"sub": "viewer", "role": "viewer", "site": KEY.site, "sid": "s", "jti": "j", "iat": now, "exp": now + 900}
    return told | {"until": now + 900, "aud": ACCESS} | changes


def forged() -> dict[str, str]:
    good = site_tokens.token()
    head, body, signature = good.split(".")
    stranger = Ed25519PrivateKey.generate()
    public = decode_public_key(KEY.public_text)
    return {
        "none": "",
        "no token": "nonsense",
        "expired": site_tokens.token(ttl_s=-120),
        "another site's, by the same key": site_tokens.token(TokenKey(KEY._private_key, "another site")),
        "by another key": site_tokens.token(TokenKey(stranger, KEY.site)),
        "alg none": f"{base64url({'alg': 'none', 'typ': 'JWT'})}.{base64url(payload())}.",
        "alg none with a signature": f"{base64url({'alg': 'none'})}.{body}.{signature}",
        "HS256 with the public key": jwt.encode(payload(), public, "HS256"),
        "another payload": f"{head}.{base64url(payload(role='admin'))}.{signature}",
        "a cut signature": good[:-4],
        "a ticket": site_tokens.ticket(),
        "of no audience": jwt.encode({**payload(), "aud": "x"}, KEY._private_key, "EdDSA"),
        "without an end": jwt.encode({k: v for k, v in payload().items() if k != "exp"}, KEY._private_key, "EdDSA"),
        "too long": good + "x" * 3000,
    }


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_only_a_valid_token_of_the_site_passes(site_url: str) -> None:
    """Whatever is wrong with it gets the same 401, and the site is not asked."""
    before = marked(site_url)
    answered = {}
    for what, token in forged().items():
        for value in (f"Bearer {token}".strip(), token):
            answer = httpx.post(f"{site_url}/api/marked/x", headers={"authorization": value}, timeout=20)
            answered[what] = (answer.status_code, answer.json()["code"])
    nothing = httpx.post(f"{site_url}/api/marked/x", timeout=20)
    assert {what: told for what, told in answered.items() if told != (403, "invalid_token")} == {}
    assert (nothing.status_code, nothing.json()["code"]) == (403, "login_required")
    assert marked(site_url) == before
    # 403 is what the existing app knows on its own routes; all others say 401.
    answer = httpx.get(f"{site_url}/api/v1/state", headers={"authorization": "Bearer nonsense"}, timeout=20)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_ticket_opens_a_websocket_and_nothing_else(relay: tunnel_stack.Relay, site_url: str) -> None:
    """Browsers cannot send a token there. As a query of a plain request it is worth nothing, nor is a token."""
    with connect(f"{relay.websocket_url(SITE)}/api/ws?ticket={site_tokens.ticket()}", proxy=None) as ws:
        ws.send("hello")
        assert ws.recv(20) == "hello"
    before = marked(site_url)
    answer = httpx.get(f"{site_url}/api/marked/x?ticket={site_tokens.ticket()}", timeout=20)
    assert answer.json()["code"] == "login_required"
    assert marked(site_url) == before
    stale = KEY.issue(f"{TICKET}:process", user="viewer", role="viewer", session_id="s", ttl_s=-120)[0]
    others = site_tokens.ticket(TokenKey(KEY._private_key, "another site"))
    for wrong in (site_tokens.token(), stale, others, "", "nonsense"):
        with (
            pytest.raises(InvalidStatus) as caught,
            connect(f"{relay.websocket_url(SITE)}/api/ws?ticket={wrong}", proxy=None),
        ):
            pass
        assert caught.value.response.status_code in (401, 403)


def test_logins_pass_without_a_token_and_are_throttled_by_address(relay: tunnel_stack.Relay, site_url: str) -> None:
    """A flood of them stays outside; who tries from elsewhere does not feel it."""
    answered = [login(relay, "127.0.0.21") for _ in range(NETWORK_TRIES + 1)]
    assert {status for status, _ in answered[:NETWORK_TRIES]} == {404}  # the small api knows no logins: it was asked
    status, text = answered[-1]
    assert status == 429
    assert "retry-after: " in text
    assert "application/problem+json" in text
    assert '"too_many_attempts"' in text
    assert login(relay, "127.0.0.22")[0] == 404


def test_an_edge_that_tells_no_key_gets_logins_only(relay: tunnel_stack.Relay, tmp_path: Path) -> None:
    """An old one, or one whose api was never up: a token cannot be told from a forged one, so it is later, not yes."""
    edge = tunnel_stack.Edge(tmp_path / "edge", tmp_path / "none.sock")
    edge.enrol(relay, "old")
    edge.start()
    try:
        eventually(lambda: edge.status == "ok", 20, "the tunnel")
        url = relay.site_url("old")
        answer = httpx.get(f"{url}/api/v1/state", headers=site_tokens.headers(), timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (503, "token_key_unknown")
        assert int(answer.headers["retry-after"]) >= 1
        tried = httpx.post(f"{url}/api/v1/auth/login", json={}, timeout=20)
        assert (tried.status_code, tried.json()["code"]) == (502, "tunnel_upstream")  # it was carried
    finally:
        edge.stop()


def login(relay: tunnel_stack.Relay, source: str) -> tuple[int, str]:
    """Status and text of the answer to a try from that address."""
    head = f"POST /s/{SITE}/api/v1/auth/login HTTP/1.1\r\nHost: r\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20, source_address=(source, 0)) as sock:
        sock.sendall(head.encode())
        answer = b""
        while piece := sock.recv(4096):
            answer += piece
    return int(answer[9:12]), answer.decode()


def test_a_token_of_a_login_that_has_ended_reaches_home_once(
    tmp_path: Path, redis_server: RedisServer, relay: tunnel_stack.Relay
) -> None:
    """The real api refuses it, by which the door learns; as HTTP and as a websocket. The next login is let in."""
    redis_url = f"redis://127.0.0.1:{redis_server.port}/7"
    with running_api(tmp_path / "api", redis_url, f"sqlite://{tmp_path / 'store.sqlite'}") as api:
        edge = tunnel_stack.Edge(tmp_path / "edge", api.settings.relay_socket)
        edge.enrol(relay, "ended")
        edge.start()
        try:
            url = relay.site_url("ended")

            def status(token: str) -> int:
                answer = httpx.get(f"{url}/api/v1/me", headers={"authorization": f"Bearer {token}"}, timeout=20)
                return answer.status_code

            def logged_in() -> str:
                body = {"username": "viewer", "password": PASSWORD}
                return str(api.lan.post("/api/v1/auth/login", json=body).json()["access_token"])

            token = logged_in()
            eventually(lambda: status(token) == 200, 20, f"the site being online: {edge.detail}")
            assert api.lan.post("/api/v1/auth/logout", headers={"authorization": f"Bearer {token}"}).status_code == 204
            before = carried(relay)
            assert [status(token) for _ in range(20)] == [401] * 20
            with pytest.raises(InvalidStatus) as caught:
                connect(
                    f"{relay.websocket_url('ended')}/api/v1/live",
                    additional_headers={"authorization": f"Bearer {token}"},
                    proxy=None,
                )
            assert caught.value.response.status_code == 401
            assert carried(relay) == before + 1
            assert status(logged_in()) == 200
        finally:
            edge.stop()


def carried(relay: tunnel_stack.Relay) -> float:
    """Requests that went on to a site."""
    return relay.figure("wallport_relay_requests_total")
