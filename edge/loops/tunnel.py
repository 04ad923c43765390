"""Keeps the one line to the relay: connects, proves who we are, serves what comes, comes back after every loss.

The shell of `TunnelConnection` at home, in threads: this one reads and only parses and hands on; one writes; one
watches both from outside and cuts the line when the relay is silent or takes nothing; each request has one of a
bounded pool (edge/loops/streams.py). One lock guards the core and nobody holds it over I/O. Without an enrolment
nothing goes out. What HELLO says is kept true by edge/loops/renewal.py: whatever changes is told by dialling anew.
"""

import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from urllib.parse import urlsplit

from common import logs
from common.backoff import Backoff
from common.health import Health, Status
from common.security.device_keys import DeviceKeyUnusable
from common.tunnel.errors import HandshakeFailed
from common.tunnel.handshake import EdgeHandshake, TokenKeyInfo, Welcome
from common.tunnel.limits import Limits
from edge.loops.renewal import Renewal
from edge.loops.session import TunnelSession
from edge.tunnel import (
    Ending,
    Enrolment,
    Enrolments,
    EnrolmentUnusable,
    LocalApi,
    Relay,
    RelaySocket,
    RelayUnavailable,
    ending_of,
    next_pause_s,
)

COMPONENT = "relay"

STREAMS = 64
"""Requests at once: a household's phones have a live push each and load a page with a dozen requests."""

WORKERS = 2 * STREAMS
"""Threads at most: a websocket takes two. None waits for another, so a long one never holds up a short one."""

LOOK_EVERY_S = 2.0
"""For an enrolment, while there is none."""

TOKEN_KEY_WITHIN_S = 2.0
"""For the api to tell the key of its tokens before the first dialling, which saves a second one."""

PAUSE_STEP_S = 0.5
"""A pause ends so soon after something is new."""

CONTESTED = "connected, but another edge has the same identity: stop that one, or enrol this one anew"

log = logs.get(__name__)


