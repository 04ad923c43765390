"""The people who may log in, as admins manage them."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from sanic import HTTPResponse, Request

from api import inputs
from api.access import Role
from api.audit import changed
from api.errors import NotFound
from api.handlers.answers import json_answer, no_content
from api.handlers.audit import audit
from api.handlers.logins import logins_of
from api.handlers.me import set_password
from api.ports import deps_of, login_of
from api.shapes_people import AccountsAnswer, AccountShape, UserBody, UserChangeBody
from common.errors import FieldError
from common.store import devices, pseudonyms, users
from common.store.errors import UserUnknown
from common.store.names import clean
from common.store.rows_people import Account
from common.store.users import KEEP


async def list_users(request: Request) -> HTTPResponse:
    inputs.query(request.query_string, ())
    accounts = await deps_of(request).store.run(users.list_accounts)
    return json_answer(AccountsAnswer([AccountShape.of(account) for account in accounts]))


async def user(request: Request, name: str) -> HTTPResponse:
    inputs.query(request.query_string, ())
    return json_answer(AccountShape.of(await _account(request, name)))


async def add_user(request: Request) -> HTTPResponse:
    """Somebody who may log in at once."""
    body = inputs.body(request.body, UserBody)
    _check_limits(Role(body.role), body.charge_points)
    deps = deps_of(request)
    name = clean(body.name)  # before a hash costs anything
    added = await deps.store.run(
        users.add,
        name=name,
        password_hash=await deps.passwords.hash(body.password),
        role=body.role,
        created_at=int(time.time()),
        charge_points=body.charge_points,
    )
    points = None if body.charge_points is None else tuple(sorted(set(body.charge_points)))
    shown = AccountShape.of(Account(added, points))
    audit(request, "user_add", subject=added.name, new={"role": added.role, "charge_points": points})
    return json_answer(shown, status=201)


async def change_user(request: Request, name: str) -> HTTPResponse:
    """Role, limits, being disabled, and a new password, as far as they are given."""
    body = inputs.body(request.body, UserChangeBody)
    wishes = {field: value for field, value in msgspec.structs.asdict(body).items() if value is not msgspec.UNSET}
    if not wishes:
        raise FieldError("some fields are missing or wrong", {"body": "must change something"})
    return json_answer(AccountShape.of(await changed_user(request, name, wishes)))


async def changed_user(request: Request, name: str, wishes: Mapping[str, Any]) -> Account:
    """The user after `wishes`, which are some of `role`, `is_disabled`, `charge_points` and `password`."""
    before = await _account(request, name)
    role = wishes.get("role", before.user.role)
    _check_limits(Role(role), wishes.get("charge_points", before.charge_points))
    deps, login = deps_of(request), login_of(request)
    before, after = await deps.store.run(
        users.change,
        before.user.name,
        role=wishes.get("role", KEEP),
        is_disabled=wishes.get("is_disabled", KEEP),
        charge_points=wishes.get("charge_points", KEEP),
    )
    logins_of(request).forget_user(after.user.id)
    if after.user.is_disabled:
        gone = await deps.store.run(devices.revoke_all, after.user.id)
        logins_of(request).revoked(*gone)
        deps.pairings.forget_user(after.user.id)
    old, new = changed(_told(before), _told(after))
    if new:
        audit(request, "user_change", subject=after.user.name, old=old, new=new)
    if "password" in wishes:
        keeps = login.session_id if login.user_id == after.user.id else None
        await set_password(request, after.user.id, after.user.name, wishes["password"], keeps=keeps)
    return after


async def remove_user(request: Request, name: str) -> HTTPResponse:
    """The user and all their logins go, their charge sessions stay. `?pseudonymise=true` takes their name out of these,
    also later: until then nobody else can have the name."""
    is_pseudonymised = inputs.flag(inputs.query(request.query_string, {"pseudonymise"}), "pseudonymise")
    deps, wanted = deps_of(request), _unquoted(name)
    try:
        gone = await deps.store.run(users.remove, wanted, int(time.time()))
    except UserUnknown:
        if not is_pseudonymised:
            raise
    else:
        logins_of(request).forget_user(gone.id)
        deps.pairings.forget_user(gone.id)
        audit(request, "user_remove", subject=gone.name, old={"role": gone.role})
    if is_pseudonymised:
        pseudonym = await deps.store.run(pseudonyms.give, wanted)
        if pseudonym is None:
            raise UserUnknown("there is no such user, and no sessions of one")
        audit(request, "user_pseudonymise", subject=wanted, new={"name": pseudonym})
    return no_content()


async def reset_totp(request: Request, name: str) -> HTTPResponse:
    """Take a user's second factor away, for whoever lost theirs: they set up a new one."""
    account = await _account(request, name)
    await deps_of(request).store.run(users.set_totp_secret, account.user.name, None)
    logins_of(request).forget_user(account.user.id)
    audit(request, "totp_reset", subject=account.user.name)
    return no_content()


async def _account(request: Request, name: str) -> Account:
    account = await deps_of(request).store.run(users.get_account, _unquoted(name))
    if account is None:
        raise UserUnknown("there is no such user")
    return account


def _unquoted(name: str) -> str:
    """A segment of the path, which Sanic leaves as it was sent."""
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise NotFound("there is no such user") from None


def _check_limits(role: Role, charge_points: object) -> None:
    if role is Role.ADMIN and charge_points is not None:
        raise FieldError("some fields are wrong", {"charge_points": "must be null for an admin"})


def _told(account: Account) -> dict[str, Any]:
    return {
        "role": account.user.role,
        "is_disabled": account.user.is_disabled,
        "charge_points": account.charge_points,
    }
