"""A person wishes something through the relay, and is told what the wallbox made of it: for both openWB generations."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.kit import servers
from tests.kit.certificates import CertificateAuthority
from tests.kit.stack import Stack, running_stack
from tests.kit.waiting import eventually
from tests.kit.wallbox import listening

SPEED = 5
"""The wallbox's control loop takes 2 s then, and its five-minute job comes once a minute."""

MARK_S = 300
CONFIRMED = "confirmed"
NOT_POSSIBLE = "not_possible"


@dataclass(frozen=True, slots=True)
class Wallbox:
    """What is different between the generations: `person` are a knob and a value by which somebody else stops it."""

    generation: str
    point: str
    wishes: tuple[tuple[Mapping[str, Any], str], ...]
    refused: Mapping[str, Mapping[str, Any]]
    set_topics: str
    person: tuple[str, str]


V1 = Wallbox(
    generation="1.9",
    point="1",
    wishes=(
        ({"mode": "min_pv"}, CONFIRMED),
        ({"mode": "standby"}, CONFIRMED),
        ({"mode": "stop"}, CONFIRMED),
        ({"mode": "eco"}, NOT_POSSIBLE),
        ({"mode": "instant", "current_a": 11, "limit": {"type": "energy", "energy_wh": 12_000}}, CONFIRMED),
        ({"limit": {"type": "soc", "soc_percent": 70}}, CONFIRMED),
        ({"limit": {"type": "none"}}, CONFIRMED),
        ({"is_enabled": False}, CONFIRMED),
        ({"is_enabled": True}, CONFIRMED),
        ({"pv_min_current_a": 8}, CONFIRMED),
        ({"min_pv_current_a": 9}, CONFIRMED),
        ({"vehicle": "1"}, NOT_POSSIBLE),
        ({"phases": 1}, NOT_POSSIBLE),
    ),
    refused={
        "current_a": {"current_a": 400},
        "mode": {"mode": "eco"},
        "limit": {"limit": {"type": "energy", "energy_wh": 10_500}},
        "pv_min_current_a": {"pv_min_current_a": 3},
    },
    set_topics="openWB/set/ChargeMode",
    person=("set/ChargeMode", "3"),
)
V2 = Wallbox(
    generation="2.x",
    point="3",
    wishes=(
        ({"mode": "scheduled"}, CONFIRMED),
        ({"mode": "stop"}, CONFIRMED),
        ({"mode": "min_pv"}, NOT_POSSIBLE),
        ({"mode": "eco", "max_price_per_kwh": 0.21}, CONFIRMED),
        ({"mode": "instant", "current_a": 11, "limit": {"type": "energy", "energy_wh": 12_500}}, CONFIRMED),
        ({"limit": {"type": "soc", "soc_percent": 70}}, CONFIRMED),
        ({"limit": {"type": "none"}}, CONFIRMED),
        ({"is_enabled": False}, CONFIRMED),
        ({"is_enabled": True}, CONFIRMED),
        ({"pv_min_current_a": 0}, CONFIRMED),
        ({"min_pv_current_a": 9}, NOT_POSSIBLE),
        ({"vehicle": "2"}, CONFIRMED),
        ({"vehicle": "1"}, CONFIRMED),
        ({"soc_percent": 44}, CONFIRMED),
    ),
    refused={
        "current_a": {"current_a": 400},
        "mode": {"mode": "min_pv"},
        "pv_min_current_a": {"pv_min_current_a": 3},
        "vehicle": {"mode": "instant", "vehicle": "2"},
    },
    set_topics="openWB/set/chargepoint/3/set/charge_template",
    person=("set/chargepoint/3/set/manual_lock", "true"),
)


asking = partial(eventually, every_s=0.2)  # nginx lets nobody ask more than 20 times a second for long
only_v2 = pytest.mark.parametrize(
    "site",
    [pytest.param(V1, marks=pytest.mark.skip("openWB 1.9 has neither this job nor templates")), V2],
    indirect=True,
    ids=["1.9", "2.x"],
)  # both are named, or pytest would start each site twice


