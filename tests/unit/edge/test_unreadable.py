"""The last word on a value says nothing, or what cannot be: over one odd word the value stays, then it is unknown.

One rule for every kind of row, in state and samples, over restarts, for both generations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from common.model import SiteState, flatten
from edge.cells import DOUBT_S
from edge.mirror import Mirror, Stored
from edge.openwb import v1, v2
from edge.openwb.dialect import Dialect
from edge.recorder import sample_from

START = 1_780_000_000
LOOP_S = 10

V1 = {
    "openWB/lp/1/boolChargePointConfigured": "1",
    "openWB/lp/1/boolChargeStat": "0",
    "openWB/housebattery/boolHouseBatteryConfigured": "1",
    "openWB/lp/1/boolSocConfigured": "1",
    "openWB/global/awattar/boolAwattarEnabled": "1",
}
V2 = {
    "openWB/system/boot_done": "true",
    "openWB/pv/config/configured": "true",
    "openWB/chargepoint/3/config": '{"id": 3}',
    "openWB/counter/get/hierarchy": '[{"id":0,"type":"counter","children":[{"id":3,"type":"cp","children":[]}]}]',
}


@dataclass(frozen=True)
class Case:
    """A row that said `good`, and since then `bad`; `path` is where the state shows it."""

    dialect: Dialect
    topic: str
    good: str
    bad: str
    path: str

    @property
    def base(self) -> Mapping[str, str]:
        return V1 if self.dialect is v1.DIALECT else V2

    def __str__(self) -> str:
        return f"{self.topic} {self.bad}"


CASES = [
    Case(v1.DIALECT, "openWB/lp/1/W", "11040", "nan", "charge_points.1.power_w"),
    Case(v1.DIALECT, "openWB/lp/1/boolPlugStat", "1", "2", "charge_points.1.is_plugged"),
    Case(v1.DIALECT, "openWB/pv/W", "-5400", "2147483648", "pv.power_w"),
    Case(v1.DIALECT, "openWB/global/WHouseConsumption", "412", "-85", "home.power_w"),
    Case(v1.DIALECT, "openWB/housebattery/%Soc", "64", "655.35", "battery.soc_percent"),
    Case(
        v1.DIALECT, "openWB/lp/1/kWhChargedSincePlugged", "12.07", "-21.30", "charge_points.1.energy_since_plugged_wh"
    ),
    Case(v1.DIALECT, "openWB/lp/1/kWhCounter", "2310.482", "-1", "charge_points.1.meter_wh"),
    Case(v1.DIALECT, "openWB/evu/APhase2", "16.1", "65535", "grid.currents_a"),
    Case(v1.DIALECT, "openWB/evu/WhImported", "8123456", "\xff", "grid.imported_wh"),
    Case(v1.DIALECT, "openWB/global/ChargeMode", "2", "7", "charge_points.1.mode"),
    Case(
        v1.DIALECT,
        "openWB/global/awattar/pricelist",
        "awattar\n1780000000,31\n1780003600,30",
        "awattar\n1780000000,31\n1780003600,99999",
        "tariff.prices",
    ),
    Case(v2.DIALECT, "openWB/pv/get/power", "-1234", "2147483648.0", "pv.power_w"),
    Case(v2.DIALECT, "openWB/chargepoint/3/get/power", "11040", '"11,0 kW"', "charge_points.3.power_w"),
    Case(v2.DIALECT, "openWB/chargepoint/3/get/currents", "[16,16,16]", "[16,16,65535]", "charge_points.3.currents_a"),
    Case(v2.DIALECT, "openWB/chargepoint/3/get/imported", "2310482.5", "1e300", "charge_points.3.meter_wh"),
    Case(v2.DIALECT, "openWB/bat/get/soc", "64", "NaN", "battery.soc_percent"),
    Case(
        v2.DIALECT,
        "openWB/chargepoint/3/set/log",
        '{"imported_since_plugged": 1207}',
        '{"imported_since_plugged": -21300, "imported_since_mode_switch": 3}',
        "charge_points.3.energy_since_plugged_wh",
    ),
    Case(
        v2.DIALECT,
        "openWB/optional/ep/get/prices",
        '{"1780000000": 0.0003}',
        '{"1780000000": 0.0003, "1780003600": "?"}',
        "tariff.prices",
    ),
]
each_case = pytest.mark.parametrize("case", CASES, ids=str)


class Heard:
    """A wallbox that beats every 10 s, and repeats its words."""

    def __init__(self, case: Case) -> None:
        self.case, self.mirror, self.now = case, Mirror(case.dialect), float(START)
        self.say(case.good, **case.base)
        self.say(case.good)

    def say(self, word: str, **others: str) -> None:
        beat = self.case.dialect.heartbeat
        texts = {**others, beat: str(int(self.now)), self.case.topic: word}
        self.mirror.apply({topic: text.encode("latin-1") for topic, text in texts.items()}, self.now)

    def go_on(self, word: str | None, seconds: float) -> "Heard":
        """Time passes; every 10 s there is a beat and, unless it is None, the word again."""
        for _ in range(int(seconds // LOOP_S)):
            self.now += LOOP_S
            if word is not None:
                self.say(word)
            else:
                self.mirror.apply({self.case.dialect.heartbeat: str(int(self.now)).encode()}, self.now)
            self.mirror.tick(self.now)
        return self

    @property
    def state(self) -> SiteState:
        snapshot = self.mirror.snapshot()
        assert snapshot is not None
        assert not snapshot.state.meta.is_stale
        return snapshot.state

    @property
    def shown(self) -> Any:
        return flatten(self.state).get(self.case.path)


@each_case
@pytest.mark.parametrize("is_repeated", [True, False])
def test_over_one_odd_word_the_value_stays_and_then_it_is_unknown(case: Case, is_repeated: bool) -> None:
    """Whether the wallbox repeats the odd word or falls silent about it; a good word makes it known at once."""
    heard = Heard(case)
    good = heard.shown
    assert good is not None
    heard.say(case.bad)
    heard.go_on(case.bad if is_repeated else None, DOUBT_S - LOOP_S)
    assert heard.shown == good
    heard.go_on(case.bad if is_repeated else None, LOOP_S)
    assert heard.shown is None
    heard.go_on(case.good, LOOP_S)
    assert heard.shown == good


@each_case
def test_one_odd_word_among_good_ones_changes_nothing(case: Case) -> None:
    """As often as it comes: each good word ends the doubt."""
    heard = Heard(case)
    good = heard.shown
    for _ in range(20):
        heard.go_on(case.bad, LOOP_S).go_on(case.good, LOOP_S)
        assert heard.shown == good


@each_case
def test_a_restart_does_not_bring_the_former_value_back(case: Case) -> None:
    """What Redis holds from before says that it is unknown."""
    heard = Heard(case).go_on(case.bad, 200)
    stored = heard.mirror.snapshot()
    assert stored is not None
    again = Mirror(case.dialect)
    again.adopt(Stored(stored, heard.mirror.raw, stored.seq), heard.now)
    heard.mirror = again
    assert heard.shown is None
    heard.go_on(case.bad, LOOP_S)
    assert heard.shown is None


SAMPLED: list[tuple[str, str, str, Callable[[Any], object]]] = [
    ("openWB/pv/W", "-5400", "2147483648", lambda row: row.pv_power_w),
    ("openWB/lp/1/W", "11040", "nan", lambda row: row.charge_points[0].power_w),
    ("openWB/housebattery/%Soc", "64", "655.35", lambda row: row.battery_soc_percent),
    ("openWB/evu/WhImported", "8123456", "-3", lambda row: row.grid_imported_wh),
]


@pytest.mark.parametrize(("topic", "good", "bad", "value"), SAMPLED)
def test_samples_say_unknown_too(topic: str, good: str, bad: str, value: Callable[[Any], object]) -> None:
    """And the charge point is still among them."""
    heard = Heard(Case(v1.DIALECT, topic, good, bad, ""))
    assert value(sample_from(heard.mirror.snapshot(), int(heard.now))) is not None
    heard.go_on(bad, 120)
    assert value(sample_from(heard.mirror.snapshot(), int(heard.now))) is None


def test_a_part_with_nothing_but_an_unreadable_value_is_still_there() -> None:
    """A site whose PV is not readable has PV: else its energy would count as the grid's."""
    heard = Heard(Case(v1.DIALECT, "openWB/pv/W", "-5400", "?", "pv.power_w")).go_on("?", 200)
    assert heard.state.pv is not None
    assert heard.state.pv.power_w is None
