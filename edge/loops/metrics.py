"""Keeps the listener for Prometheus up, where a setting asks for one; health shows it as `metrics`."""

import threading
from typing import Protocol

from common import logs
from common.errors import AppError
from common.health import Health, Status

COMPONENT = "metrics"

TRY_EVERY_S = 5.0
"""A process that this one replaces may still have the address."""

log = logs.get(__name__)


class Listener(Protocol):
    def start(self) -> None:
        """Raises AppError when the address cannot be had."""
        ...

    def stop(self) -> None: ...


class MetricsLoop:
    def __init__(self, listener: Listener, health: Health) -> None:
        self._listener = listener
        self._health = health

    def run(self, stop: threading.Event) -> None:
        self._health.report(COMPONENT, Status.STARTING)
        while not self._has_started():
            if stop.wait(TRY_EVERY_S):
                return
        try:
            stop.wait()
        finally:
            self._listener.stop()

    def _has_started(self) -> bool:
        try:
            self._listener.start()
        except AppError as exc:
            if self._health.report(COMPONENT, Status.FAILING, exc.message):
                log.warning("metrics_not_served", reason=exc.message, detail=exc.detail)
            return False
        self._health.report(COMPONENT, Status.OK)
        return True
