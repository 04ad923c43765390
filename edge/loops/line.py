"""One try at the relay in a thread of its own: dial, prove who we are, serve until the connection's end.

A thread, since a relay that is being replaced keeps its connection for the requests that run on it while the loop
(edge/loops/tunnel.py) dials the next one. What became of the try is left in `outcome`; `changed` tells when to look.
"""

import threading
import time
from collections.abc import Callable

from common.errors import AppError
from common.health import Health
from common.security.device_keys import DeviceKeyUnusable
from common.tunnel.errors import ErrorCode, HandshakeFailed
from common.tunnel.events import GoAwayReceived
from common.tunnel.handshake import Welcome
from common.tunnel.limits import Limits
from edge.loops.session import TunnelSession
from edge.loops.workers import Workers
from edge.tunnel import Ending, Enrolment, LocalApi, Outcome, Relay, RelaySocket, RelayUnavailable, ending_of


class Line:
    """`start` once; `stop` ends it in order within about 6 s. Attributes are for reading, by any thread."""

    def __init__(
        self,
        relay: Relay,
        enrolment: Enrolment,
        shake_hands: Callable[[RelaySocket], Welcome],
        on_welcome: Callable[[Welcome], None],
        limits: Limits,
        api: LocalApi,
        workers: Workers,
        health: Health,
    ) -> None:
        self.changed = threading.Event()  # `goodbye` or `outcome` is there
        self.goodbye: GoAwayReceived | None = None  # the relay means to end this, and another may take over
        self.outcome: Outcome | None = None
        self.failure: AppError | None = None
        self.welcome: Welcome | None = None  # once it is up
        self.opened_at: float | None = None  # monotonic
        self.session: TunnelSession | None = None
        self.enrolment = enrolment
        self._relay = relay
        self._shake_hands = shake_hands
        self._on_welcome = on_welcome
        self._limits = limits
        self._api = api
        self._workers = workers
        self._health = health
        self._goodbye_at = 0.0  # monotonic; only with `goodbye`
        self._interrupted = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tunnel-line", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def lived_s(self) -> float | None:
        """How long it has been up; None if it never was."""
        return time.monotonic() - self.opened_at if self.opened_at is not None else None

    def goodbye_for_s(self) -> float:
        """How long ago the relay said goodbye."""
        return time.monotonic() - self._goodbye_at if self.goodbye is not None else 0.0

    def interrupt(self, why: str) -> None:
        """End the connection, or the try for one as soon as it is up; `failure` says why."""
        self._interrupted = why
        session = self.session
        if session is not None:
            session.interrupt(why)

    def cut(self, why: str) -> None:
        """As `interrupt`, without a goodbye."""
        self._interrupted = why
        session = self.session
        if session is not None:
            session.cut(why)

    def _run(self) -> None:
        ending = Ending.LOST
        try:
            with self._relay.connect(self.enrolment.relay_url) as socket:
                welcome = self._shake_hands(socket)
                self.opened_at, self.welcome = time.monotonic(), welcome
                session = self.session = TunnelSession(
                    socket, welcome, self._limits, self._api, self._workers, self._health, self._on_goodbye
                )
                self._on_welcome(welcome)
                if self._interrupted:
                    session.interrupt(self._interrupted)
                session.run(self._stop)
        except (HandshakeFailed, RelayUnavailable) as exc:
            ending, self.failure = ending_of(exc.close_code), exc
        except DeviceKeyUnusable as exc:
            ending, self.failure = Ending.REFUSED, exc
        finally:
            self.outcome = Outcome(ending, self.lived_s())
            self.changed.set()

    def _on_goodbye(self, goodbye: GoAwayReceived) -> None:
        if goodbye.error is ErrorCode.DRAIN and self.goodbye is None:
            self._goodbye_at = time.monotonic()
            self.goodbye = goodbye
            self.changed.set()