@dataclass(slots=True)
class Site:
    """`phone` is an admin's at the relay, `on_lan` one at home; `now` is the wallbox's time."""

    stack: Stack
    wallbox: Wallbox
    phone: httpx.Client
    on_lan: httpx.Client
    now: Callable[[], float]

    @property
    def path(self) -> str:
        return f"/api/v1/chargepoints/{self.wallbox.point}"

    def wish(self, **wishes: Any) -> httpx.Response:
        """Through the relay."""
        return self.phone.patch(self.path, json=wishes, timeout=20)

    def settled(self, answer: httpx.Response, within_s: float = 50) -> dict[str, Any]:
        """What became of it, wherever the answer says that it can be found."""
        if answer.status_code == 200 or answer.status_code == 409:
            return dict(answer.json() if answer.status_code == 200 else answer.json()["command"])
        assert answer.status_code == 202, answer.text
        where = answer.url.join(answer.headers["location"])

        def record() -> dict[str, Any] | None:
            found = self.phone.get(where).json()
            return found if found["status"] not in ("accepted", "published") else None

        return asking(record, within_s, "the command being settled")

    def record(self, command_id: str, status: str, within_s: float, detail: str = "") -> dict[str, Any]:
        """The record once it has this status and these words; asked for at home, where the tunnel may be away."""
        seen: list[dict[str, Any]] = []

        def is_so() -> bool:
            seen.append(self.on_lan.get(f"/api/v1/commands/{command_id}").json())
            return seen[-1]["status"] == status and detail in (seen[-1]["detail"] or "")

        try:
            asking(is_so, within_s)
        except AssertionError:
            pytest.fail(f"not {status} within {within_s} s: {seen[-1]}")
        return seen[-1]

    def shows(self, name: str, value: Any) -> bool:
        return bool(self.shown()[name] == value)

    def shown(self) -> dict[str, Any]:
        return dict(self.phone.get(self.path).json())

    def turn(self, knob: str, payload: str) -> None:
        with listening(self.stack.broker.url, f"simulator/control/{knob}") as voice:
            voice.say(f"simulator/control/{knob}", payload)
            eventually(lambda: (f"simulator/control/{knob}", payload) in voice.heard, 5, "the knob being heard")

    @contextmanager
    def turned(self, knob: str, payload: str, back: str = "0") -> Iterator[None]:
        self.turn(knob, payload)
        try:
            yield
        finally:
            self.turn(knob, back)


@pytest.fixture(scope="module", params=[V1, V2], ids=lambda wallbox: wallbox.generation)
def site(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    mariadb_installed: Path,
    authority: CertificateAuthority,
) -> Iterator[Site]:
    """All processes and a simulated wallbox of either generation, whose charge point is heard of."""
    wallbox: Wallbox = request.param
    folder = tmp_path_factory.mktemp("commands")
    anchored_at = time.time()
    starts_at = anchored_at - 12 * 3600
    clock = f"{starts_at:.3f}/{anchored_at:.3f}/{SPEED}"
    with (
        servers.mariadb(folder / "mariadb", mariadb_installed) as mariadb,
        running_stack(folder, mariadb, authority, dialect=wallbox.generation, clock=clock) as stack,
    ):
        phone = stack.logged_in(stack.site_url, "admin")
        site = Site(
            stack,
            wallbox,
            phone,
            stack.logged_in(stack.lan_url, "admin"),
            lambda: starts_at + (time.time() - anchored_at) * SPEED,
        )

        def is_heard() -> bool:
            answer = phone.get(site.path)
            return answer.status_code == 200 and not answer.json()["is_stale"] and bool(answer.json()["mode"])

        asking(is_heard, 40, "the wallbox being heard")
        yield site


@pytest.mark.timeout(240)
def test_every_wish_is_confirmed_by_the_wallbox_or_refused_for_a_reason(site: Site) -> None:
    """What is confirmed is what the state shows then; what the wallbox does not offer is 409 before it is sent."""
    for wishes, outcome in site.wallbox.wishes:
        answer = site.wish(**wishes)
        if outcome == NOT_POSSIBLE:
            assert (answer.status_code, answer.json()["code"]) == (409, NOT_POSSIBLE), wishes
            continue
        record = site.settled(answer)
        assert (record["status"], record["observed"]) == (CONFIRMED, wishes), record
        assert record["previous"].keys() == wishes.keys()
        assert record["accepted_at"] <= record["published_at"] <= record["settled_at"]
        names = {wish: "vehicle_id" if wish == "vehicle" else wish for wish in wishes}
        for wish, value in wishes.items():
            asking(partial(site.shows, names[wish], value), 5, f"{wish} being shown")


