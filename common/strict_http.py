"""Sanic's reading of requests, made strict, at the api and the relay: what RFC 9112 does not allow is refused and ends
the connection, since what follows may be read in two ways; and whatever a client lets us wait for has an end.

Sanic takes any name of a field, and strips whatever Python calls white space before its value. It takes a chunk's size
as Python reads numbers (`0x5`), anything in a chunk's extension, and chunks from HTTP/1.0, which has none (sanic
25.12). A proxy in front that reads the same bytes in another way would see another end of the request. Its timeouts
begin anew with each byte, so they end no request that comes one byte at a time.
"""

import asyncio
import re
import resource
from typing import Any, ClassVar

from sanic.compat import Header
from sanic.exceptions import BadRequest, RequestTimeout
from sanic.http import Http, Stage
from sanic.server.protocols.websocket_protocol import WebSocketProtocol

from common.crowd import Crowd, Overloaded

BODY_WITHIN_S = 30.0
"""From the end of the head to the end of the body, unless the handler gives it more time: what Sanic reads whole has
64 KiB at most, which is 18 kbit/s."""

LINGER_S = 2.0
"""For the rest of a body whose request is answered: a client that is closed on at once may miss the answer."""

FEW_DESCRIPTORS, MANY_DESCRIPTORS = 1024, 1 << 20
"""Where the system does not tell, and where it names no limit."""

LONGEST_CHUNK_LINE = 64  # bytes of a chunk's size and extension; Sanic's own limit

_REQUEST_LINE = re.compile(rb"[A-Z]{1,16} [\x21-\x7e]+ HTTP/1\.[01]")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # all but the tab
_CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]{1,8}(?:;[\t\x20-\x7e\x80-\xff]*)?")
_DIGITS = re.compile(r"[0-9]{1,15}")
_HEX = re.compile(r"[0-9A-Fa-f]{1,8}")


def fault_of(head: bytes) -> str | None:
    """Why a head, without the empty line at its end, may be read in two ways; None if it may not."""
    request_line, *lines = head.split(b"\r\n")
    if not _REQUEST_LINE.fullmatch(request_line):
        return "The request line is malformed"
    names: list[bytes] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            return "A field's name is malformed"
        text = value.strip(b" \t").decode(errors="surrogateescape")
        if _CONTROL.search(value) or text != text.strip():
            return "A field's value is malformed"
        names.append(name.lower())
    is_old = request_line.endswith(b"0")
    if is_old and b"transfer-encoding" in names:
        return "HTTP/1.0 has no transfer codings"
    hosts = names.count(b"host")
    if hosts > 1 or (hosts == 0 and not is_old):
        return "Exactly one Host field is needed"
    return None


def descriptors() -> int:
    """How many files and sockets this process may have open."""
    try:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    except OSError:  # a sandbox that does not let us ask
        return FEW_DESCRIPTORS
    return soft if soft != resource.RLIM_INFINITY else MANY_DESCRIPTORS


