"""Both nginx configurations on a real nginx: TLS, HTTP/2, websockets, streams, and what it answers and logs itself."""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.kit import servers
from tests.kit.certificates import CertificateAuthority, ServerCertificate
from tests.kit.echo_upstream import http_upstream, websocket_upstream
from tests.kit.ports import reserved_port
from tests.kit.process import ServerFailed, program, run
from tests.kit.waiting import eventually

TEMPLATES = Path(__file__).parents[2] / "nginx"


@dataclass(frozen=True, slots=True)
class Proxy:
    """One side's nginx in front of an upstream that the test starts, or not."""

    side: str
    https_port: int
    http_port: int
    upstream_port: int
    authority: Path
    tls: ssl.SSLContext
    nginx: servers.Nginx

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.https_port}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, verify=self.tls, trust_env=False)

    def logs(self) -> str:
        return self.nginx.access_log.read_text() + self.nginx.error_log.read_text() + self.nginx.process.log()


def values(folder: Path, issued: ServerCertificate, https: str, http: str, upstream: str) -> dict[str, str]:
    return {
        "WALLPORT_NGINX_HTTPS": https,
        "WALLPORT_NGINX_HTTP": http,
        "WALLPORT_NGINX_NAME": "wallport.test",
        "WALLPORT_NGINX_UPSTREAM": upstream,
        "WALLPORT_NGINX_CERTIFICATE": str(issued.certificate),
        "WALLPORT_NGINX_KEY": str(issued.key),
        "WALLPORT_NGINX_ACCESS_LOG": str(folder / "access.log"),
        "WALLPORT_NGINX_ACME_ROOT": str(folder / "acme"),
    }


@pytest.fixture(params=["relay", "lan"])
def proxy(request: pytest.FixtureRequest, tmp_path: Path, authority: CertificateAuthority) -> Iterator[Proxy]:
    side: str = request.param
    issued = authority.issue("wallport.test", "127.0.0.1")
    with reserved_port() as https, reserved_port() as http, reserved_port() as upstream:
        ports = [https, http] if side == "relay" else [https]
        rendered = values(tmp_path, issued, f"127.0.0.1:{https}", f"127.0.0.1:{http}", f"127.0.0.1:{upstream}")
        with servers.nginx(tmp_path, {TEMPLATES / f"{side}.conf": rendered}, ports) as nginx:
            tls = ssl.create_default_context(cafile=str(authority.certificate))
            yield Proxy(side, https, http, upstream, authority.certificate, tls, nginx)


def fields_of(answer: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in answer["fields"]}


def test_both_configurations_fit_into_one_nginx(tmp_path: Path, authority: CertificateAuthority) -> None:
    """A machine may serve both sides; no name of one clashes with the other's, and nothing is left unreplaced."""
    issued = authority.issue("wallport.test")
    with reserved_port() as public, reserved_port() as plain, reserved_port() as lan:
        relay = values(tmp_path, issued, f"127.0.0.1:{public}", f"127.0.0.1:{plain}", "127.0.0.1:8090")
        on_site = values(tmp_path, issued, f"127.0.0.1:{lan}", "unused", "127.0.0.1:8080")
        servers.nginx_configuration(tmp_path, {TEMPLATES / "relay.conf": relay, TEMPLATES / "lan.conf": on_site})
    for name in ("relay", "lan"):
        configuration = (tmp_path / f"rendered-{name}.conf").read_text()
        code = [line.partition("#")[0] for line in configuration.splitlines()]
        assert not [line for line in code if "${" in line]


def test_a_bad_configuration_fails(tmp_path: Path, authority: CertificateAuthority) -> None:
    """The check is real: a wrong value does not pass it."""
    issued = authority.issue("wallport.test")
    bad = values(tmp_path, issued, "127.0.0.1:notaport", "unused", "127.0.0.1:8080")
    with pytest.raises(ServerFailed, match="invalid port"):
        servers.nginx_configuration(tmp_path, {TEMPLATES / "lan.conf": bad})


def test_a_request_arrives_with_the_true_address(proxy: Proxy) -> None:
    """What a client claims about its address never reaches the upstream; path and query arrive as sent."""
    claimed = {"X-Forwarded-For": "10.9.8.7", "Forwarded": "for=10.9.8.7", "X-Real-IP": "10.9.8.7"}
    with http_upstream(proxy.upstream_port), proxy.client() as client:
        answer = client.get("/api/v1/state?fields=grid&x=%2F", headers=claimed).json()
        assert answer["path"] == "/api/v1/state?fields=grid&x=%2F"
        fields = fields_of(answer)
        assert fields["x-forwarded-for"] == "127.0.0.1"
        assert fields["x-forwarded-proto"] == "https"
        assert fields["host"] == f"127.0.0.1:{proxy.https_port}"
        assert "10.9.8.7" not in json.dumps(answer)
        assert "connection" not in fields


