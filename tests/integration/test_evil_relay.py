"""What a relay that was taken over may and may not do to a site: the real edge and the real api against one that lies.

The list for readers is in docs/security.md, "What an evil relay can do".
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyotp
import pytest

from api.access import RULES, Origin
from common.security import totp
from common.security.tokens import ACCESS, TokenKey
from common.store import users
from common.store.bind import open_store
from common.tunnel.errors import ErrorCode
from common.tunnel.frames import (
    Flag,
    FrameType,
    GoAway,
    Kind,
    encode_credit,
    encode_frame,
    encode_goaway,
    encode_message,
)
from common.tunnel.handshake import HIGHEST_FENCE
from common.tunnel.limits import KIB
from edge.tunnel import LONGEST_AWAY_S
from tests.kit import tunnel_stack
from tests.kit.api_client import PASSWORD, RunningApi, running_api
from tests.kit.edge_process import command as edge_command
from tests.kit.evil_relay import Answer, EvilRelay, Grip, evil_relay, open_payload
from tests.kit.memory import resident_bytes
from tests.kit.process import ServerProcess
from tests.kit.servers import RedisServer
from tests.kit.waiting import eventually

AUDIT = "/api/v1/admin/audit"
HOST = (("host", "relay"),)
JSON = {"content-type": "application/json"}
MIB = 1024 * KIB
REFUSALS = {400, 401, 403, 404, 405}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[RunningApi]:
    folder = tmp_path_factory.mktemp("evil")
    redis_url = f"redis://127.0.0.1:{redis_server.port}/10"
    with running_api(folder, redis_url, f"sqlite://{folder / 'store.sqlite'}") as running:
        yield running


@pytest.fixture(scope="module")
def evil() -> Iterator[EvilRelay]:
    with evil_relay() as running:
        yield running


@contextmanager
def enrolled(evil: EvilRelay, api: RunningApi, data_dir: Path) -> Iterator[tunnel_stack.Edge]:
    """The real edge of the real api, enrolled at the evil relay."""
    evil.enrolment(data_dir)
    running = tunnel_stack.Edge(data_dir, api.settings.relay_socket)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def grip(evil: EvilRelay, api: RunningApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grip]:
    """The relay's end of a tunnel that all tests of requests share: none of them ends it."""
    with enrolled(evil, api, tmp_path_factory.mktemp("edge")):
        grip = evil.grip()
        yield grip
        assert grip.close_code is None


@pytest.fixture
def edge(evil: EvilRelay, api: RunningApi, tmp_path: Path) -> Iterator[tunnel_stack.Edge]:
    with enrolled(evil, api, tmp_path) as running:
        yield running


@pytest.fixture
def own_grip(evil: EvilRelay, edge: tunnel_stack.Edge) -> Grip:
    """The relay's end of a tunnel that the test may end."""
    return evil.grip()


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("host", "relay"), ("authorization", f"Bearer {token}"))


def token_of(api: RunningApi, name: str) -> tuple[tuple[str, str], ...]:
    """The fields of a user's live token, as they pass by."""
    return (*api.login(name).items(), ("host", "relay"))


def path_of(route: str) -> str:
    return route.replace("{id}", "1").replace("{name}", "viewer")


@pytest.fixture
def app(api: RunningApi) -> pyotp.TOTP:
    """The admin's authenticator app, fresh: none of its codes was used yet."""
    secret, store = totp.new_secret(), open_store(api.settings.database_url)
    users.set_totp_secret(store, "admin", secret)
    store.close()
    return pyotp.TOTP(secret)


def sent(
    grip: Grip, method: str, path: str, fields: tuple[tuple[str, str], ...], body: Any = None, *, code: str = ""
) -> Answer:
    """A request with a body of JSON and a code, if any."""
    raw = b"" if body is None else json.dumps(body).encode()
    if raw:
        fields = (*fields, ("content-length", str(len(raw))), *JSON.items())
    return grip.ask(method, path, (*fields, ("wallport-code", code)) if code else fields, raw)


