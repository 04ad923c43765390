"""How many connections there may be, from one network and in all, and which one must go: pure. Used by both Sanic
processes, for what comes in on TCP; common/strict_http.py tells it what happens.

Descriptors are what runs out first. A quarter of them is for who is `kept`: edges at the relay, at the api the edge's
own listener. When all are taken, whoever has waited longest without a request goes, so that a newcomer who sends one at
once, as edges do, always gets in.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import ClassVar, Generic, TypeVar

from common.errors import AppError

OWN_DESCRIPTORS = 64
"""For the listener, the database, Redis, the log, and connections that were taken before we could look at them."""

FEWEST = 8  # connections, however few descriptors there are

UNKNOWN = "unknown"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
C = TypeVar("C", bound=Hashable)


class Overloaded(AppError):
    """As many connections are open as may; what is left is kept for others."""

    code: ClassVar[str] = "overloaded"
    is_retryable = True

    def __init__(self) -> None:
        super().__init__("Too many connections are open; try again in a moment.")


class Crowd(Generic[C]):
    """All connections of a process. Each call is quick; on the event loop only."""

    def __init__(self, descriptors: int, most_per_network: int, trusted: Sequence[Network] = ()) -> None:
        """`descriptors`: what the process may open. From `trusted`, our own proxies, come many clients' connections."""
        self.most = max(FEWEST, descriptors - OWN_DESCRIPTORS)
        self._most_per_network = most_per_network
        self._trusted = trusted
        self._networks: dict[str, int] = {}
        self._open: dict[C, str | None] = {}  # by whom it is counted
        self._waiting: OrderedDict[C, None] = OrderedDict()  # without a whole request, longest first
        self._kept: set[C] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """Whether all that is not kept for others is taken."""
        return len(self._open) - len(self._kept) > self.most - self.most // 4

    def come(self, connection: C, peer: str | None) -> C | None:
        """Note a new connection. Returns one that must be cut now, perhaps this one, and is forgotten already."""
        network = None if peer is None or self._is_trusted(peer) else network_of(peer)
        self._open[connection] = network
        self._waiting[connection] = None
        goes: C | None = None
        if network is not None:
            self._networks[network] = self._networks.get(network, 0) + 1
            if self._networks[network] > self._most_per_network:
                goes = connection
        if goes is None and len(self._open) > self.most:
            goes = next(iter(self._waiting))
        if goes is not None:
            self.gone(goes)
        return goes

    def serves(self, connection: C) -> None:
        """It has a request under way."""
        self._waiting.pop(connection, None)

    def waits(self, connection: C) -> None:
        """It waits for its next request."""
        if connection in self._open and connection not in self._kept:
            self._waiting[connection] = None
            self._waiting.move_to_end(connection)

    def keep(self, connection: C) -> None:
        """It is one of those for whom descriptors are kept, and counts for no network."""
        if connection in self._open:
            self._kept.add(connection)
            self._waiting.pop(connection, None)
            self._leave_network(connection)
            self._open[connection] = None

    def is_kept(self, connection: C) -> bool:
        return connection in self._kept

    def gone(self, connection: C) -> None:
        """Idempotent."""
        if connection in self._open:
            self._leave_network(connection)
            del self._open[connection]
            self._waiting.pop(connection, None)
            self._kept.discard(connection)

    def _leave_network(self, connection: C) -> None:
        network = self._open[connection]
        if network is not None:
            self._networks[network] -= 1
            if not self._networks[network]:
                del self._networks[network]

    def _is_trusted(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def network_of(address: str) -> str:
    """What is counted together: an IPv4 address, or the /64 of an IPv6 one; one name for all that is no address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)
