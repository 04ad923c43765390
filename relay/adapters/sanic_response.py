"""Writes an answer exactly as it came, in place of Sanic's response objects.

Sanic's would replace fields, end a broken body as if it were whole, and fail on a streamed answer to HEAD (sanic
25.12). This one keeps order and duplicates of the fields, sends each piece as it comes, and cuts the connection where
a body cannot be completed, so that the client notices. Handlers that use it return None and carry `is_websocket`, the
mark by which Sanic does not expect a response object. Used by the handlers of the public side.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from sanic import Request
from sanic.http import Stage

from relay.adapters.connections import cut


class SanicAnswer:
    """`relay.ports.Answer`; its documentation is there."""

    def __init__(self, request: Request) -> None:
        self._http: Any = request.stream
        self._is_head = request.method == "HEAD"
        self._is_old = request.version == "1.0"  # knows no chunks: the end of the connection ends the body
        self._is_chunked = False
        self._has_body = True
        self.has_begun = False

    async def whole(self, status: int, fields: Iterable[tuple[str, str]], body: bytes) -> None:
        listed = list(fields)
        if not any(name == "content-length" for name, _ in listed) and not self._is_head and _may_have_body(status):
            listed.append(("content-length", str(len(body))))
        self._start(status, listed)
        await self._send(self._head(status, listed) + (body if self._has_body else b""))
        self._http.stage = Stage.IDLE

    async def begin(self, status: int, fields: Iterable[tuple[str, str]], data: bytes) -> None:
        listed = list(fields)
        self._start(status, listed)
        has_length = any(name == "content-length" for name, _ in listed)
        if self._has_body and not has_length:
            if self._is_old:
                self._http.keep_alive = False
            else:
                self._is_chunked = True
                listed.append(("transfer-encoding", "chunked"))
        await self._send(self._head(status, listed) + self._piece(data))

    async def write(self, data: bytes) -> None:
        if data and self._has_body:
            await self._http._send(self._piece(data))

    async def end(self, data: bytes = b"") -> None:
        ending = self._piece(data) + (b"0\r\n\r\n" if self._is_chunked else b"")
        if ending:
            await self._http._send(ending)
        self._http.stage = Stage.IDLE

    def abort(self) -> None:
        self._http.keep_alive = False
        self._http.stage = Stage.FAILED
        if self._http.protocol.transport is not None:
            cut(self._http.protocol.transport)

    def _start(self, status: int, fields: list[tuple[str, str]]) -> None:
        if self._http.stage is not Stage.HANDLER:
            raise RuntimeError("the request is answered already")
        self.has_begun = True
        self._has_body = not self._is_head and _may_have_body(status)
        self._http.stage = Stage.RESPONSE
        self._http.response_func = None
        if self._http.request_body:  # an early answer: the rest of the upload is not worth reading
            self._http.keep_alive = False
        fields.append(("connection", "keep-alive" if self._http.keep_alive else "close"))

    def _head(self, status: int, fields: list[tuple[str, str]]) -> bytes:
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = ""
        lines = [f"HTTP/1.1 {status} {phrase}", *[f"{name}: {value}" for name, value in fields], "", ""]
        return "\r\n".join(lines).encode("utf-8")

    def _piece(self, data: bytes) -> bytes:
        if not data or not self._has_body:
            return b""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data

    async def _send(self, head: bytes) -> None:
        if self._http.expecting_continue:
            self._http.expecting_continue = False  # the final status answers the expectation (RFC 9110 §10.1.1),
            self._http.request_body = None  # so no body will come
        await self._http._send(head)


def _may_have_body(status: int) -> bool:
    return status >= 200 and status not in (204, 304)
