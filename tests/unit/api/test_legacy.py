"""What the existing iOS app is told: every answer decodes, whatever is known of the site."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api import legacy
from common.model import Battery, ChargePoint, Device, Grid, Home, Meta, Mode, Pv, SiteState, Snapshot
from common.store.rows import SessionRow
from tests.kit import legacy_app, states

EMPTY = SiteState(meta=Meta(generation="2.x"))
NUMBERS = st.none() | st.integers(-50_000, 50_000) | st.floats(-50_000, 50_000)
METERS = st.none() | st.floats(0, 10**8) | st.integers(0, 10**8)
PHASES = st.none() | st.tuples(NUMBERS, NUMBERS, NUMBERS)
POINTS = st.builds(
    ChargePoint,
    power_w=NUMBERS,
    meter_wh=METERS,
    soc_percent=NUMBERS,
    currents_a=PHASES,
    voltages_v=PHASES,
    mode=st.none() | st.sampled_from(Mode),
    is_enabled=st.none() | st.booleans(),
    name=st.none() | st.text(max_size=5),
)
SITES = st.builds(
    SiteState,
    meta=st.just(Meta(generation="1.9")),
    grid=st.none() | st.builds(Grid, power_w=NUMBERS, currents_a=PHASES, voltages_v=PHASES, imported_wh=METERS),
    pv=st.none() | st.builds(Pv, power_w=NUMBERS, produced_wh=METERS),
    battery=st.none() | st.builds(Battery, power_w=NUMBERS, soc_percent=NUMBERS, charged_wh=METERS),
    home=st.none() | st.builds(Home, power_w=NUMBERS),
    charge_points=st.dictionaries(st.sampled_from(["1", "2", "7"]), POINTS, max_size=3),
    devices=st.dictionaries(
        st.sampled_from(["consumer-1", "smarthome-1"]), st.builds(Device, kind=st.just("consumer"), power_w=NUMBERS)
    ),
)


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def snapshot(state: SiteState) -> Snapshot:
    return Snapshot(seq=1, updated_at=1_764_000_000.1234, state=state)


@given(SITES)
def test_every_state_decodes(state: SiteState) -> None:
    """Unknown values, parts that are not there, fractions, any mode: the app never loses an answer."""
    legacy_app.check(legacy_app.VALUES, as_json(legacy.values(snapshot(state))))
    legacy_app.check(legacy_app.CHARGE_POINT, as_json(legacy.charge_point(state)))
    legacy_app.check(legacy_app.CONSUMPTION, as_json(legacy.consumption(state)))
    legacy_app.check(legacy_app.SITE, as_json(legacy.site(state, {"openWB/boolDisplayDailyCharged": "1\n"})))
    mode = legacy.charge_mode(state)
    if mode is not None:
        legacy_app.check(legacy_app.CHARGE_MODE, as_json(mode))
        assert mode["modusName"] in legacy_app.MODE_NAMES
    assert all(isinstance(text, str) for text in legacy.rest(snapshot(state)).values())


def test_values_are_those_of_the_site() -> None:
    """Power by the app's names; its bars begin at 0, and only the grid and the battery go below."""
    told = legacy.values(snapshot(states.SITE))
    assert told["evu"] == -3120
    assert told["photovoltaik"] == 5400
    assert told["hausverbrauch"] == 412
    assert told["ladeleistung"] == told["ladeleistung_lp1"] == 11040
    assert told["speicherleistung"] == -350
    assert told["speicher_soc"] == 64
    assert told["time"] == 1_764_000_000_123.0
    night = replace(states.SITE, pv=Pv(power_w=-12), home=Home(power_w=-1))
    assert legacy.values(snapshot(night))["photovoltaik"] == legacy.values(snapshot(night))["hausverbrauch"] == 0


def test_the_first_two_charge_points_are_the_apps() -> None:
    """Whatever their numbers are: openWB 2.x may begin with 3 and go on with 12."""
    points = {"12": ChargePoint(power_w=2, soc_percent=20), "3": ChargePoint(name="Hof", power_w=1, soc_percent=90)}
    state = replace(EMPTY, charge_points=points)
    told = legacy.values(snapshot(state))
    assert [told["ladeleistung_lp1"], told["soc_lp1"], told["ladeleistung_lp2"], told["soc_lp2"]] == [1, 90, 2, 20]
    assert legacy.charge_point(state)["name"] == "Hof"
    assert (legacy.rest(snapshot(state))["socLP2"], legacy.rest(snapshot(state))["lllp3"]) == ("20", "0")


def test_modes_have_openwbs_numbers() -> None:
    """3 is Stop and 4 Standby, both ways; what nobody knows has no number."""
    for mode, number, name in ((Mode.STOP, 3, "Stop"), (Mode.STANDBY, 4, "Standby"), (Mode.PV, 2, "PV Überschuss")):
        state = replace(EMPTY, charge_points={"4": ChargePoint(), "6": ChargePoint(mode=mode)})
        assert legacy.charge_mode(state) == {"modusName": name, "modus": number}
        assert legacy.WISHED_MODES[str(number)] is mode
    assert legacy.charge_mode(EMPTY) is None
    assert set(legacy.WISHED_MODES) == {*"01234", "jetzt", "minundpv", "pvuberschuss", "stop", "standby"}


def test_the_log_decodes_and_tells_starts_apart() -> None:
    """Two charge points that begin in the same second, a running session, one of which nothing is known."""
    rows = [
        SessionRow(charge_point="2", started_at=1_764_000_000, ended_at=None, energy_wh=3410, charging_s=3600),
        SessionRow(charge_point="1", started_at=1_764_000_000, ended_at=1_764_003_600, energy_wh=17_000, mode="stop"),
        SessionRow(charge_point="1", started_at=1_763_000_000, ended_at=1_763_000_000),
    ]
    told = as_json(legacy.charge_log(rows, now=1_764_000_900.5))
    legacy_app.check(legacy_app.CHARGE_LOG, told)
    log = told["log"]
    assert len({entry["start"] for entry in log}) == 3
    assert log[0]["ende"] == 1_764_000_900_000
    assert (log[0]["kWh"], log[0]["kW"], log[0]["km"]) == (3.41, 3.41, 20)
    assert (log[1]["kWh"], log[1]["kW"], log[1]["km"], log[1]["modus"]) == (17.0, 17.0, 100, 3)
    assert (log[2]["kWh"], log[2]["kW"]) == (0.0, 0.0)


def test_a_persons_icon_exists() -> None:
    """The app draws `<tag>.circle`, which there is for one plain letter or digit."""
    assert legacy.person("Özlem", is_admin=True) == {"username": "Özlem", "tagName": "z", "admin": True}
    assert legacy.person("李", is_admin=False)["tagName"] == "p"
