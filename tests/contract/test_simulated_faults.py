"""What a simulated wallbox of either generation says of its faults, as the state tells it."""

import pytest

from common.model import Fault, FaultLevel, SiteState, flatten
from edge.mirror import Mirror
from edge.openwb import v1, v2
from edge.openwb.dialect import Dialect
from simulator.dialects import DIALECTS, Generation
from simulator.physics import Site
from simulator.wallbox import Message

STARTS_AT = 1_795_394_880.0
SAID = "HTTP 503: Server-Fehler. Versuche es später erneut."
TABLES = {"1.9": v1.DIALECT, "2.x": v2.DIALECT}


class House:
    """A simulated wallbox whose messages go straight into a mirror."""

    def __init__(self, generation: str) -> None:
        self._wallbox = DIALECTS[Generation(generation)].make(Site(), 7, STARTS_AT)
        self._dialect: Dialect = TABLES[generation]
        self._mirror = Mirror(self._dialect)
        self._at = STARTS_AT
        self.pass_by(30)

    def pass_by(self, seconds: float) -> None:
        self._at += seconds
        self._wallbox.run_until(self._at)
        self._hear(self._wallbox.publish())

    def turn(self, knob: str, argument: str, payload: str) -> None:
        self._hear(self._wallbox.turn(knob, argument, payload))
        self.pass_by(30)

    @property
    def state(self) -> SiteState:
        snapshot = self._mirror.snapshot()
        assert snapshot is not None
        return snapshot.state

    def _hear(self, messages: list[Message]) -> None:
        known = {one.topic: one.payload.encode() for one in messages if self._dialect.is_allowed(one.topic)}
        assert self._mirror.apply(known, self._at).skipped == ()


@pytest.mark.parametrize(
    ("generation", "knob", "argument", "path"),
    [
        ("1.9", "fault", "pv", "pv.fault"),
        ("1.9", "fault", "battery", "battery.fault"),
        ("1.9", "soc-fault", "1", "charge_points.1.soc_fault"),
        ("2.x", "fault", "pv", "pv.fault"),
        ("2.x", "fault", "battery", "battery.fault"),
        ("2.x", "fault", "tariff", "tariff.fault"),
        ("2.x", "soc-fault", "3", "charge_points.3.soc_fault"),
        ("2.x", "soc-fault", "3", "vehicles.1.soc_fault"),
    ],
)
def test_a_fault_comes_with_its_cause_and_goes(generation: str, knob: str, argument: str, path: str) -> None:
    house = House(generation)
    assert flatten(house.state)[path] == Fault()
    house.turn(knob, argument, SAID)
    found = flatten(house.state)[path]
    assert found.level is FaultLevel.ERROR
    assert SAID in (found.text or "")
    house.turn(knob, argument, "")
    assert flatten(house.state)[path] == Fault()


def test_a_sub_counter_comes_with_its_name_and_goes() -> None:
    """What it measures is no part of the home load then."""
    house = House("2.x")
    assert house.state.devices == {}
    house.turn("meter", "", "Wärmepumpe")
    (meter,) = house.state.devices.values()
    assert (meter.name, meter.fault) == ("Wärmepumpe", Fault())
    assert meter.power_w is not None
    assert meter.power_w > 0
    house.turn("meter", "", "")
    assert house.state.devices == {}
