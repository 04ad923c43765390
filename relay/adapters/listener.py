"""The listener and the life of the process on it; the one file that knows how Sanic serves.

Two relay processes may listen on one port (SO_REUSEPORT), so that one takes over from the other: `serving` ends by
closing the listener first, then lets the app drain while the requests on open connections are still carried, each
answered with `Connection: close`. The app awaits `app.ctx.end_requests(within_s)` before it lets go of what they need.
Why not `app.run`: it keeps the listener open until all that is done.
"""

import asyncio
import contextlib
import ctypes
import signal
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from sanic import Sanic
from sanic.http import Stage

from common.errors import AppError
from common.strict_http import StrictProtocol

TUNNEL_PATH = "/tunnel"
"""The edges' way in."""

BACKLOG = 1024
"""Connections not yet accepted: after a restart all edges dial within seconds."""

CLOSE_S = 3.0
"""For connections to end after the app has drained; then they are cut."""

LEAVE_S = 0.5
"""For handshakes that began before the kernel was told to give them to the successor."""

SO_ATTACH_REUSEPORT_CBPF = 51
"""Linux 4.5; Python has no name for it. The number is that of PCs and ARM alike."""

RETURN_SECOND = struct.pack("@HBBI", 0x06, 0, 0, 1)
"""One instruction of classic BPF, `return 1`: the second listener of the port. With fewer the kernel chooses itself."""

QUIET_S = 1.0
"""A connection without a request for so long is idle. One that is in use is not closed but told to close with its next
answer: else the close could meet the next request on its way."""

STEP_S = 0.02


class RelayProtocol(StrictProtocol):
    """Edges and phones come in by one door; who is who is seen by what they ask for."""

    __slots__ = ()
    kept_paths = frozenset({TUNNEL_PATH})


class ListenerUnusable(AppError):
    """The address cannot be listened on; the message names it."""

    code = "listener_unusable"


def bind(host: str, port: int) -> socket.socket:
    """A bound socket; raises ListenerUnusable. It listens once the app is ready: another process may have the port, and
    a connection that waited here for an app that fails to start would be lost."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as exc:
        raise ListenerUnusable(f"cannot listen on {host} port {port}: {exc.strerror or exc}") from exc
    return sock


def leave_to_successor(sock: socket.socket) -> None:
    """Have the kernel give new connections to the process that came second to this port, if there is one. Those that
    the kernel has taken for us and we have not would be reset when the listener is closed."""
    program = ctypes.create_string_buffer(RETURN_SECOND)
    described = struct.pack("@HP", 1, ctypes.addressof(program))  # struct sock_fprog
    with contextlib.suppress(OSError):  # an older kernel: the rest is good enough
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, described)


@asynccontextmanager
async def serving(app: Sanic[Any, Any], sock: socket.socket) -> AsyncIterator[None]:
    """Serve `app` inside the block; closes the socket."""
    server: Any = await app.create_server(
        sock=sock,
        backlog=BACKLOG,
        protocol=RelayProtocol,
        return_asyncio_server=True,
        asyncio_server_kwargs={"start_serving": False},  # not before the start listeners are through
    )
    try:
        await server.startup()
        await server.before_start()
        await server.start_serving()
        await server.after_start()
        yield
    finally:
        leave_to_successor(sock)
        await asyncio.sleep(LEAVE_S)
        closing = server.close()
        _answer_last(app, server)
        app.ctx.end_requests = partial(_end_requests, server)
        await server.before_stop()
        await _close_connections(server)
        await closing
        await server.after_stop()
        Sanic.unregister_app(app)


async def until_told_to_stop() -> None:
    """Return at the first SIGTERM or SIGINT."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()


def _answer_last(app: Sanic[Any, Any], server: Any) -> None:
    """The next answer on each connection is its last one."""
    app.config.KEEP_ALIVE = False  # of requests that are still to come
    for connection in server.connections:
        if connection.http is not None and connection.http.stage is Stage.HANDLER:
            connection.http.keep_alive = False


async def _end_requests(server: Any, within_s: float) -> None:
    """Return once no phone has a request under way or about to come; idle connections are closed."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while phones := [one for one in server.connections if getattr(one, "websocket", None) is None]:
        if loop.time() > deadline:
            return
        for connection in phones:
            if connection.http is not None and time.monotonic() - connection._time > QUIET_S:
                connection.close_if_idle()
        await asyncio.sleep(STEP_S)


async def _close_connections(server: Any) -> None:
    """Idle ones and websockets at once, requests within CLOSE_S, the rest is cut."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CLOSE_S
    while connections := list(server.connections):
        for connection in connections:
            if loop.time() > deadline:
                connection.abort()
            else:
                connection.close_if_idle()
        if loop.time() > deadline:
            break
        await asyncio.sleep(STEP_S)
