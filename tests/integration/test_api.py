"""The api on real Redis and a real store, asked over its two real listeners."""

import csv
import io
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pyotp
import pytest

from api import access
from common.security import totp
from common.security.device_keys import decode_public_key
from common.security.tokens import ACCESS, TokenCheck
from common.store import rollups, samples, sessions, users
from common.store.bind import Store, open_store
from common.store.rows import ChargePointSampleRow, SampleRow, SessionRecord, SessionRow
from edge.rollups import Reckoner
from tests.kit.api_client import PASSWORD, RunningApi, problem, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.states import SITE


@pytest.fixture
def edge(redis_url: str) -> Iterator[EdgeDouble]:
    """An edge that has told one state and is alive."""
    edge = EdgeDouble(redis_url)
    edge.tell(SITE)
    edge.beat()
    yield edge
    edge.close()


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def api(tmp_path: Path, redis_url: str, sqlite_url: str, store: Store) -> Iterator[RunningApi]:
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        yield api


# Who may do what


@pytest.mark.parametrize(("method", "path"), [key for key, rule in access.RULES.items() if rule.roles is not None])
def test_nothing_answers_without_a_login(api: RunningApi, method: str, path: str) -> None:
    """Every route of the table that asks for a role, on both listeners, also for HEAD and a bad token."""
    path = path.replace("{id}", "1")
    for client in (api.lan, api.relay):
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Basic YTpi"}):
            answer = client.request(method, path, headers=headers)
            assert answer.status_code in (401, 403)
            assert problem(answer)["code"] in ("login_required", "invalid_token", "not_from_here")
        if method == "GET":
            assert client.head(path).status_code in (401, 403, 405)


def test_the_raw_mirror_needs_lan_admin_and_elevation(api: RunningApi, edge: EdgeDouble, store: Store) -> None:
    """Each missing one is named; with all of them the topics are there."""
    edge.mirror({"openWB/evu/W": "-3120"})
    path = "/api/v1/admin/topics"
    assert problem(api.relay.get(path, headers=api.login("admin")))["code"] == "not_from_here"
    assert problem(api.get(path, "driver"))["code"] == "not_allowed"
    assert problem(api.get(path, "admin"))["code"] == "totp_required"
    secret = totp.new_secret()
    users.set_totp_secret(store, "admin", secret)
    assert problem(api.get(path, "admin"))["code"] == "elevation_required"
    elevated = api.lan.post("/api/v1/auth/elevate", json={"code": pyotp.TOTP(secret).now()}, headers=api.login("admin"))
    assert elevated.status_code == 200
    assert elevated.json()["elevated_until"].endswith("Z")
    assert api.get(path, "admin").json() == {"topics": {"openWB/evu/W": "-3120"}}
    assert api.get("/api/v1/me", "admin").json()["elevated_until"] == elevated.json()["elevated_until"]


def test_elevation_belongs_to_one_login(api: RunningApi, store: Store) -> None:
    """Another login of the same admin is not elevated."""
    secret = totp.new_secret()
    users.set_totp_secret(store, "admin", secret)
    code = {"code": pyotp.TOTP(secret).now()}
    assert api.lan.post("/api/v1/auth/elevate", json=code, headers=api.login("admin")).status_code == 200
    api.tokens.clear()
    assert problem(api.get("/api/v1/admin/topics", "admin"))["code"] == "elevation_required"


def test_a_code_counts_once(api: RunningApi, store: Store) -> None:
    """The second time it is as wrong as a wrong one, and five of those end the login."""
    secret = totp.new_secret()
    users.set_totp_secret(store, "admin", secret)
    code = {"code": pyotp.TOTP(secret).now()}
    headers = api.login("admin")
    assert api.lan.post("/api/v1/auth/elevate", json=code, headers=headers).status_code == 200
    for left in (4, 3, 2, 1, 0):
        refused = problem(api.lan.post("/api/v1/auth/elevate", json=code, headers=headers))
        assert (refused["code"], refused["tries_left"]) == ("wrong_code", left)
    assert problem(api.lan.get("/api/v1/me", headers=headers))["code"] == "login_required"


def test_without_an_authenticator_app_there_is_no_elevation(api: RunningApi) -> None:
    """A problem of its own, so that an app can offer to set one up."""
    answer = api.lan.post("/api/v1/auth/elevate", json={"code": "123456"}, headers=api.login("admin"))
    assert problem(answer)["code"] == "totp_not_set_up"


# Logging in


def test_a_login_gives_a_token_and_says_who_one_is(api: RunningApi) -> None:
    """The design's shape; upper and lower case of a name do not matter."""
    answer = api.lan.post(
        "/api/v1/auth/login", json={"username": "Driver", "password": PASSWORD, "device_name": "Anna's phone"}
    )
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["user"] == {"name": "driver", "role": "driver"}
    assert body["expires_in_s"] == 900
    me = api.lan.get("/api/v1/me", headers={"authorization": f"Bearer {body['access_token']}"})
    assert {key: me.json()[key] for key in ("name", "role", "has_totp", "elevated_until")} == {
        "name": "driver",
        "role": "driver",
        "has_totp": False,
        "elevated_until": None,
    }


def test_wrong_password_unknown_and_disabled_user_get_the_same_answer(api: RunningApi, store: Store) -> None:
    """Nobody learns who exists."""
    users.set_disabled(store, "driver", True)
    tries = [("viewer", "wrong password"), ("nobody", PASSWORD), ("driver", PASSWORD)]
    answers = [
        api.lan.post("/api/v1/auth/login", json={"username": name, "password": password}) for name, password in tries
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["code"] == "login_failed"


def test_a_disabled_user_may_no_longer_do_what_touches_the_account(api: RunningApi, store: Store) -> None:
    """Even with a token that is still valid."""
    headers = api.login("driver")
    users.set_disabled(store, "driver", True)
    assert problem(api.lan.get("/api/v1/me", headers=headers))["code"] == "login_required"
    assert problem(api.lan.post("/api/v1/auth/ticket", headers=headers))["code"] == "login_required"


def test_guessing_is_slowed_down_where_it_comes_from_only(api: RunningApi) -> None:
    """Five wrong ones, then 429 with Retry-After; the same account from another address logs in."""

    def attempt(address: str, password: str) -> httpx.Response:
        return api.relay.post(
            "/api/v1/auth/login",
            json={"username": "viewer", "password": password},
            headers={"x-wallport-client-address": address},
        )

    assert [attempt("203.0.113.7", "wrong password").status_code for _ in range(6)] == [401] * 5 + [429]
    refused = attempt("203.0.113.7", PASSWORD)
    assert problem(refused)["code"] == "too_many_attempts"
    assert int(refused.headers["retry-after"]) >= 1
    assert attempt("203.0.113.8", PASSWORD).status_code == 200


def test_tokens_survive_a_restart(tmp_path: Path, redis_url: str, sqlite_url: str, edge: EdgeDouble) -> None:
    """The key is in the data folder."""
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        headers = api.login("viewer")
    with running_api(tmp_path, redis_url, sqlite_url) as api:
        assert api.lan.get("/api/v1/state", headers=headers).status_code == 200


# The present


def test_state_has_the_shape_that_others_rely_on(api: RunningApi, edge: EdgeDouble) -> None:
    """Names, units and signs of the design, on both listeners; ages for every value."""
    for client in (api.lan, api.relay):
        answer = client.get("/api/v1/state", headers=api.login("viewer"))
        assert answer.status_code == 200
        state = answer.json()
        assert state["seq"] == 100_000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", state["updated_at"])
        assert state["is_stale"] is False
        site = {"name": "home", "openwb_generation": "1.9", "openwb_version": "1.9.304", "is_secondary": False}
        assert state["site"] == site
        assert state["grid"]["power_w"] == -3120
        assert state["battery"]["soc_percent"] == 64
        assert state["tariff"] is None
        point = state["charge_points"]["1"]
        assert (point["mode"], point["name"], point["vehicle"]) == ("pv", "Carport", None)
        assert point["limit"] == {"type": "energy", "energy_wh": 10000}
        assert 0 <= state["ages_s"]["grid.power_w"] < 60


def test_a_site_without_a_battery_has_none(api: RunningApi, edge: EdgeDouble) -> None:
    """Null, not zero and not missing."""
    edge.tell(replace(SITE, battery=None))
    state = api.get("/api/v1/state").json()
    assert state["battery"] is None
    assert "battery" not in api.get("/api/v1/site").json()["parts"]


def test_fields_select(api: RunningApi, edge: EdgeDouble) -> None:
    """Prefixes at whole names; what is not selected is not there, the head always is."""
    state = api.get("/api/v1/state?fields=grid.power_w,charge_points.1.mode").json()
    assert state["grid"] == {"power_w": -3120}
    assert state["charge_points"] == {"1": {"mode": "pv"}}
    assert set(state["ages_s"]) == {"grid.power_w", "charge_points.1.mode"}
    assert set(state) == {"seq", "updated_at", "is_stale", "site", "ages_s", "grid", "charge_points"}


@pytest.mark.parametrize(
    "query", ["fields=grid.bogus", "fields=", "fields=grid,", "bogus=1", "fields=pv&fields=pv", "fields=%ff"]
)
def test_a_wrong_selection_is_named(api: RunningApi, edge: EdgeDouble, query: str) -> None:
    """Unknown, empty, repeated, no UTF-8: 400 with the parameter's name."""
    errors = problem(api.get(f"/api/v1/state?{query}"))["errors"]
    assert errors[0]["field"] in ("fields", "bogus")


def test_nothing_new_is_304_until_something_changes(api: RunningApi, edge: EdgeDouble) -> None:
    """By ETag; a change, another selection, and an edge that falls silent each make a new one."""
    tag = api.get("/api/v1/state").headers["etag"]
    same = api.get("/api/v1/state", headers={"if-none-match": f'"x", {tag}'})
    assert (same.status_code, same.content) == (304, b"")
    assert api.get("/api/v1/state?fields=pv", headers={"if-none-match": tag}).status_code == 200
    edge.tell(replace(SITE, pv=None))
    assert api.get("/api/v1/state", headers={"if-none-match": tag}).status_code == 200
    tag = api.get("/api/v1/state").headers["etag"]
    edge.fall_silent()
    changed = api.get("/api/v1/state", headers={"if-none-match": tag})
    assert changed.json()["is_stale"] is True


def test_site_and_charge_points(api: RunningApi, edge: EdgeDouble) -> None:
    """Listed and single, with how fresh they are; an unknown one is 404."""
    site = api.get("/api/v1/site").json()
    assert (site["name"], site["charge_points"]) == ("home", ["1"])
    assert (site["time_zone"], site["currency"], site["version"]) == (
        "Europe/Berlin",
        "EUR",
        metadata.version("wallport"),
    )
    assert site["parts"] == ["grid", "pv", "battery", "home"]
    points = api.get("/api/v1/chargepoints").json()
    assert [item["id"] for item in points["items"]] == ["1"]
    point = api.get("/api/v1/chargepoints/1").json()
    assert (point["id"], point["power_w"], point["seq"]) == ("1", 11040, 100_000)
    assert problem(api.get("/api/v1/chargepoints/2"))["code"] == "not_found"


def test_before_the_edge_wrote_anything_the_state_is_unknown(api: RunningApi) -> None:
    """503, not an empty state."""
    assert problem(api.get("/api/v1/state"))["code"] == "state_unknown"


# The past


def _record(store: Store, first_s: int, powers: list[int | None], step_s: int = 60) -> None:
    rows = [
        SampleRow(
            sampled_at=first_s + index * step_s,
            grid_power_w=power,
            charge_points=(ChargePointSampleRow(charge_point="1", power_w=power),),
        )
        for index, power in enumerate(powers)
        if power is not None
    ]
    samples.insert(store, rows)


def test_history_has_one_value_per_step_and_null_for_gaps(api: RunningApi, store: Store) -> None:
    """Also when a whole stretch is missing; site and charge point on the same grid."""
    _record(store, 1_800_000_000, [1, 2, None, 4])
    answer = api.get(
        "/api/v1/history?from=2027-01-15T08:00:00Z&to=2027-01-15T09:06:00%2B01:00&series=grid.power_w,charge_points.1"
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["resolution_s"], body["from"], body["to"]) == (60, "2027-01-15T08:00:00Z", "2027-01-15T08:06:00Z")
    assert body["series"]["grid.power_w"] == [1, 2, None, 4, None, None]
    assert body["series"]["charge_points.1.power_w"] == [1, 2, None, 4, None, None]
    assert body["starts_at"] == [f"2027-01-15T08:0{minute}:00Z" for minute in range(6)]


def test_history_as_a_file_has_a_line_for_each_step(api: RunningApi, store: Store) -> None:
    """The same values with their instants; nothing where nothing is known; by a ticket, too, as a browser opens it."""
    _record(store, 1_800_000_000, [1, 2, None, 4])
    path = "/api/v1/history.csv?from=2027-01-15T08:00:00Z&to=2027-01-15T08:04:00Z&series=grid.power_w,charge_points.1"
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="history_home_2027-01-15.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["starts_at"] for row in rows] == [f"2027-01-15T08:0{minute}:00Z" for minute in range(4)]
    assert [row["grid.power_w"] for row in rows] == ["1", "2", "", "4"]
    assert [row["charge_points.1.power_w"] for row in rows] == ["1", "2", "", "4"]
    assert set(rows[0]) == {"starts_at", *api.get(path.replace(".csv", "")).json()["series"]}
    ticket = api.lan.post("/api/v1/auth/ticket", headers=api.login("viewer")).json()["ticket"]
    assert api.relay.get(f"{path}&ticket={ticket}").content == answer.content
    assert api.lan.head(path, headers=api.login("viewer")).headers["content-length"] == str(len(answer.content))
    wrong = problem(api.get(f"{path}&separator=tab&bom=2"))
    assert [error["field"] for error in wrong["errors"]] == ["bom", "separator"]


def test_a_german_spreadsheet_reads_the_history(api: RunningApi, store: Store) -> None:
    """Semicolons, decimal commas, and a mark for old Excel."""
    row = ChargePointSampleRow(charge_point="1", current_a=10.5, is_plugged=True)
    samples.insert(store, [SampleRow(sampled_at=1_800_000_000, charge_points=(row,))])
    query = "from=2027-01-15T08:00:00Z&to=2027-01-15T08:01:00Z&series=charge_points.1&separator=semicolon&bom=1"
    answer = api.get(f"/api/v1/history.csv?{query}")
    assert answer.content.startswith(b"\xef\xbb\xbfstarts_at;")
    names, values = (line.split(";") for line in answer.content.decode("utf-8-sig").splitlines())
    told = dict(zip(names, values, strict=True))
    assert (told["charge_points.1.current_a"], told["charge_points.1.is_plugged"]) == ("10,5", "1")


def test_history_without_parameters_is_the_last_day(api: RunningApi, store: Store) -> None:
    """1440 steps that end with the present one."""
    newest = int(time.time()) // 60 * 60
    _record(store, newest - 60, [7, 8])
    body = api.get("/api/v1/history?series=grid.power_w").json()
    values = body["series"]["grid.power_w"]
    assert len(values) == 1440
    assert [value for value in values if value is not None] == [7, 8]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("to=2027-01-15T08:00:00", "to"),  # no offset
        ("from=2027-01-15T08:00:00Z&to=2027-01-14T08:00:00Z", "from"),
        ("resolution=raw&from=2020-01-01T00:00:00Z&to=2027-01-14T08:00:00Z", "from"),  # too many values
        ("series=grid.bogus", "series"),
        ("resolution=15", "resolution"),
        ("resolution=hour", "resolution"),
        ("step=5", "step"),
        ("series=%ff", "series"),
    ],
)
def test_a_wrong_period_is_named(api: RunningApi, query: str, field: str) -> None:
    """400 with the parameter's name."""
    body = problem(api.get(f"/api/v1/history?{query}"))
    assert (body["status"], body["code"]) == (400, "invalid_input")
    assert field in [error["field"] for error in body["errors"]]


def test_a_long_period_is_told_in_buckets_of_energy(api: RunningApi, store: Store) -> None:
    """A month by hours, a year by days, from what the edge's rollups made of the samples."""
    start = 1_800_000_000
    samples.insert(
        store,
        [
            SampleRow(
                sampled_at=start + 60 * minute,
                grid_power_w=600,
                grid_imported_wh=1000 + 10 * minute,
                battery_soc_percent=minute % 100,
            )
            for minute in range(181)
        ],
    )
    while rollups.advance(store, Reckoner(60), ZoneInfo("Europe/Berlin")):
        pass
    month = api.get("/api/v1/history?from=2027-01-01T00:00:00Z&to=2027-02-01T00:00:00Z&series=grid,battery").json()
    assert month["resolution_s"] == 3600
    known = {path: [value for value in values if value] for path, values in month["series"].items()}
    assert known["grid.import_energy_wh"] == [600, 600, 600]
    assert known["grid.power_w"] == [600, 600, 600]
    assert known["grid.imported_wh"] == [1000, 1600, 2200, 2800]
    assert known["battery.soc_percent"] == [60, 20, 80]
    year = api.get(
        "/api/v1/history?from=2026-02-01T00:00:00Z&to=2027-02-01T00:00:00Z&series=grid.import_energy_wh"
    ).json()
    assert len(year["starts_at"]) == len(year["series"]["grid.import_energy_wh"]) == 366
    assert sum(value or 0 for value in year["series"]["grid.import_energy_wh"]) == 1800
    day = api.get("/api/v1/history?from=2027-01-15T08:00:00Z&to=2027-01-15T11:00:00Z&resolution=600&series=grid").json()
    assert day["series"]["grid.power_w"] == [600] * 18
    totals = api.get("/api/v1/statistics?from=2027-01-01T00:00:00Z&to=2027-01-31T00:00:00Z").json()["total"]
    assert (totals["grid_import_wh"], totals["methods"]["grid_import"]) == (1800, "meter")


def test_session_statistics_of_a_driver_are_their_own(api: RunningApi, store: Store) -> None:
    """An admin sees everybody's, by user, tag, vehicle or charge point; and a viewer none."""
    _charge(store, "1", 1_800_000_000, 5_000, user_name="anna", tag="AA")
    _charge(store, "2", 1_800_003_600, 7_000, user_name="driver", tag="BB")
    _charge(store, "1", 1_800_100_000, 9_000, user_name="driver", tag="CC")
    _charge(store, "2", 1_802_700_000, None)
    path = "/api/v1/statistics/sessions?from=2027-01-01T00:00:00Z&to=2027-03-01T00:00:00Z"
    everybody = api.get(f"{path}&group=user", name="admin").json()
    assert [(item["from"], item["user"], item["energy_wh"], item["sessions"]) for item in everybody["items"]] == [
        ("2026-12-31T23:00:00Z", "anna", 5_000, 1),
        ("2026-12-31T23:00:00Z", "driver", 16_000, 2),
        ("2027-01-31T23:00:00Z", None, 0, 1),
    ]
    total = everybody["total"]
    assert (total["sessions"], total["energy_wh"], total["energy_known"]) == (4, 21_000, 3)
    by_point = api.get(f"{path}&by=year&group=charge_point", name="admin").json()["totals"]
    assert [(item["charge_point"], item["energy_wh"]) for item in by_point] == [("1", 14_000), ("2", 7_000)]
    own = api.get(f"{path}&by=day&group=tag", name="driver").json()
    assert [(item["tag"], item["cost_millicents"]) for item in own["items"]] == [("BB", 70_000), ("CC", 90_000)]
    assert api.get(f"{path}&user=anna", name="driver").status_code == 400
    for role, address in (("viewer", path), ("driver", "/api/v1/statistics/reconciliation")):
        assert problem(api.get(address, name=role))["code"] == "not_allowed"


def test_what_no_session_explains_is_listed(api: RunningApi, store: Store) -> None:
    """The meter counted 6000 Wh, the session has 5000 of them."""
    start = 1_800_000_000
    samples.insert(
        store,
        [
            SampleRow(
                sampled_at=start + 60 * minute,
                charge_points=(ChargePointSampleRow(charge_point="1", meter_wh=1000 + 100 * minute),),
            )
            for minute in range(61)
        ],
    )
    while rollups.advance(store, Reckoner(60), ZoneInfo("Europe/Berlin")):
        pass
    _charge(store, "1", start + 600, 5_000)
    (item,) = api.get("/api/v1/statistics/reconciliation?month=2027-01", name="admin").json()["items"]
    assert (item["meter_wh"], item["sessions_wh"], item["unexplained_wh"]) == (6_000, 5_000, 1_000)
    assert [(day["from"], day["unexplained_wh"]) for day in item["days"]] == [("2027-01-14T23:00:00Z", 1_000)]


def test_a_car_that_is_plugged_in_is_in_no_month_to_come(api: RunningApi, store: Store) -> None:
    running = SessionRow(charge_point="1", started_at=int(time.time()) - 60, ended_at=None, energy_wh=5)
    sessions.upsert(store, [SessionRecord(session=running)])
    now, later = datetime.now(UTC), datetime.now(UTC) + timedelta(days=400)
    for at, count in ((now, 1), (later, 0)):
        answer = api.get(f"/api/v1/statistics/reconciliation?month={at:%Y-%m}", name="admin").json()
        assert sum(item["sessions"] for item in answer["items"]) == count


