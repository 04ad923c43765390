"""Sights, pairings, the audit's rows and its bound for strangers: the pure parts of people."""

import csv
import io
import json
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import access, audit
from api.access import Caller, Limited, Origin, Role, Rule, Scope, decide
from api.control import check_sight
from api.errors import NotAllowed, TotpRequired, UnknownChargePoint
from api.handlers.audit import MOST_STRANGERS, STRANGERS_WINDOW_S, _Strangers
from api.live import Outbox, Told
from api.pairing import lan_url
from api.sessions import PAIRING_S, Elevations, Pairings
from api.sight import EVERYTHING, Sight
from common import legacy_app
from common.errors import FieldError
from common.model import Snapshot
from tests.kit.states import SITE

BERLIN = ZoneInfo("Europe/Berlin")

TWO = replace(SITE, charge_points={"1": SITE.charge_points["1"], "2": SITE.charge_points["1"]})
SECOND = Sight(frozenset({"2"}))


def test_every_route_tells_limited_users_only_what_it_has_thought_about() -> None:
    """The table is complete: what is not about charge points says so, what is filters; these are closed so far."""
    closed = {
        path
        for (_, path), rule in access.RULES.items()
        if rule.roles and rule.limited is Limited.REFUSED and not legacy_app.is_path(path)
    }
    assert closed == {"/api/v1/statistics"}


@pytest.mark.parametrize(
    ("method", "rule", "scope"),
    [
        ("GET", Rule(), Scope.READ),
        ("POST", Rule(), Scope.ACCOUNT),
        ("GET", Rule(roles=access.ADMINS), Scope.ADMIN),
        ("GET", Rule(needs_elevation=True), Scope.ADMIN),
        ("PUT", Rule(scope=Scope.CONTROL), Scope.CONTROL),
    ],
)
def test_what_nobody_thought_about_is_closed_to_programs(method: str, rule: Rule, scope: Scope) -> None:
    """Reading aside."""
    assert access.scope_of(method, rule) is scope
    decide(method, rule, Caller(Role.ADMIN, Origin.LAN, is_elevated=True))
    with pytest.raises(NotAllowed):
        decide(method, rule, Caller(Role.ADMIN, Origin.LAN, is_elevated=True, scopes=frozenset(Scope) - {scope}))


def test_a_route_that_knows_no_limits_is_closed_to_limited_users() -> None:
    limited = Caller(Role.DRIVER, Origin.LAN, is_limited=True)
    with pytest.raises(NotAllowed):
        decide("GET", Rule(), limited)
    decide("GET", access.OWN_CHARGE_POINTS, limited)


def test_an_admin_without_a_second_factor_is_nobody_much_outside() -> None:
    """Also where the owner lets credentials pass the relay. On the LAN, and for other roles, it changes nothing."""
    bare = Caller(Role.ADMIN, Origin.RELAY, has_totp=False, may_use_keys=True)
    for method, rule in (("GET", access.LOGGED_IN), ("POST", access.MINTS), ("POST", access.KEYS)):
        with pytest.raises(TotpRequired):
            decide(method, rule, bare)
    decide("GET", access.RULES["GET", "/api/v1/me"], bare)
    decide("GET", access.LOGGED_IN, replace(bare, origin=Origin.LAN))
    decide("GET", access.LOGGED_IN, replace(bare, role=Role.DRIVER))


def test_a_sight_hides_the_other_charge_points() -> None:
    """From state, paths and events; without limits everything is as it was."""
    snapshot = Snapshot(
        seq=1, updated_at=1.0, state=TWO, heard_at={"charge_points.1.power_w": 1.0, "grid.power_w": 2.0}
    )
    assert EVERYTHING.of(snapshot) is snapshot
    shown = SECOND.of(snapshot)
    assert (set(shown.state.charge_points), set(shown.heard_at)) == ({"2"}, {"grid.power_w"})
    seen = ["grid.power_w", "charge_points.2", "charge_points.2.power_w", "charge_points", "vehicles.1.name"]
    assert [SECOND.sees_path(path) for path in seen] == [True] * 5
    assert not SECOND.sees_path("charge_points.1")
    assert not SECOND.sees_path("charge_points.22.power_w")
    events: list[tuple[Any, bool]] = [
        ({"type": "command", "command": {"charge_point": "2"}}, True),
        ({"type": "command", "command": {"charge_point": "1"}}, False),
        ({"type": "command", "command": {"charge_point": None}}, False),
        ({"type": "other", "charge_point": "2"}, True),
        ({"type": "other"}, False),
    ]
    assert [SECOND.sees_event(event) for event, _ in events] == [is_seen for _, is_seen in events]
    assert all(EVERYTHING.sees_event(event) for event, _ in events)


def test_a_live_client_is_told_what_it_may_see() -> None:
    """Changes and events of others are not there; the numbers go on."""
    outbox = Outbox(sight=SECOND)
    outbox.snapshot_told(1, is_stale=False)
    outbox.put(Told(2, None, {"charge_points.1.power_w": 5, "charge_points.2.power_w": 6}))
    outbox.put(Told(3, None, event={"type": "command", "command": {"charge_point": "1"}}, subject="x"))
    outbox.put(Told(4, None, {"charge_points.1.power_w": 7}))
    changes = {"charge_points.2.power_w": 6}
    assert outbox.take() == {"type": "change", "seq": 400, "occurred_at": None, "changes": changes}
    assert outbox.take() is None


