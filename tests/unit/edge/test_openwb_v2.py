"""The traps of openWB 2.x, one by one."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from common.model import Capabilities, ChargePoint, Fault, FaultLevel, Limit, LimitType, Mode, SiteState, Tariff
from edge.cells import DOUBT_S
from edge.mirror import Mirror, Stored
from edge.openwb.parsing import SkipReason
from edge.openwb.v2 import DIALECT, HEARTBEAT
from edge.sessions.supply import NO_PRICE, missing_price

NOW = 1_795_394_912.0


def _component(identifier: int, kind: str, *children: dict[str, Any]) -> dict[str, Any]:
    return {"id": identifier, "type": kind, "children": list(children)}


HIERARCHY = [_component(0, "counter", _component(1, "inverter"), _component(2, "bat"), _component(3, "cp"))]
CONFIG = {"id": 3, "name": "Garage", "ev": 1, "template": 0, "connected_phases": 3, "auto_phase_switch_hw": True}


def _template(selected: str, **sections: dict[str, Any]) -> dict[str, Any]:
    limits = {"selected": "none", "amount": 10_000, "soc": 80}
    return {
        "id": 1,
        "chargemode": {
            "selected": selected,
            "instant_charging": {"current": 12, "dc_current": 145, "phases_to_use": 3, "limit": limits},
            "pv_charging": {"min_current": 8, "dc_min_current": 100, "phases_to_use": 0, "limit": limits},
            "eco_charging": {"current": 9, "max_price": 0.00021, "phases_to_use": 1, "limit": limits},
            "scheduled_charging": {"plans": []},
            **sections,
        },
    }


def _heard(messages: Mapping[str, Any], mirror: Mirror | None = None, now: float = NOW) -> Mirror:
    mirror = mirror or Mirror(DIALECT)
    mirror.apply(
        {
            f"openWB/{topic}": content if isinstance(content, bytes) else json.dumps(content).encode()
            for topic, content in messages.items()
        },
        now,
    )
    return mirror


def _state(mirror: Mirror) -> SiteState:
    snapshot = mirror.snapshot()
    assert snapshot is not None
    return snapshot.state


def _charge_point(messages: Mapping[str, Any]) -> ChargePoint:
    return _state(_heard({"chargepoint/3/config": CONFIG, **messages})).charge_points["3"]


def _capabilities(messages: Mapping[str, Any]) -> Capabilities:
    capabilities = _charge_point(messages).capabilities
    assert capabilities is not None
    return capabilities


class TestWhatThereIs:
    def test_charge_points_come_and_go_by_their_configuration(self) -> None:
        """An emptied configuration removes one, while its values are still retained."""
        mirror = _heard({"chargepoint/3/config": CONFIG, "chargepoint/3/get/power": 11, "chargepoint/12/get/power": 5})
        assert list(_state(mirror).charge_points) == ["3"]
        _heard({"chargepoint/12/config": {**CONFIG, "id": 12}}, mirror)
        assert list(_state(mirror).charge_points) == ["3", "12"]
        update = mirror.apply({"openWB/chargepoint/3/config": b""}, NOW)
        assert update.changes == {"charge_points.3": None}

    def test_the_hierarchy_decides_where_it_is_known(self) -> None:
        """It lists one whose configuration we may not read, and leaves out what is only left over."""
        mirror = _heard({"chargepoint/3/get/power": 11, "chargepoint/4/get/power": 5, "chargepoint/4/config": CONFIG})
        assert list(_state(mirror).charge_points) == ["4"]
        _heard({"counter/get/hierarchy": HIERARCHY}, mirror)
        assert list(_state(mirror).charge_points) == ["3"]
        _heard({"counter/get/hierarchy": []}, mirror)
        assert _state(mirror).charge_points == {}

    def test_a_removed_charge_point_stays_away_after_a_restart(self) -> None:
        """It went while nobody listened: Redis still has its values, the broker has a new hierarchy."""
        before = _heard({"counter/get/hierarchy": HIERARCHY, "chargepoint/3/config": CONFIG})
        snapshot = before.snapshot()
        assert snapshot is not None
        mirror = Mirror(DIALECT)
        mirror.adopt(Stored(snapshot, before.raw, snapshot.seq), NOW)
        assert list(_state(mirror).charge_points) == ["3"]
        _heard({"counter/get/hierarchy": [_component(0, "counter")]}, mirror)
        assert _state(mirror).charge_points == {}

    def test_a_hidden_charge_point_is_not_there(self) -> None:
        mirror = _heard({"chargepoint/3/config": {**CONFIG, "visibility": False}, "chargepoint/3/get/power": 11})
        assert _state(mirror).charge_points == {}

    def test_the_first_counter_at_the_root_is_the_grid(self) -> None:
        """Others are meters below it; their ids say nothing."""
        hierarchy = [
            _component(9, "inverter"),
            _component(7, "counter", _component(2, "counter")),
            _component(1, "counter"),
        ]
        mirror = _heard(
            {
                "counter/1/get/power": 1,
                "counter/2/get/power": 2,
                "counter/7/get/power": -700,
                "counter/7/get/imported": 1000.6,
                "counter/2/get/imported": 20,
                "counter/5/get/power": 5,
            }
        )
        assert _state(mirror).grid is None
        _heard({"counter/get/hierarchy": hierarchy}, mirror)
        assert (grid := _state(mirror).grid) is not None
        assert (grid.power_w, grid.imported_wh) == (-700, 1001)
        assert {name: (part.kind, part.power_w) for name, part in _state(mirror).devices.items()} == {
            "meter-1": ("meter", 1),
            "meter-2": ("meter", 2),
        }

    @pytest.mark.parametrize(
        "hierarchy", [{}, [1], [{"id": 1}], [{"id": -1, "type": "cp"}], [{"id": "1", "type": "cp"}]]
    )
    def test_a_hierarchy_that_is_none_changes_nothing(self, hierarchy: Any) -> None:
        mirror = _heard({"counter/get/hierarchy": HIERARCHY, "counter/0/get/power": 1})
        update = mirror.apply({"openWB/counter/get/hierarchy": json.dumps(hierarchy).encode()}, NOW)
        assert update.skipped
        assert _state(mirror).grid is not None


class TestSite:
    def test_production_is_positive(self) -> None:
        mirror = _heard({"pv/config/configured": True, "pv/get/power": -6000, "pv/get/exported": 10.4})
        assert (pv := _state(mirror).pv) is not None
        assert (pv.power_w, pv.produced_wh) == (6000, 10)

    def test_a_missing_sum_is_added_up(self) -> None:
        """openWB publishes sums when they change, so one that was 0 ever since the start is not there."""
        hierarchy = [
            _component(0, "counter", _component(1, "inverter"), _component(4, "inverter"), _component(2, "bat"))
        ]
        mirror = _heard(
            {"counter/get/hierarchy": hierarchy, "pv/1/get/power": -5, "pv/4/get/power": -7, "pv/6/get/power": -9}
        )
        _heard({"bat/2/get/power": 0, "bat/get/soc": 60}, mirror)
        assert (pv := _state(mirror).pv) is not None
        assert pv.power_w == 12
        assert (battery := _state(mirror).battery) is not None
        assert (battery.power_w, battery.soc_percent) == (0, 60)
        _heard({"pv/get/power": -11.5}, mirror)
        assert (pv := _state(mirror).pv) is not None
        assert pv.power_w == 11.5

    def test_what_is_not_configured_is_not_there(self) -> None:
        """Sums of parts that were removed stay in the broker."""
        leftovers = {"pv/get/power": -1, "bat/get/soc": 0, "pv/1/get/power": -1, "counter/get/hierarchy": HIERARCHY}
        state = _state(_heard({"pv/config/configured": False, "bat/config/configured": False, **leftovers}))
        assert (state.pv, state.battery) == (None, None)

    def test_prices_are_per_kwh(self) -> None:
        mirror = _heard({"general/prices/grid": 0.0003, "general/prices/pv": 0.00015, "general/prices/bat": 0.0002})
        assert (tariff := _state(mirror).tariff) is not None
        assert (tariff.price_per_kwh, tariff.pv_price_per_kwh, tariff.battery_price_per_kwh) == (0.3, 0.15, 0.2)

    @pytest.mark.parametrize("branch", ["ep", "et"])
    def test_a_dynamic_price_is_that_of_its_slot(self, branch: str) -> None:
        """Also when nothing is published meanwhile; `et` is what it was called until 2.1.8."""
        slots = {"1795394700": 0.00028, "1795395600": -0.00001}
        mirror = _heard({f"optional/{branch}/get/prices": slots, "general/prices/grid": 0.0003})
        assert (tariff := _state(mirror).tariff) is not None
        assert tariff.prices == ((1795394700, 0.28), (1795395600, -0.01))
        assert tariff.price_per_kwh == 0.28
        assert mirror.tick(1795395600.0)["tariff.price_per_kwh"] == -0.01
        assert mirror.tick(1795396500.0)["tariff.price_per_kwh"] is None

    def test_without_a_provider_there_are_no_slots(self) -> None:
        mirror = _heard({"optional/ep/get/prices": {}, "optional/ep/configured": False, "general/prices/grid": 0.0003})
        assert (tariff := _state(mirror).tariff) is not None
        assert (tariff.price_per_kwh, tariff.prices) == (0.3, None)

    def test_thirty_seconds_without_a_beat_are_stale(self) -> None:
        mirror = _heard({"system/time": NOW - 5})
        assert not _state(mirror).meta.is_stale
        assert mirror.tick(NOW + 30) == {}
        assert mirror.tick(NOW + 31) == {"meta.is_stale": True}
        assert mirror.apply({HEARTBEAT: str(NOW + 40).encode()}, NOW + 40).changes == {"meta.is_stale": False}

    def test_while_it_boots_it_is_stale(self) -> None:
        """The values are those of before; the beat goes on already."""
        mirror = _heard({"system/time": NOW, "system/boot_done": False})
        assert _state(mirror).meta.is_stale
        _heard({"system/boot_done": True}, mirror)
        assert not _state(mirror).meta.is_stale

    def test_a_secondary_offers_nothing(self) -> None:
        messages = {"general/extern": True, "chargepoint/3/set/charge_template": _template("stop")}
        assert _capabilities(messages) == Capabilities()
        assert _state(_heard(messages)).meta.is_secondary

    def test_smarthome_devices_speak_as_in_the_old_one(self) -> None:
        """Plain text, 300 is no sensor."""
        mirror = _heard(
            {
                "LegacySmartHome/config/get/Devices/2/device_configured": b"1",
                "LegacySmartHome/config/get/Devices/2/device_name": '"Wärmepumpe"'.encode(),
                "LegacySmartHome/Devices/2/Watt": b".5",
                "LegacySmartHome/Devices/2/TemperatureSensor0": b"300",
                "LegacySmartHome/Devices/2/TemperatureSensor1": b"21.5",
                "LegacySmartHome/Devices/3/Watt": b"5",
            }
        )
        (device,) = _state(mirror).devices.values()
        assert (device.name, device.power_w, device.temperatures_c) == ("Wärmepumpe", 0.5, (None, 21.5, None))


class TestChargePoint:
    @pytest.mark.parametrize(
        ("selected", "mode", "current", "phases"),
        [
            ("instant_charging", Mode.INSTANT, 12, 3),
            ("pv_charging", Mode.PV, 12, 0),
            ("eco_charging", Mode.ECO, 9, 1),
            ("scheduled_charging", Mode.SCHEDULED, 12, 3),
            ("stop", Mode.STOP, 12, 3),
        ],
    )
    def test_each_mode_has_its_settings(self, selected: str, mode: Mode, current: int, phases: int) -> None:
        found = _charge_point({"chargepoint/3/set/charge_template": _template(selected)})
        assert (found.mode, found.current_a, found.phases) == (mode, current, phases)
        assert (found.pv_min_current_a, found.max_price_per_kwh) == (8, 0.21)
        assert found.limit == Limit()

    @pytest.mark.parametrize(
        ("limit", "shown"),
        [
            ({"selected": "amount", "amount": 20_000, "soc": 80}, Limit(LimitType.ENERGY, energy_wh=20_000)),
            ({"selected": "soc", "amount": 20_000, "soc": 80}, Limit(LimitType.SOC, soc_percent=80)),
            ({"selected": "none"}, Limit(LimitType.NONE)),
            ({"selected": "amount"}, Limit(LimitType.ENERGY)),
            ({}, None),
            (None, None),
        ],
    )
    def test_the_limit_is_that_of_the_mode(self, limit: Any, shown: Limit | None) -> None:
        template = _template("pv_charging", pv_charging={"limit": limit})
        assert _charge_point({"chargepoint/3/set/charge_template": template}).limit == shown

    @pytest.mark.parametrize("limit", [{"selected": "km"}, {"selected": []}, {"selected": "soc", "soc": 101}, 5])
    def test_a_part_that_makes_no_sense_is_unknown_and_counted(self, limit: Any) -> None:
        """openWB echoes whatever it is sent; the rest of the template counts, a bad part's former value for a while."""
        mirror = _heard({"chargepoint/3/config": CONFIG, "chargepoint/3/set/charge_template": _template("pv_charging")})
        payload = json.dumps(_template("foo", instant_charging={"current": 10, "limit": limit})).encode()
        update = mirror.apply({"openWB/chargepoint/3/set/charge_template": payload}, NOW)
        assert len(update.skipped) == 2
        before = _charge_point({"chargepoint/3/set/charge_template": _template("pv_charging")})
        found = _state(mirror).charge_points["3"]
        assert (found.mode, found.limit, found.current_a) == (before.mode, before.limit, 10)
        mirror.tick(NOW + DOUBT_S)
        found = _state(mirror).charge_points["3"]
        assert (found.mode, found.limit, found.current_a) == (None, None, 10)

    def test_a_template_without_its_parts_is_unknown(self) -> None:
        """A partial one is accepted and retained as it is."""
        found = _charge_point({"chargepoint/3/set/charge_template": {"id": 1, "chargemode": {"selected": "stop"}}})
        assert (found.mode, found.current_a, found.limit) == (Mode.STOP, None, None)

    def test_the_lock_is_the_other_way_round(self) -> None:
        assert _charge_point({"chargepoint/3/set/manual_lock": True}).is_enabled is False
        assert _charge_point({"chargepoint/3/set/manual_lock": 0}).is_enabled is True

    @pytest.mark.parametrize(
        ("assigned", "vehicle_id"),
        [({"ev": 2}, "2"), ({"_ev": 4}, "4"), ({"_ev": 4, "ev": 0}, "0"), ({"ev": None, "_ev": 4}, "4"), ({}, "7")],
    )
    def test_the_vehicle_is_ev_else_its_shadow_else_what_is_connected(self, assigned: Any, vehicle_id: str) -> None:
        config = {name: value for name, value in CONFIG.items() if name != "ev"} | assigned
        messages = {
            "chargepoint/3/config": config,
            "chargepoint/3/get/connected_vehicle/info": {"id": 7, "name": "Käfer"},
        }
        found = _charge_point(messages)
        assert (found.vehicle_id, found.vehicle) == (vehicle_id, "Käfer")

    @pytest.mark.parametrize(
        ("soc", "shown"),
        [
            ({"soc": 0, "range": 0, "timestamp": None}, None),
            ({"soc": 0, "timestamp": 1795394881.6}, 0),
            ({"soc": 55.0, "timestamp": None}, 55.0),
            ({"soc": None, "timestamp": 1795394881.6}, None),
            ({}, None),
        ],
    )
    def test_zero_percent_without_an_instant_is_unknown(self, soc: Any, shown: float | None) -> None:
        assert _charge_point({"chargepoint/3/get/connected_vehicle/soc": soc}).soc_percent == shown

    def test_texts_are_for_people(self) -> None:
        """Without HTML, with umlauts, on one line."""
        found = _charge_point(
            {
                "chargepoint/3/get/state_str": "L&auml;dt.<br />Ladestrom <b>begrenzt</b>.\n",
                "chargepoint/3/get/fault_state": 2,
                "chargepoint/3/get/fault_str": "St\u00f6rung am Ladepunkt",
            }
        )
        assert found.state_text == "Lädt. Ladestrom  begrenzt ."
        assert found.fault == Fault(FaultLevel.ERROR, "Störung am Ladepunkt")

    def test_lists_hold_ints_floats_and_null(self) -> None:
        found = _charge_point({"chargepoint/3/get/currents": [12, 0.5, None], "chargepoint/3/get/voltages": [230]})
        assert (found.currents_a, found.voltages_v) == ((12, 0.5, None), (230, None, None))

    def test_until_2_1_7_the_mode_is_read_and_not_set(self) -> None:
        """There is no template as a whole."""
        messages = {"chargepoint/3/get/connected_vehicle/config": {"chargemode": "standby", "ev_template": 0}}
        assert _charge_point(messages).mode is Mode.STANDBY
        offered = _capabilities(messages)
        assert (offered.modes, offered.limit_types, offered.can_enable) == ((), (), True)

    def test_direct_current_has_settings_of_its_own(self) -> None:
        messages = {
            "chargepoint/3/config": {**CONFIG, "charging_type": "DC"},
            "chargepoint/3/set/charge_template": _template("instant_charging"),
            "chargepoint/3/get/connected_vehicle/config": {"ev_template": 5},
            "vehicle/template/ev_template/5": {"min_current": 6, "dc_min_current": 20, "dc_max_current": 150},
            "chargepoint/template/0": {"dc_max_current": 120},
        }
        found = _charge_point(messages)
        assert (found.current_a, found.pv_min_current_a) == (145, 100)
        assert found.capabilities is not None
        assert (found.capabilities.lowest_current_a, found.capabilities.highest_current_a) == (20, 120)


