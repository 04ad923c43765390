"""Writes the edge's health to Redis, where the api and `wallport-edge health` read it.

Its key expires, so an edge that died shows by its absence. Redis' own health is reported by the mirror loop, which
uses it more often.
"""

import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from common import logs
from common.clock import Clock
from common.errors import RedisUnavailable
from common.health import Health
from common.model import EdgeHealth

INTERVAL_S = 5.0  # a third of the key's life: one lost beat is forgiven

log = logs.get(__name__)


class HealthBoard(Protocol):
    """Where others read it."""

    def write_health(self, health: EdgeHealth) -> None:
        """Raises RedisUnavailable."""
        ...


class HeartbeatLoop:
    """One write every INTERVAL_S."""

    def __init__(self, board: HealthBoard, health: Health, clock: Clock) -> None:
        self._board = board
        self._health = health
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._board.write_health(self._now())
            except RedisUnavailable as exc:
                log.debug("heartbeat_missed", detail=exc.detail)
            stop.wait(INTERVAL_S)

    def _now(self) -> EdgeHealth:
        components: Mapping[str, Mapping[str, Any]] = {
            name: asdict(part) for name, part in self._health.components().items()
        }
        return EdgeHealth(at=self._clock.now(), components=components, counters=self._health.counters())
