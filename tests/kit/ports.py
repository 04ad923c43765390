"""Loopback ports from the kernel that stay ours, also while the server on them is stopped.

A port that is merely found and let go can be taken by any outgoing connection, and a client that keeps dialling a
stopped server's port can even connect to itself. So a socket stays bound to it that never listens: Linux lets another
socket with SO_REUSEADDR (which every server here sets) bind and listen beside it, refuses connections as long as none
does, and gives the port to nobody else.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """A TCP port on 127.0.0.1 for one server, until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind(("127.0.0.1", 0))
        yield int(reservation.getsockname()[1])