class TestCapabilities:
    TEMPLATES: Mapping[str, Any] = {
        "chargepoint/3/set/charge_template": _template("instant_charging"),
        "chargepoint/3/get/connected_vehicle/config": {"ev_template": 5},
        "vehicle/template/ev_template/5": {
            "min_current": 8,
            "max_current_single_phase": 32,
            "max_current_multi_phases": 16,
        },
        "chargepoint/template/0": {"max_current_single_phase": 20, "max_current_multi_phases": 32},
    }

    def test_currents_are_bounded_by_charge_point_and_vehicle(self) -> None:
        """With one phase other bounds count than with three."""
        offered = _capabilities(self.TEMPLATES)
        assert (offered.lowest_current_a, offered.highest_current_a) == (8, 16)
        offered = _capabilities({**self.TEMPLATES, "chargepoint/3/config": {**CONFIG, "connected_phases": 1}})
        assert (offered.lowest_current_a, offered.highest_current_a) == (8, 20)
        offered = _capabilities({"chargepoint/3/set/charge_template": _template("stop")})
        assert (offered.lowest_current_a, offered.highest_current_a) == (6, 32)

    def test_soc_by_hand_needs_a_module(self) -> None:
        """Its state is there if it is; its configuration, which has passwords, is not read."""
        assert not _capabilities(self.TEMPLATES).can_set_soc
        module = {"vehicle/1/soc_module/calculated_soc_state": {"last_imported": 5, "manual_soc": None}}
        assert _capabilities({**self.TEMPLATES, **module}).can_set_soc

    def test_phases_need_the_hardware(self) -> None:
        assert _capabilities(self.TEMPLATES).can_switch_phases
        config = {"chargepoint/3/config": {**CONFIG, "auto_phase_switch_hw": False}}
        assert not _capabilities({**self.TEMPLATES, **config}).can_switch_phases

    def test_modes_are_those_of_the_template(self) -> None:
        offered = _capabilities(self.TEMPLATES)
        assert offered.modes == (Mode.INSTANT, Mode.PV, Mode.ECO, Mode.SCHEDULED, Mode.STOP)
        assert (offered.is_mode_site_wide, offered.has_price_limit, offered.can_assign_vehicle) == (False, True, True)


