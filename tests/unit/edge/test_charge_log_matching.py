"""Comparing the wallbox's log with the sessions: what belongs together, what is added, what is told."""

from dataclasses import replace
from typing import Any

import pytest

from common.store.rows import Doubt, LogEntryRow, SessionRow
from edge.charge_log.entries import Entry
from edge.charge_log.matching import SETTLED_S, Comparison, Difference, Fill, compare, period
from edge.charge_log.records import METHOD
from edge.charge_log.verdicts import NEIGHBOUR_S, TOLERANCE_S

AT = 1_795_420_800
NOW = AT + 86_400
ENTRY = Entry(charge_point="1", started_at=AT, ended_at=AT + 3600, energy_wh=10_000, charging_s=3500)
SESSION = SessionRow(
    id=5,
    charge_point="1",
    started_at=AT - 600,
    ended_at=AT + 7200,
    energy_wh=10_020,
    vehicle="Zoe",
    tag="A1",
    user_name="anna",
)


def compared(entries: list[Entry], sessions: list[SessionRow], now: int = NOW, **knobs: Any) -> Comparison:
    """Without the verdicts, which say of each entry what the others say of the whole."""
    found = compare(
        entries, sessions, now=now, origin="log", complete=(AT - 86_400, now), owner_of={"A1": "anna"}.get, **knobs
    )
    assert [entry for entry, _ in found.verdicts] == entries
    return replace(found, verdicts=())


def test_an_entry_within_a_session_belongs_to_it() -> None:
    """Nothing is added, filled in or told: 20 Wh of 10 kWh is how openWB counts."""
    found = compared([ENTRY], [SESSION])
    assert found == Comparison(matched=found.matched)
    (row,) = found.matched
    assert (row.charge_point, row.started_at, row.energy_wh, row.session_id) == ("1", AT, 10_000, 5)


@pytest.mark.parametrize("stored", [[], [replace(SESSION, ended_at=None)]])
def test_a_session_that_waits_for_the_database_is_not_made_again(stored: list[SessionRow]) -> None:
    """However old its entry; nothing is told of it until it is stored as it ended, and then they belong together."""
    waiting = replace(SESSION, id=None)
    found = compared([ENTRY], stored, undelivered=[waiting])
    assert found == Comparison(waiting=found.waiting)
    assert [row.session_id for row in found.waiting] == [None]
    found = compared([ENTRY], [SESSION], undelivered=[waiting])
    assert [row.session_id for row in found.matched] == [5]


def test_what_a_waiting_session_counted_beside_it_is_not_added() -> None:
    """The car was plugged in while the edge was off, and what it charged is in the session that waits."""
    waiting = replace(SESSION, id=None, started_at=ENTRY.ended_at + 9000, ended_at=ENTRY.ended_at + 9900)
    found = compared([ENTRY], [], undelivered=[waiting])
    assert found == Comparison(waiting=found.waiting)
    assert len(found.waiting) == 1


def test_of_a_running_session_it_does_not_matter_that_more_waits() -> None:
    running = replace(SESSION, ended_at=None)
    found = compare([ENTRY], [running], now=NOW, origin="log", undelivered=[replace(running, id=None, energy_wh=1)])
    assert [row.session_id for row in found.matched] == [5]


def test_of_several_sessions_the_one_with_most_time_in_common() -> None:
    """Those of other charge points do not count."""
    other = replace(SESSION, id=6, charge_point="2", started_at=AT, ended_at=AT + 3600)
    before = replace(SESSION, id=7, started_at=AT - 7200, ended_at=AT + 900)
    after = replace(SESSION, id=8, started_at=AT + 900)
    assert compared([ENTRY], [other, before, after]).matched[0].session_id == 8


def test_the_session_of_the_same_start_comes_first() -> None:
    """Two short charges of one minute lie over one another."""
    first, second = replace(ENTRY, ended_at=AT + 60), replace(ENTRY, started_at=AT + 1, ended_at=AT + 60)
    made = [
        replace(addition.record.session, id=n) for n, addition in enumerate(compared([first, second], []).additions, 1)
    ]
    assert [row.session_id for row in compared([first, second], made).matched] == [1, 2]


