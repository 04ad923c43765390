"""Everything under `/s/{site}`: judge the head, find the site's tunnel, ask its gate, carry.

A site without a tunnel is answered at once; asking the register and Redis for the details is bounded, so that neither
can hold the answer up.
"""

import asyncio
import time
from collections.abc import Sequence

from sanic import Request

from common.errors import AppError, RedisUnavailable
from common.tunnel.errors import BadPayload, StreamRefused
from relay.door import Network, admit, client_address
from relay.handlers import public_http, public_ws
from relay.handlers.link import TunnelLink
from relay.ports import Presence, Register, WebServer
from relay.problems import StreamFailed
from relay.sites import SiteOffline, Sites, UnknownSite

DETAILS_WITHIN_S = 0.04
"""For Redis to say since when a site is offline; the whole answer is due within 50 ms."""


class Public:
    """The phones' side."""

    def __init__(
        self,
        server: WebServer,
        sites: Sites[TunnelLink],
        register: Register,
        presence: Presence,
        trusted: Sequence[Network],
    ) -> None:
        self._server = server
        self._sites = sites
        self._register = register
        self._presence = presence
        self._trusted = trusted

    async def carry(self, request: Request) -> None:
        """Raises AppError as long as nothing was sent to the client."""
        fields = list(request.headers.items())
        admitted = admit(request.method, request.raw_url, fields)
        link = self._sites.live(admitted.site)
        if link is None:
            raise await self._absence(admitted.site)
        forwarded_for = request.headers.getall("x-forwarded-for", [])
        address = client_address(request.ip, forwarded_for, self._trusted)
        link.gate.admit(admitted, address, now=time.time(), steady_now=link.loop.time())
        protocol = public_ws if admitted.is_websocket else public_http
        try:
            await protocol.carry(self._server, request, admitted, address, link)
        except (StreamRefused, BadPayload) as exc:
            raise StreamFailed(exc.error, exc.message) from exc

    async def _absence(self, name: str) -> AppError:
        row = await self._register.find_named(name)
        if row is None:
            return UnknownSite()
        since = self._sites.lost_at(row.site_id)
        if since is None:
            try:
                async with asyncio.timeout(DETAILS_WITHIN_S):
                    since = (await self._presence.last_seen(row.site_id)).gone_since
            except (RedisUnavailable, TimeoutError):
                since = None
        return SiteOffline(since)
