"""The mirror: any payload, any order, silence, meters that fall, and numbers that only grow."""

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.model import Fault, FaultLevel, Limit, LimitType, Mode, SiteState, Tariff
from edge.mirror import STALE_PATH, Mirror, Stored
from edge.openwb.parsing import SkipReason
from edge.openwb.v1 import DIALECT, HEARTBEAT

NOW = 1_752_816_614.0
TOPICS = sorted(reading.topic.replace("{n}", str(number)) for reading in DIALECT.readings for number in reading.numbers)
ALLOWED = sorted(set(TOPICS))

plausible_payloads = st.one_of(
    st.sampled_from(["0", "1", "2", "", " ", ".45", "-.5", "16", "1000", "true", '"Kein Fehler."']),
    st.integers(-20_000, 20_000).map(str),
    st.floats().map(str),
    st.text(max_size=40),
).map(lambda text: text.encode("utf-8", "replace"))
payloads = st.one_of(plausible_payloads, st.binary(max_size=200))


def _heard(messages: Mapping[str, str], now: float = NOW, mirror: Mirror | None = None) -> Mirror:
    mirror = mirror or Mirror(DIALECT)
    mirror.apply({f"openWB/{topic}": text.encode() for topic, text in messages.items()}, now)
    return mirror


def _state(mirror: Mirror) -> SiteState:
    snapshot = mirror.snapshot()
    assert snapshot is not None
    return snapshot.state


def _seq(mirror: Mirror) -> int:
    snapshot = mirror.snapshot()
    assert snapshot is not None
    return snapshot.seq


def _heard_at(mirror: Mirror) -> Mapping[str, float]:
    snapshot = mirror.snapshot()
    assert snapshot is not None
    return snapshot.heard_at


class TestAnyInput:
    @given(st.dictionaries(st.sampled_from(ALLOWED), payloads, max_size=40))
    def test_any_payload_gives_a_state_or_a_counted_skip(self, messages: dict[str, bytes]) -> None:
        """Whatever an allowed topic carries, each message is kept or skipped with a reason; nothing raises."""
        mirror = Mirror(DIALECT)
        update = mirror.apply(messages, NOW)
        assert update.raw.keys() | {skip.topic for skip in update.skipped} == messages.keys()
        assert bool(update.raw) == (mirror.snapshot() is not None)
        mirror.tick(NOW + 1)

    @given(
        st.dictionaries(st.sampled_from(ALLOWED), plausible_payloads, max_size=60), st.randoms(use_true_random=False)
    )
    def test_order_and_batches_do_not_matter(self, messages: dict[str, bytes], draw: random.Random) -> None:
        """The same retained messages give the same state, however the broker orders and splits them."""
        at_once, one_by_one = Mirror(DIALECT), Mirror(DIALECT)
        at_once.apply(messages, NOW)
        shuffled = list(messages.items())
        draw.shuffle(shuffled)
        for topic, payload in shuffled:
            one_by_one.apply({topic: payload}, NOW)
        first, second = at_once.snapshot(), one_by_one.snapshot()
        if first is None or second is None:
            assert first is second
            return
        assert first.state == second.state
        assert first.heard_at == second.heard_at
        assert at_once.raw == one_by_one.raw

    @given(st.text(max_size=60), payloads)
    def test_other_topics_leave_no_trace(self, topic: str, payload: bytes) -> None:
        """What the table does not name is dropped, whatever it is called."""
        if DIALECT.is_allowed(topic):
            return
        mirror = Mirror(DIALECT)
        update = mirror.apply({topic: payload}, NOW)
        assert [skip.reason for skip in update.skipped] == [SkipReason.NOT_ALLOWED]
        assert mirror.raw == {}

    @pytest.mark.parametrize(
        ("topic", "payload", "reason"),
        [
            ("evu/W", b"nan", SkipReason.NOT_A_NUMBER),
            ("evu/W", b"1_000", SkipReason.NOT_A_NUMBER),
            ("evu/W", b"12 W", SkipReason.NOT_A_NUMBER),
            ("evu/W", b"9" * 33, SkipReason.NOT_A_NUMBER),
            ("evu/W", b"9" * 20, SkipReason.OUT_OF_RANGE),
            ("evu/W", b"\xff\xfe", SkipReason.NOT_TEXT),
            ("evu/W", b"1" * 65_537, SkipReason.TOO_BIG),
            ("housebattery/%Soc", b"101", SkipReason.OUT_OF_RANGE),
            ("global/ChargeMode", b"5", SkipReason.NOT_A_CHOICE),
            ("lp/1/boolPlugStat", b"2", SkipReason.NOT_A_CHOICE),
            ("lp/1/countPhasesInUse", b"1.5", SkipReason.NOT_A_NUMBER),
        ],
    )
    def test_bad_payloads_change_nothing(self, topic: str, payload: bytes, reason: SkipReason) -> None:
        """A skipped message leaves the value heard before, in the state and in the raw mirror."""
        mirror = _heard({"evu/W": "215", "global/ChargeMode": "2", "lp/1/boolChargePointConfigured": "1"})
        before = mirror.snapshot()
        update = mirror.apply({f"openWB/{topic}": payload}, NOW + 1)
        assert [skip.reason for skip in update.skipped] == [reason]
        assert update.raw == {}
        assert mirror.snapshot() == before


