"""One private server process of the tests: started until it answers, stopped by its process id."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kit.waiting import eventually

READY_WITHIN_S = 30.0
"""mariadbd needs about a second when alone; the rest is for two busy cores of a small machine."""

STOPPED_WITHIN_S = 20.0
"""After this long without obeying SIGTERM a server is killed."""

SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin"
"""Servers live here, and the PATH of an ordinary user often lacks them."""


class ServerMissing(RuntimeError):
    """The program is not installed on this machine."""


class ServerFailed(RuntimeError):
    """A server or a tool of it ended with an error; the text holds its last words."""


class ServerProcess:
    """A command that can be stopped and started again. `is_ready` is asked until it says True."""

    def __init__(self, command: Sequence[str], log_file: Path, is_ready: Callable[[], bool]) -> None:
        self._command = [*_dies_with_us(), *command]
        self._log_file = log_file
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; only while it runs."""
        if self._process is None:
            raise ServerFailed(f"{' '.join(self._command)} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it answers; nothing happens if it runs already."""
        if self._process is not None:
            return
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            eventually(self._answers, READY_WITHIN_S, f"{' '.join(self._command)} being ready")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int | None:
        """End it and return its exit code when it is gone; nothing happens if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self.stop()

    def log(self) -> str:
        """What it has printed so far, over all its starts."""
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise ServerFailed(f"{' '.join(self._command)} ended with {self._process.returncode}: {self.log()[-2000:]}")
        return self._is_ready()


def program(name: str) -> str:
    """The path of an installed program."""
    found = shutil.which(name) or shutil.which(name, path=SYSTEM_FOLDERS)
    if found is None:
        raise ServerMissing(f"{name} is not installed on this machine: run 'make servers'")
    return found


def run(command: Sequence[str]) -> str:
    """Run a tool to its end and return what it printed; ServerFailed with what it printed if it did not succeed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise ServerFailed(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def is_root() -> bool:
    """Servers that would become another user as root must stay: the temp folder is closed to anybody else."""
    return os.geteuid() == 0


def accepts(port: int) -> bool:
    """True if something listens on this loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def _dies_with_us() -> list[str]:
    """A prefix that has the kernel end the server when the tests are killed before they can stop it."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []
