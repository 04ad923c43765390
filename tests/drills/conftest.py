"""What the drills share: Debian roots, a network with a wallbox and a certificate authority, and this repository.

They follow docs/deploy.md word by word, on machines that boot. They need root, Debian's debootstrap and systemd-nspawn,
and apt's mirror; a drill that cannot run here is skipped and says why. `make drills` runs them, `make test` does not:
their files are named otherwise. Roots and wheels are kept in WALLPORT_DRILLS (else /var/tmp/wallport-drills).
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit import debian_root, drill_docker
from tests.kit.acme_authority import PACKAGE, acme_authority
from tests.kit.home_network import Place, home_network
from tests.kit.process import ServerProcess, program
from tests.kit.wallbox import simulating

WALLBOX, HOME, RELAY, AUTHORITY = "192.168.1.5", "192.168.1.20", "192.168.1.30", "192.168.1.40"
NAMES = {"relay.example.org": RELAY, "wallport.lan": HOME}
"""As docs/deploy.md has them."""


@pytest.fixture(scope="session")
def kept() -> Path:
    """Where roots and wheels are kept from drill to drill."""
    why = debian_root.why_impossible()
    if why:
        pytest.skip(f"no machine can be booted here: {why}")
    folder = Path(os.environ.get("WALLPORT_DRILLS", "/var/tmp/wallport-drills"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def folder(kept: Path) -> Iterator[Path]:
    """For one drill; not below /tmp, since a Docker's data does not belong into memory."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=kept))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def servers_root(kept: Path) -> Path:
    """Debian 12 with what the images stand on, and the certificate authority."""
    return debian_root.debian_root(kept, "bookworm", installed=(*drill_docker.SERVERS, PACKAGE))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`places` are those of the two machines; `authority` is a PEM file with what the internet would be trusted by."""

    places: dict[str, Place]
    authority: Path


@pytest.fixture(scope="module")
def surroundings(folder: Path, servers_root: Path) -> Iterator[Surroundings]:
    """A network as docs/deploy.md has it: a simulated wallbox, the name of the relay, an authority that speaks ACME."""
    addresses = {"wallbox": WALLBOX, "home": HOME, "relay": RELAY, "authority": AUTHORITY}
    with home_network(folder, addresses, NAMES) as places:
        (folder / "mosquitto.conf").write_text("listener 1883 0.0.0.0\nallow_anonymous true\n")
        command = places["wallbox"].command([program("mosquitto"), "-c", str(folder / "mosquitto.conf")])
        broker = ServerProcess(command, folder / "mosquitto.log", lambda: "running" in broker.log())
        with (
            broker.running(),
            simulating("mqtt://127.0.0.1:1883", "--dialect", "2.x", prefix=places["wallbox"].command([])),
            acme_authority(servers_root, folder / "authority", places["authority"]) as authority,
        ):
            yield Surroundings(places, authority)
