"""Slows down whoever guesses passwords or codes, without letting them lock others out. Pure: time is an argument.

Three rules, each about what an attacker has to pay; docs/security.md explains them to owners.

1. From one network, one account: FREE_TRIES wrong ones, then waits that double from 2 s to WINDOW_S. What happens on
   one network never delays another, so nobody can lock the owner's phone out.
2. From one network, all accounts: NETWORK_TRIES in WINDOW_S, which stops a walk through many names. A pair of network
   and account that has logged in before is exempt: a guest on the same Wi-Fi cannot block the household.
3. On one account, all networks: after ACCOUNT_TRIES in WINDOW_S each network that never logged in has one wrong try
   per WINDOW_S in place of FREE_TRIES. Ten thousand addresses gain little, and the owner's first try still passes.

A try counts as wrong from the moment it is admitted until it is found right, so that many at once gain nothing.
Single-threaded: the api's event loop owns it. Everything is forgotten on a restart.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from api.errors import TooManyAttempts

FREE_TRIES = 5
FIRST_WAIT_S = 2.0
WINDOW_S = 15 * 60.0
NETWORK_TRIES = 50
ACCOUNT_TRIES = 100
MOST_ENTRIES = 10_000
"""Entries of each table, about 2 MB together; the one touched longest ago goes first."""


@dataclass(slots=True)
class _Count:
    """Wrong tries up to `last_at`; forgotten when WINDOW_S passed without one."""

    wrong: int = 0
    last_at: float = 0.0
    has_succeeded: bool = False


@dataclass(slots=True)
class _Table:
    """A bounded map from key to count."""

    counts: OrderedDict[Hashable, _Count] = field(default_factory=OrderedDict)

    def get(self, key: Hashable, now: float) -> _Count:
        """The count of `key`, moved to the safe end."""
        count = self.counts.pop(key, None) or _Count()
        if now - count.last_at >= WINDOW_S:
            count.wrong = 0
        self.counts[key] = count
        while len(self.counts) > MOST_ENTRIES:
            self.counts.popitem(last=False)
        return count


class Throttle:
    """One for passwords, one for codes. `account` and `network` are any text; `now` any steady seconds."""

    def __init__(self) -> None:
        self._pairs = _Table()
        self._networks = _Table()
        self._accounts = _Table()

    def admit(self, account: str, network: str, now: float) -> None:
        """Count a try as wrong, or raise TooManyAttempts; `succeeded` or `undo` take the count back."""
        pair = self._pairs.get((account, network), now)
        all_here = self._networks.get(network, now)
        all_on_account = self._accounts.get(account, now)
        waits = [_pair_wait(pair, all_on_account, now)]
        if not pair.has_succeeded and all_here.wrong >= NETWORK_TRIES:
            waits.append(all_here.last_at + WINDOW_S - now)
        wait_s = max(waits)
        if wait_s > 0:
            raise TooManyAttempts("too many wrong tries; wait a little", retry_after_s=wait_s)
        for count in (pair, all_here, all_on_account):
            count.wrong += 1
            count.last_at = now

    def succeeded(self, account: str, network: str, now: float) -> None:
        """The try was right: the pair starts over and is known as good; the others lose this one count."""
        pair = self._pairs.get((account, network), now)
        pair.wrong = 0
        pair.has_succeeded = True
        for count in (self._networks.get(network, now), self._accounts.get(account, now)):
            count.wrong = max(0, count.wrong - 1)

    def undo(self, account: str, network: str, now: float) -> None:
        """The try was neither right nor wrong, since it could not be checked."""
        tables = ((self._pairs, (account, network)), (self._networks, network), (self._accounts, account))
        for table, key in tables:
            count = table.get(key, now)
            count.wrong = max(0, count.wrong - 1)


def _pair_wait(pair: _Count, all_on_account: _Count, now: float) -> float:
    """Rules 1 and 3."""
    if not pair.has_succeeded and all_on_account.wrong >= ACCOUNT_TRIES and pair.wrong >= 1:
        return pair.last_at + WINDOW_S - now
    over = pair.wrong - FREE_TRIES
    if over < 0:
        return 0.0
    return pair.last_at + min(WINDOW_S, FIRST_WAIT_S * 2.0 ** min(over, 32)) - now
