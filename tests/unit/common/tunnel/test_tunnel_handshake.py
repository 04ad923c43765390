"""Who gets in, and who learns what on the way."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.security.device_keys import DeviceKey, encode_public_key
from common.tunnel.errors import ErrorCode, HandshakeFailed
from common.tunnel.frames import FrameType, decode_message, encode_frame, encode_message
from common.tunnel.handshake import EdgeHandshake, RelayHandshake, TokenKeyInfo
from common.tunnel.limits import Announced

ORIGIN = "https://relay.example.org"
NONCE = bytes(range(32))
KEY = DeviceKey.generate()


def edge(key: DeviceKey = KEY, last_fence: int = 3, origin: str = ORIGIN) -> EdgeHandshake:
    return EdgeHandshake(
        key, relay_origin=origin, site="home-7f3a", boot_id="b1", last_fence=last_fence, software="wallport 0.1.0"
    )


def relay(nonce: bytes = NONCE, origin: str = ORIGIN) -> RelayHandshake:
    return RelayHandshake(origin, nonce)


def json_message(number: int, frame_type: FrameType, content: object) -> bytes:
    return encode_message(number, encode_frame(frame_type, 0, json.dumps(content).encode()))


def hello_with(**changes: object) -> bytes:
    (frame,) = decode_message(edge().hello(), 0)
    return json_message(0, FrameType.HELLO, json.loads(frame.payload) | changes)


def welcome_with(**changes: object) -> bytes:
    content = {"version": 1, "fence": 4, "node_id": "n1", "time": 1.0} | changes
    return json_message(1, FrameType.WELCOME, content)


def test_an_edge_with_its_key_is_welcome() -> None:
    at_edge, at_relay = edge(), relay()
    hello = at_relay.receive_hello(at_edge.hello())
    assert (hello.site, hello.boot_id, hello.last_fence) == ("home-7f3a", "b1", 3)
    at_relay.receive_proof(at_edge.receive_challenge(at_relay.challenge()), KEY.public_key)
    welcome = at_edge.receive_welcome(at_relay.welcome(fence=4, node_id="n1", time=12.5, reconnect_spread_s=30))
    assert (welcome.version, welcome.fence, welcome.node_id, welcome.time) == (1, 4, "n1", 12.5)
    assert welcome.reconnect_spread_s == 30
    assert welcome.limits == hello.limits == Announced()


@pytest.mark.parametrize("known", [None, DeviceKey.generate().public_key, b"short"], ids=["unknown", "other", "broken"])
def test_without_the_sites_key_the_proof_fails(known: bytes | None) -> None:
    """An unknown site fails at the same step and with the same code as a wrong key."""
    at_edge, at_relay = edge(), relay()
    at_relay.receive_hello(at_edge.hello())
    proof = at_edge.receive_challenge(at_relay.challenge())
    with pytest.raises(HandshakeFailed) as caught:
        at_relay.receive_proof(proof, known)
    assert (caught.value.error, caught.value.close_code) == (ErrorCode.AUTH, 4401)
    with pytest.raises(HandshakeFailed):
        at_relay.welcome(fence=4, node_id="n1", time=0.0)


def test_a_proof_is_good_for_one_nonce_one_hello_and_one_relay() -> None:
    """A recorded proof opens nothing, whatever of the three differs."""
    at_edge, at_relay = edge(), relay()
    at_relay.receive_hello(at_edge.hello())
    proof = at_edge.receive_challenge(at_relay.challenge())
    others = [
        (relay(nonce=bytes(32)), at_edge.hello()),
        (relay(), edge(last_fence=4).hello()),
        (relay(origin="https://other.example.org"), at_edge.hello()),
    ]
    for other, hello in others:
        other.receive_hello(hello)
        with pytest.raises(HandshakeFailed) as caught:
            other.receive_proof(proof, KEY.public_key)
        assert caught.value.error is ErrorCode.AUTH


def test_the_edge_signs_only_for_the_origin_it_dialled() -> None:
    """Or a relay in the middle could pass the challenge of another on."""
    at_edge = edge()
    at_edge.hello()
    with pytest.raises(HandshakeFailed) as caught:
        at_edge.receive_challenge(relay(origin="https://evil.example.org").challenge())
    assert caught.value.error is ErrorCode.AUTH


def test_no_common_version_is_told_by_its_code() -> None:
    with pytest.raises(HandshakeFailed) as caught:
        relay().receive_hello(hello_with(versions=[2, 3]))
    assert (caught.value.error, caught.value.close_code) == (ErrorCode.VERSION, 4426)


def test_newer_versions_features_and_members_of_the_edge_do_no_harm() -> None:
    """The relay takes what it knows of them."""
    at_relay = relay()
    hello = at_relay.receive_hello(hello_with(versions=[2, 1], features=["zstd"], mood="good"))
    assert hello.features == ("zstd",)


@pytest.mark.parametrize("fence", [0, 3])
def test_a_fence_that_does_not_grow_is_refused(fence: int) -> None:
    """A relay node that lost its memory must not take the site from a newer one."""
    with pytest.raises(HandshakeFailed) as caught:
        edge().receive_welcome(welcome_with(fence=fence))
    assert caught.value.error is ErrorCode.SUPERSEDED


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"version": 2}, ErrorCode.VERSION),
        ({"features": ["zstd"]}, ErrorCode.PROTOCOL),
        ({"fence": -1}, ErrorCode.PROTOCOL),
        ({"fence": "4"}, ErrorCode.PROTOCOL),
        ({"limits": {"stream_window_bytes": 100}}, ErrorCode.PROTOCOL),
        ({"reconnect_spread_s": 1e9}, ErrorCode.PROTOCOL),
    ],
)
def test_a_welcome_that_is_not_sound_is_refused(changes: dict[str, object], error: ErrorCode) -> None:
    with pytest.raises(HandshakeFailed) as caught:
        edge().receive_welcome(welcome_with(**changes))
    assert caught.value.error is error


@pytest.mark.parametrize(
    "changes",
    [
        {"versions": []},
        {"site": ""},
        {"site": "x" * 65},
        {"site": "a\nb"},
        {"last_fence": 2**53},
        {"last_fence": -1},
        {"features": ["x"] * 33},
        {"limits": {"stream_window_bytes": 2**30, "connection_window_bytes": 2**31, "streams": 1}},
        {"limits": {"streams": 0}},
        {"boot_id": None},
    ],
)
def test_a_hello_that_is_not_sound_is_refused(changes: dict[str, object]) -> None:
    """Sizes and characters are bounded before anything is done with them."""
    with pytest.raises(HandshakeFailed) as caught:
        relay().receive_hello(hello_with(**changes))
    assert (caught.value.error, caught.value.close_code) == (ErrorCode.PROTOCOL, 4400)


def test_steps_out_of_order_are_refused() -> None:
    at_edge, at_relay = edge(), relay()
    hello = at_edge.hello()
    proof = at_edge.receive_challenge(at_relay.challenge())
    with pytest.raises(HandshakeFailed, match="PROOF before HELLO"):
        at_relay.receive_proof(proof, KEY.public_key)
    with pytest.raises(HandshakeFailed, match="HELLO was due"):
        at_relay.receive_hello(at_relay.challenge())
    with pytest.raises(HandshakeFailed, match="CHALLENGE was due"):
        at_edge.receive_challenge(hello)
    at_relay.receive_hello(hello)
    with pytest.raises(HandshakeFailed, match="WELCOME before PROOF"):
        at_relay.welcome(fence=9, node_id="n", time=0.0)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_handshake_failure_and_nothing_else(raw: bytes) -> None:
    for number, frame_type in ((0, FrameType.HELLO), (0, FrameType.CHALLENGE), (1, FrameType.WELCOME)):
        framed = encode_message(number, encode_frame(frame_type, 0, raw))
        for message in (raw, framed):
            with pytest.raises(HandshakeFailed):
                relay().receive_hello(message)
            with pytest.raises(HandshakeFailed):
                edge().receive_challenge(message)
            with pytest.raises(HandshakeFailed):
                edge().receive_welcome(message)


@pytest.mark.parametrize("at_edge", [(1,), (2, 1)])
@pytest.mark.parametrize("at_relay", [(1,), (2, 1)])
def test_neighbouring_versions_meet_at_the_highest_common_one(
    at_edge: tuple[int, ...], at_relay: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """N and N-1 on either side: edges and relays need not be updated together."""
    dialling, answering = edge(), relay()
    monkeypatch.setattr("common.tunnel.handshake.VERSIONS", at_relay)
    answering.receive_hello(hello := hello_with(versions=at_edge))
    dialling._hello_json = next(iter(decode_message(hello, 0))).payload  # what a version that speaks both would say
    answering.receive_proof(dialling.receive_challenge(answering.challenge()), KEY.public_key)
    welcome = answering.welcome(fence=8, node_id="n", time=0.0)
    monkeypatch.setattr("common.tunnel.handshake.VERSIONS", at_edge)
    assert dialling.receive_welcome(welcome).version == max(set(at_edge) & set(at_relay))


@pytest.mark.parametrize("at_edge", [set(), {"self-check"}, {"self-check", "zstd"}])
@pytest.mark.parametrize("at_relay", [set(), {"self-check"}])
def test_a_feature_is_used_when_both_speak_it(
    at_edge: set[str], at_relay: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older edge or relay knows none of it, and both go on without."""
    monkeypatch.setattr("common.tunnel.handshake.FEATURES", frozenset(at_edge))
    dialling, answering = edge(), relay()
    hello = dialling.hello()
    monkeypatch.setattr("common.tunnel.handshake.FEATURES", frozenset(at_relay))
    answering.receive_hello(hello)
    answering.receive_proof(dialling.receive_challenge(answering.challenge()), KEY.public_key)
    welcome = answering.welcome(fence=8, node_id="n", time=0.0)
    monkeypatch.setattr("common.tunnel.handshake.FEATURES", frozenset(at_edge))
    assert set(dialling.receive_welcome(welcome).features) == at_edge & at_relay


