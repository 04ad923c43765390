"""What of the tunnel may reach the api: the relay is not trusted, so all of it is checked at home again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.dispatch import CLIENT_ADDRESS_FIELD, answer_fields, api_fields, body_size, refusal


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/state",
        "/api/v1/state?fields=grid.power_w&x=//..",
        "/api/v1/chargepoints/1",
        "/api/v1/users/J%C3%BCrgen",
        "/api/v1/sessions.pdf?from=2026-11-01&ticket=x.y.z",
        "/api/login",
        "/apilogin",
        "/apiuser/@me",
        "/openapi.json",
        "/openapi-legacy.json",
        "/docs",
        "/docs/app.js",
        "/",
        "/sw.js",
        "/assets/index-AbCd_123.js",
    ],
)
def test_the_api_can_be_reached(target: str) -> None:
    assert refusal("GET", target) is None


@pytest.mark.parametrize(
    "target",
    [
        "/index.html",
        "/assetsx",
        "/metrics",
        "/healthz",
        "/readyz",
        "/apix",
        "/apivaluesx",
        "/api",
        "/docsx",
        "/API/v1/state",
        "/openapi.json/x",
        "/%61pi/v1/state",
    ],
)
def test_everything_else_is_not_there(target: str) -> None:
    """Default deny: a path that nobody thought of is not reachable from outside."""
    found = refusal("GET", target)
    assert found is not None
    assert found.status == 404


@pytest.mark.parametrize(
    "target",
    [
        "/api/../metrics",
        "/api/./v1",
        "/api/..",
        "/api/%2e%2e/metrics",
        "/api/%2E./metrics",
        "/api//v1",
        "//api/v1",
        "/api/a%2fb",
        "/api/a%2F..%2Fb",
        "/api/a\\b",
        "/api/a%5Cb",
        "/api/%00",
        "/api/%0d%0a",
        "/api/%c2%85",
        "/api/%ff",
        "/api/%zz",
        "/api/%",
        "api/v1",
        "",
    ],
)
def test_paths_that_could_be_misread_are_refused(target: str) -> None:
    found = refusal("GET", target)
    assert found is not None
    assert found.status == 400


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get", ""])
def test_other_methods_are_refused(method: str) -> None:
    found = refusal(method, "/api/v1/state")
    assert found is not None
    assert found.status == 405


@given(st.text(max_size=30))
def test_any_text_is_decided(tail: str) -> None:
    """No path raises; what passes begins with the allowed prefix and has no dot segment."""
    if refusal("GET", f"/api/{tail}") is None:
        assert ".." not in tail.partition("?")[0].split("/")


def test_nobody_outside_says_who_the_client_is() -> None:
    """Claims are dropped, and the address comes from the tunnel alone."""
    fields = (
        ("host", "h"),
        ("x-wallport-client-address", "6.6.6.6"),
        ("x-wallport-origin", "lan"),
        ("x-forwarded-for", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("sec-websocket-key", "k"),
        ("sec-websocket-protocol", "p"),
        ("cookie", "a"),
        ("cookie", "b"),
    )
    kept = [("host", "h"), ("sec-websocket-protocol", "p"), ("cookie", "a"), ("cookie", "b")]
    assert api_fields(fields, "203.0.113.9") == [*kept, (CLIENT_ADDRESS_FIELD, "203.0.113.9")]
    assert api_fields(fields, "") == kept


def test_answers_keep_order_and_duplicates() -> None:
    fields = [("Set-Cookie", "a"), ("Connection", "keep-alive"), ("Set-Cookie", "b"), ("X-Y", "1")]
    assert answer_fields(fields) == (("set-cookie", "a"), ("set-cookie", "b"), ("x-y", "1"))


def test_a_length_is_one_number() -> None:
    assert body_size((("content-length", "12"),)) == 12
    assert body_size(()) is None
    for lengths in (["1", "1"], ["+1"], ["1,1"], [""], ["-1"]):
        with pytest.raises(ValueError, match="content-length"):
            body_size(tuple(("content-length", length) for length in lengths))
