"""Tags, profiles and scans over HTTP: a real api, its database, and a state as the edge writes it."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyotp
import pytest

from common.model import Capabilities, LimitType, Mode
from common.store import scans, tags, users
from common.store.bind import Store, open_store
from common.store.rows import ScanCommand, ScanRow
from tests.kit.api_client import RunningApi, problem, running_api
from tests.kit.edge_double import EdgeDouble
from tests.kit.states import SITE
from tests.kit.waiting import eventually

PROFILE: dict[str, Any] = {"name": "night", "mode": "pv"}
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, redis_server: Any) -> Iterator[RunningApi]:
    redis_server.flush()
    edge = EdgeDouble(redis_server.url)
    can = Capabilities(
        modes=(Mode.INSTANT, Mode.PV), lowest_current_a=6, limit_types=(LimitType.NONE, LimitType.ENERGY)
    )
    points = {number: replace(SITE.charge_points["1"], capabilities=can) for number in ("1", "2")}
    edge.tell(replace(SITE, charge_points=points))
    edge.beat()
    folder = tmp_path_factory.mktemp("rfid")
    with running_api(folder, redis_server.url, f"sqlite://{folder / 'store.sqlite'}") as api:
        store = open_store(api.settings.database_url)
        viewer = users.get(store, "viewer")
        assert viewer is not None
        users.add(store, name="berta", password_hash=viewer.password_hash, role="driver", created_at=0)
        users.set_totp_secret(store, "admin", SECRET)
        yield api
    edge.close()


@pytest.fixture
def store(api: RunningApi) -> Iterator[Store]:
    """The api's database, without tags, profiles and scans."""
    store = open_store(api.settings.database_url)

    def clear(db: Any) -> None:
        for table in ("tag", "tag_learning", "profile", "rfid_scan"):
            db.execute(f"DELETE FROM {table}")

    store.run(clear)
    yield store
    store.close()


def _ask(api: RunningApi, method: str, path: str, name: str = "driver", body: Any = None) -> Any:
    content = None if body is None else json.dumps(body)
    return api.lan.request(method, f"/api/v1/{path}", headers=api.login(name), content=content)


def _elevate(api: RunningApi) -> None:
    login = _ask(api, "GET", "me", "admin").json()
    if login["elevated_until"] is None:
        answer = _ask(api, "POST", "auth/elevate", "admin", {"code": pyotp.TOTP(SECRET).now()})
        assert answer.status_code == 200, answer.text


def test_a_tag_is_text_and_belongs_to_one(api: RunningApi, store: Store) -> None:
    """Leading zeros stay, whatever its case it is taken, and it goes as it came."""
    added = _ask(api, "POST", "users/driver/tags", body={"tag": " 0004a376A2 ", "label": "Karte"})
    assert (added.status_code, added.json()["tag"]) == (201, "0004a376A2")
    assert _ask(api, "GET", "users/DRIVER/tags").json()["items"] == [added.json()]
    for name in ("driver", "berta"):
        taken = _ask(api, "POST", f"users/{name}/tags", name, {"tag": "0004A376A2"})
        assert (taken.status_code, problem(taken)["code"]) == (409, "tag_taken")
    assert problem(_ask(api, "DELETE", "users/berta/tags/0004A376A2", "berta"))["code"] == "not_found"
    assert _ask(api, "DELETE", "users/driver/tags/0004A376A2").status_code == 204
    assert _ask(api, "GET", "users/driver/tags").json() == {"items": []}


@pytest.mark.parametrize(
    "tag",
    [0, 12345, "", "0", "000", "0004А376A2", "a,b", "a\nb", "=1+1", "*", "x" * 65, None, ["a"], "../a", "a%2Fb", "<b>"],
)
def test_what_is_no_tag_is_refused(api: RunningApi, store: Store, tag: Any) -> None:
    """Numbers, zeros alone, a Cyrillic letter, separators, patterns, what a spreadsheet would run."""
    answer = _ask(api, "POST", "users/driver/tags", body={"tag": tag})
    assert answer.status_code == 400
    assert [error["field"] for error in problem(answer)["errors"]] == ["tag"]


