"""What an idle edge costs one relay process: `python -m bench.idle [EDGES]`, 2,000 of them by default.

The growth of the relay's resident memory from the first edges on, so that what every relay needs once (libraries, the
first pages of each allocator) is not counted, and the CPU time it spends on nobody doing anything.
"""

import os
import resource
import sys
import tempfile
import threading
from pathlib import Path

from tests.kit import servers, tunnel_stack
from tests.kit.memory import resident_bytes
from tests.kit.tiny_edge import TinyEdge, living, registered
from tests.kit.waiting import eventually

EDGES = 2000
FIRST = 50
ARRIVE_S = 20.0  # for all to come: a hundred handshakes a second, as after a restart
REST_S = 20.0
"""Watched while idle: each edge is asked for a sign of life in it."""


def main(edges: int = EDGES) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # inherited by the relay
    with (
        tempfile.TemporaryDirectory(prefix="wallport-idle-") as name,
        servers.redis_server(Path(name) / "redis") as redis,
        tunnel_stack.relay(Path(name) / "relay", redis.url) as relay,
    ):
        pid = relay.process.pid
        print(f"Registering {edges} sites …", flush=True)
        known = registered(relay.registry, relay.url, [f"site-{number}" for number in range(edges)])
        first, rest = known[:FIRST], known[FIRST:]
        with living(first):
            _all_up(first)
            before = resident_bytes(pid)
            with living(rest, over_s=ARRIVE_S):
                _all_up(rest)
                threading.Event().wait(2.0)
                arrived, cpu_s = resident_bytes(pid), _cpu_s(pid)
                threading.Event().wait(REST_S)
                rested, spent_s = resident_bytes(pid), _cpu_s(pid) - cpu_s
        for what, bytes_ in (("when all had come", arrived), (f"{REST_S:.0f} s later", rested)):
            each = (bytes_ - before) / len(rest)
            print(f"{what:>20}: relay {bytes_ / 2**20:.0f} MiB, {each / 1024:.1f} KiB an edge (wanted: 64)")
        print(f"{'idle':>20}: {spent_s / REST_S * 100:.1f} % of one processor")


def _all_up(edges: list[TinyEdge]) -> None:
    eventually(lambda: all(edge.is_up for edge in edges), 120, "all edges being up", every_s=0.2)


def _cpu_s(pid: int) -> float:
    times = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