LAN_ONLY = [(method, path_of(path)) for (method, path), rule in RULES.items() if Origin.RELAY not in rule.origins]
ELEVATED = [(method, path_of(path)) for (method, path), rule in RULES.items() if rule.needs_elevation]
KEYS = [(method, path_of(path)) for (method, path), rule in RULES.items() if rule.is_keys]


class TestWhatItMay:
    def test_use_a_token_that_passes_until_it_ends(self, api: RunningApi, grip: Grip) -> None:
        """As its user, again and again, for other things than were asked: that is what bearer tokens mean."""
        fields = token_of(api, "viewer")
        assert grip.ask("GET", "/api/v1/me", fields).status == 200
        assert grip.ask("POST", "/api/v1/auth/ticket", fields).status in (200, 201)
        assert grip.ask("GET", "/api/v1/me", fields).status == 200

    def test_go_on_with_a_login_whose_refresh_token_passed_until_the_phone_does(
        self, api: RunningApi, grip: Grip
    ) -> None:
        """Longer than a token lives; the phone's next refresh, also at home, finds it out and ends both."""
        passed = sent(grip, "POST", "/api/v1/auth/login", HOST, {"username": "driver", "password": PASSWORD})
        told = json.loads(passed.body)
        phones = {"refresh_token": told["refresh_token"]}
        for _ in range(3):
            again = sent(grip, "POST", "/api/v1/auth/refresh", HOST, {"refresh_token": told["refresh_token"]})
            told = json.loads(again.body)
        assert grip.ask("GET", "/api/v1/me", bearer(told["access_token"])).status == 200
        assert api.lan.post("/api/v1/auth/refresh", json=phones).status_code == 401
        assert grip.ask("GET", "/api/v1/me", bearer(told["access_token"])).status == 401

    def test_read_a_password_that_is_typed_through_it(self, api: RunningApi, grip: Grip) -> None:
        """And log in with it; the token it gets is an ordinary one of that user."""
        body = json.dumps({"username": "viewer", "password": PASSWORD}).encode()
        fields = (("content-type", "application/json"), ("content-length", str(len(body))), ("host", "relay"))
        answer = grip.ask("POST", "/api/v1/auth/login", fields, body)
        assert answer.status == 200
        token = json.loads(answer.body)["access_token"]
        assert grip.ask("GET", "/api/v1/me", bearer(token)).status == 200


