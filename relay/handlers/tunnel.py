"""The edges' way in: `/tunnel`, the handshake, and the claim of the site.

A connection that does not prove in time to be a registered edge is closed with the protocol page's codes and leaves
no trace but a log line. One that does takes its site over at once. Redis only adds memory: without it the fence comes
from this process and the edge, which both know a lower bound.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

from sanic import Request

from common import logs
from common.errors import AppError, FieldError, RedisUnavailable, StoreUnavailable
from common.security.device_keys import decode_public_key, key_id
from common.security.tokens import ACCESS, TICKET, InvalidToken, TokenCheck
from common.tunnel import self_check
from common.tunnel.connection import TunnelConnection
from common.tunnel.errors import ErrorCode, HandshakeFailed, tunnel_close_code
from common.tunnel.handshake import NONCE_BYTES, Hello, RelayHandshake
from common.tunnel.states import Role
from relay.admission import Gate
from relay.handlers.arrivals import Arrivals
from relay.handlers.link import TunnelLink
from relay.limits import RelayLimits
from relay.metrics import Metrics
from relay.ports import Presence, Register, SiteRow, Socket, UpgradeRefused, WebServer
from relay.rivals import Rivals
from relay.sites import Site, Sites, fence_after
from relay.throttle import LoginThrottle

SUBPROTOCOL = "wallport-tunnel.v1"

MOST_UNREAD = 4
"""Messages an edge may send ahead in the handshake, which has two."""

log = logs.get(__name__)


class Stopping(AppError):
    """The relay is about to end; another may take over."""

    code = "relay_stopping"
    is_retryable = True

    def __init__(self) -> None:
        super().__init__("The relay is stopping.")


class Tunnels:
    """Takes edges' connections in, for as long as each lives."""

    def __init__(
        self,
        server: WebServer,
        sites: Sites[TunnelLink],
        arrivals: Arrivals,
        register: Register,
        presence: Presence,
        logins: LoginThrottle,
        origin: str,
        limits: RelayLimits,
        metrics: Metrics,
    ) -> None:
        self.node_id = secrets.token_hex(4)
        self.is_stopping = False
        self._server = server
        self._sites = sites
        self._arrivals = arrivals
        self._metrics = metrics
        self._register = register
        self._presence = presence
        self._logins = logins
        self._origin = origin
        self._limits = limits
        self._rivals = Rivals()

    async def take(self, request: Request) -> None:
        """Upgrade, shake hands, carry until the end. Raises UpgradeRefused and Stopping before the upgrade."""
        if self.is_stopping:
            raise Stopping
        offered = request.headers.getone("sec-websocket-protocol", "")
        if SUBPROTOCOL not in [name.strip() for name in offered.split(",")]:
            raise UpgradeRefused(426, f"this is for edges, which speak {SUBPROTOCOL}")
        socket = self._server.upgrade(request, SUBPROTOCOL)
        began_at = socket.loop.time()
        inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        socket.listen(lambda data, is_text: _put(inbox, socket, data, is_text), lambda *_: inbox.put_nowait(None))
        try:
            async with asyncio.timeout(self._limits.tunnel.handshake_timeout_s):
                link = await self._shake_hands(socket, inbox)
        except TimeoutError:
            await self._refuse(socket, ErrorCode.TIMEOUT, "the handshake took too long")
        except HandshakeFailed as failure:
            await self._refuse(socket, failure.error, failure.message)
        except StoreUnavailable as failure:
            log.warning("handshake_failed", reason=failure.message, detail=failure.detail)
            await self._refuse(socket, ErrorCode.CALM_DOWN, "the relay's register is not available")
        else:
            self._server.keep(request)
            self._metrics.tunnels_opened.inc()
            self._metrics.handshake_seconds.observe(socket.loop.time() - began_at)
            await self._carry(link)

    async def _shake_hands(self, socket: Socket, inbox: "asyncio.Queue[bytes | None]") -> TunnelLink:
        handshake = RelayHandshake(self._origin, secrets.token_bytes(NONCE_BYTES), self._limits.tunnel.announced())
        hello = handshake.receive_hello(await _next(inbox))
        socket.send(handshake.challenge())
        async with asyncio.timeout(self._limits.tunnel.proof_timeout_s):
            proof = await _next(inbox)
        row = await self._register.find(hello.site)
        public_key = row.public_key if row is not None else None
        handshake.receive_proof(proof, decode_public_key(public_key) if public_key is not None else None)
        if row is None or public_key is None:
            raise HandshakeFailed(ErrorCode.AUTH, "the edge did not prove its identity")
        if self._rivals.must_wait(row.site_id, hello.boot_id, time.monotonic()) and self._sites.live_by_id(row.site_id):
            await self._note_rival(row)
            raise HandshakeFailed(ErrorCode.SUPERSEDED, "another edge has the same identity, and is connected")
        token_check = _token_check(hello)
        fence = await self._next_fence(row.site_id, public_key, hello.last_fence)
        if not inbox.empty():
            raise HandshakeFailed(ErrorCode.PROTOCOL, "the edge did not wait for WELCOME")
        connection = TunnelConnection(
            Role.RELAY,
            now=socket.loop.time(),
            limits=self._limits.tunnel,
            peer=hello.limits,
            ping_phase=random.random(),  # noqa: S311 -- spreads load, guards nothing
        )
        key = decode_public_key(public_key)
        gate = Gate(
            row.site_id,
            token_check,
            self._logins,
            lambda path, value: self_check.is_asked(path, value, key, self._origin, row.site_id, fence),
        )
        site = Site(row.site_id, row.name)
        link = TunnelLink(site, fence, public_key, socket, connection, self._limits, gate, self._metrics)
        replaced = self._sites.claim(link)
        if replaced is link:
            raise HandshakeFailed(ErrorCode.SUPERSEDED, "a newer connection was faster")
        is_contested = self._rivals.claim(row.site_id, hello.boot_id, time.monotonic())
        socket.send(
            handshake.welcome(
                fence=fence,
                node_id=self.node_id,
                time=time.time(),
                reconnect_spread_s=self._limits.reconnect_spread_s,
                site_name=row.name,
                is_contested=is_contested,
            )
        )
        link.start()
        log.info("tunnel_opened", site=row.name, fence=fence, key=hello.key_id, boot=hello.boot_id)
        if replaced is not None:
            replaced.close(ErrorCode.SUPERSEDED, "a newer connection of this site")
        self._arrivals.announce(row.name)
        if is_contested:
            await self._note_rival(row)
        return link

    async def _note_rival(self, row: SiteRow) -> None:
        log.warning("identity_contested", site=row.name)
        try:
            await self._presence.note_rival(row.site_id, time.time())
        except RedisUnavailable as exc:
            log.debug("presence_not_noted", site=row.name, detail=exc.detail)

    async def _next_fence(self, site_id: str, public_key: str, last_fence: int) -> int:
        known = self._sites.highest_fence(site_id, public_key)
        try:
            fence = await self._presence.next_fence(site_id, _key_id(public_key), known, last_fence)
        except RedisUnavailable:
            fence = fence_after(known, last_fence)
        if fence is None:
            raise HandshakeFailed(ErrorCode.PROTOCOL, "last_fence leaps: start the edge anew")
        return self._sites.use_fence(site_id, public_key, fence)

    async def _carry(self, link: TunnelLink) -> None:
        try:
            await self._note(link, self._presence.note_online(link.site.site_id, time.time()))
            with contextlib.suppress(StoreUnavailable):  # the next change is looked at again
                # It may have changed during the handshake.
                await check_links([link], self._sites, self._register, self._arrivals)
            await link.wait_until_ended()
        finally:
            if self._sites.release(link, time.time()):
                site_id, key = link.site.site_id, _key_id(link.public_key)
                await self._note(link, self._presence.note_offline(site_id, key, link.fence, time.time()))

    async def _note(self, link: TunnelLink, noting: Coroutine[Any, Any, None]) -> None:
        try:
            await noting
        except RedisUnavailable as exc:
            log.debug("presence_not_noted", site=link.site.name, detail=exc.detail)

    async def _refuse(self, socket: Socket, error: ErrorCode, reason: str) -> None:
        log.info("tunnel_refused", error=error.name, reason=reason)
        self._metrics.handshakes_failed.labels(error.name.lower()).inc()
        socket.close(tunnel_close_code(error), reason)
        await socket.closed.wait()


