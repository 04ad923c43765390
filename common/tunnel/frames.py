"""The codec: websocket messages ↔ frames, and the small payloads (docs/protocol.md, "Frames" and "Payloads").

A websocket message is a u32 number, counted per direction from 0, and whole frames. Every length is checked before
anything is cut or copied. Faults of structure raise `ProtocolError` (the connection ends); what is well-formed but not
allowed in OPEN and HEADERS raises `BadPayload` (the stream ends). OPEN and HEADERS are in fields.py.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

import msgspec

from common.tunnel.errors import ErrorCode, ProtocolError
from common.tunnel.limits import (
    LONGEST_DATA,
    LONGEST_DETAIL,
    LONGEST_JSON,
    LONGEST_MESSAGE,
    LONGEST_PAYLOAD,
    LONGEST_REASON,
)

HEADER_BYTES = 8
NUMBER_BYTES = 4
NUMBERS = 1 << 32
LONGEST_CREDIT = (1 << 31) - 1
"""A window above this is an error, as in HTTP/2: no honest sum of credits comes near."""

_HEADER = struct.Struct("!BBHI")
_NUMBER = struct.Struct("!I")
_ERROR = struct.Struct("!H")
_GOAWAY = struct.Struct("!IHII")

Fields = tuple[tuple[str, str], ...]
"""Header fields in order, duplicates kept. Names are lower-case tokens; values are text, UTF-8 on the wire."""


class FrameType(IntEnum):
    HELLO = 0x01
    CHALLENGE = 0x02
    PROOF = 0x03
    WELCOME = 0x04
    OPEN = 0x10
    HEADERS = 0x11
    DATA = 0x12
    MSG = 0x13
    WSCLOSE = 0x14
    RESET = 0x15
    CREDIT = 0x16
    PING = 0x20
    PONG = 0x21
    GOAWAY = 0x22


class Flag:
    """Bits of a frame's flags; plain numbers, since an enumeration's `&` costs a microsecond and each frame has two."""

    END = 0x01  # OPEN, HEADERS, DATA: this direction has no more
    TEXT = 0x02  # MSG: of a text message; the same on all its pieces
    FIN = 0x04  # MSG: the last piece of its message
    SKIPPABLE = 0x80  # of types that are not known: may be skipped


class Kind(IntEnum):
    """What a stream carries. 3, raw bytes, is reserved: refused with RESET REFUSED."""

    HTTP = 1
    WEBSOCKET = 2


class Frame(msgspec.Struct, frozen=True):
    type: FrameType
    flags: int
    stream_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class GoAway:
    last_id: int
    error: ErrorCode
    reconnect_after_ms: int
    spread_ms: int


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a frame of one type may look like. `place`: 0 session only, 1 streams only, 2 both."""

    place: int
    flags: int
    shortest: int
    longest: int


_RULES: dict[int, tuple[FrameType, _Rule]] = {
    kind.value: (kind, rule)
    for kind, rule in {
        FrameType.HELLO: _Rule(0, 0, 2, LONGEST_JSON),
        FrameType.CHALLENGE: _Rule(0, 0, 33, 32 + 255),
        FrameType.PROOF: _Rule(0, 0, 64, 64),
        FrameType.WELCOME: _Rule(0, 0, 2, LONGEST_JSON),
        FrameType.OPEN: _Rule(1, Flag.END, 8, LONGEST_PAYLOAD),
        FrameType.HEADERS: _Rule(1, Flag.END, 4, LONGEST_PAYLOAD),
        FrameType.DATA: _Rule(1, Flag.END, 0, LONGEST_DATA),
        FrameType.MSG: _Rule(1, Flag.TEXT | Flag.FIN, 0, LONGEST_PAYLOAD),
        FrameType.WSCLOSE: _Rule(1, 0, 2, 2 + LONGEST_REASON),
        FrameType.RESET: _Rule(1, 0, 2, 2 + LONGEST_DETAIL),
        FrameType.CREDIT: _Rule(2, 0, 4, 4),
        FrameType.PING: _Rule(0, 0, 8, 8),
        FrameType.PONG: _Rule(0, 0, 8, 8),
        FrameType.GOAWAY: _Rule(0, 0, 14, 14),
    }.items()
}


