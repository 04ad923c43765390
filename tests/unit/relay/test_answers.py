"""What of a site's answer may reach a client, on the shared origin and on one of the site's own."""

import pytest

from relay.answers import PASSED, PASSIVE, answer_fields

HTML = ("content-type", "text/html; charset=utf-8")
JSON = ("content-type", "application/json")
NO_GUESSING = ("x-content-type-options", "nosniff")
SANDBOX = ("content-security-policy", "sandbox")


def test_order_and_duplicates_are_kept() -> None:
    fields = [("vary", "a"), JSON, ("etag", '"x"'), ("vary", "b")]
    assert answer_fields(200, fields, "/s/home") == [*fields, NO_GUESSING]


@pytest.mark.parametrize(
    "name",
    [
        *(f"x-accel-{what}" for what in ("redirect", "buffering", "limit-rate", "charset", "expires", "new")),
        "set-cookie",
        "set-cookie2",
        "clear-site-data",
        "service-worker-allowed",
        "strict-transport-security",
        "public-key-pins",
        "public-key-pins-report-only",
        "expect-ct",
        "alt-svc",
        "nel",
        "report-to",
        "reporting-endpoints",
        "refresh",
        "link",
        "origin-agent-cluster",
        "access-control-allow-credentials",
        "sourcemap",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
        "trailer",
        "x-sendfile",
        "x-never-heard-of",
    ],
)
def test_what_does_not_speak_of_this_answer_alone_is_dropped(name: str) -> None:
    for prefix in ("/s/home", ""):
        assert answer_fields(200, [(name, "x"), JSON], prefix) == [JSON, NO_GUESSING]
    assert name not in PASSED


@pytest.mark.parametrize(
    "types",
    [
        ["text/html"],
        ["TEXT/HTML; charset=utf-8"],
        ["application/xhtml+xml"],
        ["image/svg+xml"],
        ["text/xml"],
        ["application/xml"],
        ["multipart/x-mixed-replace"],
        ["application/json", "text/html"],
        ["text/plain,text/html"],
        ["application/json;a=b, text/html"],
        ["text/plain;charset=gbk,text/html"],
        ['text/plain;x=",text/html'],
        ["\u00a0text/plain"],
        [""],
        [],
        ["application/something-new"],
    ],
)
def test_what_a_browser_may_run_as_a_page_is_put_into_a_sandbox(types: list[str]) -> None:
    """Beside the site's own policy, which cannot weaken it. On a host of its own a site may do as it likes."""
    fields = [*(("content-type", one) for one in types), ("content-security-policy", "sandbox allow-scripts")]
    assert answer_fields(200, fields, "/s/home") == [*fields, NO_GUESSING, SANDBOX]
    assert answer_fields(200, fields, "") == [*fields, NO_GUESSING]


@pytest.mark.parametrize("media_type", sorted(PASSIVE))
def test_what_is_only_shown_is_not(media_type: str) -> None:
    """And a browser must not guess that it is something else, whatever the site says."""
    fields = [("content-type", f"{media_type}; x=y"), ("x-content-type-options", "sniff")]
    assert answer_fields(200, fields, "/s/home") == [fields[0], NO_GUESSING]


def test_an_answer_that_keeps_a_page_does_not_take_it_out_of_its_sandbox() -> None:
    """A browser would put the fields of a 304 in the place of those that the page came with."""
    fields = [("etag", '"x"'), JSON, ("content-security-policy", "default-src *")]
    assert answer_fields(304, fields, "/s/home") == [fields[0], NO_GUESSING]
    assert answer_fields(304, fields, "") == [*fields, NO_GUESSING]


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("/api/v1/commands/1", "/s/home/api/v1/commands/1"),
        ("commands/1", "commands/1"),
        ("//elsewhere/x", "//elsewhere/x"),
        ("/\\elsewhere/x", "/\\elsewhere/x"),
        ("https://elsewhere/x", "https://elsewhere/x"),
    ],
)
def test_a_location_of_the_site_leads_back_to_the_site(location: str, told: str) -> None:
    """The site does not know its prefix; what is no path of its own stays as it is."""
    assert answer_fields(200, [("location", location), JSON], "/s/home")[0] == ("location", told)
    assert answer_fields(200, [("location", location), JSON], "")[0] == ("location", location)


def test_no_window_of_the_browsers_asks_for_a_password() -> None:
    """It would ask in the name of the whole origin, and send what it got to all of it."""
    asked = [("www-authenticate", value) for value in ("Basic realm=x", "bearer", "Bearers", 'Bearer realm="w"')]
    assert answer_fields(200, [*asked, JSON], "/s/home") == [asked[1], asked[3], JSON, NO_GUESSING]
