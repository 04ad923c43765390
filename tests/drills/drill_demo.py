"""README.md's first try on a Debian 13 that has what it asks for and no more: no compiler, no server, Python 3.13."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.kit import debian_root
from tests.kit.process import program, run
from tests.kit.stack import REPOSITORY
from tests.kit.waiting import eventually

pytestmark = pytest.mark.timeout(1800)

ASKED_FOR = ("python3-venv", "make")
ABSENT = ("gcc", "cc", "redis-server", "mosquitto")
AUTHORITIES = "etc/ssl/certs/of-this-machine.pem"
READY_WITHIN_S = 900.0  # it fetches some fifty packages

IN_ROOT = """
root=$1
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
shift
exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""


@pytest.fixture
def machine(kept: Path, folder: Path) -> Path:
    """Its root, with this repository as it is committed."""
    made = debian_root.debian_root(kept, "trixie", installed=ASKED_FOR)
    root = folder / "root"
    run([program("cp"), "-a", str(made), str(root)])
    source = root / "root" / "wallport"
    source.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    subprocess.run([program("tar"), "-x", "-C", str(source)], input=archive, check=True)
    (root / "etc/resolv.conf").write_bytes(Path("/etc/resolv.conf").read_bytes())
    # A mirror on the way may have an authority of its own, which this machine's pip and npm are told of.
    own = os.environ.get("PIP_CERT") or "/etc/ssl/certs/ca-certificates.crt"
    (root / AUTHORITIES).write_bytes(Path(own).read_bytes())
    return root


@contextmanager
def demo(root: Path, output: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`make demo` as root in the root; ended as by Ctrl-C."""
    command = [program("unshare"), "--mount", "sh", "-ec", IN_ROOT, "sh", str(root)]
    command += [f"PIP_CERT=/{AUTHORITIES}", f"NODE_EXTRA_CA_CERTS=/{AUTHORITIES}"]
    typed = "cd /root/wallport && exec make demo ARGS='--history-days 1 --ready-file /root/ready.json'"
    with output.open("wb") as log:
        process = subprocess.Popen([*command, "sh", "-c", typed], stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def test_make_demo_on_debian_13(machine: Path, folder: Path) -> None:
    """It gets ready, and the wallbox's values come through the relay."""
    for name in ABSENT:
        assert not [path for path in ("usr/bin", "usr/sbin") if (machine / path / name).exists()], name
    output, ready_file = folder / "output", machine / "root" / "ready.json"
    with demo(machine, output) as process:

        def ready() -> Any:
            assert process.poll() is None, output.read_text()[-4000:]
            return json.loads(ready_file.read_text()) if ready_file.exists() else None

        told = eventually(ready, READY_WITHIN_S, "the demo", every_s=1)
        with httpx.Client(base_url=f"{told['relay_site_url']}/api/v1", trust_env=False, timeout=20) as client:
            login = {"username": "viewer", "password": told["users"]["viewer"]["password"]}
            token = client.post("/auth/login", json=login).raise_for_status().json()["access_token"]
            state = client.get("/state", headers={"Authorization": f"Bearer {token}"}).json()
            assert state["is_stale"] is False
            assert state["charge_points"]
    assert not ready_file.exists()
    assert "Everything has ended" in output.read_text()
