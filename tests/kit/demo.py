"""`wallport-demo` as a process, and what it says of itself."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.loopback import is_answering
from tests.kit.stack import REPOSITORY
from tests.kit.waiting import eventually

READY_WITHIN_S = 120.0  # 60 to 80 s were measured on two cores that others use, too


@dataclass(slots=True)
class RunningDemo:
    process: subprocess.Popen[str]
    folder: Path
    ready_file: Path
    output: Path

    def ready(self) -> Any:
        def content() -> Any:
            assert self.process.poll() is None, self.output.read_text()
            return json.loads(self.ready_file.read_text()) if self.ready_file.exists() else None

        return eventually(content, READY_WITHIN_S, "the demo being ready")

    def end(self) -> int:
        """Ctrl-C, and wait."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(45)


def start_demo(
    folder: Path, *arguments: str, history_days: int = 0, program: Sequence[str] = ("-m", "simulator")
) -> RunningDemo:
    """Start it in a folder that is made here; `program` are the words after Python's own."""
    folder.mkdir()
    arguments = (*arguments, "--history-days", str(history_days))
    if "--port-base" not in arguments:
        arguments = (*arguments, "--port-base", str(_port_base()))
    output = folder / "output"
    ready_file = folder / "ready.json"
    command = [sys.executable, *program, "--folder", str(folder / "demo"), "--ready-file", str(ready_file)]
    with output.open("w") as file:
        process = subprocess.Popen([*command, *arguments], cwd=REPOSITORY, stdout=file, stderr=file, text=True)
    return RunningDemo(process, folder, ready_file, output)


def _port_base() -> int:
    """Ports of this test worker alone: two demos that begin at once would find the same ones free."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    candidates = range(8700 + 100 * worker, 8800 + 100 * worker, 10)
    return next(base for base in candidates if not any(is_answering(port) for port in range(base, base + 10)))


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run_to_the_end(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", "--folder", str(folder / "demo"), *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30, check=False)
