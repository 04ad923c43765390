"""An edge in a test's hands: its handshake is right, and what it sends after that is up to the test."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from common.security.device_keys import DeviceKey, encode_public_key
from common.tunnel.handshake import EdgeHandshake, Welcome
from tests.kit.tiny_edge import TOKEN_KEY
from tests.kit.tunnel_stack import Relay


class OddEdge:
    """`welcome` is what the relay told. Messages are counted here; frames are the test's."""

    def __init__(self, line: ClientConnection, welcome: Welcome) -> None:
        self.line = line
        self.welcome = welcome
        self._number = 2

    def send(self, frames: bytes) -> None:
        """One message of these frames. Raises ConnectionClosed once the relay has closed."""
        self.line.send(self._number.to_bytes(4, "big") + frames)
        self._number += 1


@contextmanager
def dialled(relay: Relay) -> Iterator[ClientConnection]:
    """A websocket at the relay's door for edges, before HELLO."""
    url = f"{relay.url.replace('http', 'ws', 1)}/tunnel"
    with connect(
        url,
        subprotocols=[Subprotocol("wallport-tunnel.v1")],
        compression=None,
        proxy=None,
        ping_interval=None,
        close_timeout=1,
    ) as line:
        yield line


@contextmanager
def odd_edge(relay: Relay, site: str) -> Iterator[OddEdge]:
    """The edge of a new site, connected."""
    key = DeviceKey.generate()
    row = relay.registry.enrol(relay.code_for(site), encode_public_key(key.public_key), time.time())
    with dialled(relay) as line:
        handshake = EdgeHandshake(
            key,
            relay_origin=relay.origin,
            site=row.site_id,
            boot_id="odd",
            last_fence=0,
            software="odd-edge",
            token_key=TOKEN_KEY,
        )
        line.send(handshake.hello())
        line.send(handshake.receive_challenge(_message(line)))
        yield OddEdge(line, handshake.receive_welcome(_message(line)))


def _message(line: ClientConnection) -> bytes:
    message = line.recv(10)
    assert isinstance(message, bytes)
    return message
