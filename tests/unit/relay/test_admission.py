"""Who passes a site's door: one decision at a time, with a token check that knows two words."""

from collections.abc import Callable

import pytest

from common.crowd import network_of
from common.errors import AppError
from relay.admission import MOST_REFUSED, MOST_REMEMBERED, REFUSED_FOR_S, Gate, TokenRefused, bearer
from relay.door import Admitted
from relay.throttle import NETWORK_TRIES, SITE_TRIES, LoginThrottle, TooManyAttempts

NOW = 1_800_000_000.0
HERE = "192.0.2.1"


def check(token: str, is_ticket: bool) -> float | None:
    return NOW + 60 if token == ("ticket" if is_ticket else "token") else None


def request(
    target: str = "/api/v1/state", method: str = "GET", authorization: str | None = None, *, is_websocket: bool = False
) -> Admitted:
    fields = (("authorization", authorization),) if authorization is not None else ()
    return Admitted("home", method, target, fields, is_websocket, has_body=False, body_size=None)


def gate(
    known: Callable[[str, bool], float | None] | None = check, throttle: LoginThrottle | None = None, site: str = "id-1"
) -> Gate:
    return Gate(site, known, throttle or LoginThrottle())


def refusal(request: Admitted, door: Gate | None = None, address: str = HERE) -> str:
    with pytest.raises(AppError) as caught:
        (door or gate()).admit(request, address, now=NOW, steady_now=0.0)
    return caught.value.code


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_valid_token_passes_with_every_method(method: str) -> None:
    """As `Bearer`, in any case of that word, and bare, as the existing app sends it."""
    for authorization in ("Bearer token", "bearer  token", "BEARER token ", "token"):
        gate().admit(request(method=method, authorization=authorization), HERE, now=NOW, steady_now=0.0)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (request(), "login_required"),
        (request("/"), "login_required"),
        (request("/healthz"), "login_required"),
        (request("/docs"), "login_required"),
        (request("/api/v1/live", is_websocket=True), "login_required"),
        (request(authorization=""), "invalid_token"),
        (request(authorization="Bearer "), "invalid_token"),
        (request(authorization="Bearer other"), "invalid_token"),
        (request(authorization="Basic token"), "invalid_token"),
        (request(authorization="Bearer ticket"), "invalid_token"),
        (request("/api/v1/state?ticket=ticket"), "login_required"),
        (request("/api/v1/live?ticket=token", is_websocket=True), "invalid_token"),
        (request("/api/v1/live?ticket=", is_websocket=True), "invalid_token"),
        (request("/api/v1/live?ticket=ticket&ticket=ticket", is_websocket=True), "invalid_token"),
        (request("/api/v1/live?ticket=ticket", authorization="Bearer x", is_websocket=True), "invalid_token"),
        (request("/docs?ticket=ticket", method="HEAD"), "login_required"),
        (request(f"/docs?{'a&' * 200}ticket=ticket"), "invalid_token"),
        (request("/api/v1/auth/login"), "login_required"),
        (request("/api/v1/auth/login/", "POST"), "login_required"),
        (request("/api/v1/auth/%6Cogin", "POST"), "login_required"),
        (request("/api/v1/auth/Login", "POST"), "login_required"),
        (request("/api/v1/auth/login;x", "POST"), "login_required"),
        (request("/x?/api/v1/auth/login", "POST"), "login_required"),
        (request("/api/v1/auth/elevate", "POST"), "login_required"),
    ],
)
def test_nothing_else_passes(asked: Admitted, code: str) -> None:
    assert refusal(asked) == code


def test_a_ticket_passes_where_browsers_cannot_send_a_token() -> None:
    """Whether it was used is for the api to say, which made it."""
    for target, is_websocket in [
        ("/api/v1/live?since=4&ticket=ticket", True),
        ("/docs?ticket=ticket", False),
        ("/api/v1/sessions.pdf?from=2026-11-01&ticket=ticket", False),
    ]:
        gate().admit(request(target, is_websocket=is_websocket), HERE, now=NOW, steady_now=0.0)


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/pair", "/api/login"])
def test_a_login_passes_without_a_token(path: str) -> None:
    """Also with an old token, and before any key is known; with a query too, which the api refuses itself."""
    for authorization in (None, "Bearer expired"):
        for door in (gate(), gate(None)):
            door.admit(request(f"{path}?x", "POST", authorization), HERE, now=NOW, steady_now=0.0)


