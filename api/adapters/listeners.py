"""The two listeners and the life of the process on them; the one file that knows how Sanic serves.

Origin is the listener that accepted a connection: TCP is the site's own network, the unix socket is the edge with what
came through the relay. Each listener has a protocol class of its own, so the origin hangs on the connection itself.

Why not `app.run`: Sanic 25.12's single-process server has one primary listener. A second `app.prepare(unix=…)` does
start, but with mode 0666, without the websocket protocol, with the start and stop listeners run twice, and a bind that
fails is only logged. So both sockets are bound here, before anything runs, and given to `app.create_server`, which
also lets the tests run the very same code in a thread.
"""

import asyncio
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from sanic import Request, Sanic
from sanic.server.protocols.websocket_protocol import WebSocketProtocol

from api.access import Origin
from common.errors import AppError
from common.strict_http import StrictProtocol

BACKLOG = 100
SOCKET_MODE = 0o660  # the edge runs as the same user or group; nobody else may claim to be it
DRAIN_S = 5.0
"""How long requests under way may take to end when the process is told to stop."""


class ListenerUnusable(AppError):
    """An address or socket path cannot be listened on; the message names it."""

    code = "listener_unusable"


class _Protocol(StrictProtocol):
    """Reads nothing of a websocket whose client takes nothing: each ping would leave an answer that waits."""

    __slots__ = ()

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[no-untyped-call]
        if self.websocket is not None and self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()  # type: ignore[no-untyped-call]
        if self.websocket is not None and self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()


class LanProtocol(_Protocol):
    __slots__ = ()
    origin: ClassVar[Origin] = Origin.LAN


class RelayProtocol(_Protocol):
    __slots__ = ()
    origin: ClassVar[Origin] = Origin.RELAY
    is_kept = True  # whatever the LAN does, the edge gets in


def origin_of(request: Request) -> Origin:
    """The origin of the listener that accepted this request's connection."""
    protocol: object = request.protocol
    # Of an unknown connection we assume the one with fewer rights.
    return Origin.LAN if isinstance(protocol, LanProtocol) else Origin.RELAY


def bind_tcp(host: str, port: int) -> socket.socket:
    """A listening TCP socket; raises ListenerUnusable. Port 0 lets the kernel choose."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as exc:
        raise ListenerUnusable(f"cannot listen on {host} port {port}: {exc.strerror or exc}") from exc


def bind_unix(path: Path) -> socket.socket:
    """A listening unix socket with SOCKET_MODE; replaces what a killed process left behind. Raises ListenerUnusable."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        umask = os.umask(0o777 & ~SOCKET_MODE)  # from its first moment on, not a moment later
        try:
            listener.bind(str(path))
        finally:
            os.umask(umask)
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        raise ListenerUnusable(f"cannot listen on {path}: {exc.strerror or exc}") from exc
    return listener


@asynccontextmanager
async def serving(app: Sanic[Any, Any], lan: socket.socket, relay: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on both sockets inside the block; at its end refuse new connections, then let the others finish.

    Closes both sockets and removes the unix socket's file.
    """
    relay_path = relay.getsockname()
    servers = [await _server(app, lan, LanProtocol), await _server(app, relay, RelayProtocol)]
    first = servers[0]
    try:
        await first.startup()
        await first.before_start()
        for server in servers:
            await server.start_serving()
        await first.after_start()
        yield
    finally:
        closing = [server.close() for server in servers]  # tasks: each ends when its last connection has
        await _drain(servers)
        await asyncio.gather(*closing)
        _remove(relay_path)
        Sanic.unregister_app(app)


async def until_told_to_stop(announce: Callable[[], None]) -> None:
    """Return at the first SIGTERM or SIGINT; `announce` is called once signals are caught."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    announce()
    await told.wait()


async def _server(app: Sanic[Any, Any], sock: socket.socket, protocol: type[WebSocketProtocol]) -> Any:
    """An AsyncioServer, whose methods have no types."""
    return await app.create_server(
        sock=sock,
        protocol=protocol,
        return_asyncio_server=True,
        asyncio_server_kwargs={"start_serving": False},  # not before the start listeners are through
    )


async def _drain(servers: list[Any]) -> None:
    """Idle connections and websockets end at once, requests within DRAIN_S, the rest is cut."""
    deadline = asyncio.get_running_loop().time() + DRAIN_S
    while connections := [connection for server in servers for connection in server.connections]:
        for connection in connections:
            connection.close_if_idle()
        if asyncio.get_running_loop().time() > deadline:
            for connection in connections:
                connection.abort()
            break
        await asyncio.sleep(0.02)


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        Path(path).unlink()


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on; leave anything else, so that binding fails and says so."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
