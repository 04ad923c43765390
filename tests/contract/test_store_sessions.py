"""Charge sessions and their corrections in the store, alike on SQLite and on a real MariaDB."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import FieldError
from common.store import sessions
from common.store.bind import Store, open_store
from common.store.errors import SessionUnknown, StoreError
from common.store.rows import SegmentRow, SessionFilter, SessionRecord, SessionRow

START = 1_800_000_000


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = open_store(str(request.getfixturevalue(f"{request.param}_url")))
    yield store
    store.close()


FULL = SessionRecord(
    session=SessionRow(
        charge_point="1",
        started_at=START,
        ended_at=START + 7200,
        charging_s=3600,
        first_charged_at=START + 60,
        last_charged_at=START + 3660,
        meter_start_wh=2_310_482,
        meter_end_wh=2_321_482,
        energy_wh=11_000,
        grid_wh=1_000,
        pv_wh=9_500,
        battery_wh=500,
        sources_method="metered",
        cost_millicents=123_456_789,
        cost_method="tariff",
        soc_start_percent=41,
        soc_end_percent=62,
        mode="pv",
        vehicle="Käfer 🚗",
        tag="0004A376A2",
        user_name="Jürgen",
    ),
    segments=(
        SegmentRow(started_at=START, ended_at=START + 60, is_charging=False, mode="pv"),
        SegmentRow(
            started_at=START + 60,
            ended_at=START + 7200,
            is_charging=True,
            mode="pv",
            meter_start_wh=2_310_482,
            meter_end_wh=2_321_482,
            grid_wh=1_000,
            pv_wh=9_500,
            battery_wh=500,
            cost_millicents=123_456_789,
        ),
    ),
)
RUNNING = SessionRecord(
    session=replace(FULL.session, ended_at=None, meter_end_wh=2_310_500, energy_wh=18, soc_end_percent=None),
    segments=(replace(FULL.segments[0], ended_at=None),),
)


def brief(started_at: int, charge_point: str = "1", **values: object) -> SessionRecord:
    """A session of which little is known."""
    row = SessionRow(charge_point=charge_point, started_at=started_at, ended_at=started_at + 10)
    return SessionRecord(session=replace(row, **values))  # type: ignore[arg-type]


def stored(store: Store, session_id: int) -> SessionRecord:
    """The session as it is, without the id that the store gave it."""
    record = sessions.get(store, session_id)
    assert record is not None
    assert record.session.id == session_id
    return replace(record, session=replace(record.session, id=None))


def starts(rows: list[SessionRow]) -> list[int]:
    return [row.started_at for row in rows]


class TestUpsert:
    def test_comes_back_as_it_went_in(self, store: Store) -> None:
        """Every value of the session and of its segments survives, with its type; so does each None."""
        first, second = sessions.upsert(store, [FULL, brief(START, "2")])
        assert stored(store, first) == FULL
        assert stored(store, second) == brief(START, "2")
        assert sessions.get(store, second + 1) is None

    def test_a_session_that_runs_is_replaced_as_a_whole(self, store: Store) -> None:
        """By its natural key, in one batch or in two; no segment of before stays, and the id does."""
        assert sessions.upsert(store, [RUNNING]) == sessions.upsert(store, [RUNNING, FULL, FULL])[:1]
        (row,) = sessions.page(store, SessionFilter(), limit=9)
        assert row.id is not None
        assert stored(store, row.id) == FULL

    def test_second_delivery_changes_nothing(self, store: Store) -> None:
        """Also of older records: a session that ended does not run again."""
        (session_id,) = sessions.upsert(store, [FULL])
        assert sessions.upsert(store, [RUNNING, FULL, RUNNING]) == [session_id] * 3
        assert stored(store, session_id) == FULL

    def test_a_batch_is_stored_whole_or_not_at_all(self, store: Store) -> None:
        """A record that the database refuses takes those before it along, segments and all."""
        nameless = brief(START, charge_point=None)  # type: ignore[arg-type]
        with pytest.raises(StoreError) as caught:
            sessions.upsert(store, [FULL, nameless])
        assert not caught.value.is_retryable
        assert sessions.page(store, SessionFilter(), limit=9) == []
        assert sessions.upsert(store, []) == []

    def test_who_charged_is_not_forgotten(self, store: Store) -> None:
        """A record that knows no tag, user or vehicle leaves them; another tag is another user's, or nobody's."""
        (session_id,) = sessions.upsert(store, [FULL])
        nobody = replace(FULL.session, tag=None, user_name=None, vehicle=None, charging_s=1)
        sessions.upsert(store, [replace(FULL, session=nobody)])
        assert stored(store, session_id).session == replace(FULL.session, charging_s=1)
        other = replace(FULL.session, tag="B", user_name=None)
        sessions.upsert(store, [replace(FULL, session=other)])
        assert stored(store, session_id).session == other

    def test_what_the_edge_recorded_is_not_replaced_by_an_import(self, store: Store) -> None:
        """The other way round it is."""
        imported = brief(START, energy_wh=5, origin="import")
        (session_id,) = sessions.upsert(store, [imported])
        assert sessions.upsert(store, [FULL]) == [session_id]
        assert sessions.upsert(store, [imported]) == [session_id]
        assert stored(store, session_id) == FULL

    def test_session_that_the_edge_forgot_is_ended(self, store: Store) -> None:
        """It lost its disk: when the next one begins, the old one ends where it was last known to charge."""
        other, imported = brief(START, "2", ended_at=None), brief(START + 1, ended_at=None, origin="import")
        (session_id, *others) = sessions.upsert(store, [RUNNING, other, imported])
        sessions.upsert(store, [brief(START + 9_000, ended_at=None)])
        forgotten = stored(store, session_id)
        assert forgotten.session == replace(RUNNING.session, ended_at=RUNNING.session.last_charged_at)
        assert forgotten.segments[-1].ended_at == RUNNING.session.last_charged_at
        assert [stored(store, number).session.ended_at for number in others] == [None, None]

    def test_two_who_write_at_once_make_one_session(self, store: Store) -> None:
        """The edge and an import may meet; both get the same id, and no segment comes twice."""

        def write(_number: int) -> list[int]:
            return sessions.upsert(store, [FULL, RUNNING, brief(START, "2")])

        sessions.page(store, SessionFilter(), limit=1)  # migrates
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(write, range(8)))
        assert len({tuple(ids) for ids in answers}) == 1
        assert stored(store, answers[0][0]) == FULL


class TestPages:
    def test_filters(self, store: Store) -> None:
        """Each narrows; the period is half open and counts where a session starts; names match exactly."""
        sessions.upsert(
            store,
            [
                brief(100, tag="A", user_name="anna", vehicle="Ioniq"),
                brief(200, tag="a", user_name="Anna", vehicle="Ioniq "),
                brief(200, "2", tag="A"),
                brief(300, "2", ended_at=None),
            ],
        )

        def found(**fields: object) -> list[tuple[int, str]]:
            wanted = SessionFilter(**fields)  # type: ignore[arg-type]
            return [(row.started_at, row.charge_point) for row in sessions.page(store, wanted, limit=9)]

        assert found() == [(300, "2"), (200, "2"), (200, "1"), (100, "1")]
        assert found(from_s=200, to_s=300) == [(200, "2"), (200, "1")]
        assert found(charge_point="2") == [(300, "2"), (200, "2")]
        assert found(tag="A") == [(200, "2"), (100, "1")]
        assert found(tag="A", charge_point="1") == [(100, "1")]
        assert found(user_name="anna") == found(vehicle="Ioniq") == [(100, "1")]
        assert found(with_running=False) == [(200, "2"), (200, "1"), (100, "1")]
        assert found(charge_points=("2", "9")) == [(300, "2"), (200, "2")]
        assert found(charge_points=("1", "2"), tag="A") == [(200, "2"), (100, "1")]
        assert found(charge_points=("2",), charge_point="1") == found(charge_points=()) == []
        assert found(charge_points=("' OR 1=1 -- $x %s ?",)) == []
        assert found(tag="' OR 1=1 -- $x %s ?") == []

    @settings(
        max_examples=15, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(rows_per_page=st.integers(1, 9), newest_first=st.booleans(), to_s=st.sampled_from([None, 5, 7]))
    def test_pages_put_together_are_all_sessions_once(
        self, store: Store, rows_per_page: int, newest_first: bool, to_s: int | None
    ) -> None:
        """In order and whatever the page's size, also where several sessions start at one instant."""
        sessions.upsert(store, [brief(at, name) for at in (7, 3, 5, 4, 6) for name in ("2", "1")])
        wanted = SessionFilter(to_s=to_s)
        whole = sessions.page(store, wanted, limit=99, newest_first=newest_first)
        assert starts(whole) == sorted(starts(whole), reverse=newest_first)
        assert len(whole) == 2 * len([at for at in (3, 4, 5, 6, 7) if to_s is None or at < to_s])
        parts = list(sessions.pages(store, wanted, newest_first=newest_first, rows_per_page=rows_per_page))
        assert [row for part in parts for row in part] == whole
        assert all(1 <= len(part) <= rows_per_page for part in parts)


