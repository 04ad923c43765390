"""How a connection is cut so that its other end notices."""

import asyncio
import socket
import struct
from contextlib import suppress

_AT_ONCE = struct.pack("@ii", 1, 0)  # linger on, for no time: the kernel drops what it has and resets the connection


def cut(transport: asyncio.Transport) -> None:
    """End a connection with RST, not with FIN.

    A FIN ends a body for clients of HTTP/1.0, and behind bytes that nobody acknowledges it is never sent: where this
    host hears nothing but is heard, the peer would take the connection for alive.
    """
    with suppress(OSError):  # it has ended by itself
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()  # also one that is closing: it would wait for a peer that takes nothing
