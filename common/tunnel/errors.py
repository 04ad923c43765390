"""The tunnel's error numbers, what they become for HTTP and websockets, and the exceptions of the core.

A number travels in RESET and GOAWAY; docs/protocol.md ("Errors") is the normative list. The three maps are the only
place that says what a phone or the other end of the websocket is told. No I/O.
"""

from enum import IntEnum
from typing import ClassVar

from common.errors import AppError


class ErrorCode(IntEnum):
    """Why a stream or the connection ended. A number that is not known here is read as INTERNAL."""

    NONE = 0
    PROTOCOL = 1
    FLOW = 2
    INTERNAL = 3
    REFUSED = 4  # the stream was not started: safe to try again
    CANCEL = 5
    TIMEOUT = 6
    BAD_FIELD = 7
    TOO_LARGE = 8
    SLOW_CONSUMER = 9
    UPSTREAM = 10
    CALM_DOWN = 11
    SUPERSEDED = 12
    DRAIN = 13
    AUTH = 14
    REVOKED = 15
    VERSION = 16


_HTTP_STATUS = {
    ErrorCode.REFUSED: 503,
    ErrorCode.TIMEOUT: 504,
    ErrorCode.BAD_FIELD: 400,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.CALM_DOWN: 429,
    ErrorCode.SUPERSEDED: 503,
    ErrorCode.DRAIN: 503,
}
_PHONE_CLOSE_CODE = {
    ErrorCode.REFUSED: 1013,
    ErrorCode.BAD_FIELD: 1007,
    ErrorCode.TOO_LARGE: 1009,
    ErrorCode.CALM_DOWN: 1013,
    ErrorCode.SUPERSEDED: 1012,
    ErrorCode.DRAIN: 1012,
}
_TUNNEL_CLOSE_CODE = {
    ErrorCode.NONE: 1000,
    ErrorCode.PROTOCOL: 4400,
    ErrorCode.FLOW: 4400,
    ErrorCode.AUTH: 4401,
    ErrorCode.REVOKED: 4403,
    ErrorCode.SUPERSEDED: 4409,
    ErrorCode.VERSION: 4426,
    ErrorCode.DRAIN: 1012,
    ErrorCode.CALM_DOWN: 1013,
}


def http_status(error: ErrorCode) -> int:
    """The status a phone gets when its request's stream was reset before HEADERS; 429 and 503 want Retry-After."""
    return _HTTP_STATUS.get(error, 502)


def phone_close_code(error: ErrorCode) -> int:
    """The close code a phone's websocket gets when its stream was reset."""
    return _PHONE_CLOSE_CODE.get(error, 1011)


def tunnel_close_code(error: ErrorCode) -> int:
    """The close code of the tunnel's own websocket."""
    return _TUNNEL_CLOSE_CODE.get(error, 1011)


class TunnelError(AppError):
    """A call or a frame the protocol does not allow; `error` is the number that would travel."""

    code: ClassVar[str] = "tunnel_error"

    def __init__(self, error: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error = error


class StreamRefused(TunnelError):
    """`open_stream` cannot start a stream now (too many, draining, closed): nothing was sent."""

    code = "stream_refused"
    is_retryable = True

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.REFUSED, message)


class ProtocolError(TunnelError):
    """The peer broke the protocol. Never leaves `TunnelConnection`: it becomes the event `ConnectionClosed`."""

    code = "tunnel_protocol_error"

    def __init__(self, message: str, error: ErrorCode = ErrorCode.PROTOCOL) -> None:
        super().__init__(error, message)


class BadPayload(TunnelError):
    """One stream's OPEN or HEADERS is well-formed but holds what is not allowed (CR in a field, a path without `/`).

    `error` is BAD_FIELD or TOO_LARGE. The stream ends, the connection stays.
    """

    code = "tunnel_bad_payload"


class HandshakeFailed(TunnelError):
    """The handshake cannot succeed; close the websocket with `close_code`."""

    code = "tunnel_handshake_failed"

    @property
    def close_code(self) -> int:
        return tunnel_close_code(self.error)