@pytest.mark.parametrize(("away_s", "belongs"), [(TOLERANCE_S, True), (TOLERANCE_S + 1, False)])
def test_an_entry_may_lie_a_little_beside_its_session(away_s: int, belongs: bool) -> None:
    """1.9 writes minutes, and the end two of them late; clocks differ; the energy must agree."""
    before = replace(SESSION, started_at=AT - 9000, ended_at=AT - away_s)
    after = replace(SESSION, started_at=ENTRY.ended_at + away_s, ended_at=ENTRY.ended_at + 9000)
    for session in (before, after):
        assert bool(compared([ENTRY], [session]).matched) is belongs
        assert not compared([ENTRY], [replace(session, energy_wh=3_000)]).matched


def test_the_rows_of_a_cloudy_day_belong_to_one_session() -> None:
    """1.9 splits a time plugged in at each pause; their sum is compared."""
    entries = [replace(ENTRY, started_at=AT + n * 600, ended_at=AT + n * 600 + 500, energy_wh=2_000) for n in range(5)]
    found = compared(entries, [SESSION])
    assert [row.session_id for row in found.matched] == [5] * 5
    assert found.differences == ()


def test_a_session_that_runs_takes_entries_up_to_now() -> None:
    """Its energy is not compared yet, nothing of it is filled in."""
    running = replace(SESSION, ended_at=None, energy_wh=3, tag=None)
    found = compared([replace(ENTRY, tag="A1")], [running])
    assert found == Comparison(matched=found.matched)


def test_an_entry_without_a_session_becomes_one() -> None:
    """Of origin log; without meter readings, as 1.9's log has none."""
    (addition,) = compared([replace(ENTRY, tag="A1", cost_millicents=3)], []).additions
    assert addition.record.session == SessionRow(
        charge_point="1",
        started_at=AT,
        ended_at=AT + 3600,
        charging_s=3500,
        first_charged_at=AT,
        last_charged_at=AT + 3600,
        energy_wh=10_000,
        cost_millicents=3,
        cost_method=METHOD,
        tag="A1",
        user_name="anna",
        origin="log",
    )
    assert [row.started_at for row in addition.entries] == [AT]


def test_sections_of_one_time_plugged_in_become_one_session() -> None:
    """With the first and the last meter reading, the sum of sources and cost, and the mode of most energy."""
    sections = [
        replace(ENTRY, meter_start_wh=0, meter_end_wh=10_000, sources=(9_000, 1_000, 0), mode="instant"),
        replace(
            ENTRY,
            started_at=AT + 3600,
            ended_at=AT + 7200,
            energy_wh=20_000,
            meter_start_wh=10_000,
            meter_end_wh=30_000,
            sources=(0, 19_000, 1_000),
            mode="pv",
            soc_end_percent=80,
            is_continued=True,
        ),
    ]
    found = compared(sections, [])
    (addition,) = found.additions
    session = addition.record.session
    assert (session.meter_start_wh, session.meter_end_wh, session.energy_wh) == (0, 30_000, 30_000)
    assert (session.grid_wh, session.pv_wh, session.battery_wh, session.sources_method) == (
        9_000,
        20_000,
        1_000,
        METHOD,
    )
    assert (session.mode, session.soc_end_percent, session.charging_s) == ("pv", 80, 7000)
    assert len(addition.entries) == 2


def test_a_session_of_the_log_grows_with_it() -> None:
    """A section that is written later belongs to the session that was made of the first ones."""
    first = compared([ENTRY], []).additions[0].record.session
    section = replace(ENTRY, started_at=AT + 3600, ended_at=AT + 7200, is_continued=True)
    (addition,) = compared([ENTRY, section], [replace(first, id=9)]).additions
    assert addition.record.session == replace(
        first, ended_at=AT + 7200, energy_wh=20_000, charging_s=7000, last_charged_at=AT + 7200
    )


