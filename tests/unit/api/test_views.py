"""Views, selections, sessions and problems: the small decisions."""

from contextlib import suppress
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import fields, problems, views
from api.errors import NotReady, Overloaded, StateUnknown
from api.sessions import ELEVATION_S, Elevations, Tickets
from common.errors import AppError, FieldError
from common.model import (
    Capabilities,
    ChargePoint,
    Device,
    DeviceKind,
    Limit,
    Mode,
    SiteState,
    Snapshot,
    Tariff,
    Vehicle,
    diff,
    flatten,
)
from common.security.tokens import Claims, InvalidToken
from tests.kit.states import SITE


def snapshot(state: SiteState) -> Snapshot:
    return Snapshot(seq=7, updated_at=100.0, state=state, heard_at=dict.fromkeys(flatten(state), 90.0))


def test_a_part_that_the_site_lacks_is_null_unless_it_was_not_asked_for() -> None:
    """Absent and not selected are told apart."""
    state = snapshot(replace(SITE, battery=None))
    assert views.state(state, site_name="x", now=100, is_edge_alive=True)["battery"] is None
    selected = fields.selection("grid")
    assert "battery" not in views.state(state, site_name="x", now=100, is_edge_alive=True, selected=selected)


@pytest.mark.parametrize(
    ("is_silent", "is_alive", "is_stale"), [(False, True, False), (True, True, True), (False, False, True)]
)
def test_stale_is_whatever_nobody_vouches_for(is_silent: bool, is_alive: bool, is_stale: bool) -> None:
    """The wallbox's silence or the edge's."""
    state = replace(SITE, meta=replace(SITE.meta, is_stale=is_silent))
    assert views.head(snapshot(state), is_edge_alive=is_alive)["is_stale"] is is_stale


def test_ages_are_never_negative() -> None:
    """Two clocks may disagree by a moment."""
    ages = views.state(snapshot(SITE), site_name="x", now=80, is_edge_alive=True)["ages_s"]
    assert set(ages.values()) == {0.0}


def test_the_head_of_a_change_has_the_names_of_the_state() -> None:
    """And a limit the same short form."""
    assert views.changes({"meta.is_stale": True, "meta.version": "2", "meta.generation": "2.x"}) == {
        "is_stale": True,
        "site.openwb_version": "2",
        "site.openwb_generation": "2.x",
    }
    raw = {"charge_points.1.limit": {"type": "soc", "energy_wh": None, "soc_percent": 80}}
    assert views.changes(raw) == {"charge_points.1.limit": {"type": "soc", "soc_percent": 80}}


def test_devices_vehicles_and_prices_are_shown_and_told_alike() -> None:
    """By id, with instants as everywhere, and only what is selected."""
    rich = replace(
        SITE,
        devices={"smarthome-1": Device(kind=DeviceKind.SMARTHOME, name="Boiler", power_w=900)},
        vehicles={"0": Vehicle(name="Standard"), "3": Vehicle(name="Zoe", soc_percent=40)},
        tariff=Tariff(price_per_kwh=0.3, prices=((0, 0.3), (3600, -0.01))),
    )
    shown = views.state(snapshot(rich), site_name="x", now=100, is_edge_alive=True)
    assert shown["devices"]["smarthome-1"]["power_w"] == 900
    assert list(shown["vehicles"]) == ["0", "3"]
    slots = [
        {"starts_at": "1970-01-01T00:00:00Z", "price_per_kwh": 0.3},
        {"starts_at": "1970-01-01T01:00:00Z", "price_per_kwh": -0.01},
    ]
    assert shown["tariff"]["prices"] == slots
    told = views.changes(msgspec.to_builtins(diff(SITE, rich)))
    assert told["tariff.prices"] == slots
    assert told["vehicles.3.soc_percent"] == 40
    selected = fields.selection("vehicles.3.name,devices")
    chosen = views.state(snapshot(rich), site_name="x", now=100, is_edge_alive=True, selected=selected)
    assert chosen["vehicles"] == {"3": {"name": "Zoe"}}
    assert chosen["devices"] == shown["devices"]
    assert "charge_points" not in chosen


def test_a_site_says_what_it_lets_be_done() -> None:
    """The modes of the whole site; the rest with each charge point. Another wallbox's secondary says so."""
    point = ChargePoint(capabilities=Capabilities(modes=(Mode.STOP, Mode.PV)))
    state = replace(SITE, charge_points={"2": point, "10": point}, meta=replace(SITE.meta, is_secondary=True))
    shown = views.site(snapshot(state), site_name="x", time_zone="Europe/Berlin", version="1.2.3", is_edge_alive=True)
    assert (shown["modes"], shown["charge_points"], shown["is_secondary"]) == (["pv", "stop"], ["2", "10"], True)
    assert list(views.charge_point("2", point)["capabilities"]["modes"]) == ["stop", "pv"]
    assert views.changes({"meta.is_secondary": True}) == {"site.is_secondary": True}