def test_without_a_key_the_door_is_closed() -> None:
    """A token that cannot be checked may be a good one: later, not never."""
    assert refusal(request(authorization="Bearer token"), gate(None)) == "token_key_unknown"


def test_the_edges_own_question_passes_without_anybodys_token() -> None:
    """Only as a plain GET that the edge has signed; also before any key of tokens is known."""

    def is_self_check(path: str, authorization: str) -> bool:
        return (path, authorization) == ("/self-check", "Wallport-Edge signed")

    for check_ in (check, None):
        door = Gate("id-1", check_, LoginThrottle(), is_self_check)
        signed = "Wallport-Edge signed"
        door.admit(request("/self-check", authorization=signed), HERE, now=NOW, steady_now=0.0)
        expected = "invalid_token" if check_ else "token_key_unknown"
        assert refusal(request("/api/v1/state", authorization=signed), door) == expected
        assert refusal(request("/self-check", "POST", signed), door) == expected
        assert refusal(request("/self-check", authorization=signed, is_websocket=True), door) == expected
        assert refusal(request("/self-check", authorization="Wallport-Edge forged"), door) == expected
    assert refusal(request("/self-check"), gate()) == "login_required"


def test_the_existing_app_is_told_as_it_knows_it() -> None:
    """403 on its own routes, which begin with /api/ and no version."""
    for path, is_legacy in [
        ("/api/values", True),
        ("/api/v1x", True),
        ("/api/v1/state", False),
        ("/api/v2", False),
        ("/docs", False),
    ]:
        assert TokenRefused(path).is_legacy is is_legacy


def test_a_token_is_checked_once_and_only_until_its_end() -> None:
    """And another one in its place is not the same token."""
    asked: list[str] = []

    def counted(token: str, is_ticket: bool) -> float | None:
        asked.append(token)
        return check(token, is_ticket)

    door = gate(counted)
    for _ in range(3):
        door.admit(request(authorization="Bearer token"), HERE, now=NOW, steady_now=0.0)
        refusal(request(authorization="Bearer token2"), door)
    assert asked == ["token", "token2", "token2", "token2"]
    door.admit(request(authorization="Bearer token"), HERE, now=NOW + 60, steady_now=0.0)
    assert asked[-1] == "token"


def test_what_is_remembered_is_bounded() -> None:
    """Many tokens of one site cost a signature more, not memory."""
    door = gate(lambda _token, _is_ticket: NOW + 60)
    for number in range(3 * MOST_REMEMBERED):
        door.admit(request(authorization=f"Bearer {number}"), HERE, now=NOW, steady_now=0.0)
    assert len(door._remembered) == MOST_REMEMBERED


def test_bearer_takes_both_forms() -> None:
    assert [bearer(text) for text in ("Bearer a.b", "a.b", "Basic a.b", "", " ")] == ["a.b", "a.b", "", "", ""]


# Throttles


def admitted(throttle: LoginThrottle, site: str, address: str, now: float, tries: int) -> int:
    """How many of so many tries pass."""
    passed = 0
    for _ in range(tries):
        try:
            throttle.admit(site, address, now)
        except TooManyAttempts:
            continue
        passed += 1
    return passed


def test_one_network_gets_few_tries_at_all_sites_together() -> None:
    """Another IPv4 address is another network, another address of one /64 is not."""
    throttle = LoginThrottle()
    assert admitted(throttle, "a", HERE, 0.0, 100) == NETWORK_TRIES
    assert admitted(throttle, "b", HERE, 0.0, 100) == 0
    assert admitted(throttle, "b", "192.0.2.2", 0.0, 1) == 1
    assert admitted(throttle, "b", HERE, 3.0, 100) == 1
    assert network_of("2001:db8::1") == network_of("2001:db8::2") != network_of("2001:db8:0:1::1")
    assert network_of("") == network_of("x") == "unknown"


def test_a_site_gets_few_tries_from_all_networks_together() -> None:
    """Yet a network that has shown a valid token passes, and another site does not notice."""
    throttle = LoginThrottle()
    throttle.note_valid("a", HERE, 0.0)
    passed = sum(admitted(throttle, "a", f"198.51.{number // 250}.{number % 250}", 1.0, 1) for number in range(200))
    assert passed == SITE_TRIES
    assert admitted(throttle, "a", HERE, 1.0, 100) == NETWORK_TRIES
    assert admitted(throttle, "b", "203.0.113.1", 1.0, 1) == 1
    assert admitted(throttle, "a", "203.0.113.2", 2.0, 1) == 1, "it recovers"


