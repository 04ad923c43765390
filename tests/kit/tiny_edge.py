"""Edges by the hundred in one process: the real handshake, core and pauses over asyncio, and nothing behind them.

A whole edge has threads and an api of its own; what a relay sees of five hundred that come at once, it sees of these.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from common.backoff import Backoff
from common.security.device_keys import DeviceKey, encode_public_key
from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import HandshakeFailed
from common.tunnel.events import ConnectionClosed as TunnelClosed
from common.tunnel.events import Event, StreamOpened
from common.tunnel.handshake import EdgeHandshake, TokenKeyInfo, Welcome
from common.tunnel.states import Role
from edge.tunnel import HEALTHY_AFTER_S, ending_of, next_pause_s
from relay.adapters.registry import Registry
from tests.kit import site_tokens

TOKEN_KEY = TokenKeyInfo(site_tokens.KEY.site, site_tokens.KEY.public_text)


@dataclass(slots=True)
class TinyEdge:
    """One site's edge. `due_at` are the instants for which it planned to dial again, monotonic seconds."""

    url: str
    site_id: str
    key: DeviceKey
    boot_id: str = field(default_factory=lambda: secrets.token_hex(8))
    fence: int = 0
    is_up: bool = False
    due_at: list[float] = field(default_factory=list)

    async def live(self) -> None:
        """Dial, serve nothing, come back after every loss, as a real edge whose connection was good does."""
        backoff, spread_s = Backoff(), 0.0
        while True:
            lived_s, code = None, None
            try:
                async with self._dialled() as websocket:
                    welcome = await self._shake_hands(websocket)
                    self.fence, spread_s = welcome.fence, welcome.reconnect_spread_s
                    self.is_up, lived_s = True, HEALTHY_AFTER_S
                    await self._serve(websocket, welcome)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd is not None else None
            except (OSError, TimeoutError, InvalidHandshake, HandshakeFailed):
                pass
            self.is_up = False
            pause_s = next_pause_s(ending_of(code), lived_s, spread_s, backoff)
            self.due_at.append(time.monotonic() + pause_s)
            await asyncio.sleep(pause_s)

    def _dialled(self) -> connect:
        return connect(
            f"{self.url.replace('http', 'ws', 1)}/tunnel",
            subprotocols=[Subprotocol("wallport-tunnel.v1")],
            compression=None,
            proxy=None,
            ping_interval=None,
            open_timeout=10,
            close_timeout=1,
            max_queue=None,
        )

    async def _shake_hands(self, websocket: ClientConnection) -> Welcome:
        handshake = EdgeHandshake(
            self.key,
            relay_origin=self.url,
            site=self.site_id,
            boot_id=self.boot_id,
            last_fence=self.fence,
            software="tiny-edge",
            token_key=TOKEN_KEY,
        )
        async with asyncio.timeout(10):
            await websocket.send(handshake.hello())
            await websocket.send(handshake.receive_challenge(await _message(websocket)))
            return handshake.receive_welcome(await _message(websocket))

    async def _serve(self, websocket: ClientConnection, welcome: Welcome) -> None:
        """Until the connection's end; every request is answered with 204."""
        core = TunnelConnection(
            Role.EDGE, now=time.monotonic(), peer=welcome.limits, ping_phase=secrets.randbelow(100) / 100
        )
        while True:
            events: list[Event] = []
            try:
                async with asyncio.timeout(max(0.01, (core.next_deadline() or 0.0) - time.monotonic())):
                    events = core.receive(await _message(websocket), time.monotonic())
            except TimeoutError:
                events = core.tick(time.monotonic())
            for event in events:
                if isinstance(event, StreamOpened):
                    core.send_headers(event.stream_id, 204, (), end=True)
            while (message := core.data_to_send()) is not None:
                await websocket.send(message)
            if any(isinstance(event, TunnelClosed) for event in events):
                return


def registered(registry: Registry, url: str, names: Sequence[str]) -> list[TinyEdge]:
    """Edges of these sites, which the relay at `url` knows from now on."""
    edges = []
    for name in names:
        key = DeviceKey.generate()
        row = registry.enrol(registry.add(name, time.time()), encode_public_key(key.public_key), time.time())
        edges.append(TinyEdge(url, row.site_id, key))
    return edges


@contextmanager
def living(edges: Sequence[TinyEdge], *, over_s: float = 0.0) -> Iterator[None]:
    """All of them dial, over `over_s`, and live in one thread until the block ends."""
    told = threading.Event()

    async def one(edge: TinyEdge, number: int) -> None:
        await asyncio.sleep(over_s * number / len(edges))
        await edge.live()

    async def all_of_them() -> None:
        tasks = [asyncio.create_task(one(edge, number)) for number, edge in enumerate(edges)]
        await asyncio.to_thread(told.wait)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    failure: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(all_of_them())
        except BaseException as exc:  # noqa: BLE001 -- goes to the test's own thread
            failure.append(exc)

    thread = threading.Thread(target=work, name="tiny-edges")
    thread.start()
    try:
        yield
    finally:
        told.set()
        thread.join(30)
    if failure:
        raise failure[0]


async def _message(websocket: ClientConnection) -> bytes:
    message = await websocket.recv()
    if isinstance(message, str):
        raise OSError("text from the relay")
    return message