def test_the_mode_of_the_whole_site(site: Site) -> None:
    """One call for both generations; on 1.9 a charge point's mode is everybody's, and the record says so."""
    offered = site.phone.get("/api/v1/site").json()["modes"]
    assert {"instant", "pv", "stop"} <= set(offered)
    for mode in ("stop", "pv"):
        answer = site.phone.put("/api/v1/charge-mode", json={"mode": mode}, timeout=20)
        assert site.settled(answer)["status"] == CONFIRMED
        points = site.phone.get("/api/v1/chargepoints").json()["items"]
        assert {point["mode"] for point in points} == {mode}
    record = site.settled(site.wish(mode="stop"))
    others = [point["id"] for point in points if point["id"] != site.wallbox.point]
    assert record["affects"] == (others if site.wallbox.generation == "1.9" else [])


def test_the_energy_counter_starts_over(site: Site) -> None:
    """With 1.9 once nothing charges; 2.x has no such thing."""
    answer = site.phone.post(f"{site.path}/reset-energy", timeout=20)
    if site.wallbox.generation == "2.x":
        assert answer.json()["code"] == NOT_POSSIBLE
        return
    record = site.settled(answer)
    assert (record["status"], record["observed"]) == (CONFIRMED, {"reset_energy": 0})


def test_a_wish_that_this_wallbox_refuses_is_not_sent(site: Site) -> None:
    """One rule, whoever finds it out: 409 with the wish and why, and nothing is published."""
    with listening(site.stack.broker.url, "openWB/set/#", "openWB/config/set/#") as ear:
        answers = {field: site.wish(**wishes) for field, wishes in site.wallbox.refused.items()}
        assert [topic for topic, payload in ear.heard if payload] == []
    for field, answer in answers.items():
        told = answer.json()
        assert (answer.status_code, told["code"]) == (409, NOT_POSSIBLE), told
        assert [error["field"] for error in told["errors"]] == [field], told
    by_edge = answers["pv_min_current_a"].json()["command"]
    assert (by_edge["status"], by_edge["published_at"]) == ("rejected", None)


@pytest.mark.parametrize("knob", ["deaf", "refuse"])
def test_a_wallbox_that_does_not_do_it_confirms_nothing(site: Site, knob: str) -> None:
    """Whether it ignores the message or refuses the value: sent, not taken over, and the state stays what it was."""
    assert site.settled(site.wish(mode="pv"))["status"] == CONFIRMED
    with site.turned(knob, "1"):
        answer = site.wish(mode="stop")
        record = site.settled(answer)
    assert record["status"] == "timed_out", record
    assert record["published_at"] is not None
    assert record["observed"] == {"mode": "pv"}
    assert "did not take it over: mode" in record["detail"]
    assert site.shown()["mode"] == "pv"


def test_a_slow_wallbox_confirms_in_the_end_and_everybody_is_told(site: Site) -> None:
    """The same key meanwhile is the same command; the live channel tells each step, to whoever looks."""
    assert site.settled(site.wish(mode="pv"))["status"] == CONFIRMED
    token = site.stack.logged_in(site.stack.lan_url, "viewer").headers["Authorization"].removeprefix("Bearer ")
    with closing(site.stack.live(site.stack.site_url, token, "?fields=home")) as live, site.turned("slow", "2"):
        key = {"Idempotency-Key": f"slow {site.wallbox.generation}"}
        first = site.phone.patch(site.path, json={"mode": "stop"}, headers=key, timeout=20)
        again = site.on_lan.patch(site.path, json={"mode": "stop"}, headers=key, timeout=20)
        assert again.json()["id"] == first.json()["id"]
        record = site.settled(again)
        steps: list[str] = []
        while not steps or steps[-1] in ("accepted", "published"):
            message = json.loads(live.recv(timeout=10))
            event = message.get("event", {})
            if event.get("type") == "command" and event["command"]["id"] == record["id"]:
                steps.append(event["command"]["status"])
    assert record["status"] == CONFIRMED, record
    assert steps[-1] == CONFIRMED
    assert set(steps) <= {"published", CONFIRMED}
    reused = site.phone.patch(site.path, json={"mode": "pv"}, headers=key)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.timeout(180)