class TestTokens:
    def test_none_can_be_made(self, api: RunningApi, grip: Grip) -> None:
        """Not with a key of its own, the site's name and the edge's public half of the key at hand."""
        assert grip.hello.token_key
        forger = TokenKey.from_file(api.settings.data_dir / "evil.pem", grip.hello.token_key.site)
        forged, _ = forger.issue(ACCESS, user="admin", role="admin", session_id="x", ttl_s=900)
        assert grip.ask("GET", "/api/v1/me", bearer(forged)).status == 401

    @pytest.mark.parametrize("change", ["algorithm none", "signed with the public key", "a role that grew"])
    def test_none_can_be_changed(self, api: RunningApi, grip: Grip, change: str) -> None:
        assert grip.hello.token_key
        head, payload, signature = api.login("viewer")["authorization"].removeprefix("Bearer ").split(".")
        changed = {
            "algorithm none": f"{b64({'alg': 'none', 'typ': 'JWT'})}.{payload}.",
            "signed with the public key": hs256(payload, grip.hello.token_key.key),
            "a role that grew": f"{head}.{b64(unb64(payload) | {'role': 'admin', 'sub': 'admin'})}.{signature}",
        }[change]
        assert grip.ask("GET", "/api/v1/me", bearer(changed)).status == 401

    def test_one_that_was_kept_is_worth_nothing_after_its_end(self, api: RunningApi, grip: Grip) -> None:
        key = TokenKey.from_file(api.settings.token_key_file, api.settings.site_name)
        login = unb64(api.login("viewer")["authorization"].split(".")[1])["sid"]
        kept, _ = key.issue(ACCESS, user="viewer", role="viewer", session_id=login, ttl_s=2)
        assert grip.ask("GET", "/api/v1/me", bearer(kept)).status == 200
        eventually(lambda: grip.ask("GET", "/api/v1/me", bearer(kept)).status == 401, 10, "its end", every_s=0.2)

    def test_one_that_was_kept_is_worth_nothing_after_its_logout(self, api: RunningApi, grip: Grip) -> None:
        body = json.dumps({"username": "driver", "password": PASSWORD}).encode()
        token = api.lan.post("/api/v1/auth/login", content=body, headers=JSON).json()["access_token"]
        assert grip.ask("GET", "/api/v1/me", bearer(token)).status == 200
        left = api.lan.post("/api/v1/auth/logout", headers={"authorization": f"Bearer {token}"})
        assert left.status_code in (200, 204), left.text
        eventually(lambda: grip.ask("GET", "/api/v1/me", bearer(token)).status == 401, 10, "its end", every_s=0.2)

    def test_one_of_another_site_is_worth_nothing(self, api: RunningApi, grip: Grip) -> None:
        """Though the very same key had signed it."""
        key = TokenKey.from_file(api.settings.token_key_file, "another")
        other, _ = key.issue(ACCESS, user="admin", role="admin", session_id="x", ttl_s=900)
        assert grip.ask("GET", "/api/v1/me", bearer(other)).status == 401


class TestOrigin:
    @pytest.mark.parametrize(
        "lies",
        [
            (("x-wallport-origin", "lan"),),
            (("x-forwarded-for", "127.0.0.1"), ("x-forwarded-host", "localhost"), ("x-forwarded-proto", "http")),
            (("forwarded", "for=127.0.0.1;host=localhost"),),
            (("x-real-ip", "127.0.0.1"), ("x-forwarded-server", "localhost")),
            (("x-wallport-client-address", "127.0.0.1"), ("x-wallport-elevated", "yes")),
            (("upgrade", "websocket"), ("connection", "upgrade, x-wallport-client-address")),
        ],
    )
    def test_no_field_makes_a_request_one_of_the_lan(
        self, api: RunningApi, grip: Grip, lies: tuple[tuple[str, str], ...]
    ) -> None:
        """Nor an address that it claims for the phone."""
        true = tuple((name, value) for name, value in token_of(api, "admin") if name not in dict(lies))
        for client_address in ("127.0.0.1", "192.168.1.2", "::1", ""):
            answer = grip.ask("GET", "/api/v1/admin/topics", true + lies, client_address=client_address)
            assert (answer.status, answer.code) == (403, "not_from_here")

    def test_routes_of_the_lan_stay_there(self, api: RunningApi, grip: Grip) -> None:
        """All that api/access.py has, for an admin's token."""
        assert LAN_ONLY
        for method, path in LAN_ONLY:
            assert grip.ask(method, path, token_of(api, "admin")).status in REFUSALS, path

    def test_what_needs_a_code_of_the_app_stays_closed(self, api: RunningApi, grip: Grip) -> None:
        """Everything that wants an elevation, for an admin's token that has none; and none is got by guessing."""
        body = json.dumps({"code": "000000"}).encode()
        fields = (*token_of(api, "admin"), ("content-type", "application/json"), ("content-length", str(len(body))))
        assert grip.ask("POST", "/api/v1/auth/elevate", fields, body).status >= 400
        for method, path in ELEVATED:
            assert grip.ask(method, path, token_of(api, "admin")).status in REFUSALS, path


