"""OPEN and HEADERS: ordered fields that cannot smuggle, the same rules at both ends."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.tunnel.errors import BadPayload, ErrorCode, ProtocolError
from common.tunnel.fields import (
    Headers,
    Open,
    decode_headers,
    decode_open,
    encode_headers,
    encode_open,
    is_event_stream,
)

names = st.from_regex(r"[0-9a-z!#$%&'*+.^_`|~-]{1,64}", fullmatch=True)
controls = [chr(at) for at in [*range(9), *range(10, 32), 127]]
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=controls), max_size=50)
fields = st.lists(st.tuples(names, values), max_size=20).map(tuple)
requests = st.builds(
    Open,
    st.integers(1, 3),
    st.sampled_from(["GET", "POST", "PROPFIND"]),
    st.from_regex(r"/[!-~]{0,80}", fullmatch=True),
    st.sampled_from(["", "192.0.2.7", "2001:db8::1", "::ffff:192.0.2.1"]),
    fields,
)


@given(requests)
def test_open_survives(request: Open) -> None:
    """Order, duplicates and every permitted character are kept."""
    assert decode_open(encode_open(request)) == request


@given(st.builds(Headers, st.one_of(st.just(101), st.integers(200, 599)), fields))
def test_headers_survive(answer: Headers) -> None:
    assert decode_headers(encode_headers(answer)) == answer


@given(st.binary(max_size=120))
def test_any_payload_is_accepted_or_refused_in_one_of_two_ways(raw: bytes) -> None:
    """Nothing but ProtocolError (structure) and BadPayload (content); what is accepted encodes to the same bytes."""
    with suppress(ProtocolError, BadPayload):
        assert encode_open(decode_open(raw)) == raw
    with suppress(ProtocolError, BadPayload):
        assert encode_headers(decode_headers(raw)) == raw


def test_five_set_cookies_stay_five() -> None:
    cookies = tuple(("set-cookie", f"c{number}={number}") for number in range(5))
    assert decode_headers(encode_headers(Headers(200, cookies))).fields == cookies


@pytest.mark.parametrize(
    "value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "a\0b", "a\x1bb", "a\x7fb", "\ud800"], ids=lambda value: repr(value)
)
def test_control_characters_in_values_are_refused(value: str) -> None:
    """Refused, not stripped: what is stripped here may be read differently there."""
    with pytest.raises(BadPayload) as caught:
        encode_headers(Headers(200, (("x", value),)))
    assert caught.value.error is ErrorCode.BAD_FIELD


def test_control_characters_from_the_wire_are_refused() -> None:
    raw = b"\x00\xc8" + b"\x00\x01" + b"\x00\x01\x00\x03" + b"x" + b"a\nb"
    with pytest.raises(BadPayload):
        decode_headers(raw)


@pytest.mark.parametrize("name", ["", "X-Upper", "a b", "a:b", "a\n", "ä", "x" * 65])
def test_names_are_lower_case_tokens(name: str) -> None:
    with pytest.raises(BadPayload):
        encode_headers(Headers(200, ((name, "1"),)))


@pytest.mark.parametrize(
    ("method", "path", "address"),
    [
        ("get", "/", ""),
        ("", "/", ""),
        ("GET /x", "/", ""),
        ("A" * 17, "/", ""),
        ("GET", "", ""),
        ("GET", "x", ""),
        ("GET", "http://host/", ""),
        ("GET", "/a b", ""),
        ("GET", "/a\r\nHost: x", ""),
        ("GET", "/ä", ""),
        ("GET", "/", "a host"),
        ("GET", "/", "1" * 46),
    ],
)
def test_bad_request_lines_are_refused(method: str, path: str, address: str) -> None:
    with pytest.raises(BadPayload) as caught:
        encode_open(Open(1, method, path, address, ()))
    assert caught.value.error is ErrorCode.BAD_FIELD


@pytest.mark.parametrize("status", [0, 100, 102, 199, 600, 999])
def test_status_is_final_or_101(status: int) -> None:
    """Informational answers belong to a hop."""
    with pytest.raises(BadPayload):
        encode_headers(Headers(status, ()))


def test_sizes_are_bounded() -> None:
    """100 fields, 8 KiB of path, 16 KiB altogether."""
    hundred = tuple((f"x{number}", "v") for number in range(100))
    assert decode_headers(encode_headers(Headers(200, hundred))).fields == hundred
    with pytest.raises(BadPayload):
        encode_headers(Headers(200, (*hundred, ("y", "v"))))
    too_large: list[Callable[[], bytes]] = [
        lambda: encode_open(Open(1, "GET", "/" + "x" * 8192, "", ())),
        lambda: encode_headers(Headers(200, (("x", "v" * 16384),))),
        lambda: encode_headers(Headers(200, (("x", "v" * 70_000),))),
    ]
    for encode in too_large:
        with pytest.raises(BadPayload) as caught:
            encode()
        assert caught.value.error is ErrorCode.TOO_LARGE


def test_a_count_of_fields_is_checked_before_any_is_read() -> None:
    with pytest.raises(BadPayload, match="too many"):
        decode_headers(b"\x00\xc8\xff\xff")


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ("text/event-stream", True),
        ("text/event-stream; charset=utf-8", True),
        ("Text/Event-Stream ;charset=utf-8", True),
        ("text/event-streams", False),
        ("application/json", False),
    ],
)
def test_event_streams_are_known_by_their_media_type(media: str, expected: bool) -> None:
    assert is_event_stream((("content-type", media),)) is expected
