"""What is no decent HTTP reaches no site, whichever way it comes: straight to the relay, and through the real nginx.

Sent as raw bytes, since no decent client would. `/api/marked` is what an attacker wants to be reached behind another
request's back; the site's api counts how often it was.
"""

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.kit import servers, site_tokens, tunnel_stack
from tests.kit.certificates import CertificateAuthority
from tests.kit.ports import reserved_port
from tests.kit.servers import RedisServer
from tests.kit.site_api import STEERING

SITE = "home"
TEMPLATE = Path(__file__).parents[2] / "nginx" / "relay.conf"


@dataclass(frozen=True, slots=True)
class Way:
    """Where a client connects: `tls` None is the relay itself."""

    port: int
    tls: ssl.SSLContext | None
    site_url: str

    def send(self, request: bytes, source: str = "127.0.0.1") -> bytes:
        """All that is answered until the server closes or has nothing more to say."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(source, 0)) as plain:
            sock = self.tls.wrap_socket(plain, server_hostname="127.0.0.1") if self.tls is not None else plain
            with sock:
                return _answer(sock, request)


def _answer(sock: socket.socket, request: bytes) -> bytes:
    answer = b""
    sock.settimeout(20)
    try:
        sock.sendall(request)
        while piece := sock.recv(65_536):
            answer += piece
            sock.settimeout(0.2)  # more may come only where something was smuggled in
    except (TimeoutError, ConnectionResetError):
        pass
    return answer


@pytest.fixture(scope="module")
def ways(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, authority: CertificateAuthority
) -> Iterator[dict[str, Way]]:
    folder = tmp_path_factory.mktemp("hygiene")
    issued = authority.issue("127.0.0.1")
    with (
        tunnel_stack.relay(folder / "relay", f"redis://127.0.0.1:{redis_server.port}/6") as relay,
        tunnel_stack.site_api(folder / "api") as api_socket,
        tunnel_stack.edge(relay, SITE, folder / "edge", api_socket),
        reserved_port() as https,
        reserved_port() as http,
    ):
        values = {
            "WALLPORT_NGINX_HTTPS": f"127.0.0.1:{https}",
            "WALLPORT_NGINX_HTTP": f"127.0.0.1:{http}",
            "WALLPORT_NGINX_NAME": "_",
            "WALLPORT_NGINX_UPSTREAM": f"127.0.0.1:{relay.port}",
            "WALLPORT_NGINX_CERTIFICATE": str(issued.certificate),
            "WALLPORT_NGINX_KEY": str(issued.key),
            "WALLPORT_NGINX_ACCESS_LOG": "/dev/null",
            "WALLPORT_NGINX_ACME_ROOT": "/nonexistent",
        }
        tls = ssl.create_default_context(cafile=str(authority.certificate))
        with servers.nginx(folder / "nginx", {TEMPLATE: values}, [https]):
            yield {
                "relay": Way(relay.port, None, relay.site_url(SITE)),
                "nginx": Way(https, tls, f"https://127.0.0.1:{https}/s/{SITE}"),
            }


@pytest.fixture(params=["relay", "nginx"])
def way(request: pytest.FixtureRequest, ways: dict[str, Way]) -> Way:
    return ways[str(request.param)]


def client(way: Way) -> httpx.Client:
    return httpx.Client(
        base_url=way.site_url,
        headers=site_tokens.headers(),
        verify=way.tls if way.tls is not None else True,
        timeout=20,
        trust_env=False,
    )


def marked(way: Way) -> int:
    with client(way) as phone:
        return int(phone.get("/api/counts").json()["marked"])


def statuses(answer: bytes) -> list[int]:
    """Of final answers: 100 asks a client to go on."""
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:] if part[:3] != b"100"]


def request(head: str, body: str = "") -> bytes:
    token = f"Authorization: Bearer {site_tokens.token()}"
    return f"{head.replace('TOKEN', token)}\r\n\r\n{body}".encode("latin-1")


HIDDEN = f"GET /s/{SITE}/api/marked/x HTTP/1.1\r\nHost: r\r\nTOKEN\r\n\r\n"
POST = f"POST /s/{SITE}/api/upload HTTP/1.1\r\nHost: r\r\nTOKEN\r\n"
POST_OLD = POST.replace("HTTP/1.1", "HTTP/1.0")
NBSP = "\xc2\xa0"  # as the two bytes that UTF-8 has for it
GET = f"GET /s/{SITE}/api/v1/state HTTP/1.1\r\nHost: r\r\nTOKEN\r\n"

FRAMING = {
    "CL and TE": (f"{POST}Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n" + HIDDEN),
    "TE and CL": (f"{POST}Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n" + HIDDEN),
    "two CL": (f"{POST}Content-Length: 5\r\nContent-Length: 0", HIDDEN),
    "two equal CL": (f"{POST}Content-Length: 5\r\nContent-Length: 5", "hello"),
    "a list of CL": (f"{POST}Content-Length: 5, 5", "hello"),
    "CL with a sign": (f"{POST}Content-Length: +5", "hello"),
    "CL below zero": (f"{POST}Content-Length: -5", "hello"),
    "CL with an underscore": (f"{POST}Content-Length: 0_5", "hello"),
    "CL in hex": (f"{POST}Content-Length: 0x5", "hello"),
    "CL that overflows": (f"{POST}Content-Length: 18446744073709551621", "hello"),
    "TE that ends in a comma": (f"{POST}Transfer-Encoding: chunked,", "0\r\n\r\n" + HIDDEN),
    "TE of two codings": (f"{POST}Transfer-Encoding: gzip, chunked", "0\r\n\r\n" + HIDDEN),
    "two TE": (f"{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n" + HIDDEN),
    "TE that is not known": (f"{POST}Transfer-Encoding: xchunked", "0\r\n\r\n" + HIDDEN),
    "TE after a tab": (f"{POST}Transfer-Encoding:\tchunked\x0b", "0\r\n\r\n" + HIDDEN),
    "TE after a vertical tab": (f"{POST}Transfer-Encoding:\x0bchunked", "0\r\n\r\n" + HIDDEN),
    "TE after a form feed": (f"{POST}Transfer-Encoding:\x0cchunked", "0\r\n\r\n" + HIDDEN),
    "TE after a space that is not ASCII": (f"{POST}Transfer-Encoding:{NBSP}chunked", "0\r\n\r\n" + HIDDEN),
    "CL after a space that is not ASCII": (f"{POST}Content-Length:{NBSP}5", "hello"),
    "CL after a wide space": (f"{POST}Content-Length:\xe3\x80\x805", "hello"),
    "CL before a space that is not ASCII": (f"{POST}Content-Length: 5{NBSP}", "hello"),
    "another field after a space that is not ASCII": (f"{POST}Content-Length: 5\r\nX-A:{NBSP}1", "hello"),
    "a letter that only looks small like another": (f"{POST}Content-Length: 5\r\nCoo\xe2\x84\xaaie: 1", "hello"),
    "TE of HTTP/1.0": (f"{POST_OLD}Transfer-Encoding: chunked", "0\r\n\r\n" + HIDDEN),
    "TE of HTTP/1.0 that stays": (
        f"{POST_OLD}Connection: keep-alive\r\nTransfer-Encoding: chunked",
        "0\r\n\r\n" + HIDDEN,
    ),
    "a chunk's extension with a bare LF": (f"{POST}Transfer-Encoding: chunked", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "a last chunk's extension with a bare LF": (f"{POST}Transfer-Encoding: chunked", "0;\n\r\n\r\n"),
    "a chunk's extension with a bare CR": (f"{POST}Transfer-Encoding: chunked", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "a chunk's extension with a NUL": (f"{POST}Transfer-Encoding: chunked", "5;\0\r\nhello\r\n0\r\n\r\n"),
    "a chunk's extension behind 100": (
        f"{POST}Expect: 100-continue\r\nTransfer-Encoding: chunked",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
    ),
    "a space before the colon": (f"{POST}Content-Length : {len(HIDDEN)}", HIDDEN),
    "a space before the colon of TE": (f"{POST}Transfer-Encoding : chunked", HIDDEN),
    "a name with a control": (f"{POST}Transfer-Encoding\x0b: chunked", HIDDEN),
    "a chunk's size with a sign": (f"{POST}Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n"),
    "a chunk's size in Python": (f"{POST}Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk's size below zero": (f"{POST}Transfer-Encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk's size with an underscore": (f"{POST}Transfer-Encoding: chunked", "0_5\r\nhello\r\n0\r\n\r\n"),
    "a chunk that is longer than it says": (f"{POST}Transfer-Encoding: chunked", "2\r\nhello\r\n0\r\n\r\n"),
    "a chunk without its line end": (f"{POST}Transfer-Encoding: chunked", "5\r\nhelloXX0\r\n\r\n"),
    "a chunk's size in too many digits": (f"{POST}Transfer-Encoding: chunked", f"{'0' * 40}5\r\nhello\r\n0\r\n\r\n"),
    "a trailer": (f"{POST}Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX: " + HIDDEN),
    "a chunk's size that is no number": (f"{POST}Transfer-Encoding: chunked", "five\r\nhello\r\n0\r\n\r\n"),
}
"""Two parsers may see two ends here; so it must be none."""

NGINX_MENDS = {case for case in FRAMING if case.startswith(("a chunk's extension", "a last chunk's extension"))} | {
    "a chunk's size in too many digits",
    "a trailer",
    "a letter that only looks small like another",
}
"""nginx cuts bodies into chunks of its own, without extensions and trailers, and leaves out fields whose name is none;
newer ones refuse some of it."""


def test_a_body_whose_end_is_doubtful_is_refused(way: Way) -> None:
    """One answer, an error, and the connection is over; what hides behind it is never seen as a request."""
    before = marked(way)
    token = f"Authorization: Bearer {site_tokens.token()}"
    answered = {
        case: statuses(way.send(request(head, body.replace("TOKEN", token)))) for case, (head, body) in FRAMING.items()
    }
    mended = NGINX_MENDS if way.tls is not None else set()
    wrong = {
        case: found
        for case, found in answered.items()
        if not (len(found) == 1 and (400 <= found[0] < 500 or found == [501] or (found == [200] and case in mended)))
    }
    assert wrong == {}
    assert marked(way) == before


HEADS = {
    "an absolute target": "GET http://example.org/ HTTP/1.1\r\nHost: r\r\nTOKEN",
    "an absolute target without an end": "GET http://[ HTTP/1.1\r\nHost: r\r\nTOKEN",
    "CONNECT": "CONNECT r:443 HTTP/1.1\r\nHost: r",
    "TRACE": f"TRACE /s/{SITE}/api/marked/x HTTP/1.1\r\nHost: r\r\nTOKEN",
    "an unknown method": f"BREW /s/{SITE}/api/marked/x HTTP/1.1\r\nHost: r\r\nTOKEN",
    "a method in small letters": f"get /s/{SITE}/api/marked/x HTTP/1.1\r\nHost: r\r\nTOKEN",
    "no Host": f"GET /s/{SITE}/api/marked/x HTTP/1.1\r\nTOKEN",
    "two Hosts": f"GET /s/{SITE}/api/marked/x HTTP/1.1\r\nHost: r\r\nHost: q\r\nTOKEN",
    "a NUL in a value": f"GET /s/{SITE}/api/marked/x HTTP/1.1\r\nHost: r\r\nX-A: a\0b\r\nTOKEN",
    "a lone CR in a value": f"GET /s/{SITE}/api/marked/x HTTP/1.1\r\nHost: r\r\nX-A: a\rX-B: b\r\nTOKEN",
    "two tokens": f"GET /s/{SITE}/api/marked/x HTTP/1.1\r\nHost: r\r\nAuthorization: x\r\nTOKEN",
    "no version": f"GET /s/{SITE}/api/marked/x\r\nHost: r\r\nTOKEN",
    "a version that is not": f"GET /s/{SITE}/api/marked/x HTTP/3.7\r\nHost: r\r\nTOKEN",
    "a space in the target": f"GET /s/{SITE}/api/marked/x y HTTP/1.1\r\nHost: r\r\nTOKEN",
    "a fragment": f"GET /s/{SITE}/api/marked/x#y HTTP/1.1\r\nHost: r\r\nTOKEN",
    "a target that is not ASCII": f"GET /s/{SITE}/api/marked/\xe9 HTTP/1.1\r\nHost: r\r\nTOKEN",
}


def test_a_head_that_is_no_decent_http_is_refused(way: Way) -> None:
    before = marked(way)
    answered = {case: statuses(way.send(request(f"{head}\r\nConnection: close"))) for case, head in HEADS.items()}
    if way.tls is not None:
        assert answered.pop("no version") == []  # nginx answers as HTTP/0.9 does, without a status
    assert {case: found for case, found in answered.items() if not found or min(found) < 400} == {}
    assert marked(way) == before


LINES = ["X-A: 1\nX-B: 2", "X-A: 1\r\n X-B: 2", "X-A: 1\r\n\tX-B: 2", "X-A 1", ": 1", "X\x01A: 1"]


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_may_be_read_in_two_ways_is_not_two_fields(way: Way, line: str) -> None:
    """A bare line feed, a folded line, no colon, no name: refused, or (where nginx has its own idea) left out."""
    head = f"GET /s/{SITE}/api/request/x HTTP/1.1\r\nHost: r\r\nConnection: close\r\nTOKEN\r\n{line}"
    seen = way.send(request(head))
    (status,) = statuses(seen)
    if way.tls is None:
        assert status == 400
    elif status == 200:
        fields = dict(json.loads(seen.partition(b"\r\n\r\n")[2])["headers"])
        assert fields.get("x-b") in (None, "2")  # nginx takes a bare line feed as an end of line, for everybody
        assert "\n" not in "".join(fields.values())
    else:
        assert status == 400


PATHS = [
    "/api/%2e%2e/marked/x",
    "/api/../api/marked/x",
    "/api/./marked/x",
    "/api/x/%2E./marked/x",
    "/api//marked/x",
    "//api/marked/x",
    "/api/%2fmarked/x",
    "/api/%5cmarked/x",
    "/api\\marked/x",
    "/api/marked/%00",
    "/api/marked/%0d%0aX-A:1",
    "/api/marked/%c0%ae",
    "/api/marked/%zz",
    "/api/marked/%",
    "/internal/token-key",
    "/%69nternal/token-key",
    "/metrics",
    "/readyz",
    "/healthz",
    "/.well-known/x",
    "",
]
TARGETS = [
    "/s/HOME/api/marked/x",
    "/s/%68ome/api/marked/x",
    "/S/home/api/marked/x",
    "/s//home/api/marked/x",
    "/s/",
    "/s",
    "/s/../s/home/api/marked/x",
    "/x/../s/home/api/marked/x",
    "/s/home.example/x",
    "/s/-/x",
]


def test_what_may_be_misread_or_is_not_for_the_outside_leads_nowhere(way: Way) -> None:
    """Paths of a site, and other spellings of its name."""
    before = marked(way)
    answered = {
        target: statuses(way.send(request(f"GET {target} HTTP/1.1\r\nHost: r\r\nConnection: close\r\nTOKEN")))
        for target in [*(f"/s/{SITE}{path}" for path in PATHS), *TARGETS]
    }
    assert {target: found for target, found in answered.items() if found not in ([400], [404])} == {}
    assert marked(way) == before


def test_no_other_spelling_gets_around_the_rules_of_nginx(ways: dict[str, Way]) -> None:
    """What is for the operator is hidden, and what is throttled by path is not the same to the relay by another."""
    for target in (
        "/readyz",
        "/readyz/",
        "/%72eadyz",
        "//readyz",
        "/./readyz",
        "/x/../readyz",
        "/metrics",
        "/metrics/",
    ):
        head = f"GET {target} HTTP/1.1\r\nHost: r\r\nConnection: close\r\n\r\n"
        assert statuses(ways["nginx"].send(head.encode())) == [404], target
    for target in ("/enroll/", "//enroll", "/enroll//", "/rotate-key/", "/tunnel/"):
        head = f"POST {target} HTTP/1.1\r\nHost: r\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
        assert statuses(ways["nginx"].send(head.encode())) in ([404], [405]), target


SPOOFED = "\r\n".join(
    [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: evil.example",
        "Forwarded: for=203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "X-Wallport-Client-Address: 203.0.113.9",
        "X-Wallport-Origin: lan",
        "X-WALLPORT-ORIGIN: lan",
        "X_Wallport_Origin: lan",
        "Proxy-Connection: keep-alive",
        "Keep-Alive: 5",
        "TE: trailers",
        "Connection: close, X-Secret",
        "X-Secret: 1",
    ]
)


def test_the_api_learns_the_phones_true_address_and_nothing_it_claims(way: Way) -> None:
    """Another than the proxy's own, which it would believe; whatever the phone says of itself is gone."""
    target = f"GET /s/{SITE}/api/request/x HTTP/1.1\r\nHost: r\r\nTOKEN\r\n{SPOOFED}"
    answer = way.send(request(target), source="127.0.0.7")
    assert statuses(answer) == [200], answer[:300]
    body = answer.partition(b"\r\n\r\n")[2].decode()
    fields = dict(json.loads(body[body.index("{") : body.rindex("}") + 1])["headers"])
    assert fields["x-wallport-client-address"] == "127.0.0.7"
    assert way.tls is not None or "x-secret" not in fields  # nginx keeps what Connection names
    text = json.dumps(fields)
    for claimed in ("203.0.113.9", "evil.example", "gopher", "keep-alive", "trailers"):
        assert claimed not in text
    own = {name for name in fields if "wallport" in name.replace("_", "-")} - {"x_wallport_origin"}
    assert own == {"x-wallport-client-address"}


def test_an_answer_of_a_site_steers_neither_nginx_nor_the_shared_origin(way: Way) -> None:
    """It comes as it is, at once, and as a page that may run nothing."""
    with client(way) as phone:
        answer = phone.get("/api/steering")
    assert answer.text == "<script>alert(1)</script>"
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    told = {name.lower(): value for name, value in STEERING.items() if name.lower() in answer.headers}
    if way.tls is not None:
        assert answer.headers["strict-transport-security"] == "max-age=31536000"  # nginx's own
        told.pop("strict-transport-security")
    assert told == {}