class TestRightCodes:
    """It has an admin's password and token, and each code that passes: what the phone sends, it has read."""

    def test_a_code_that_passed_is_worth_nothing_more(self, api: RunningApi, grip: Grip, app: pyotp.TOTP) -> None:
        """For no request that needs one, nor for five minutes of any."""
        fields, code = token_of(api, "admin"), app.now()
        assert sent(grip, "GET", AUDIT, fields, code=code).status == 200
        for method, path in (("GET", AUDIT), ("GET", f"{AUDIT}.csv"), ("PATCH", "/api/v1/sessions/1")):
            assert sent(grip, method, path, fields, code=code).code == "wrong_code", path
            assert sent(grip, method, path, fields).code == "code_required", path
        assert sent(grip, "POST", "/api/v1/auth/elevate", fields, {"code": code}).code == "not_from_here"

    def test_one_that_it_held_back_makes_or_changes_no_credentials(
        self, api: RunningApi, grip: Grip, app: pyotp.TOTP
    ) -> None:
        """No admin of its own, no second factor, no pairing, no token, with a code that nobody used yet."""
        fields, code = token_of(api, "admin"), app.now()
        bodies: dict[str, Any] = {
            "/api/v1/users": {"name": "evil", "password": PASSWORD, "role": "admin"},
            "/api/v1/users/viewer": {"role": "admin"},
            "/api/user": {"username": "viewer", "admin": True},
            "/api/v1/me/totp/confirm": {"code": code},
            "/api/v1/me/api-tokens": {"name": "evil", "scopes": ["control"], "password": PASSWORD},
        }
        assert len(KEYS) == 11
        for method, path in KEYS:
            body = None if method == "DELETE" else bodies.get(path, {"password": PASSWORD})
            answer = sent(grip, method, path, fields, body, code=code)
            assert (answer.status, answer.code) == (403, "not_from_here"), path
        login = {"username": "admin", "password": PASSWORD + code}
        old_app = sent(grip, "POST", "/api/login", (("host", "relay"),), login)
        assert old_app.status == 200
        legacy = (("host", "relay"), ("authorization", old_app.body.decode()))
        assert sent(grip, "PATCH", "/api/user", legacy, bodies["/api/user"]).code == "not_from_here"
        accounts = api.get("/api/v1/users", "admin").json()["items"]
        assert {(one["name"], one["role"], one["has_totp"]) for one in accounts} == {
            ("admin", "admin", True),
            ("driver", "driver", False),
            ("viewer", "viewer", False),
        }

    def test_an_elevation_of_the_same_login_at_home_is_not_ridden(
        self, api: RunningApi, grip: Grip, app: pyotp.TOTP
    ) -> None:
        fields = token_of(api, "admin")
        code = {"code": app.now()}
        assert api.lan.post("/api/v1/auth/elevate", json=code, headers=api.login("admin")).status_code == 200
        for method, path in ELEVATED:
            assert sent(grip, method, path, fields).code in ("code_required", "not_from_here"), path

    def test_an_admin_without_a_second_factor_gets_none_of_its(self, api: RunningApi, grip: Grip) -> None:
        """With the right password."""
        store = open_store(api.settings.database_url)
        users.set_totp_secret(store, "admin", None)
        store.close()
        for path in ("/api/v1/me/totp", "/api/v1/me/totp/confirm"):
            body = {"password": PASSWORD} if path.endswith("totp") else {"code": "000000"}
            assert sent(grip, "POST", path, token_of(api, "admin"), body).code == "not_from_here"

    def test_what_it_can_is_to_put_another_request_in_place_of_the_codes_own(
        self, api: RunningApi, grip: Grip, app: pyotp.TOTP
    ) -> None:
        """As docs/security.md says: it holds a request back and spends the code on one that it likes better."""
        assert sent(grip, "GET", f"{AUDIT}.csv", token_of(api, "admin"), code=app.now()).status == 200

    def test_wrong_codes_are_few_whatever_network_it_names(self, api: RunningApi, grip: Grip, app: pyotp.TOTP) -> None:
        """Five, and the login has ended."""
        login = api.lan.post("/api/v1/auth/login", json={"username": "admin", "password": PASSWORD}).json()
        fields = (*bearer(login["access_token"]), ("wallport-code", "abcdef"))
        codes = [
            grip.ask("GET", AUDIT, fields, client_address=f"2001:db8:{number:x}::1").code for number in range(1, 8)
        ]
        assert codes == ["wrong_code"] * 5 + ["login_required"] * 2


