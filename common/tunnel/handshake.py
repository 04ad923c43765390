"""HELLO, CHALLENGE, PROOF, WELCOME: who the edge is, and what both can do (docs/protocol.md, "Handshake").

One object per end and attempt, without I/O; random bytes come in as arguments. Each step takes or makes one whole
websocket message, and raises HandshakeFailed: close the websocket with its `close_code`. Only the edge proves itself
here; the relay has done so with its TLS certificate, and the origin in the proof ties both together.

    edge                                                          relay
    handshake = EdgeHandshake(key, site=…, boot_id=…, …)          handshake = RelayHandshake(relay_origin, nonce)
    websocket.send(handshake.hello())                 ──────▶     hello = handshake.receive_hello(message)
    proof = handshake.receive_challenge(message)      ◀──────     websocket.send(handshake.challenge())
    websocket.send(proof)                             ──────▶     handshake.receive_proof(message, key_of_site_or_None)
    welcome = handshake.receive_welcome(message)      ◀──────     websocket.send(handshake.welcome(fence=…, …))
    TunnelConnection(Role.EDGE, peer=welcome.limits)              TunnelConnection(Role.RELAY, peer=hello.limits)

An unknown site gets a CHALLENGE like any other and fails at the proof, so that strangers cannot ask which sites exist.
"""

import hashlib
import struct
from typing import Annotated, TypeVar

import msgspec

from common.security.device_keys import DeviceKey, key_id, verify
from common.tunnel.errors import ErrorCode, HandshakeFailed, ProtocolError
from common.tunnel.frames import FrameType, decode_message, encode_frame, encode_message
from common.tunnel.limits import Announced
from common.tunnel.self_check import FEATURE as SELF_CHECK

VERSIONS = (1,)
"""Spoken here, newest first."""

FEATURES = frozenset({SELF_CHECK})
"""Optional parts spoken here, by name. In use is what both name."""

PROOF_LABEL = b"wallport-tunnel.v1 edge proof"
NONCE_BYTES = 32
HIGHEST_FENCE = (1 << 53) - 1  # what every JSON reader holds exactly

T = TypeVar("T")

_LENGTH = struct.Struct("!H")

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:/+ -]+$")]
_Fence = Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_FENCE)]
_Names = Annotated[tuple[_Name, ...], msgspec.Meta(max_length=32)]


class TokenKeyInfo(msgspec.Struct, frozen=True):
    """How the site's tokens are told from others: the name they have for the site, and the public key they are signed
    with, base64url of 32 bytes."""

    site: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    key: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}$")]


class Hello(msgspec.Struct, frozen=True):
    """What the edge says first. `boot_id` is new with each start of its process, `fence` the highest it has seen."""

    versions: Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=16)]
    site: _Name
    boot_id: _Name
    last_fence: _Fence
    key_id: _Name
    software: _Name
    features: _Names = ()
    limits: Announced = Announced()
    token_key: TokenKeyInfo | msgspec.UnsetType = msgspec.UNSET


class Welcome(msgspec.Struct, frozen=True):
    """What the relay decided. `fence` grows with each connection of the site; `time` is the relay's, Unix seconds.

    `site_name` is what stands in the site's URLs now. `is_contested`: another edge proves the same identity in turns.
    After a loss of this connection the edge waits a random part of `reconnect_spread_s` before its first try.
    """

    version: int
    fence: _Fence
    node_id: _Name
    time: float
    reconnect_spread_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0.0
    features: _Names = ()
    limits: Announced = Announced()
    site_name: _Name | msgspec.UnsetType = msgspec.UNSET
    is_contested: bool | msgspec.UnsetType = msgspec.UNSET


class EdgeHandshake:
    def __init__(
        self,
        key: DeviceKey,
        *,
        relay_origin: str,
        site: str,
        boot_id: str,
        last_fence: int,
        software: str,
        limits: Announced | None = None,
        token_key: TokenKeyInfo | None = None,
    ) -> None:
        """`relay_origin` is that of the URL which is dialled, such as `https://relay.example.org`."""
        self._key = key
        self._relay_origin = relay_origin
        hello = Hello(
            versions=VERSIONS,
            site=site,
            boot_id=boot_id,
            last_fence=last_fence,
            key_id=key_id(key.public_key),
            software=software,
            features=tuple(sorted(FEATURES)),
            limits=limits or Announced(),
            token_key=token_key or msgspec.UNSET,
        )
        self._hello = hello
        self._hello_json = msgspec.json.encode(hello)

    def hello(self) -> bytes:
        """The first message."""
        return _message(0, FrameType.HELLO, self._hello_json)

    def receive_challenge(self, message: bytes) -> bytes:
        """Make PROOF from the relay's first message; fails with AUTH when its origin is not the one dialled."""
        payload = _payload(message, 0, FrameType.CHALLENGE)
        nonce, origin = payload[:NONCE_BYTES], payload[NONCE_BYTES:]
        if origin != self._relay_origin.encode():
            named = origin.decode("ascii", "replace")
            shown = named if named.isprintable() else "unreadable"  # its length is bounded by the frame's
            raise HandshakeFailed(
                ErrorCode.AUTH,
                f"the relay calls itself by another origin ({shown}) than was dialled ({self._relay_origin})",
            )
        signed = _signed(nonce, self._relay_origin, self._hello, self._hello_json)
        return _message(1, FrameType.PROOF, self._key.sign(signed))

    def receive_welcome(self, message: bytes) -> Welcome:
        """Fails with VERSION for one not offered, with SUPERSEDED when the fence did not grow."""
        welcome = _decode(_payload(message, 1, FrameType.WELCOME), Welcome)
        if welcome.version not in VERSIONS:
            raise HandshakeFailed(ErrorCode.VERSION, "the relay chose a version that was not offered")
        if not set(welcome.features) <= FEATURES or not welcome.limits.is_sound():
            raise HandshakeFailed(ErrorCode.PROTOCOL, "the relay chose what was not offered")
        if welcome.fence <= self._hello.last_fence:
            raise HandshakeFailed(ErrorCode.SUPERSEDED, "the fence did not grow")
        return welcome