def _charge(
    store: Store,
    charge_point: str,
    started_at: int,
    energy_wh: int | None,
    user_name: str | None = None,
    tag: str | None = None,
) -> None:
    def work(db: Any) -> None:
        db.ChargeSession(
            charge_point=charge_point,
            started_at=started_at,
            ended_at=started_at + 3000,
            charging_s=3000,
            meter_start_wh=2_000,
            meter_end_wh=2_000 + energy_wh if energy_wh is not None else None,
            energy_wh=energy_wh,
            cost_millicents=10 * energy_wh if energy_wh is not None else None,
            user_name=user_name,
            tag=tag,
            origin="recorded",
        )

    store.run(work)


# Bad input


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        (b"", "malformed_body", None),
        (b"not json", "malformed_body", None),
        (b"[]", "malformed_body", None),
        (b"\xff\xfe", "malformed_body", None),
        (b"[" * 60_000, "malformed_body", None),
        (b"{}", "invalid_input", ["password", "username"]),
        (b'{"username":1,"password":"x"}', "invalid_input", ["username"]),
        (b'{"username":"a","password":"x","is_admin":true}', "invalid_input", ["is_admin"]),
        (b'{"username":"","password":null}', "invalid_input", ["password", "username"]),
    ],
)
def test_a_bad_body_is_named_field_by_field(api: RunningApi, body: bytes, code: str, fields: list[str] | None) -> None:
    """Everything wrong at once, and never the value."""
    answer = api.lan.post("/api/v1/auth/login", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    found = problem(answer)
    assert found["code"] == code
    assert [error["field"] for error in found.get("errors", [])] == (fields or [])


def test_sanics_own_errors_are_problems_too(api: RunningApi) -> None:
    """404, 405 with Allow, 413, 426."""
    assert problem(api.lan.get("/nope"))["code"] == "not_found"
    wrong_method = api.lan.delete("/healthz")
    assert problem(wrong_method)["code"] == "method_not_allowed"
    assert set(wrong_method.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert problem(api.lan.post("/api/v1/auth/login", content=b"x" * 70_000))["code"] == "body_too_large"
    assert problem(api.get("/api/v1/live"))["code"] == "upgrade_required"


def test_head_is_get_without_a_body(api: RunningApi, edge: EdgeDouble) -> None:
    """Same status and headers."""
    answer = api.lan.head("/api/v1/state", headers=api.login("viewer"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["etag"] == api.get("/api/v1/state").headers["etag"]


def test_every_answer_is_hardened(api: RunningApi) -> None:
    """Also errors."""
    for answer in (api.lan.get("/healthz"), api.lan.get("/nope"), api.lan.get("/api/v1/state")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_edge_alone_learns_the_public_key_of_tokens(api: RunningApi) -> None:
    """With it tokens can be checked, not made; on the LAN nobody gets it."""
    answer = api.relay.get("/internal/token-key").json()
    check = TokenCheck(decode_public_key(answer["key"]), answer["site"])
    assert check.check(ACCESS, api.login("viewer")["authorization"].removeprefix("Bearer "))
    assert problem(api.lan.get("/internal/token-key", headers=api.login("admin")))["code"] == "not_from_here"
