"""The table's decisions, one missing thing at a time."""

import pytest

from api.access import ADMINS, LAN_ONLY, RULES, WITHOUT_LOGIN, Caller, Origin, Role, Rule, decide
from common.errors import AppError
from common.legacy_app import LOGIN_PATHS

STRICT = Rule(roles=ADMINS, origins=LAN_ONLY, needs_elevation=True)


@pytest.mark.parametrize(
    ("rule", "caller", "code"),
    [
        (None, Caller(Role.ADMIN, Origin.LAN, is_elevated=True), "not_allowed"),
        (Rule(), Caller(None, Origin.LAN), "login_required"),
        (STRICT, Caller(Role.ADMIN, Origin.RELAY, is_elevated=True), "not_from_here"),
        (STRICT, Caller(Role.DRIVER, Origin.LAN, is_elevated=True), "not_allowed"),
        (STRICT, Caller(Role.ADMIN, Origin.LAN), "elevation_required"),
        (STRICT, Caller(None, Origin.LAN), "login_required"),
    ],
)
def test_what_is_missing_is_named(rule: Rule | None, caller: Caller, code: str) -> None:
    """And a route without a rule is closed to everybody."""
    with pytest.raises(AppError) as caught:
        decide("GET", rule, caller)
    assert caught.value.code == code


def test_whoever_has_all_of_it_passes() -> None:
    """No exception."""
    decide("GET", STRICT, Caller(Role.ADMIN, Origin.LAN, is_elevated=True))
    decide("GET", Rule(), Caller(Role.VIEWER, Origin.RELAY))
    decide("GET", WITHOUT_LOGIN, Caller(None, Origin.RELAY))


def test_only_health_login_and_documents_answer_without_one() -> None:
    """The rule of the design; whoever adds to this list must say why."""
    open_to_all = {path for (_, path), rule in RULES.items() if rule.roles is None}
    logins = {f"/api/v1/auth/{way}" for way in ("login", "refresh", "pair", "setup")}
    documents = {"/openapi.json", "/openapi-legacy.json", "/docs"}  # the same at every site, and no secret
    web_app = {"/", "/sw.js", "/assets/{file}"}  # the same for everybody, and nothing of the site
    assert open_to_all - web_app == {
        "/healthz",
        "/readyz",
        "/setup",
        "/internal/token-key",
        *documents,
        *logins,
        *LOGIN_PATHS,
    }
    assert RULES["GET", "/internal/token-key"].origins == {Origin.RELAY}
    assert RULES["GET", "/setup"].origins == RULES["POST", "/api/v1/auth/setup"].origins == {Origin.LAN}


def test_tickets_open_only_what_browsers_cannot_send_a_header_to() -> None:
    """A URL may end up in a history."""
    by_ticket = {path for (_, path), rule in RULES.items() if rule.takes_ticket}
    downloads = {f"/api/v1/{name}" for name in ("history.csv", "sessions.csv", "sessions.xlsx", "sessions.pdf")}
    assert by_ticket == {"/api/v1/live", *downloads}