def test_somebody_at_the_wallbox_supersedes_a_command(site: Site) -> None:
    """What a person did there stands, and the record says that it was not the wish that did it."""
    is_v1 = site.wallbox.generation == "1.9"
    before: dict[str, Any] = {"mode": "instant"} if is_v1 else {"is_enabled": False}
    wishes: dict[str, Any] = {"mode": "pv"} if is_v1 else {"is_enabled": True}
    assert site.settled(site.wish(**before))["status"] == CONFIRMED
    _away_from_the_mark(site)
    record = site.settled(site.wish(**wishes))
    assert record["status"] == CONFIRMED, record
    topic, payload = site.wallbox.person
    site.turn(f"person/{topic}", payload)
    seen = site.record(record["id"], "superseded", 20)
    assert seen["observed"] != wishes
    assert next(iter(wishes)) in seen["detail"]
    site.settled(site.wish(**wishes))


@only_v2
@pytest.mark.timeout(180)
def test_what_the_five_minute_job_undoes_is_sent_again(site: Site) -> None:
    """openWB 2.x takes a command back after its mark; the wish holds in the end, and the record tells of it."""
    assert site.settled(site.wish(is_enabled=True))["status"] == CONFIRMED
    eventually(lambda: 3 < MARK_S - site.now() % MARK_S < 7, 70, "the moment after the last control loop of a mark")
    record = site.settled(site.wish(is_enabled=False))
    assert record["status"] == CONFIRMED, record
    site.record(record["id"], CONFIRMED, 20, "undid")
    assert site.shown()["is_enabled"] is False
    site.settled(site.wish(is_enabled=True))


@only_v2
def test_a_shared_template_names_who_else_is_changed(site: Site) -> None:
    """When both vehicles use one template, a wish for one charge point is one for the other."""
    others = [item["id"] for item in site.phone.get("/api/v1/chargepoints").json()["items"]]
    others.remove(site.wallbox.point)
    assert site.settled(site.wish(vehicle="2"))["status"] == CONFIRMED
    record = site.settled(site.wish(pv_min_current_a=7))
    assert (record["status"], record["affects"]) == (CONFIRMED, others), record
    assert site.settled(site.wish(vehicle="1"))["status"] == CONFIRMED


@pytest.mark.timeout(120)
def test_a_command_that_comes_too_late_is_never_sent(site: Site) -> None:
    """An edge that stood still for longer than the deadline tells so, and the wallbox never hears of the wish."""
    assert site.settled(site.wish(mode="pv"))["status"] == CONFIRMED
    edge = site.stack.processes["edge"]
    with listening(site.stack.broker.url, site.wallbox.set_topics) as ear:
        os.kill(edge.pid, signal.SIGSTOP)
        try:
            eventually(partial(_stands_still, edge.pid), 5, "all threads of the edge standing still")
            accepted_at = time.monotonic()
            answer = site.on_lan.patch(site.path, json={"mode": "stop"}, timeout=20)
            assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
            asking(lambda: site.on_lan.get("/api/v1/state").json()["is_stale"], 40, "the edge's silence being seen")
            refused = site.on_lan.patch(site.path, json={"mode": "stop"})
            assert (refused.status_code, refused.json()["code"]) == (503, "edge_silent")
            eventually(lambda: time.monotonic() - accepted_at > 32, 40, "the deadline passing")
        finally:
            os.kill(edge.pid, signal.SIGCONT)
        record = site.record(answer.json()["id"], "timed_out", 20)
        assert (record["published_at"], record["observed"]) == (None, {})
        assert record["detail"].startswith("never sent")
        assert [payload for _, payload in ear.heard if payload] == []
    asking(site.stack.is_ready, 40, "the site being back")


def _stands_still(pid: int) -> bool:
    """Whether a stop has reached every thread: until then one of them may still take a command."""
    stats = [(thread / "stat").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def _away_from_the_mark(site: Site) -> None:
    """Wait until neither the last nor the next five-minute job is near: 6 s in real time, and 30 s."""
    if site.wallbox.generation == "2.x":
        eventually(lambda: 30 < site.now() % MARK_S < MARK_S - 150, 60, "the five-minute job being far")
