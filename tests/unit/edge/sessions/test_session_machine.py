"""The session machine as a transcript: what the wallbox says, and the sessions that come of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from common.model import Mode, Snapshot
from common.store.rows import SegmentRow, SessionRow
from edge.sessions.look import Kind
from edge.sessions.machine import SessionMachine, replay
from edge.sessions.records import with_user
from edge.sessions.state import MachineState
from edge.sessions.supply import Prices
from tests.kit.charging import START, Site


@dataclass(frozen=True)
class Scan:
    tag: str
    scanned_at: float
    charge_point: str | None = None


class Watched:
    """A site under the machine's eyes: every 10 s, as openWB reports."""

    def __init__(self, prices: Prices | None = None) -> None:
        self.site = Site()
        self.machine = SessionMachine(prices)
        self.told: list[tuple[Kind, SessionRow]] = []
        self.segments: tuple[SegmentRow, ...] = ()
        self.look()

    def look(self) -> None:
        for change in self.machine.look(self.site.now, self.site.snapshot()):
            self.told.append((change.kind, change.record.session))
            self.segments = change.record.segments

    def watch(self, seconds: float) -> "Watched":
        for _ in range(int(seconds // 10)):
            self.site.pass_time(10)
            self.look()
        return self

    def gap(self, seconds: float) -> "Watched":
        """Nobody looks, then one look."""
        self.site.pass_time(seconds)
        self.look()
        return self

    def plug(self, power_w: float = 0.0) -> "Watched":
        self.site.plug().power_w = power_w
        return self

    def unplug(self) -> "Watched":
        """And wait until the machine is sure."""
        self.site.unplug()
        return self.watch(90)

    @property
    def ended(self) -> list[SessionRow]:
        return [row for kind, row in self.told if kind is Kind.ENDED]

    @property
    def session(self) -> SessionRow:
        """The only session, which has ended."""
        (row,) = self.ended
        return row

    @property
    def running(self) -> SessionRow:
        (record,) = self.machine.running()
        return record.session


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_from_plug_to_unplug(watched: Watched) -> None:
    """Meter readings at both ends, the energy between them, the instants, and who knows of it when."""
    watched.plug(3_600).watch(3600).unplug()
    row = watched.session
    assert (row.charge_point, row.started_at, row.ended_at) == ("1", START + 10, START + 3610)
    assert (row.meter_start_wh, row.meter_end_wh, row.energy_wh) == (1_000_000, 1_003_600, 3_600)
    assert (row.first_charged_at, row.last_charged_at, row.charging_s) == (START + 10, START + 3610, 3600)
    assert (row.mode, row.origin) == ("pv", "recorded")
    assert [kind for kind, _ in watched.told] == [Kind.STARTED, Kind.ENDED]
    assert watched.machine.running() == []


def test_pauses_make_segments_not_sessions(watched: Watched) -> None:
    """Charging, a long pause, charging in another mode: three segments that tile the session and its energy."""
    watched.plug(3_600).watch(600)
    watched.site.power_w = 0
    watched.watch(600)
    watched.site.power_w = 7_200
    watched.watch(600)
    watched.site.mode = Mode.INSTANT
    watched.watch(600).unplug()
    row, segments = watched.session, watched.segments
    assert [(part.is_charging, part.mode) for part in segments] == [
        (True, "pv"),
        (False, "pv"),
        (True, "pv"),
        (True, "instant"),
    ]
    assert segments[0].started_at == row.started_at
    assert segments[-1].ended_at == row.ended_at
    assert all(first.ended_at == second.started_at for first, second in pairwise(segments))
    assert all(first.meter_end_wh == second.meter_start_wh for first, second in pairwise(segments))
    assert (row.energy_wh, row.charging_s) == (600 + 1200 + 1200, 1800)
    assert row.mode == "pv"  # most energy


def test_brief_pause_is_no_segment(watched: Watched) -> None:
    """A phase switch interrupts charging for half a minute."""
    watched.plug(3_600).watch(600)
    watched.site.power_w = 0
    watched.watch(30)
    watched.site.power_w = 3_600
    watched.watch(600).unplug()
    assert len(watched.segments) == 1
    assert watched.session.energy_wh == 1_200


def test_charging_without_power_is_none(watched: Watched) -> None:
    """openWB says "charging" at 0 W."""
    watched.plug().watch(600)
    assert watched.running.charging_s == 0
    assert watched.running.first_charged_at is None


def test_car_that_stays_for_long_keeps_no_more_than_its_room(watched: Watched) -> None:
    """Hundreds of pauses: the briefest stretches are joined, and everything still adds up."""
    watched.site.pv_w = 1_800
    for number in range(340):
        watched.plug(3_600 if number % 2 else 0).watch(70 if number < 300 else 200)
    watched.unplug()
    row, segments = watched.session, watched.segments
    assert len(segments) <= 300
    assert (row.energy_wh, row.grid_wh, row.pv_wh) == (150 * 70 + 20 * 200, 150 * 35 + 20 * 100, 150 * 35 + 20 * 100)
    assert sum((part.meter_end_wh or 0) - (part.meter_start_wh or 0) for part in segments) == row.energy_wh
    assert all(first.ended_at == second.started_at for first, second in pairwise(segments))


def test_plug_that_flaps_ends_nothing(watched: Watched) -> None:
    """Two reports without a plug; what the meter counts meanwhile is counted."""
    watched.plug(3_600).watch(600)
    watched.site.is_plugged = False
    watched.watch(20)
    watched.site.meter_wh += 5
    watched.site.is_plugged = True
    watched.watch(600).unplug()
    assert watched.session.energy_wh == 1_205
    assert watched.session.ended_at == START + 1230


def test_plug_that_is_seen_once_is_nothing(watched: Watched) -> None:
    """No energy and less than a minute: nobody hears of it."""
    watched.plug().watch(20).unplug()
    assert watched.told == []


def test_car_that_never_charges_is_a_session(watched: Watched) -> None:
    watched.plug().watch(120).unplug()
    assert (watched.session.energy_wh, watched.session.charging_s) == (0, 0)


def test_silent_wallbox_suspends_judgement(watched: Watched) -> None:
    """Neither what a stale wallbox says nor a state of long ago ends a session; afterwards the meter counts."""
    watched.plug(3_600).watch(600)
    watched.site.is_stale = True
    watched.site.is_said = False
    watched.watch(3600)
    assert watched.running.energy_wh == 600
    watched.site.is_stale, watched.site.is_said = False, True
    watched.watch(10).unplug()
    assert watched.session.energy_wh == 4_210
    old = watched.site.snapshot()
    watched.plug().site.pass_time(1000)
    assert watched.machine.look(watched.site.now, old) == []
    assert watched.machine.look(watched.site.now, None) == []


def test_unknown_plug_ends_and_starts_nothing(watched: Watched) -> None:
    """Also a charge point that is not spoken of."""
    watched.plug(3_600).watch(600)
    watched.site.is_said = False
    watched.watch(3600)
    assert watched.running.energy_wh == 4_200
    watched.site.is_said = True
    watched.unplug()
    watched.site.is_said = False
    watched.plug(3_600).watch(600)
    assert watched.machine.running() == []


def test_meter_that_reads_zero_for_a_while_is_ignored(watched: Watched) -> None:
    """As at a wallbox's boot, while a session runs and while it begins."""
    watched.site.shown_meter_wh = 0
    watched.plug(3_600).watch(60)
    watched.site.shown_meter_wh = None
    watched.watch(540)
    watched.site.shown_meter_wh = 0
    watched.watch(300)
    watched.site.shown_meter_wh = None
    watched.watch(300).unplug()
    assert (watched.session.meter_start_wh, watched.session.energy_wh) == (1_000_000, 1_200)


def test_meter_that_jumps_for_a_moment_is_ignored(watched: Watched) -> None:
    """Down or up by more than can be."""
    watched.plug(3_600).watch(600)
    for odd in (17.0, 9_000_000.0):
        watched.site.shown_meter_wh = odd
        watched.watch(60)
        watched.site.shown_meter_wh = None
        watched.watch(240)
    watched.unplug()
    assert watched.session.energy_wh == 1_200


@pytest.mark.parametrize("new_wh", [50.0, 9_000_000.0])
def test_another_meter_is_another_segment_of_the_same_session(watched: Watched, new_wh: float) -> None:
    """Each count adds up by itself, and where one ends and the other begins is in the record; nothing is lost."""
    watched.plug(3_600).watch(600)
    watched.site.meter_wh = new_wh
    watched.watch(600).unplug()
    row, (first, second) = watched.session, watched.segments
    assert (first.meter_start_wh, first.meter_end_wh) == (1_000_000, 1_000_600)
    # The new count is reckoned back by power to the old one's last reading, 10 s before its own first.
    assert (second.meter_start_wh, second.meter_end_wh) == (new_wh, new_wh + 600)
    assert (row.meter_start_wh, row.meter_end_wh, row.energy_wh) == (1_000_000, new_wh + 600, 1_200)
    assert first.ended_at == second.started_at
    assert (row.cost_millicents, row.grid_wh) == (1_200 * 30, 1_200)


def test_another_meter_before_any_energy_splits_nothing(watched: Watched) -> None:
    """The old one had nothing to tell."""
    watched.plug().watch(60)
    watched.site.meter_wh = 50
    watched.watch(600)
    watched.site.power_w = 3_600
    watched.watch(600).unplug()
    assert (watched.session.meter_start_wh, watched.session.energy_wh) == (50, 600)


def test_car_that_comes_just_when_another_meter_is_believed(watched: Watched) -> None:
    """Its session knows nothing of the old one."""
    watched.watch(60).site.meter_wh = 50
    watched.watch(120).plug(3_600).watch(600).unplug()
    assert (watched.session.meter_start_wh, watched.session.energy_wh) == (60, 590)


def test_meter_that_was_never_known(watched: Watched) -> None:
    """The energy is unknown, not zero."""
    watched = Watched()
    watched.machine.state = MachineState()
    watched.site.shown_meter_wh = float("nan")
    watched.watch(10).plug(3_600).watch(600).unplug()
    row = watched.session
    assert {row.meter_start_wh, row.meter_end_wh, row.energy_wh, row.grid_wh, row.cost_millicents} == {None}
    assert row.charging_s == 600


class TestGaps:
    """The edge was down, or the wallbox silent."""

    def test_charging_went_on(self, watched: Watched) -> None:
        """The meter counts, and the site's own meters say where it came from: 2 of 3 kWh from the roof."""
        watched.plug(3_000).watch(600)
        watched.site.pv_w = 2_000
        watched.gap(36_000).unplug()
        row = watched.session
        assert (row.energy_wh, row.sources_method) == (30_500, "shares_meters")
        assert (row.grid_wh, row.pv_wh, row.battery_wh) == (10_500, 20_000, 0)
        assert row.charging_s == 36_600

    def test_without_meters_of_the_site_the_sources_are_unknown(self, watched: Watched) -> None:
        """Not guessed, unless it is little; the price is known, so the cost is."""
        watched.plug(3_000).watch(36_000)
        watched.site.grid_wh = 0
        watched.gap(2_400)
        row = watched.running
        assert (row.energy_wh, row.grid_wh, row.sources_method) == (32_000, 32_000, "shares_gaps")
        watched.site.grid_wh = -1_000_000
        watched.gap(36_000).unplug()
        row = watched.session
        assert {row.grid_wh, row.pv_wh, row.battery_wh, row.sources_method} == {None}
        assert (row.cost_millicents, row.cost_method) == (62_000 * 30, "tariff")

    def test_charging_ended(self, watched: Watched) -> None:
        """The energy says how long it lasted."""
        watched.plug(3_600).watch(600)
        watched.site.pass_time(1_000).power_w = 0
        watched.gap(30_000).unplug()
        assert (watched.session.energy_wh, watched.session.charging_s) == (1_600, 1_590)

    def test_charging_began(self, watched: Watched) -> None:
        """So it does here."""
        watched.plug().watch(600)
        watched.site.pass_time(30_000).power_w = 3_600
        watched.gap(1_000).unplug()
        assert (watched.session.energy_wh, watched.session.charging_s) == (1_000, 1_010)

    def test_car_left(self, watched: Watched) -> None:
        """When it did nobody knows; not before it had charged all that."""
        watched.plug(3_600).watch(600)
        watched.site.pass_time(1_000).unplug()
        watched.gap(30_000).watch(90)
        assert (watched.session.energy_wh, watched.session.ended_at) == (1_600, START + 1_600)

    def test_car_left_and_days_went_by(self, watched: Watched) -> None:
        """What came in days may be another car's: it is nobody's, and shows when the months are reckoned up."""
        watched.plug(3_600).watch(600)
        watched.site.pass_time(90_000).unplug()
        watched.gap(90_000).watch(90)
        assert watched.session.energy_wh == 600

    def test_another_car_is_there(self, watched: Watched) -> None:
        """The wallbox's counter since plug-in fell: two sessions, and the meter between them is known."""
        watched.site.counts_since_plug = True
        watched.plug(3_600).watch(600)
        watched.site.pass_time(1_000).unplug().pass_time(5_000)
        watched.plug(3_600).gap(200).unplug()
        first, second = watched.ended
        assert (first.energy_wh, first.ended_at) == (1_600, START + 1_600)
        assert (second.meter_start_wh, second.energy_wh) == (1_001_600, 200)
        assert second.started_at == START + 6_800

    def test_plug_that_flapped_just_then(self, watched: Watched) -> None:
        """The wallbox counts on from the same plug-in, so it is the same; one that has no counter may be anybody."""
        for counts, number in ((True, 1), (False, 2)):
            watched = Watched()
            watched.site.counts_since_plug = counts
            watched.plug(3_600).watch(600)
            watched.site.is_plugged = False
            watched.watch(10)
            watched.site.is_plugged = True
            watched.gap(400).watch(600).unplug()
            assert len(watched.ended) == number

    def test_counter_that_lost_its_start(self) -> None:
        """It shows the whole meter: nothing to believe."""
        watched = Watched()
        watched.machine.state = MachineState()
        watched.site.counts_since_plug, watched.site.meter_wh = True, 400_000.0
        watched.site.plug().meter_at_plug_wh = 0.0
        watched.watch(100).unplug()
        assert (watched.session.meter_start_wh, watched.session.energy_wh) == (400_000, 0)

    def test_charge_point_that_was_taken_away(self, watched: Watched) -> None:
        """Its session ends where it was last seen, a day later, for it may come back."""
        watched.plug(3_600).watch(600)
        site = watched.site.snapshot()
        empty = replace(site, state=replace(site.state, charge_points={}))
        for hours in (1, 23):
            watched.machine.look(watched.site.now + hours * 3600, replace(empty, updated_at=site.updated_at + 9e9))
        assert watched.running.energy_wh == 600
        later = watched.site.now + 26 * 3600
        (change,) = watched.machine.look(later, replace(empty, updated_at=later))
        assert (change.kind, change.record.session.ended_at) == (Kind.ENDED, START + 600)
        assert watched.machine.state.points == {}

    def test_car_came(self, watched: Watched) -> None:
        """What it charged since plug-in is known if the wallbox counts it, else the session has what was seen."""
        for counts, energy_wh in ((True, 1_100), (False, 100)):
            watched = Watched()
            watched.site.counts_since_plug = counts
            watched.watch(60).site.pass_time(20_000)
            watched.plug(3_600).gap(1_000).watch(100).unplug()
            assert watched.session.energy_wh == energy_wh
            assert watched.session.started_at == START + 21_060

    def test_clock_that_is_set_back(self, watched: Watched) -> None:
        """By a minute in the middle of a charge: no key twice, nothing negative, the energy is the meter's."""
        watched.plug(3_600).watch(600)
        watched.site.now -= 60
        watched.watch(30).unplug()
        watched.site.now -= 90
        watched.plug(3_600).watch(600).unplug()
        first, second = watched.ended
        assert first.ended_at is not None
        assert second.started_at >= first.ended_at
        assert (first.energy_wh, second.energy_wh) == (630, 600)


class TestSources:
    def test_shares_of_the_same_time(self, watched: Watched) -> None:
        """Ten minutes from the roof, ten from battery and grid alike; the house takes its part of each."""
        site = watched.site
        site.pv_w, site.home_w = 7_200, 3_600
        watched.plug(3_600).watch(600)
        site.pv_w, site.battery_w = 0, -3_600
        watched.watch(600).unplug()
        row = watched.session
        assert (row.grid_wh, row.pv_wh, row.battery_wh) == (300, 600, 300)
        assert row.sources_method == "shares"

    def test_add_up_to_the_last_watt_hour(self, watched: Watched) -> None:
        """In each segment and in the session, whatever is rounded."""
        site = watched.site
        site.pv_w, site.battery_w, site.home_w = 1_111, -777, 333
        watched.plug(2_345)
        for _ in range(5):
            site.mode = Mode.INSTANT if site.mode is Mode.PV else Mode.PV
            watched.watch(470)
        watched.unplug()
        rows: list[SessionRow | SegmentRow] = [watched.session, *watched.segments]
        for row in rows:
            start_wh, end_wh = row.meter_start_wh, row.meter_end_wh
            assert start_wh is not None
            assert end_wh is not None
            assert (row.grid_wh or 0) + (row.pv_wh or 0) + (row.battery_wh or 0) == end_wh - start_wh
        assert sum(part.cost_millicents or 0 for part in watched.segments) == watched.session.cost_millicents

    def test_what_flowed_before_charging_does_not_count(self, watched: Watched) -> None:
        """A night on the grid before the sun charges the car."""
        watched.site.home_w = 500
        watched.plug().watch(36_000)
        watched.site.home_w, watched.site.pv_w, watched.site.power_w = 0, 3_600, 3_600
        watched.watch(600).unplug()
        assert (watched.session.pv_wh, watched.session.energy_wh) == (600, 600)

    def test_unknown_site_is_unknown(self, watched: Watched) -> None:
        watched.site.has_site = False
        watched.plug(3_600).watch(600).unplug()
        assert watched.session.energy_wh == 600
        assert watched.session.grid_wh is None


class TestCost:
    def charge(self, watched: Watched) -> SessionRow:
        """1 kWh each from grid, roof and battery."""
        watched.site.pv_w, watched.site.battery_w = 6_000, -6_000
        watched.plug(18_000).watch(600).unplug()
        return watched.session

    @pytest.mark.parametrize(
        ("told", "setting", "millicents", "method"),
        [
            ((0.30, 0.10, 0.20), None, 60_000, "tariff"),
            ((0.30, 0.10, 0.20), 0.05, 60_000, "tariff"),
            ((0.30, None, None), 0.05, 40_000, "tariff_set"),
            ((0.30, 0.10, None), None, 70_000, "tariff_grid"),
            ((0.30, None, None), None, 90_000, "tariff_grid"),
            ((None, 0.10, 0.20), None, None, None),
            ((-0.05, 0.0, 0.0), None, -5_000, "tariff"),
        ],
    )
    def test_by_tariff_and_setting(
        self,
        told: tuple[float | None, float | None, float | None],
        setting: float | None,
        millicents: int | None,
        method: str | None,
    ) -> None:
        """The wallbox's prices first, then the setting, else PV and battery cost as the grid; no price, no cost."""
        watched = Watched(Prices(own_per_kwh=setting))
        watched.site.price, watched.site.pv_price, watched.site.battery_price = told
        row = self.charge(watched)
        assert (row.cost_millicents, row.cost_method) == (millicents, method)

    def test_price_of_the_time(self, watched: Watched) -> None:
        """A dynamic tariff: what came while it was cheap was cheap."""
        watched.plug(3_600).watch(600)
        watched.site.price = 0.10
        watched.watch(600).unplug()
        assert watched.session.cost_millicents == 600 * 30 + 600 * 10

    def test_price_that_changed_while_nobody_looked(self, watched: Watched) -> None:
        """Unknown; a little of it is reckoned like the rest, and the method says so."""
        watched.plug(3_600).watch(9_000)
        watched.site.price = 0.20
        watched.gap(500)
        assert (watched.running.cost_millicents, watched.running.cost_method) == (9_500 * 30, "tariff_gaps")
        watched.site.price = 0.10
        watched.gap(5_000)
        assert (watched.running.cost_millicents, watched.running.cost_method) == (None, None)


class TestCar:
    def test_soc_at_both_ends(self, watched: Watched) -> None:
        """The car answers some time after it was plugged in: the last answer before current flows is the start."""
        watched.site.soc_percent = 80
        watched.plug().watch(120)
        watched.site.soc_percent = 41
        watched.watch(120)
        watched.site.power_w = 3_600
        watched.watch(600)
        watched.site.soc_percent = 43
        watched.watch(600).unplug()
        assert (watched.session.soc_start_percent, watched.session.soc_end_percent) == (41, 43)

    def test_vehicle_is_the_last_one_named(self, watched: Watched) -> None:
        """The wallbox may take a tag and then know better; what it says after the car has gone does not count."""
        watched.site.vehicle = "Standard"
        watched.plug(3_600).watch(120)
        watched.site.vehicle = "Zoe"
        watched.watch(120)
        watched.site.unplug().vehicle = "Standard"
        watched.watch(120)
        assert watched.session.vehicle == "Zoe"
        assert Kind.CHANGED in [kind for kind, _ in watched.told]


class TestScans:
    @pytest.mark.parametrize(
        ("scans", "tag"),
        [
            ([Scan("A", START)], "A"),
            ([Scan("A", START), Scan("B", START)], "B"),
            ([Scan("A", START - 301)], None),
            ([Scan("A", START, "2")], None),
            ([Scan("A", START - 10, "1"), Scan("B", START)], "A"),
            ([Scan(" ", START)], None),
        ],
    )
    def test_before_plugging_in(self, watched: Watched, scans: list[Scan], tag: str | None) -> None:
        """The newest of the last five minutes, one at this charge point before one without a place."""
        for scan in scans:
            watched.machine.note_scan(scan)
        watched.plug(3_600).watch(600).unplug()
        assert watched.session.tag == tag

    @pytest.mark.parametrize(
        ("after_s", "charge_point", "tag"),
        [(200, None, "A"), (400, None, None), (400, "1", "A"), (10, "2", None)],
    )
    def test_after_plugging_in(self, watched: Watched, after_s: int, charge_point: str | None, tag: str | None) -> None:
        """Within five minutes, or whenever the scan was at this charge point; a session's first tag stays."""
        watched.plug(3_600).watch(after_s)
        watched.machine.note_scan(Scan("A", watched.site.now, charge_point))
        watched.machine.note_scan(Scan("B", watched.site.now + 301, charge_point))
        watched.watch(60)
        assert watched.running.tag == tag

    @pytest.mark.parametrize("place", ["1", None])
    def test_one_that_the_wallbox_threw_away_is_nobody_s(self, watched: Watched, place: str | None) -> None:
        """Though a car comes within the five minutes in which a tag waits."""
        watched.machine.note_scan(Scan("A", watched.site.now, place))
        watched.watch(60)
        watched.machine.drop_scan("A", "1")
        watched.plug(3_600).watch(600).unplug()
        assert watched.session.tag is None

    def test_one_that_was_thrown_away_when_the_car_had_come(self, watched: Watched) -> None:
        """Until current flows; what charged with it keeps it, and so does another charge point's, and another tag."""
        watched.machine.note_scan(Scan("A", watched.site.now, "1"))
        watched.plug().watch(90)
        for tag, place in (("B", "1"), ("A", "2")):
            watched.machine.drop_scan(tag, place)
            assert watched.running.tag == "A"
        (change,) = watched.machine.drop_scan("A", "1")
        assert change.record.session.tag is None
        watched.machine.note_scan(Scan("A", watched.site.now, "1"))
        watched.site.power_w = 3_600
        watched.watch(60)
        assert watched.machine.drop_scan("A", "1") == []
        assert watched.running.tag == "A"

    def test_used_once(self, watched: Watched) -> None:
        """The next session is nobody's."""
        watched.machine.note_scan(Scan("A", START))
        watched.plug(3_600).watch(60).unplug()
        watched.plug(3_600).watch(60).unplug()
        assert [row.tag for row in watched.ended] == ["A", None]

    def test_at_the_charge_point_another_tag_counts_until_current_flows(self, watched: Watched) -> None:
        """As the wallbox itself does it."""
        watched.machine.note_scan(Scan("A", START, "1"))
        watched.plug().watch(60)
        watched.machine.note_scan(Scan("B", START, "1"))
        watched.site.power_w = 3_600
        watched.watch(60)
        watched.machine.note_scan(Scan("A", START, "1"))
        assert watched.running.tag == "B"


def test_user_is_whose_tag_it_is(watched: Watched) -> None:
    """Nobody's tag has no user, and without a tag nobody is asked."""
    watched.machine.note_scan(Scan("A", START))
    watched.plug(3_600).watch(600)
    (record,) = watched.machine.running()
    owners = {"A": "anna"}
    assert with_user(record, owners.get).session == replace(record.session, user_name="anna")
    assert with_user(record, lambda _tag: None) == record
    nobody = replace(record, session=replace(record.session, tag=None))
    assert with_user(nobody, owners.__getitem__) == nobody


def test_replay_gives_sessions_of_a_past() -> None:
    """Those that ended, as they end; the one that still runs is the machine's."""
    site, machine = Site(), SessionMachine()

    def past() -> Iterator[tuple[float, Snapshot]]:
        for day in range(3):
            site.plug().power_w = 3_600
            for minute in range(120):
                if minute == 60 and day < 2:
                    site.unplug()
                yield site.pass_time(60).now, site.snapshot()

    records = list(replay(past(), machine, [Scan("A", START + 7_210)]))
    assert [record.session.energy_wh for record in records] == [3_540, 3_600]
    assert [record.session.tag for record in records] == [None, "A"]
    (record,) = machine.running()
    assert (record.session.energy_wh, record.session.ended_at) == (7_200, None)