class TestTargets:
    @pytest.mark.parametrize(
        "path",
        [
            "//localhost/api/v1/state",
            "/api//v1/state",
            "/api/../healthz",
            "/api/./v1/state",
            "/api/%2e%2e/healthz",
            "/api/v1/..%2f..%2finternal/token-key",
            "/api\\..\\healthz",
            "/%61pi/v1/state",
            "/internal/token-key",
            "/healthz",
            "/metrics",
            "/sw.js/",
            "/assets",
            "/assets/%2e%2e/healthz",
            "/api",
            "/api/%00",
            "/api/%0d%0ahost:%20evil",
            "/api/%",
        ],
    )
    def test_no_path_leads_out_of_the_api(self, api: RunningApi, grip: Grip, path: str) -> None:
        """Told by the edge itself, before the api hears of it."""
        answer = grip.ask("GET", path, token_of(api, "admin"))
        assert answer.status in (400, 404), answer

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "http://192.168.1.1/"),
            ("GET", "localhost:6379"),
            ("CONNECT", "192.168.1.1:22"),
            ("GET", "/api/v1/state HTTP/1.1\r\nhost: x\r\n\r\nGET /internal/token-key"),
            ("TRACE", "/api/v1/state"),
            ("get", "/api/v1/state"),
            ("GET /internal/token-key HTTP/1.1\r\n\r\nGET", "/api/v1/state"),
        ],
    )
    def test_no_other_host_can_be_named(self, api: RunningApi, grip: Grip, method: str, path: str) -> None:
        """Refused by the codec or the edge; the tunnel stays, as for any bad request."""
        answer = grip.ask(method, path, token_of(api, "admin"))
        assert answer.error is ErrorCode.BAD_FIELD or answer.status == 405, answer
        assert grip.ask("GET", "/api/v1/me", token_of(api, "viewer")).status == 200

    def test_raw_bytes_to_anywhere_are_not_carried(self, grip: Grip) -> None:
        stream_id = grip.open("GET", "/api/v1/state", kind=3)
        assert grip.answer(stream_id).error is ErrorCode.REFUSED

    @pytest.mark.parametrize(
        "field",
        [
            ("x", "a\r\nhost: evil"),
            ("x\r\ny", "a"),
            ("Authorization", "Bearer x"),
            ("", "x"),
            ("x", "\x00"),
        ],
    )
    def test_no_field_smuggles_another(self, api: RunningApi, grip: Grip, field: tuple[str, str]) -> None:
        answer = grip.ask("GET", "/api/v1/me", (*token_of(api, "viewer"), field))
        assert answer.error is ErrorCode.BAD_FIELD

    @pytest.mark.parametrize(
        "lengths",
        [
            (("content-length", "3"), ("transfer-encoding", "chunked")),
            (("content-length", "3"), ("content-length", "90")),
            (("content-length", "3, 90"),),
            (("content-length", "+3"),),
            (("content-length", "90"),),
            (("content-length", "1"),),
        ],
    )
    def test_no_body_becomes_a_second_request(
        self, api: RunningApi, grip: Grip, lengths: tuple[tuple[str, str], ...]
    ) -> None:
        """A smuggled request would be answered to whoever comes next on that connection to the api."""
        smuggled = b"{}\nGET /internal/token-key HTTP/1.1\r\nhost: x\r\n\r\n"
        answer = grip.ask("POST", "/api/v1/auth/login", (("host", "relay"), *lengths), smuggled)
        assert answer.error is ErrorCode.PROTOCOL or answer.status in (400, 415, 422), answer
        for _ in range(3):
            next_one = grip.ask("GET", "/api/v1/me", token_of(api, "viewer"))
            assert (next_one.status, json.loads(next_one.body)["name"]) == (200, "viewer")


