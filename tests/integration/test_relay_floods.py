"""One site, or a stranger, sends what costs nothing as fast as it can: it is closed, and the other site's phones never
notice."""

import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from common.tunnel.frames import FrameType, encode_credit, encode_frame
from common.tunnel.limits import LONGEST_MESSAGE
from tests.kit import site_tokens, tunnel_stack
from tests.kit.odd_edge import dialled, odd_edge
from tests.kit.servers import RedisServer

PING = encode_frame(FrameType.PING, 0, b"12345678")
CREDIT = encode_frame(FrameType.CREDIT, 0, encode_credit(1))


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[tunnel_stack.Relay]:
    with tunnel_stack.relay(tmp_path_factory.mktemp("relay"), f"redis://127.0.0.1:{redis_server.port}/11") as running:
        yield running


@pytest.fixture(scope="module")
def phone(relay: tunnel_stack.Relay, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Of the site that is not at fault."""
    with (
        tunnel_stack.site_api(tmp_path_factory.mktemp("api")) as api_socket,
        tunnel_stack.edge(relay, "quiet", tmp_path_factory.mktemp("edge"), api_socket),
        tunnel_stack.phone(relay, "quiet") as phone,
    ):
        yield phone


def flooded(phone: httpx.Client, send: Callable[[], None], most: int = 5000) -> int:
    """Send again and again until it is closed, and ask for the other site's values in between: after how many."""
    for count in range(most):
        if count % 50 == 0:
            assert phone.get("/api/v1/state").status_code == 200
        try:
            send()
        except (ConnectionClosed, OSError):
            assert phone.get("/api/v1/state").status_code == 200
            return count
    raise AssertionError("it may go on for ever")


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("ping", PING),
        ("credit", CREDIT),
        ("unknown", b"\x7f\x80\x00\x00\x00\x00\x00\x00"),
    ],
)
def test_a_site_that_sends_what_is_free_is_closed(
    relay: tunnel_stack.Relay, phone: httpx.Client, name: str, frame: bytes
) -> None:
    with odd_edge(relay, f"flood-{name}") as edge:
        flooded(phone, lambda: edge.send(frame * ((LONGEST_MESSAGE - 4) // len(frame))))
        closed = edge.line.protocol.close_rcvd
        assert closed is not None
        assert closed.code == 1013  # CALM_DOWN


def message(number: int) -> bytes:
    """With one PING."""
    return Frame(Opcode.BINARY, number.to_bytes(4, "big") + PING).serialize(mask=True)


def test_a_site_whose_messages_are_small_is_closed_too(relay: tunnel_stack.Relay, phone: httpx.Client) -> None:
    """A frame a message."""
    with odd_edge(relay, "flood-small") as edge:
        batches = (b"".join(message(number) for number in range(at, at + 10_000)) for at in range(2, 1_000_000, 10_000))
        flooded(phone, lambda: edge.line.socket.sendall(next(batches)), most=99)


def raw_flood(sock: socket.socket, frame: bytes, at_once: int = 10_000) -> Callable[[], None]:
    flood = frame * at_once
    return lambda: sock.sendall(flood)


ODD = {
    "websocket pings": Frame(Opcode.PING, b"").serialize(mask=True),
    "websocket pongs": Frame(Opcode.PONG, b"").serialize(mask=True),
    "pieces of nothing": Frame(Opcode.CONT, b"", fin=False).serialize(mask=True),
}


@pytest.mark.parametrize("what", ODD)
def test_a_stranger_at_the_edges_door_is_closed(relay: tunnel_stack.Relay, phone: httpx.Client, what: str) -> None:
    """Before any handshake of ours, below our frames."""
    with dialled(relay) as line:
        if what == "pieces of nothing":
            line.socket.sendall(Frame(Opcode.BINARY, b"", fin=False).serialize(mask=True))
        flooded(phone, raw_flood(line.socket, ODD[what]))


@pytest.mark.parametrize("what", ODD)
def test_a_phone_that_floods_its_websocket_is_closed(relay: tunnel_stack.Relay, phone: httpx.Client, what: str) -> None:
    url = f"{relay.websocket_url('quiet')}/api/ws"
    with connect(
        url, additional_headers=site_tokens.headers(), proxy=None, ping_interval=None, compression=None, close_timeout=1
    ) as ws:
        if what == "pieces of nothing":
            ws.socket.sendall(Frame(Opcode.BINARY, b"", fin=False).serialize(mask=True))
        flooded(phone, raw_flood(ws.socket, ODD[what]))