class StrictHttp(Http):
    __slots__ = ("_body_until", "_lingers_until")

    def init_for_request(self) -> None:
        _untyped(super()).init_for_request()
        crowd = _untyped(self).protocol.crowd
        if crowd is not None:
            crowd.waits(_untyped(self).protocol)
        self._body_until = self._lingers_until = 0.0  # on the loop's clock; from the end of the head on

    def give_time(self, within_s: float) -> None:
        """Let the rest of the body take so long, for a handler that reads it piece by piece."""
        self._body_until = _now() + within_s

    async def http1_request_header(self) -> None:
        inherited, http = _untyped(super()), _untyped(self)
        http.protocol.has_asked = True
        try:
            async with asyncio.timeout(http.protocol.request_timeout):
                await inherited.http1_request_header()
        except TimeoutError:
            raise RequestTimeout("The head of the request came too slowly") from None
        fault = fault_of(http.request.head)
        if fault is not None:
            http.keep_alive = False
            http.request_body = None  # whatever follows is not looked at
            raise BadRequest(fault)
        self._enter(http)
        self.give_time(BODY_WITHIN_S)

    def _enter(self, http: Any) -> None:
        """Raise Overloaded if the request is not one of those that descriptors are left for."""
        protocol = http.protocol
        crowd: Crowd[Any] | None = protocol.crowd
        if crowd is None:
            return
        if http.request.path in protocol.kept_paths:
            return  # it may be cut until it has proven who it is
        crowd.serves(protocol)
        if crowd.is_full and not crowd.is_kept(protocol):
            http.keep_alive = False
            http.request_body = None
            raise Overloaded

    async def read(self) -> bytes | None:
        http = _untyped(self)
        is_answered = http.stage is not Stage.HANDLER
        if is_answered:
            self._body_until = min(self._body_until, self._lingers_until or _now() + LINGER_S)
            self._lingers_until = self._body_until
        try:
            async with asyncio.timeout_at(self._body_until):
                if http.expecting_continue:
                    http.expecting_continue = False
                    await http._send(b"HTTP/1.1 100 Continue\r\n\r\n")
                if http.request_bytes_left == 0 and http.request_body == "chunked":
                    await self._check_chunk_line(http)
                return await super().read()
        except TimeoutError:
            http.keep_alive = False
            http.request_body = None  # nobody waits for the rest
            late = "The body of the request came too slowly"
            raise (BadRequest if is_answered else RequestTimeout)(late) from None  # Sanic's drain ends by BadRequest

    async def http1_response_header(self, data: bytes, end_stream: bool) -> None:
        http = _untyped(self)
        http.response.headers = _Fields(http.response.headers)
        await _untyped(super()).http1_response_header(data, end_stream)

    async def head_response_ignored(self, data: bytes, end_stream: bool) -> None:  # type: ignore[override]
        """Drop the body of an answer to HEAD. Sanic's own is no coroutine, and fails where one is awaited."""
        _untyped(super()).head_response_ignored(data, end_stream)

    async def _check_chunk_line(self, http: Any) -> None:
        """What stands in the buffer must be CRLF, which ends the head or the chunk before, and a chunk's first line."""
        buffer = http.recv_buffer
        while len(buffer) < 2 or (end := buffer.find(b"\r\n", 2)) < 0:
            if len(buffer) > LONGEST_CHUNK_LINE:
                break
            await self._receive_more()
        else:
            if buffer[:2] == b"\r\n" and _CHUNK_LINE.fullmatch(buffer[2:end]):
                return
        http.keep_alive = False
        http.request_body = None
        raise BadRequest("Bad chunked encoding")

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


class _Fields(Header):
    """Without the empty `alt-svc` that Sanic puts into every answer, which says nothing (RFC 7838 §3)."""

    def __setitem__(self, name: str, value: Any) -> None:
        if value or name != "alt-svc":
            super().__setitem__(name, value)


class StrictProtocol(WebSocketProtocol):
    """`app.ctx.crowd`, where there is one, is told of each connection, and says which must go."""

    __slots__ = ("crowd", "has_asked")
    HTTP_CLASS = StrictHttp
    is_kept: ClassVar[bool] = False
    """Whether descriptors are kept for all connections of this listener."""
    kept_paths: ClassVar[frozenset[str]] = frozenset()
    """For who asks for these there are descriptors left when there are none for others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.has_asked = False  # the first byte of a request has come
        self.crowd: Crowd[Any] | None = getattr(self.app.ctx, "crowd", None)

    def connection_made(self, transport: Any) -> None:
        _untyped(super()).connection_made(transport)
        self.loop.call_later(self.request_timeout, self._close_if_unused)
        if self.crowd is None:
            return
        peer = transport.get_extra_info("peername")
        goes = self.crowd.come(self, peer[0] if isinstance(peer, tuple) else None)
        if self.is_kept:
            self.crowd.keep(self)
        if goes is not None and goes.transport is not None:
            goes.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        _untyped(super()).connection_lost(exc)
        if self.crowd is not None:
            self.crowd.gone(self)

    def data_received(self, data: bytes) -> None:
        before = self._time
        _untyped(super()).data_received(data)
        if self.websocket is None and self.http is not None and self.http.stage is Stage.RESPONSE:
            self._time = before  # what a client sends is no sign that it takes the answer

    def _close_if_unused(self) -> None:
        """A connection is opened to send something; one that is kept for the next request has longer."""
        if not self.has_asked:
            self.close()


def _untyped(of: object) -> Any:
    """Sanic's class has no types for what it holds."""
    return of


def _now() -> float:
    return asyncio.get_running_loop().time()
