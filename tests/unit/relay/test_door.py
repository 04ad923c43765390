"""What the relay lets through, and what it refuses before anything travels home."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import AppError
from common.tunnel.fields import Open, encode_open
from relay.door import (
    LONGEST_TARGET,
    MOST_FIELDS,
    BadRequest,
    FieldsTooLarge,
    MethodNotAllowed,
    TargetTooLong,
    UnknownPath,
    admit,
    client_address,
    is_site_name,
)

HOST = ("host", "relay.example.org")


@pytest.mark.parametrize(
    ("raw", "site", "target"),
    [
        (b"/s/home/api/v1/state?fields=grid", "home", "/api/v1/state?fields=grid"),
        (b"/s/home/api/a%2Fb/c%20d", "home", "/api/a%2Fb/c%20d"),
        (b"/s/home//api", "home", "//api"),
        (b"/s/home", "home", "/"),
        (b"/s/home?x=1", "home", "/?x=1"),
        (b"/s/a-1/", "a-1", "/"),
    ],
)
def test_the_path_behind_the_site_travels_as_it_was_sent(raw: bytes, site: str, target: str) -> None:
    """Percent-encoding and query are kept; only the prefix goes."""
    admitted = admit("GET", raw, [HOST])
    assert (admitted.site, admitted.target) == (site, target)


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"http://relay.example.org/s/home/", BadRequest),
        (b"relay.example.org:443", BadRequest),
        (b"*", BadRequest),
        (b"/s/home/\x00", BadRequest),
        (b"/s/home/a b", BadRequest),
        (b"/s/home/#x", BadRequest),
        (b"/s/home/\xff", BadRequest),
        (b"/s/HOME/", UnknownPath),
        (b"/s/-home/", UnknownPath),
        (b"/s/%68ome/", UnknownPath),
        (b"/s/../api", UnknownPath),
        (b"/s//api", UnknownPath),
        (b"/other", UnknownPath),
        (b"/s/home/" + b"a" * LONGEST_TARGET, TargetTooLong),
    ],
)
def test_targets_of_another_form_are_refused(raw: bytes, error: type[AppError]) -> None:
    """Absolute-form, authority-form and what two parsers may read differently never travel."""
    with pytest.raises(error):
        admit("GET", raw, [HOST])


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "PROPFIND", "NONE"])
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        admit(method, b"/s/home/", [HOST])


@pytest.mark.parametrize(
    "fields",
    [
        [("content-length", "3"), ("transfer-encoding", "chunked")],
        [("content-length", "3"), ("content-length", "3")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "chunked,")],
        [("transfer-encoding", "\tchunked")],
        [("transfer-encoding", "gzip, chunked")],
        [("content-length", "+3")],
        [("content-length", "3, 3")],
        [("content-length", "-1")],
        [("content-length", "0x3")],
        [("content-length ", "3")],
        [(" folded", "x")],
        [("", "x")],
        [("x-y", "a\nb")],
        [("x-y", "a\rb")],
        [("x-y", "a\x00b")],
        [("x-y", "\udcff")],
        [HOST],
    ],
)
def test_doubtful_heads_are_refused(fields: list[tuple[str, str]]) -> None:
    """The smuggling corpus: whatever two parsers may frame differently is a 400."""
    with pytest.raises(BadRequest):
        admit("POST", b"/s/home/", [HOST, *fields])


def test_a_request_needs_a_host() -> None:
    with pytest.raises(BadRequest):
        admit("GET", b"/s/home/", [])


def test_too_many_or_too_long_fields_are_refused() -> None:
    with pytest.raises(FieldsTooLarge):
        admit("GET", b"/s/home/", [HOST, *[("x", "y")] * MOST_FIELDS])
    with pytest.raises(FieldsTooLarge):
        admit("GET", b"/s/home/", [HOST, ("x", "y" * 16_000)])


def test_only_end_to_end_fields_travel() -> None:
    """Hop-by-hop fields, those that Connection names and every proxy's claim stay here; order and duplicates stay."""
    fields = [
        HOST,
        ("connection", "keep-alive, X-Secret-Hop"),
        ("x-secret-hop", "1"),
        ("te", "trailers"),
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-real-ip", "1.2.3.4"),
        ("x-wallport-client-address", "1.2.3.4"),
        ("cookie", "a=1"),
        ("accept", "x"),
        ("cookie", "b=2"),
    ]
    assert admit("GET", b"/s/home/", fields).fields == (HOST, ("cookie", "a=1"), ("accept", "x"), ("cookie", "b=2"))