def test_a_websocket_goes_both_ways(proxy: Proxy) -> None:
    """The upgrade passes, with its token and query, and messages travel both ways."""
    url = f"wss://127.0.0.1:{proxy.https_port}/live?ticket=SECRET-TICKET"
    with (
        websocket_upstream(proxy.upstream_port),
        connect(url, ssl=proxy.tls, additional_headers={"Authorization": "Bearer abc"}, proxy=None) as connection,
    ):
        opening = json.loads(connection.recv(timeout=10))
        assert opening["path"] == "/live?ticket=SECRET-TICKET"
        assert fields_of(opening)["authorization"] == "Bearer abc"
        connection.send("grid")
        assert connection.recv(timeout=10) == "grid"
        connection.send(b"\x00" * 100_000)
        assert connection.recv(timeout=10) == b"\x00" * 100_000


def test_a_stream_is_not_held_back(proxy: Proxy) -> None:
    """The first piece arrives while the upstream still works on the second."""
    with (
        http_upstream(proxy.upstream_port) as released,
        proxy.client() as client,
        client.stream("GET", "/stream") as response,
    ):
        pieces = response.iter_raw()
        assert next(pieces) == b"data: 1\n\n"
        released.set()
        assert b"".join(pieces) == b"data: 2\n\n"


STEERING = {
    "X-Accel-Redirect": "/elsewhere",
    "X-Accel-Buffering": "yes",
    "X-Accel-Limit-Rate": "1",
    "X-Accel-Charset": "koi8-r",
    "X-Accel-Expires": "86400",
}


