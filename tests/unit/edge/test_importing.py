"""Importing months of the wallbox's log: no charge is lost or merged on a guess, and the sums say so."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.store.rows import Doubt, LogEntryRow, SessionRecord, SessionRow
from edge.charge_log.verdicts import differs
from edge.imports import Energies, Summary
from edge.loops.importing import Importer
from tests.kit.session_book import Book

BERLIN = ZoneInfo("Europe/Berlin")
NOW = int(datetime(2026, 12, 1, tzinfo=BERLIN).timestamp())


class Silent:
    """No progress is shown, and nothing but charges is stored."""

    def begin(self, what: str, total: int) -> None: ...

    def advance(self, by: int) -> None: ...


def importer(book: Book, names: Mapping[str, str] | None = None, **knobs: Any) -> Importer:
    unused: Any = None
    return Importer(
        sessions=book,
        samples=unused,
        people=unused,
        scans=unused,
        names=names or {},
        zone=BERLIN,
        interval_s=60,
        now=NOW,
        is_dry_run=knobs.get("is_dry_run", False),
        progress=Silent(),
    )


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN)  # type: ignore[arg-type,misc]


def row(start: datetime, minutes: int, wh: int, charge_point: str = "1") -> str:
    end = start + timedelta(minutes=minutes)
    duration = f"{minutes // 60} H {minutes % 60} Min"
    times = ",".join(f"{moment:%d.%m.%y-%H:%M}" for moment in (start, end))
    return f"{times},70,{wh / 1000:.3f},4.80,{duration},{charge_point},0,0004A376A2,3"


def month(first: datetime, days: int, wh: int = 12_000, charge_point: str = "1") -> bytes:
    """A charge an evening, the newest on top."""
    rows = [row(first + timedelta(days=day), 150, wh, charge_point) for day in range(days)]
    return "\n".join([*reversed(rows), ""]).encode()


def recorded(start: datetime, minutes: int, wh: int | None, charge_point: str = "1") -> SessionRow:
    begin = int(start.timestamp())
    return SessionRow(charge_point=charge_point, started_at=begin, ended_at=begin + 60 * minutes, energy_wh=wh)


def book_of(*sessions: SessionRow, explained: bool = False) -> Book:
    """A store with these; `explained`: with the wallbox's own entry of each."""
    book = Book()
    ids = book.add([SessionRecord(session=session) for session in sessions])
    if explained:
        book.put(
            [
                LogEntryRow(
                    charge_point=session.charge_point,
                    started_at=session.started_at - session.started_at % 60,
                    ended_at=session.ended_at or 0,
                    energy_wh=session.energy_wh or 0,
                    read_at=NOW,
                    session_id=number,
                )
                for session, number in zip(sessions, ids, strict=True)
            ]
        )
    return book


def total_wh(book: Book) -> int:
    return sum(session.energy_wh or 0 for session in book.stored.values())


def sums(summary: Summary) -> Energies:
    assert summary.energies is not None
    return summary.energies


def test_an_old_box_mapped_to_a_charge_point_with_sessions_loses_nothing() -> None:
    """29 charges of 12 kWh; the three sessions of those weeks have 12 kWh each, of which one is explained."""
    there = [recorded(at(2026, 10, day, 7, 0), 150, 12_000, "3") for day in (5, 12, 28)]
    book = book_of(*there)
    book.put(list(book_of(there[0], explained=True).log.values()))
    (summary,) = importer(book, {"1": "3"}).csv_files({"old-box.csv": month(at(2026, 10, 1, 18, 10), 29)})
    assert (summary.read, summary.known, summary.bad) == (29, 0, 0)
    assert (summary.new, summary.doubtful) == (27, 2)
    assert total_wh(book) == 36_000 + 348_000
    assert sums(summary) == Energies(read_wh=348_000, new_wh=324_000, doubtful_wh=24_000)
    assert Counter(session.doubt for session in book.stored.values()) == {None: 30, Doubt.COUNTED: 2}
    assert len(summary.notes) == 2
    assert all(
        "kept as doubtful: 12.000 kWh that may be part of the session of 2026-10-" in n.reason for n in summary.notes
    )


def test_a_month_before_the_first_recorded_session_loses_nothing() -> None:
    """Its own entry explains that session, so no doubt is left."""
    book = book_of(recorded(at(2026, 11, 2, 18, 0), 150, 12_000), explained=True)
    (summary,) = importer(book).csv_files({"202610.csv": month(at(2026, 10, 1, 18, 10), 31)})
    assert (summary.new, summary.known, summary.doubtful) == (31, 0, 0)
    assert sums(summary) == Energies(read_wh=372_000, new_wh=372_000)
    assert total_wh(book) == 384_000


def test_what_the_edge_recorded_itself_is_named() -> None:
    """It agrees in time and energy; the cloudy day has two entries, in two files."""
    book = book_of(recorded(at(2026, 9, 30, 20, 0), 500, 10_020))
    files = {
        "202610.csv": row(at(2026, 10, 1, 1, 0), 60, 4_000).encode(),
        "202609.csv": row(at(2026, 9, 30, 20, 5), 120, 6_000).encode(),
    }
    first, second = importer(book).csv_files(files)
    assert (first.known, second.known) == (1, 1)
    assert [note.reason for note in first.notes] == [
        "already there: 4.000 kWh in the session of 2026-09-30 20:00 at charge point 1"
    ]
    assert total_wh(book) == 10_020
    assert {entry.session_id for entry in book.log.values()} == {1}


@pytest.mark.parametrize("wh", [None, 3_000, 30_000])
def test_what_overlaps_and_has_another_energy_is_doubtful(wh: int | None) -> None:
    """Perhaps it is the same charge and one meter is wrong; perhaps the old box stood beside."""
    book = book_of(recorded(at(2026, 10, 5, 18, 0), 200, wh))
    (summary,) = importer(book).csv_files({"a.csv": month(at(2026, 10, 5, 18, 10), 1)})
    assert (summary.doubtful, total_wh(book)) == (1, 12_000 + (wh or 0))
    assert summary.notes[0].reason.startswith(
        "kept as doubtful: 12.000 kWh that overlaps the session of 2026-10-05 18:00"
    )
    (again,) = importer(book).csv_files({"a.csv": month(at(2026, 10, 5, 18, 10), 1)})
    assert (again.known, again.notes, len(book.stored)) == (1, [], 2)


def test_a_session_that_still_runs_is_waited_for() -> None:
    book = book_of(replace(recorded(at(2026, 11, 29, 18, 0), 0, 12_500), ended_at=None))
    (summary,) = importer(book).csv_files({"a.csv": row(at(2026, 11, 29, 18, 10), 150, 12_000).encode()})
    assert (summary.later, sums(summary).later_wh, len(book.stored)) == (1, 12_000, 1)


def test_two_charge_points_that_are_one_today() -> None:
    """Both charges began in the same minute; neither takes the other's place, also when it is repeated."""
    file = "\n".join(
        [row(at(2026, 10, 5, 18, 10), 150, wh, point) for wh, point in ((12_000, "1"), (12_000, "2"), (9_000, "3"))]
    )
    book = Book()
    names = {"1": "7", "2": "7", "3": "7"}
    for new, known in ((3, 0), (0, 3)):
        (summary,) = importer(book, names).csv_files({"a.csv": file.encode()})
        assert (summary.new, summary.known, summary.doubtful) == (new, known, 0)
        assert total_wh(book) == 33_000


def test_two_charges_of_the_same_minutes_and_energy_are_two() -> None:
    """Only the way driven tells them apart; the first was imported before."""
    one = row(at(2026, 10, 5, 18, 10), 1, 40)
    book = Book()
    importer(book).csv_files({"a.csv": one.encode()})
    for new, known in ((1, 1), (0, 2)):
        (summary,) = importer(book).csv_files({"a.csv": f"{one}\n{one.replace(',70,', ',71,')}".encode()})
        assert (summary.new, summary.known, total_wh(book)) == (new, known, 80)


def test_a_charge_in_two_files_is_one() -> None:
    """A month, and the year with it; charges of the same time that differ are both kept, the second as doubtful."""
    october = month(at(2026, 10, 1, 18, 10), 3)
    year = october + row(at(2026, 10, 4, 18, 10), 150, 5_000).encode()
    book = Book()
    first, second = importer(book).csv_files({"202610.csv": october, "2026.csv": year})
    assert (first.new, second.new, second.known) == (3, 1, 3)
    assert [note.reason for note in second.notes] == ["already there: 12.000 kWh in an earlier file"] * 3
    other = row(at(2026, 10, 4, 19, 0), 150, 5_000).encode()
    _, third = importer(book).csv_files({"2026.csv": year, "other.csv": other})
    assert (third.doubtful, total_wh(book)) == (1, 46_000)


