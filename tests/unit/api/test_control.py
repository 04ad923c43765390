"""What may become a command: form, offers, ranges, keys, pace."""

from dataclasses import fields, replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import control, inputs
from api.access import WISHES as WISH_ROLES
from api.access import Role, decide_wishes, wish_table
from api.errors import (
    CommandFailed,
    IdempotencyKeyReused,
    NotAllowed,
    NotPossible,
    TooManyCommands,
    UnknownChargePoint,
)
from api.shapes import ChargePointBody
from common import commands
from common.commands import WISHES, Command, Status, accepted
from common.errors import FieldError
from common.model import Capabilities, ChargePoint, LimitType, Mode, SiteState, Vehicle
from tests.kit.states import SITE

ALL = Capabilities(
    modes=tuple(Mode),
    limit_types=(LimitType.NONE, LimitType.ENERGY, LimitType.SOC),
    lowest_current_a=8,
    highest_current_a=16,
    can_enable=True,
    can_assign_vehicle=True,
    can_set_soc=True,
    can_set_pv_min_current=True,
    can_switch_phases=True,
    can_reset_energy=True,
    has_price_limit=True,
)
POSSIBLE: dict[str, Any] = {
    "mode": "eco",
    "current_a": 8,
    "limit": {"type": "soc", "soc_percent": 80},
    "is_enabled": False,
    "vehicle": "0",
    "soc_percent": 0,
    "pv_min_current_a": 0,
    "min_pv_current_a": 16,
    "max_price_per_kwh": -0.05,
    "phases": 0,
    "reset_energy": True,
}


def site(*offers: Capabilities | None) -> SiteState:
    """A site with a charge point for each."""
    points = {str(number): ChargePoint(capabilities=can) for number, can in enumerate(offers, 1)}
    return replace(SITE, charge_points=points)


def command(**wishes: Any) -> Command:
    return Command(id="1" * 32, charge_point="1", wishes=wishes, accepted_at=0.0, by="driver")


# The form


def test_every_wish_has_a_role_an_example_and_an_offer() -> None:
    """A new one must be thought of here too; what has no field in the body has a route of its own."""
    assert set(WISHES) == set(WISH_ROLES) == set(POSSIBLE)
    assert {field.name for field in msgspec.structs.fields(ChargePointBody)} == set(WISHES) - {"reset_energy"}
    for wish, value in POSSIBLE.items():
        with pytest.raises(NotPossible) as caught:
            control.check_possible(site(Capabilities()), "1", {wish: value})
        assert list(caught.value.faults) == [wish]
        control.check_possible(site(ALL), "1", {wish: value})


_VALUES = st.one_of(
    *[st.sampled_from([*Mode, "", "fast", None, True, [], {}, float("nan"), float("inf"), "0", "00", "-1", "1234567"])],
    st.integers(-2, 40),
    st.integers(),
    st.floats(allow_nan=False),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["none", "energy", "soc", "time"])},
        optional={"energy_wh": st.integers(-1, 2_000_000), "soc_percent": st.integers(-1, 102), "x": st.none()},
    ),
)


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from([*WISHES, "colour"]), _VALUES, min_size=1, max_size=2))
def test_what_the_body_takes_is_what_the_edge_takes(wishes: dict[str, Any]) -> None:
    """The documented types and common/commands.py agree: what passes one passes the other, unchanged in value."""
    raw = msgspec.json.encode(wishes)
    plain = msgspec.json.decode(raw)
    refused: set[str] = set()
    try:
        assert control.wishes_of(inputs.body(raw, ChargePointBody)) == plain
    except FieldError as error:
        refused = {path.partition(".")[0] for path in error.faults}
    assert refused == {name for name in plain if name == "reset_energy" or commands.faults({name: plain[name]})}


def test_nothing_is_no_wish() -> None:
    """An empty object is refused."""
    with pytest.raises(FieldError) as caught:
        control.wishes_of(inputs.body(b"{}", ChargePointBody))
    assert list(caught.value.faults) == ["body"]


