"""Asks through the relay's public URL whether this edge is reached, every five minutes, and has the tunnel dial anew
when it is not, twice in a row. What it found stands in health as `self_check`.

Only a relay that offers the feature is asked (docs/protocol.md, "Self-check"). What an answer means is decided in
edge/self_check.py.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from common import logs
from common.health import Health, Status
from common.security.device_keys import DeviceKey, DeviceKeyUnusable
from common.tunnel import self_check
from edge.self_check import Connected, Finding, Judge, PublicUrl, finding_of
from edge.tunnel import RelayUnavailable

COMPONENT = "self_check"

LOOK_EVERY_S = 1.0
"""For a connection that is new."""

LOST = "the relay does not reach this site through its public address"

log = logs.get(__name__)


class Tunnel(Protocol):
    def current(self) -> Connected | None:
        """None while there is no connection."""
        ...

    def dial_anew(self, why: str) -> None: ...


class SelfCheckLoop:
    def __init__(
        self,
        tunnel: Tunnel,
        key: Callable[[], DeviceKey],
        public_url: PublicUrl,
        health: Health,
        judge: Judge | None = None,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`key` is that of the edge; it may raise DeviceKeyUnusable."""
        self._tunnel = tunnel
        self._key = key
        self._public_url = public_url
        self._health = health
        self._judge = judge or Judge()
        self._look_every_s = look_every_s

    def run(self, stop: threading.Event) -> None:
        checked: Connected | None = None
        due_at = 0.0  # monotonic
        self._health.report(COMPONENT, Status.DISABLED)
        while not stop.wait(self._look_every_s):
            connected = self._tunnel.current()
            if connected is None or not connected.has_self_check:
                checked = None
                self._health.report(COMPONENT, Status.DISABLED)
            elif connected != checked:
                checked, due_at = connected, time.monotonic() + self._judge.first_pause_s()
            elif time.monotonic() >= due_at:
                due_at = time.monotonic() + self._judge.pause_s(self._check(connected))

    def _check(self, connected: Connected) -> Finding:
        finding, said = self._ask(connected)
        if finding is not Finding.REACHED and self._tunnel.current() != connected:
            finding = Finding.UNKNOWN  # it was asked about a connection that is gone
        must_dial = self._judge.note(finding)
        if finding is Finding.REACHED:
            self._report(Status.OK, None)
        elif finding is not Finding.UNKNOWN:
            self._health.count(f"self_check_{finding.value}")
            self._report(Status.FAILING, said)
        if must_dial:
            self._health.count("self_check_redials")
            self._tunnel.dial_anew(LOST)
        return finding

    def _ask(self, connected: Connected) -> tuple[Finding, str | None]:
        """What was found, and what to tell the owner of it."""
        try:
            authorization = self_check.authorization(
                self._key(), connected.relay_url, connected.site_id, connected.fence
            )
            status = self._public_url.ask(connected.relay_url, f"/s/{connected.site}{self_check.PATH}", authorization)
        except RelayUnavailable as exc:
            log.debug("self_check_not_made", reason=exc.message, detail=exc.detail)
            return Finding.UNREACHABLE, f"the tunnel stands, but from here {exc.message}"
        except DeviceKeyUnusable as exc:
            log.debug("self_check_not_made", reason=exc.message, detail=exc.detail)
            return Finding.UNKNOWN, None
        answer = f"it answers with HTTP {status}" if status is not None else "no answer came"
        return finding_of(status), f"{LOST}: {answer}"

    def _report(self, status: Status, reason: str | None) -> None:
        if self._health.report(COMPONENT, status, reason):
            (log.warning if status is Status.FAILING else log.info)(f"self_check_{status.value}", reason=reason)
