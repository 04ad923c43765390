"""Commands against the simulated openWB of both generations: real broker, real Redis, and the edge as a process."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.clock import SimulatedClock
from common.commands import Status
from tests.kit.commanded_site import Site, commanded_site
from tests.kit.waiting import eventually
from tests.kit.wallbox import listening


@pytest.fixture(scope="module")
def site_v1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with commanded_site(tmp_path_factory.mktemp("v1"), "1.9") as site:
        yield site


@pytest.fixture(scope="module")
def site_v2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with commanded_site(tmp_path_factory.mktemp("v2"), "2.x") as site:
        yield site


@pytest.fixture(scope="module", params=["1.9", "2.x"])
def any_site(request: pytest.FixtureRequest) -> Site:
    site: Site = request.getfixturevalue("site_v1" if request.param == "1.9" else "site_v2")
    return site


V1_WISHES: list[tuple[str | None, dict[str, Any]]] = [
    (None, {"mode": "instant"}),
    ("1", {"mode": "min_pv"}),
    ("2", {"mode": "standby"}),
    (None, {"mode": "stop"}),
    (None, {"mode": "pv"}),
    ("1", {"current_a": 13}),
    ("2", {"limit": {"type": "energy", "energy_wh": 7000}}),
    ("1", {"limit": {"type": "soc", "soc_percent": 75}}),
    ("1", {"limit": {"type": "none"}}),
    ("2", {"is_enabled": False}),
    ("2", {"is_enabled": True}),
    ("1", {"pv_min_current_a": 9}),
    (None, {"min_pv_current_a": 8}),
    ("1", {"soc_percent": 61}),
    ("1", {"mode": "instant", "current_a": 11, "limit": {"type": "energy", "energy_wh": 20_000}}),
]
V2_WISHES: list[tuple[str | None, dict[str, Any]]] = [
    ("3", {"mode": "pv"}),
    ("3", {"mode": "eco"}),
    ("7", {"mode": "scheduled"}),
    ("3", {"mode": "stop"}),
    (None, {"mode": "instant"}),
    ("3", {"current_a": 12}),
    ("7", {"limit": {"type": "energy", "energy_wh": 7500}}),
    ("3", {"limit": {"type": "soc", "soc_percent": 75}}),
    ("3", {"limit": {"type": "none"}}),
    ("3", {"is_enabled": False}),
    ("3", {"is_enabled": True}),
    ("3", {"pv_min_current_a": 6}),
    ("3", {"max_price_per_kwh": 0.185}),
    ("3", {"soc_percent": 61}),
    ("3", {"mode": "pv", "pv_min_current_a": 0, "limit": {"type": "energy", "energy_wh": 20_000}}),
]


@pytest.mark.parametrize(("number", "wishes"), V1_WISHES)
def test_each_wish_is_confirmed_by_openwb_1_9(site_v1: Site, number: str | None, wishes: dict[str, Any]) -> None:
    """Within a few seconds, with what was before; the observed values are the wished ones."""
    record = site_v1.do(number, **wishes)
    assert record.status is Status.CONFIRMED, record
    assert record.observed == wishes
    assert record.previous.keys() == wishes.keys()


@pytest.mark.parametrize(("number", "wishes"), V2_WISHES)
def test_each_wish_is_confirmed_by_openwb_2(site_v2: Site, number: str | None, wishes: dict[str, Any]) -> None:
    """As on 1.9, by the same API."""
    record = site_v2.do(number, **wishes)
    assert record.status is Status.CONFIRMED, record
    assert record.observed == wishes
    assert record.previous.keys() == wishes.keys()


def test_1_9_shows_some_wishes_with_its_next_loop(tmp_path: Path) -> None:
    """The price limit and the reset of the counted energy have no echo of their own; the wallbox's time runs faster."""
    now = time.time()
    with commanded_site(tmp_path, "1.9", SimulatedClock(now - 86_400, now, 10.0).spec()) as site:
        site.turn("car/2", "away")
        record = site.do("1", within_s=20, max_price_per_kwh=0.285)
        assert (record.status, record.observed) == (Status.CONFIRMED, {"max_price_per_kwh": 0.285})
        assert record.affects == ("2",)
        ended = time.monotonic() + 8.0  # a charge is over when nothing flowed for a minute; until then openWB counts on
        eventually(lambda: time.monotonic() >= ended, 10)
        record = site.do("2", within_s=20, reset_energy=True)
        assert (record.status, record.observed) == (Status.CONFIRMED, {"reset_energy": 0})
        assert record.previous["reset_energy"] > 0


