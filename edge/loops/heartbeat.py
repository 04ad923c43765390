"""Writes the edge's health to Redis, where the api and `wallport-edge health` read it.

Its key expires, so an edge that died shows by its absence. Redis' own health is reported by the mirror loop, which
uses it more often.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from common import logs
from common.clock import Clock
from common.errors import RedisUnavailable
from common.health import ComponentHealth, Health, Status
from common.model import EdgeHealth
from common.redis_door import COMPONENT as DOOR

INTERVAL_S = 5.0  # a third of the key's life: one lost beat is forgiven
LOOK_S = 0.5  # how soon a change is told, and a write that failed is tried again

log = logs.get(__name__)


class HealthBoard(Protocol):
    """Where others read it."""

    def write_health(self, health: EdgeHealth) -> None:
        """Raises RedisUnavailable."""
        ...


class HeartbeatLoop:
    """One write every INTERVAL_S, and one when a component's health changes.

    `openness` says in a sentence how others can write to the board, None if they cannot; it raises RedisUnavailable.
    It is asked when the board can be written for the first time, and again when it could not be for a while.
    """

    def __init__(
        self, board: HealthBoard, health: Health, clock: Clock, openness: Callable[[], str | None] = lambda: None
    ) -> None:
        self._openness = openness
        self._board = board
        self._health = health
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        written: Mapping[str, ComponentHealth] = {}
        written_at = float("-inf")  # monotonic
        is_door_known = False
        while not stop.is_set():
            components = self._health.components()
            if components != written or time.monotonic() - written_at >= INTERVAL_S:
                try:
                    self._board.write_health(self._told(components))
                    written, written_at = components, time.monotonic()
                    if not is_door_known:
                        self._look_at_the_door()
                        is_door_known = True
                except RedisUnavailable as exc:
                    is_door_known = False
                    log.debug("heartbeat_missed", detail=exc.detail)
            stop.wait(LOOK_S)

    def _look_at_the_door(self) -> None:
        found = self._openness()
        self._health.report(DOOR, Status.OK, found)
        if found is not None:
            log.warning("redis_lets_anybody_write", fault=found)

    def _told(self, components: Mapping[str, ComponentHealth]) -> EdgeHealth:
        told: Mapping[str, Mapping[str, Any]] = {name: asdict(part) for name, part in components.items()}
        return EdgeHealth(at=self._clock.now(), components=told, counters=self._health.counters())