class TestValues:
    def test_empty_means_unknown_not_zero(self) -> None:
        """An emptied topic is a deleted one."""
        mirror = _heard({"evu/W": "215", "evu/WhImported": "10"})
        update = mirror.apply({"openWB/evu/W": b"", "openWB/evu/WhImported": b" "}, NOW + 1)
        assert update.changes == {"grid": None}
        assert _state(mirror).grid is None

    def test_leftovers_of_what_is_not_there_do_not_show(self) -> None:
        """Without its switch a charge point, battery, SoC or inverter does not exist, whatever is still retained."""
        mirror = _heard(
            {
                "lp/2/W": "7000",
                "lp/1/boolChargePointConfigured": "1",
                "lp/1/W": "0",
                "lp/1/%Soc": "0",
                "housebattery/W": "100",
                "pv/1/boolPVConfigured": "0",
                "pv/2/boolPVConfigured": "0",
                "pv/W": "-1",
            }
        )
        state = _state(mirror)
        assert list(state.charge_points) == ["1"]
        assert state.charge_points["1"].soc_percent is None
        assert state.battery is None
        assert state.pv is None

    def test_charge_points_come_and_go(self) -> None:
        """The switch turning is enough: what was heard before it counts."""
        mirror = _heard({"lp/3/W": "7000", "lp/3/boolChargePointConfigured": "1"})
        assert _state(mirror).charge_points["3"].power_w == 7000
        update = mirror.apply({"openWB/lp/3/boolChargePointConfigured": b"0"}, NOW + 1)
        assert update.changes == {"charge_points.3": None}

    def test_the_mode_holds_for_every_charge_point(self) -> None:
        """openWB 1.9 has one mode for the site; 3 is stop and 4 is standby."""
        switches = {f"lp/{n}/boolChargePointConfigured": "1" for n in (1, 2)} | {"lp/1/W": "0", "lp/2/W": "0"}
        mirror = _heard(switches | {"global/ChargeMode": "3"})
        assert [part.mode for part in _state(mirror).charge_points.values()] == [Mode.STOP, Mode.STOP]
        snapshot = mirror.snapshot()
        assert snapshot is not None
        assert snapshot.heard_at["charge_points.2.mode"] == NOW

    def test_a_dynamic_price_counts_while_it_is_on(self) -> None:
        """And 1000 ct means that nobody knows it, not the fixed price."""
        prices = {"system/priceForKWh": "0.30", "global/awattar/ActualPriceForCharging": "28.53"}
        mirror = _heard(prices | {"global/awattar/boolAwattarEnabled": "1"})
        assert (tariff := _state(mirror).tariff) is not None
        assert tariff.price_per_kwh == 0.2853
        _heard({"global/awattar/ActualPriceForCharging": "1000"}, NOW + 1, mirror)
        assert _state(mirror).tariff == Tariff(is_dynamic=True)
        _heard({"global/awattar/boolAwattarEnabled": "0"}, NOW + 2, mirror)
        assert (tariff := _state(mirror).tariff) is not None
        assert tariff.price_per_kwh == 0.30

    def test_only_the_limit_that_applies_is_shown(self) -> None:
        """The wallbox keeps the numbers of the others."""
        mirror = _heard(
            {
                "lp/1/boolChargePointConfigured": "1",
                "config/get/sofort/lp/1/chargeLimitation": "1",
                "config/get/sofort/lp/1/energyToCharge": "12",
                "config/get/sofort/lp/1/socToChargeTo": "80",
            }
        )
        assert _state(mirror).charge_points["1"].limit == Limit(LimitType.ENERGY, energy_wh=12_000)

    def test_the_worst_inverter_speaks_for_pv(self) -> None:
        """Two inverters, one part of the state."""
        faults = {
            "pv/1/faultState": "1",
            "pv/1/faultStr": '"gest\\u00f6rt"',
            "pv/2/faultState": "2",
            "pv/2/faultStr": "x",
        }
        assert (pv := _state(_heard(faults)).pv) is not None
        assert pv.fault == Fault(FaultLevel.ERROR, "x")
        assert (
            pv := _state(_heard(faults | {"pv/2/boolPVConfigured": "0", "pv/1/boolPVConfigured": "1"})).pv
        ) is not None
        assert pv.fault == Fault(FaultLevel.WARNING, "gestört")


