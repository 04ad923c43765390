"""The end of a relay process without a failed request, when another process takes over.

The listener is closed by now. Edges are told to dial anew, and keep this connection meanwhile; requests on connections
that phones have open are carried on. Websockets and event streams would last for ever: they end once their site is up
at the other process, so that whoever comes back finds it. Without another process there is nothing to wait for but the
requests that run.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from common import logs
from common.errors import RedisUnavailable
from common.tunnel.errors import ErrorCode
from relay.handlers.link import TunnelLink
from relay.limits import RelayLimits
from relay.metrics import Metrics
from relay.ports import Presence
from relay.sites import Sites

STEP_S = 0.25

MOVE_SLACK_S = 3.0
"""After the spread, for the last edge's TLS and handshake."""

LAST_REQUESTS_S = 3.0
"""For requests that come on open connections when all else is over."""

GOODBYE_S = 0.2
"""For what was said last to reach the kernel; the network is not waited for."""

log = logs.get(__name__)


async def drain(
    sites: Sites[TunnelLink],
    presence: Presence,
    node_id: str,
    limits: RelayLimits,
    metrics: Metrics,
    end_requests: Callable[[float], Awaitable[None]],
) -> None:
    """Until all tunnels are closed; at most `limits.drain_s` and a moment.

    `end_requests(within_s)` returns when no phone will send another request to this process.
    """
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    links = list(sites)
    has_successor = await _has_successor(presence, node_id)
    for link in links:
        link.go_away(limits.reconnect_spread_s)
    log.info("relay_drains", tunnels=len(links), has_successor=has_successor)
    move_by = began_at + (limits.reconnect_spread_s + MOVE_SLACK_S if has_successor else 0.0)
    staying = links
    while loop.time() < began_at + limits.drain_s:
        metrics.drain_seconds.set(loop.time() - began_at)
        staying = [] if loop.time() >= move_by else await _not_moved(staying, presence)
        staying = [link for link in staying if not link.ended]
        for link in links:
            if link not in staying:
                link.end_live_streams(ErrorCode.DRAIN)
        if not staying and not any(link.figures()[0] for link in links if not link.ended):
            break
        await asyncio.sleep(STEP_S)
    await end_requests(max(LAST_REQUESTS_S, began_at + limits.drain_s - loop.time()))
    for link in links:
        link.close(ErrorCode.DRAIN, "the relay stops")
    await asyncio.sleep(GOODBYE_S if links else 0)


async def _has_successor(presence: Presence, node_id: str) -> bool:
    try:
        await presence.forget_node(node_id)
        return await presence.has_other_node(node_id, time.time())
    except RedisUnavailable:
        return False


async def _not_moved(links: Sequence[TunnelLink], presence: Presence) -> list[TunnelLink]:
    """Those whose site has no newer connection anywhere; all while Redis does not answer."""
    try:
        fences = await presence.fences([link.site.site_id for link in links])
    except RedisUnavailable:
        return list(links)
    return [link for link in links if fences.get(link.site.site_id, 0) <= link.fence]
