"""The list of what was recorded beside what the wallbox logged."""

from dataclasses import replace

from common.store.rows import LogEntryRow, SessionRow
from edge.charge_log.listing import Line, lines

AT = 1_795_420_800
SESSION = SessionRow(id=5, charge_point="1", started_at=AT, ended_at=AT + 7200, energy_wh=10_000)
ENTRY = LogEntryRow(charge_point="1", started_at=AT + 60, ended_at=AT + 3600, energy_wh=6_000, read_at=AT, session_id=5)


def test_entries_are_summed_beside_their_session() -> None:
    """20 Wh are how openWB counts, a kWh is a finding."""
    second = replace(ENTRY, started_at=AT + 4000, energy_wh=3_980)
    agreeing = Line(charge_point="1", started_at=AT, recorded_wh=10_000, logged_wh=9_980, is_finding=False)
    assert lines([SESSION], [ENTRY, second]) == [agreeing]
    assert lines([replace(SESSION, energy_wh=11_000)], [ENTRY, second]) == [
        replace(agreeing, recorded_wh=11_000, is_finding=True)
    ]


def test_what_is_missing_on_either_side() -> None:
    """In order of time; a session that took next to nothing is no finding."""
    lone = replace(ENTRY, session_id=None, started_at=AT - 100)
    little = replace(SESSION, id=6, started_at=AT + 9000, energy_wh=150)
    assert lines([little, SESSION], [lone]) == [
        Line(charge_point="1", started_at=AT - 100, recorded_wh=None, logged_wh=6_000, is_finding=True),
        Line(charge_point="1", started_at=AT, recorded_wh=10_000, logged_wh=None, is_finding=True),
        Line(charge_point="1", started_at=AT + 9000, recorded_wh=150, logged_wh=None, is_finding=False),
    ]


def test_what_was_made_of_the_log_or_still_runs_is_left_out() -> None:
    """So are sessions without a meter."""
    others = [replace(SESSION, origin="log"), replace(SESSION, ended_at=None), replace(SESSION, energy_wh=None)]
    assert lines(others, [ENTRY]) == []


def test_a_doubtful_session_is_a_finding() -> None:
    """It may be part of another one, which is for people to tell."""
    doubtful = replace(SESSION, origin="import", doubt="overlaps")
    assert lines([doubtful], []) == [
        Line(charge_point="1", started_at=AT, recorded_wh=None, logged_wh=10_000, is_finding=True)
    ]