class TunnelLoop:
    """`run(stop)` never raises on purpose and returns only when told to."""

    def __init__(
        self, enrolments: Enrolments, relay: Relay, api: LocalApi, health: Health, limits: Limits | None = None
    ) -> None:
        self._enrolments = enrolments
        self._relay = relay
        self._api = api
        self._health = health
        self._limits = limits or Limits(streams=STREAMS)
        self._boot_id = secrets.token_hex(8)
        self._last_fence = 0
        self._spread_s = 0.0
        self._backoff = Backoff()
        self._renewal = Renewal(enrolments, api, self._renew)
        self._told: tuple[Enrolment, TokenKeyInfo | None] | None = None  # by the last HELLO
        self._is_renewed = threading.Event()  # since then
        self._session: TunnelSession | None = None

    def run(self, stop: threading.Event) -> None:
        self._renewal = Renewal(self._enrolments, self._api, self._renew)
        threading.Thread(target=self._renewal.run, name="tunnel-renewal", daemon=True).start()
        try:
            with ThreadPoolExecutor(WORKERS, "tunnel") as workers:
                while not stop.is_set():
                    enrolment = self._enrolment()
                    if enrolment is None:
                        stop.wait(LOOK_EVERY_S)
                        continue
                    self._renewal.knows_token_key.wait(TOKEN_KEY_WITHIN_S)
                    self._is_renewed.clear()
                    self._told = enrolment, self._renewal.token_key
                    ending, lived_s = self._connect(enrolment, workers, stop)
                    pause_s = next_pause_s(ending, lived_s, self._spread_s, self._backoff)
                    self._pause(pause_s, stop)
        finally:
            self._renewal.end()
        self._api.close()

    def _renew(self) -> None:
        """In the renewal's thread: perhaps what the last HELLO said is not true any more."""
        if self._told == (self._renewal.enrolment, self._renewal.token_key):
            return
        self._is_renewed.set()
        session = self._session
        if session is not None:
            session.interrupt("dialling anew, with what has changed here")

    def _enrolment(self) -> Enrolment | None:
        try:
            enrolment = self._enrolments.load()
        except EnrolmentUnusable as exc:
            self._report(Status.FAILING, exc.message, exc.detail)
            return None
        if enrolment is None:
            self._report(Status.DISABLED, None)
        return enrolment

    def _connect(
        self, enrolment: Enrolment, workers: ThreadPoolExecutor, stop: threading.Event
    ) -> tuple[Ending, float | None]:
        """One connection from dialling to its end; how it ended, and how long it was up."""
        if COMPONENT not in self._health.components() or self._is(Status.DISABLED):
            self._report(Status.STARTING, None)
        opened_at: float | None = None
        try:
            with self._relay.connect(enrolment.relay_url) as socket:
                welcome = self._shake_hands(enrolment, socket)
                opened_at = time.monotonic()
                self._welcomed(enrolment, welcome)
                session = self._session = TunnelSession(socket, welcome, self._limits, self._api, workers)
                if not self._is_renewed.is_set():
                    session.run(stop)
        except HandshakeFailed as exc:
            ending = ending_of(exc.close_code)
            self._report(Status.FAILING, exc.message, exc.detail)
        except RelayUnavailable as exc:
            ending = ending_of(exc.close_code)
            if self._is_renewed.is_set():
                log.info("tunnel_renewed", reason=exc.message)
            else:
                self._report(Status.FAILING, exc.message, exc.detail)
        except DeviceKeyUnusable as exc:
            ending = Ending.REFUSED
            self._report(Status.FAILING, exc.message, exc.detail)
        else:
            ending = Ending.LOST
        finally:
            self._session = None
        if self._is_renewed.is_set():
            ending = Ending.RENEWED
        return ending, time.monotonic() - opened_at if opened_at is not None else None

    def _welcomed(self, enrolment: Enrolment, welcome: Welcome) -> None:
        self._last_fence, self._spread_s = welcome.fence, welcome.reconnect_spread_s
        name = welcome.site_name or enrolment.site
        log.info("tunnel_opened", site=name, fence=welcome.fence)
        if welcome.is_contested:
            self._health.count("relay_rivals")
            log.warning("identity_contested", site=name)
        self._report(Status.OK, CONTESTED if welcome.is_contested else None)
        if name != enrolment.site:
            try:
                self._enrolments.rename(enrolment, name)
            except EnrolmentUnusable as exc:
                log.warning("rename_failed", reason=exc.message, detail=exc.detail)

    def _shake_hands(self, enrolment: Enrolment, socket: RelaySocket) -> Welcome:
        deadline = time.monotonic() + self._limits.handshake_timeout_s
        handshake = EdgeHandshake(
            self._enrolments.key(),
            relay_origin=origin_of(enrolment.relay_url),
            site=enrolment.site_id,
            boot_id=self._boot_id,
            last_fence=self._last_fence,
            software=f"wallport-edge/{version('wallport')}",
            limits=self._limits.announced(),
            token_key=self._told[1] if self._told is not None else None,
        )
        socket.send(handshake.hello())
        socket.send(handshake.receive_challenge(_next(socket, deadline)))
        return handshake.receive_welcome(_next(socket, deadline))

    def _pause(self, pause_s: float, stop: threading.Event) -> None:
        """Wait, but not longer than until something is new, such as another enrolment."""
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            if stop.wait(min(left_s, PAUSE_STEP_S)):
                return
            if self._is_renewed.is_set():
                self._backoff.reset()
                return

    def _report(self, status: Status, reason: str | None, detail: str | None = None) -> None:
        is_new = self._health.report(COMPONENT, status, reason)
        if status is Status.FAILING:
            (log.warning if is_new else log.debug)("relay_lost", reason=reason, detail=detail)
        elif is_new:
            log.info(f"relay_{status.value}")

    def _is(self, status: Status) -> bool:
        return self._health.components()[COMPONENT].status is status


def origin_of(relay_url: str) -> str:
    """Scheme, host and port as the relay calls itself."""
    parts = urlsplit(relay_url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _next(socket: RelaySocket, deadline: float) -> bytes:
    message = socket.receive(max(0.0, deadline - time.monotonic()))
    if message is None:
        raise RelayUnavailable("the relay did not answer the handshake in time")
    return message
