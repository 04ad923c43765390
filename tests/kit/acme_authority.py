"""A certificate authority that speaks ACME as the internet's do: Debian's pebble, in one place of a drill's network."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kit.certificates import CertificateAuthority
from tests.kit.home_network import NAME_SERVER, Place
from tests.kit.process import ServerFailed, ServerProcess, program, run

PACKAGE = "pebble"
API_PORT, ROOTS_PORT = 14000, 15000


@contextmanager
def acme_authority(root: Path, folder: Path, place: Place) -> Iterator[Path]:
    """Runs it from a Debian root with PACKAGE in it. A PEM file with what its certificates, and its own address, are
    trusted by."""
    folder.mkdir(parents=True)
    own = CertificateAuthority(folder / "own")
    issued = own.issue(place.address)
    settings = {
        "listenAddress": f"{place.address}:{API_PORT}",
        "managementListenAddress": f"{place.address}:{ROOTS_PORT}",
        "certificate": f"/drill/{issued.certificate.relative_to(folder)}",
        "privateKey": f"/drill/{issued.key.relative_to(folder)}",
        "httpPort": 80,
        "tlsPort": 443,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    nspawn = [
        *(program("systemd-nspawn"), "--quiet", "--register=no", "--keep-unit", "--console=pipe", "--volatile=overlay"),
        *("--resolv-conf=off", "--timezone=off", f"--directory={root}", f"--machine={place.name}"),
        *(f"--bind-ro={folder}:/drill", f"--network-namespace-path={place.namespace}"),
        *("--setenv=PEBBLE_VA_NOSLEEP=1", "pebble", "-config", "/drill/pebble.json", "-dnsserver", f"{NAME_SERVER}:53"),
    ]
    fetch = place.command([program("curl"), "-sSf", "--max-time", "5", "--cacert", str(own.certificate),
                           f"https://{place.address}:{ROOTS_PORT}/roots/0"])  # fmt: skip
    trusted = folder / "trusted.pem"

    def answers() -> bool:
        try:
            trusted.write_text(own.certificate.read_text() + run(fetch))
        except ServerFailed:
            return False
        return True

    with ServerProcess(nspawn, folder / "pebble.log", answers).running():
        yield trusted