def encode_frame(frame_type: FrameType, stream_id: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """One frame. The caller keeps to the limits; see `_RULES`."""
    return encode_header(frame_type, stream_id, len(payload), flags) + payload


def encode_header(frame_type: FrameType, stream_id: int, length: int, flags: int) -> bytes:
    """What stands before a frame's payload of `length` bytes."""
    return _HEADER.pack(frame_type, flags, length, stream_id)


def encode_message(number: int, *frames: bytes | memoryview) -> bytes:
    """One websocket message of whole frames, which may come in parts."""
    return b"".join((_NUMBER.pack(number % NUMBERS), *frames))


def decode_message(message: bytes, number: int, on_skipped: Callable[[int], None] | None = None) -> Iterator[Frame]:
    """The frames of one websocket message that must carry `number`; raises ProtocolError at the first fault.

    Frames before the fault have been yielded by then. Unknown skippable ones are passed over; `on_skipped` is called
    with the length of each.
    """
    size = len(message)
    if size > LONGEST_MESSAGE:
        raise ProtocolError("message too long")
    if size < NUMBER_BYTES + HEADER_BYTES:
        raise ProtocolError("message too short")
    (found,) = _NUMBER.unpack_from(message)
    if found != number % NUMBERS:
        raise ProtocolError(f"message {found} where {number % NUMBERS} was due: reordered or lost")
    at = NUMBER_BYTES
    while at < size:
        if size - at < HEADER_BYTES:
            raise ProtocolError("cut header")
        kind, flags, length, stream_id = _HEADER.unpack_from(message, at)
        at += HEADER_BYTES
        if length > size - at:
            raise ProtocolError("frame cut by the end of its message")
        known = _RULES.get(kind)
        if known is not None:
            _check(known[1], flags, length, stream_id)
            yield Frame(known[0], flags, stream_id, message[at : at + length])
        elif length > LONGEST_PAYLOAD:
            raise ProtocolError("frame too long")
        elif not flags & Flag.SKIPPABLE:
            raise ProtocolError(f"unknown frame type {kind:#04x}")
        elif on_skipped is not None:
            on_skipped(length)
        at += length


def encode_reset(error: ErrorCode, detail: str) -> bytes:
    return _ERROR.pack(error) + cut_utf8(detail, LONGEST_DETAIL)


def decode_reset(payload: bytes) -> tuple[ErrorCode, str]:
    return _error_code(_ERROR.unpack_from(payload)[0]), _text(payload[2:])


def encode_close(code: int | None, reason: str) -> bytes:
    """The payload of WSCLOSE for any code a websocket library reports; see `wire_close_code`."""
    wire = wire_close_code(code)
    return _ERROR.pack(wire) + (cut_utf8(reason, LONGEST_REASON) if wire else b"")


def decode_close(payload: bytes) -> tuple[int | None, str]:
    (code,) = _ERROR.unpack_from(payload)
    if wire_close_code(code or None) != code or (code == 0 and len(payload) > 2):
        raise ProtocolError(f"close code {code} must not travel")
    return code or None, _text(payload[2:])


def wire_close_code(code: int | None) -> int:
    """What travels for a websocket's close code: 0 for none (None, 1005), 1011 for one that must not travel."""
    if code is None or code == 1005:
        return 0
    if 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999:
        return code
    return 1011


def encode_credit(increment: int) -> bytes:
    return _NUMBER.pack(increment)


def decode_credit(payload: bytes) -> int:
    increment: int = _NUMBER.unpack(payload)[0]
    if not 1 <= increment <= LONGEST_CREDIT:
        raise ProtocolError("credit of nothing or too much", ErrorCode.FLOW)
    return increment


def encode_goaway(goaway: GoAway) -> bytes:
    return _GOAWAY.pack(goaway.last_id, goaway.error, goaway.reconnect_after_ms, goaway.spread_ms)


def decode_goaway(payload: bytes) -> GoAway:
    last_id, error, after, spread = _GOAWAY.unpack(payload)
    return GoAway(last_id, _error_code(error), after, spread)


def cut_utf8(text: str, longest: int) -> bytes:
    """`text` in UTF-8, shortened to at most `longest` bytes without cutting a character."""
    return text.encode("utf-8", "replace")[:longest].decode("utf-8", "ignore").encode()


def _check(rule: _Rule, flags: int, length: int, stream_id: int) -> None:
    if flags & ~rule.flags:
        raise ProtocolError(f"flags {flags:#04x} on a frame that does not have them")
    if (rule.place == 0 and stream_id) or (rule.place == 1 and not stream_id):
        raise ProtocolError(f"frame on stream {stream_id}")
    if not rule.shortest <= length <= rule.longest:
        raise ProtocolError(f"frame of {length} bytes")


def _error_code(number: int) -> ErrorCode:
    try:
        return ErrorCode(number)
    except ValueError:
        return ErrorCode.INTERNAL


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("text is not UTF-8") from None
