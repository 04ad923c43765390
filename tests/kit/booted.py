"""A Debian root, booted with its own init by systemd-nspawn in one place of a drill's network.

What the machine writes lands in a layer above its root, and is gone with it. A `Reader` types commands on it as root,
at a terminal, one block after the other, as a person does who follows a document.
"""

import os
import pty
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kit.home_network import NAME_SERVER, Place
from tests.kit.machine_cgroups import LET_WRITE, is_version_1, machine_cgroups
from tests.kit.process import ServerProcess, program, run
from tests.kit.waiting import eventually

BOOTED_WITHIN_S = 120.0
"""Some seconds when alone, and other drills boot beside it on two cores."""

BLOCK_WITHIN_S = 600.0
"""One block of commands: an image is built, or packages are unpacked."""

QUIET = ("systemd-networkd.service", "systemd-networkd.socket", "systemd-networkd-wait-online.service",
         "systemd-resolved.service", "systemd-sysctl.service", "apt-daily.timer", "apt-daily-upgrade.timer",
         "console-getty.service")  # fmt: skip
"""Units that would see to the network, which is made outside, to a kernel that is not the machine's own, or to apt."""

PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = ("HOME=/root", "TERM=dumb", "LANG=C.UTF-8", f"PATH={PATHS}", "DEBIAN_FRONTEND=noninteractive")


class CommandFailed(AssertionError):
    """What was typed ended with an error; the text has what it printed."""