def test_every_path_of_a_change_can_be_selected() -> None:
    """Whatever the edge can tell, a client can ask for."""
    for path in diff(None, replace(SITE, charge_points={"1": replace(SITE.charge_points["1"], limit=Limit())})):
        if not path.startswith("meta."):
            assert fields.selection(path).has(path)


@pytest.mark.parametrize(
    "text",
    ["", ",", "grid,", "grid.bogus", "grid.power_w.x", "charge_points.1.x", "charge_points..x", "a" * 99, "meta"],
)
def test_an_unknown_path_is_refused(text: str) -> None:
    """Without quoting it."""
    with pytest.raises(ValueError, match="unknown path at position"):
        fields.selection(text)


@given(st.text(max_size=80))
def test_any_text_is_a_selection_or_a_value_error(text: str) -> None:
    """And nothing else is raised."""
    with suppress(ValueError):
        assert fields.selection(text).paths


def test_too_many_paths_are_refused() -> None:
    """The work per change is bounded."""
    with pytest.raises(ValueError, match="at most"):
        fields.selection(",".join(f"charge_points.{n}" for n in range(60)))


def claims(token_id: str = "t") -> Claims:
    return Claims("anna", "viewer", "s", 0, 30, 900, token_id)


def test_a_ticket_is_redeemed_once() -> None:
    """And forgotten when it is over."""
    tickets = Tickets()
    tickets.redeem(claims(), now=0)
    with pytest.raises(InvalidToken):
        tickets.redeem(claims(), now=1)
    tickets.redeem(claims("other"), now=60)
    assert len(tickets._used) == 1


def test_tickets_of_two_processes_are_for_two_audiences() -> None:
    """One of before a restart is refused, since nobody knows whether it was used."""
    assert Tickets().audience != Tickets().audience


def test_an_elevation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, for its session only, and in a bounded map."""
    elevations = Elevations()
    assert elevations.elevate("s", now=0) == ELEVATION_S
    assert elevations.until("s", now=ELEVATION_S - 1) == ELEVATION_S
    assert elevations.until("s", now=ELEVATION_S) is None
    assert elevations.until("other", now=1) is None
    monkeypatch.setattr("api.sessions.MOST_ENTRIES", 3)
    elevations = Elevations()
    for n in range(3):
        elevations.elevate(f"s{n}", now=0)
    with pytest.raises(Overloaded):
        elevations.elevate("s3", now=1)
    elevations.elevate("s3", now=ELEVATION_S)


def test_elevating_again_prolongs() -> None:
    """And keeps the order in which they end."""
    elevations = Elevations()
    elevations.elevate("a", now=0)
    elevations.elevate("b", now=10)
    elevations.elevate("a", now=20)
    elevations.elevate("c", now=ELEVATION_S + 15)
    assert elevations.until("a", now=ELEVATION_S + 15) == ELEVATION_S + 20
    assert "b" not in elevations._until


def test_a_problem_says_what_its_error_knows() -> None:
    """Fields, components and when to come back; never the private detail."""
    assert problems.of_error(FieldError("x", {"b": "is bad", "a": "too"})).body["errors"] == [
        {"field": "a", "message": "too"},
        {"field": "b", "message": "is bad"},
    ]
    assert problems.of_error(NotReady("x", {"redis": {"status": "failing"}})).body["components"]
    assert problems.of_error(Overloaded("x", retry_after_s=0.2)).headers["retry-after"] == "1"
    secret = problems.of_error(StateUnknown("x", detail="hunter2"))
    assert "hunter2" not in str(secret)


def test_an_error_without_a_status_is_ours_and_says_nothing() -> None:
    """500, whatever its message."""

    class Forgotten(AppError):
        code = "forgotten"

    answer = problems.of_error(Forgotten("hunter2"))
    assert answer.status == 500
    assert "hunter2" not in str(answer.body)


@given(st.integers(400, 599))
def test_every_status_of_the_web_server_becomes_a_problem(status: int) -> None:
    """The same or the nearest that we document."""
    answer = problems.of_status(status)
    assert answer.status // 100 == status // 100
    assert answer.body["code"] in problems.PROBLEMS