class TestCorrections:
    def test_keep_the_original_and_who_changed_it(self, store: Store) -> None:
        """One entry for each field that changed, with both values as JSON; the session has the new ones."""
        (session_id,) = sessions.upsert(store, [FULL])
        answer = sessions.correct(
            store,
            session_id,
            {"user_name": 'Ömer "Ö"', "tag": None, "vehicle": FULL.session.vehicle},
            corrected_by="admin",
            corrected_at=START + 9,
            reason=" lent the car ",
        )
        assert answer == sessions.get(store, session_id)
        assert answer.session == replace(FULL.session, id=session_id, user_name='Ömer "Ö"', tag=None)
        entries = sessions.corrections(store, session_id)
        assert [(entry.field, entry.old_value, entry.new_value) for entry in entries] == [
            ("tag", '"0004A376A2"', "null"),
            ("user_name", '"Jürgen"', '"Ömer \\"Ö\\""'),
        ]
        assert {(entry.corrected_by, entry.corrected_at, entry.reason) for entry in entries} == {
            ("admin", START + 9, "lent the car")
        }
        assert sessions.corrections(store, session_id + 1) == []

    def test_corrected_field_is_never_overwritten(self, store: Store) -> None:
        """By no later record of the edge, while the session runs or when it ends; the other fields are."""
        (session_id,) = sessions.upsert(store, [RUNNING])
        sessions.correct(store, session_id, {"tag": None}, corrected_by="a", corrected_at=1, reason="not his")
        sessions.upsert(store, [RUNNING, FULL])
        assert stored(store, session_id) == replace(FULL, session=replace(FULL.session, tag=None))

    def test_a_reading_is_corrected_of_a_session_with_two_counts(self, store: Store) -> None:
        """Its energy is no difference of its readings: it changes by as much as the reading does."""
        begun = replace(FULL, session=replace(FULL.session, meter_end_wh=500, energy_wh=11_000))
        (session_id,) = sessions.upsert(store, [begun])
        sessions.correct(store, session_id, {"meter_end_wh": 300}, corrected_by="a", corrected_at=1, reason="read it")
        corrected = stored(store, session_id).session
        assert (corrected.meter_end_wh, corrected.energy_wh) == (300, 10_800)

    def test_meter_and_energy_stay_in_step(self, store: Store) -> None:
        """A new reading changes the energy; sources and cost are unknown then, and no later record brings them back."""
        (session_id,) = sessions.upsert(store, [FULL])
        sessions.correct(
            store, session_id, {"meter_end_wh": 2_320_482}, corrected_by="a", corrected_at=1, reason="read it"
        )
        sessions.upsert(store, [FULL])
        corrected = stored(store, session_id).session
        assert (corrected.energy_wh, corrected.meter_end_wh) == (10_000, 2_320_482)
        assert {corrected.grid_wh, corrected.pv_wh, corrected.battery_wh, corrected.cost_millicents} == {None}
        assert {corrected.sources_method, corrected.cost_method} == {None}
        assert {entry.field for entry in sessions.corrections(store, session_id)} >= {
            "energy_wh",
            "pv_wh",
            "cost_method",
        }

    def test_a_new_cost_says_that_it_was_corrected(self, store: Store) -> None:
        (session_id,) = sessions.upsert(store, [FULL])
        sessions.correct(store, session_id, {"cost_millicents": 5}, corrected_by="a", corrected_at=1, reason="bill")
        assert stored(store, session_id).session.cost_method == "corrected"

    def test_that_cannot_be_are_refused_with_all_faults(self, store: Store) -> None:
        """Nothing is changed then."""
        (ended, runs) = sessions.upsert(store, [FULL, brief(START, "2", ended_at=None)])

        def faults(session_id: int, changes: dict[str, str | int | None], reason: str = "x") -> set[str]:
            with pytest.raises(FieldError) as caught:
                sessions.correct(store, session_id, changes, corrected_by="a", corrected_at=1, reason=reason)
            return set(caught.value.faults)

        assert faults(ended, {"id": 1, "energy_wh": 2, "tag": "x" * 65, "vehicle": ""}, reason=" ") == {
            "id",
            "energy_wh",
            "tag",
            "vehicle",
            "reason",
        }
        assert faults(ended, {"meter_end_wh": 1}) == {"meter_end_wh"}
        assert faults(ended, {"meter_start_wh": 10**9}) == {"meter_start_wh"}
        assert faults(ended, {"meter_start_wh": 2, "meter_end_wh": 1}) == {"meter_end_wh"}
        assert faults(ended, {"meter_end_wh": "1", "cost_millicents": True, "meter_start_wh": None}) == {
            "meter_end_wh",
            "cost_millicents",
            "meter_start_wh",
        }
        assert faults(ended, {"tag": 7, "user_name": "a\nb"}) == {"tag", "user_name"}
        assert faults(runs, {"meter_end_wh": 1}) == {"meter_end_wh"}
        assert stored(store, ended) == FULL
        assert sessions.corrections(store, ended) == []

    def test_of_no_session(self, store: Store) -> None:
        with pytest.raises(SessionUnknown):
            sessions.correct(store, 1, {"tag": "A"}, corrected_by="a", corrected_at=1, reason="x")
