"""Charge sessions by the api on a real store: pages, filters, who sees what, corrections."""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.handlers import logins
from common.security import totp
from common.store import sessions, users
from common.store.bind import Store, open_store
from common.store.rows import SegmentRow, SessionFilter, SessionRecord, SessionRow
from tests.kit.api_client import RunningApi, problem, running_api
from tests.kit.session_rows import charged, local_s, stored

COUNT = 60
FIRST_S = local_s(2026, 10, 1, 7)


@pytest.fixture(scope="module")
def mariadb_of_module(mariadb_server: Any) -> str:
    url: str = mariadb_server.new_database()
    return url


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def many(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningApi, list[SessionRow]]]:
    """An api on either database with sixty sessions, which these tests only read."""
    folder: Path = tmp_path_factory.mktemp("sessions")
    url = f"sqlite://{folder / 'store.sqlite'}"
    if request.param == "mariadb":
        url = str(request.getfixturevalue("mariadb_of_module"))
    store = open_store(url)
    stored(store, charged(COUNT, FIRST_S))
    # Two at one instant: only the id tells them apart.
    stored(
        store, [SessionRow(charge_point=name, started_at=FIRST_S, ended_at=FIRST_S + 60) for name in ("a", "b", "c")]
    )
    rows = sessions.page(store, SessionFilter(), limit=1000)
    store.close()
    with running_api(folder, "redis://127.0.0.1:1/0", url) as api:
        yield api, rows


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningApi, Store]]:
    """One api for all other tests: starting it takes longer than most of them. Sessions need no Redis."""
    folder = tmp_path_factory.mktemp("api")
    url = f"sqlite://{folder / 'store.sqlite'}"
    store = open_store(url)
    with running_api(folder, "redis://127.0.0.1:1/0", url) as api:
        yield api, store
    store.close()


@pytest.fixture
def store(shared: tuple[RunningApi, Store]) -> Store:
    """Without any session."""
    for table in ("charge_session", "charge_segment", "session_correction"):
        shared[1].run(lambda db, table=table: db.execute(f"DELETE FROM {table}"))  # type: ignore[misc]
    return shared[1]


@pytest.fixture
def api(shared: tuple[RunningApi, Store]) -> RunningApi:
    return shared[0]


