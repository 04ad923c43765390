"""Debian roots made by debootstrap from the mirror that this machine's own apt uses, kept for the next drill.

Each is complete or not there: it is made beside its name and then renamed. `chroot`s run with this machine's network,
so that packages can be fetched; the machines that are booted later have none (tests/kit/booted.py).
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.kit.process import program, run

NEEDED = ("debootstrap", "systemd-nspawn", "ip", "nsenter", "mount", "setsid")
MAKING_S = 1200.0
"""For one root: some hundred packages over a slow line."""

BOOTS = ("systemd", "systemd-sysv", "dbus", "ca-certificates", "iproute2")


def why_impossible() -> str:
    """Why no Debian root can be made and booted on this machine; "" if it can."""
    if os.geteuid() != 0:
        return "it needs root"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"not installed here: {', '.join(missing)}"
    if shutil.which("apt-get") is None:
        return "Debian's mirror is known to apt alone, and there is no apt here"
    return ""


def debian_root(folder: Path, suite: str, installed: Sequence[str] = (), fetched: Sequence[str] = ()) -> Path:
    """A root of this suite: with the packages of `installed`, and those of `fetched` ready for an `apt install` that
    has no network. The same root is made once."""
    mark = hashlib.sha256("\n".join([suite, *installed, "", *fetched]).encode()).hexdigest()[:12]
    made = folder / f"{suite}-{mark}"
    if made.exists():
        return made
    draft = folder / f"{made.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    with (folder / f"{made.name}.log").open("wb") as output:
        include = f"--include={','.join(BOOTS)}"
        _run([program("debootstrap"), "--variant=minbase", include, suite, str(draft), _mirror()], output.fileno())
        # Debian starts what it installs unless this file says no; in a chroot nothing may run.
        policy = draft / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        (draft / "etc/apt/apt.conf.d/90drill").write_text(
            'APT::Get::Assume-Yes "true";\nAPT::Keep-Downloaded-Packages "true";\n'
        )
        for options, packages in (((), installed), (("--download-only",), fetched)):
            if packages:
                _run([program("chroot"), str(draft), "apt-get", "install", "-qq", *options, *packages], output.fileno())
        policy.unlink()
    (draft / "etc/machine-id").write_text("")
    (draft / "etc/resolv.conf").unlink(missing_ok=True)
    draft.rename(made)
    return made


def _mirror() -> str:
    """Where apt gets Debian itself from."""
    wanted = ("Created-By: Packages", "ORIGIN: Debian", "COMPONENT: main")
    lines = run([program("apt-get"), "indextargets", "--format", "$(REPO_URI)", *wanted]).split()
    found = [line for line in lines if "security" not in line]
    if not found:
        raise LookupError("this machine's apt has no source of Debian's packages")
    return found[0]


def _run(command: Sequence[str], output: int) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        timeout=MAKING_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}; its output is in the root's log")
