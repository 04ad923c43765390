"""Control groups of version 1 for a machine that is booted here, below those of this process.

A Docker on the machine makes groups of its own in them, which systemd-nspawn forbids until they are mounted anew. Where
this machine has version 2 alone, nothing of this is needed.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.kit.waiting import eventually

MOUNTS = Path("/sys/fs/cgroup")
LET_WRITE = "for folder in /sys/fs/cgroup/*/; do mount -o remount,bind,rw $folder; done"
"""For the machine itself, which needs the right to mount."""


def is_version_1() -> bool:
    return not (MOUNTS / "cgroup.controllers").exists()


@contextmanager
def machine_cgroups(name: str) -> Iterator[list[Path]]:
    """A new group in each hierarchy with a controller; empty where there is none. Gone when the context ends."""
    groups: list[Path] = []
    try:
        for line in Path("/proc/self/cgroup").read_text().splitlines() if is_version_1() else ():
            _, controllers, path = line.split(":", 2)
            above = MOUNTS / controllers / path.lstrip("/")
            if not controllers or "=" in controllers or not above.is_dir():
                continue
            (above / name).mkdir()
            groups.append(above / name)
            for needed in ("cpuset.cpus", "cpuset.mems") if controllers == "cpuset" else ():
                (above / name / needed).write_text((above / needed).read_text())
        yield groups
    finally:
        for group in groups:
            eventually(lambda group=group: _remove(group), 20, f"{group} being empty")  # type: ignore[misc]


def _remove(group: Path) -> bool:
    for folder in sorted(group.rglob("*/"), key=lambda found: -len(found.parts)):
        if folder.is_dir():
            with suppress(OSError):
                folder.rmdir()
    with suppress(OSError):
        group.rmdir()
    return not group.exists()
