"""The payloads of OPEN and HEADERS: who may be told what, as ordered fields that cannot smuggle.

CR, LF, NUL and other control characters are refused, never stripped (docs/protocol.md, "Fields"). Both directions check
the same rules, so what one end sends, the other takes.
"""

import re
import struct
from dataclasses import dataclass

from common.tunnel.errors import BadPayload, ErrorCode, ProtocolError
from common.tunnel.frames import Fields
from common.tunnel.limits import LONGEST_PATH, LONGEST_PAYLOAD, MOST_FIELDS

_U16 = struct.Struct("!H")
_PAIR = struct.Struct("!HH")

_METHOD = re.compile(r"[A-Z]{1,16}")
_PATH = re.compile(r"/[\x21-\x7e]*")
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{0,45}")  # the longest IPv6 text form
_NAME = re.compile(r"[0-9a-z!#$%&'*+.^_`|~-]{1,64}")  # RFC 9110 token, lower case; real names have under 40
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


@dataclass(frozen=True, slots=True)
class Open:
    """`kind` as on the wire, also one that is not known; the receiver refuses what it cannot carry."""

    kind: int
    method: str
    path: str
    client_address: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Headers:
    status: int
    fields: Fields


def encode_open(request: Open) -> bytes:
    """Raises BadPayload for what must not travel: BAD_FIELD, or TOO_LARGE over 16 KiB altogether."""
    _check_open(request)
    method, path, address = (part.encode() for part in (request.method, request.path, request.client_address))
    head = bytes((request.kind, len(method))) + method + _U16.pack(len(path)) + path + bytes((len(address),)) + address
    return _whole(head + _encode_fields(request.fields))


def decode_open(payload: bytes) -> Open:
    reader = _Reader(payload)
    kind = reader.byte()
    method = reader.text(reader.byte())
    path = reader.text(reader.u16())
    address = reader.text(reader.byte())
    request = Open(kind, method, path, address, reader.fields())
    _check_open(request)
    return request


def encode_headers(answer: Headers) -> bytes:
    """Raises BadPayload as `encode_open` does."""
    _check_headers(answer)
    return _whole(_U16.pack(answer.status) + _encode_fields(answer.fields))


def decode_headers(payload: bytes) -> Headers:
    reader = _Reader(payload)
    answer = Headers(reader.u16(), reader.fields())
    _check_headers(answer)
    return answer


def is_event_stream(fields: Fields) -> bool:
    """Whether the answer is `text/event-stream`, with or without parameters."""
    media = next((value for name, value in fields if name == "content-type"), "")
    return media.partition(";")[0].strip().lower() == "text/event-stream"


class _Reader:
    """Cuts a payload from left to right; raises ProtocolError where it is too short or too long."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def byte(self) -> int:
        return self._take(1)[0]

    def u16(self) -> int:
        number: int = _U16.unpack(self._take(2))[0]
        return number

    def text(self, length: int) -> str:
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise BadPayload(ErrorCode.BAD_FIELD, "text is not UTF-8") from None

    def fields(self) -> Fields:
        """The fields, which end the payload."""
        count = self.u16()
        if count > MOST_FIELDS:
            raise BadPayload(ErrorCode.BAD_FIELD, "too many fields")
        pairs: list[tuple[str, str]] = []
        for _ in range(count):
            name_length, value_length = _PAIR.unpack(self._take(4))
            pairs.append((self.text(name_length), self.text(value_length)))
        if self._at != len(self._payload):
            raise ProtocolError("bytes after the last field")
        return tuple(pairs)

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._payload):
            raise ProtocolError("payload ends within a member")
        taken = self._payload[self._at : end]
        self._at = end
        return taken


def _encode_fields(fields: Fields) -> bytes:
    parts = [_U16.pack(len(fields))]
    for name, value in fields:
        raw_name, raw_value = name.encode(), value.encode()
        if len(raw_value) > LONGEST_PAYLOAD:
            raise BadPayload(ErrorCode.TOO_LARGE, "field too long")
        parts += (_PAIR.pack(len(raw_name), len(raw_value)), raw_name, raw_value)
    return b"".join(parts)


def _whole(payload: bytes) -> bytes:
    if len(payload) > LONGEST_PAYLOAD:
        raise BadPayload(ErrorCode.TOO_LARGE, "request line and fields are over 16 KiB")
    return payload


def _check_open(request: Open) -> None:
    if not 0 <= request.kind <= 255:
        raise BadPayload(ErrorCode.BAD_FIELD, "bad kind")
    if not _METHOD.fullmatch(request.method):
        raise BadPayload(ErrorCode.BAD_FIELD, "bad method")
    if len(request.path) > LONGEST_PATH:
        raise BadPayload(ErrorCode.TOO_LARGE, "path too long")
    if not _PATH.fullmatch(request.path):
        raise BadPayload(ErrorCode.BAD_FIELD, "bad path")
    if not _ADDRESS.fullmatch(request.client_address):
        raise BadPayload(ErrorCode.BAD_FIELD, "bad client address")
    _check_fields(request.fields)


def _check_headers(answer: Headers) -> None:
    if answer.status != 101 and not 200 <= answer.status <= 599:
        raise BadPayload(ErrorCode.BAD_FIELD, "bad status")
    _check_fields(answer.fields)


def _check_fields(fields: Fields) -> None:
    if len(fields) > MOST_FIELDS:
        raise BadPayload(ErrorCode.BAD_FIELD, "too many fields")
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise BadPayload(ErrorCode.BAD_FIELD, "bad field name")
        if not _VALUE.fullmatch(value):
            raise BadPayload(ErrorCode.BAD_FIELD, "control character in a field")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadPayload(ErrorCode.BAD_FIELD, "text is not UTF-8") from None
