"""The bodies of logins, users, devices, second factors and the audit; like shapes.py, which has the others. Pure."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

from api import instants
from api.access import Role
from api.shapes import END, Instant, Name
from common.security.passwords import LONGEST, SHORTEST
from common.store.rows_people import Account, AuditRow, DeviceRow

Password = Annotated[str, msgspec.Meta(min_length=SHORTEST, max_length=LONGEST, description="10 to 256 characters")]
Code = Annotated[
    str,
    msgspec.Meta(
        pattern="^([0-9]{6}|[A-Za-z2-7]{4}(-[A-Za-z2-7]{4}){3})" + END,
        description="six digits of the authenticator app, or a recovery code like `abcd-2345-efgh-6723`",
    ),
]
ChargePoints = Annotated[
    list[
        Annotated[
            str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,16}" + END, description="the id of a charge point as text")
        ]
    ],
    msgspec.Meta(min_length=1, max_length=32, description="ids as in `GET chargepoints`; null: all"),
]
MintedBy = Annotated[
    str | None,
    msgspec.Meta(description="the device that asked for it, or the nearest above that which is left; null: a password"),
]
Again = Annotated[
    str | None,
    msgspec.Meta(description="your password again, unless you have a second factor: then this needs elevation"),
]
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class UserShape(msgspec.Struct, frozen=True):
    name: str
    role: Role


class LoginBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    username: Name
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]
    device_name: Name | None = None


class LoginAnswer(msgspec.Struct, frozen=True):
    """The refresh token is good once: `POST auth/refresh` answers with the next one."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    user: UserShape


class RefreshBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    refresh_token: Secret


class PairBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    secret: Secret
    device_name: Name | None = None


class SetupBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    secret: Annotated[Secret, msgspec.Meta(description="of the link that `wallport-api setup-link` printed")]
    name: Name
    password: Password
    device_name: Name | None = None


class AgainBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A user with a second factor needs no password here, but elevation."""

    password: Again = None


class PairingAnswer(msgspec.Struct, frozen=True):
    """`payload` is what the QR code `svg` holds: JSON with `site`, `secret`, `lan_url` and `relay_url`."""

    secret: str
    expires_at: Instant
    site: str
    lan_url: str | None
    relay_url: str | None
    payload: str
    svg: str


class TicketAnswer(msgspec.Struct, frozen=True):
    ticket: str
    expires_in_s: int


class TokenKeyAnswer(msgspec.Struct, frozen=True):
    """How tokens of this site are told from others: `key` is the public Ed25519 key, base64url without padding."""

    site: str
    key: str


class ElevateBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    code: Code


class ElevateAnswer(msgspec.Struct, frozen=True):
    elevated_until: Instant


class TotpAnswer(msgspec.Struct, frozen=True):
    """Not in use until `POST me/totp/confirm`; shown this once."""

    secret: str
    uri: Annotated[str, msgspec.Meta(description="an `otpauth` URI, which the QR code `svg` holds")]
    svg: str
    expires_at: Instant


class ConfirmBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    code: Annotated[str, msgspec.Meta(pattern="^[0-9]{6}" + END, description="six digits of the authenticator app")]


class ConfirmAnswer(msgspec.Struct, frozen=True):
    """Each recovery code stands in for one code of the app; they are shown this once.

    `elevated_until` is null through a readable relay, where each request brings its own code.
    """

    recovery_codes: list[str]
    elevated_until: Instant | None


class RecoveryCodesAnswer(msgspec.Struct, frozen=True):
    recovery_codes: list[str]


class MeAnswer(msgspec.Struct, frozen=True):
    """`elevated_until` is null unless this session entered a code within the last 5 minutes, and through a readable
    relay, where each request brings its own code."""

    name: str
    role: Role
    has_totp: bool
    elevated_until: Instant | None
    charge_points: Annotated[list[str] | None, msgspec.Meta(description="those that you are limited to; null: all")]
    recovery_codes_left: int
    device_id: str
    may_change_keys: Annotated[
        bool, msgspec.Meta(description="what makes or changes credentials answers where this request came from")
    ]


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    old_password: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]
    new_password: Password


class LoginKind(StrEnum):
    APP = "app"
    PAIRED = "paired"
    LEGACY = "legacy"


class TokenScope(StrEnum):
    """`read`: look. `control`: commands."""

    READ = "read"
    CONTROL = "control"


class DeviceShape(msgspec.Struct, frozen=True):
    """`seen_at` may lag by a minute."""

    id: str
    name: str
    kind: Annotated[LoginKind, msgspec.Meta(description="legacy: the existing app")]
    is_current: Annotated[bool, msgspec.Meta(description="the one that asks")]
    created_at: Instant
    seen_at: Instant
    seen_from: Annotated[str, msgspec.Meta(description="its address then")]
    expires_at: Instant
    minted_by: MintedBy

    @classmethod
    def of(cls, row: DeviceRow, current_id: str) -> "DeviceShape":
        return cls(
            id=row.id,
            name=row.name,
            kind=LoginKind(row.kind),
            is_current=row.id == current_id,
            created_at=instants.text(row.created_at),
            seen_at=instants.text(row.seen_at),
            seen_from=row.seen_from,
            expires_at=instants.text(row.expires_at),
            minted_by=row.minted_by,
        )


class DevicesAnswer(msgspec.Struct, frozen=True):
    items: list[DeviceShape]


class DeviceBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: Name


class ApiTokenBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: Name
    scopes: Annotated[list[TokenScope], msgspec.Meta(min_length=1, max_length=2)]
    expires_in_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 365
    password: Again = None


class ApiTokenShape(msgspec.Struct, frozen=True):
    """`used_at` is null for a token that was never used; it may lag by a minute."""

    id: str
    name: str
    scopes: list[TokenScope]
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None
    used_from: str | None
    minted_by: MintedBy

    @classmethod
    def of(cls, row: DeviceRow) -> "ApiTokenShape":
        was_used = row.refreshed_at is not None
        return cls(
            id=row.id,
            name=row.name,
            scopes=[TokenScope(scope) for scope in row.scopes],
            created_at=instants.text(row.created_at),
            expires_at=instants.text(row.expires_at),
            used_at=instants.text(row.seen_at) if was_used else None,
            used_from=row.seen_from if was_used else None,
            minted_by=row.minted_by,
        )


class ApiTokensAnswer(msgspec.Struct, frozen=True):
    items: list[ApiTokenShape]


class ApiTokenAnswer(ApiTokenShape, frozen=True, kw_only=True):
    """`token` is shown this once; send it as `Authorization: Bearer …`."""

    token: str


class AccountShape(msgspec.Struct, frozen=True):
    name: str
    role: Role
    is_disabled: bool
    has_totp: bool
    charge_points: Annotated[list[str] | None, msgspec.Meta(description="those that the user is limited to; null: all")]
    created_at: Instant

    @classmethod
    def of(cls, account: Account) -> "AccountShape":
        user = account.user
        return cls(
            name=user.name,
            role=Role(user.role),
            is_disabled=user.is_disabled,
            has_totp=user.totp_secret is not None,
            charge_points=None if account.charge_points is None else list(account.charge_points),
            created_at=instants.text(user.created_at),
        )


class AccountsAnswer(msgspec.Struct, frozen=True):
    items: list[AccountShape]


class UserBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: Annotated[
        Name, msgspec.Meta(description="letters of one script, and none that look like another user's name")
    ]
    password: Password
    role: Role
    charge_points: ChargePoints | None = None


class UserChangeBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """At least one. A new password, and disabling, end all of the user's logins and tokens."""

    role: Role | msgspec.UnsetType = msgspec.UNSET
    is_disabled: bool | msgspec.UnsetType = msgspec.UNSET
    charge_points: ChargePoints | msgspec.UnsetType | None = msgspec.UNSET
    password: Password | msgspec.UnsetType = msgspec.UNSET


class AuditEntryShape(msgspec.Struct, frozen=True):
    """`user` is null when nobody was logged in. `old` and `new` are what changed, as far as there is anything to tell;
    a text that was too long is `{"cut_off": …}`."""

    id: str
    happened_at: Instant
    user: str | None
    device_id: str | None
    device_name: str | None
    origin: Annotated[str, msgspec.Meta(description="lan, relay, or box for the command line")]
    address: str
    action: str
    subject: str | None
    old: Any
    new: Any
    result: Annotated[str, msgspec.Meta(description="ok, a command's status, or the code of the error")]

    @classmethod
    def of(cls, row: AuditRow) -> "AuditEntryShape":
        return cls(
            id=str(row.id),
            happened_at=instants.text(row.happened_at),
            user=row.user_name,
            device_id=row.device_id,
            device_name=row.device_name,
            origin=row.origin,
            address=row.address,
            action=row.action,
            subject=row.subject,
            old=_told(row.old_value),
            new=_told(row.new_value),
            result=row.result,
        )


class AuditAnswer(msgspec.Struct, frozen=True):
    items: list[AuditEntryShape]
    next_cursor: str | None


def _told(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {"cut_off": text}
