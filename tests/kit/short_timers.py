"""The tunnel's timers for tests of faults: about a tenth of the defaults.

What is proven with them is who notices a fault and what follows; that the defaults stay under 30 s is proven once, in
tests/fault/test_namespaces.py.
"""

from common.tunnel.limits import Limits
from edge.loops.tunnel import STREAMS

PING_AFTER_S, DEAD_AFTER_S, WRITE_STALL_S, SLOW_CONSUMER_S = 1, 2, 2, 3

RELAY_SETTINGS: dict[str, int | str] = {
    "ping_after_s": PING_AFTER_S,
    "dead_after_s": DEAD_AFTER_S,
    "write_stall_s": WRITE_STALL_S,
    "slow_consumer_s": SLOW_CONSUMER_S,
    "reconnect_spread_s": 1,
    "site_wait_s": 0,  # an offline site is said so at once
}

EDGE_LIMITS = Limits(streams=STREAMS, ping_after_s=PING_AFTER_S, dead_after_s=DEAD_AFTER_S, write_stall_s=WRITE_STALL_S)

NOTICED_WITHIN_S = 1.2 * PING_AFTER_S + DEAD_AFTER_S + 6
"""Of it 1 s is the edge's look at the clock, and 5 s are for a busy machine."""

BACK_WITHIN_S = 20.0
"""An edge that is dialling when the line heals gives that try up after 10 s; then it comes."""