class TestHandshake:
    def test_a_challenge_of_another_relay_is_not_answered(
        self, evil: EvilRelay, edge: tunnel_stack.Edge, own_grip: Grip
    ) -> None:
        """Else a proof made for this relay would open the site's place at another one."""
        proofs = len(evil.proofs)
        evil.origin = "https://relay.example.org"
        try:
            edge.dial_now()
            eventually(lambda: "another origin" in edge.detail, 10, "the refusal")
            assert f"(https://relay.example.org) than was dialled ({evil.url})" in edge.detail
            assert re.search(r"the next try is at \d\d:\d\d:\d\d UTC", edge.detail)
            evil.origin = "\x1b[2Jhttps://relay.example.org"
            edge.dial_now()
            eventually(lambda: "another origin (unreadable)" in edge.detail, 10, "the refusal of an evil name")
            assert len(evil.proofs) == proofs
        finally:
            evil.origin = evil.url

    @pytest.mark.parametrize(
        "frame",
        [
            encode_frame(FrameType.OPEN, 1, open_payload("GET", "/api/v1/state", ()), Flag.END),
            encode_frame(FrameType.PING, 0, bytes(8)),
            encode_frame(FrameType.WELCOME, 0, b'{"version":9}'),
            encode_frame(FrameType.WELCOME, 0, b"[" * 4000),
        ],
        ids=["OPEN", "PING", "another version", "nested"],
    )
    def test_nothing_is_served_before_a_sound_welcome(
        self, evil: EvilRelay, edge: tunnel_stack.Edge, own_grip: Grip, frame: bytes
    ) -> None:
        evil.before_welcome = frame
        try:
            edge.dial_now()
            eventually(lambda: edge.status == "failing", 10, "the edge leaving")
            assert edge.streams == 0
        finally:
            evil.before_welcome = b""


class TestFrames:
    @pytest.mark.parametrize(
        "frames",
        [
            encode_frame(FrameType.OPEN, 2, open_payload("GET", "/api/v1/state", ()), Flag.END),
            encode_frame(FrameType.DATA, 99, b"x"),
            encode_frame(FrameType.HEADERS, 1, b"\0\xc8\0\0"),
            encode_frame(FrameType.DATA, 1, b"x" * 16_385),
            encode_frame(FrameType.CREDIT, 0, encode_credit(0x7FFFFFFF)) * 2,
            encode_frame(FrameType.HELLO, 0, b"{}"),
            b"\x55\x00\x00\x00\x00\x00\x00\x01",
            b"\x12\x00\xff\xff\x00\x00\x00\x01",
            b"\x12",
        ],
        ids=["even id", "never opened", "HEADERS", "too long", "credit", "HELLO", "unknown", "cut", "half a header"],
    )
    def test_a_frame_that_is_not_allowed_ends_the_connection(self, own_grip: Grip, frames: bytes) -> None:
        """With one protocol error; the edge dials again."""
        own_grip.send(frames)
        assert own_grip.wait_for_end() == 4400

    def test_a_message_out_of_order_ends_the_connection(self, own_grip: Grip) -> None:
        own_grip.send_message(encode_message(7, encode_frame(FrameType.PING, 0, bytes(8))))
        assert own_grip.wait_for_end() == 4400

    def test_a_window_cannot_be_overrun(self, own_grip: Grip) -> None:
        """An upload that the api does not take ends the connection where its window ends."""
        stream_id = own_grip.open("POST", "/api/v1/auth/login", (("host", "relay"),), is_ended=False)
        for _ in range(80):
            own_grip.send(encode_frame(FrameType.DATA, stream_id, b"x" * 16_000))
        assert own_grip.answer(stream_id).is_over or own_grip.close_code in (4400, 1006)


