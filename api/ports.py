"""What the handlers work with: each part as the little that they use of it. app.py puts the real ones together.

Handlers import this and never an adapter; tests may pass other objects of the same form.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

from sanic import Request

from api.access import LOGIN_SCOPES, Origin, Role, Scope
from api.control import Pace
from api.exports.lines import Heading, Line
from api.exports.summary import MeterTrail
from api.live import Entry
from api.sessions import Elevations, Pairings, Tickets
from api.settings import Settings
from api.sight import EVERYTHING, Sight
from api.throttle import SecretThrottle, Throttle
from api.tries import Budgets, LoginTries
from common.clock import Clock
from common.commands import Command, CommandRecord
from common.meters import OddReading
from common.model import EdgeHealth, Snapshot
from common.profiles import Book, Profile
from common.security.passwords import Verdict
from common.security.tokens import TokenKey
from common.store.bind import Store
from common.store.rollup_rows import Resolution, RollupRow
from common.store.rows import (
    CorrectionRow,
    LearningRow,
    PowerMeans,
    SampleRow,
    ScanFilter,
    ScanRow,
    SessionFilter,
    SessionGroup,
    SessionRecord,
    SessionRow,
    SessionSums,
    TagRow,
    UserRow,
)

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Observation:
    """What the edge keeps in Redis, read at one instant. `snapshot` is None before the edge wrote any."""

    snapshot: Snapshot | None
    is_edge_alive: bool


class StateReader(Protocol):
    """Redis. Every method raises RedisUnavailable."""

    async def observe(self) -> Observation: ...

    async def edge_health(self) -> EdgeHealth | None:
        """None when the edge did not renew it in time."""
        ...

    async def topics(self) -> dict[str, str]:
        """The raw mirror."""
        ...

    async def entries_from(self, seq: int, count: int) -> list[Entry]:
        """At most `count` entries with this number or a higher one, in order."""
        ...

    async def next_entries(self, seq: int) -> list[Entry]:
        """Entries with a higher number; waits some seconds for one, and returns none if there is none by then."""
        ...


class CommandQueue(Protocol):
    """Commands and their records in Redis. Every method raises RedisUnavailable."""

    async def accept(self, command: Command, idempotency_key: str | None) -> CommandRecord:
        """The first record of `command`, now in the queue; or the record of what the same user's key made before.

        RedisUnavailable says that nothing was accepted, AcceptanceUnknown that nobody knows.
        """
        ...

    async def made_by(self, user: str, idempotency_key: str) -> CommandRecord | None:
        """What this user's key made within the last day."""
        ...

    async def record(self, command_id: str) -> CommandRecord | None:
        """The newest record; None for an unknown or forgotten command."""
        ...