@dataclass(frozen=True, slots=True)
class Machine:
    """`files` is its root as it sees it; `pid` that of its init, seen from here."""

    place: Place
    files: Path
    pid: int

    def command(self, command: list[str]) -> list[str]:
        """The command as root on this machine, in an environment of its own."""
        return [program("nsenter"), "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", "env", "-i",
                *ENVIRONMENT, *command]  # fmt: skip

    def run(self, script: str) -> str:
        """A script of the drill's own; returns what it printed, CommandFailed if it did not succeed."""
        done = subprocess.run(
            self.command(["bash", "-ec", script]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=BLOCK_WITHIN_S,
            check=False,
        )
        if done.returncode != 0:
            raise CommandFailed(f"{script}\nended with {done.returncode}:\n{done.stdout[-6000:]}")
        return done.stdout

    def reader(self) -> "Reader":
        return Reader(self)


class Reader:
    """Somebody at a terminal of the machine, as root: folder, exported variables and umask stay from block to block."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._state = machine.files / "root" / f".drill-{id(self):x}"
        self._state.write_text("cd /root\n")

    def types(self, text: str) -> str:
        """Type one block and return what the terminal showed; CommandFailed at the first command that fails.

        A program that asks something waits in vain, and fails in the end.
        """
        state = f"/root/{self._state.name}"
        script = (
            f". {state}\nset -e\nset -o pipefail\n{text}\nset +e\n"
            f'{{ echo "cd $(printf %q "$PWD")"; umask -p; export -p; }} > {state}\n'
        )
        typed = self._machine.files / "root" / f"{self._state.name}.block"
        typed.write_text(script)
        shown, code = _at_terminal(self._machine.command(["setsid", "--ctty", "--wait", "bash", f"/root/{typed.name}"]))
        if code != 0:
            raise CommandFailed(f"{text}\nended with {code}:\n{shown[-6000:]}")
        return shown


def _at_terminal(command: list[str]) -> tuple[str, int]:
    """What it showed until its end, and its exit code."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    finally:
        os.close(theirs)
    shown, deadline = "", time.monotonic() + BLOCK_WITHIN_S
    with selectors.DefaultSelector() as selector, os.fdopen(ours, "rb", buffering=0) as terminal:
        selector.register(terminal, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not selector.select(1.0):
                if process.poll() is not None:
                    break
                continue
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the last of them has closed it
                break
            shown += piece.decode(errors="replace").replace("\r\n", "\n")
        else:
            process.kill()
            process.wait()
            raise CommandFailed(f"still not done after {BLOCK_WITHIN_S} s:\n{shown[-6000:]}")
    return shown, process.wait(BLOCK_WITHIN_S)


@contextmanager
def booted(
    root: Path,
    folder: Path,
    place: Place,
    *,
    docker_folder: Path | None = None,
    wheels: Path | None = None,
    files: Mapping[str, str] | None = None,
) -> Iterator[Machine]:
    """The root, booted at `place` until the context ends. `files` (path → text) are there before it boots.

    With `docker_folder` it may do what dockerd wants, and keeps its images and containers there. `wheels` is seen as
    /srv/wheels.
    """
    merged = folder / "root"
    with ExitStack() as context:
        for name in ("changes", "work", "root"):
            (folder / name).mkdir(parents=True)
        layers = f"lowerdir={root},upperdir={folder / 'changes'},workdir={folder / 'work'}"
        run([program("mount"), "-t", "overlay", "overlay", "-o", layers, str(merged)])
        context.callback(run, [program("umount"), str(merged)])
        (merged / "etc/hostname").write_text(f"{place.name}\n")
        (merged / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {place.name}\n")
        (merged / "etc/resolv.conf").unlink(missing_ok=True)
        (merged / "etc/resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
        for name, text in (files or {}).items():
            (merged / name.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (merged / name.lstrip("/")).write_text(text)
        run([program("systemctl"), f"--root={merged}", "--quiet", "mask", *QUIET])
        groups = context.enter_context(machine_cgroups(f"wallport-{os.getpid()}-{place.name}"))
        nspawn = ServerProcess(
            _nspawn(place, merged, docker_folder, wheels, groups), folder / "console.log", lambda: True
        )
        nspawn.start()
        context.callback(nspawn.stop)
        pid = eventually(lambda: _child(nspawn.pid), BOOTED_WITHIN_S, "an init in the machine")
        # With its init every process of the machine ends at once; an orderly end of its services takes half a minute.
        context.callback(os.kill, pid, signal.SIGKILL)
        machine = Machine(place, merged, pid)
        eventually(lambda: _is_up(machine), BOOTED_WITHIN_S, f"{place.name} being booted", every_s=0.5)
        if docker_folder is not None and is_version_1():
            machine.run(LET_WRITE)
        yield machine


def _nspawn(
    place: Place, merged: Path, docker_folder: Path | None, wheels: Path | None, groups: list[Path]
) -> list[str]:
    """This machine's cgroups may be those of version 1, which newer systemds want to be asked for."""
    environ = ["SYSTEMD_NSPAWN_API_VFS_WRITABLE=network", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
    boot: list[str] = []
    if is_version_1():
        environ.append("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0")
        boot = ["systemd.unified_cgroup_hierarchy=0", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"]
    options = ["--quiet", "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=off", "--timezone=off"]
    if docker_folder is not None:
        docker_folder.mkdir(parents=True, exist_ok=True)
        options += ["--capability=all", "--system-call-filter=@keyring bpf", f"--bind={docker_folder}:/var/lib/docker"]
    if wheels is not None:
        options.append(f"--bind-ro={wheels}:/srv/wheels")
    joins = "".join(f"echo $$ > {group}/cgroup.procs; " for group in groups)
    return ["env", *environ, "sh", "-ec", f'{joins}exec "$@"', "sh", program("systemd-nspawn"), *options,
            f"--directory={merged}", f"--machine={place.name}", f"--network-namespace-path={place.namespace}",
            "--boot", *boot]  # fmt: skip


def _child(pid: int) -> int | None:
    """The machine's init: the one child of nspawn's that is the first of a namespace of its own."""
    for line in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        status = Path(f"/proc/{line}/status").read_text()
        found = next((words.split() for words in status.splitlines() if words.startswith("NSpid:")), [])
        if found and found[-1] == "1" and len(found) > 2:
            return int(line)
    return None


def _is_up(machine: Machine) -> bool:
    """Whether all units have been started; some may have failed, which a container's often do."""
    done = subprocess.run(
        machine.command(["systemctl", "is-system-running"]), capture_output=True, text=True, check=False
    )
    return done.stdout.strip() in ("running", "degraded")