def test_a_tag_with_signs_in_a_path(api: RunningApi, store: Store) -> None:
    """A MAC address and blanks, percent-encoded as clients do."""
    assert _ask(api, "POST", "users/driver/tags", body={"tag": "04:A3 b2"}).status_code == 201
    assert _ask(api, "DELETE", "users/driver/tags/04%3Aa3%20B2").status_code == 204
    assert problem(_ask(api, "DELETE", "users/driver/tags/%ff"))["code"] == "not_found"


def test_others_things_are_not_touched(api: RunningApi, store: Store) -> None:
    """By no guess of a name or an id; a viewer has nothing to do here."""
    tags.add(store, "berta", "B1", None, 0)
    mine = _ask(api, "POST", "profiles", "berta", {**PROFILE, "tag": "B1"}).json()
    for method, path, body in (
        ("GET", "users/berta/tags", None),
        ("POST", "users/berta/tags", {"tag": "X1"}),
        ("DELETE", "users/berta/tags/B1", None),
        ("POST", "users/berta/tags/learn", {}),
        ("POST", "users/nobody/tags", {"tag": "X1"}),
        ("POST", "profiles", {**PROFILE, "user": "berta"}),
        ("GET", "rfid/scans?user=berta", None),
    ):
        answer = _ask(api, method, path, body=body)
        assert (answer.status_code, problem(answer)["code"]) == (403, "not_allowed"), path
    for method, body in (("GET", None), ("PUT", PROFILE), ("DELETE", None)):
        assert problem(_ask(api, method, f"profiles/{mine['id']}", body=body))["code"] == "not_found"
    assert problem(_ask(api, "POST", "profiles", body={**PROFILE, "tag": "B1"}))["code"] == "invalid_input"
    assert problem(_ask(api, "POST", "profiles/dry-run", body={"tag": "B1"}))["code"] == "not_found"
    assert _ask(api, "GET", "profiles").json() == {"items": []}
    for path in ("users/viewer/tags", "profiles", "rfid/scans"):
        assert problem(_ask(api, "GET", path, "viewer"))["code"] == "not_allowed"


def test_an_admin_needs_a_code_for_others(api: RunningApi, store: Store) -> None:
    """Looking is free; one's own is free, too."""
    api.tokens.pop("admin", None)  # another login, which is not elevated
    assert _ask(api, "GET", "users/berta/tags", "admin").status_code == 200
    assert _ask(api, "POST", "users/admin/tags", "admin", {"tag": "A1"}).status_code == 201
    for path, body in (("users/berta/tags", {"tag": "B2"}), ("profiles", {**PROFILE, "user": "berta"})):
        assert problem(_ask(api, "POST", path, "admin", body))["code"] == "elevation_required"
    _elevate(api)
    assert _ask(api, "POST", "users/berta/tags", "admin", {"tag": "B2"}).status_code == 201
    made = _ask(api, "POST", "profiles", "admin", {**PROFILE, "user": "BERTA", "tag": "b2"})
    assert (made.json()["user"], made.json()["tag"]) == ("berta", "B2")
    assert problem(_ask(api, "POST", "users/nobody/tags", "admin", {"tag": "B3"}))["code"] == "not_found"
    assert problem(_ask(api, "POST", "profiles", "admin", {**PROFILE, "user": "nobody"}))["code"] == "not_found"