def test_a_file_without_a_good_line_stops_no_other() -> None:
    """Each of its lines is named."""
    bad = b"09.02.21-10:00,09.02.21-10:40,0,-21.30,-31.95,40 Min,1,2,0\n"
    good = b"09.03.21-10:00,09.03.21-10:40,10,2.30,3.45,40 Min,1,2,0\n"
    book = Book()
    first, second, third = importer(book).csv_files({"02.csv": bad, "03.csv": good, "readme.txt": b"# Hello\n\nbye\n"})
    assert [(line.number, line.reason) for line in first.listed] == [(1, "the energy cannot be")]
    assert (first.new, first.bad, second.new, third.bad) == (0, 1, 1, 2)
    assert total_wh(book) == 2_300


def test_a_corrected_session_of_the_tables_is_not_imported_again() -> None:
    """An admin gave it readings, so its energy is another one; the log's is gone."""
    session = replace(
        recorded(at(2026, 10, 5, 18, 10), 150, 9_000), origin="import", meter_start_wh=0, meter_end_wh=9_000
    )
    book = book_of(session)
    (summary,) = importer(book).csv_files({"a.csv": month(at(2026, 10, 5, 18, 10), 1)})
    assert (summary.known, len(book.stored)) == (1, 1)


@dataclass
class Day:
    """What may happen at a charge point within some days, in minutes of them."""

    files: list[list[tuple[int, int, int, str]]] = field(default_factory=list)  # start, length, Wh, charge point
    sessions: list[tuple[int, int, int | None, bool, bool]] = field(default_factory=list)  # … is explained, still runs


_FEW_WH = st.sampled_from([0, 40, 3_000, 11_900, 12_000, 12_000, 24_000])
_MINUTE = st.integers(0, 3 * 1440)
_LENGTH = st.sampled_from([0, 1, 30, 150, 150, 900])
_CHARGE = st.tuples(_MINUTE, _LENGTH, _FEW_WH, st.sampled_from(["1", "1", "2"]))
_SESSION = st.tuples(
    _MINUTE, _LENGTH, st.one_of(st.none(), _FEW_WH), st.booleans(), st.sampled_from([False] * 9 + [True])
)
_DAYS = st.builds(Day, st.lists(st.lists(_CHARGE, max_size=8), min_size=1, max_size=3), st.lists(_SESSION, max_size=5))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(_DAYS, st.sampled_from([{}, {"2": "1"}]))
def test_whatever_is_stored_the_sum_of_a_file_is_the_sum_of_what_became_of_it(days: Day, names: dict[str, str]) -> None:
    """What is new or doubtful is stored with all its energy, and only what a recorded session can hold is merged.

    The second time everything is there, and nothing changes.
    """
    begin = at(2026, 10, 23)  # across the night in which an hour comes twice
    book = Book()
    for start, length, wh, is_explained, runs in days.sessions:
        session = recorded(begin + timedelta(minutes=start), max(1, length), wh)
        single = book_of(session, explained=is_explained and wh is not None)
        number = book.add([SessionRecord(session=replace(session, ended_at=None) if runs else session)])[0]
        book.put([replace(entry, session_id=number) for entry in single.log.values()])
    before_wh, known = total_wh(book), dict(book.stored)
    explained: Counter[int] = Counter()
    for entry in book.log.values():
        explained[entry.session_id or 0] += entry.energy_wh
    files = {
        f"{number}.csv": "\n".join(
            dict.fromkeys(row(begin + timedelta(minutes=start), length, wh, point) for start, length, wh, point in rows)
        ).encode()
        for number, rows in enumerate(days.files)
    }
    found = importer(book, names).csv_files(files)
    written_wh = 0
    for summary in found:
        had = summary.energies or Energies()
        assert summary.read == summary.new + summary.known + summary.doubtful + summary.later + summary.bad
        assert had.read_wh == had.new_wh + had.known_wh + had.doubtful_wh + had.later_wh
        written_wh += had.new_wh + had.doubtful_wh
    assert total_wh(book) == before_wh + written_wh
    assert {key: book.stored[key] for key in known} == known
    merged: dict[int, list[int]] = {}
    for entry in book.log.values():
        merged.setdefault(entry.session_id or 0, []).append(entry.energy_wh)
    for session in known.values():
        energies = merged.get(session.id or 0, [])
        if sum(energies) > explained[session.id or 0]:
            assert session.energy_wh is not None
            assert not differs(session.energy_wh, energies)

    stored, log = dict(book.stored), dict(book.log)
    again = importer(book, names).csv_files(files)
    assert [(summary.new, summary.doubtful) for summary in again] == [(0, 0)] * len(files)
    assert (book.stored, book.log) == (stored, log)
