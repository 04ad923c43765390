"""Slows down whoever guesses passwords, without letting them lock the household out. Pure: time is an argument.

Who tries is known or a stranger; docs/security.md explains the rules to owners.

1. Known is what this home itself has seen log in as this account: a device, by a token of its login, or a network. Each
   is judged by itself: FREE_TRIES wrong ones, then waits that double from 2 s to WINDOW_S.
2. A stranger meets rule 1, and besides that AREA_TRIES on one account from one area (an IPv4 address, an IPv6 /48), and
   AREA_WALK on all accounts, then one each WINDOW_S.
3. All strangers together, whatever networks they name, have STRANGERS wrong tries on one account and STRANGERS_WALK on
   all, and then one as time passes. Each origin has its own: what comes through the relay keeps nobody waiting at home.

Only rule 3 stands against a relay that lies, or the owner of many networks. It makes a new device on a new network wait
during an attack; what is known never waits for strangers.

A try counts as wrong from the moment it is admitted until it is found right, so that many at once gain nothing.
Single-threaded: the api's event loop owns it. Everything is forgotten on a restart.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

from api.errors import TooManyAttempts
from api.tries import Budgets

FREE_TRIES = 5
FIRST_WAIT_S = 2.0
WINDOW_S = 15 * 60.0
FORGOTTEN_S = 3600.0
"""Without a wrong try; longer than any wait, so that nobody who waits for the end of it starts over."""
AREA_TRIES = 20
AREA_WALK = 50

STRANGERS, ANOTHER_S = 50, 60.0
"""On one account. One a minute is 1,440 a day: a password of ten characters that is in no list stands that for ever."""

STRANGERS_WALK, ANOTHER_WALK_S = 200, 5.0
"""On all accounts. It also keeps the entries of an account from being pushed out by tries for others."""

MOST_KNOWN = 8
"""Networks of one account that are known: a relay that lies can name each of them, and try as rule 1 lets it."""

MOST_ENTRIES = 10_000
"""Entries of each table, about 2 MB together; the one touched longest ago goes first."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a try comes from. `origin` is what this home knows for certain, `network` and `area` what it is told.

    `device` is a login that this device had as this very account, which a token of it proves; None without one.
    """

    origin: str
    network: str
    area: str
    device: str | None = None


@dataclass(slots=True)
class _Count:
    """Wrong tries up to `last_at`; forgotten when FORGOTTEN_S passed without one."""

    wrong: int = 0
    last_at: float = 0.0


@dataclass(slots=True)
class _Table:
    """A bounded map from key to count."""

    counts: OrderedDict[Hashable, _Count] = field(default_factory=OrderedDict)

    def get(self, key: Hashable, now: float, *, keeps: bool = True) -> _Count:
        """The count of `key`, moved to the safe end; unless it `keeps`, nothing is, and a new key pushes nobody out."""
        count = self.counts.get(key) or _Count()
        if now - count.last_at >= FORGOTTEN_S:
            count.wrong = 0
        if keeps:
            self.counts.pop(key, None)
            self.counts[key] = count
        while len(self.counts) > MOST_ENTRIES:
            self.counts.popitem(last=False)
        return count


class Throttle:
    """Wrong passwords. `account` is any text; `now` any steady seconds."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, OrderedDict[tuple[str, str], None]] = OrderedDict()
        self._of_known = _Table()  # apart, so that strangers push none of them out
        self._of_strangers = _Table()
        self._areas = _Table()
        self._walks = _Table()
        self._budgets = Budgets(STRANGERS, ANOTHER_S)
        self._all_budgets = Budgets(STRANGERS_WALK, ANOTHER_WALK_S)

    def admit(self, account: str, source: Source, now: float) -> None:
        """Count a try as wrong, or raise TooManyAttempts; `succeeded` or `undo` take the count back."""
        counts = self._counts(account, source, now, keeps=False)  # whoever is refused leaves nothing here
        wait_s = max(_wait_s(count, free, now) for count, free in counts)
        is_stranger = not self._is_known(account, source)
        if is_stranger:
            wait_s = max(wait_s, self._budgets.wait_s((account, source.origin), now))
            wait_s = max(wait_s, self._all_budgets.wait_s((source.origin,), now))
        if wait_s > 0:
            raise TooManyAttempts("too many wrong tries; wait a little", retry_after_s=wait_s)
        for count, _ in self._counts(account, source, now):
            count.wrong += 1
            count.last_at = now
        if is_stranger:
            self._budgets.take((account, source.origin), now)
            self._all_budgets.take((source.origin,), now)

    def succeeded(self, account: str, source: Source, now: float) -> None:
        """The try was right: its source starts over and is known from now on; the others lose this one count."""
        self.undo(account, source, now)
        self._counts(account, source, now)[0][0].wrong = 0
        known = self._known.pop(account, None) or OrderedDict()
        self._known[account] = known
        known.pop((source.origin, source.network), None)
        known[source.origin, source.network] = None
        while len(known) > MOST_KNOWN:
            known.popitem(last=False)
        while len(self._known) > MOST_ENTRIES:
            self._known.popitem(last=False)

    def undo(self, account: str, source: Source, now: float) -> None:
        """The try was neither right nor wrong, since it could not be checked."""
        for count, _ in self._counts(account, source, now):
            count.wrong = max(0, count.wrong - 1)
        if not self._is_known(account, source):
            self._budgets.give_back((account, source.origin), now)
            self._all_budgets.give_back((source.origin,), now)

    def _is_known(self, account: str, source: Source) -> bool:
        return source.device is not None or (source.origin, source.network) in self._known.get(account, ())

    def _counts(
        self, account: str, source: Source, now: float, *, keeps: bool = True
    ) -> list[tuple[_Count, int | None]]:
        """What a try counts for, the source itself first, each with how many wrong ones it lets pass, and then one
        each WINDOW_S; None: as rule 1 says."""
        if source.device is not None:
            return [(self._of_known.get((account, source.device), now, keeps=keeps), None)]
        pair = (account, source.origin, source.network)
        if self._is_known(account, source):
            return [(self._of_known.get(pair, now, keeps=keeps), None)]
        return [
            (self._of_strangers.get(pair, now, keeps=keeps), None),
            (self._areas.get((account, source.origin, source.area), now, keeps=keeps), AREA_TRIES),
            (self._walks.get((source.origin, source.area), now, keeps=keeps), AREA_WALK),
        ]


class SecretThrottle:
    """Wrong one-time secrets by area: nobody guesses those, so only the work is bounded, and nobody else's tries."""

    def __init__(self) -> None:
        self._areas = _Table()

    def admit(self, source: Source, now: float) -> None:
        """Count a try as wrong, or raise TooManyAttempts; `undo` takes the count back."""
        count = self._areas.get((source.origin, source.area), now)
        wait_s = _wait_s(count, None, now)
        if wait_s > 0:
            raise TooManyAttempts("too many wrong tries; wait a little", retry_after_s=wait_s)
        count.wrong += 1
        count.last_at = now

    def undo(self, source: Source, now: float) -> None:
        """The try was right, or could not be checked."""
        count = self._areas.get((source.origin, source.area), now)
        count.wrong = max(0, count.wrong - 1)


def _wait_s(count: _Count, free: int | None, now: float) -> float:
    if free is not None:
        return count.last_at + WINDOW_S - now if count.wrong >= free else 0.0
    over = count.wrong - FREE_TRIES
    if over < 0:
        return 0.0
    return count.last_at + min(WINDOW_S, FIRST_WAIT_S * 2.0 ** min(over, 32)) - now