def test_2_assigns_a_vehicle_with_its_next_loop(site_v2: Site) -> None:
    """And back; the template changes with it."""
    record = site_v2.do("7", within_s=30, vehicle="0")
    assert (record.status, record.previous) == (Status.CONFIRMED, {"vehicle": "2"}), record
    assert site_v2.do("7", within_s=30, vehicle="2").status is Status.CONFIRMED


def test_what_the_wallbox_cannot_do_is_rejected(any_site: Site) -> None:
    """At once, and named."""
    assert any_site.do("99", mode="pv").detail == "there is no such charge point"
    record = any_site.do(_first(any_site), mode="eco" if _is_v1(any_site) else "min_pv")
    assert record.status is Status.REJECTED
    assert (record.detail or "").startswith("mode: ")


def test_a_shared_template_names_who_changes_too(site_v2: Site) -> None:
    """The other charge point's vehicle uses the same one, and changes indeed."""
    assert site_v2.do("7", within_s=30, vehicle="0").status is Status.CONFIRMED  # 0 and 2 both have template 0
    assert site_v2.do("3", within_s=30, vehicle="2").status is Status.CONFIRMED
    record = site_v2.do("3", mode="pv")
    assert (record.status, record.affects) == (Status.CONFIRMED, ("7",))
    eventually(lambda: _mode(site_v2, "7") == "pv", 5)
    assert site_v2.do("3", within_s=30, vehicle="1").status is Status.CONFIRMED
    assert site_v2.do("7", within_s=30, vehicle="2").status is Status.CONFIRMED


def test_every_step_is_an_event_with_a_number_of_its_own(any_site: Site) -> None:
    """On the change stream, in order; the snapshot's number is never behind."""
    command_id = any_site.accept(_first(any_site), is_enabled=False)
    any_site.settled(command_id)
    eventually(lambda: [status for _, status in any_site.events(command_id)] == ["published", "confirmed"], 5)
    numbers = [number for number, _ in any_site.events(command_id)]
    assert numbers == sorted(set(numbers))
    snapshot = any_site.state()
    assert snapshot is not None
    assert snapshot.seq >= numbers[-1]
    assert any_site.do(_first(any_site), is_enabled=True).status is Status.CONFIRMED


@pytest.mark.parametrize("knob", ["deaf", "refuse"])
def test_a_wallbox_that_does_not_take_it_over(any_site: Site, knob: str) -> None:
    """It lives and does not: timed out, what it shows is told, and nothing is faked in the state."""
    number = _first(any_site)
    assert any_site.do(number, mode="pv").status is Status.CONFIRMED
    any_site.turn(knob, "1")
    try:
        record = any_site.do(number, within_s=20, mode="stop")
    finally:
        any_site.turn(knob, "0")
    assert (record.status, record.detail) == (Status.TIMED_OUT, "the wallbox did not take it over: mode")
    assert record.observed == {"mode": "pv"}
    assert _mode(any_site, number) == "pv"


def test_a_person_at_the_wallbox_supersedes(any_site: Site) -> None:
    """Soon after the confirmation; the person's value stays."""
    number = _first(any_site)
    command_id = any_site.accept(number, is_enabled=True)
    assert any_site.settled(command_id).status is Status.CONFIRMED
    if _is_v1(any_site):
        any_site.turn("person/set/lp/1/ChargePointEnabled", "0")
    else:
        any_site.turn("person/set/chargepoint/3/set/manual_lock", "true")
    eventually(lambda: any_site.record(command_id).status is Status.SUPERSEDED, 10)
    assert any_site.record(command_id).observed == {"is_enabled": False}
    assert any_site.do(number, is_enabled=True).status is Status.CONFIRMED


def test_commands_are_never_retained(site_v1: Site) -> None:
    """A retained one would be carried out again whenever openWB starts."""
    with listening(site_v1.broker.url, "openWB/set/#", "openWB/config/set/#") as listener:
        listener.say("openWB/none", "")
        assert site_v1.do("1", current_a=10).status is Status.CONFIRMED
        eventually(lambda: listener.topics, 5)
    with listening(site_v1.broker.url, "openWB/set/#", "openWB/config/set/#", "openWB/system/Timestamp") as late:
        eventually(lambda: late.topics, 5)
        assert set(late.topics) == {"openWB/system/Timestamp"}


