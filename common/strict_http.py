"""Sanic's reading of requests, made strict, at the api and the relay: what RFC 9112 does not allow is refused, and ends
the connection, since what follows may be read in two ways.

Sanic takes any name of a field, so that in `Content-Length : 60` it sees no length and in the body the next request.
Sanic takes a chunk's size as Python reads numbers (`0x5`), and whatever stands where a chunk must end with CRLF (sanic
25.12). A proxy in front that reads the same bytes in another way would see another end of the request.
"""

import re
from typing import Any

from sanic.exceptions import BadRequest
from sanic.http import Http
from sanic.server.protocols.websocket_protocol import WebSocketProtocol

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110 §5.6.2, lower case as Sanic hands names over
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab
_HEX = re.compile(r"[0-9A-Fa-f]{1,8}")
_DIGITS = re.compile(r"[0-9]{1,15}")


class StrictHttp(Http):
    __slots__ = ()

    async def http1_request_header(self) -> None:
        inherited: Any = super()
        await inherited.http1_request_header()
        http: Any = self
        for name, value in http.request.headers.items():
            if not _NAME.fullmatch(name) or _CONTROL.search(value):
                http.keep_alive = False
                raise BadRequest("A field of the head is malformed")

    async def read(self) -> bytes | None:
        http: Any = self
        if http.request_bytes_left == 0 and http.request_body == "chunked" and not http.expecting_continue:
            while len(http.recv_buffer) < 2:
                await self._receive_more()
            if http.recv_buffer[:2] != b"\r\n":  # ends the head, or the chunk before
                http.keep_alive = False
                raise BadRequest("Bad chunked encoding")
        return await super().read()

    def create_empty_request(self) -> None:
        """What Sanic answers a malformed head with; for an address that cannot be parsed it would fail once more."""
        try:
            super().create_empty_request()
        except BadRequest:
            self.url = None
            super().create_empty_request()

    @staticmethod
    def _safe_int(value: str, base: int = 10) -> int:
        if not (_HEX if base == 16 else _DIGITS).fullmatch(value):
            raise ValueError("not a number of HTTP")
        return int(value, base)


class StrictProtocol(WebSocketProtocol):
    HTTP_CLASS = StrictHttp
