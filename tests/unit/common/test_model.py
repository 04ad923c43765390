"""The state model's paths: what changed, what became unknown, what went away."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from common.model import ChargePoint, Grid, Limit, LimitType, Meta, SiteState, diff, flatten

META = Meta(generation="1.9", is_stale=False)


def test_flatten_has_a_path_for_each_known_value_only() -> None:
    """Zero and False are values; None is not."""
    state = SiteState(
        meta=META,
        grid=Grid(power_w=0),
        charge_points={"3": ChargePoint(is_plugged=False, limit=Limit(type=LimitType.ENERGY, energy_wh=5000))},
    )
    assert flatten(state) == {
        "meta.generation": "1.9",
        "meta.is_stale": False,
        "meta.is_secondary": False,
        "grid.power_w": 0,
        "charge_points.3.is_plugged": False,
        "charge_points.3.limit": Limit(type=LimitType.ENERGY, energy_wh=5000),
    }


def test_value_that_became_unknown_is_none_at_its_path() -> None:
    old = SiteState(meta=META, grid=Grid(power_w=1, imported_wh=2))
    assert diff(old, SiteState(meta=META, grid=Grid(imported_wh=2))) == {"grid.power_w": None}


def test_part_that_went_away_is_none_as_a_whole() -> None:
    old = SiteState(meta=META, charge_points={"1": ChargePoint(power_w=1, name="a"), "2": ChargePoint(power_w=2)})
    new = replace(old, charge_points={"2": ChargePoint(power_w=2)})
    assert diff(old, new) == {"charge_points.1": None}


numbers = st.none() | st.integers(-5, 5)
grids = st.none() | st.builds(Grid, power_w=numbers, imported_wh=numbers)
points = st.dictionaries(st.sampled_from("123"), st.builds(ChargePoint, power_w=numbers, meter_wh=numbers))
states = st.builds(SiteState, meta=st.just(META), grid=grids, charge_points=points)


@given(states, states)
def test_changes_lead_from_any_state_to_any_other(old: SiteState, new: SiteState) -> None:
    """A client that applies the changes to what it holds has exactly the new paths."""
    held: dict[str, Any] = flatten(old)
    for path, value in diff(old, new).items():
        held = {known: kept for known, kept in held.items() if known != path and not known.startswith(path + ".")}
        if value is not None:
            held[path] = value
    assert held == flatten(new)


@given(states)
def test_nothing_changed_is_no_change(state: SiteState) -> None:
    assert diff(state, state) == {}
