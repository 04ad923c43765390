"""Relay, tunnel and edge together, on real sockets: what a phone asks comes back as the site's api said it."""

import concurrent.futures
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.kit import site_tokens, tunnel_stack
from tests.kit.servers import RedisServer
from tests.kit.site_api import pattern
from tests.kit.waiting import eventually

SITE = "home"

CLOSE_CODES = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 4999]
"""All that may be put on the wire (RFC 6455 §7.4 and the registry)."""


@pytest.fixture(scope="module")
def api_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tunnel_stack.site_api(tmp_path_factory.mktemp("api")) as path:
        yield path


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[tunnel_stack.Relay]:
    with tunnel_stack.relay(tmp_path_factory.mktemp("relay"), f"redis://127.0.0.1:{redis_server.port}/3") as running:
        yield running


@pytest.fixture(scope="module")
def edge(
    relay: tunnel_stack.Relay, api_socket: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tunnel_stack.Edge]:
    with tunnel_stack.edge(relay, SITE, tmp_path_factory.mktemp("edge"), api_socket) as running:
        yield running


@pytest.fixture
def phone(relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> Iterator[httpx.Client]:
    assert edge.status == "ok"
    with httpx.Client(base_url=relay.site_url(SITE), headers=site_tokens.headers(), timeout=20) as client:
        yield client


def count(phone: httpx.Client, name: str) -> Any:
    return phone.get("/api/counts").json().get(name)


class TestHttp:
    def test_an_upload_arrives_byte_for_byte(self, phone: httpx.Client) -> None:
        """4 MiB, more than both windows, with and without a known length."""
        body = os.urandom(4 * 1024 * 1024)
        expected = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        assert phone.post("/api/upload", content=body).json() == expected
        assert phone.post("/api/upload", content=iter([body[:7], body[7:700_000], body[700_000:]])).json() == expected

    @pytest.mark.parametrize("sized", ["", "1"])
    def test_a_download_arrives_byte_for_byte(self, phone: httpx.Client, sized: str) -> None:
        size = 5 * 1024 * 1024 + 17
        answer = phone.get("/api/download", params={"size": size, "sized": sized})
        expected = b"".join(pattern(at, min(65_536, size - at)) for at in range(0, size, 65_536))
        assert hashlib.sha256(answer.content).digest() == hashlib.sha256(expected).digest()
        assert answer.headers.get("content-length") == (str(size) if sized else None)

    def test_path_query_and_fields_arrive_as_they_were_sent(self, phone: httpx.Client) -> None:
        """And the claims that only a proxy may make come from the tunnel."""
        target = "/api/request/a%20b/J%C3%BCrgen?x=%2F&y=1&y=2"
        answer = phone.get(
            target,
            headers={
                "x-wallport-client-address": "6.6.6.6",
                "forwarded": "for=6.6.6.6",
                "x-forwarded-for": "203.0.113.9",
            },
        ).json()
        assert answer["target"] == target
        named = dict(answer["headers"])
        assert named["x-wallport-client-address"] == "203.0.113.9"
        assert not {"forwarded", "x-forwarded-for"} & named.keys()

    def test_five_fields_of_one_name_stay_five(self, phone: httpx.Client) -> None:
        assert phone.get("/api/varies").headers.get_list("vary") == [f"x-{number}" for number in range(5)]

    def test_answers_without_a_body_have_none(self, phone: httpx.Client) -> None:
        """HEAD keeps the length of what GET would say; 204 and 304 have none; and the connection stays usable."""
        for method, path, length in [
            ("HEAD", "/api/status/200", "4"),
            ("GET", "/api/status/204", None),
            ("GET", "/api/status/304", None),
            ("DELETE", "/api/status/204", None),
            ("HEAD", "/api/status/404", "4"),
        ]:
            answer = phone.request(method, path)
            assert answer.content == b""
            assert answer.headers.get("content-length") == length
            assert answer.headers["etag"] == '"x"'
        assert phone.get("/api/status/200").text == "body"

    def test_an_event_arrives_at_once(self, phone: httpx.Client) -> None:
        """Each piece is passed on as it comes, for every content type."""
        with phone.stream("GET", "/api/events") as answer:
            pieces = answer.iter_text()
            assert next(pieces) == "data: first\n\n"
            phone.post("/api/open-gate")
            assert next(pieces) == "data: second\n\n"

    def test_an_upload_arrives_as_it_comes(self, relay: tunnel_stack.Relay, phone: httpx.Client) -> None:
        """The site has the first piece before the second is sent."""
        before = count(phone, "upload_bytes")
        with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as sock:
            head = f"POST /s/{SITE}/api/upload HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n"
            sock.sendall(f"{head}Authorization: Bearer {site_tokens.token()}\r\n\r\n5\r\nfirst\r\n".encode())
            eventually(lambda: count(phone, "upload_bytes") == before + 5, what="the first piece being there")
            sock.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
            assert b'"size":11' in sock.recv(4096)

    def test_a_phone_that_leaves_in_an_upload_breaks_it_at_the_site(
        self, relay: tunnel_stack.Relay, phone: httpx.Client
    ) -> None:
        """The site must not take the part for the whole, whether or not it knew the length."""
        for framing, part in (
            ("Content-Length: 1000000", b"x" * 1000),
            ("Transfer-Encoding: chunked", b"3\r\nabc\r\n"),
        ):
            begun, broken = count(phone, "uploads"), count(phone, "uploads_broken")
            with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as sock:
                head = f"POST /s/{SITE}/api/upload HTTP/1.1\r\nHost: r\r\n{framing}\r\n"
                sock.sendall(f"{head}Authorization: Bearer {site_tokens.token()}\r\n\r\n".encode() + part)
                eventually(lambda begun=begun: count(phone, "uploads") > begun, what="the site reading it")  # type: ignore[misc]
            eventually(lambda broken=broken: count(phone, "uploads_broken") > broken, what="the site seeing it break")  # type: ignore[misc]

    def test_an_upload_that_the_site_does_not_take_fills_no_memory(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """Its early answer arrives although most of the body was never read."""
        pieces = iter([b"x" * 65_536] * 100)
        assert phone.post("/api/upload-refused", content=pieces).status_code == 403
        assert phone.get("/api/v1/state").status_code == 200

    def test_a_phone_that_leaves_cancels_at_the_site(self, phone: httpx.Client) -> None:
        before = count(phone, "cancelled")
        with pytest.raises(httpx.ReadTimeout):
            phone.get("/api/slow", timeout=0.5)
        eventually(lambda: count(phone, "cancelled") == before + 1, what="the api seeing its client leave")

    def test_an_answer_that_does_not_wait_for_the_body_arrives(self, phone: httpx.Client) -> None:
        assert phone.post("/api/upload-refused", content=b"x" * 100_000).status_code == 403

    def test_a_body_over_the_limit_is_refused(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """With a known length before any of it is read, else as soon as it is seen."""
        head = f"POST /s/{SITE}/api/upload HTTP/1.1\r\nHost: relay\r\nContent-Length: {11 * 1024 * 1024}\r\n"
        head += f"Authorization: Bearer {site_tokens.token()}\r\n\r\n"
        assert raw_answer(relay.port, head).startswith("HTTP/1.1 413")
        pieces = iter([b"x" * 1024 * 1024] * 10 + [b"x"])
        told = phone.post("/api/upload", content=pieces)
        assert (told.status_code, told.json()["code"]) == (413, "body_too_large")

    def test_what_is_not_for_the_outside_is_not_there(self, phone: httpx.Client) -> None:
        answer = phone.get("/metrics")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert phone.get("/api/%2e%2e/metrics").status_code == 400

    def test_smuggled_framing_is_refused(self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> None:
        """Sent as raw bytes, since no decent client would."""
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length : 5",
            "Transfer-Encoding: chunked,",
            "X-A: 1\nX-B: 2",
            "X-A: 1\r\n folded: 2",
            "Host: another",
        ]:
            request = f"POST /s/{SITE}/api/upload HTTP/1.1\r\nHost: relay\r\n{fields}\r\n\r\nhello"
            assert raw_answer(relay.port, request).startswith("HTTP/1.1 400"), fields
        absolute = f"GET http://relay/s/{SITE}/api/v1/state HTTP/1.1\r\nHost: relay\r\n\r\n"
        assert raw_answer(relay.port, absolute).startswith("HTTP/1.1 40")

    def test_an_expected_100_continue_is_given(self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> None:
        """Once the edge takes the request, so that a phone does not send a body in vain."""
        with socket.create_connection(("127.0.0.1", relay.port), timeout=10) as sock:
            head = f"POST /s/{SITE}/api/upload HTTP/1.1\r\nHost: r\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"
            sock.sendall(f"{head}Authorization: Bearer {site_tokens.token()}\r\n\r\n".encode())
            assert sock.recv(100).startswith(b"HTTP/1.1 100")
            sock.sendall(b"hello")
            assert b'"size":5' in sock.recv(1000)


class TestWebsockets:
    def test_text_and_binary_come_back(self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> None:
        """Also a message larger than every window, and an empty one."""
        with connect(
            f"{relay.websocket_url(SITE)}/api/ws",
            compression=None,
            proxy=None,
            additional_headers=site_tokens.headers(),
        ) as ws:
            messages: list[str | bytes] = ["hällo", b"\x00\xff", "", "x" * 400_000, b"y" * 900_000]
            for message in messages:
                ws.send(message)
                assert ws.recv(10) == message

    def test_the_sub_protocol_is_the_sites_choice(self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> None:
        offered = [Subprotocol("other"), Subprotocol("wallport.v1")]
        with connect(
            f"{relay.websocket_url(SITE)}/api/ws-spoken",
            subprotocols=offered,
            proxy=None,
            additional_headers=site_tokens.headers(),
        ) as ws:
            assert ws.subprotocol == "wallport.v1"
            assert ws.recv(5) == "speaking wallport.v1"

    @pytest.mark.parametrize("code", CLOSE_CODES)
    def test_the_sites_close_code_reaches_the_phone(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, code: int
    ) -> None:
        with connect(f"{relay.websocket_url(SITE)}/api/ws", proxy=None, additional_headers=site_tokens.headers()) as ws:
            ws.send(f"close {code} bye")
            with pytest.raises(ConnectionClosed) as caught:
                ws.recv(10)
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (code, "bye")

    def test_no_close_code_stays_none(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """Either way; 1005, which stands for it in programs, is never sent."""
        with connect(f"{relay.websocket_url(SITE)}/api/ws", proxy=None, additional_headers=site_tokens.headers()) as ws:
            ws.send("close none")
            with pytest.raises(ConnectionClosed) as caught:
                ws.recv(10)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1005  # what the library calls an empty close frame
        with raw_websocket(relay) as sock:
            sock.sendall(b"\x88\x80abcd")  # masked, without a payload
            assert sock.recv(100) == b"\x88\x00"
        eventually(lambda: count(phone, "last_close") == 1005, what="the site hearing of no code")

    @pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
    def test_a_close_code_that_must_not_travel_does_not(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client, code: int
    ) -> None:
        """The phone is told that it broke the protocol, and the site that it is gone."""
        before = count(phone, "websockets")
        with raw_websocket(relay) as sock:
            eventually(lambda: count(phone, "websockets") == before + 1, what="the site having it")
            sock.sendall(b"\x88\x82\0\0\0\0" + code.to_bytes(2, "big"))
            frame = sock.recv(100)
            assert frame[:1] == b"\x88"
            assert int.from_bytes(frame[2:4], "big") == 1002
        eventually(lambda: count(phone, "websockets") == before, what="the site being told")
        assert count(phone, "last_close") != code

    def test_pings_stay_on_their_hop(self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> None:
        """The relay answers at once, also while the site reads nothing."""
        url = f"{relay.websocket_url(SITE)}/api/ws-deaf"
        with connect(url, proxy=None, additional_headers=site_tokens.headers(), close_timeout=0.1) as ws:
            ws.send("nobody reads this")
            assert ws.ping().wait(10)

    @pytest.mark.parametrize("code", CLOSE_CODES)
    def test_the_phones_close_code_reaches_the_site(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client, code: int
    ) -> None:
        with connect(f"{relay.websocket_url(SITE)}/api/ws", proxy=None, additional_headers=site_tokens.headers()) as ws:
            ws.send("x")
            ws.recv(10)
            ws.close(code)
        eventually(lambda: count(phone, "last_close") == code, what=f"the site hearing {code}")

    def test_a_phone_that_vanishes_ends_the_sites_websocket(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        before = count(phone, "websockets")
        with connect(f"{relay.websocket_url(SITE)}/api/ws", proxy=None, additional_headers=site_tokens.headers()) as ws:
            ws.send("x")
            ws.recv(10)
            assert count(phone, "websockets") == before + 1
            ws.socket.shutdown(socket.SHUT_RDWR)
        eventually(lambda: count(phone, "websockets") == before, what="the site's websocket ending")

    def test_a_refusal_keeps_its_status_and_body(self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge) -> None:
        """The phone learns why, rather than seeing a websocket that closes at once."""
        with (
            pytest.raises(InvalidStatus) as caught,
            connect(
                f"{relay.websocket_url(SITE)}/api/ws-refused", proxy=None, additional_headers=site_tokens.headers()
            ),
        ):
            pass
        assert caught.value.response.status_code == 403
        assert caught.value.response.headers["www-authenticate"] == "Bearer"
        assert json.loads(caught.value.response.body or b"") == {"code": "not_allowed"}

    def test_a_message_that_is_not_utf_8_closes_with_1007(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge
    ) -> None:
        with connect(f"{relay.websocket_url(SITE)}/api/ws", proxy=None, additional_headers=site_tokens.headers()) as ws:
            ws.send(b"\xff\xfe", text=True)
            with pytest.raises(ConnectionClosedError) as caught:
                ws.recv(10)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1007

    def test_requests_go_on_beside_an_open_websocket(
        self, relay: tunnel_stack.Relay, edge: tunnel_stack.Edge, phone: httpx.Client
    ) -> None:
        """Twenty at once, while a websocket is open and talking."""
        with (
            connect(f"{relay.websocket_url(SITE)}/api/ws", proxy=None, additional_headers=site_tokens.headers()) as ws,
            concurrent.futures.ThreadPoolExecutor(20) as pool,
        ):
            answers = [pool.submit(phone.get, "/api/download", params={"size": 200_000}) for _ in range(20)]
            for number in range(20):
                ws.send(str(number))
                assert ws.recv(10) == str(number)
            assert all(len(answer.result().content) == 200_000 for answer in answers)


class TestBadDays:
    def test_an_offline_site_is_answered_at_once_and_comes_back(
        self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
    ) -> None:
        """503 with the instant since when; online again after the edge's return."""
        site = "offline"
        with tunnel_stack.edge(relay, site, tmp_path / "edge", api_socket) as running:
            running.stop()
            answer = eventually(lambda: offline_answer(relay, site), what="the site being offline")
            body = answer.json()
            assert body["code"] == "site_offline"
            assert abs(time.time() - instant_of(body["since"])) < 30
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
            assert min(httpx.get(relay.site_url(site)).elapsed.total_seconds() for _ in range(5)) < 0.05
            running.start()
            eventually(lambda: tunnel_stack.is_online(relay, site), what="the site being online again")

    def test_a_body_cut_off_by_a_lost_tunnel_is_not_taken_for_whole(
        self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
    ) -> None:
        site = "cut"
        with tunnel_stack.edge(relay, site, tmp_path / "edge", api_socket) as running:
            client = httpx.Client(base_url=relay.site_url(site), headers=site_tokens.headers(), timeout=20)
            with client, client.stream("GET", "/api/events") as answer:
                pieces = answer.iter_text()
                assert next(pieces) == "data: first\n\n"
                running.stop()
                with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                    next(pieces)

    def test_an_open_websocket_hears_that_its_site_went(
        self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
    ) -> None:
        site = "went"
        with (
            tunnel_stack.edge(relay, site, tmp_path / "edge", api_socket) as running,
            connect(f"{relay.websocket_url(site)}/api/ws", proxy=None, additional_headers=site_tokens.headers()) as ws,
        ):
            ws.send("x")
            assert ws.recv(10) == "x"
            running.stop()
            with pytest.raises(ConnectionClosed) as caught:
                ws.recv(10)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code in (1001, 1011, 1012)

    def test_an_api_that_is_down_is_a_502(self, relay: tunnel_stack.Relay, tmp_path: Path) -> None:
        """And the tunnel stays."""
        site = "no-api"
        with ExitStack() as api:
            path = api.enter_context(tunnel_stack.site_api(tmp_path / "api"))
            with tunnel_stack.edge(relay, site, tmp_path / "edge", path) as running:
                api.close()
                answer = httpx.get(f"{relay.site_url(site)}/api/v1/state", headers=site_tokens.headers())
                assert (answer.status_code, answer.json()["code"]) == (502, "tunnel_upstream")
                assert running.status == "ok"

    def test_an_unknown_site_is_a_404(self, relay: tunnel_stack.Relay) -> None:
        answer = httpx.get(f"{relay.site_url('nobody')}/api/v1/state")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_site")

    def test_the_newest_connection_of_a_site_wins_at_once(
        self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
    ) -> None:
        """The old edge is told, keeps away for a while, and the site is never offline."""
        site = "twice"
        with tunnel_stack.edge(relay, site, tmp_path / "edge", api_socket) as old:
            new = tunnel_stack.Edge(old.data_dir, api_socket)
            new.start()
            try:
                eventually(lambda: new.status == "ok", what="the newer edge")
                eventually(lambda: old.status == "failing", what="the older edge hearing of it")
                assert "newer connection" in old.detail
                assert all(tunnel_stack.is_online(relay, site) for _ in range(20))
                assert new.status == "ok"
            finally:
                new.stop()

    def test_an_edge_with_another_key_is_refused(
        self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
    ) -> None:
        """Visibly, and enrolling anew ends its pause."""
        site = "stolen"
        with tunnel_stack.edge(relay, site, tmp_path / "edge", api_socket):
            thief = tunnel_stack.Edge(tmp_path / "thief", api_socket)
            thief.enrol(relay, "other")
            enrolment = tmp_path / "thief" / "relay.json"
            wanted = (tmp_path / "edge" / "relay.json").read_text()
            mine = enrolment.read_text()
            enrolment.write_text(wanted)
            thief.start()
            try:
                eventually(lambda: thief.status == "failing", what="the refusal")
                assert "4401" in thief.detail
                assert tunnel_stack.is_online(relay, site)
                enrolment.write_text(mine)
                eventually(lambda: thief.status == "ok", what="its own site being served")
            finally:
                thief.stop()

    def test_a_removed_site_loses_its_tunnel(self, relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path) -> None:
        site = "removed"
        with tunnel_stack.edge(relay, site, tmp_path / "edge", api_socket) as running:
            relay.registry.remove(site)
            eventually(lambda: running.status == "failing", what="the edge hearing of it")
            assert httpx.get(relay.site_url(site)).json()["code"] == "unknown_site"


def offline_answer(relay: tunnel_stack.Relay, site: str) -> httpx.Response | None:
    answer = httpx.get(f"{relay.site_url(site)}/api/v1/state", headers=site_tokens.headers())
    return answer if answer.status_code == 503 else None


def instant_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@contextmanager
def raw_websocket(relay: tunnel_stack.Relay) -> Iterator[socket.socket]:
    """A websocket of the site after its upgrade, for frames that no library would send."""
    with socket.create_connection(("127.0.0.1", relay.port), timeout=20) as sock:
        head = f"GET /s/{SITE}/api/ws HTTP/1.1\r\nHost: r\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        sock.sendall(f"{head}Authorization: Bearer {site_tokens.token()}\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += sock.recv(1)
        assert answer.startswith(b"HTTP/1.1 101")
        yield sock


def raw_answer(port: int, request: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(request.encode())
        return sock.recv(4096).decode()