class RelayHandshake:
    def __init__(self, relay_origin: str, nonce: bytes, limits: Announced | None = None) -> None:
        """`nonce`: 32 random bytes, for this attempt only."""
        self._relay_origin = relay_origin
        self._nonce = nonce
        self._limits = limits or Announced()
        self._hello: Hello | None = None
        self._hello_json = b""
        self._is_proven = False

    def receive_hello(self, message: bytes) -> Hello:
        """Read who wants to come, not yet proven; fails with VERSION when no version is common."""
        payload = _payload(message, 0, FrameType.HELLO)
        hello = _decode(payload, Hello)
        if not set(hello.versions) & set(VERSIONS):
            raise HandshakeFailed(ErrorCode.VERSION, f"versions {VERSIONS} are spoken here")
        if not hello.limits.is_sound():
            raise HandshakeFailed(ErrorCode.PROTOCOL, "unsound limits")
        self._hello, self._hello_json = hello, payload
        return hello

    def challenge(self) -> bytes:
        return _message(0, FrameType.CHALLENGE, self._nonce + self._relay_origin.encode())

    def receive_proof(self, message: bytes, public_key: bytes | None) -> None:
        """Check the signature with the site's key; None (unknown site) fails like a wrong signature, with AUTH."""
        signature = _payload(message, 1, FrameType.PROOF)
        if self._hello is None:
            raise HandshakeFailed(ErrorCode.PROTOCOL, "PROOF before HELLO")
        signed = _signed(self._nonce, self._relay_origin, self._hello, self._hello_json)
        if public_key is None or not verify(public_key, signature, signed):
            raise HandshakeFailed(ErrorCode.AUTH, "the edge did not prove its identity")
        self._is_proven = True

    def welcome(
        self,
        *,
        fence: int,
        node_id: str,
        time: float,
        reconnect_spread_s: float = 0.0,
        site_name: str | None = None,
        is_contested: bool = False,
    ) -> bytes:
        """The last message. `fence` must be above `hello.last_fence` and every fence this site was given before."""
        if self._hello is None or not self._is_proven:
            raise HandshakeFailed(ErrorCode.AUTH, "WELCOME before PROOF")
        welcome = Welcome(
            version=max(set(self._hello.versions) & set(VERSIONS)),
            fence=fence,
            node_id=node_id,
            time=time,
            reconnect_spread_s=reconnect_spread_s,
            features=tuple(sorted(FEATURES & set(self._hello.features))),
            limits=self._limits,
            site_name=site_name or msgspec.UNSET,
            is_contested=is_contested or msgspec.UNSET,
        )
        return _message(1, FrameType.WELCOME, msgspec.json.encode(welcome))


def _signed(nonce: bytes, relay_origin: str, hello: Hello, hello_json: bytes) -> bytes:
    """What PROOF signs: each part with its length before it, so that no two sets of parts make the same bytes."""
    parts = (
        PROOF_LABEL,
        nonce,
        relay_origin.encode(),
        hello.site.encode(),
        hello.boot_id.encode(),
        hashlib.sha256(hello_json).digest(),
    )
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def _message(number: int, frame_type: FrameType, payload: bytes) -> bytes:
    return encode_message(number, encode_frame(frame_type, 0, payload))


def _payload(message: bytes, number: int, frame_type: FrameType) -> bytes:
    """The payload of a message that must be exactly one frame of this type."""
    try:
        frames = list(decode_message(message, number))
    except ProtocolError as fault:
        raise HandshakeFailed(fault.error, fault.message) from None
    if len(frames) != 1 or frames[0].type is not frame_type:
        raise HandshakeFailed(ErrorCode.PROTOCOL, f"{frame_type.name} was due")
    return frames[0].payload


def _decode(payload: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(payload, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise HandshakeFailed(ErrorCode.PROTOCOL, f"malformed {shape.__name__}") from None
