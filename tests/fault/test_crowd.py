"""Many at once: five hundred edges that lose their relay in the same moment."""

import time
from pathlib import Path

import pytest

from tests.kit import tunnel_stack
from tests.kit.servers import RedisServer
from tests.kit.tiny_edge import TinyEdge, living, registered
from tests.kit.waiting import eventually

EDGES = 500
SPREAD_S = 8
PIECES = 8  # of the time in which they come back
PEAK = 3.0


@pytest.mark.timeout(120)
def test_500_edges_come_back_to_a_killed_relay_spread_out(redis_server: RedisServer, tmp_path: Path) -> None:
    """At no time more than three times as many a second as in the mean, though all lost it at once and the first of
    them knocked in vain while it started."""
    redis_url = f"redis://127.0.0.1:{redis_server.port}/9"
    settings = {"WALLPORT_RELAY_RECONNECT_SPREAD_S": str(SPREAD_S)}
    with tunnel_stack.relay(tmp_path / "relay", redis_url, settings) as relay:
        edges = registered(relay.registry, relay.url, [f"site-{number}" for number in range(EDGES)])
        with living(edges, over_s=2.0):
            eventually(lambda: up(edges) == EDGES, 40, "all being up", every_s=0.1)
            relay.process.kill()
            killed_at = time.monotonic()
            relay.process.start()
            answering_at = time.monotonic()
            eventually(lambda: up(edges) == EDGES, 60, "all being back", every_s=0.1)
        came_at = sorted(at for edge in edges for at in edge.welcomed_at if at > killed_at)
        assert len(came_at) == EDGES, "nobody came twice"
        first_at = max(answering_at, came_at[0])
        span_s = came_at[-1] - first_at
        buckets = [0] * PIECES
        for at in came_at:
            buckets[min(PIECES - 1, max(0, int((at - first_at) / span_s * PIECES)))] += 1
        assert max(buckets) / (EDGES / PIECES) < PEAK, buckets


def up(edges: list[TinyEdge]) -> int:
    return sum(edge.is_up for edge in edges)