def test_a_valid_token_makes_its_network_known() -> None:
    """By the gate, at that site only."""
    throttle = LoginThrottle()
    gate(throttle=throttle).admit(request(authorization="Bearer token"), HERE, now=NOW, steady_now=0.0)
    for number in range(200):
        admitted(throttle, "id-1", f"198.51.100.{number}", 0.0, 1)
    assert refusal(request("/api/login", "POST"), gate(throttle=throttle), "203.0.113.9") == "too_many_attempts"
    gate(throttle=throttle).admit(request("/api/login", "POST"), HERE, now=NOW, steady_now=0.0)


def test_tokens_of_one_site_from_many_networks_make_nobody_a_stranger_at_another() -> None:
    """A /48 has 65,536 networks, and any site's owner has valid tokens of that site."""
    throttle = LoginThrottle()
    throttle.note_valid("home", HERE, 0.0)
    for number in range(11_000):
        throttle.note_valid("neighbour", f"2001:db8:0:{number:x}::1", 1.0)
    for number in range(SITE_TRIES):
        admitted(throttle, "home", f"198.51.100.{number}", 2.0, 1)
    assert admitted(throttle, "home", "203.0.113.1", 2.0, 1) == 0
    assert admitted(throttle, "home", HERE, 2.0, 1) == 1


def test_the_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.throttle.MOST_ENTRIES", 10)
    monkeypatch.setattr("relay.throttle.MOST_KNOWN", 10)
    throttle = LoginThrottle()
    for number in range(100):
        throttle.note_valid("a", f"192.0.2.{number}", 0.0)
        throttle.admit(f"site {number}", f"192.0.2.{number}", 0.0)
    assert len(throttle._known["a"]) == len(throttle._networks._buckets) == len(throttle._sites._buckets) == 10


ENDED = (("www-authenticate", 'Bearer realm="wallport", error="invalid_token"'),)


def asked(door: Gate, now: float = NOW) -> str:
    """What becomes of a request with the valid token."""
    try:
        door.admit(request(authorization="Bearer token"), HERE, now=now, steady_now=0.0)
    except AppError as exc:
        return exc.code
    return "passed"


def test_a_token_that_the_site_refuses_is_refused_at_the_door() -> None:
    """For as long as an access token may last; then the site is asked again."""
    door = Gate("id-1", lambda _token, _is_ticket: NOW + 1e6, LoginThrottle())
    assert asked(door) == "passed"
    door.note_answer(request(authorization="Bearer token"), 401, ENDED, NOW)
    assert asked(door) == "invalid_token"
    door.admit(request(authorization="Bearer other"), HERE, now=NOW, steady_now=0.0)
    assert asked(door, NOW + REFUSED_FOR_S - 1) == "invalid_token"
    assert asked(door, NOW + REFUSED_FOR_S + 1) == "passed"


@pytest.mark.parametrize(
    ("answered", "status", "fields"),
    [
        (request(authorization="Bearer token"), 401, (("www-authenticate", 'Bearer realm="wallport"'),)),
        (request(authorization="Bearer token"), 401, ()),
        (request(authorization="Bearer token"), 200, ENDED),
        (request(authorization="Bearer token"), 403, ENDED),
        (request("/api/v1/auth/refresh", "POST", "Bearer token"), 401, ENDED),
        (request("/api/v1/auth/login", "POST", "Bearer token"), 401, ENDED),
        (request(), 401, ENDED),
    ],
)
def test_no_other_answer_shuts_a_token_out(
    answered: Admitted, status: int, fields: tuple[tuple[str, str], ...]
) -> None:
    """A wrong password, or a refresh token that is over, says nothing of the token beside it."""
    door = gate()
    door.note_answer(answered, status, fields, NOW)
    assert asked(door) == "passed"


def test_the_door_remembers_so_many_refused_tokens() -> None:
    door = Gate("id-1", lambda _token, _is_ticket: NOW + 60, LoginThrottle())
    door.note_answer(request(authorization="Bearer token"), 401, ENDED, NOW)
    for number in range(MOST_REFUSED):
        door.note_answer(request(authorization=f"Bearer {number}"), 401, ENDED, NOW)
    assert asked(door) == "passed"
    assert len(door._refused) == MOST_REFUSED
