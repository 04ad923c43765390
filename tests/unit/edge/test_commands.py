"""What becomes of commands, told as transcripts: what is said, what is heard, what time does, and the record's end."""

import json
from typing import Any

import pytest

from common.commands import Command, CommandRecord, Status
from edge.commands import MOST_HELD, MOST_OPEN
from edge.openwb import v1_commands, v2_commands
from tests.kit.commanded import Bench

MODE = "openWB/global/ChargeMode"
CURRENT = "openWB/config/get/sofort/lp/1/current"
TEMPLATE = "openWB/chargepoint/3/set/charge_template"
LOCK = "openWB/chargepoint/3/set/manual_lock"


def v1(**texts: str) -> Bench:
    configured = {f"openWB/lp/{n}/boolChargePointConfigured": "1" for n in (1, 2)}
    return Bench(v1_commands.PLANNER, configured | {MODE: "2", CURRENT: "10"} | texts)


def template(selected: str = "instant_charging", current_a: int = 16) -> str:
    return json.dumps({"id": 1, "chargemode": {"selected": selected, "instant_charging": {"current": current_a}}})


def v2() -> Bench:
    texts = {"openWB/chargepoint/3/config": "{}", TEMPLATE: template(), LOCK: "false"}
    return Bench(v2_commands.PLANNER, texts)


def test_confirmed_by_the_wallbox_alone() -> None:
    """Accepted, published, and confirmed by the state topic; the old value is kept."""
    bench = v1()
    bench.accept("a", None, mode="instant")
    assert [(topic, text) for _, topic, text in bench.sent] == [("openWB/set/ChargeMode", "0")]
    assert bench.records["a"].status is Status.PUBLISHED
    bench.hear("openWB/set/ChargeMode", "0")  # never heard in truth; it would prove nothing
    assert bench.records["a"].status is Status.PUBLISHED
    bench.hear(MODE, "0")
    record = bench.records["a"]
    assert bench.history["a"] == ["accepted", "published", "confirmed"]
    assert (record.previous, record.observed) == ({"mode": "pv"}, {"mode": "instant"})
    assert record.published_at is not None
    assert record.settled_at is not None
    assert record.detail is None


def test_refused_by_the_wallbox_is_silence_of_one_that_lives() -> None:
    """No echo in time, while its heart beats: it did not take it over, and what it shows is told."""
    bench = v1()
    bench.accept("a", None, mode="stop")
    bench.pass_s(10)
    record = bench.records["a"]
    assert record.status is Status.TIMED_OUT
    assert record.detail == "the wallbox did not take it over: mode"
    assert record.observed == {"mode": "pv"}


def test_a_stale_wallbox_is_named_as_such() -> None:
    """Silence of the heart, too."""
    bench = v1()
    bench.beat()
    bench.freeze_s(120)
    bench.accept("a", None, mode="stop")
    bench.pass_s(10, is_alive=False)
    assert bench.records["a"].status is Status.TIMED_OUT
    assert "no sign of life for 12" in (bench.records["a"].detail or "")


def test_a_wallbox_never_heard_of_is_named_as_such() -> None:
    """Its heart was never seen to beat."""
    bench = v1()
    bench.accept("a", None, mode="stop")
    bench.pass_s(10, is_alive=False)
    assert bench.records["a"].detail == "sent, but the wallbox gives no sign of life"


def test_a_broker_lost_after_sending_is_named_as_such() -> None:
    """Nobody knows what the wallbox did."""
    bench = v1()
    bench.accept("a", None, mode="stop")
    bench.is_connected = False
    bench.pass_s(10)
    assert bench.records["a"].status is Status.TIMED_OUT
    assert "connection to the wallbox's broker was lost" in (bench.records["a"].detail or "")


def test_late_is_too_late() -> None:
    """An echo after the time-out changes nothing any more: the client was told."""
    bench = v1()
    bench.accept("a", None, mode="stop")
    bench.pass_s(10)
    bench.hear(MODE, "3")
    assert bench.history["a"] == ["accepted", "published", "timed_out"]


