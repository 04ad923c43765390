"""A network of hosts on one switch, all of them network namespaces: who is where on docs/deploy.md's pages.

Needs root and `ip`. Nothing of the machine's own network is touched, and nothing leads out of it.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kit.process import ServerProcess, program, run

NAME_SERVER = "192.168.1.1"


@dataclass(frozen=True, slots=True)
class Place:
    """One host; `namespace` is the file that stands for it."""

    name: str
    address: str
    namespace: Path

    def command(self, command: Sequence[str]) -> list[str]:
        """The command as it runs on this host, with the files of this machine."""
        return [program("ip"), "netns", "exec", self.namespace.name, *command]


@contextmanager
def home_network(folder: Path, addresses: Mapping[str, str], names: Mapping[str, str]) -> Iterator[dict[str, Place]]:
    """The hosts of `addresses` (host → address), and at NAME_SERVER one that knows `names` (name → address)."""
    ip, mark = program("ip"), f"wallport-{os.getpid()}"
    switch = f"{mark}-switch"
    places: dict[str, Place] = {}
    with ExitStack() as context:
        _namespace(context, switch)
        run([ip, "-n", switch, "link", "add", "switch", "type", "bridge"])
        run([ip, "-n", switch, "addr", "add", f"{NAME_SERVER}/24", "dev", "switch"])
        run([ip, "-n", switch, "link", "set", "switch", "up"])
        for name, address in addresses.items():
            namespace = f"{mark}-{name}"
            _namespace(context, namespace)
            run([ip, "link", "add", "host0", "netns", namespace, "type", "veth", "peer", "name", name, "netns", switch])
            run([ip, "-n", switch, "link", "set", name, "master", "switch", "up"])
            run([ip, "-n", namespace, "addr", "add", f"{address}/24", "dev", "host0"])
            run([ip, "-n", namespace, "link", "set", "host0", "up"])
            run([ip, "-n", namespace, "route", "add", "default", "via", NAME_SERVER])
            places[name] = Place(name, address, Path("/run/netns", namespace))
        table = [f"{name}={address}" for name, address in names.items()]
        at_switch = Place("switch", NAME_SERVER, Path("/run/netns", switch))
        log = folder / "names.log"
        command = at_switch.command([sys.executable, "-m", "tests.kit.name_server", NAME_SERVER, *table])
        server = ServerProcess(command, log, lambda: "ready" in server.log())
        context.enter_context(server.running())
        yield places


def _namespace(context: ExitStack, name: str) -> None:
    ip = program("ip")
    run([ip, "netns", "add", name])
    context.callback(run, [ip, "netns", "del", name])
    run([ip, "-n", name, "link", "set", "lo", "up"])
