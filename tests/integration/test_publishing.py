"""Handing messages to a real broker: in time and acknowledged, or surely not later."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from common.backoff import Backoff
from common.clock import SystemClock, uptime_s
from common.health import Health, Status
from edge.adapters.mqtt import WITHDRAWN_WITHIN_S, MqttSource
from edge.commands import NotSent, Unacknowledged
from edge.settings import BrokerAddress
from tests.kit.servers import Broker
from tests.kit.waiting import eventually
from tests.kit.wallbox import listening

SET = "openWB/set/ChargeMode"


@contextmanager
def _connected(broker: Broker) -> Iterator[MqttSource]:
    health = Health(SystemClock())
    address = BrokerAddress(broker.host, broker.port)
    backoff = Backoff(first_s=0.1, longest_s=0.2)
    source = MqttSource(address, ("openWB/system/Timestamp",), lambda _topic: True, health, backoff)
    stop = threading.Event()
    thread = threading.Thread(target=source.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: source.listening_since() is not None)
        eventually(lambda: health.components()["mqtt"].status is Status.OK)
        yield source
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_it_returns_when_the_broker_has_it(broker: Broker) -> None:
    """Others get it; it is not retained."""
    with _connected(broker) as source:
        with listening(broker.url, SET) as listener:
            listener.say(SET, "ready")
            eventually(lambda: listener.heard)
            source.publish(SET, "1", until=uptime_s() + 10)
            eventually(lambda: (SET, "1") in listener.heard)
        with listening(broker.url, SET, "openWB/done") as late:
            late.say("openWB/done", "x")
            eventually(lambda: late.heard)
            assert late.topics == {"openWB/done": "x"}


def test_too_near_its_deadline_it_is_not_sent(broker: Broker) -> None:
    """There must be time to withdraw it."""
    with _connected(broker) as source, listening(broker.url, SET) as listener:
        with pytest.raises(NotSent, match="deadline"):
            source.publish(SET, "1", until=uptime_s() + WITHDRAWN_WITHIN_S - 0.1)
        listener.say(SET, "later")
        eventually(lambda: listener.heard)
        assert listener.heard == [(SET, "later")]


def test_without_a_session_it_is_not_kept_for_later(broker: Broker) -> None:
    """It fails at once, and the next session does not send it."""
    with _connected(broker) as source:
        broker.stop()
        eventually(lambda: source.listening_since() is None)
        with pytest.raises(NotSent, match="no connection"):
            source.publish(SET, "1", until=uptime_s() + 60)
        broker.start()
        with listening(broker.url, SET) as listener:
            eventually(lambda: source.listening_since() is not None)
            source.publish(SET, "2", until=uptime_s() + 60)
            eventually(lambda: listener.heard)
            assert listener.heard == [(SET, "2")]


def test_an_unacknowledged_one_is_withdrawn_with_its_connection(broker: Broker) -> None:
    """A frozen broker that wakes up: what the kernel had already handed over may come at once, nothing later."""
    with _connected(broker) as source, listening(broker.url, SET) as listener:
        first = source.listening_since()
        os.kill(broker.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(Unacknowledged):
                source.publish(SET, "1", until=uptime_s() + 60)
            eventually(lambda: source.listening_since() is None, WITHDRAWN_WITHIN_S)
            with pytest.raises(NotSent):
                source.publish(SET, "2", until=uptime_s() + 60)
        finally:
            os.kill(broker.process.pid, signal.SIGCONT)
        eventually(lambda: source.listening_since() not in (None, first), 15)
        source.publish(SET, "3", until=uptime_s() + 60)
        eventually(lambda: (SET, "3") in listener.heard)
        assert (SET, "2") not in listener.heard
        assert listener.heard[-1] == (SET, "3")
