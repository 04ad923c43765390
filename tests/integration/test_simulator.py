"""The simulated openWB on a real broker, as a process of its own: its retained topics, its echo, its silence."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.clock import SimulatedClock
from tests.kit.servers import Broker
from tests.kit.waiting import eventually
from tests.kit.wallbox import has_everything, listening, simulating

MODE = "openWB/global/ChargeMode"
SET_MODE = "openWB/set/ChargeMode"


def a_day_ago(speed: float) -> list[str]:
    now = time.time()
    return ["--clock", SimulatedClock(now - 86_400, now, speed).spec()]


@pytest.fixture
def wallbox(broker: Broker) -> Iterator[Broker]:
    """A broker on which the simulator has published everything once."""
    with simulating(broker.url), listening(broker.url, "openWB/#") as listener:
        eventually(lambda: has_everything(listener.topics), 15, "the first publishing")
        yield broker


def test_a_late_subscriber_finds_everything_retained(wallbox: Broker) -> None:
    """All that has a value is there at once, with its heartbeat."""
    with listening(wallbox.url, "openWB/#") as late:
        # What is retained comes in no order: the chart's line may be among the last.
        eventually(lambda: has_everything(late.topics) and "openWB/graph/lastlivevalues" in late.topics, 5)
    topics = late.topics
    assert topics["openWB/lp/1/boolChargePointConfigured"] == "1"
    assert topics["openWB/lp/3/boolChargePointConfigured"] == "0"
    assert float(topics["openWB/lp/1/kWhCounter"]) > 100
    assert int(topics["openWB/pv/W"]) <= 0
    assert len(topics["openWB/graph/lastlivevalues"].split(",")) == 29
    assert abs(int(topics["openWB/system/Timestamp"]) - time.time()) < 60
    assert "openWB/lp/3/W" not in topics  # published empty: there is nothing to retain


def test_a_charge_mode_is_echoed_and_its_set_topic_emptied(wallbox: Broker) -> None:
    """In this order, and within the second."""
    with listening(wallbox.url, MODE, SET_MODE) as listener:
        eventually(lambda: MODE in listener.topics)
        listener.say(SET_MODE, "3")
        eventually(lambda: listener.heard[-1] == (SET_MODE, ""), 2)
        assert listener.heard[-3:] == [(SET_MODE, "3"), (MODE, "3"), (SET_MODE, "")]
    with listening(wallbox.url, MODE, SET_MODE) as late:
        eventually(lambda: late.topics == {MODE: "3"}, 5, "only the mode being retained")


def test_what_is_no_whole_number_is_ignored_in_silence(wallbox: Broker) -> None:
    """Neither echo nor emptied topic for `3.0` and for bytes that are no text; the next command works."""
    with listening(wallbox.url, MODE, SET_MODE) as listener:
        eventually(lambda: MODE in listener.topics)
        before = len(listener.heard)
        listener.say(SET_MODE, "3.0")
        listener.say(SET_MODE, b"\xff\xfe")
        listener.say(SET_MODE, "0")
        eventually(lambda: listener.heard[-1] == (SET_MODE, ""), 5)
        assert [payload for _, payload in listener.heard[before:]] == ["3.0", "��", "0", "0", ""]


def test_renew_publishes_what_did_not_change(wallbox: Broker) -> None:
    """With the next loop, within ten seconds."""
    with listening(wallbox.url, "openWB/lp/1/strChargePointName", "openWB/set/#") as listener:
        eventually(lambda: listener.topics)
        listener.say("openWB/set/RenewMQTT", "1")
        name = ("openWB/lp/1/strChargePointName", "Carport")
        eventually(lambda: listener.heard.count(name) == 2, 15, "the name being published again")


def test_fast_time_is_no_flood(broker: Broker) -> None:
    """At a thousandfold speed it publishes at most ten times a second, and still covers all of the time."""
    with simulating(broker.url, *a_day_ago(1000)), listening(broker.url, "openWB/system/Timestamp") as listener:
        eventually(lambda: len(listener.heard) > 20, 15)
        began, heard = time.monotonic(), len(listener.heard)
        eventually(lambda: len(listener.heard) >= heard + 20, 15)
        assert time.monotonic() - began > 1.5
    stamps = [int(payload) for _, payload in listener.heard]
    assert stamps == sorted(stamps)
    assert all(stamp % 10 == 0 for stamp in stamps)
    assert stamps[-1] - stamps[0] > 3000


def test_it_waits_for_its_broker_and_says_all_again_after_an_outage(broker: Broker) -> None:
    """Started without a broker it connects later; after an outage everything is published again."""
    broker.stop()
    with simulating(broker.url) as process:
        broker.start()
        with listening(broker.url, "openWB/#") as listener:
            eventually(lambda: has_everything(listener.topics), 20, "everything after a late start of the broker")
        broker.stop()
        broker.start()
        with listening(broker.url, "openWB/lp/1/strChargePointName") as listener:
            eventually(lambda: len(listener.heard) >= 2, 20, "everything again after the outage")
        assert process.poll() is None


def test_a_restart_keeps_settings_and_meters(broker: Broker) -> None:
    """It reads back what the broker still holds."""
    with listening(broker.url, "openWB/#") as listener, simulating(broker.url):
        eventually(lambda: has_everything(listener.topics), 15)
        listener.say("openWB/config/set/sofort/lp/2/current", "13")
        eventually(lambda: listener.topics["openWB/config/get/sofort/lp/2/current"] == "13")
    with listening(broker.url, "openWB/evu/WhImported") as listener:
        imported_wh = float(eventually(lambda: listener.topics)["openWB/evu/WhImported"])
    with simulating(broker.url), listening(broker.url, "openWB/#") as listener:
        before = len(eventually(lambda: listener.heard))
        eventually(lambda: len(listener.heard) > before + 350, 15)
        assert listener.topics["openWB/config/get/sofort/lp/2/current"] == "13"
        assert float(listener.topics["openWB/evu/WhImported"]) >= imported_wh


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_order_when_asked_to(broker: Broker, ending: signal.Signals, tmp_path: Path) -> None:
    """Exit code 0, within seconds, also while no broker answers."""
    with simulating(broker.url) as process:
        with listening(broker.url, "openWB/#") as listener:
            eventually(lambda: has_everything(listener.topics), 15)
        process.send_signal(ending)
        assert process.wait(5) == 0
    broker.stop()
    log_file = tmp_path / "simulator.log"
    with simulating(broker.url, log_file=log_file) as process:
        eventually(lambda: "broker_unavailable" in log_file.read_text(), 15)
        process.send_signal(ending)
        assert process.wait(5) == 0


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--mqtt", "http://127.0.0.1"], "--mqtt must be a URL like mqtt://127.0.0.1:1883"),
        (["--mqtt", "mqtt://127.0.0.1:70000"], "--mqtt must be a URL"),
        (["--mqtt", "mqtt://127.0.0.1", "--clock", "now"], "--clock must be"),
    ],
)
def test_bad_arguments_are_named(options: list[str], fault: str) -> None:
    """Exit code 2 and the argument's name, at once."""
    done = subprocess.run(
        [sys.executable, "-m", "simulator.app", *options], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 2
    assert fault in done.stderr
