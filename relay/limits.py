"""What one site, one phone and one request may take of the relay, with the reason for each number. Pure.

docs/settings.md lists those that can be set, and what a client is told that meets one. The numbers of the tunnel itself
are in common/tunnel/limits.py.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from common.errors import AppError
from common.tunnel.limits import KIB, Limits

BURST_S = 2.0
"""A site may use its share of so many seconds at once: pages and charts are bursts."""

CANCEL_WINDOW_S = 10.0

MOST_ADDRESSES = 10_000
"""Whose cancelled requests are remembered, at about 1 KiB each; the one that was quiet longest goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits:
    tunnel: Limits = field(default_factory=Limits)

    body_bytes: int = 10 * 1024 * KIB
    """Of a request: a restored backup, the largest thing anybody uploads, has about 1 MiB a year."""

    body_slowest_bytes_per_s: int = 1 * KIB
    """A phone that sends slower than this on the whole holds a stream of the site for nothing."""

    body_grace_s: float = 30.0
    """Before the line above counts: a mobile network may be gone for so long."""

    body_most_s: float = 600.0
    """For a whole body, however much of it comes: the largest at 17 kB/s. What takes longer holds a connection that
    others need."""

    site_bytes_per_s: int = 125_000_000
    """Of all bodies and messages of one site, both ways: 1 Gbit/s, the fastest line of a home. Lower it where many
    sites share the relay's line. What is above waits; nothing is refused."""

    cancels_per_10_s: int = 50
    """Requests that one address gives up before they are answered: a page that is left gives up ten or so. Each still
    costs the box at home a thread for a moment (CVE-2023-44487)."""

    network_connections: int = 200
    """Of one network (an IPv4 address, the /64 of an IPv6 one) at once, and requests that came through our own proxies:
    many phones share the address of one mobile network, each with a live push and a few requests."""

    site_wait_s: float = 8.0
    """For the tunnel of a site that was online seconds ago, by another relay process or before a restart: its edge
    comes back within `reconnect_spread_s`."""

    most_waiting: int = 500
    """Requests that wait so at once, in all: about 20 MB."""

    reconnect_spread_s: float = 5.0
    """Edges that lose this relay together come back over so many seconds: 500 edges are 100 handshakes a second, of
    about 1 ms each."""

    drain_s: float = 20.0
    """For requests that run when the relay is told to stop; service managers kill after that."""


class TooManyCancelled(AppError):
    """This address gave up too many requests before they were answered."""

    code = "too_many_cancelled"
    is_retryable = True
    retry_after_s = CANCEL_WINDOW_S

    def __init__(self) -> None:
        super().__init__("Too many requests from this address were given up before they were answered; wait a little.")


class Pacer:
    """One site's share of bytes: a token bucket that may go into debt, and says how long to wait for it."""

    __slots__ = ("_at", "_most", "_per_s", "_tokens")

    def __init__(self, per_s: int, now: float) -> None:
        self._per_s = per_s
        self._most = per_s * BURST_S
        self._tokens = self._most
        self._at = now

    def take(self, size_bytes: int, now: float) -> float:
        """Count bytes that are on their way; returns the seconds to wait before the next ones, mostly 0."""
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._per_s) - size_bytes
        self._at = now
        return -self._tokens / self._per_s if self._tokens < 0 else 0.0


class Cancels:
    """Who gives up how many requests. `now` is any steady seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, address: str, now: float) -> None:
        instants = self._by_address.pop(address, None)
        if instants is None:
            instants = deque(maxlen=self._most)
        instants.append(now)
        self._by_address[address] = instants
        if len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)

    def check(self, address: str, now: float) -> None:
        """Raises TooManyCancelled while there were `most` within CANCEL_WINDOW_S."""
        instants = self._by_address.get(address)
        if instants is not None and len(instants) == self._most and now - instants[0] < CANCEL_WINDOW_S:
            raise TooManyCancelled


class TooManyAtOnce(AppError):
    """This network has as many requests under way as it may."""

    code = "too_many_connections"
    is_retryable = True

    def __init__(self) -> None:
        super().__init__("Too many requests from this network are under way; wait a little.")


class AtOnce:
    """How many requests of each network are under way."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_network: dict[str, int] = {}  # bounded by the connections that there are

    @contextmanager
    def one_more(self, network: str) -> Iterator[None]:
        """Count a request while it runs; raises TooManyAtOnce."""
        running = self._by_network.get(network, 0)
        if running >= self._most:
            raise TooManyAtOnce
        self._by_network[network] = running + 1
        try:
            yield
        finally:
            self._by_network[network] -= 1
            if not self._by_network[network]:
                del self._by_network[network]


class SlowBody(AppError):
    """The client sends its body slower than `body_slowest_bytes_per_s`."""

    code = "request_timeout"

    def __init__(self) -> None:
        super().__init__("The request's body comes too slowly.")


class Patience:
    """How long a client has made us wait for its body, against how much of it came."""

    def __init__(self, limits: RelayLimits) -> None:
        self._left_s = limits.body_grace_s
        self._slowest = limits.body_slowest_bytes_per_s

    @property
    def left_s(self) -> float:
        """What may pass until the next piece."""
        return max(0.0, self._left_s)

    def got(self, size_bytes: int, waited_s: float) -> None:
        self._left_s += size_bytes / self._slowest - waited_s