def test_without_a_broker_it_waits_and_is_never_sent_later() -> None:
    """Thirty seconds, then it is void, also when the broker comes back a second later."""
    bench = v1()
    bench.is_connected = False
    bench.accept("a", None, mode="stop")
    bench.pass_s(29)
    assert bench.history.get("a", ["accepted"]) == ["accepted"]
    bench.pass_s(1)
    bench.is_connected = True
    bench.pass_s(60)
    record = bench.records["a"]
    assert (record.status, record.published_at) == (Status.TIMED_OUT, None)
    assert record.detail == "never sent: there was no connection to the wallbox's broker"
    assert bench.sent == []


def test_a_broker_back_in_time_gets_it() -> None:
    """Within the deadline nothing is lost, and each is sent once."""
    bench = v1()
    bench.refusal = "its deadline was too near"
    bench.accept("a", None, mode="stop")
    bench.pass_s(20)
    bench.refusal = None
    bench.pass_s(0.5)
    bench.hear(MODE, "3")
    assert bench.history["a"] == ["accepted", "published", "confirmed"]
    assert len(bench.sent) == 1


def test_a_frozen_process_sends_nothing_afterwards() -> None:
    """Whatever it was about to do."""
    bench = v1()
    bench.is_connected = False
    bench.accept("a", None, mode="stop")
    bench.freeze_s(40)
    bench.is_connected = True
    bench.turn()
    assert bench.records["a"].status is Status.TIMED_OUT
    assert bench.sent == []


def test_accepted_while_the_edge_was_down() -> None:
    """Found in the queue too late: settled, and never sent."""
    bench = v1()
    old = Command(id="a", charge_point=None, wishes={"mode": "stop"}, accepted_at=bench.now - 31, by="anna")
    record = CommandRecord(
        id="a", status=Status.ACCEPTED, charge_point=None, requested=old.wishes, accepted_at=old.accepted_at
    )
    bench.executor.take(old, record, bench.now, bench.uptime)
    bench.turn()
    assert bench.records["a"].status is Status.TIMED_OUT
    assert (bench.records["a"].detail or "").startswith("never sent")
    assert bench.sent == []


def test_an_old_command_whose_record_is_gone_is_nobodys() -> None:
    """Neither sent nor told of."""
    bench = v1()
    old = Command(id="a", charge_point=None, wishes={"mode": "stop"}, accepted_at=bench.now - 31, by="anna")
    bench.executor.take(old, None, bench.now, bench.uptime)
    bench.turn()
    assert bench.records == {}
    assert bench.executor.is_idle


def test_accepted_by_a_clock_that_was_set_back_since() -> None:
    """Nobody knows how old it is, so it is not sent."""
    bench = v1()
    future = Command(id="a", charge_point=None, wishes={"mode": "stop"}, accepted_at=bench.now + 3600, by="anna")
    bench.executor.take(future, None, bench.now, bench.uptime)
    bench.turn()
    assert bench.records["a"].status is Status.TIMED_OUT
    assert bench.sent == []


def test_a_clock_set_back_delays_no_time_out() -> None:
    """Durations are counted in uptime."""
    bench = v1()
    bench.accept("a", None, mode="stop")
    bench.now -= 86_400
    bench.pass_s(10)
    assert bench.records["a"].status is Status.TIMED_OUT


def test_rejected_by_the_wallboxs_own_limits() -> None:
    """Before anything is sent, and with the wish's name."""
    bench = v1(**{"openWB/config/get/global/maxEVSECurrentAllowed": "16"})
    bench.accept("a", "1", current_a=20)
    assert bench.history["a"] == ["accepted", "rejected"]
    assert bench.records["a"].detail == "current_a: this wallbox allows 6 to 16 A"
    assert bench.sent == []


def test_rejected_for_its_form() -> None:
    """The api checks it, too; a queue is input."""
    bench = v1()
    bench.accept("a", "1", current_a="16")
    assert bench.records["a"].status is Status.REJECTED
    assert bench.sent == []


def test_several_wishes_are_confirmed_together() -> None:
    """Not before all of them show; the missing ones are named."""
    bench = v1()
    bench.accept("a", "1", mode="instant", current_a=16)
    bench.hear(MODE, "0")
    assert bench.history["a"] == ["accepted", "published"]
    assert bench.records["a"].observed == {"current_a": 10, "mode": "instant"}
    bench.hear(CURRENT, "16")
    assert bench.history["a"] == ["accepted", "published", "confirmed"]
    bench.accept("b", "1", mode="pv", current_a=8)
    bench.hear(MODE, "2")
    bench.pass_s(10)
    assert bench.records["b"].detail == "the wallbox did not take it over: current_a"


