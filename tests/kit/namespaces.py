"""Two hosts with a wire between them, as network namespaces: what no proxy can do to a connection, a kernel can.

Needs root and `ip`; `why_impossible` says what is missing. Nothing of the machine's own network is touched.
"""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.kit.process import ServerMissing, program, run

ADDRESSES = ("192.0.2.1", "192.0.2.2")  # RFC 5737: nobody's
ETHERNET = ("02:00:00:00:00:01", "02:00:00:00:00:02")

_PAIRS = itertools.count()


@dataclass(frozen=True, slots=True)
class Host:
    name: str
    device: str
    address: str
    ethernet: str

    def command(self, command: list[str]) -> list[str]:
        """The command as it runs on this host; files are those of the machine."""
        return [program("ip"), "netns", "exec", self.name, *command]

    def go_deaf(self) -> None:
        """Drop every packet that comes in, without a word; what goes out goes out.

        The address is made one that is not local, which needs no firewall.
        """
        run([program("ip"), "-n", self.name, "route", "del", *self._local_route()])

    def hear_again(self) -> None:
        run([program("ip"), "-n", self.name, "route", "add", *self._local_route()])

    def _local_route(self) -> list[str]:
        return ["local", self.address, "dev", self.device, "table", "local"]


def why_impossible() -> str:
    """Why there can be no namespaces on this machine; "" if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        name = f"wallport-{os.getpid()}"
        run([program("ip"), "netns", "add", name])
        run([program("ip"), "netns", "del", name])
    except (ServerMissing, RuntimeError) as exc:
        return f"no network namespaces here: {exc}"
    return ""


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    ip, number = program("ip"), f"{os.getpid()}-{next(_PAIRS)}"
    hosts = tuple(
        Host(f"wallport-{number}-{place}", f"wp{place}", address, ethernet)
        for place, (address, ethernet) in enumerate(zip(ADDRESSES, ETHERNET, strict=True))
    )
    with ExitStack() as context:
        for host in hosts:
            run([ip, "netns", "add", host.name])
            context.callback(subprocess.run, [ip, "netns", "del", host.name], check=False)
        here, there = hosts
        run([ip, "link", "add", here.device, "netns", here.name, "type", "veth", "peer", "name", there.device,
             "netns", there.name])  # fmt: skip
        for host, other in ((here, there), (there, here)):
            run([ip, "-n", host.name, "link", "set", host.device, "address", host.ethernet])
            run([ip, "-n", host.name, "addr", "add", f"{host.address}/24", "dev", host.device])
            run([ip, "-n", host.name, "link", "set", host.device, "up"])
            run([ip, "-n", host.name, "link", "set", "lo", "up"])
            # Fixed, since a host that hears nothing would hear no ARP either, and soon not know where to send.
            run([ip, "-n", host.name, "neigh", "add", other.address, "lladdr", other.ethernet, "dev", host.device])
        yield here, there
