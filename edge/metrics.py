"""What the edge tells Prometheus of its tunnel, by name; docs/deploy.md explains what to watch. Reading only, no I/O.

The numbers are those of health and of the newest connection, so that a scrape and `wallport-edge health` never differ.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

ENDED = "relay_ended_"
"""Health's counters of connections that ended begin so; the reason follows (edge/tunnel.py, `Ending`)."""

Figures = Callable[[], tuple[bool, int, int, float | None]]
"""Whether the tunnel is up, its open streams, how many of them are stalled, and the round trip in seconds."""


class TunnelCollector(Collector):
    def __init__(self, figures: Figures, counters: Callable[[], Mapping[str, int]]) -> None:
        """`counters` are health's."""
        self._figures = figures
        self._counters = counters

    def collect(self) -> Iterable[Metric]:
        is_up, streams, stalled, rtt_s = self._figures()
        counters = self._counters()
        yield _gauge("wallport_edge_tunnel_up", "1 while the relay has this site's tunnel", float(is_up))
        yield _gauge("wallport_edge_streams", "Requests and websockets under way", streams)
        yield _gauge("wallport_edge_streams_stalled", "Of these, waiting for somebody to take what was sent", stalled)
        if rtt_s is not None:
            yield _gauge("wallport_edge_rtt_seconds", "Last round trip to the relay", rtt_s)
        yield _counter(
            "wallport_edge_window_blocked_seconds",
            "Sum over all streams of the time they were stalled",
            counters.get("relay_window_blocked_ms", 0) / 1000,
        )
        yield _counter("wallport_edge_tunnels_opened", "Handshakes that succeeded", counters.get("relay_opened", 0))
        yield _counter("wallport_edge_dials_failed", "Tries that came to none", counters.get("relay_dials_failed", 0))
        ended = CounterMetricFamily(
            "wallport_edge_tunnels_ended", "Tunnels that ended, so reconnects, by reason", labels=["reason"]
        )
        for name, count in sorted(counters.items()):
            if name.startswith(ENDED):
                ended.add_metric([name.removeprefix(ENDED)], float(count))
        yield ended


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=value)


def _counter(name: str, says: str, value: float) -> Metric:
    return CounterMetricFamily(name, says, value=value)
