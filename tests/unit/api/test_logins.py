"""Who is behind a token while the database is there, slow, or away."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from api.access import LOGIN_SCOPES, Role, Scope
from api.errors import LoginRequired
from api.handlers import logins
from api.handlers.logins import Logins
from common.errors import AppError, StoreUnavailable
from common.security.tokens import ACCESS, API, Claims
from common.store import devices
from common.store.rows import UserRow
from common.store.rows_people import Active, DeviceRow, Kind


class Store:
    """Answers what it is told to, counts, and can be away or hang."""

    def __init__(self) -> None:
        self.active: Active | None = active()
        self.asked = 0
        self.is_away = False
        self.hangs = False

    async def run(self, work: Callable[..., Any], *_args: Any, **_more: Any) -> Any:
        if work is not devices.active:
            return None
        self.asked += 1
        await asyncio.sleep(0 if not self.hangs else 60)
        if self.is_away:
            raise StoreUnavailable("away")
        return self.active


def active(role: str = "driver", kind: Kind = Kind.APP, charge_points: tuple[str, ...] | None = None) -> Active:
    now = int(time.time())
    device = DeviceRow(
        id="s", user_id=1, kind=kind, name="phone", scopes=("read",), created_at=now, expires_at=now + 1000,
        seen_at=now, seen_from="192.0.2.1",
    )  # fmt: skip
    user = UserRow(
        id=1, name="anna", role=role, password_hash="h", created_at=1, is_disabled=False, totp_secret=None,
        totp_last_step=None,
    )  # fmt: skip
    return Active(device, user, charge_points)


def claims(audience: str = ACCESS, role: str = "admin", **more: Any) -> Claims:
    until = int(time.time()) + 900
    return Claims("anna", role, "s", until - 900, until, until, "t", audience, **more)


def code_of(logins: Logins, told: Claims, scope: Scope) -> str:
    """The error's code, or the role that passes."""

    async def ask() -> str:
        try:
            return (await logins.of(told, "192.0.2.1", scope)).role.value
        except AppError as exc:
            return exc.code

    return asyncio.run(ask())


def test_a_look_asks_once_in_a_while_and_a_command_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was changed counts for a command at once, for a look as soon as the api knows or KNOWN_FOR_S passed."""
    store = Store()
    known = Logins(store)
    assert [code_of(known, claims(), Scope.READ) for _ in range(3)] == ["driver"] * 3
    assert store.asked == 1
    store.active = active("viewer")
    assert code_of(known, claims(), Scope.READ) == "driver"
    assert code_of(known, claims(), Scope.CONTROL) == "viewer"
    store.active = active("admin")
    known.forget_user(1)
    assert code_of(known, claims(), Scope.READ) == "admin"
    store.active = None
    monkeypatch.setattr(logins, "KNOWN_FOR_S", 0.0)
    assert code_of(known, claims(), Scope.READ) == LoginRequired.code


def test_many_looks_at_once_are_one_question() -> None:
    store = Store()
    known = Logins(store)

    async def ask() -> None:
        await asyncio.gather(*[known.of(claims(), "192.0.2.1", Scope.READ) for _ in range(50)])

    asyncio.run(ask())
    assert store.asked == 1


@pytest.mark.parametrize(
    ("told", "scope", "outcome"),
    [
        (claims(), Scope.READ, "admin"),
        (claims(role="driver"), Scope.CONTROL, "driver"),
        (claims(role="root"), Scope.READ, "invalid_token"),
        (claims(), Scope.ACCOUNT, "store_unavailable"),
        (claims(), Scope.ADMIN, "store_unavailable"),
        (claims(API), Scope.READ, "store_unavailable"),
        (claims(is_limited=True), Scope.READ, "store_unavailable"),
    ],
)
def test_without_the_database_a_young_token_looks_and_commands(told: Claims, scope: Scope, outcome: str) -> None:
    """Nobody else whom the api has not seen; what a session may not do without it stays closed."""
    store = Store()
    store.is_away = True
    assert code_of(Logins(store), told, scope) == outcome


def test_without_the_database_what_was_known_counts() -> None:
    """The role, the limits and the scopes of before; and what was revoked stays revoked."""
    store = Store()
    store.active = active(kind=Kind.API, charge_points=("2",))
    known = Logins(store)

    async def ask() -> None:
        await known.of(claims(API), "192.0.2.1", Scope.READ)
        store.is_away = True
        login = await known.of(claims(API), "192.0.2.1", Scope.CONTROL)
        assert (login.role, login.sight.key) == (Role.DRIVER, ("2",))
        assert login.scopes == frozenset({Scope.READ})
        known.revoked("s")
        with pytest.raises(LoginRequired):
            await known.of(claims(API), "192.0.2.1", Scope.READ)

    asyncio.run(ask())


def test_a_database_that_hangs_slows_down_one_request_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go on at once with what the token says."""
    monkeypatch.setattr(logins, "ASK_TIMEOUT_S", 0.01)
    monkeypatch.setattr(logins, "AWAY_FOR_S", 600.0)
    store = Store()
    store.hangs = True
    known = Logins(store)

    async def ask() -> None:
        for _ in range(20):
            login = await known.of(claims(role="driver"), "192.0.2.1", Scope.CONTROL)
            assert login.scopes == LOGIN_SCOPES
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run(ask())
    assert store.asked == 1