@pytest.mark.parametrize(
    ("body", "faulty"),
    [
        (b'{"limit":{"type":"energy"}}', ["limit.energy_wh"]),
        (b'{"limit":{"type":"none","energy_wh":5}}', ["limit.energy_wh"]),
        (b'{"limit":{"type":"soc","soc_percent":101},"colour":1}', ["limit.soc_percent", "colour"]),
        (b'{"current_a":5.5,"mode":null,"is_enabled":"yes","phases":2}', ["current_a", "mode", "is_enabled", "phases"]),
        (b'{"current_a":true,"soc_percent":101,"vehicle":"x"}', ["current_a", "soc_percent", "vehicle"]),
        (b'{"max_price_per_kwh":11,"pv_min_current_a":-1}', ["max_price_per_kwh", "pv_min_current_a"]),
        (b'{"reset_energy":true}', ["reset_energy"]),
    ],
)
def test_each_fault_is_named(body: bytes, faulty: list[str]) -> None:
    """All of them at once, by field."""
    with pytest.raises(FieldError) as caught:
        control.wishes_of(inputs.body(body, ChargePointBody))
    assert set(caught.value.faults) == set(faulty)


# What the site offers


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"current_a": 17}, "from 8 to 16 A"),
        ({"current_a": 7}, "from 8 to 16 A"),
        ({"vehicle": "9"}, "not a vehicle"),
        ({"limit": {"type": "energy", "energy_wh": 10_500}}, "a multiple of 1000 Wh, up to 100000 Wh"),
        ({"limit": {"type": "energy", "energy_wh": 101_000}}, "a multiple of 1000 Wh, up to 100000 Wh"),
    ],
)
def test_the_charge_points_own_range_counts(wishes: dict[str, Any], words: str) -> None:
    """Named with its ends, and refused like what is not offered at all."""
    can = replace(ALL, energy_limit_step_wh=1000, highest_energy_limit_wh=100_000)
    state = replace(site(can), vehicles={"0": Vehicle(name="Standard")})
    with pytest.raises(NotPossible) as caught:
        control.check_possible(state, "1", wishes)
    assert words in caught.value.faults[next(iter(wishes))]


@pytest.mark.parametrize(
    ("status", "detail", "faults"),
    [
        (Status.REJECTED, "limit: whole kWh", {"limit": "whole kWh"}),
        (Status.REJECTED, "limit, mode: name a charge point", dict.fromkeys(("limit", "mode"), "name a charge point")),
        (Status.REJECTED, "this wallbox is controlled by another one: ask it", {}),
        (Status.REJECTED, None, {}),
    ],
)
def test_what_the_edge_rejects_is_named_by_wish(status: Status, detail: str | None, faults: dict[str, str]) -> None:
    """As far as its words name one; the record goes along."""
    record = replace(accepted(command(mode="pv", limit={"type": "none"})), status=status, detail=detail)
    with pytest.raises(NotPossible) as caught:
        control.check_done(record, {"id": record.id})
    assert (caught.value.faults, caught.value.command) == (faults, {"id": record.id})


def test_what_is_done_or_may_still_be_is_no_refusal() -> None:
    """All other ends of a command are."""
    for status in Status:
        record = replace(accepted(command(mode="pv")), status=status)
        if status in (Status.ACCEPTED, Status.PUBLISHED, Status.CONFIRMED):
            control.check_done(record, {})
        else:
            with pytest.raises((NotPossible, CommandFailed)):
                control.check_done(record, {})


def test_what_is_offered_is_named() -> None:
    """Modes and limits, of those there are."""
    state = site(replace(ALL, modes=(Mode.PV, Mode.STOP), limit_types=(LimitType.NONE,)))
    with pytest.raises(NotPossible) as caught:
        control.check_possible(state, "1", {"mode": "eco", "limit": {"type": "energy", "energy_wh": 1}})
    assert caught.value.faults["mode"].endswith("possible: pv, stop")
    assert caught.value.faults["limit"].endswith("possible: none")


def test_what_another_vehicle_or_other_phases_allow_is_for_the_edge_to_say() -> None:
    """The capabilities are those of the present ones."""
    state = site(replace(ALL, can_set_soc=False))
    control.check_possible(state, "1", {"vehicle": "3", "soc_percent": 50, "current_a": 32})
    control.check_possible(state, "1", {"phases": 3, "current_a": 32})
    with pytest.raises(NotPossible):
        control.check_possible(site(replace(ALL, can_assign_vehicle=False)), "1", {"vehicle": "3"})


def test_unknown_capabilities_are_not_judged() -> None:
    """The edge decides; absence is not refusal."""
    control.check_possible(site(None), "1", POSSIBLE)


