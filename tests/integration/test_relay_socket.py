"""The edge's websocket to its relay, plain and over TLS, against a real server of the `websockets` library."""

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from common.tunnel.limits import LONGEST_MESSAGE
from edge.adapters.relay_socket import SUBPROTOCOL, WebsocketsRelay
from edge.tunnel import RelayUnavailable
from tests.kit.certificates import CertificateAuthority
from tests.kit.waiting import eventually

Handler = Callable[[ServerConnection], None]
WAIT_S = 10.0


@contextmanager
def _server(handler: Handler, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A websocket server on loopback that lets `handler` have each connection; its port."""
    with serve(handler, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)], ssl=context, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


class _Place:
    """Where the relay of a test is: plain, or over TLS with a certificate of the authority's."""

    def __init__(self, authority: CertificateAuthority | None) -> None:
        self._authority = authority
        self.relay = WebsocketsRelay(authority.certificate if authority else None)

    @contextmanager
    def served(self, handler: Handler) -> Iterator[str]:
        context = None
        if self._authority is not None:
            context = _server_context(self._authority, "127.0.0.1")
        with _server(handler, context) as port:
            yield f"http{'s' if context else ''}://127.0.0.1:{port}"


def _server_context(authority: CertificateAuthority, name: str) -> ssl.SSLContext:
    issued = authority.issue(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    return context


@pytest.fixture(params=["plain", "tls"])
def place(request: pytest.FixtureRequest, authority: CertificateAuthority) -> _Place:
    return _Place(authority if request.param == "tls" else None)


def _until_closed(peer: ServerConnection) -> None:
    try:
        while True:
            peer.recv()
    except ConnectionClosed:
        pass


def _echo(peer: ServerConnection) -> None:
    try:
        for message in peer:
            peer.send(message)
    except ConnectionClosed:
        pass


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, LONGEST_MESSAGE])
def test_messages_arrive_byte_for_byte(place: _Place, size: int) -> None:
    """Each length the framing tells apart, and the longest the tunnel has."""
    message = bytes(at % 251 for at in range(size))
    with place.served(_echo) as url, place.relay.connect(url) as relay_socket:
        relay_socket.send(message)
        assert relay_socket.receive(WAIT_S) == message


def test_many_messages_at_once_stay_in_order(place: _Place) -> None:
    """Many in one read, and cut anywhere."""

    def pour(peer: ServerConnection) -> None:
        for number in range(2000):
            peer.send(number.to_bytes(4) * (number % 97))
        _until_closed(peer)

    with place.served(pour) as url, place.relay.connect(url) as relay_socket:
        for number in range(2000):
            assert relay_socket.receive(WAIT_S) == number.to_bytes(4) * (number % 97)


def test_a_message_in_pieces_is_put_together(place: _Place) -> None:
    """No relay of ours cuts messages, but what stands before it may."""

    def cut(peer: ServerConnection) -> None:
        peer.send([b"one ", b"message"])
        peer.send(b"another")
        _until_closed(peer)

    with place.served(cut) as url, place.relay.connect(url) as relay_socket:
        assert [relay_socket.receive(WAIT_S), relay_socket.receive(WAIT_S)] == [b"one message", b"another"]


def test_nothing_in_time_is_none(place: _Place) -> None:
    with place.served(_until_closed) as url, place.relay.connect(url) as relay_socket:
        assert relay_socket.receive(0.01) is None


def test_what_comes_is_heard_while_the_relay_takes_nothing(place: _Place) -> None:
    """A blocked send must not keep a cancelled request from being heard."""
    go_on = threading.Event()

    def deaf(peer: ServerConnection) -> None:
        assert peer.recv() == b"first"
        peer.send(b"hear me")
        go_on.wait(WAIT_S)
        _until_closed(peer)

    with ExitStack() as context:
        url = context.enter_context(place.served(deaf))
        context.callback(go_on.set)
        relay_socket = context.enter_context(place.relay.connect(url))
        relay_socket.send(b"first")
        sent: queue.SimpleQueue[int] = queue.SimpleQueue()

        def send() -> None:
            for number in range(1000):
                relay_socket.send(bytes(LONGEST_MESSAGE))
                sent.put(number)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        before = -1

        def is_blocked() -> bool:
            nonlocal before
            was, before = before, sent.qsize()
            return 0 < before < 1000 and was == before

        eventually(is_blocked, WAIT_S, "the kernel's buffers to be full", every_s=0.2)
        assert relay_socket.receive(WAIT_S) == b"hear me"
        assert sent.qsize() == before, "the sender was not blocked any more"
        go_on.set()
        sender.join(60)
        assert sent.qsize() == 1000


