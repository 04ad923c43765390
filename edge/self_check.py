"""Whether the tunnel does what it is for: what to make of a request through the relay's public URL. Pure.

A connection can look well at home and still carry nothing: the relay has lost it, another edge has the site, the site
has another name. PING cannot see that. The request is made by edge/loops/self_check.py.
"""

import random
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

FIRST_AFTER_S = 30.0
"""After the tunnel is up: long enough for a relay that starts anew to have its edges back."""

AGAIN_AFTER_S = 60.0
"""After a check that found nothing out or failed."""

EVERY_S = 300.0
"""So that an owner away from home waits ten minutes at worst; 500 edges are two requests a second."""

JITTER = 0.2

FAILURES = 2
"""In a row, before the connection is given up: one may be a relay that restarts."""

MOST_FAILURES = 32
"""Where dialling anew has not helped the next one waits for twice as many, up to this: about half an hour."""


class Finding(Enum):
    REACHED = "reached"
    LOST = "lost"  # the relay answers, but does not reach this edge
    UNREACHABLE = "unreachable"  # nothing is known of the tunnel: the relay's URL cannot be reached from here
    UNKNOWN = "unknown"  # throttled, or the tunnel was changed meanwhile


@dataclass(frozen=True, slots=True)
class Connected:
    """The newest connection: at which relay, by which name in URLs, with which number."""

    relay_url: str
    site_id: str
    site: str
    fence: int
    has_self_check: bool


class PublicUrl(Protocol):
    def ask(self, relay_url: str, target: str, authorization: str) -> int | None:
        """The status of the answer to a GET, None when none came in time. Raises RelayUnavailable when there is no
        connection to ask on."""
        ...


def finding_of(status: int | None) -> Finding:
    """What an answer of the relay means. 204 comes from this edge alone."""
    if status == 204:
        return Finding.REACHED
    return Finding.UNKNOWN if status == 429 else Finding.LOST


class Judge:
    """Counts findings, and says when to check next and when to dial anew."""

    def __init__(self, draw: random.Random | None = None) -> None:
        self._draw = draw or random.Random()  # noqa: S311 -- spreads load, guards nothing
        self._failures = 0
        self._patience = FAILURES

    def first_pause_s(self) -> float:
        """From a new connection to its first check."""
        return self._spread(FIRST_AFTER_S)

    def note(self, finding: Finding) -> bool:
        """True if the connection must be given up. One that cannot be asked about is kept: its own PING watches it, and
        whoever cannot reach the relay could not dial it anew either."""
        if finding is Finding.REACHED:
            self._failures, self._patience = 0, FAILURES
        elif finding is Finding.LOST:
            self._failures += 1
        if self._failures < self._patience:
            return False
        self._failures, self._patience = 0, min(2 * self._patience, MOST_FAILURES)
        return True

    def pause_s(self, finding: Finding) -> float:
        """To the next check of the same connection."""
        return self._spread(EVERY_S if finding is Finding.REACHED else AGAIN_AFTER_S)

    def _spread(self, pause_s: float) -> float:
        return pause_s * self._draw.uniform(1 - JITTER, 1 + JITTER)
