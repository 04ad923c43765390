"""How often strangers may try to log in at the sites behind this relay. Pure: time is an argument.

It keeps floods off the home lines; the site's own api judges what is tried, and counts per account. Two rules, by token
buckets:

1. From one network, all sites: NETWORK_TRIES at once, then one in NETWORK_EVERY_S.
2. At one site, all networks: SITE_TRIES at once, then one in SITE_EVERY_S. A network from which a valid token was shown
   to the site within KNOWN_FOR_S is exempt, so that nobody can keep the household out by trying often.

A network is an IPv4 address or the /64 of an IPv6 one. All tables are bounded. Single-threaded: the event loop owns it.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from common.crowd import network_of
from common.errors import AppError

NETWORK_TRIES, NETWORK_EVERY_S = 20, 3.0
"""Many phones share the address of one mobile network, and the existing app logs in at each start."""

SITE_TRIES, SITE_EVERY_S = 60, 1.0
"""Each costs the box at home a tenth of a second and 64 MiB for the password's hash."""

KNOWN_FOR_S = 7 * 86_400.0

MOST_KNOWN = 128
"""Networks of each site, about 200 B each: a household's phones in a week. Of each by itself, so that the tokens of one
site make nobody a stranger at another; there are as many sites as the operator added."""

MOST_ENTRIES = 10_000
"""Of each other table, about 2 MB; the one touched longest ago goes first."""


class TooManyAttempts(AppError):
    """Too many logins from this network, or at this site."""

    code = "too_many_attempts"
    is_retryable = True

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("There were too many attempts from here; wait a little.")
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


class Buckets:
    """Token buckets of one size, by key."""

    def __init__(self, size: int, every_s: float) -> None:
        self._size = size
        self._every_s = every_s
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def wait_s(self, key: Hashable, now: float) -> float:
        """Seconds until `take` would find something; 0.0 for at once."""
        return max(0.0, (1.0 - self._filled(key, now).level) * self._every_s)

    def take(self, key: Hashable, now: float) -> None:
        self._filled(key, now).level -= 1.0

    def _filled(self, key: Hashable, now: float) -> _Bucket:
        bucket = self._buckets.pop(key, None) or _Bucket(float(self._size), now)
        bucket.level = min(float(self._size), bucket.level + max(0.0, now - bucket.at) / self._every_s)
        bucket.at = now
        self._buckets[key] = bucket
        while len(self._buckets) > MOST_ENTRIES:
            self._buckets.popitem(last=False)
        return bucket


class LoginThrottle:
    """`site` is any name that stays; `now` any steady seconds."""

    def __init__(self) -> None:
        self._networks = Buckets(NETWORK_TRIES, NETWORK_EVERY_S)
        self._sites = Buckets(SITE_TRIES, SITE_EVERY_S)
        self._known: dict[str, OrderedDict[str, float]] = {}

    def admit(self, site: str, address: str, now: float) -> None:
        """Let one try to log in pass; raises TooManyAttempts."""
        network = network_of(address)
        known = self._known.get(site)
        is_known = known is not None and now - known.get(network, -KNOWN_FOR_S) < KNOWN_FOR_S
        wait_s = max(self._networks.wait_s(network, now), 0.0 if is_known else self._sites.wait_s(site, now))
        if wait_s > 0:
            raise TooManyAttempts(wait_s)
        self._networks.take(network, now)
        if not is_known:
            self._sites.take(site, now)

    def note_valid(self, site: str, address: str, now: float) -> None:
        """A valid token of the site was shown from there."""
        known, network = self._known.setdefault(site, OrderedDict()), network_of(address)
        known.pop(network, None)
        known[network] = now
        while len(known) > MOST_KNOWN:
            known.popitem(last=False)