class TestVehicles:
    def test_a_vehicle_is_its_name_and_charge(self) -> None:
        """Without an instant the SoC is nobody's; without its name the vehicle was removed."""
        mirror = _heard(
            {
                "vehicle/0/name": "Standard-Fahrzeug",
                "vehicle/0/get/soc": 0,
                "vehicle/0/get/soc_timestamp": None,
                "vehicle/1/name": "Mein Käfer".encode(),
                "vehicle/1/get/soc": 55.0,
                "vehicle/1/get/soc_timestamp": 1795394881.6,
                "vehicle/2/get/soc": 12,
                "vehicle/2/get/soc_timestamp": 1795394881.6,
            }
        )
        found = {number: (vehicle.name, vehicle.soc_percent) for number, vehicle in _state(mirror).vehicles.items()}
        assert found == {"0": ("Standard-Fahrzeug", None), "1": ("Mein Käfer", 55.0)}
        update = mirror.apply({"openWB/vehicle/1/name": b""}, NOW)
        assert update.changes == {"vehicles.1": None}


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("counter/0/get/power", b"NaN", SkipReason.NOT_A_NUMBER),
        ("counter/0/get/power", b"-Infinity", SkipReason.NOT_A_NUMBER),
        ("counter/0/get/power", b"1e400", SkipReason.NOT_A_NUMBER),
        ("counter/0/get/power", b'"5"', SkipReason.NOT_A_NUMBER),
        ("counter/0/get/power", b"true", SkipReason.NOT_A_NUMBER),
        ("counter/0/get/power", b"[5]", SkipReason.NOT_A_NUMBER),
        ("counter/0/get/power", b"2000000", SkipReason.OUT_OF_RANGE),
        ("counter/0/get/power", b"\xff", SkipReason.NOT_TEXT),
        ("counter/0/get/currents", b"[1,2,3,4]", SkipReason.NOT_A_LIST),
        ("counter/0/get/currents", b"[]", SkipReason.NOT_A_LIST),
        ("counter/0/get/currents", b'[1,"2",3]', SkipReason.NOT_A_NUMBER),
        ("counter/0/get/currents", b"[1,1e9,3]", SkipReason.OUT_OF_RANGE),
        ("chargepoint/3/get/plug_state", b'"true"', SkipReason.NOT_A_CHOICE),
        ("chargepoint/3/get/plug_state", b"1.0", SkipReason.NOT_A_CHOICE),
        ("chargepoint/3/get/plug_state", b"2", SkipReason.NOT_A_CHOICE),
        ("chargepoint/3/get/fault_state", b"3", SkipReason.NOT_A_CHOICE),
        ("chargepoint/3/get/phases_in_use", b"2.5", SkipReason.NOT_A_NUMBER),
        ("chargepoint/3/config", b"[]", SkipReason.NOT_AN_OBJECT),
        ("chargepoint/3/config", b"secret", SkipReason.NOT_AN_OBJECT),
        ("chargepoint/3/set/charge_template", b'"foo"', SkipReason.NOT_AN_OBJECT),
        ("optional/ep/get/prices", b'{"x":1}', SkipReason.NOT_A_NUMBER),
        ("optional/ep/get/prices", b'{"1795394700":0.02}', SkipReason.OUT_OF_RANGE),
    ],
)
def test_bad_payloads_change_nothing(topic: str, payload: bytes, reason: SkipReason) -> None:
    """A skipped message leaves the values heard before, in the state and in the raw mirror."""
    mirror = _heard(
        {
            "counter/get/hierarchy": HIERARCHY,
            "counter/0/get/power": 215,
            "counter/0/get/currents": [1, 2, 3],
            "chargepoint/3/config": CONFIG,
            "chargepoint/3/get/plug_state": True,
            "chargepoint/3/get/phases_in_use": 3,
            "chargepoint/3/set/charge_template": _template("stop"),
        }
    )
    before, raw = mirror.snapshot(), dict(mirror.raw)
    update = mirror.apply({f"openWB/{topic}": payload}, NOW + 1)
    assert reason in [skip.reason for skip in update.skipped]
    assert (update.raw, mirror.raw, mirror.snapshot()) == ({}, raw, before)