def test_nobody_behind_it_steers_it(proxy: Proxy) -> None:
    """An answer neither sends it elsewhere, nor makes it hold back, slow down or recode what comes."""
    with (
        http_upstream(proxy.upstream_port, STEERING) as released,
        proxy.client() as client,
        client.stream("GET", "/stream") as response,
    ):
        pieces = response.iter_raw()
        assert next(pieces) == b"data: 1\n\n"
        released.set()
        assert b"".join(pieces) == b"data: 2\n\n"
        answer = client.get("/here", headers={"x-long": "x" * 4000})
        assert answer.json()["path"] == "/here"
    assert answer.elapsed.total_seconds() < 10
    for got in (response, answer):
        assert not [name for name in got.headers if name.startswith("x-accel")]
        assert "koi8-r" not in got.headers["content-type"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(proxy: Proxy) -> None:
    """A client that knows nothing newer than TLS 1.1 is turned away by nginx; 1.2 is enough."""
    for newest, is_accepted in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
        context = ssl.create_default_context(cafile=str(proxy.authority))
        context.set_ciphers("DEFAULT@SECLEVEL=0")  # or this side would refuse old versions by itself
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
        with socket.create_connection(("127.0.0.1", proxy.https_port), timeout=10) as plain:
            if is_accepted:
                with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                    assert secure.version() == "TLSv1.2"
            else:
                with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
                    context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_http2_is_spoken(proxy: Proxy) -> None:
    """A client that can gets HTTP/2, and the upstream sees the host that the client named."""
    with http_upstream(proxy.upstream_port):
        command = [program("curl"), "-sS", "--http2", "--noproxy", "*", "--cacert", str(proxy.authority)]
        shown = run([*command, "--write-out", "\n%{http_version} %{http_code}", f"{proxy.url}/api/v1/site"])
    answer, _, summary = shown.rpartition("\n")
    assert summary == "2 200"
    assert fields_of(json.loads(answer))["host"] == f"127.0.0.1:{proxy.https_port}"


def test_logs_hold_no_query(proxy: Proxy) -> None:
    """Neither a request that worked nor one that failed leaves its query in a log."""
    with proxy.client() as client:
        assert client.get("/live?ticket=SECRET-TICKET").status_code == 502
        with http_upstream(proxy.upstream_port):
            assert client.get("/live?ticket=SECRET-TICKET").status_code == 200
    eventually(lambda: proxy.nginx.access_log.read_text().count("GET /live HTTP/1.1") == 2, what="two logged requests")
    assert "SECRET" not in proxy.logs()


def test_its_own_answers_are_problems(proxy: Proxy) -> None:
    """An upstream that is down and a body that is too large: problem+json with the right status and code."""
    with proxy.client() as client:
        down = client.get("/api/v1/state")
        large = client.post("/", content=b"x" * (10 * 1024 * 1024 + 1))
    for response, status, code in (
        (down, 502, "relay_unavailable" if proxy.side == "relay" else "api_unavailable"),
        (large, 413, "body_too_large"),
    ):
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert (problem["status"], problem["code"]) == (status, code)
    assert down.headers["retry-after"] == "5"
    assert "retry-after" not in large.headers


def test_a_large_body_passes_up_to_the_limit(proxy: Proxy) -> None:
    """Ten MiB are allowed."""
    with http_upstream(proxy.upstream_port), proxy.client() as client:
        size_bytes = 10 * 1024 * 1024
        assert client.post("/", content=b"x" * size_bytes).json()["body_bytes"] == size_bytes


def test_a_phone_that_dials_anew_for_each_request_is_not_throttled(proxy: Proxy) -> None:
    """72 requests at once, each on its own TLS connection, as the existing app makes in a minute, all pass."""
    with http_upstream(proxy.upstream_port):
        for _ in range(72):
            with proxy.client() as client:
                assert client.get("/").status_code == 200


@pytest.mark.parametrize("proxy", ["relay"], indirect=True)
def test_guessing_codes_is_throttled(proxy: Proxy) -> None:
    """Enrolment takes a few tries at once and then asks to wait, as a problem; other paths go on."""
    with http_upstream(proxy.upstream_port), proxy.client() as client:
        answers = [client.post("/enroll", json={"code": str(number)}) for number in range(14)]
        assert [answer.status_code for answer in answers[:11]] == [200] * 11
        assert answers[-1].status_code == 429
        assert answers[-1].json()["code"] == "too_many_requests"
        assert answers[-1].headers["retry-after"] == "5"
        assert client.get("/s/home/api/v1/state").status_code == 200


@pytest.mark.parametrize("proxy", ["relay"], indirect=True)
def test_the_public_side_hides_what_is_for_the_operator(proxy: Proxy) -> None:
    """The relay's metrics and readiness stay inside; its liveness is open; browsers are told to keep to TLS."""
    with http_upstream(proxy.upstream_port), proxy.client() as client:
        for path in ("/metrics", "/readyz"):
            hidden = client.get(path)
            assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found")
        alive = client.get("/healthz")
        assert alive.status_code == 200
        assert "max-age" in alive.headers["strict-transport-security"]


@pytest.mark.parametrize("proxy", ["relay"], indirect=True)
def test_plain_http_leads_to_tls_and_serves_certificate_challenges(proxy: Proxy, tmp_path: Path) -> None:
    """Port 80 only redirects, but for the files by which a certificate is renewed."""
    challenges = tmp_path / "acme" / ".well-known" / "acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "token").write_text("proof")
    with httpx.Client(base_url=f"http://127.0.0.1:{proxy.http_port}", trust_env=False) as client:
        assert client.get("/.well-known/acme-challenge/token").text == "proof"
        redirect = client.get("/s/home/?a=1", headers={"Host": "wallport.test"})
    assert redirect.status_code == 308
    assert redirect.headers["location"] == "https://wallport.test/s/home/?a=1"


@pytest.mark.parametrize("side", ["relay", "lan"])
def test_a_64_is_counted_as_one(side: str, tmp_path: Path, authority: CertificateAuthority) -> None:
    """The shipped configuration, told by a field which address a request comes from."""
    issued = authority.issue("127.0.0.1")
    template = tmp_path / f"{side}.conf"
    told = "server {\n    set_real_ip_from 127.0.0.1;\n    real_ip_header X-Test-Address;\n"
    template.write_text((TEMPLATES / f"{side}.conf").read_text().replace("server {\n", told))
    with reserved_port() as https, reserved_port() as http, reserved_port() as upstream:
        rendered = values(tmp_path, issued, f"127.0.0.1:{https}", f"127.0.0.1:{http}", f"127.0.0.1:{upstream}")
        tls = ssl.create_default_context(cafile=str(authority.certificate))
        with (
            servers.nginx(tmp_path / "nginx", {template: rendered}, [https]),
            http_upstream(upstream),
            httpx.Client(base_url=f"https://127.0.0.1:{https}", verify=tls, trust_env=False) as client,
        ):

            def statuses(addresses: list[str]) -> set[int]:
                path = "/enroll" if side == "relay" else "/"
                return {client.post(path, headers={"X-Test-Address": one}).status_code for one in addresses}

            flood = 400 if side == "lan" else 14
            assert statuses([f"2001:db8:a:a::{at:x}" for at in range(1, flood)]) == {200, 429}
            assert statuses([f"2001:db8:a:{at:x}::1" for at in range(0xB, 0x1B)]) == {200}
            assert statuses([f"192.0.2.{at}" for at in range(1, 20)]) == {200}