def test_fulfilled_before_needs_a_sign_of_life() -> None:
    """It is sent all the same; the echo of the same value, or the next heartbeat, confirms it."""
    bench = v1()
    bench.accept("a", None, mode="pv")
    assert len(bench.sent) == 1
    assert bench.records["a"].status is Status.PUBLISHED
    bench.hear(MODE, "2")
    assert (bench.records["a"].status, bench.records["a"].detail) == (Status.CONFIRMED, "it was so before")
    bench.accept("b", "1", current_a=10)
    bench.freeze_s(8)
    bench.beat()
    assert bench.records["b"].status is Status.CONFIRMED
    bench.freeze_s(1)
    bench.accept("c", "1", current_a=10)
    bench.pass_s(60, is_alive=False)
    assert bench.records["c"].status is Status.TIMED_OUT


def test_a_person_changes_it_back_soon_after() -> None:
    """Superseded, with what is observed now; 1.9 overrides its mode by itself, too."""
    bench = v1()
    bench.accept("a", None, mode="instant")
    bench.hear(MODE, "0")
    bench.pass_s(10)
    bench.hear(MODE, "3")
    record = bench.records["a"]
    assert bench.history["a"][-1] == "superseded"
    assert record.observed == {"mode": "stop"}
    assert "changed meanwhile" in (record.detail or "")
    assert len(bench.sent) == 1


def test_what_changes_long_after_is_another_story() -> None:
    """The record stays confirmed."""
    bench = v1()
    bench.accept("a", None, mode="instant")
    bench.hear(MODE, "0")
    bench.pass_s(60)
    assert bench.executor.is_idle
    bench.hear(MODE, "3")
    assert bench.records["a"].status is Status.CONFIRMED


def test_a_counter_set_back_goes_on_counting() -> None:
    """It was shown once; nobody changed it."""
    charged = "openWB/lp/1/kWhActualCharged"
    bench = v1(**{charged: "7.52"})
    bench.accept("a", "1", reset_energy=True)
    bench.hear(charged, "0")
    bench.hear(charged, "0.04")
    bench.pass_s(60)
    assert bench.history["a"] == ["accepted", "published", "confirmed"]
    assert bench.records["a"].previous == {"reset_energy": 7520}


def test_the_newest_of_several_that_wait_is_sent() -> None:
    """Somebody taps through the modes: only the last one goes out."""
    bench = v1()
    bench.is_connected = False
    bench.accept("a", None, mode="instant")
    bench.accept("b", "1", mode="min_pv")
    bench.accept("c", "2", mode="stop")
    bench.is_connected = True
    bench.turn()
    assert [text for _, _, text in bench.sent] == ["3"]
    assert [bench.history[one][-1] for one in "abc"] == ["superseded", "superseded", "published"]


def test_a_newer_command_supersedes_one_on_its_way() -> None:
    """When it goes out; not before, as it may never do."""
    bench = v1()
    bench.accept("a", None, mode="instant")
    bench.accept("b", None, mode="stop")
    assert bench.records["a"].status is Status.PUBLISHED
    bench.pass_s(3.5)
    assert [bench.records[one].status for one in "ab"] == [Status.SUPERSEDED, Status.PUBLISHED]
    bench.hear(MODE, "3")
    assert bench.records["b"].status is Status.CONFIRMED


def test_a_newer_command_supersedes_a_confirmed_one() -> None:
    """While it is still watched; the same wish again supersedes nothing."""
    bench = v1()
    bench.accept("a", None, mode="instant")
    bench.hear(MODE, "0")
    bench.accept("b", None, mode="instant")
    bench.hear(MODE, "0")
    assert [bench.records[one].status for one in "ab"] == [Status.CONFIRMED, Status.CONFIRMED]
    bench.accept("c", None, mode="pv")
    bench.hear(MODE, "2")
    assert [bench.records[one].status for one in "abc"] == [Status.SUPERSEDED, Status.SUPERSEDED, Status.CONFIRMED]


def test_one_is_on_its_way_at_a_time() -> None:
    """The next one waits for the answer, though not longer than an answer takes."""
    bench = v1()
    bench.accept("a", "1", current_a=12)
    bench.accept("b", None, mode="stop")
    assert len(bench.sent) == 1
    bench.hear(CURRENT, "12")
    assert len(bench.sent) == 2
    bench.accept("c", "2", is_enabled=False)
    bench.pass_s(2.5)
    assert len(bench.sent) == 2
    bench.pass_s(1)
    assert len(bench.sent) == 3


