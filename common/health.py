"""What works and what does not, as one thread-safe board per process.

Loops report here; `readyz`, the edge's heartbeat in Redis and the operator read it. It also holds the counters of
dropped work: whatever is dropped is counted, never only logged.
"""

import threading
from dataclasses import dataclass
from enum import StrEnum

from common.clock import Clock


class Status(StrEnum):
    STARTING = "starting"
    OK = "ok"
    FAILING = "failing"
    DISABLED = "disabled"  # not configured: complete without it


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """`since` is the instant of the last change of status, Unix seconds; `detail` is fit for anybody to read."""

    status: Status
    since: float
    detail: str | None = None


class Health:
    """The board. `report` and `count` may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards both maps; nothing blocks while it is held
        self._components: dict[str, ComponentHealth] = {}
        self._counters: dict[str, int] = {}

    def report(self, component: str, status: Status, detail: str | None = None) -> bool:
        """Set a component's status; True if the status changed, so that the caller logs transitions, not repeats."""
        with self._lock:
            known = self._components.get(component)
            changed = known is None or known.status is not status
            since = self._clock.now() if known is None or changed else known.since
            self._components[component] = ComponentHealth(status, since, detail)
            return changed

    def count(self, counter: str, by: int = 1) -> None:
        with self._lock:
            self._counters[counter] = self._counters.get(counter, 0) + by

    def components(self) -> dict[str, ComponentHealth]:
        with self._lock:
            return dict(self._components)

    def counters(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counters)

    def is_ready(self) -> bool:
        """Whether nothing that is configured is failing or still starting."""
        return all(part.status in (Status.OK, Status.DISABLED) for part in self.components().values())
