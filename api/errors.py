"""The errors that the api itself raises; problems.py gives each its HTTP status. docs/errors.md lists all codes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from common.errors import AppError, FieldError


class LoginRequired(AppError):
    """The request carries no token."""

    code = "login_required"


class LoginFailed(AppError):
    """Wrong name, wrong password or a disabled user: the answer is the same for all three."""

    code = "login_failed"


class NotAllowed(AppError):
    """The user's role does not allow it, or nobody's does."""

    code = "not_allowed"


class NotFromHere(AppError):
    """It answers on the LAN only, by default or always, and the request came through the relay."""

    code = "not_from_here"


class ElevationRequired(AppError):
    """An admin's action that needs a TOTP code of the last minutes: POST auth/elevate, then try again."""

    code = "elevation_required"


class CodeRequired(AppError):
    """Through a readable relay, what needs elevation needs a code that comes with the very request: `Wallport-Code`."""

    code = "code_required"


class PasswordRequired(AppError):
    """What makes credentials wants the user's password again, in the body's `password`."""

    code = "password_required"


class ForeignOrigin(AppError):
    """The page of another web site makes a browser try a login here."""

    code = "foreign_origin"


class UnsupportedMediaType(AppError):
    """The body of a login is not declared as JSON, so any web page could have sent it (WHATWG Fetch, CORS)."""

    code = "unsupported_media_type"


class TotpRequired(AppError):
    """A user without a second factor asks for what needs elevation, or is an admin who comes through the relay."""

    code = "totp_required"


class TotpNotSetUp(AppError):
    """The user has no TOTP secret, so there is no code to enter."""

    code = "totp_not_set_up"


class TotpAlreadySetUp(AppError):
    """The user has a second factor in use; it must be taken away before another one is set up."""

    code = "totp_already_set_up"


class WrongCode(AppError):
    """The TOTP code is wrong, too old, or was used before. `tries_left` None: no login stands behind the try."""

    code = "wrong_code"

    def __init__(self, message: str, *, tries_left: int | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.tries_left = tries_left


class MalformedBody(AppError):
    """The body is not the JSON object that is expected."""

    code = "malformed_body"


class NotFound(AppError):
    """No such route, or no such thing at this site."""

    code = "not_found"


class UnknownChargePoint(AppError):
    """A command for a charge point that the site does not have."""

    code = "unknown_charge_point"


class NotPossible(FieldError):
    """The wallbox does not take what is wished; `faults` names the wishes.

    `command` is the record, where it was found out by the edge after the command was accepted.
    """

    code = "not_possible"

    def __init__(self, message: str, faults: dict[str, str], command: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, faults)
        self.command = command


class IdempotencyKeyReused(AppError):
    """The `Idempotency-Key` came with another request before."""

    code = "idempotency_key_reused"


class EdgeSilent(AppError):
    """The edge's heartbeat is gone: nobody would execute a command, so none is accepted."""

    code = "edge_silent"
    is_retryable = True


class WallboxSilent(AppError):
    """The wallbox's own heartbeat is gone: nothing could be confirmed, so no command is accepted."""

    code = "wallbox_silent"
    is_retryable = True


class CommandFailed(AppError):
    """The wallbox did not do what was asked for, and will not; `command` is the record."""

    code = "command_failed"

    def __init__(self, message: str, command: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.command = command


class AcceptanceUnknown(AppError):
    """Redis broke off while a command was written: GET commands/{command_id} tells, or the same request again with
    the same `Idempotency-Key`."""

    code = "acceptance_unknown"
    is_retryable = True

    def __init__(self, message: str, *, command_id: str, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.command_id = command_id


class UpgradeRequired(AppError):
    """The route is a websocket, and the request does not ask for one."""

    code = "upgrade_required"


class StateUnknown(AppError):
    """The edge has not written any state yet."""

    code = "state_unknown"
    is_retryable = True


class NotReady(AppError):
    """Something that is configured does not work; `components` says what."""

    code = "not_ready"
    is_retryable = True

    def __init__(self, message: str, components: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.components = components


class DocumentFailed(AppError):
    """The disk took no workbook: it is full, or cannot be written."""

    code = "document_failed"
    is_retryable = True


class _Later(AppError):
    """Something that is refused now and allowed in `retry_after_s` seconds."""

    is_retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyAttempts(_Later):
    """Too many wrong passwords or codes; throttle.py and tries.py have the rules."""

    code = "too_many_attempts"


class TooManyCommands(_Later):
    """One user's commands come faster than control.py takes them."""

    code = "too_many_commands"


class TooManyChanges(_Later):
    """One user's changes, exports or logins come faster than anybody makes them."""

    code = "too_many_changes"


class Overloaded(_Later):
    """A bound of the api is reached: logins being checked, live connections, waiting database work."""

    code = "overloaded"
