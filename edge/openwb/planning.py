"""What a planner is: the table that turns a command's wishes into topics, and says which state topics show them.

Pure, and free of any generation's names: `v1_commands.py` and `v2_commands.py` hold the tables, `edge/commands.py`
carries plans out. A planner sees only what the wallbox itself published, by topic, as the mirror keeps it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common.commands import Command
from common.errors import AppError

Texts = Mapping[str, str]
"""The newest payload of each topic that was heard; an emptied topic has an empty text."""


class Refused(AppError):
    """This wallbox cannot do what is wished, or not in this way; `message` names the wish and says why."""

    code = "command_refused"


class NotYet(AppError):
    """The wallbox has not shown yet what must be known before anything is sent; `message` says what."""

    code = "wallbox_not_ready"
    is_retryable = True


@dataclass(frozen=True, slots=True)
class Publication:
    topic: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How the wallbox shows one wish.

    `read` makes the wish's form out of what was heard, None is unknown. `topics` are those it reads. A momentary wish
    (a counter set back) is shown once and goes on changing afterwards. `hint` says why it may fail.
    """

    wish: str
    wanted: Any
    read: Callable[[Texts], Any]
    topics: tuple[str, ...]
    is_momentary: bool = False
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to publish, in this order, and how it shows. `within_s` is how long the wallbox may take, in real seconds.

    `affects` names the other charge points that change too.
    """

    publications: tuple[Publication, ...]
    watches: tuple[Watch, ...]
    within_s: float
    affects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """One generation's way of being told something.

    `plan` raises Refused or NotYet. `heartbeat` is a topic that changes while the wallbox lives, at least every
    `stale_after_s`. Wishes in `site_wide` hold for every charge point. `hold_s` is how long after a confirmation the
    wallbox or a person may still turn it back unasked, in the wallbox's seconds. `undo_interval_s` is the length of the
    control loop whose old copy may overwrite a new setting at the five-minute mark; None: this generation does not.
    """

    plan: Callable[[Command, Texts], Plan]
    heartbeat: str
    stale_after_s: float
    site_wide: frozenset[str]
    hold_s: Callable[[Texts], float]
    undo_interval_s: Callable[[Texts], float | None]