def test_too_many_are_refused() -> None:
    """The others are still carried out; room comes back."""
    bench = v1()
    bench.is_connected = False
    for number in range(MOST_OPEN):
        bench.accept(f"a{number}", "1", current_a=6 + number % 20)
        bench.planner = None  # else the older ones would be outdone
    bench.accept("b", None, mode="stop")
    assert bench.history["b"] == ["accepted", "rejected"]
    bench.pass_s(31)
    assert all(record.status.is_settled for record in bench.records.values())
    assert bench.executor.is_idle


def test_what_is_watched_is_bounded() -> None:
    """The oldest confirmed ones are let go, and stay confirmed."""
    bench = v1()
    for number in range(MOST_HELD + 10):
        bench.accept(f"a{number}", None, mode="pv")
        bench.hear(MODE, "2")
    held = [one for one in bench.executor._attempts.values() if one.record.status is Status.CONFIRMED]
    assert len(held) <= MOST_HELD + 1
    assert {record.status for record in bench.records.values()} == {Status.CONFIRMED}


def test_a_restart_while_accepted_sends_it_in_time() -> None:
    """And only once."""
    bench = v1()
    bench.is_connected = False
    bench.accept("a", None, mode="stop")
    bench.freeze_s(5)
    bench.restart()
    bench.is_connected = True
    bench.turn()
    bench.hear(MODE, "3")
    assert bench.history["a"] == ["accepted", "published", "confirmed"]
    assert len(bench.sent) == 1


@pytest.mark.parametrize(("shown", "end"), [("3", "confirmed"), ("2", "timed_out")])
def test_a_restart_while_published_watches_on(shown: str, end: str) -> None:
    """What was sent is not sent again; what the broker retained tells."""
    bench = v1()
    bench.accept("a", None, mode="stop")
    bench.freeze_s(20)
    bench.restart()
    bench.is_connected = False
    bench.turn()
    assert bench.records["a"].status is Status.PUBLISHED
    bench.texts = bench.texts | {MODE: shown}
    bench.is_connected = True
    bench.repeat_retained()
    bench.pass_s(40)
    assert bench.history["a"] == ["accepted", "published", end]
    assert bench.records["a"].previous == {"mode": "pv"}
    assert len(bench.sent) == 1


def test_a_restart_without_a_wallbox_ends_in_not_knowing() -> None:
    """Said as it is."""
    bench = v1()
    bench.accept("a", None, mode="stop")
    bench.restart()
    bench.is_connected = False
    bench.pass_s(40)
    assert bench.records["a"].status is Status.TIMED_OUT
    assert "Wallport was restarted meanwhile" in (bench.records["a"].detail or "")


def test_a_restart_soon_after_a_confirmation_watches_on() -> None:
    """A flip while nobody looked is told; it is not mended, since nobody saw whose it was."""
    bench = v1()
    bench.accept("a", None, mode="instant")
    bench.hear(MODE, "0")
    bench.restart()
    bench.texts = bench.texts | {MODE: "2"}
    bench.repeat_retained()
    bench.turn()
    assert bench.history["a"][-1] == "superseded"
    assert len(bench.sent) == 1


def undone(bench: Bench, **wishes: Any) -> None:
    """A command 5 s before the mark, echoed, and written back 6.9 s later."""
    bench.go_to_mark(5)
    bench.accept("a", "3", **wishes)
    bench.hear(TEMPLATE, bench.sent[-1][2])
    bench.pass_s(6.9)


def test_undone_at_the_mark_is_sent_again() -> None:
    """The record goes back to published, then holds."""
    bench = v2()
    undone(bench, mode="stop")
    bench.hear(TEMPLATE, template())
    assert bench.history["a"] == ["accepted", "published", "confirmed", "published"]
    assert "sending it again" in (bench.records["a"].detail or "")
    assert len(bench.sent) == 2
    bench.hear(TEMPLATE, template("stop"))
    bench.pass_s(60)
    assert bench.history["a"] == ["accepted", "published", "confirmed", "published", "confirmed"]
    assert "sent again" in (bench.records["a"].detail or "")
    assert bench.records["a"].previous == {"mode": "instant"}
    assert bench.executor.is_idle


