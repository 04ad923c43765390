"""The form of wishes: what any openWB might take passes, everything else is named."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.commands import WISHES, Command, CommandRecord, Status, accepted, faults

GOOD: dict[str, Any] = {
    "mode": "pv",
    "current_a": 16,
    "limit": {"type": "energy", "energy_wh": 10_000},
    "is_enabled": False,
    "vehicle": "0",
    "soc_percent": 0,
    "pv_min_current_a": 0,
    "min_pv_current_a": 6,
    "max_price_per_kwh": -0.05,
    "phases": 3,
    "reset_energy": True,
}


def test_every_wish_has_a_good_form() -> None:
    """All at once, too."""
    assert set(GOOD) == set(WISHES)
    assert faults(GOOD) == {}


@pytest.mark.parametrize(
    ("wish", "value"),
    [
        ("mode", "sofort"),
        ("mode", 0),
        ("current_a", 0),
        ("current_a", 16.0),
        ("current_a", "16"),
        ("current_a", True),
        ("limit", "none"),
        ("limit", {"type": "energy"}),
        ("limit", {"type": "none", "energy_wh": 1}),
        ("limit", {"type": "soc", "soc_percent": 101}),
        ("limit", {"type": ["none"]}),
        ("is_enabled", 1),
        ("vehicle", 1),
        ("vehicle", "01"),
        ("vehicle", "²"),
        ("soc_percent", 101),
        ("pv_min_current_a", 17),
        ("min_pv_current_a", 0),
        ("max_price_per_kwh", float("nan")),
        ("max_price_per_kwh", None),
        ("phases", 2),
        ("phases", False),
        ("reset_energy", False),
        ("password", "x"),
    ],
)
def test_a_bad_form_is_named(wish: str, value: Any) -> None:
    """By the wish, and only that one."""
    assert set(faults({**GOOD, wish: value})) == {wish}


def test_no_wish_at_all_is_a_fault() -> None:
    """There is nothing to wait for."""
    assert set(faults({})) == {"body"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from(WISHES) | st.text(), json_values, max_size=4))
def test_any_json_is_judged(wishes: dict[str, Any]) -> None:
    """Never with an exception, and every fault belongs to a wish."""
    assert set(faults(wishes)) <= (set(wishes) or {"body"})


def test_a_command_and_its_record_survive_json() -> None:
    """As they go through Redis."""
    command = Command(id="c1", charge_point="1", wishes=GOOD, accepted_at=1.5, by="anna")
    assert msgspec.json.decode(msgspec.json.encode(command), type=Command) == command
    record = accepted(command)
    assert record.status is Status.ACCEPTED
    assert msgspec.json.decode(msgspec.json.encode(record), type=CommandRecord) == record


@pytest.mark.parametrize("status", Status)
def test_settled_is_all_but_underway(status: Status) -> None:
    """The api answers 202 to the others."""
    assert status.is_settled == (status not in ("accepted", "published"))