def test_one_waits_for_a_card_at_a_time(api: RunningApi, store: Store) -> None:
    """The next one that is nobody's is theirs; another user waits two minutes, or until it came."""
    assert _ask(api, "GET", "users/driver/tags/learn").json()["status"] == "idle"
    waiting = _ask(api, "POST", "users/driver/tags/learn", body={"label": "blue"})
    assert (waiting.status_code, waiting.json()["status"]) == (200, "waiting")
    assert problem(_ask(api, "POST", "users/berta/tags/learn", "berta"))["code"] == "learning_busy"
    assert tags.learn(store, "C0FFEE", int(time.time())) == "driver"
    learned = _ask(api, "GET", "users/driver/tags/learn").json()
    assert (learned["status"], learned["tag"], learned["label"]) == ("learned", "C0FFEE", "blue")
    assert _ask(api, "POST", "users/berta/tags/learn", "berta").json()["status"] == "waiting"
    assert tags.learn(store, "C0FFEE", int(time.time())) is None, "it is somebody's"
    assert tags.learn(store, "B4", int(time.time()) + 121) is None, "too late"
    assert _ask(api, "DELETE", "users/berta/tags/learn", "berta").status_code == 204
    assert tags.learn(store, "B4", int(time.time())) is None, "nobody waits"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mode": None}, "mode"),
        ({"mode": "fast"}, "mode"),
        ({"current_a": 5.5}, "current_a"),
        ({"current_a": 500}, "current_a"),
        ({"limit": {"type": "energy"}}, "limit.energy_wh"),
        ({"is_enabled": "yes"}, "is_enabled"),
        ({"reset_energy": True}, "reset_energy"),
        ({"phases": 1}, "phases"),
        ({"weekdays": ["mon", "day"]}, "weekdays[1]"),
        ({"from": "22:00"}, "until"),
        ({"until": "22:00"}, "from"),
        ({"from": "24:00", "until": "06:00"}, "from"),
        ({"from": "06:00", "until": "06:00"}, "until"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"tag": "no such"}, "tag"),
        ({"id": "7"}, "id"),
        ({"user_id": 1}, "user_id"),
        ({"name": "a\u0000b"}, "name"),
    ],
)
def test_a_profile_that_cannot_be(api: RunningApi, store: Store, change: dict[str, Any], field: str) -> None:
    """The field is named; what only an admin may wish no profile may."""
    answer = _ask(api, "POST", "profiles", body=PROFILE | change)
    assert answer.status_code == 400, answer.text
    assert field in [error["field"] for error in problem(answer)["errors"]]


def test_a_profile_must_be_possible_here(api: RunningApi, store: Store) -> None:
    """As a command must."""
    nothing = {"name": "nothing"}
    assert problem(_ask(api, "POST", "profiles", body=nothing))["code"] == "invalid_input"
    elsewhere = PROFILE | {"charge_point": "99"}
    assert problem(_ask(api, "POST", "profiles", body=elsewhere))["code"] == "unknown_charge_point"
    assert problem(_ask(api, "POST", "profiles", body=PROFILE | {"mode": "eco"}))["code"] == "not_possible"


def test_a_profile_lives(api: RunningApi, store: Store) -> None:
    """It comes back as it was given, is replaced as a whole, and goes."""
    tags.add(store, "driver", "00A1", None, 0)
    where = {"name": "Nacht", "tag": "00a1", "charge_point": "1"}
    what = {"mode": "instant", "current_a": 10, "limit": {"type": "energy", "energy_wh": 5000}}
    when = {"weekdays": ["sun", "fri"], "from": "22:00", "until": "06:00", "expires_at": "2027-01-01T00:00:00Z"}
    body = {**where, **what, **when, "restores": False, "is_enabled": True}
    made = _ask(api, "POST", "profiles", body=body)
    assert made.status_code == 201
    shown = made.json()
    assert shown == body | {"id": shown["id"], "user": "driver", "tag": "00A1", "weekdays": ["fri", "sun"]}
    assert _ask(api, "GET", f"profiles/{shown['id']}").json() == shown
    changed = _ask(api, "PUT", f"profiles/{shown['id']}", body=PROFILE).json()
    absent = dict.fromkeys(("tag", "charge_point", "from", "until", "expires_at"))
    assert changed == PROFILE | absent | {
        "id": shown["id"],
        "user": "driver",
        "weekdays": [],
        "restores": True,
        "is_enabled": True,
    }
    assert _ask(api, "GET", "profiles").json() == {"items": [changed]}
    assert _ask(api, "DELETE", f"profiles/{shown['id']}").status_code == 204
    assert problem(_ask(api, "DELETE", f"profiles/{shown['id']}"))["code"] == "not_found"
    assert problem(_ask(api, "GET", "profiles/0x1"))["code"] == "not_found"


def test_a_dry_run_says_what_and_why(api: RunningApi, store: Store) -> None:
    """On Sunday at 23:00, in the site's time: nothing is sent."""
    tags.add(store, "driver", "00A1", None, 0)
    night = {"name": "Nacht", "charge_point": "1", "weekdays": ["sun"], "from": "22:00", "until": "06:00"}
    _ask(api, "POST", "profiles", body=night | {"mode": "instant"})

    def run(at: str, **more: Any) -> Any:
        return _ask(api, "POST", "profiles/dry-run", body={"tag": "00a1", "at": at} | more).json()

    there = run("2026-11-29T23:00")
    assert (there["outcome"], there["charge_point"], there["profile"]["name"]) == ("apply", "1", "Nacht")
    assert (there["at"], there["local_time"]) == ("2026-11-29T22:00:00Z", "Sun 2026-11-29 23:00")
    assert run("2026-11-30T05:59")["outcome"] == "apply"
    late = run("2026-11-30T06:00:00+01:00")
    assert (late["outcome"], late["reasons"]) == ("not_valid", ["Nacht: does not hold on mon at 06:00"])
    assert run("2026-11-29T23:00", charge_point="2")["reasons"] == ["Nacht: is for charge point 1"]
    unknown = _ask(api, "POST", "profiles/dry-run", body={"tag": "FF"}).json()
    assert (unknown["outcome"], unknown["user"]) == ("unknown", None)
    for at in ("Sunday", "2026-13-01T00:00", "9999-12-31T23:59:59-23:59"):
        assert problem(_ask(api, "POST", "profiles/dry-run", body={"tag": "00A1", "at": at}))["code"] == "invalid_input"


def test_scans_page_by_page(api: RunningApi, store: Store) -> None:
    """The newest first, none twice and none missing; a driver's own; an unknown card by its last two characters."""
    tags.add(store, "driver", "00A1", None, 0)
    tags.add(store, "berta", "00B1", None, 0)
    for number in range(7):
        tag, outcome = [("00A1", "applied"), ("00B1", "no_profile"), ("0815FF", "unknown")][number % 3]
        made = (ScanCommand("c" * 32, "apply", "confirmed"),) if outcome == "applied" else ()
        scans.save(
            store,
            [
                ScanRow(
                    key=f"{number:032}",
                    scanned_at=1_700_000_000 + number // 2,
                    tag=tag,
                    charge_point="1",
                    outcome=outcome,
                    commands=made,
                )
            ],
        )
    seen, cursor = [], ""
    while True:
        page = _ask(api, "GET", f"rfid/scans?limit=2{cursor}", "admin").json()
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert [int(scan["id"]) for scan in seen] == sorted((int(scan["id"]) for scan in seen), reverse=True)
    assert [scan["tag"] for scan in seen] == ["00A1", "…FF", "00B1", "00A1", "…FF", "00B1", "00A1"]
    own = _ask(api, "GET", "rfid/scans").json()["items"]
    assert [scan["user"] for scan in own] == ["driver"] * 3
    assert own[0]["commands"] == [{"id": "c" * 32, "purpose": "apply", "status": "confirmed"}]
    assert len(_ask(api, "GET", "rfid/scans?outcome=unknown&from=2023-11-14T22:13:21Z", "admin").json()["items"]) == 2
    for query in ("outcome=x", "cursor=1", "limit=0", "limit=201", "from=x", "bogus=1", "user=driver&user=berta"):
        assert problem(_ask(api, "GET", f"rfid/scans?{query}"))["code"] == "invalid_input"


def test_what_was_a_user_s_is_not_the_next_one_s_of_this_name(api: RunningApi, store: Store) -> None:
    """Tags, profiles and scans hang on the person, and are nobody's when that one is gone."""
    users.add(store, name="carl", password_hash="-", role="driver", created_at=0)
    tags.add(store, "carl", "00C1", None, 0)
    scans.save(store, [ScanRow(key="c" * 32, scanned_at=1, tag="00C1", charge_point=None, outcome="no_profile")])
    store.run(lambda db: db.execute("DELETE FROM user WHERE name_key = 'carl'"))
    users.add(store, name="carl", password_hash="-", role="driver", created_at=0)
    assert tags.owner_of(store, "00C1") is None
    assert tags.of_user(store, "carl") == []
    assert _ask(api, "GET", "rfid/scans", "admin").json()["items"][0]["user"].startswith("former user")
    assert _ask(api, "GET", "rfid/scans?user=carl", "admin").json()["items"] == []
    assert _ask(api, "POST", "users/driver/tags", body={"tag": "00C1"}).status_code == 201