def test_connection_cannot_remove_what_gives_a_request_its_meaning() -> None:
    fields = [
        HOST,
        ("connection", "authorization, content-length, host"),
        ("authorization", "x"),
        ("content-length", "2"),
    ]
    assert {name for name, _ in admit("POST", b"/s/home/", fields).fields} == {
        "host",
        "authorization",
        "content-length",
    }


def test_the_bodys_length_is_known_where_it_was_told() -> None:
    sized = admit("POST", b"/s/home/", [HOST, ("content-length", "12")])
    assert (sized.has_body, sized.body_size) == (True, 12)
    chunked = admit("POST", b"/s/home/", [HOST, ("transfer-encoding", "chunked")])
    assert (chunked.has_body, chunked.body_size) == (True, None)
    assert ("transfer-encoding", "chunked") not in chunked.fields
    assert not admit("POST", b"/s/home/", [HOST, ("content-length", "0")]).has_body
    assert not admit("GET", b"/s/home/", [HOST]).has_body


def test_a_websocket_keeps_only_what_the_site_needs_of_its_handshake() -> None:
    fields = [HOST, ("connection", "Upgrade"), ("upgrade", "WebSocket"), ("sec-websocket-key", "k")]
    fields += [("sec-websocket-version", "13"), ("sec-websocket-extensions", "x"), ("sec-websocket-protocol", "a, b")]
    admitted = admit("GET", b"/s/home/api/v1/live", fields)
    assert admitted.is_websocket
    assert admitted.fields == (HOST, ("sec-websocket-protocol", "a, b"))
    with pytest.raises(BadRequest):
        admit("POST", b"/s/home/", fields)
    assert not admit("GET", b"/s/home/", [HOST, ("upgrade", "h2c")]).is_websocket


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", ["1.1.1.1"], "203.0.113.9"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["6.6.6.6, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        ("127.0.0.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("127.0.0.1", ["6.6.6.6, nonsense"], "127.0.0.1"),
        ("::ffff:127.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("", ["1.1.1.1"], ""),
    ],
)
def test_only_our_own_proxies_are_believed(peer: str, forwarded: list[str], address: str) -> None:
    """The last hop that no trusted proxy stands behind is the client, whatever the client itself wrote."""
    trusted = [ipaddress.ip_network("127.0.0.1"), ipaddress.ip_network("10.0.0.0/8")]
    assert client_address(peer, forwarded, trusted) == address


@pytest.mark.parametrize("name", ["home", "a", "a1", "villa-3", "x" * 63])
def test_names_of_sites(name: str) -> None:
    assert is_site_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "ä", "x" * 64, "a/b", "a\n"])
def test_names_that_sites_cannot_have(name: str) -> None:
    assert not is_site_name(name)


@given(
    st.sampled_from(["GET", "POST", "TRACE"]),
    st.binary(max_size=40).map(lambda tail: b"/s/home/" + tail),
    st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=4),
)
def test_whatever_is_admitted_can_travel(method: str, raw: bytes, fields: list[tuple[str, str]]) -> None:
    """Any head is refused with an error of ours or is one that the wire takes."""
    try:
        admitted = admit(method, raw, [HOST, *fields])
    except AppError:
        return
    encode_open(Open(1, admitted.method, admitted.target, "", admitted.fields))