def test_what_cannot_be_held_is_given_up() -> None:
    """Twice, not for ever."""
    bench = v2()
    undone(bench, mode="stop")
    for _ in range(2):
        bench.hear(TEMPLATE, template())
        bench.hear(TEMPLATE, template("stop"))
        bench.pass_s(0.5)
    bench.hear(TEMPLATE, template())
    bench.pass_s(60)
    record = bench.records["a"]
    assert (record.status, record.observed) == (Status.TIMED_OUT, {"mode": "instant"})
    assert record.detail == "undone by the wallbox at its five-minute mark: mode"
    assert len(bench.sent) == 3


def test_a_third_value_at_the_mark_is_a_persons() -> None:
    """The wallbox only writes back what was before."""
    bench = v2()
    undone(bench, mode="stop")
    bench.hear(TEMPLATE, template("pv_charging"))
    assert bench.history["a"][-1] == "superseded"
    assert len(bench.sent) == 1


def test_the_old_value_long_before_the_mark_is_a_persons() -> None:
    """Only a mark undoes."""
    bench = v2()
    bench.go_to_mark(200)
    bench.accept("a", "3", mode="stop")
    bench.hear(TEMPLATE, bench.sent[-1][2])
    bench.pass_s(5)
    bench.hear(TEMPLATE, template())
    assert bench.history["a"][-1] == "superseded"
    assert len(bench.sent) == 1


def test_the_old_value_before_the_mark_has_come_is_a_persons() -> None:
    """Also when the command fell into the dangerous time."""
    bench = v2()
    bench.go_to_mark(14)
    bench.accept("a", "3", mode="stop")
    bench.hear(TEMPLATE, bench.sent[-1][2])
    bench.pass_s(3)
    bench.hear(TEMPLATE, template())
    assert bench.history["a"][-1] == "superseded"


def test_undone_while_the_broker_is_away() -> None:
    """It cannot be sent again in time, so it is said."""
    bench = v2()
    undone(bench, mode="stop")
    bench.refusal = "there was no connection to the wallbox's broker"
    bench.hear(TEMPLATE, template())
    bench.pass_s(60)
    bench.refusal = None
    bench.pass_s(60)
    assert bench.records["a"].status is Status.TIMED_OUT
    assert "not sent again: there was no connection" in (bench.records["a"].detail or "")
    assert len(bench.sent) == 1


def test_a_resend_is_made_from_the_newest_template() -> None:
    """What a person changed in the same template meanwhile stays."""
    bench = v2()
    undone(bench, mode="stop")
    bench.hear(TEMPLATE, template(current_a=7))
    assert json.loads(bench.sent[-1][2])["chargemode"] == {"selected": "stop", "instant_charging": {"current": 7}}


def test_two_commands_in_a_row_keep_each_others_wishes() -> None:
    """The second one's template is made after the echo of the first."""
    bench = v2()
    bench.accept("a", "3", mode="stop")
    bench.accept("b", "3", current_a=9)
    assert len(bench.sent) == 1
    bench.hear(TEMPLATE, bench.sent[-1][2])
    assert json.loads(bench.sent[-1][2])["chargemode"] == {"selected": "stop", "instant_charging": {"current": 9}}


def test_a_lock_is_held_too() -> None:
    """Everything that a charge point publishes may be undone."""
    bench = v2()
    bench.go_to_mark(5)
    bench.accept("a", "3", is_enabled=False)
    bench.hear(LOCK, "true")
    bench.pass_s(6.9)
    bench.hear(LOCK, "false")
    assert [text for _, _, text in bench.sent] == ["true", "true"]


def test_without_the_template_nothing_is_sent() -> None:
    """It waits for the wallbox to show it, and says so when it does not."""
    bench = v2()
    bench.texts = bench.texts | {TEMPLATE: ""}
    bench.accept("a", "3", mode="stop")
    bench.pass_s(31)
    assert bench.records["a"].detail == "never sent: the wallbox had not shown the charge template"
    assert bench.sent == []


def test_an_unknown_generation_is_waited_for() -> None:
    """The command goes out when it is known, in time."""
    bench = v1()
    planner, bench.planner = bench.planner, None
    bench.accept("a", None, mode="stop")
    bench.pass_s(10)
    assert bench.sent == []
    bench.planner = planner
    bench.turn()
    assert len(bench.sent) == 1
