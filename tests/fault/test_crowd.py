"""Many at once: five hundred edges that lose their relay in the same moment."""

from pathlib import Path

import pytest

from tests.kit import tunnel_stack
from tests.kit.servers import RedisServer
from tests.kit.tiny_edge import TinyEdge, living, registered
from tests.kit.waiting import eventually

EDGES = 500
SPREAD_S = 5
PEAK = 3.0
"""Of the fullest half second against the mean: what 500 draws of the clock give is 1.5."""


@pytest.mark.timeout(120)
def test_500_edges_that_lose_their_relay_at_once_come_back_spread_out(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """The relay is killed while its successor is up, on the same port: within the spread that the relay had chosen all
    are there, and at no time do more than three times as many knock as in the mean."""
    redis_url = f"redis://127.0.0.1:{redis_server.port}/9"
    with tunnel_stack.relay(tmp_path / "relay", redis_url, reconnect_spread_s=SPREAD_S) as relay:
        edges = registered(relay.registry, relay.url, [f"site-{number}" for number in range(EDGES)])
        with living(edges, over_s=1.0):
            eventually(lambda: up(edges) == EDGES, 50, "all being up", every_s=0.1)
            successor = tunnel_stack.relay_process(
                relay.environ, tmp_path / "successor.log", lambda: "relay_started" in successor.log()
            )
            with successor.running():
                for edge in edges:
                    edge.due_at.clear()
                relay.process.kill()
                eventually(lambda: all(edge.due_at for edge in edges), 20, "all having noticed", every_s=0.1)
                eventually(lambda: up(edges) == EDGES, 50, "all being back", every_s=0.1)
                due_at = sorted(at for edge in edges for at in edge.due_at)
                successor.kill()  # its drain would wait for all of them
        assert len(due_at) == EDGES, "nobody had to knock twice"
        assert due_at[-1] - due_at[0] < SPREAD_S + 5, "the spread was kept to; 5 s are for a busy machine"
        buckets = [0] * (2 * SPREAD_S)
        for at in due_at:
            buckets[min(len(buckets) - 1, int((at - due_at[0]) * 2))] += 1
        assert max(buckets) / (EDGES / len(buckets)) < PEAK, buckets


def up(edges: list[TinyEdge]) -> int:
    return sum(edge.is_up for edge in edges)