class TestMeters:
    def test_a_meter_that_reads_zero_at_boot_is_held_back(self) -> None:
        """The old reading stays, the message is counted, and the meter goes on when it is back."""
        mirror = _heard({"evu/WhImported": "8123456", "system/Timestamp": str(int(NOW))})
        update = mirror.apply({"openWB/evu/WhImported": b"0"}, NOW + 1)
        assert [skip.reason for skip in update.skipped] == [SkipReason.METER_ODD]
        assert update.changes == {}
        _beat(mirror, NOW + 1, 100)
        assert _grid_imported(mirror) == 8123456
        _heard({"evu/WhImported": "8123460"}, NOW + 110, mirror)
        assert _grid_imported(mirror) == 8123460

    def test_a_meter_that_goes_on_reading_zero_is_unknown(self) -> None:
        """Nobody knows what it stands at; its count goes on when it is back, however late."""
        mirror = _heard({"evu/WhImported": "8123456", "system/Timestamp": str(int(NOW))})
        _heard({"evu/WhImported": "0"}, NOW + 1, mirror)
        _beat(mirror, NOW + 1, 7200)
        assert _grid_imported(mirror) is None
        _heard({"evu/WhImported": "8123460"}, NOW + 7210, mirror)
        assert _grid_imported(mirror) == 8123460

    def test_a_new_meter_is_believed_in_the_end(self) -> None:
        """Low but not 0 for two minutes in which the wallbox spoke: it was replaced."""
        mirror = _heard({"evu/WhImported": "8123456", "system/Timestamp": str(int(NOW))})
        _heard({"evu/WhImported": "12"}, NOW + 1, mirror)
        _beat(mirror, NOW + 1, 115)
        assert _grid_imported(mirror) == 8123456
        _beat(mirror, NOW + 116, 10)
        assert _grid_imported(mirror) == 12
        snapshot = mirror.snapshot()
        assert snapshot is not None
        (odd,) = snapshot.odd_readings
        assert (odd.meter, odd.before_wh, odd.first_wh, odd.outcome) == ("grid.imported_wh", 8123456, 12, "new_count")

    def test_silence_makes_no_reading_last(self) -> None:
        """One odd message, then the wallbox is silent for an hour: nobody said it again."""
        mirror = _heard({"evu/WhImported": "8123456", "system/Timestamp": str(int(NOW))})
        _heard({"evu/WhImported": "12"}, NOW + 1, mirror)
        for seconds in range(2, 3600, 10):
            mirror.tick(NOW + seconds)
        _beat(mirror, NOW + 3600, 10)
        assert _grid_imported(mirror) == 8123456
        _heard({"evu/WhImported": "8123460"}, NOW + 3620, mirror)
        assert _grid_imported(mirror) == 8123460

    def test_what_a_charge_point_s_meter_says_is_shown_though_it_is_not_believed(self) -> None:
        """Beside the reading that counts; then both are the same again."""
        switch = {"lp/1/boolChargePointConfigured": "1", "system/Timestamp": str(int(NOW))}
        mirror = _heard(switch | {"lp/1/kWhCounter": "2310.482"})
        update = mirror.apply({"openWB/lp/1/kWhCounter": b"2999.000"}, NOW + 1)
        assert update.changes == {"charge_points.1.odd_meter_wh": 2_999_000}
        assert _state(mirror).charge_points["1"].meter_wh == 2_310_482
        update = mirror.apply({"openWB/lp/1/kWhCounter": b"2310.500"}, NOW + 11)
        assert update.changes == {"charge_points.1.odd_meter_wh": None, "charge_points.1.meter_wh": 2_310_500}

    def test_a_deleted_meter_does_not_come_back_as_zero(self) -> None:
        """At boot openWB may empty the topic before it publishes 0."""
        mirror = _heard({"evu/WhImported": "8123456", "evu/W": "1"})
        _heard({"evu/WhImported": ""}, NOW + 1, mirror)
        _heard({"evu/WhImported": "0"}, NOW + 2, mirror)
        assert _grid_imported(mirror) is None

    @pytest.mark.parametrize("word", ["0", "12", "99999999"])
    def test_a_meter_held_back_survives_a_restart(self, word: str) -> None:
        """By Redis, by what another release left there, or by the session file alone: what it said is still odd."""
        mirror = _heard({"evu/WhImported": "8123456"})
        _heard({"evu/WhImported": word}, NOW + 1, mirror)
        snapshot = mirror.snapshot()
        assert snapshot is not None
        by_redis, by_older, by_disk = Mirror(DIALECT), Mirror(DIALECT), Mirror(DIALECT)
        by_redis.adopt(Stored(snapshot, mirror.raw, snapshot.seq), NOW + 2)
        by_older.adopt(Stored(replace(snapshot, meters={}), mirror.raw, snapshot.seq), NOW + 2)
        by_disk.recall(snapshot.meters, snapshot.odd_readings)
        for again in (by_redis, by_older, by_disk):
            _heard({"evu/WhImported": word}, NOW + 3, again)
            assert _grid_imported(again) == 8123456
            _heard({"evu/WhImported": "8123460"}, NOW + 10, again)
            assert _grid_imported(again) == 8123460

    def test_redis_that_answers_late_knows_what_was_odd(self) -> None:
        """What was believed at once, since nobody knew better, is judged again."""
        before = _heard({"evu/WhImported": "8123456"}, NOW - 100).snapshot()
        assert before is not None
        mirror = _heard({"evu/WhImported": "12"})
        assert _grid_imported(mirror) == 12
        mirror.adopt(Stored(before, {"openWB/evu/WhImported": "8123456"}, before.seq), NOW + 1)
        assert _grid_imported(mirror) == 8123456
        _heard({"evu/WhImported": "8123460"}, NOW + 2, mirror)
        assert _grid_imported(mirror) == 8123460


class TestStaleness:
    def test_silence_makes_stale_and_a_heartbeat_fresh(self) -> None:
        """After 60 s without a new heartbeat the site is stale, and it says so as a change."""
        mirror = _heard({"system/Timestamp": str(int(NOW))})
        assert not _state(mirror).meta.is_stale
        assert mirror.tick(NOW + 60) == {}
        assert mirror.tick(NOW + 61)[STALE_PATH] is True
        update = mirror.apply({HEARTBEAT: str(int(NOW + 70)).encode()}, NOW + 70)
        assert update.changes == {STALE_PATH: False}

    def test_a_dead_wallbox_s_retained_heartbeat_does_not_count(self) -> None:
        """The broker keeps it for ever; only a recent instant is a sign of life."""
        mirror = _heard({"system/Timestamp": str(int(NOW - 3600)), "evu/W": "5"})
        assert _state(mirror).meta.is_stale

    def test_a_repeated_heartbeat_does_not_count(self) -> None:
        """It comes again with each reconnection."""
        mirror = _heard({"system/Timestamp": str(int(NOW))})
        _heard({"system/Timestamp": str(int(NOW))}, NOW + 50, mirror)
        mirror.tick(NOW + 61)
        assert _state(mirror).meta.is_stale

    def test_a_wallbox_with_a_wrong_clock_lives_from_its_second_beat_on(self) -> None:
        """A Raspberry Pi without a network does not know the time."""
        mirror = _heard({"system/Timestamp": "100"})
        assert _state(mirror).meta.is_stale
        _heard({"system/Timestamp": "110"}, NOW + 10, mirror)
        assert not _state(mirror).meta.is_stale

    def test_a_clock_set_back_does_not_keep_it_fresh(self) -> None:
        """Our own clock may jump: staleness counts from the jump."""
        mirror = _heard({"system/Timestamp": str(int(NOW))})
        mirror.tick(NOW - 7200)
        mirror.tick(NOW - 7200 + 61)
        assert _state(mirror).meta.is_stale


class TestAges:
    def test_a_heartbeat_confirms_what_the_wallbox_does_not_repeat(self) -> None:
        """1.9 tells what changed and then beats: a power that stays for an hour is as sure as the last beat."""
        mirror = _heard({"evu/W": "-3120", "system/Timestamp": str(int(NOW))})
        for loop in range(1, 361):
            _heard({"system/Timestamp": str(int(NOW) + 10 * loop)}, NOW + 10 * loop, mirror)
        assert _heard_at(mirror)["grid.power_w"] == NOW + 3600

    def test_what_was_said_after_the_heartbeat_is_younger(self) -> None:
        """Some topics come between the loops; without any beat they alone count."""
        mirror = _heard({"evu/W": "1", "lp/1/boolChargePointConfigured": "1", "lp/1/W": "7"})
        assert _heard_at(mirror)["charge_points.1.power_w"] == NOW
        _heard({"system/Timestamp": str(int(NOW) + 10)}, NOW + 10, mirror)
        _heard({"lp/1/W": "8"}, NOW + 12, mirror)
        heard_at = _heard_at(mirror)
        assert (heard_at["grid.power_w"], heard_at["charge_points.1.power_w"]) == (NOW + 10, NOW + 12)

    def test_a_heartbeat_confirms_no_former_word(self) -> None:
        """Neither a value whose last word could not be read, nor a reading that stands in for one that fell."""
        mirror = _heard({"evu/W": "1", "evu/WhImported": "9000", "system/Timestamp": str(int(NOW))})
        _heard({"evu/W": "nan", "evu/WhImported": "0", "system/Timestamp": str(int(NOW) + 10)}, NOW + 10, mirror)
        heard_at = _heard_at(mirror)
        assert (heard_at["grid.power_w"], heard_at["grid.imported_wh"]) == (NOW, NOW)

    def test_a_broker_that_repeats_an_old_heartbeat_confirms_nothing(self) -> None:
        """It keeps the last one of a wallbox that died."""
        mirror = _heard({"evu/W": "1", "system/Timestamp": str(int(NOW))})
        _heard({"system/Timestamp": str(int(NOW))}, NOW + 500, mirror)
        assert _heard_at(mirror)["grid.power_w"] == NOW