SUM_FAULT = "Bitte die Statusmeldungen der Wechselrichter prüfen."
TWO_INVERTERS: dict[str, Any] = {
    "counter/get/hierarchy": [_component(0, "counter", _component(1, "inverter"), _component(4, "inverter"))],
    "system/device/0/component/1/config": {"id": 1, "name": "Süd", "configuration": {"password": "x"}},
    "system/device/2/component/4/config": {"id": 4, "name": "West"},
    "pv/get/fault_state": 2,
    "pv/get/fault_str": SUM_FAULT,
}


@pytest.mark.parametrize(
    ("faults", "level", "text"),
    [
        ({}, "error", SUM_FAULT),
        ({1: (0, "Kein Fehler."), 4: (2, "Modbus-Fehler")}, "error", "West: Modbus-Fehler"),
        ({1: (1, "Zähler alt"), 4: (2, "Modbus-Fehler")}, "error", "West: Modbus-Fehler"),
        ({1: (2, "<b>HTTP</b> 401"), 4: (2, "Modbus-Fehler")}, "error", "Süd: HTTP  401; West: Modbus-Fehler"),
        ({1: (1, "Zähler alt"), 4: (0, "Kein Fehler.")}, "error", SUM_FAULT),
        ({9: (2, "not in the hierarchy")}, "error", SUM_FAULT),
        ({"sum": 0, 1: (1, "Zähler alt")}, "warning", "Süd: Zähler alt"),
        ({"sum": 0, 1: (0, "Kein Fehler.")}, "ok", None),
    ],
)
def test_the_inverter_that_fails_says_why(faults: dict[int | str, Any], level: str, text: str | None) -> None:
    """The sum says where to look only; of several the worst say why, each by its name."""
    topics = {**TWO_INVERTERS, "pv/get/fault_state": faults.get("sum", 2)}
    for number, said in faults.items():
        if isinstance(number, int):
            topics |= {f"pv/{number}/get/fault_state": said[0], f"pv/{number}/get/fault_str": said[1]}
    pv = _state(_heard(topics)).pv
    assert pv is not None
    assert pv.fault == Fault(FaultLevel(level), text)


