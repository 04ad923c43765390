"""Golden bytes of the tunnel: any implementation of docs/protocol.md must read and write exactly these.

They change only together with the protocol's version.
"""

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from common.security.device_keys import DeviceKey
from common.tunnel.errors import BadPayload, ErrorCode, ProtocolError, TunnelError
from common.tunnel.fields import Headers, Open, decode_headers, decode_open, encode_headers, encode_open
from common.tunnel.frames import (
    Frame,
    FrameType,
    GoAway,
    decode_close,
    decode_credit,
    decode_goaway,
    decode_message,
    decode_reset,
    encode_close,
    encode_credit,
    encode_frame,
    encode_goaway,
    encode_message,
    encode_reset,
)
from common.tunnel.handshake import EdgeHandshake, RelayHandshake

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden_frames.json").read_text(encoding="utf-8"))


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases]


def pairs(fields: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in fields)


def value_of(kind: str, meaning: dict[str, Any]) -> Any:
    """What a payload decodes to."""
    match kind:
        case "OPEN":
            return Open(**{**meaning, "fields": pairs(meaning["fields"])})
        case "HEADERS":
            return Headers(meaning["status"], pairs(meaning["fields"]))
        case "WSCLOSE":
            return meaning["code"], meaning["reason"]
        case "RESET":
            return ErrorCode[meaning["error"]], meaning["detail"]
        case "CREDIT":
            return meaning["increment"]
        case _:
            return GoAway(**{**meaning, "error": ErrorCode[meaning["error"]]})


ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "OPEN": encode_open,
    "HEADERS": encode_headers,
    "WSCLOSE": lambda value: encode_close(*value),
    "RESET": lambda value: encode_reset(*value),
    "CREDIT": encode_credit,
    "GOAWAY": encode_goaway,
}
DECODERS: dict[str, Callable[[bytes], Any]] = {
    "OPEN": decode_open,
    "HEADERS": decode_headers,
    "WSCLOSE": decode_close,
    "RESET": decode_reset,
    "CREDIT": decode_credit,
    "GOAWAY": decode_goaway,
}


@pytest.mark.parametrize("case", named(GOLDEN["messages"]))
def test_messages(case: dict[str, Any]) -> None:
    """Bytes to frames and back, payloads to their meaning and back."""
    frames = [
        Frame(FrameType[frame["type"]], frame["flags"], frame["stream"], bytes.fromhex(frame["payload"]))
        for frame in case["frames"]
    ]
    raw = bytes.fromhex(case["bytes"])
    assert list(decode_message(raw, case["number"])) == frames
    encoded = b"".join(encode_frame(frame.type, frame.stream_id, frame.payload, frame.flags) for frame in frames)
    assert encode_message(case["number"], encoded) == raw
    for frame in case["frames"]:
        if "meaning" in frame:
            value, payload = value_of(frame["type"], frame["meaning"]), bytes.fromhex(frame["payload"])
            assert ENCODERS[frame["type"]](value) == payload
            assert DECODERS[frame["type"]](payload) == value


@pytest.mark.parametrize("case", named(GOLDEN["skipped"]))
def test_skipped(case: dict[str, Any]) -> None:
    found = decode_message(bytes.fromhex(case["bytes"]), case["number"])
    assert [frame.type.name for frame in found] == case["types"]


@pytest.mark.parametrize("case", named(GOLDEN["refused"]))
def test_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError) as caught:
        list(decode_message(bytes.fromhex(case["bytes"]), case["number"]))
    assert caught.value.error.name == case["error"]


@pytest.mark.parametrize("case", named(GOLDEN["refused_payloads"]))
def test_refused_payloads(case: dict[str, Any]) -> None:
    """PROTOCOL and FLOW end the connection, BAD_FIELD the stream."""
    with pytest.raises(TunnelError) as caught:
        DECODERS[case["type"]](bytes.fromhex(case["payload"]))
    assert caught.value.error.name == case["error"]
    assert isinstance(caught.value, BadPayload) == (case["error"] == "BAD_FIELD")


def test_handshake() -> None:
    """All four messages byte for byte; Ed25519 signatures are deterministic."""
    case = GOLDEN["handshake"]
    key = DeviceKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["private_key"])))
    assert key.public_key.hex() == case["public_key"]
    edge = EdgeHandshake(
        key, **{name: case[name] for name in ("relay_origin", "site", "boot_id", "last_fence", "software")}
    )
    relay = RelayHandshake(case["relay_origin"], bytes.fromhex(case["nonce"]))
    hello, challenge, proof, welcome = (bytes.fromhex(message["bytes"]) for message in case["messages"])
    assert edge.hello() == hello
    relay.receive_hello(hello)
    assert relay.challenge() == challenge
    assert edge.receive_challenge(challenge) == proof
    relay.receive_proof(proof, key.public_key)
    decided = {name: case[name] for name in ("fence", "node_id", "time", "reconnect_spread_s")}
    assert relay.welcome(**decided) == welcome
    assert edge.receive_welcome(welcome).fence == case["fence"]


def test_the_proof_is_what_the_page_says() -> None:
    """Made here from the page's words alone, without our handshake."""
    case = GOLDEN["handshake"]
    hello_json = bytes.fromhex(case["messages"][0]["bytes"])[12:]
    parts = [
        b"wallport-tunnel.v1 edge proof",
        bytes.fromhex(case["nonce"]),
        case["relay_origin"].encode(),
        case["site"].encode(),
        case["boot_id"].encode(),
        hashlib.sha256(hello_json).digest(),
    ]
    signed = b"".join(struct.pack("!H", len(part)) + part for part in parts)
    signature = bytes.fromhex(case["messages"][2]["bytes"])[12:]
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(case["public_key"])).verify(signature, signed)
