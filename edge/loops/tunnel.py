"""Keeps the one line to the relay: connects, proves who we are, serves what comes, comes back after every loss.

Decides when to dial and tells health what came of it; the connection itself is edge/loops/line.py. A relay that another
one takes over from says GOAWAY: its connection is left to end by itself, beside the new one. Without an enrolment
nothing goes out. What HELLO says is kept true by edge/loops/renewal.py: whatever changes is told by dialling anew.
"""

import secrets
import threading
import time
from importlib.metadata import version

from common import logs
from common.backoff import Backoff
from common.errors import AppError
from common.health import Health, Status
from common.origins import origin_of
from common.tunnel.errors import HandshakeFailed
from common.tunnel.handshake import EdgeHandshake, TokenKeyInfo, Welcome
from common.tunnel.limits import Limits
from common.tunnel.self_check import FEATURE as SELF_CHECK
from edge.loops.line import Line
from edge.loops.renewal import Renewal
from edge.loops.workers import Workers
from edge.self_check import Connected
from edge.tunnel import (
    LONGEST_AWAY_S,
    Ending,
    Enrolment,
    Enrolments,
    EnrolmentUnusable,
    LocalApi,
    Outcome,
    Relay,
    RelaySocket,
    RelayUnavailable,
    next_pause_s,
    next_try_text,
    pause_after_goodbye_s,
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

PAUSE_STEP_S = 0.25
"""A pause ends so soon after something is new."""

MOST_LEAVING = 2
"""Connections that a relay is about to end, kept for what still runs on them."""

LEAVING_S = 300.0
"""For such a connection at most; the relay closes it long before."""

STOP_S = 7.0
"""For all connections to end when the process stops: requests under way have 4 s, goodbyes 2."""

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
        self._last_fence = 0  # of `_fenced_by`
        self._fenced_by: Enrolment | None = None
        self._spread_s = 0.0
        self._backoff = Backoff()
        self._renewal = Renewal(enrolments, api, self._renew)
        self._told: tuple[Enrolment, TokenKeyInfo | None] | None = None  # by the last HELLO
        self._is_renewed = threading.Event()  # since then
        self._line: Line | None = None  # the newest
        self._leaving: list[Line] = []  # older ones, which their relay is about to end

    def run(self, stop: threading.Event) -> None:
        self._renewal = Renewal(self._enrolments, self._api, self._renew)
        threading.Thread(target=self._renewal.run, name="tunnel-renewal", daemon=True).start()
        try:
            with Workers(WORKERS, "tunnel") as workers:
                while not stop.is_set():
                    enrolment = self._enrolment()
                    if enrolment is None:
                        stop.wait(LOOK_EVERY_S)
                        continue
                    self._renewal.knows_token_key.wait(TOKEN_KEY_WITHIN_S)
                    self._is_renewed.clear()
                    self._told = enrolment, self._renewal.token_key
                    self._pause(self._connect(enrolment, workers, stop), stop)
                self._end_lines()
        finally:
            self._renewal.end()
        self._api.close()

    def current(self) -> Connected | None:
        """What the newest connection serves; None while there is none. For any thread."""
        line = self._line
        if line is None or line.welcome is None:
            return None
        welcome, enrolment = line.welcome, line.enrolment
        return Connected(
            relay_url=origin_of(enrolment.relay_url),
            site_id=enrolment.site_id,
            site=welcome.site_name or enrolment.site,
            fence=welcome.fence,
            has_self_check=SELF_CHECK in welcome.features,
        )

    def dial_anew(self, why: str) -> None:
        """Give the newest connection or the pause before the next one up, and dial at once. For any thread."""
        self._is_renewed.set()
        line = self._line
        if line is not None:
            line.cut(why)

    def figures(self) -> tuple[bool, int, int, float | None]:
        """Whether there is a connection, and of the newest: open streams, how many are stalled, round trip in s."""
        line = self._line
        session = line.session if line is not None else None
        return (True, *session.figures()) if session is not None else (False, 0, 0, None)

    def _renew(self) -> None:
        """In the renewal's thread: perhaps what the last HELLO said is not true any more."""
        if self._told == (self._renewal.enrolment, self._renewal.token_key):
            return
        self._is_renewed.set()
        line = self._line
        if line is not None:
            line.interrupt("dialling anew, with what has changed here")

    def _enrolment(self) -> Enrolment | None:
        try:
            enrolment = self._enrolments.load()
        except EnrolmentUnusable as exc:
            self._report(Status.FAILING, exc.message, exc.detail)
            return None
        if enrolment is None:
            self._report(Status.DISABLED, None)
        return enrolment

    def _connect(self, enrolment: Enrolment, workers: Workers, stop: threading.Event) -> float:
        """One connection from dialling until it ends or its relay says goodbye; returns the pause to make then."""
        if enrolment != self._fenced_by:  # another relay, site or key: what was counted there says nothing here
            self._last_fence, self._fenced_by = 0, enrolment
        if COMPONENT not in self._health.components() or self._is(Status.DISABLED):
            self._report(Status.STARTING, None)
        line = self._line = Line(
            self._relay,
            enrolment,
            lambda socket: self._shake_hands(enrolment, socket),
            lambda welcome: self._welcomed(enrolment, welcome),
            self._limits,
            self._api,
            workers,
            self._health,
        )
        if self._is_renewed.is_set():
            line.interrupt("dialling anew, with what has changed here")
        line.start()
        while not line.changed.wait(PAUSE_STEP_S):
            self._prune_leaving()
            if stop.is_set():
                return 0.0
        if line.outcome is None and line.goodbye is not None:
            self._health.count("relay_goodbyes")
            self._leaving.append(line)
            self._prune_leaving()
            goodbye, spread_s = line.goodbye, line.goodbye.spread_s or self._spread_s
            if goodbye.reconnect_after_s + spread_s > LONGEST_AWAY_S:
                self._health.count("relay_goodbyes_clamped")
                log.warning("goodbye_clamped", asked_s=goodbye.reconnect_after_s + spread_s, most_s=LONGEST_AWAY_S)
            return pause_after_goodbye_s(goodbye.reconnect_after_s, spread_s, line.lived_s(), self._backoff)
        outcome = line.outcome or Outcome(Ending.LOST, line.lived_s())
        return self._ended(line, outcome)

    def _ended(self, line: Line, outcome: Outcome) -> float:
        self._line = None
        if was_unwelcome(line.failure, outcome) and not self._leaving:
            # A relay that lied may have named a fence that no honest one surpasses, and nothing is left to tell apart.
            self._last_fence = 0
        ending = Ending.RENEWED if self._is_renewed.is_set() else outcome.ending
        pause_s = next_pause_s(ending, outcome.lived_s, self._spread_s, self._backoff)
        if ending is Ending.RENEWED:
            log.info("tunnel_renewed")
        elif line.failure is not None:
            next_try = next_try_text(pause_s, time.time())
            self._report(Status.FAILING, f"{line.failure.message}{next_try}", line.failure.detail)
        if outcome.lived_s is not None:
            self._health.count(f"relay_ended_{ending.value}")
        else:
            self._health.count("relay_dials_failed")
        return pause_s

    def _prune_leaving(self) -> None:
        """Forget those that have ended, and end what should have long ago."""
        for line in self._leaving[:-MOST_LEAVING]:
            line.cut("too many connections that are about to end")
        for line in self._leaving:
            if line.goodbye_for_s() > LEAVING_S:
                line.cut("the relay did not end the connection that it took leave of")
        self._leaving = [line for line in self._leaving if line.outcome is None]

    def _end_lines(self) -> None:
        lines = [line for line in (self._line, *self._leaving) if line is not None]
        for line in lines:
            line.stop()
        deadline = time.monotonic() + STOP_S
        for line in lines:
            line.join(max(0.0, deadline - time.monotonic()))

    def _welcomed(self, enrolment: Enrolment, welcome: Welcome) -> None:
        """In the line's thread."""
        self._last_fence, self._spread_s = welcome.fence, welcome.reconnect_spread_s
        name = welcome.site_name or enrolment.site
        self._health.count("relay_opened")
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
            self._prune_leaving()
            if left_s > PAUSE_STEP_S and self._is(Status.OK) and not self._leaving:
                self._line = None
                self._report(Status.FAILING, f"the relay took leave; it is dialled again within {left_s:.0f} s")
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


def was_unwelcome(failure: AppError | None, outcome: Outcome) -> bool:
    """Whether the relay was there, and the handshake failed."""
    is_refusal = isinstance(failure, HandshakeFailed) or getattr(failure, "close_code", None) is not None
    return outcome.lived_s is None and is_refusal


def _next(socket: RelaySocket, deadline: float) -> bytes:
    message = socket.receive(max(0.0, deadline - time.monotonic()))
    if message is None:
        raise RelayUnavailable("the relay did not answer the handshake in time")
    return message
