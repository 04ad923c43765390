"""The demo's processes: started in order, restarted when they die, stopped in reverse order, none left behind.

Each child is a session of its own, so that Ctrl-C reaches the demo only and the order of the end is ours; on Linux the
kernel ends the children if the demo itself is killed.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.backoff import Backoff
from common.errors import AppError

STOP_WITHIN_S = 10.0  # an orderly end takes 1 to 3 s; after this the child is killed
LOG_TAIL_LINES = 15


class ChildFailed(AppError):
    """A child ended while the demo was starting; `detail` is the end of its log."""

    code = "demo_child_failed"


@dataclass(slots=True)
class Child:
    """One process: its command, its log file, and when it may be restarted after it died."""

    name: str
    command: Sequence[str]
    log_file: Path
    environ: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=0.5, longest_s=10))
    restart_at: float | None = None

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environ),
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread here
            )
        self.restart_at = None

    def log_tail(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])


class Children:
    """All processes of one demo. Used from one thread."""

    def __init__(self, log_folder: Path, say: Callable[[str], None]) -> None:
        self._log_folder = log_folder
        self._say = say
        self._children: dict[str, Child] = {}

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        child = Child(name, command, self._log_folder / f"{name}.log", environ)
        self._children[name] = child
        child.start()

    def adopt(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """Take over a process that is already running; it is stopped with the others, and not restarted."""
        self._children[name] = Child(name, [], self._log_folder / f"{name}.log", {}, process)

    def pids(self) -> dict[str, int]:
        return {
            name: child.process.pid
            for name, child in self._children.items()
            if child.process is not None and child.process.poll() is None
        }

    def fail_if_any_died(self) -> None:
        """For the start-up: raises ChildFailed with the end of the log of the first that ended."""
        for child in self._children.values():
            if child.process is not None and child.process.poll() is not None:
                raise ChildFailed(
                    f"{child.name} ended with {child.process.returncode} while starting; its log is {child.log_file}",
                    detail=child.log_tail() if child.log_file.exists() else None,
                )

    def restart_dead(self) -> bool:
        """Restart what died, after its backoff; True if a pid changed."""
        changed = False
        for child in self._children.values():
            if child.process is None or child.process.poll() is None or not child.command:
                continue
            now = time.monotonic()
            if child.restart_at is None:
                child.restart_at = now + child.backoff.next_delay_s()
                self._say(f"{child.name} ended with {child.process.returncode}; restarting it")
            elif now >= child.restart_at:
                child.start()
                changed = True
        return changed

    def stop_all(self) -> None:
        """End all in reverse order of their start; whoever does not end in time is killed."""
        for child in reversed(self._children.values()):
            if child.process is None or child.process.poll() is not None:
                continue
            child.process.send_signal(signal.SIGTERM)
            try:
                child.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._say(f"{child.name} did not end within {STOP_WITHIN_S:.0f} s and is killed")
                child.process.kill()
                child.process.wait()
            finally:
                self._end_session(child.process.pid)

    @staticmethod
    def _end_session(pid: int) -> None:
        """End what the child left in its own session, if anything."""
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def _end_with_parent() -> None:
    """Ask the kernel to send SIGTERM to this process when its parent dies (PR_SET_PDEATHSIG is 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
