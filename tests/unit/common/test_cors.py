"""Which pages may use a site: preflights and answers, by the list alone."""

import pytest

from common import cors
from common.settings import Reader

APP = "https://app.example.org"
ASKED = {"origin": APP, "access-control-request-method": "PATCH"}


def test_a_preflight_of_a_listed_page_is_answered() -> None:
    """With that very origin, never a wildcard, and no credentials: logins are tokens."""
    told = cors.preflight({APP}, "OPTIONS", ASKED)
    assert told is not None
    assert told["access-control-allow-origin"] == APP
    assert "PATCH" in told["access-control-allow-methods"]
    assert {"authorization", "idempotency-key"} <= set(told["access-control-allow-headers"].split(", "))
    assert told["vary"] == "Origin"
    assert "access-control-allow-credentials" not in told


@pytest.mark.parametrize(
    ("origins", "method", "fields"),
    [
        (set(), "OPTIONS", ASKED),
        ({APP}, "OPTIONS", ASKED | {"origin": "https://app.example.org.evil.example"}),
        ({APP}, "OPTIONS", ASKED | {"origin": "null"}),
        ({APP}, "OPTIONS", ASKED | {"origin": "http://app.example.org"}),
        ({APP}, "OPTIONS", {"origin": APP}),
        ({APP}, "OPTIONS", {"access-control-request-method": "PATCH"}),
        ({APP}, "PATCH", ASKED),
    ],
)
def test_all_else_is_no_preflight(origins: set[str], method: str, fields: dict[str, str]) -> None:
    """It goes the way of every other request."""
    assert cors.preflight(origins, method, fields) is None


def test_an_answer_tells_caches_that_it_depends_on_the_page() -> None:
    """Whoever asks; only a listed page may read it."""
    assert cors.answer_fields(set(), APP, "authorization") == {}
    mine = cors.answer_fields({APP}, APP, "authorization")
    assert (mine["vary"], mine["access-control-allow-origin"]) == ("authorization, Origin", APP)
    assert "location" in mine["access-control-expose-headers"]
    for other in (None, "https://evil.example", "null"):
        assert cors.answer_fields({APP}, other, None) == {"vary": "Origin"}


@pytest.mark.parametrize(
    "text", [APP, "http://localhost:5173", "capacitor://localhost", "http://[::1]:8080", f"{APP}, http://192.0.2.7:81"]
)
def test_origins_of_the_setting(text: str) -> None:
    """As browsers write them."""
    reader = Reader({"X": text})
    assert reader.origins("X") == {part.strip() for part in text.split(",")}
    assert reader.faults == {}


@pytest.mark.parametrize(
    "text", ["*", "null", f"{APP}/", "app.example.org", "HTTPS://app.example.org", "https://*.org"]
)
def test_no_pattern_and_nothing_that_any_page_can_be(text: str) -> None:
    """A typo would close a page out in silence, a pattern let strangers in."""
    reader = Reader({"X": f"{APP},{text}"})
    assert reader.origins("X") == frozenset()
    assert set(reader.faults) == {"X"}
