"""Everything under `/s/{site}`: judge the head, find the site's tunnel, ask its gate, carry.

A site without a tunnel is answered at once; asking the register and Redis for the details is bounded, so that neither
can hold the answer up. Only for a site that was online seconds ago elsewhere the request waits a moment.
"""

import asyncio
import time
from collections.abc import Sequence

from sanic import Request

from common.crowd import network_of
from common.errors import RedisUnavailable
from common.tunnel.errors import BadPayload, StreamRefused
from relay.door import Network, admit, client_address
from relay.handlers import public_http, public_ws
from relay.handlers.arrivals import Arrivals
from relay.handlers.carriage import Carriage
from relay.handlers.link import TunnelLink
from relay.ports import FRESH_S, LastSeen, Presence, Register
from relay.problems import StreamFailed
from relay.sites import SiteOffline, Sites, UnknownSite

DETAILS_WITHIN_S = 0.04
"""For Redis to say since when a site is offline; the whole answer is due within 50 ms."""


SETTLING_S = FRESH_S
"""After its start: where Redis does not tell, any site may be about to come back from the process before."""


class Public:
    """The phones' side."""

    def __init__(
        self,
        carriage: Carriage,
        sites: Sites[TunnelLink],
        arrivals: Arrivals,
        register: Register,
        presence: Presence,
        trusted: Sequence[Network],
    ) -> None:
        self._carriage = carriage
        self._arrivals = arrivals
        self._sites = sites
        self._register = register
        self._presence = presence
        self._trusted = trusted
        self._settled_at = time.monotonic() + SETTLING_S

    async def carry(self, request: Request) -> None:
        """Raises AppError as long as nothing was sent to the client."""
        fields = list(request.headers.items())
        admitted = admit(request.method, request.raw_url, fields)
        link = self._sites.live(admitted.site)
        if link is None or link.is_leaving:
            link = await self._arrival(admitted.site, link)
        forwarded_for = request.headers.getall("x-forwarded-for", [])
        address = client_address(request.ip, forwarded_for, self._trusted)
        self._carriage.cancels.check(address, link.loop.time())
        link.gate.admit(admitted, address, now=time.time(), steady_now=link.loop.time())
        protocol = public_ws if admitted.is_websocket else public_http
        try:
            with self._carriage.at_once.one_more(network_of(address)):
                await protocol.carry(self._carriage, request, admitted, address, link)
        except (StreamRefused, BadPayload) as exc:
            raise StreamFailed(exc.error, exc.message) from exc

    async def _arrival(self, name: str, leaving: TunnelLink | None) -> TunnelLink:
        """The tunnel of a site that has none at the moment; raises SiteOffline and UnknownSite."""
        row = await self._register.find_named(name)
        if row is None:
            raise UnknownSite
        since = self._sites.lost_at(row.site_id)
        if leaving is not None or since is not None:
            raise SiteOffline(since if since is not None else time.time())
        seen = await self._last_seen(row.site_id)
        if seen.is_fresh(time.time()) if seen is not None else time.monotonic() < self._settled_at:
            self._carriage.metrics.waited.inc()
            await self._arrivals.wait(name, self._carriage.limits.site_wait_s)
            link = self._sites.live(name)
            if link is not None:
                return link
        raise SiteOffline(seen.gone_since if seen is not None else None)

    async def _last_seen(self, site_id: str) -> LastSeen | None:
        """None when Redis does not tell."""
        try:
            async with asyncio.timeout(DETAILS_WITHIN_S):
                return await self._presence.last_seen(site_id)
        except (RedisUnavailable, TimeoutError):
            return None