def test_a_charge_that_the_meter_counted_for_the_session_beside_it() -> None:
    """The edge was off, the car stood there when it came back, and its meter had counted: the readings say so."""
    metered = replace(ENTRY, meter_start_wh=50_000, meter_end_wh=60_000)
    after = replace(SESSION, started_at=ENTRY.ended_at + 7200, ended_at=ENTRY.ended_at + 9000, energy_wh=12_000)
    after = replace(after, meter_start_wh=50_000, meter_end_wh=62_000)
    own = replace(ENTRY, started_at=after.started_at, ended_at=after.started_at + 600, energy_wh=2_000)
    before = replace(after, started_at=AT - 9000, ended_at=AT - 7200, meter_start_wh=48_000, meter_end_wh=60_000)
    its_own = replace(ENTRY, started_at=AT - 8900, ended_at=AT - 8000, energy_wh=2_000)
    for session, entry in ((after, own), (before, its_own)):
        found = compared(sorted([metered, entry], key=lambda one: one.started_at), [session])
        assert [row.session_id for row in found.matched] == [5, 5]
        assert not found.additions
        assert not found.differences
    elsewhere = replace(after, meter_start_wh=61_000, meter_end_wh=73_000)
    (addition,) = compared([metered], [elsewhere]).additions
    assert addition.record.session.doubt is None


def test_a_charge_that_the_meter_may_have_counted_is_kept_as_doubtful() -> None:
    """Without readings in the log nobody can tell; it is a session of its own, which says so."""
    after = replace(SESSION, started_at=ENTRY.ended_at + 7200, ended_at=ENTRY.ended_at + 9000, energy_wh=12_000)
    own = replace(ENTRY, started_at=after.started_at, ended_at=after.started_at + 600, energy_wh=2_000)
    (addition,) = compared([ENTRY, own], [after]).additions
    assert (addition.record.session.energy_wh, addition.record.session.doubt) == (10_000, Doubt.COUNTED)
    assert addition.entries[0].energy_wh == 10_000


def test_what_an_entry_of_before_explains_is_no_doubt() -> None:
    """The session's own entry is of a month that is not read any more."""
    beside = replace(SESSION, started_at=AT - 9000, ended_at=AT - 7200)
    explains = LogEntryRow(
        charge_point="1", started_at=AT - 9000, ended_at=AT - 7200, energy_wh=10_000, read_at=AT, session_id=5
    )
    assert compared([ENTRY], [beside]).additions[0].record.session.doubt is Doubt.COUNTED
    assert compared([ENTRY], [beside], stored=[explains]).additions[0].record.session.doubt is None


@pytest.mark.parametrize(
    "changes", [{"energy_wh": 2_000}, {"energy_wh": None}, {"origin": "import"}, {"charge_point": "2"}]
)
def test_a_session_beside_it_that_counted_nothing_more(changes: dict[str, Any]) -> None:
    """Then the charge is one of its own."""
    beside = replace(SESSION, started_at=ENTRY.ended_at + 7200, ended_at=ENTRY.ended_at + 9000, energy_wh=12_000)
    far = replace(beside, started_at=ENTRY.ended_at + NEIGHBOUR_S + 1, ended_at=None)
    for session in (replace(beside, **changes), far):
        (addition,) = compared([ENTRY], [session]).additions
        assert addition.record.session.doubt is None


def test_a_young_entry_is_not_missed_yet() -> None:
    """Its session may still wait on the edge's disk; the entry is kept, and looked at again."""
    found = compared([ENTRY], [], now=ENTRY.ended_at + SETTLED_S - 1)
    assert found == Comparison(waiting=found.waiting)
    assert [row.session_id for row in found.waiting] == [None]


def test_what_the_edge_did_not_hear_is_filled_in() -> None:
    """Vehicle, tag, and whose it is; never what is known, nor what two entries say differently."""
    unknown = replace(SESSION, vehicle=None, tag=None, user_name=None)
    assert compared([replace(ENTRY, vehicle="Ioniq", tag="A1")], [unknown]).fills == (Fill(5, "Ioniq", "A1", "anna"),)
    assert compared([replace(ENTRY, vehicle="Ioniq", tag="B2")], [SESSION]).fills == ()
    two = [replace(ENTRY, tag="A1"), replace(ENTRY, started_at=AT + 3700, ended_at=AT + 3800, energy_wh=20, tag="B2")]
    assert compared(two, [unknown]).fills == ()


@pytest.mark.parametrize(
    ("logged_wh", "recorded_wh", "is_told"),
    [(10_000, 10_200, False), (10_000, 10_300, True), (10_300, 10_000, True), (500, 650, False), (500, 660, True)],
)
def test_a_difference_is_told(logged_wh: int, recorded_wh: int, is_told: bool) -> None:
    """Beyond 2 % and 150 Wh; the session stays as it is."""
    found = compared([replace(ENTRY, energy_wh=logged_wh)], [replace(SESSION, energy_wh=recorded_wh)])
    told = Difference(charge_point="1", started_at=AT - 600, recorded_wh=recorded_wh, logged_wh=logged_wh)
    assert found.differences == ((told,) if is_told else ())
    assert not found.additions
    assert not found.fills


def test_a_session_that_the_log_lacks_is_told() -> None:
    """Not one that took next to nothing, is too young, or began before the log that was read."""
    none = replace(SESSION, id=1, energy_wh=0)
    young = replace(SESSION, id=2, ended_at=NOW - SETTLED_S)
    early = replace(SESSION, id=3, started_at=AT - 86_401)
    running = replace(SESSION, id=4, ended_at=None)
    assert compared([], [SESSION, none, young, early, running]).unlogged == (SESSION,)
    assert compare([], [SESSION], now=NOW, origin="import").unlogged == ()


def test_the_period_in_which_sessions_are_looked_for() -> None:
    """From those that were plugged in months before until those that begin days after."""
    assert period([]) is None
    found = period([ENTRY])
    assert found is not None
    assert found[0] < AT - 60 * 86_400
    assert found[1] == ENTRY.ended_at + NEIGHBOUR_S + 1


def test_what_a_car_gave_back_is_filled_in() -> None:
    """The sum of the session's entries, when it is more than what is known; a session of the log has it at once."""
    entries = [
        replace(ENTRY, energy_wh=5_000, ended_at=AT + 1800, discharged_wh=1_000),
        replace(ENTRY, energy_wh=5_000, started_at=AT + 1800, discharged_wh=500),
    ]
    assert compared(entries, [SESSION]).fills == (Fill(5, discharged_wh=1_500),)
    assert compared(entries, [replace(SESSION, discharged_wh=1_500)]).fills == ()
    (addition, _) = compared(entries, []).additions
    assert addition.record.session.discharged_wh == 1_000


def test_sources_of_which_a_part_is_known_are_kept() -> None:
    """A section without any is among the unknown; all without are none."""
    known = replace(ENTRY, sources=(5_000, 3_000, 600))
    other = replace(ENTRY, started_at=AT + 3600, ended_at=AT + 7200, is_continued=True)
    (addition,) = compared([known, other], []).additions
    session = addition.record.session
    assert (session.energy_wh, session.grid_wh, session.pv_wh, session.battery_wh) == (20_000, 5_000, 3_000, 600)
    assert compared([other], []).additions[0].record.session.sources_method is None


class TestSeveral:
    """The log has several times plugged in where one session is recorded: somebody has to look at it."""

    FIRST = replace(ENTRY, ended_at=AT + 1200, energy_wh=3_000, tag="A1", begins_plug_in=True)
    SECOND = replace(ENTRY, started_at=AT + 1300, energy_wh=7_000, tag="A1")

    @pytest.mark.parametrize(
        ("second", "is_told"),
        [
            (replace(SECOND, begins_plug_in=True), True),
            (replace(SECOND, tag="B2"), True),
            (replace(SECOND, is_continued=True), False),
            (SECOND, False),
            (replace(SECOND, tag=None), False),
        ],
    )
    def test_plug_ins_or_cards(self, second: Entry, is_told: bool) -> None:
        """A change of mode, a pause of 1.9, or a card that the log does not name, is none."""
        found = compared([self.FIRST, second], [SESSION])
        assert [row.id for row in found.merged] == ([5] if is_told else [])
        assert len(found.matched) == 2
        assert found.additions == ()

    def test_of_what_was_made_of_the_log_there_is_nothing_to_tell(self) -> None:
        session = replace(SESSION, origin="log", started_at=AT)
        assert compared([self.FIRST, replace(self.SECOND, tag="B2")], [session]).merged == ()
