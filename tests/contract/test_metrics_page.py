"""docs/deploy.md names every figure that edge and relay tell Prometheus, and no other."""

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.health import Health, Status
from common.metrics import HealthCollector
from edge.metrics import TunnelCollector
from relay.metrics import Metrics

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")


def told(registry: CollectorRegistry) -> set[str]:
    """As Prometheus names them."""
    return {f"{one.name}_total" if one.type == "counter" else one.name for one in registry.collect()}


def test_the_page_names_exactly_what_is_told() -> None:
    health = Health(SystemClock())
    health.report("relay", Status.OK)
    edge = CollectorRegistry()
    edge.register(HealthCollector(health))
    edge.register(TunnelCollector(lambda: (True, 0, 0, 0.1), health.counters))
    named = set(re.findall(r"`(wallport_[a-z_]+)(?:\{[a-z]+\})?`", PAGE))
    assert named == told(Metrics().registry) | told(edge)
