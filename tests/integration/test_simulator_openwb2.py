"""The simulated openWB 2.x on a real broker, as a process of its own: its answers, its silence, its bad days."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from common.clock import SimulatedClock
from tests.kit.servers import Broker
from tests.kit.waiting import eventually
from tests.kit.wallbox import Listener, has_everything, listening, simulating

LOCK = "openWB/chargepoint/3/set/manual_lock"
SET_LOCK = "openWB/set/chargepoint/3/set/manual_lock"
DIALECT = ("--dialect", "2.x")


@contextmanager
def ready(broker: Broker, *options: str) -> Iterator[Listener]:
    """A simulator that has published everything once, and who heard it."""
    with simulating(broker.url, *DIALECT, *options), listening(broker.url, "openWB/#") as listener:
        eventually(lambda: has_everything(listener.topics), 15, "the first publishing")
        yield listener


@pytest.fixture
def wallbox(broker: Broker) -> Iterator[Listener]:
    with ready(broker) as listener:
        yield listener


def since(listener: Listener, begin: int, *topics: str) -> list[tuple[str, str]]:
    return [heard for heard in listener.heard[begin:] if heard[0] in topics]


def test_an_accepted_value_is_echoed_and_its_set_topic_emptied(wallbox: Listener, broker: Broker) -> None:
    """In this order, and both are what a late subscriber finds."""
    begin = len(wallbox.heard)
    wallbox.say(SET_LOCK, "true", retain=True)
    eventually(lambda: since(wallbox, begin, SET_LOCK)[-1:] == [(SET_LOCK, "")], 5)
    assert since(wallbox, begin, SET_LOCK, LOCK)[-3:] == [(SET_LOCK, "true"), (LOCK, "true"), (SET_LOCK, "")]
    with listening(broker.url, LOCK, SET_LOCK) as late:
        eventually(lambda: late.topics == {LOCK: "true"}, 5, "only the lock being retained")


def test_a_refused_value_only_empties_the_set_topic(wallbox: Listener) -> None:
    """Nothing is republished."""
    begin = len(wallbox.heard)
    wallbox.say(SET_LOCK, '"true"')
    eventually(lambda: since(wallbox, begin, SET_LOCK)[-1:] == [(SET_LOCK, "")], 5)
    assert since(wallbox, begin, LOCK) == []


def test_an_unknown_id_stays_retained_for_ever(wallbox: Listener, broker: Broker) -> None:
    """No answer; the next command is answered all the same."""
    unknown = "openWB/set/chargepoint/99/set/manual_lock"
    begin = len(wallbox.heard)
    wallbox.say(unknown, "true", retain=True)
    wallbox.say(SET_LOCK, "true")
    eventually(lambda: (LOCK, "true") in since(wallbox, begin, LOCK), 5)
    assert since(wallbox, begin, unknown) == [(unknown, "true")]
    with listening(broker.url, unknown) as late:
        eventually(lambda: late.topics == {unknown: "true"}, 5)


def test_the_charge_log_comes_to_its_client_and_is_not_retained(wallbox: Listener, broker: Broker) -> None:
    """Within the second."""
    month = time.strftime("%m", time.localtime())
    data = {"year": time.strftime("%Y"), "month": month, "filter": {"chargepoint": {"id": [3]}, "vehicle": {}}}
    wallbox.say("openWB/set/command/me/todo/getChargeLog", json.dumps({"command": "getChargeLog", "data": data}))
    answer = eventually(lambda: wallbox.topics.get("openWB/log/me/data"), 5)
    assert json.loads(answer).keys() == {"entries", "totals"}
    with listening(broker.url, "openWB/log/#", LOCK) as late:
        eventually(lambda: LOCK in late.topics, 5)
        assert "openWB/log/me/data" not in late.topics


def test_what_is_written_before_the_mark_is_undone_after_it(broker: Broker) -> None:
    """Time runs five times as fast here: the command is echoed, and some real seconds later it was never there."""
    now = time.time()
    mark = now // 300 * 300 - 3600
    with ready(broker, "--clock", SimulatedClock(mark - 50, now, 5).spec()) as listener:
        eventually(
            lambda: float(listener.topics["openWB/system/time"]) >= mark - 10, 20, "the last cycle before the mark"
        )
        begin = len(listener.heard)
        listener.say(SET_LOCK, "true")
        eventually(lambda: (LOCK, "false") in since(listener, begin, LOCK), 15, "the undoing")
    assert since(listener, begin, LOCK) == [(LOCK, "true"), (LOCK, "false")]


def test_a_restart_publishes_everything_again_with_its_settings(broker: Broker) -> None:
    """As a new process that reads the broker, and as a reboot by its knob."""
    with ready(broker) as listener:
        listener.say("openWB/set/vehicle/1/name", '"Grün"')
        eventually(lambda: listener.topics["openWB/vehicle/1/name"] == '"Grün"', 5)
    with ready(broker) as listener:
        eventually(lambda: len([topic for topic, _ in listener.heard if topic == LOCK]) == 2, 15, "all of it again")
        assert listener.topics["openWB/vehicle/1/name"] == '"Grün"'
        begin = len(listener.heard)
        listener.turn("restart", "")
        booted = ("openWB/system/boot_done", "true")
        eventually(lambda: booted in listener.heard[begin:], 5)
        assert has_everything(dict(listener.heard[begin:]))


def test_it_can_be_deaf_slow_and_touched_by_a_person(wallbox: Listener) -> None:
    """Each is told apart by what is heard."""
    begin = len(wallbox.heard)
    wallbox.turn("deaf", "1")
    wallbox.say(SET_LOCK, "true")
    wallbox.turn("person/set/chargepoint/7/set/manual_lock", "true")
    eventually(lambda: ("openWB/chargepoint/7/set/manual_lock", "true") in wallbox.heard[begin:], 5)
    assert since(wallbox, begin, LOCK, SET_LOCK) == [(SET_LOCK, "true")]
    wallbox.turn("deaf", "0")
    wallbox.turn("slow", "1.5")
    began = time.monotonic()
    wallbox.say(SET_LOCK, "true")
    eventually(lambda: (LOCK, "true") in since(wallbox, begin, LOCK), 10)
    assert time.monotonic() - began > 1.4


def test_a_charge_point_that_vanishes_leaves_nothing_retained(wallbox: Listener, broker: Broker) -> None:
    """Each of its topics is emptied."""
    wallbox.turn("vanish", "7")
    eventually(lambda: '"id": 7' not in wallbox.topics["openWB/counter/get/hierarchy"], 5)
    with listening(broker.url, "openWB/chargepoint/#") as late:
        eventually(lambda: LOCK in late.topics, 5)
        assert not [topic for topic in late.topics if topic.startswith("openWB/chargepoint/7/")]


def test_a_knob_that_does_not_exist_is_logged_and_nothing_else(wallbox: Listener) -> None:
    """The wallbox goes on."""
    begin = len(wallbox.heard)
    wallbox.turn("vanish", "99")
    wallbox.turn("nothing", "\x00")
    wallbox.say(SET_LOCK, "true")
    eventually(lambda: (LOCK, "true") in since(wallbox, begin, LOCK), 5)
