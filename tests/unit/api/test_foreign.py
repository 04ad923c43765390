"""Which logins may come from a page in a browser."""

import pytest

from api.errors import ForeignOrigin, UnsupportedMediaType
from api.foreign import check_body, check_origin

OWN = ("https://wallbox.lan", "https://relay.example.org/s/home")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None, ""]
)
def test_what_any_page_can_send_is_no_login(content_type: str | None) -> None:
    """A form, plain text, and a Blob without a type."""
    with pytest.raises(UnsupportedMediaType):
        check_body(content_type, has_body=True)
    check_body(content_type, has_body=False)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "application/json;"])
def test_json_is(content_type: str) -> None:
    check_body(content_type, has_body=True)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "192.168.1.20"),
        (None, None),
        ("https://192.168.1.20", "192.168.1.20"),
        ("http://wallbox.lan:8080", "Wallbox.LAN:8080"),
        ("https://relay.example.org", "127.0.0.1:8080"),
        ("https://wallbox.lan", "127.0.0.1"),
    ],
)
def test_pages_of_the_site_itself_may(origin: str | None, host: str | None) -> None:
    check_origin(origin, host, OWN)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "192.168.1.20"),
        ("http://192.168.1.20:81", "192.168.1.20"),
        ("http://relay.example.org", "192.168.1.20"),
        ("https://wallbox.lan.evil.example", "192.168.1.20"),
        ("null", "192.168.1.20"),
        ("null", None),
        ("", ""),
        ("http://[", "x"),
        ("https://evil.example", None),
    ],
)
def test_others_may_not(origin: str, host: str | None) -> None:
    with pytest.raises(ForeignOrigin):
        check_origin(origin, host, OWN)