def test_a_stopped_edge_sends_nothing_later(site_v1: Site) -> None:
    """What was accepted while it was down, and too long ago, is settled and never sent."""
    site_v1.stop_edge()
    late = site_v1.accept(None, age_s=31, mode="stop")
    fresh = site_v1.accept("2", current_a=14)
    with listening(site_v1.broker.url, "openWB/set/ChargeMode") as listener:
        site_v1.start_edge()
        record = site_v1.settled(late, 30)
        assert site_v1.settled(fresh, 30).status is Status.CONFIRMED
        assert listener.heard == []
    assert (record.status, record.published_at) == (Status.TIMED_OUT, None)
    assert (record.detail or "").startswith("never sent")
    eventually(lambda: site_v1.counter("commands_never_sent") == 1, 10)


def test_a_killed_edge_finds_out_what_became_of_a_command(site_v1: Site) -> None:
    """Published before, shown by the wallbox meanwhile: confirmed after the restart, and sent once."""
    site_v1.turn("slow", "4")
    try:
        with listening(site_v1.broker.url, "openWB/config/set/sofort/lp/2/current") as listener:
            command_id = site_v1.accept("2", current_a=15)
            eventually(lambda: site_v1.record(command_id).status is Status.PUBLISHED, 5)
            site_v1.kill_edge()
            site_v1.start_edge()
            assert site_v1.settled(command_id, 30).status is Status.CONFIRMED
            assert [text for _, text in listener.heard if text] == ["15"]
    finally:
        site_v1.turn("slow", "0")


def test_a_broker_outage_delays_within_the_deadline_only(site_v1: Site) -> None:
    """Back in time: sent and confirmed. The wallbox comes back with the broker, some seconds later."""
    site_v1.broker.stop()
    try:
        command_id = site_v1.accept("2", current_a=12)
        eventually(lambda: site_v1.redis.xlen("wallport:commands"), 5)
    finally:
        site_v1.broker.start()
    assert site_v1.settled(command_id, 50).published_at is not None


def test_a_frozen_edge_sends_nothing_after_the_deadline(site_v1: Site) -> None:
    """Stopped with a fresh command, it wakes up when that is too old."""
    assert site_v1.edge is not None
    eventually(site_v1.is_live, 30)
    with listening(site_v1.broker.url, "openWB/set/ChargeMode") as listener:
        site_v1.edge.send_signal(signal.SIGSTOP)
        try:
            command_id = site_v1.accept(None, age_s=27, mode="stop")
            woken_at = time.monotonic() + 3.5
            eventually(lambda: time.monotonic() >= woken_at, 10)
        finally:
            site_v1.edge.send_signal(signal.SIGCONT)
        assert site_v1.settled(command_id).published_at is None
        assert listener.heard == []


@pytest.mark.timeout(120)
def test_undone_at_the_five_minute_mark_is_sent_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    """openWB 2.x writes the old value back; the command is sent again and holds."""
    now = time.time()
    mark = (now // 300) * 300
    clock = SimulatedClock(mark - 30, now, 1.0)
    with commanded_site(tmp_path_factory.mktemp("undo"), "2.x", clock.spec()) as site:
        assert site.do("3", mode="instant").status is Status.CONFIRMED
        eventually(lambda: clock.now() >= mark - 5, 40, "the dangerous time before the mark")
        command_id = site.accept("3", mode="stop")
        assert site.settled(command_id).status is Status.CONFIRMED
        eventually(lambda: len(site.events(command_id)) >= 4, 20, "being undone and sent again")
        assert [status for _, status in site.events(command_id)] == ["published", "confirmed"] * 2
        assert "sent again" in (site.record(command_id).detail or "")
        eventually(lambda: clock.now() >= mark + 22, 30, "the undo's time being over")
        assert site.record(command_id).status is Status.CONFIRMED
        assert _mode(site, "3") == "stop"


def _is_v1(site: Site) -> bool:
    snapshot = site.state()
    return snapshot is not None and snapshot.state.meta.generation == "1.9"


def _first(site: Site) -> str:
    return "1" if _is_v1(site) else "3"


def _mode(site: Site, number: str) -> str | None:
    snapshot = site.state()
    point = snapshot.state.charge_points.get(number) if snapshot else None
    return point.mode if point else None
