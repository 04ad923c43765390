"""Runs the edge's loops, each in a thread of its own, and keeps them running.

A loop that raises, or returns before it was asked to, is logged with its traceback and started again after a growing
pause; health shows it as `loop.<name>` with the counter `restarts_<name>`. Stopping goes in reverse order of starting,
each loop within its own deadline. Knows nothing of what the loops do; `app.py` fills it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from common import logs
from common.backoff import Backoff
from common.health import Health, Status

STEADY_S = 10.0
"""A restarted loop that lived so long counts as well again, and its next failure as a first one."""

WATCH_S = 1.0

log = logs.get(__name__)


@dataclass(slots=True)
class _Loop:
    name: str
    run: Callable[[threading.Event], None]
    stop_within_s: float
    backoff: Backoff
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    restarted_at: float | None = None  # monotonic; None while it runs as it should


class Supervisor:
    """Add loops in the order in which they start, then call `run_until`."""

    def __init__(self, health: Health, first_pause_s: float = 1.0) -> None:
        self._health = health
        self._first_pause_s = first_pause_s
        self._loops: list[_Loop] = []

    def add(self, name: str, run: Callable[[threading.Event], None], stop_within_s: float = 3.0) -> None:
        """`run` works until its event is set, then returns within `stop_within_s`."""
        self._loops.append(_Loop(name, run, stop_within_s, Backoff(self._first_pause_s, longest_s=60.0)))

    def run_until(self, stopping: threading.Event) -> list[str]:
        """Run all loops until `stopping` is set; blocks. Answers the names of those that did not stop in time."""
        for loop in self._loops:
            self._health.report(_component(loop), Status.OK)
            # Daemon threads: one that hangs must not keep the process from ending, see `_stop`.
            loop.thread = threading.Thread(target=self._keep_running, args=(loop,), name=loop.name, daemon=True)
            loop.thread.start()
        try:
            while not stopping.wait(WATCH_S):
                self._note_recovered()
        finally:
            hanging = self._stop()
        return hanging

    def _keep_running(self, loop: _Loop) -> None:
        while not loop.stop.is_set():
            started_at = time.monotonic()
            try:
                loop.run(loop.stop)
                if loop.stop.is_set():
                    return
                log.error("loop_ended_by_itself", loop=loop.name)
            except Exception:  # the supervisor is one of three places for it: a bug in a loop restarts it visibly
                log.error("loop_failed", loop=loop.name, exc_info=True)
            if time.monotonic() - started_at >= STEADY_S:
                loop.backoff.reset()
            self._health.count(f"restarts_{loop.name}")
            loop.restarted_at = time.monotonic() + (pause_s := loop.backoff.next_delay_s())
            self._health.report(_component(loop), Status.FAILING, "stopped unexpectedly and was started again")
            loop.stop.wait(pause_s)

    def _note_recovered(self) -> None:
        for loop in self._loops:
            if loop.restarted_at is not None and time.monotonic() - loop.restarted_at >= STEADY_S:
                loop.restarted_at = None
                self._health.report(_component(loop), Status.OK)
                log.info("loop_recovered", loop=loop.name)

    def _stop(self) -> list[str]:
        hanging: list[str] = []
        for loop in reversed(self._loops):
            loop.stop.set()
            if loop.thread is None:
                continue
            loop.thread.join(loop.stop_within_s)
            if loop.thread.is_alive():
                hanging.append(loop.name)
                log.error("loop_did_not_stop", loop=loop.name, within_s=loop.stop_within_s)
        return hanging


def _component(loop: _Loop) -> str:
    return f"loop.{loop.name}"