def test_the_battery_says_why() -> None:
    """One battery without a name that is known."""
    faults: dict[str, Any] = {
        "bat/get/fault_state": 2,
        "bat/get/fault_str": "Bitte die Statusmeldungen der Speicher prüfen.",
    }
    faults |= {"bat/2/get/fault_state": 2, "bat/2/get/fault_str": "Die Verbindung ist fehlgeschlagen."}
    battery = _state(_heard({"counter/get/hierarchy": HIERARCHY, **faults})).battery
    assert battery is not None
    assert battery.fault == Fault(FaultLevel.ERROR, "Die Verbindung ist fehlgeschlagen.")


def test_the_soc_module_says_why() -> None:
    """Of the car that is plugged in, and of each that has a module; a car without one has no fault either."""
    text = "Der SoC kann nicht ausgelesen werden: Token abgelaufen"
    said: dict[str, Any] = {"fault_state": 2, "fault_str": text}
    topics: dict[str, Any] = {"chargepoint/3/get/connected_vehicle/soc": {"soc": 55, "timestamp": NOW, **said}}
    topics |= {"vehicle/1/name": "Käfer", "vehicle/1/soc_module/calculated_soc_state": {"manual_soc": None}}
    topics |= {f"vehicle/1/get/{name}": value for name, value in said.items()}
    topics |= {"vehicle/2/name": "Rad", "vehicle/2/get/fault_state": 0, "vehicle/2/get/fault_str": "Kein Fehler."}
    mirror = _heard({"chargepoint/3/config": CONFIG, **topics})
    fault = Fault(FaultLevel.ERROR, text)
    assert _state(mirror).charge_points["3"].soc_fault == fault
    assert {number: vehicle.soc_fault for number, vehicle in _state(mirror).vehicles.items()} == {"1": fault, "2": None}
    snapshot = mirror.snapshot()
    assert snapshot is not None
    assert snapshot.heard_at["vehicles.1.soc_fault"] == NOW
    nothing = {"soc": 0, "timestamp": None, "fault_state": 0, "fault_str": "Kein Fehler."}
    _heard({"chargepoint/3/get/connected_vehicle/soc": nothing}, mirror)
    assert _state(mirror).charge_points["3"].soc_fault is None


