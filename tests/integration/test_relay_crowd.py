"""A relay with few descriptors and many who want them: edges get in, phones are told to wait, and all of it ends."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.kit import servers, site_tokens, tunnel_stack
from tests.kit.certificates import CertificateAuthority
from tests.kit.ports import reserved_port
from tests.kit.servers import RedisServer
from tests.kit.waiting import eventually

DESCRIPTORS = 128
NETWORK_CONNECTIONS = 10
TEMPLATE = Path(__file__).parents[2] / "nginx" / "relay.conf"
TOKEN = f"Authorization: Bearer {site_tokens.token()}\r\n"
SLOW_BODY = f"POST /s/home/api/upload HTTP/1.1\r\nHost: r\r\n{TOKEN}Content-Length: 900\r\n\r\nx".encode()


@pytest.fixture
def relay(tmp_path: Path, redis_server: RedisServer) -> Iterator[tunnel_stack.Relay]:
    with tunnel_stack.relay(
        tmp_path / "relay",
        f"redis://127.0.0.1:{redis_server.port}/13",
        descriptors=DESCRIPTORS,
        network_connections=NETWORK_CONNECTIONS,
        body_grace_s=10,
        site_requests=64,
    ) as running:
        yield running


@pytest.fixture
def api_socket(tmp_path: Path) -> Iterator[Path]:
    with tunnel_stack.site_api(tmp_path / "api") as path:
        yield path


def dial(relay: tunnel_stack.Relay, source: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), timeout=20, source_address=(source, 0))


def is_cut(sock: socket.socket) -> bool:
    """Without waiting for it."""
    sock.setblocking(False)
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def status(relay: tunnel_stack.Relay, source: str) -> tuple[int, str]:
    """Of a request for values from there; 0 if the connection was cut."""
    with contextlib.suppress(OSError), dial(relay, source) as sock:
        sock.sendall(f"GET /s/home/api/v1/state HTTP/1.1\r\nHost: r\r\n{TOKEN}Connection: close\r\n\r\n".encode())
        answer = b""
        while piece := sock.recv(4096):
            answer += piece
        return int(answer[9:12] or 0), answer.decode()
    return 0, ""


def test_one_address_takes_its_share_of_connections_and_no_more(
    relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
) -> None:
    """What is above is cut at once; another address does not feel it, and it has its share again when others end."""
    with tunnel_stack.edge(relay, "home", tmp_path / "edge", api_socket), ExitStack() as stack:
        held = [stack.enter_context(dial(relay, "127.0.0.31")) for _ in range(NETWORK_CONNECTIONS)]
        with dial(relay, "127.0.0.31") as one_too_many:
            eventually(lambda: is_cut(one_too_many), what="the one too many being cut")
        assert not any(is_cut(sock) for sock in held)
        assert status(relay, "127.0.0.32")[0] == 200
        held[0].close()
        eventually(lambda: status(relay, "127.0.0.31")[0] == 200, what="the place of one that left")


def test_connections_that_say_nothing_make_room_for_those_who_do(
    relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path
) -> None:
    """From many addresses, more than there are descriptors."""
    newcomer = tunnel_stack.Edge(tmp_path / "edge", api_socket)
    newcomer.enrol(relay, "home")
    with ExitStack() as stack:
        for at in range(DESCRIPTORS + 40):
            stack.enter_context(dial(relay, f"127.0.1.{at + 1}"))
        stack.callback(newcomer.stop)
        newcomer.start()
        eventually(lambda: newcomer.status == "ok", 15, f"the edge being online: {newcomer.detail}")
        log = relay.process.log()
        assert "Too many open files" not in log
        assert "Traceback" not in log


def test_slow_bodies_through_nginx_leave_descriptors_for_edges(
    relay: tunnel_stack.Relay, api_socket: Path, tmp_path: Path, authority: CertificateAuthority
) -> None:
    """120 of 900 bytes, a byte of each sent. Phones are told to wait, and are served when the time of these is up."""
    issued = authority.issue("127.0.0.1")
    newcomer = tunnel_stack.Edge(tmp_path / "new", api_socket)
    newcomer.enrol(relay, "new")
    with (
        tunnel_stack.edge(relay, "home", tmp_path / "edge", api_socket) as edge,
        reserved_port() as https,
        reserved_port() as http,
        ExitStack() as stack,
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
        stack.enter_context(servers.nginx(tmp_path / "nginx", {TEMPLATE: values}, [https]))
        for at in range(120):
            source = (f"127.0.2.{at // NETWORK_CONNECTIONS + 1}", 0)
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", https), 20, source))
            stack.enter_context(tls.wrap_socket(plain, server_hostname="127.0.0.1")).sendall(SLOW_BODY)
        with httpx.Client(
            base_url=f"https://127.0.0.1:{https}",
            verify=tls,
            headers=site_tokens.headers(),
            timeout=20,
            trust_env=False,
        ) as phone:

            def told() -> tuple[int, str]:
                answer = phone.get("/s/home/api/v1/state")
                return answer.status_code, answer.json().get("code", "")

            eventually(lambda: told() == (503, "overloaded"), what="phones being told to wait")
            assert edge.status == "ok"
            stack.callback(newcomer.stop)
            newcomer.start()
            eventually(lambda: newcomer.status == "ok", 15, f"another edge coming online: {newcomer.detail}")
            assert told() == (503, "overloaded")
            eventually(lambda: told()[0] == 200, 40, "the slow ones having run out of time")
            assert "Too many open files" not in relay.process.log()