@pytest.mark.parametrize(("charge_point", "state"), [("2", site(ALL)), (None, site()), ("", site(ALL))])
def test_there_must_be_such_a_charge_point(charge_point: str | None, state: SiteState) -> None:
    """Also for the whole site: without any there is nothing to charge."""
    with pytest.raises(UnknownChargePoint):
        control.check_possible(state, charge_point, {"mode": "pv"})


def test_the_whole_site_has_what_every_charge_point_has() -> None:
    """One that lacks the mode refuses for all, and the site's list leaves it out."""
    state = site(ALL, replace(ALL, modes=(Mode.PV, Mode.INSTANT)), None)
    control.check_possible(state, None, {"mode": "pv"})
    with pytest.raises(NotPossible):
        control.check_possible(state, None, {"mode": "eco"})
    assert control.common_modes(state) == [Mode.INSTANT, Mode.PV]
    assert control.common_modes(site(None)) == control.common_modes(site()) == []


# Who


def test_a_driver_steers_a_charge_and_an_admin_everything() -> None:
    """A viewer nothing; what is refused is named."""
    decide_wishes(WISHES, Role.ADMIN)
    decide_wishes(["mode", "current_a", "limit", "is_enabled", "vehicle", "soc_percent", "reset_energy"], Role.DRIVER)
    with pytest.raises(NotAllowed, match="phases"):
        decide_wishes(["mode", "phases"], Role.DRIVER)
    with pytest.raises(NotAllowed):
        decide_wishes(["mode"], Role.VIEWER)
    with pytest.raises(NotAllowed):
        decide_wishes(["colour"], Role.ADMIN)
    assert "| `phases` | admin |" in wish_table()


# The same again


@pytest.mark.parametrize("values", [[""], ["a", "a"], ["x" * 256], ["ä"], ["a\tb"], ["\x7f"]])
def test_a_key_that_is_none_is_refused(values: list[str]) -> None:
    """Given twice, empty, too long, or not printable ASCII."""
    with pytest.raises(FieldError) as caught:
        control.idempotency_key(values)
    assert list(caught.value.faults) == ["Idempotency-Key"]


def test_a_key_is_taken_as_it_is() -> None:
    """Quotes are part of it, spaces too; none at all is fine."""
    assert control.idempotency_key([]) is None
    for key in ('"8e03978e-40d5"', "x" * 255, "a b"):
        assert control.idempotency_key([key]) == key


def test_the_same_key_needs_the_same_wishes_for_the_same_charge_point() -> None:
    """In any order and after a journey through JSON."""
    wish = command(mode="pv", limit={"type": "soc", "soc_percent": 80})
    record = msgspec.json.decode(msgspec.json.encode(accepted(wish)), type=commands.CommandRecord)
    control.check_same(record, command(limit={"soc_percent": 80, "type": "soc"}, mode="pv"))
    others = (command(mode="pv"), command(**{**wish.wishes, "mode": "stop"}), replace(wish, charge_point=None))
    for other in others:
        with pytest.raises(IdempotencyKeyReused):
            control.check_same(record, other)


# How many


def test_one_users_flood_ends_and_nobody_elses() -> None:
    """The wait that is told is enough."""
    pace = control.Pace()
    for number in range(control.MOST_A_MINUTE):
        pace.admit("driver", 100 + number / 10)
    with pytest.raises(TooManyCommands) as caught:
        pace.admit("driver", 115)
    pace.admit("admin", 115)
    assert caught.value.retry_after_s == 45
    pace.admit("driver", 115 + caught.value.retry_after_s)


def test_the_memory_of_a_pace_is_bounded() -> None:
    """Whoever was longest without a command is forgotten first."""
    pace = control.Pace()
    for number in range(control.MOST_USERS + 10):
        pace.admit(f"user {number}", 0)
    assert len(pace._made) == control.MOST_USERS


def test_capabilities_are_all_looked_at() -> None:
    """A new one must become an offer here, or be named as one that is none."""
    ranges = {"lowest_current_a", "highest_current_a", "energy_limit_step_wh", "highest_energy_limit_wh"}
    told = {"is_mode_site_wide", *ranges}
    flags = {field.name for field in fields(Capabilities)} - told
    wishes = {wish: value for wish, value in POSSIBLE.items() if wish != "vehicle"}
    flags.remove("can_assign_vehicle")  # with a vehicle nothing else is judged: see above
    for name in flags:
        lacking: Any = () if isinstance(getattr(ALL, name), tuple) else False
        with pytest.raises(NotPossible):
            control.check_possible(site(replace(ALL, **{name: lacking})), "1", wishes)