class StoreRunner(Protocol):
    """The database, in threads of its own."""

    async def run(self, work: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work(store, …)` of common/store in a thread. Raises StoreUnavailable, StoreError, Overloaded, and what
        `work` names."""
        ...


class SiteStore(StoreRunner, Protocol):
    """What is asked for often, by name. Every method raises StoreUnavailable, StoreError or Overloaded."""

    async def ping(self) -> None: ...

    async def user(self, name: str) -> UserRow | None: ...

    async def samples(self, from_s: int, to_s: int, limit: int) -> Sequence[SampleRow]: ...

    async def samples_at(self, instants: Sequence[int]) -> Sequence[SampleRow]:
        """Those of exactly these instants."""
        ...

    async def power_means(self, from_s: int, to_s: int, step_s: int) -> Sequence[PowerMeans]: ...

    async def meter_readings(self, wanted: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """(charge point, instant) → Wh, without those that nobody knows."""
        ...

    async def odd_readings(self, from_s: int, to_s: int, meter: str | None = None) -> Sequence[OddReading]:
        """Those that began in the period, oldest first; `meter` is a path of the state, None: of all."""
        ...

    async def rollups(self, resolution: Resolution, from_s: int, to_s: int) -> Sequence[RollupRow]: ...

    async def session_sums(
        self,
        periods: Sequence[tuple[int, int]],
        group: SessionGroup | None,
        user_name: str | None,
        charge_points: tuple[str, ...] | None,
    ) -> Sequence[SessionSums]:
        """Those of one user, or with None of all; and at some charge points, or with None at all."""
        ...

    async def sessions_within(self, from_s: int, to_s: int) -> Sequence[SessionRow]:
        """Sessions with a part in the period: charge point, instants, readings and energy of them."""

    async def sessions(
        self, wanted: SessionFilter, *, limit: int, newest_first: bool, after: tuple[int, int] | None
    ) -> Sequence[SessionRow]:
        """By (started_at, id); `after` is where the page before ended."""
        ...

    async def session(self, session_id: int) -> SessionRecord | None: ...

    async def corrections(self, session_ids: Collection[int]) -> Mapping[int, tuple[CorrectionRow, ...]]:
        """Without the sessions that have none."""
        ...

    async def correct_session(
        self, session_id: int, changes: Mapping[str, str | int | None], *, by: str, at_s: int, reason: str
    ) -> SessionRecord:
        """Raises SessionUnknown, or FieldError with the store's names."""
        ...


class CardStore(Protocol):
    """Tags, profiles and scans in the database: common/store/tags.py, profiles.py and scans.py, whose errors it raises.

    Every method also raises StoreUnavailable, StoreError or Overloaded.
    """

    async def tags(self, user: str) -> Sequence[TagRow]: ...

    async def add_tag(self, user: str, tag: str, label: str | None, now: int) -> TagRow: ...

    async def remove_tag(self, user: str, tag: str) -> bool: ...

    async def wait_for_card(self, user: str, label: str | None, now: int) -> LearningRow: ...

    async def learning(self, user: str) -> LearningRow | None: ...

    async def stop_waiting(self, user: str) -> bool: ...

    async def book(self) -> Book: ...

    async def profiles(self, user: str | None) -> Sequence[Profile]: ...

    async def profile(self, profile_id: int) -> Profile | None: ...

    async def save_profile(self, profile: Profile) -> Profile: ...

    async def remove_profile(self, profile_id: int) -> bool: ...

    async def scans(self, wanted: ScanFilter, limit: int) -> Sequence[ScanRow]: ...


class PasswordChecker(Protocol):
    """common/security/passwords.py in threads of its own. Every method raises Overloaded."""

    async def hash(self, password: str) -> str:
        """Of a new password; raises FieldError for one that is not good enough."""
        ...

    async def rehash(self, password: str) -> str:
        """Of one that is in use."""
        ...

    async def verify(self, stored_hash: str | None, password: str) -> Verdict: ...


class OpenWorkbook(Protocol):
    async def add(self, lines: Sequence[Line]) -> None: ...

    async def finished(self) -> tuple[int, AsyncIterator[bytes]]:
        """End it: its size in bytes, and all of it piece by piece."""
        ...


class DocumentMaker(Protocol):
    """What takes processor time or a disk, beside the event loop. Raises Overloaded and DocumentFailed."""

    def turn(self, user: str) -> AbstractAsyncContextManager[None]:
        """To be held while a document is read together, made and sent; it waits for the user's other documents."""
        ...

    async def pdf(self, lines: Sequence[Line], meters: Sequence[MeterTrail], heading: Heading) -> bytes: ...

    def workbook(self, heading: Heading) -> AbstractAsyncContextManager[OpenWorkbook]:
        """An XLSX file that exists inside the block only."""
        ...


@dataclass(frozen=True, slots=True)
class Deps:
    settings: Settings
    clock: Clock
    state: StateReader
    commands: CommandQueue
    store: SiteStore
    documents: DocumentMaker
    cards: CardStore
    passwords: PasswordChecker
    tokens: TokenKey
    origin_of: Callable[[Request], Origin]
    tickets: Tickets
    elevations: Elevations
    logins: Throttle
    login_tries: LoginTries
    codes: Budgets
    pairs: SecretThrottle
    pairings: Pairings
    pace: Pace
    changes: Pace
    qr_svg: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Login:
    """Who is logged in on a request, until which instant (Unix seconds), by which device.

    `user_id` and `kind` are None while the database is away: then the token alone says who it is.
    """

    user: str
    role: Role
    session_id: str
    lasts_until: int
    user_id: int | None = None
    kind: str | None = None
    device_name: str | None = None
    scopes: frozenset[Scope] = LOGIN_SCOPES
    has_totp: bool = False
    sight: Sight = EVERYTHING


def deps_of(request: Request) -> Deps:
    """What app.py put there."""
    return cast(Deps, request.app.ctx.deps)


def login_of(request: Request) -> Login:
    """The login that the guard found; only on routes whose rule asks for one."""
    return cast(Login, request.ctx.login)


def sight_of(request: Request) -> Sight:
    """Which charge points whoever is logged in may see; every handler that tells of charge points asks this."""
    return login_of(request).sight
