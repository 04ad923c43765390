"""Writes the edge's health to Redis, where the api and `wallport-edge health` read it.

Its key expires, so an edge that died shows by its absence. Redis' own health is reported by the mirror loop, which
uses it more often.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from common import logs
from common.clock import Clock
from common.errors import RedisUnavailable
from common.health import ComponentHealth, Health
from common.model import EdgeHealth

INTERVAL_S = 5.0  # a third of the key's life: one lost beat is forgiven
LOOK_S = 0.5  # how soon a change is told, and a write that failed is tried again

log = logs.get(__name__)


class HealthBoard(Protocol):
    """Where others read it."""

    def write_health(self, health: EdgeHealth) -> None:
        """Raises RedisUnavailable."""
        ...


class HeartbeatLoop:
    """One write every INTERVAL_S, and one when a component's health changes."""

    def __init__(self, board: HealthBoard, health: Health, clock: Clock) -> None:
        self._board = board
        self._health = health
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        written: Mapping[str, ComponentHealth] = {}
        written_at = float("-inf")  # monotonic
        while not stop.is_set():
            components = self._health.components()
            if components != written or time.monotonic() - written_at >= INTERVAL_S:
                try:
                    self._board.write_health(self._told(components))
                    written, written_at = components, time.monotonic()
                except RedisUnavailable as exc:
                    log.debug("heartbeat_missed", detail=exc.detail)
            stop.wait(LOOK_S)

    def _told(self, components: Mapping[str, ComponentHealth]) -> EdgeHealth:
        told: Mapping[str, Mapping[str, Any]] = {name: asdict(part) for name, part in components.items()}
        return EdgeHealth(at=self._clock.now(), components=told, counters=self._health.counters())