async def check_fences(sites: Sites[TunnelLink], presence: Presence) -> None:
    """Close the tunnels of sites that have a newer one at another relay process. Raises RedisUnavailable."""
    links = list(sites)
    fences = await presence.fences([link.site.site_id for link in links])
    for link in links:
        if fences.get(link.site.site_id, 0) > link.fence:
            link.close(ErrorCode.SUPERSEDED, "a newer connection of this site, at another relay process")


async def check_links(
    links: list[TunnelLink], sites: Sites[TunnelLink], register: Register, arrivals: Arrivals
) -> None:
    """Close the tunnels of sites that are removed or revoked, or have another key; follow renamed ones. Raises
    StoreUnavailable."""
    keys = await register.keys_of([link.site.site_id for link in links])
    for link in links:
        name, public_key = keys.get(link.site.site_id, ("", None))
        if public_key != link.public_key:
            link.close(ErrorCode.REVOKED, "the site's key is not valid any more")
        elif name != link.site.name:
            log.info("site_renamed", site=name, before=link.site.name)
            sites.rename(link, name)
            arrivals.announce(name)


def _token_check(hello: Hello) -> Callable[[str, bool], float | None] | None:
    """`relay.admission.TokenCheck` by the key that the edge told; None when it told none."""
    if not hello.token_key:
        return None
    try:
        tokens = TokenCheck(decode_public_key(hello.token_key.key), hello.token_key.site)
    except FieldError:
        raise HandshakeFailed(ErrorCode.PROTOCOL, "the key of the site's tokens is malformed") from None

    def check(token: str, is_ticket: bool) -> float | None:
        try:
            return tokens.check(TICKET if is_ticket else ACCESS, token)
        except InvalidToken:
            return None

    return check


def _key_id(public_key: str) -> str:
    return key_id(decode_public_key(public_key))


def _put(inbox: "asyncio.Queue[bytes | None]", socket: Socket, data: bytes, is_text: bool) -> None:
    if is_text or inbox.qsize() >= MOST_UNREAD:
        socket.close(tunnel_close_code(ErrorCode.PROTOCOL), "not a handshake")
        inbox.put_nowait(None)
    else:
        inbox.put_nowait(data)


async def _next(inbox: "asyncio.Queue[bytes | None]") -> bytes:
    message = await inbox.get()
    if message is None:
        raise HandshakeFailed(ErrorCode.PROTOCOL, "the edge left in the handshake")
    return message
