"""A websocket to the site's own api over its unix socket, by `websockets.sync`.

Raises ApiUnavailable and WebsocketRefused in place of the library's exceptions. Opened by local_api.py.
"""

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from edge.tunnel import ApiUnavailable, Pairs, WebsocketRefused

OPEN_TIMEOUT_S = 5.0
"""The api accepts at once or not at all: it is on this machine."""

LONGEST_MESSAGE = 1024 * 1024  # bytes of one websocket message, as everywhere on the way


class UnixWebsocket:
    """`edge.tunnel.ApiWebsocket`; its documentation is there."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.subprotocol: str | None = connection.subprotocol

    @classmethod
    def over(cls, raw: socket.socket, target: str, fields: Pairs) -> "UnixWebsocket":
        """Shake hands on a connected socket, which is closed if that fails."""
        offered = [
            name.strip() for key, value in fields if key == "sec-websocket-protocol" for name in value.split(",")
        ]
        others = [(key, value) for key, value in fields if key not in ("sec-websocket-protocol", "host")]
        try:
            with _translated():
                connection = connect(
                    f"ws://localhost{target}",
                    sock=raw,
                    subprotocols=[Subprotocol(name) for name in offered] or None,
                    additional_headers=others,
                    user_agent_header=None,
                    compression=None,
                    proxy=None,
                    open_timeout=OPEN_TIMEOUT_S,
                    ping_interval=None,  # both ends are on this machine: a dead peer's socket closes
                    close_timeout=2.0,
                    max_size=LONGEST_MESSAGE,
                    max_queue=4,
                ).__enter__()
        except (ApiUnavailable, WebsocketRefused):
            raw.close()
            raise
        return cls(connection)

    def send(self, data: bytes, is_text: bool) -> None:
        with _translated():
            self._connection.send(data, text=is_text)

    def receive(self) -> tuple[bytes, bool] | None:
        """The next message and whether it is text; None once it is closed: see `closed_with`."""
        try:
            with _translated():
                message = self._connection.recv()
        except ApiUnavailable:
            return None
        return (message.encode("utf-8"), True) if isinstance(message, str) else (message, False)

    @property
    def closed_with(self) -> tuple[int | None, str] | None:
        """Code (None for none) and reason the api closed with; None when the connection was lost or we closed it."""
        received = self._connection.protocol.close_rcvd
        if received is None:
            return None
        return (None if received.code == 1005 else received.code), received.reason

    def close(self, code: int | None, reason: str) -> None:
        """Close towards the api; waits up to 2 s for its part."""
        with contextlib.suppress(WebSocketException, OSError):
            self._connection.close(code, reason)  # type: ignore[arg-type]  # None is not declared: a close without code

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except InvalidStatus as exc:
        response = exc.response
        raise WebsocketRefused(
            response.status_code, list(response.headers.raw_items()), bytes(response.body or b"")
        ) from exc
    except ConnectionClosed as exc:
        raise ApiUnavailable("the api closed the websocket", detail=str(exc)) from exc
    except (WebSocketException, OSError) as exc:
        raise ApiUnavailable("the api does not answer", detail=f"{type(exc).__name__}: {exc}") from exc