def all_pages(api: RunningApi, parameters: dict[str, Any], name: str = "admin") -> list[dict[str, Any]]:
    """The items of all pages, in order."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(COUNT + 5):
        answer = api.get("/api/v1/sessions", name, params={**parameters, **cursor})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json()["next_cursor"]}
    raise AssertionError("the pages do not end")


DAYS = st.none() | st.integers(0, COUNT).map(lambda day: f"2026-{10 + day // 31}-{day % 30 + 1:02d}")


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    first=DAYS,
    last=DAYS,
    charge_point=st.sampled_from([None, "1", "2", "a", "none"]),
    user=st.sampled_from([None, "anna", "driver", "ANNA"]),
    tag=st.sampled_from([None, "0004A376A2", "0004a376a2"]),
    vehicle=st.sampled_from([None, "Käfer", "Kafer", "Škoda Enyaq"]),
    limit=st.sampled_from([1, 2, 7, 50, 500]),
)
def test_pages_of_any_filter_hold_each_session_once(
    many: tuple[RunningApi, list[SessionRow]],
    first: str | None,
    last: str | None,
    charge_point: str | None,
    user: str | None,
    tag: str | None,
    vehicle: str | None,
    limit: int,
) -> None:
    """Newest first, whatever the size of a page, on both databases, with names as they are written."""
    api, rows = many
    asked = {"from": first, "to": last, "charge_point": charge_point, "user": user, "tag": tag, "vehicle": vehicle}
    parameters = {name: value for name, value in asked.items() if value is not None}
    if first is not None and last is not None and first > last:
        assert problem(api.get("/api/v1/sessions", "admin", params=parameters))["errors"][0]["field"] == "from"
        return
    from_s = local_s(*map(int, first.split("-"))) if first else 0
    to_s = local_s(*map(int, last.split("-"))) if last else 2**40
    wanted = [
        row.id
        for row in sorted(rows, key=lambda row: (row.started_at, row.id), reverse=True)
        if from_s <= row.started_at < to_s
        and charge_point in (None, row.charge_point)
        and user in (None, row.user_name)
        and tag in (None, row.tag)
        and vehicle in (None, row.vehicle)
    ]
    few = limit if len(wanted) <= 10 else max(limit, 7)  # not sixty requests
    assert [item["id"] for item in all_pages(api, {**parameters, "limit": few})] == wanted


def test_a_session_belongs_to_the_month_of_its_start(api: RunningApi, store: Store) -> None:
    """By the site's clock: half past midnight on 1 November is October in UTC, and November here."""
    at = local_s(2026, 11, 1, 0, 30)
    stored(store, [SessionRow(charge_point="1", started_at=at, ended_at=at + 60)])
    assert len(all_pages(api, {"from": "2026-11-01", "to": "2026-12-01"})) == 1
    assert all_pages(api, {"from": "2026-10-01", "to": "2026-11-01"}) == []
    assert len(all_pages(api, {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"})) == 1


def test_a_filter_finds_what_the_site_no_longer_has(api: RunningApi, store: Store) -> None:
    """A charge point and a user of the past; so a name that no session has is none that could be refused."""
    stored(store, [SessionRow(charge_point="7", started_at=FIRST_S, ended_at=FIRST_S + 60, user_name="gone")])
    assert len(all_pages(api, {"charge_point": "7", "user": "gone"})) == 1
    assert all_pages(api, {"user": "nobody"}) == []


WRONG = {
    "from=yesterday": "from",
    "to=2026-13-01": "to",
    "from=2026-11-02&to=2026-11-01": "from",
    "limit=0": "limit",
    "limit=501": "limit",
    "cursor=x": "cursor",
    "user=": "user",
    "tag=a%00b": "tag",
    "charge_point=1&charge_point=2": "charge_point",
    "month=11": "month",
    "ticket=x": "ticket",
}


def test_a_wrong_question_is_named(api: RunningApi) -> None:
    """400 with the parameter's name, unknown ones too."""
    for query, field in WRONG.items():
        body = problem(api.get(f"/api/v1/sessions?{query}", "admin"))
        assert (body["status"], body["code"]) == (400, "invalid_input"), query
        assert [error["field"] for error in body["errors"]] == [field]


def test_a_driver_sees_their_own_and_learns_of_no_other(api: RunningApi, store: Store) -> None:
    """A session of somebody else is as absent as one that never was; so is its file."""
    rows = list(charged(12))
    ids = stored(store, rows)
    own = {number for number, row in zip(ids, rows, strict=True) if row.user_name == "driver"}
    assert {item["id"] for item in all_pages(api, {}, "driver")} == own
    other = min(set(ids) - own)
    answers = [api.get(f"/api/v1/sessions/{number}", "driver") for number in (other, 999, "x", "0")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert api.get(f"/api/v1/sessions/{min(own)}", "driver").json()["user"] == "driver"
    assert problem(api.get("/api/v1/sessions?user=anna", "driver"))["code"] == "not_allowed"
    text = api.get("/api/v1/sessions.csv?separator=comma", "driver").text
    assert {int(line.partition(",")[0]) for line in text.splitlines()[1:]} == own
    assert "anna" not in text


def test_a_viewer_sees_all_but_not_who(api: RunningApi, store: Store) -> None:
    """In the list, in one, and in the files."""
    ids = stored(store, charged(12))
    items = all_pages(api, {}, "viewer")
    assert len(items) == 12
    assert {(item["user"], item["tag"]) for item in items} == {(None, None)}
    assert api.get(f"/api/v1/sessions/{ids[0]}").json()["user"] is None
    assert "anna" not in api.get("/api/v1/sessions.csv").text
    for query in ("user=anna", "tag=0004A376A2"):
        for path in ("sessions", "sessions.csv", "sessions.pdf", "sessions.xlsx"):
            assert problem(api.get(f"/api/v1/{path}?{query}"))["code"] == "not_allowed"


@pytest.mark.parametrize("name", ["driver", "viewer"])
def test_sessions_elsewhere_do_not_exist_for_a_limited_user(
    api: RunningApi, store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in lists, files and sums, nor by id or a filter; own sessions at their charge points are all there."""
    rows = list(charged(24))
    ids = stored(store, rows)
    visible = {
        number
        for number, row in zip(ids, rows, strict=True)
        if row.charge_point == "2" and (name == "viewer" or row.user_name == "driver")
    }
    monkeypatch.setattr(logins, "KNOWN_FOR_S", 0)
    users.change(store, name, charge_points=["2", "9"])
    try:
        assert {item["id"] for item in all_pages(api, {}, name)} == visible
        assert all_pages(api, {"charge_point": "1"}, name) == []
        elsewhere = {number for number, row in zip(ids, rows, strict=True) if row.charge_point == "1"}
        answers = [api.get(f"/api/v1/sessions/{number}", name) for number in (min(elsewhere), max(elsewhere), 99_999)]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.text for answer in answers}) == 1
        assert api.get(f"/api/v1/sessions/{min(visible)}", name).json()["charge_point"] == "2"
        text = api.get("/api/v1/sessions.csv?separator=comma", name).text
        assert {int(line.partition(",")[0]) for line in text.splitlines()[1:]} == visible
        with zipfile.ZipFile(io.BytesIO(api.get("/api/v1/sessions.xlsx", name).content)) as book:
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert {int(number) for number in re.findall(r'<c r="A[0-9]+"[^>]*><v>([0-9]+)</v>', sheet)} == visible
        assert api.get("/api/v1/sessions.pdf", name).content.startswith(b"%PDF")
        sums = api.get("/api/v1/statistics/sessions?by=year&group=charge_point&from=2026-06-01T00:00:00Z", name)
        if name == "driver":
            assert [item["charge_point"] for item in sums.json()["items"]] == ["2"]
            assert sums.json()["total"]["sessions"] == len(visible)
        else:
            assert problem(sums)["code"] == "not_allowed"
    finally:
        users.change(store, name, charge_points=None)
        api.get("/api/v1/sessions", name)  # the api knows it now, for the tests that follow


def test_nothing_new_is_304(api: RunningApi, store: Store) -> None:
    """Until a session changes; another reader has another tag."""
    ids = stored(store, charged(2))
    for path in ("/api/v1/sessions", f"/api/v1/sessions/{ids[0]}"):
        tag = api.get(path, "admin").headers["etag"]
        assert api.get(path, "admin", headers={"if-none-match": tag}).status_code == 304
        assert api.get(path, "viewer", headers={"if-none-match": tag}).status_code == 200
        sessions.correct(store, ids[0], {"vehicle": path[-9:]}, corrected_by="admin", corrected_at=1, reason="x")
        assert api.get(path, "admin", headers={"if-none-match": tag}).status_code == 200


def test_one_session_has_its_segments(api: RunningApi, store: Store) -> None:
    """In order, with the readings in between."""
    at = local_s(2026, 11, 1)
    segments = tuple(
        SegmentRow(
            started_at=at + 60 * number, ended_at=at + 60 * number + 60, is_charging=bool(number % 2), mode="pv",
            meter_start_wh=number, meter_end_wh=number + 1, cost_millicents=5,
        )
        for number in range(3)
    )  # fmt: skip
    row = SessionRow(charge_point="1", started_at=at, ended_at=at + 180, meter_start_wh=0, meter_end_wh=3, energy_wh=3)
    (number,) = sessions.upsert(store, [SessionRecord(session=row, segments=segments)])
    found = api.get(f"/api/v1/sessions/{number}", "admin").json()
    assert [(part["is_charging"], part["meter_end_wh"]) for part in found["segments"]] == [
        (False, 1),
        (True, 2),
        (False, 3),
    ]
    assert (found["plugged_s"], found["energy_wh"], found["corrections"]) == (180, 3, [])


class TestCorrections:
    @pytest.fixture
    def elevated(self, api: RunningApi, store: Store) -> Iterator[RunningApi]:
        """The admin has just entered a code."""
        secret = totp.new_secret()
        users.set_totp_secret(store, "admin", secret)
        code = {"code": pyotp.TOTP(secret).now()}
        assert api.lan.post("/api/v1/auth/elevate", json=code, headers=api.login("admin")).status_code == 200
        yield api
        users.set_disabled(store, "admin", False)
        del api.tokens["admin"]

    def patch(self, api: RunningApi, number: int | str, body: dict[str, Any], name: str = "admin") -> Any:
        return api.lan.patch(f"/api/v1/sessions/{number}", json=body, headers=api.login(name))

    def test_need_an_admin_with_a_fresh_code(self, api: RunningApi, store: Store) -> None:
        """Each missing one is named, and nothing was changed."""
        (number,) = stored(store, charged(1))
        for name, code in (("viewer", "not_allowed"), ("driver", "not_allowed"), ("admin", "totp_required")):
            assert problem(self.patch(api, number, {"reason": "x", "user": "driver"}, name))["code"] == code
        assert not api.get(f"/api/v1/sessions/{number}", "admin").json()["is_corrected"]

    def test_keep_what_stood_there_and_who_changed_it(self, elevated: RunningApi, store: Store) -> None:
        """The list shows the new value, the session both; a name is written as its user writes it."""
        (number,) = stored(store, charged(1))
        before = elevated.get(f"/api/v1/sessions/{number}", "admin").json()
        answer = self.patch(elevated, number, {"reason": "Karte verwechselt", "user": "VIEWER", "vehicle": None})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["user"], found["vehicle"], found["is_corrected"]) == ("viewer", None, True)
        assert found["energy_wh"] == before["energy_wh"]
        told = {change["field"]: (change["old_value"], change["new_value"]) for change in found["corrections"]}
        assert told == {"user": (before["user"], "viewer"), "vehicle": (before["vehicle"], None)}
        assert {change["corrected_by"] for change in found["corrections"]} == {"admin"}
        assert {change["reason"] for change in found["corrections"]} == {"Karte verwechselt"}
        (item,) = all_pages(elevated, {})
        assert (item["user"], item["is_corrected"]) == ("viewer", True)

    def test_meters_and_energy_always_add_up(self, elevated: RunningApi, store: Store) -> None:
        """The energy follows the reading; what nobody measured for it is unknown, unless a cost comes along."""
        (number,) = stored(store, charged(1))
        before = elevated.get(f"/api/v1/sessions/{number}", "admin").json()
        end_wh = before["meter_start_wh"] + 12_345
        body = {"reason": "abgelesen", "meter_end_wh": end_wh, "cost": {"amount": "3.7035"}}
        found = self.patch(elevated, number, body).json()
        assert (found["energy_wh"], found["sources"]) == (12_345, None)
        assert found["cost"] == {"amount": "3.70350", "currency": "EUR", "method": "corrected"}
        assert found["energy_wh"] == found["meter_end_wh"] - found["meter_start_wh"]
        told = {change["field"]: change["new_value"] for change in found["corrections"]}
        assert (told["energy_wh"], told["cost"]) == (12_345, "3.70350")

    def test_may_make_a_cost_negative(self, elevated: RunningApi, store: Store) -> None:
        """A dynamic tariff's price can be below 0."""
        (number,) = stored(store, charged(1))
        found = self.patch(elevated, number, {"reason": "bill", "cost": {"amount": "-0.05"}}).json()
        assert found["cost"] == {"amount": "-0.05000", "currency": "EUR", "method": "corrected"}

    def test_settle_a_doubt(self, elevated: RunningApi, store: Store) -> None:
        """It is told until an admin says that it is a charge of its own; nobody may raise one."""
        (number,) = stored(store, [replace(next(charged(1)), origin="import", doubt="overlaps")])
        assert elevated.get(f"/api/v1/sessions/{number}", "admin").json()["doubt"] == "overlaps"
        faulty = problem(self.patch(elevated, number, {"reason": "x", "doubt": "counted"}))
        assert [error["field"] for error in faulty["errors"]] == ["doubt"]
        found = self.patch(elevated, number, {"reason": "two boxes then", "doubt": None}).json()
        assert found["doubt"] is None
        assert [(part["field"], part["old_value"]) for part in found["corrections"]] == [("doubt", "overlaps")]

    def test_that_cannot_be_are_named(self, elevated: RunningApi, store: Store) -> None:
        """By the API's names, and nothing is changed."""
        (number,) = stored(store, charged(1))
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"reason": "x", "user": "nobody"}, "user"),
            ({"reason": "x", "meter_end_wh": 1}, "meter_end_wh"),
            ({"reason": "x", "meter_start_wh": 10**9}, "meter_start_wh"),
            ({"reason": "x", "mode": "pv"}, "mode"),
            ({"reason": "   ", "vehicle": "V"}, "reason"),
            ({"reason": "x", "vehicle": "a\nb"}, "vehicle"),
            ({"reason": "x", "cost": {"amount": "ten"}}, "cost.amount"),
            ({"reason": "x", "vehicle": next(charged(1)).vehicle}, "vehicle"),  # stands there already
        ]
        for body, field in wrong:
            found = problem(self.patch(elevated, number, body))
            assert [error["field"] for error in found["errors"]] == [field]
        assert not elevated.get(f"/api/v1/sessions/{number}", "admin").json()["is_corrected"]

    def test_of_a_running_session_leave_its_meter_alone(self, elevated: RunningApi, store: Store) -> None:
        """It still moves; who charges may be corrected."""
        (number,) = stored(store, [SessionRow(charge_point="1", started_at=5, ended_at=None, meter_start_wh=1)])
        found = problem(self.patch(elevated, number, {"reason": "x", "cost": {"amount": "1"}, "meter_end_wh": 5}))
        assert {error["field"] for error in found["errors"]} == {"cost", "meter_end_wh"}
        assert self.patch(elevated, number, {"reason": "x", "user": "driver"}).json()["user"] == "driver"

    def test_of_nothing_are_not_found(self, elevated: RunningApi) -> None:
        assert problem(self.patch(elevated, 999, {"reason": "x", "user": "driver"}))["code"] == "not_found"

    def test_by_somebody_who_was_disabled_are_refused(self, elevated: RunningApi, store: Store) -> None:
        """Even with a token and an elevation that still last."""
        (number,) = stored(store, charged(1))
        users.add(store, name="another", password_hash="-", role="admin", created_at=0)  # or the last one stays
        users.set_disabled(store, "admin", True)
        assert problem(self.patch(elevated, number, {"reason": "x", "tag": None}))["code"] == "login_required"