class TestNumbers:
    def test_the_first_number_is_the_time_and_each_change_adds_one(self) -> None:
        """What changes nothing keeps the number, and still counts as heard."""
        mirror = _heard({"evu/W": "1"})
        assert _seq(mirror) == int(NOW * 1000)
        update = mirror.apply({"openWB/evu/W": b"1"}, NOW + 5)
        assert (update.changes, _seq(mirror)) == ({}, int(NOW * 1000))
        snapshot = mirror.snapshot()
        assert snapshot is not None
        assert snapshot.updated_at == snapshot.heard_at["grid.power_w"] == NOW + 5
        _heard({"evu/W": "2"}, NOW + 6, mirror)
        assert _seq(mirror) == int(NOW * 1000) + 1

    def test_a_restart_goes_on_where_it_was(self) -> None:
        """State, ages, staleness and number are those of before; nothing is a change."""
        before = _heard({"evu/W": "1", "system/Timestamp": str(int(NOW)), "lp/1/boolChargePointConfigured": "1"})
        _heard({"lp/1/W": "7", "global/ChargeMode": "1"}, NOW + 3, before)
        stored = before.snapshot()
        assert stored is not None
        mirror = Mirror(DIALECT)
        mirror.adopt(Stored(stored, before.raw, stored.seq), NOW + 5)
        assert mirror.snapshot() == stored
        _heard({"evu/W": "2"}, NOW + 6, mirror)
        assert _seq(mirror) == stored.seq + 1

    def test_a_long_stop_starts_stale_and_as_a_change(self) -> None:
        """Clients that saw it fresh must be told."""
        before = _heard({"system/Timestamp": str(int(NOW))})
        stored = before.snapshot()
        assert stored is not None
        mirror = Mirror(DIALECT)
        mirror.adopt(Stored(stored, before.raw, stored.seq), NOW + 3600)
        assert _state(mirror).meta.is_stale
        assert _seq(mirror) == stored.seq + 1

    def test_what_was_heard_meanwhile_is_newer(self) -> None:
        """When Redis comes late its values fill gaps only, and the number passes both."""
        old = _heard({"evu/W": "1", "home/x": "1", "global/WHouseConsumption": "4"}, NOW + 100)
        stored = old.snapshot()
        assert stored is not None
        mirror = _heard({"evu/W": "2"}, NOW)
        mirror.adopt(Stored(stored, old.raw, stored.seq), NOW + 101)
        state = _state(mirror)
        assert state.grid is not None
        assert state.grid.power_w == 2
        assert state.home is not None
        assert _seq(mirror) > stored.seq

    def test_a_stream_without_a_state_still_counts(self) -> None:
        """Redis refuses entries that are not newer than its newest."""
        mirror = Mirror(DIALECT)
        mirror.adopt(Stored(None, {}, 9_999_999_999_999), NOW)
        _heard({"evu/W": "1"}, NOW, mirror)
        assert _seq(mirror) == 10_000_000_000_000

    def test_topics_that_are_no_longer_allowed_are_not_taken_over(self) -> None:
        """An older release may have mirrored more."""
        old = _heard({"evu/W": "1"})
        stored = old.snapshot()
        assert stored is not None
        mirror = Mirror(DIALECT)
        mirror.adopt(Stored(stored, {**old.raw, "openWB/system/lastRfId": "0004A376A2"}, stored.seq), NOW)
        assert mirror.raw == old.raw


def _beat(mirror: Mirror, start: float, seconds: int) -> None:
    """The wallbox speaks, and says nothing new."""
    for passed in range(5, seconds + 1, 5):
        mirror.apply({HEARTBEAT: str(int(start + passed)).encode()}, start + passed)
        mirror.tick(start + passed)


def _grid_imported(mirror: Mirror) -> int | float | None:
    grid = _state(mirror).grid
    return grid.imported_wh if grid is not None else None
