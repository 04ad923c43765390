"""What comes out of the tables about people and goes into them: plain frozen values, like rows.py."""

from dataclasses import dataclass, field
from enum import StrEnum

from common.store.rows import UserRow


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the charge points that they are limited to; None: not limited."""

    user: UserRow
    charge_points: tuple[str, ...] | None


class Kind(StrEnum):
    APP = "app"
    PAIRED = "paired"
    LEGACY = "legacy"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """Instants in Unix seconds. `seen_at` may lag by a minute. `refreshed_at` None: its refresh token, or the
    API token itself, was never used.

    `family_hash` and `refresh_hash` are None for kinds that have no refresh token. `minted_by` is the device that
    asked for this one, or of those above it the nearest that is still there; None: a password made it.
    """

    id: str
    user_id: int
    kind: str
    name: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int
    seen_at: int
    seen_from: str
    refreshed_at: int | None = None
    family_hash: str | None = field(default=None, repr=False)
    refresh_hash: str | None = field(default=None, repr=False)
    minted_by: str | None = None


@dataclass(frozen=True, slots=True)
class Active:
    """A device and its user as they are now. `charge_points` None: the user is not limited."""

    device: DeviceRow
    user: UserRow
    charge_points: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Rotation:
    """What came of a refresh token. `active` None: nobody's, or expired. `was_reused`: it had been used before, or was
    made up by somebody who knew an earlier one; the device is gone now. `was_repeated`: whoever used it before sent it
    again, and the next token is the one of then."""

    active: Active | None
    was_reused: bool = False
    was_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One thing that somebody did or tried. `id` None: not stored yet; it grows with time.

    `user_name` is None when nobody was logged in and no known name was given. `origin` is lan, relay or box (the
    command line). `old_value` and `new_value` are JSON texts without secrets, None where there is nothing to tell.
    `result` is ok, the status of a command, or the code of the error.
    """

    id: int | None = None
    happened_at: int
    user_name: str | None
    device_id: str | None
    device_name: str | None
    origin: str
    address: str
    action: str
    subject: str | None
    old_value: str | None
    new_value: str | None
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """None does not filter. from_s ≤ happened_at < to_s; `before_id` pages on."""

    from_s: int | None = None
    to_s: int | None = None
    user_name: str | None = None
    action: str | None = None
    result: str | None = None
    before_id: int | None = None