def test_an_abort_frees_a_blocked_sender_and_the_receiver(place: _Place) -> None:
    go_on = threading.Event()
    with ExitStack() as context:
        url = context.enter_context(place.served(lambda _peer: (go_on.wait(60), None)[1]))
        context.callback(go_on.set)
        relay_socket = context.enter_context(place.relay.connect(url))
        failures: queue.SimpleQueue[RelayUnavailable] = queue.SimpleQueue()

        def send() -> None:
            try:
                while True:
                    relay_socket.send(bytes(LONGEST_MESSAGE))
            except RelayUnavailable as exc:
                failures.put(exc)

        def receive() -> None:
            try:
                while True:
                    relay_socket.receive(60)
            except RelayUnavailable as exc:
                failures.put(exc)

        threads = [threading.Thread(target=work, daemon=True) for work in (send, receive)]
        for thread in threads:
            thread.start()
        acknowledged: list[int | None] = [None]

        def stands() -> bool:
            acknowledged.append(relay_socket.acknowledged_bytes())
            return acknowledged[-1] == acknowledged[-2] and bool(acknowledged[-1])

        eventually(stands, WAIT_S, "nothing more to be taken", every_s=0.2)
        relay_socket.abort()
        for thread in threads:
            thread.join(WAIT_S)
        assert failures.qsize() == 2


@pytest.mark.parametrize(("code", "reason"), [(4403, "the key is revoked"), (1012, "")])
def test_the_relays_goodbye_is_told_with_its_code(place: _Place, code: int, reason: str) -> None:
    with place.served(lambda peer: peer.close(code, reason)) as url, place.relay.connect(url) as relay_socket:
        with pytest.raises(RelayUnavailable, match=f"closed the connection with {code}") as caught:
            relay_socket.receive(WAIT_S)
        assert caught.value.close_code == code
        assert reason in caught.value.message
        with pytest.raises(RelayUnavailable):
            relay_socket.send(b"too late")


def test_our_goodbye_arrives_with_its_code(place: _Place) -> None:
    goodbyes: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()

    def listen(peer: ServerConnection) -> None:
        _until_closed(peer)
        received = peer.protocol.close_rcvd
        goodbyes.put((received.code, received.reason) if received is not None else (0, ""))

    with place.served(listen) as url:
        with place.relay.connect(url) as relay_socket:
            relay_socket.close(4409, "a newer connection")
        assert goodbyes.get(timeout=WAIT_S) == (4409, "a newer connection")


def test_a_lost_connection_is_told_without_a_code(place: _Place) -> None:
    with place.served(lambda peer: peer.socket.shutdown(socket.SHUT_RDWR)) as url:  # noqa: SIM117
        with place.relay.connect(url) as relay_socket:
            with pytest.raises(RelayUnavailable, match="the connection to the relay broke") as caught:
                relay_socket.receive(WAIT_S)
            assert caught.value.close_code is None


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (Frame(Opcode.TEXT, b"hello"), "sent text"),
        (Frame(Opcode.BINARY, bytes(LONGEST_MESSAGE + 1)), "does not speak our protocol"),
        (Frame(Opcode.CONT, b"of nothing"), "does not speak our protocol"),
    ],
)
def test_what_no_relay_sends_ends_the_connection(place: _Place, frame: Frame, what: str) -> None:
    """Text, a message over the limit, a piece of none."""

    def send(peer: ServerConnection) -> None:
        peer.socket.sendall(frame.serialize(mask=False))
        _until_closed(peer)

    with (
        place.served(send) as url,
        pytest.raises(RelayUnavailable, match=what),  # also of `connect`: it may come with the upgrade
        place.relay.connect(url) as relay_socket,
    ):
        relay_socket.receive(WAIT_S)


def test_a_websocket_ping_is_answered(place: _Place) -> None:
    """The tunnel has its own, but a proxy between may send them."""
    answered = threading.Event()

    def ping(peer: ServerConnection) -> None:
        if peer.ping().wait(WAIT_S):
            answered.set()
        _until_closed(peer)

    with place.served(ping) as url, place.relay.connect(url) as relay_socket:
        eventually(lambda: relay_socket.receive(0.05) or answered.is_set())


@pytest.mark.parametrize("name", ["elsewhere.test", None])
def test_a_certificate_that_is_not_trusted_is_said(
    tmp_path: Path, authority: CertificateAuthority, name: str | None
) -> None:
    """Signed for another host, or by an authority that is not ours."""
    signer = authority if name else CertificateAuthority(tmp_path / "other")
    with _server(_until_closed, _server_context(signer, name or "127.0.0.1")) as port:  # noqa: SIM117
        with pytest.raises(RelayUnavailable, match="certificate is not trusted"):
            WebsocketsRelay(authority.certificate).connect(f"https://127.0.0.1:{port}").__enter__()


def test_what_is_no_relay_is_said(authority: CertificateAuthority) -> None:
    """Nobody there; plain where TLS is due; a web server that has no tunnel."""
    with socket.create_server(("127.0.0.1", 0)) as unheard:
        port = unheard.getsockname()[1]
    with pytest.raises(RelayUnavailable, match="cannot be reached"):
        WebsocketsRelay(None).connect(f"http://127.0.0.1:{port}").__enter__()
    with _server(_until_closed) as port:  # noqa: SIM117
        with pytest.raises(RelayUnavailable, match="cannot be reached"):
            WebsocketsRelay(authority.certificate).connect(f"https://127.0.0.1:{port}").__enter__()

    with serve(_until_closed, "127.0.0.1", 0, process_request=lambda peer, _: peer.respond(404, "no tunnel")) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with pytest.raises(RelayUnavailable, match="HTTP 404"):
            WebsocketsRelay(None).connect(f"http://127.0.0.1:{server.socket.getsockname()[1]}").__enter__()
        server.shutdown()
        thread.join()
