"""The wallbox's log in the store, alike on SQLite and MariaDB."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from common.store import samples, sessions, wallbox_log
from common.store.bind import Store, open_store
from common.store.rows import LogEntryRow, SampleRow, SessionRecord, SessionRow

ROW = LogEntryRow(
    charge_point="1",
    started_at=2_000_000_000,
    ended_at=2_000_003_600,
    energy_wh=9_000,
    mode="pv",
    vehicle="Jürgens Auto",
    tag="0004A376A2",
    read_at=2_000_010_000,
)
SESSION = SessionRow(charge_point="1", started_at=2_000_000_000, ended_at=2_000_003_600)


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = open_store(str(request.getfixturevalue(f"{request.param}_url")))
    yield store
    store.close()


def test_entries_come_back_as_they_went_in(store: Store) -> None:
    """In the order of their start; the period is half open."""
    other = replace(ROW, charge_point="2", started_at=ROW.started_at - 1, tag=None, session_id=4)
    wallbox_log.put(store, [ROW, other])
    assert wallbox_log.between(store, 0, 3_000_000_000) == [other, ROW]
    assert wallbox_log.between(store, ROW.started_at, ROW.started_at + 1) == [ROW]
    assert wallbox_log.between(store, 0, ROW.started_at - 1) == []


def test_what_is_read_again_replaces_but_for_its_session(store: Store) -> None:
    """A session that was found stays, until another one is."""
    wallbox_log.put(store, [replace(ROW, session_id=5)])
    wallbox_log.put(store, [replace(ROW, energy_wh=9_100, read_at=2_000_020_000)])
    expected = replace(ROW, energy_wh=9_100, read_at=2_000_020_000, session_id=5)
    assert wallbox_log.between(store, 0, 3_000_000_000) == [expected]
    wallbox_log.put(store, [replace(ROW, session_id=6)])
    assert wallbox_log.between(store, 0, 3_000_000_000)[0].session_id == 6


def test_nothing_to_store_needs_no_database() -> None:
    wallbox_log.put(open_store("mysql://nobody@127.0.0.1:1/none"), [])


def session(store: Store, session_id: int) -> SessionRow:
    record = sessions.get(store, session_id)
    assert record is not None
    return record.session


def test_what_is_unknown_is_filled_in(store: Store) -> None:
    """Only that; a second time changes nothing."""
    (number,) = sessions.upsert(store, [SessionRecord(session=replace(SESSION, tag="B2"))])
    assert wallbox_log.fill_in(store, number, vehicle="Zoe", tag="A1", user_name="anna")
    found = session(store, number)
    assert (found.vehicle, found.tag, found.user_name) == ("Zoe", "B2", "anna")
    assert not wallbox_log.fill_in(store, number, vehicle="Ioniq")
    assert session(store, number).vehicle == "Zoe"


def test_nothing_is_filled_into_a_session_that_runs(store: Store) -> None:
    """The edge still writes it."""
    (number,) = sessions.upsert(store, [SessionRecord(session=replace(SESSION, ended_at=None))])
    assert not wallbox_log.fill_in(store, number, tag="A1")


def test_what_an_admin_made_unknown_stays_so(store: Store) -> None:
    (number,) = sessions.upsert(store, [SessionRecord(session=replace(SESSION, tag="A1"))])
    sessions.correct(store, number, {"tag": None}, corrected_by="admin", corrected_at=2_000_020_000, reason="a guest")
    assert not wallbox_log.fill_in(store, number, tag="A1")
    assert session(store, number).tag is None


def test_the_ticks_that_are_stored(store: Store) -> None:
    """from ≤ tick < to."""
    samples.insert(store, [SampleRow(sampled_at=60 * n, home_power_w=n) for n in range(1, 6)])
    assert samples.ticks(store, 120, 300) == {120, 180, 240}
    assert samples.ticks(store, 301, 400) == set()


def test_what_the_car_gave_back_grows_with_the_log(store: Store) -> None:
    """It is never made less, and a later record of the edge, which does not know it, leaves it."""
    (number,) = sessions.upsert(store, [SessionRecord(session=SESSION)])
    for wh, is_news, kept in ((1_200, True, 1_200), (1_200, False, 1_200), (900, False, 1_200), (2_000, True, 2_000)):
        assert wallbox_log.fill_in(store, number, discharged_wh=wh) is is_news
        found = sessions.get(store, number)
        assert found is not None
        assert found.session.discharged_wh == kept
    sessions.upsert(store, [SessionRecord(session=SESSION)])
    found = sessions.get(store, number)
    assert found is not None
    assert found.session.discharged_wh == 2_000