def test_what_is_said_besides_arrives() -> None:
    """The key of the site's tokens, which the proof covers like all of HELLO; the site's name; a rival."""
    told = TokenKeyInfo("home", encode_public_key(KEY.public_key))
    at_edge = EdgeHandshake(
        KEY, relay_origin=ORIGIN, site="home-7f3a", boot_id="b1", last_fence=0, software="x", token_key=told
    )
    at_relay = relay()
    assert at_relay.receive_hello(at_edge.hello()).token_key == told
    at_relay.receive_proof(at_edge.receive_challenge(at_relay.challenge()), KEY.public_key)
    welcome = at_edge.receive_welcome(
        at_relay.welcome(fence=1, node_id="n", time=0.0, site_name="cabin", is_contested=True)
    )
    assert (welcome.site_name, welcome.is_contested) == ("cabin", True)


@pytest.mark.parametrize("told", [{}, {"site": "home", "key": "short"}, {"site": "", "key": "A" * 43}, "x", None])
def test_a_malformed_token_key_is_refused(told: object) -> None:
    """Nobody comes in with a door that cannot work."""
    with pytest.raises(HandshakeFailed) as caught:
        relay().receive_hello(hello_with(token_key=told))
    assert caught.value.error is ErrorCode.PROTOCOL


def test_a_token_key_that_was_swapped_on_the_way_fails_the_proof() -> None:
    """Whoever stands between the edge and the relay cannot put a key of their own on the door."""
    at_edge, at_relay = edge(), relay()
    swapped = hello_with(token_key={"site": "home", "key": encode_public_key(DeviceKey.generate().public_key)})
    at_edge.hello()
    at_relay.receive_hello(swapped)
    proof = at_edge.receive_challenge(at_relay.challenge())
    with pytest.raises(HandshakeFailed) as caught:
        at_relay.receive_proof(proof, KEY.public_key)
    assert caught.value.error is ErrorCode.AUTH
