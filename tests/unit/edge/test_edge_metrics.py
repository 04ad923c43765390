"""What the edge tells Prometheus, scraped from its listener as Prometheus does it."""

import threading
import urllib.request

from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.health import Health, Status
from common.metrics import HealthCollector, MetricsListener
from edge.loops.metrics import MetricsLoop
from edge.metrics import TunnelCollector
from tests.kit.ports import reserved_port
from tests.kit.waiting import eventually


def scraped(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_the_tunnel_is_told_by_name() -> None:
    """Sessions, reconnects by reason, streams, stalls, blocked time, round trip; and health with all it counts."""
    health = Health(SystemClock())
    health.report("relay", Status.OK)
    health.report("redis", Status.FAILING)
    for counter, by in (
        ("relay_opened", 3),
        ("relay_ended_lost", 2),
        ("relay_ended_renewed", 1),
        ("relay_window_blocked_ms", 1500),
        ("spool_dropped", 4),
    ):
        health.count(counter, by)
    registry = CollectorRegistry()
    registry.register(HealthCollector(health))
    registry.register(TunnelCollector(lambda: (True, 5, 2, 0.034), health.counters))
    with reserved_port() as port:
        loop = MetricsLoop(MetricsListener("127.0.0.1", port, registry), health)
        stop = threading.Event()
        thread = threading.Thread(target=loop.run, args=(stop,))
        thread.start()
        try:
            eventually(lambda: "metrics" in health.components() and health.components()["metrics"].status is Status.OK)
            found = scraped(port)
        finally:
            stop.set()
            thread.join(10)
    assert found["wallport_edge_tunnel_up"] == 1
    assert found["wallport_edge_streams"] == 5
    assert found["wallport_edge_streams_stalled"] == 2
    assert found["wallport_edge_rtt_seconds"] == 0.034
    assert found["wallport_edge_window_blocked_seconds_total"] == 1.5
    assert found["wallport_edge_tunnels_opened_total"] == 3
    assert found['wallport_edge_tunnels_ended_total{reason="lost"}'] == 2
    assert found['wallport_edge_tunnels_ended_total{reason="renewed"}'] == 1
    assert found['wallport_component_ok{component="relay"}'] == 1
    assert found['wallport_component_ok{component="redis"}'] == 0
    assert found['wallport_events_total{event="spool_dropped"}'] == 4


def test_a_round_trip_that_is_not_known_is_not_told() -> None:
    """None is no zero."""
    registry = CollectorRegistry()
    registry.register(TunnelCollector(lambda: (False, 0, 0, None), dict))
    assert registry.get_sample_value("wallport_edge_rtt_seconds") is None
    assert registry.get_sample_value("wallport_edge_tunnel_up") == 0


def test_an_address_that_is_taken_is_tried_again_and_told() -> None:
    """The process that this one replaces may still have it; everything else goes on."""
    health = Health(SystemClock())
    with reserved_port() as port:
        first = MetricsListener("127.0.0.1", port, CollectorRegistry())
        first.start()
        second = MetricsLoop(MetricsListener("127.0.0.1", port, CollectorRegistry()), health)
        stop = threading.Event()
        thread = threading.Thread(target=second.run, args=(stop,))
        thread.start()
        try:
            eventually(
                lambda: "metrics" in health.components() and health.components()["metrics"].status is Status.FAILING
            )
            first.stop()
            eventually(lambda: health.components()["metrics"].status is Status.OK, 20, "the address being free")
        finally:
            stop.set()
            thread.join(10)
            first.stop()