@pytest.mark.parametrize(
    ("charge_point", "wishes", "error"),
    [
        ("1", {"is_enabled": True}, UnknownChargePoint),
        (None, {"mode": "pv"}, NotAllowed),
        ("2", {"mode": "pv"}, NotAllowed),
        ("2", {"is_enabled": True}, None),
    ],
)
def test_a_limited_user_steers_what_is_theirs(charge_point: str | None, wishes: Any, error: Any) -> None:
    """On openWB 1.9 the mode is everybody's."""
    check_sight(TWO, EVERYTHING, charge_point, wishes)
    if error is None:
        check_sight(TWO, SECOND, charge_point, wishes)
    else:
        with pytest.raises(error):
            check_sight(TWO, SECOND, charge_point, wishes)


def test_a_pairing_is_good_once_for_five_minutes() -> None:
    """The newest of a user alone."""
    pairings = Pairings()
    pairings.put("a", 1, "anna", "login", 0.0)
    pairings.put("b", 1, "anna", "login", 0.0)
    assert pairings.take("a", 1.0) is None
    taken = pairings.take("b", PAIRING_S - 1)
    assert taken is not None
    assert taken.user == "anna"
    assert pairings.take("b", 1.0) is None
    pairings.put("c", 1, "anna", "login", 0.0)
    assert pairings.take("c", PAIRING_S) is None
    pairings.put("d", 1, "anna", "login", 0.0)
    pairings.forget_user(1)
    assert pairings.take("d", 1.0) is None
    for number in range(500):
        pairings.put(str(number), number, "x", "login", 0.0)
    assert pairings.take("0", 1.0) is None
    assert pairings.take("499", 1.0) is not None


def test_a_dropped_elevation_is_over() -> None:
    elevations = Elevations()
    elevations.elevate("s", 0.0)
    elevations.drop("s")
    elevations.drop("s")
    assert elevations.until("s", 1.0) is None


@pytest.mark.parametrize(
    ("origin", "host", "url"),
    [
        (Origin.LAN, "wallbox.lan:8080", "http://wallbox.lan:8080"),
        (Origin.LAN, "[fd00::1]:80", "http://[fd00::1]:80"),
        (Origin.RELAY, "site", None),
        (Origin.LAN, "evil.example/@", None),
        (Origin.LAN, "", None),
    ],
)
def test_a_pairing_code_names_where_the_site_was_found(origin: Origin, host: str, url: str | None) -> None:
    """Nothing that is no host gets into it."""
    assert lan_url(origin, host, is_tls=False) == url


def row(**more: Any) -> Any:
    values: dict[str, Any] = {
        "happened_at": 1_800_000_000.7, "user_name": "anna", "device": ("d", "phone"), "origin": "lan",
        "address": "192.0.2.1", "action": "login", "subject": None, "old": None, "new": None, "result": "ok",
    }  # fmt: skip
    return audit.row(**{**values, **more})


def test_the_audit_as_csv_runs_nothing_in_a_spreadsheet() -> None:
    """Formulas begin with an apostrophe; quotes and umlauts come back as they were, line breaks as blanks."""
    names = ["=1+1", "+1", "-1", "@x", "\tx", "Ömer", 'a"b', "a,b\nc"]
    text = audit.csv_lines([row(user_name=name) for name in names], has_head=True)
    head, *read = list(csv.reader(io.StringIO(text)))
    assert tuple(head) == audit.COLUMNS
    assert [line[1] for line in read] == ["'=1+1", "'+1", "'-1", "'@x", " x", "Ömer", 'a"b', "a,b c"]
    assert read[0][0] == "2027-01-15T08:00:00Z"


EVIL = st.lists(st.sampled_from([*"=+-@;,|\t\"' a1", "\n", "\r", "＝"]), max_size=12).map("".join)


@given(EVIL, EVIL, EVIL)
def test_no_cell_of_the_audit_is_a_formula_whatever_separates_them(name: str, subject: str, value: str) -> None:
    """Read as spreadsheets read it: by any separator, quotes taken away."""
    text = audit.csv_lines([row(user_name=name, subject=subject, new={"value": value})])
    for separator in ",;|\t":
        for cells in csv.reader(io.StringIO(text), delimiter=separator):
            for cell in cells:
                assert not cell.strip(' "').startswith(tuple("=+-@＝")), (separator, cell)


def test_values_that_are_too_long_are_cut_and_stay_json() -> None:
    """Whatever they are made of."""
    cut = row(new={"x": '"\\' * 3000}).new_value
    assert len(cut) <= audit.LONGEST_VALUE
    assert json.loads(cut).keys() == {"cut_off"}
    assert audit.changed({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ({"b": 2}, {"b": 3})


@pytest.mark.parametrize(
    ("parameters", "field"),
    [({"from": "x"}, "from"), ({"to": "2027"}, "to"), ({"cursor": "-1"}, "cursor"), ({"cursor": "9" * 30}, "cursor")],
)
def test_wrong_filters_are_named(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        audit.wanted(parameters, BERLIN)
    assert set(caught.value.faults) == {field}


def test_a_plain_date_is_the_sites_midnight() -> None:
    """Here as in every other list that takes `from` and `to`."""
    found = audit.wanted({"from": "2026-07-01", "to": "2026-11-01"}, BERLIN)
    assert (found.from_s, found.to_s) == (1782856800, 1793487600)


def test_strangers_fill_no_disk() -> None:
    """So many an hour, then a number."""
    strangers = _Strangers()
    admitted = [strangers.admit(row(), float(at)) for at in range(1000)]
    assert sum(entry is not None for entry in admitted) == MOST_STRANGERS
    later = strangers.admit(row(), STRANGERS_WINDOW_S)
    assert later is not None
    assert later.new_value == '{"left_out_before":700}'