@pytest.mark.parametrize(
    ("topics", "fault"),
    [
        ({"optional/ep/configured": True, "optional/ep/flexible_tariff/get/fault_state": 2}, "error"),
        ({"optional/ep/configured": True, "optional/ep/grid_fee/get/fault_state": 2}, "error"),
        ({"optional/ep/configured": False, "optional/ep/grid_fee/get/fault_state": 2}, None),
        ({"optional/et/get/fault_state": 2}, "error"),
    ],
)
def test_the_tariff_says_why(topics: dict[str, Any], fault: str | None) -> None:
    """Its two modules, and the one of older releases; without a tariff there is no fault."""
    topic = next(name for name in topics if name.endswith("fault_state"))
    said = {topic.replace("_state", "_str"): "HTTP 401: Authentifizierung fehlgeschlagen."}
    tariff = _state(_heard({"counter/get/hierarchy": HIERARCHY, **topics, **said})).tariff
    assert tariff is not None
    wanted = Fault(FaultLevel(fault), "HTTP 401: Authentifizierung fehlgeschlagen.") if fault is not None else None
    assert tariff.fault == wanted


def test_a_price_that_is_not_shown_is_missing_and_not_absent() -> None:
    """A user of openWB may read whether there is a dynamic tariff, and not what energy costs: the tariff is there."""
    nothing = Tariff(is_dynamic=False)
    assert _state(_heard({"counter/get/hierarchy": HIERARCHY, "optional/ep/configured": False})).tariff == nothing
    assert missing_price(nothing) == NO_PRICE
    assert missing_price(None) == NO_PRICE
    assert missing_price(Tariff(price_per_kwh=0)) is None


def test_a_sub_counter_has_its_name() -> None:
    """It stands in the configuration of a device's component, of which nothing else is kept; and it may go again."""
    below = {"counter/get/hierarchy": [_component(0, "counter", _component(5, "counter"))], "counter/5/get/power": 800}
    topic = "system/device/3/component/5/config"
    mirror = _heard({**below, topic: {"id": 5, "name": "Wärmepumpe", "configuration": {"password": "x"}}})
    assert _state(mirror).devices["meter-5"].name == "Wärmepumpe"
    assert json.loads(mirror.raw[f"openWB/{topic}"]) == {"name": "Wärmepumpe"}
    _heard({topic: b""}, mirror)
    assert _state(mirror).devices["meter-5"].name is None


def test_only_what_is_wanted_of_an_object_is_kept() -> None:
    """Configuration, tags, ranges and mileages stay outside, and the reduced form says the same."""
    mirror = _heard({"chargepoint/3/config": {**CONFIG, "configuration": {"password": "x"}, "ocpp_chargebox_id": "x"}})
    unread = ("id", "type")
    wanted = {name: value for name, value in CONFIG.items() if name not in unread}
    assert json.loads(mirror.raw["openWB/chargepoint/3/config"]) == wanted