class TestMemory:
    @pytest.fixture
    def process(self, evil: EvilRelay, api: RunningApi, tmp_path: Path) -> Iterator[ServerProcess]:
        """The edge as a process of its own, to be measured."""
        evil.enrolment(tmp_path)
        started = edge_command(tmp_path, api.settings.relay_socket, {})
        running = ServerProcess(started, tmp_path / "edge.log", lambda: "relay ok" in running.log())
        with running.running():
            yield running

    def test_a_flood_of_streams_costs_the_edge_little(
        self, evil: EvilRelay, api: RunningApi, process: ServerProcess
    ) -> None:
        """Opened and reset, opened and left, uploads and websockets that never end: all of it bounded, and the edge
        serves on, at this connection or the next."""
        grip = evil.grip()
        fields = token_of(api, "viewer")
        assert grip.ask("GET", "/api/v1/me", fields).status == 200
        before = resident_bytes(process.pid)
        for _ in range(2000):
            stream_id = grip.next_id()
            payload = open_payload("GET", "/api/v1/me", fields)
            reset = encode_frame(FrameType.RESET, stream_id, b"\0\x05")
            grip.send(encode_frame(FrameType.OPEN, stream_id, payload, Flag.END), reset)
            grip.receive(0.0)
        for number in range(300):
            kind = Kind.WEBSOCKET if number % 2 else Kind.HTTP
            path = "/api/v1/live" if number % 2 else "/api/v1/auth/login"
            stream_id = grip.open("GET" if number % 2 else "POST", path, fields, is_ended=False, kind=kind)
            if kind is Kind.HTTP:
                grip.send(encode_frame(FrameType.DATA, stream_id, b"x" * 1000))
            grip.receive(0.0)
        grew = resident_bytes(process.pid) - before
        assert grew < 48 * MIB, f"{grew / MIB:.0f} MiB"  # 128 threads with their stacks, and windows
        if grip.close_code is None:
            grip.send(b"\x12")
        assert evil.grip().ask("GET", "/api/v1/me", fields).status == 200


def b64(value: dict[str, Any]) -> str:
    return tunnel_stack.base64url(json.dumps(value).encode())


def unb64(text: str) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=="))
    return decoded


def hs256(payload: str, key: str) -> str:
    signed = f"{b64({'alg': 'HS256', 'typ': 'JWT'})}.{payload}"
    return f"{signed}.{tunnel_stack.base64url(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())}"


def test_a_goodbye_keeps_no_edge_away_for_long(own_grip: Grip, edge: tunnel_stack.Edge) -> None:
    """Its 49 days become five minutes at most, and health says that there is no line meanwhile, and until when."""
    goodbye = GoAway(0, ErrorCode.DRAIN, (1 << 32) - 1, (1 << 32) - 1)
    own_grip.send(encode_frame(FrameType.GOAWAY, 0, encode_goaway(goodbye)))
    eventually(lambda: edge.health.counters().get("relay_goodbyes_clamped") == 1, what="the goodbye")
    assert edge.status == "ok"  # it still serves on the line that it has
    own_grip.close()
    eventually(lambda: edge.status == "failing", 10, "health saying that the line is gone")
    told = re.search(r"took leave; it is dialled again within (\d+) s", edge.detail)
    assert told is not None, edge.detail
    assert int(told[1]) <= LONGEST_AWAY_S


def test_a_fence_that_nothing_can_follow_keeps_no_edge_away(
    evil: EvilRelay, edge: tunnel_stack.Edge, own_grip: Grip
) -> None:
    """A relay that was evil once must not leave the edge with a number that no honest one can surpass."""
    evil.fence = HIGHEST_FENCE - 1
    edge.dial_now()
    assert evil.grip().hello.last_fence < HIGHEST_FENCE
    evil.fence = 0
    edge.dial_now()
    eventually(lambda: edge.status == "failing", 10, "a handshake that cannot succeed")
    evil.fence = 0
    edge.dial_now()
    eventually(lambda: edge.status == "ok", 10, "the edge being back")