def test_a_limited_users_profiles_stay_at_their_charge_points(api: RunningApi, store: Store) -> None:
    """Whoever writes them, they or an admin; the mode is the whole site's with openWB 1.9; a dry run says the same."""
    users.change(store, "berta", charge_points=["2"])
    tags.add(store, "berta", "B1", None, 0)
    _elevate(api)
    try:
        for name, more in (("berta", {}), ("admin", {"user": "berta"})):
            for wish, code in (
                ({"current_a": 10, "charge_point": "1"}, "unknown_charge_point"),
                ({"current_a": 10, "charge_point": "9"}, "unknown_charge_point"),
                ({"mode": "pv"}, "not_allowed"),
                ({"mode": "pv", "charge_point": "2"}, "not_allowed"),
            ):
                answer = _ask(api, "POST", "profiles", name, {"name": "x", **wish, **more})
                assert problem(answer)["code"] == code, (name, wish)
        made = _ask(api, "POST", "profiles", "berta", {"name": "x", "current_a": 10})
        assert made.status_code == 201, made.text
        changed = _ask(api, "PUT", f"profiles/{made.json()['id']}", "berta", {"name": "x", "mode": "pv"})
        assert problem(changed)["code"] == "not_allowed"
        assert [item["name"] for item in _ask(api, "GET", "profiles", "berta").json()["items"]] == ["x"]
        for charge_point, outcome in (("2", "apply"), ("1", "not_allowed"), ("9", "not_allowed"), (None, "apply")):
            told = _ask(api, "POST", "profiles/dry-run", "berta", {"tag": "B1", "charge_point": charge_point}).json()
            assert told["outcome"] == outcome, told
        assert _ask(api, "GET", "rfid/scans", "berta").json()["items"] == []
        assert _ask(api, "POST", "profiles", "admin", {"name": "own", "mode": "pv"}).status_code == 201
    finally:
        users.change(store, "berta", charge_points=None)


def test_who_changed_cards_and_profiles_is_audited(api: RunningApi, store: Store) -> None:
    """Tags, learn mode and profiles, with what was and what is; of a tag no more than its end. What failed is not."""
    _elevate(api)
    assert _ask(api, "GET", "admin/audit", "admin").status_code == 200  # all of before is written then
    store.run(lambda db: db.execute("DELETE FROM audit"))
    assert _ask(api, "POST", "users/driver/tags", body={"tag": "00A1B2", "label": "blau"}).status_code == 201
    assert _ask(api, "POST", "users/berta/tags", "berta", {"tag": "00A1B2"}).status_code == 409
    made = _ask(api, "POST", "profiles", body={**PROFILE, "tag": "00a1b2"}).json()
    path = f"profiles/{made['id']}"
    assert _ask(api, "PUT", path, "admin", {"name": "day", "mode": "pv", "tag": "00A1B2"}).status_code == 200
    assert _ask(api, "DELETE", path).status_code == 204
    assert _ask(api, "DELETE", path).status_code == 404
    assert _ask(api, "DELETE", "users/driver/tags/00A1B2").status_code == 204
    assert _ask(api, "POST", "users/driver/tags/learn", "admin", {"label": "rot"}).status_code == 200
    for _ in range(2):
        assert _ask(api, "DELETE", "users/driver/tags/learn").status_code == 204

    def entries() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _ask(api, "GET", "admin/audit", "admin").json()["items"]
        return [entry for entry in found if entry["action"] not in ("login", "elevation")][::-1]

    eventually(lambda: len(entries()) == 7, 20)
    told = [(entry["user"], entry["action"], entry["subject"], entry["old"], entry["new"]) for entry in entries()]
    profile = f"driver, {made['id']}"
    assert told[0] == ("driver", "tag_add", "driver", None, {"tag": "…B2", "label": "blau"})
    assert told[1][:4] == ("driver", "profile_add", profile, None)
    assert (told[1][4]["name"], told[1][4]["tag"]) == ("night", "…B2")
    assert told[2] == ("admin", "profile_change", profile, {"name": "night"}, {"name": "day"})
    assert told[3][:3] == ("driver", "profile_remove", profile)
    assert told[4] == ("driver", "tag_remove", "driver", {"tag": "…B2"}, None)
    assert told[5] == ("admin", "card_await", "driver", None, {"label": "rot"})
    assert told[6][:3] == ("driver", "card_await_end", "driver")
    assert "a1b2" not in json.dumps(told).lower()


def test_a_path_in_plain_words_is_no_id(api: RunningApi) -> None:
    """What may be done with a profile is not what a dry run allows, though the paths are alike."""
    assert _ask(api, "OPTIONS", "profiles/dry-run").headers["allow"] == "POST"
    assert _ask(api, "OPTIONS", "profiles/7").headers["allow"] == "DELETE, GET, HEAD, PUT"
