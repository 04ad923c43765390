"""Logins, users, devices, second factors and the audit, as the OpenAPI document describes them; see operations.py.

Pure.
"""

from collections.abc import Mapping

from api import shapes_people as shapes
from api.audit import MOST_ITEMS
from api.control import LONGEST_KEY
from api.operation import BOUNDARY, Operation, Parameter

_TEXT = {"type": "string"}
_BODY = ("malformed_body", "invalid_input")
_STORE = ("store_unavailable", "overloaded")
_GUESSED = ("too_many_attempts", "too_many_changes", *_STORE)
_DEVICE = Parameter("id", "as in `GET /api/v1/me/devices`", _TEXT)
_TOKEN = Parameter("id", "as in `GET /api/v1/me/api-tokens`", _TEXT)
_REPEAT_KEY = Parameter(
    "Idempotency-Key",
    "made up at random for this refresh and kept beside it until the answer is there: sent again, it proves the device",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
    is_header=True,
)
_MINTED = Parameter(
    "minted",
    "`true` ends what this login minted, too: paired phones and API tokens, and what those minted",
    {"type": "string", "enum": ["true", "false"]},
)
_NAME = Parameter("name", "as in `GET /api/v1/users`; upper and lower case alike", _TEXT)
_FILTERS = (
    Parameter("from", "the first instant", BOUNDARY),
    Parameter("to", "the instant before which it ends", BOUNDARY),
    Parameter("user", "a user's name, exactly", _TEXT),
    Parameter("action", "like `login`, `command`, `user_change`, `export`", _TEXT),
    Parameter("result", "`ok`, a command's status, or an error's code", _TEXT),
)

PEOPLE: Mapping[tuple[str, str], Operation] = {
    ("GET", "/setup"): Operation("getSetupPage", "The page behind a setup link", str, media_type="text/html"),
    ("POST", "/api/v1/auth/login"): Operation(
        "login",
        "Log in",
        shapes.LoginAnswer,
        body=shapes.LoginBody,
        problems=(*_BODY, "login_failed", *_GUESSED),
    ),
    ("POST", "/api/v1/auth/refresh"): Operation(
        "refreshLogin",
        "A new access token, and the next refresh token",
        shapes.LoginAnswer,
        body=shapes.RefreshBody,
        parameters=(_REPEAT_KEY,),
        problems=(*_BODY, "invalid_token", *_STORE),
        description="Each refresh token is good once. One that is used again ends its login. Who got "
        "no answer may ask again within 30 s, with the same `Idempotency-Key`, or from the same network where neither "
        "request has one: the answer holds the same next token.",
    ),
    ("POST", "/api/v1/auth/pair"): Operation(
        "pairDevice",
        "Log in with the secret of a pairing's QR code",
        shapes.LoginAnswer,
        body=shapes.PairBody,
        problems=(*_BODY, "login_failed", *_GUESSED),
    ),
    ("POST", "/api/v1/auth/setup"): Operation(
        "setUpSite",
        "Make the first admin, with the secret of a setup link",
        shapes.LoginAnswer,
        body=shapes.SetupBody,
        problems=(*_BODY, "setup_closed", *_GUESSED),
        description="`wallport-api setup-link` on the box prints the link. It is good once, while there is no user.",
    ),
    ("POST", "/api/v1/auth/logout"): Operation(
        "logout", "End this login", None, parameters=(_MINTED,), problems=("invalid_input", *_STORE), success="204"
    ),
    ("POST", "/api/v1/auth/pairing"): Operation(
        "beginPairing",
        "A QR code for a new phone, good for 5 minutes and once",
        shapes.PairingAnswer,
        body=shapes.AgainBody,
        is_body_optional=True,
        problems=(*_BODY, *_STORE),
        description="Who scans it is logged in as you, on the LAN or through the relay: `POST auth/pair`.",
    ),
    ("POST", "/api/v1/auth/ticket"): Operation(
        "createTicket",
        "A ticket: `?ticket=` in place of a token, for 30 s and once",
        shapes.TicketAnswer,
        problems=_STORE,
        description="For browsers, which cannot set a header on a websocket or a link.",
    ),
    ("GET", "/internal/token-key"): Operation(
        "getTokenKey",
        "The public key of this site's tokens",
        shapes.TokenKeyAnswer,
        description="For the edge alone, on its own socket.",
        problems=("invalid_input",),
    ),
    ("POST", "/api/v1/auth/elevate"): Operation(
        "elevate",
        "Enter a code: this session may do admin actions for 5 minutes",
        shapes.ElevateAnswer,
        body=shapes.ElevateBody,
        problems=(*_BODY, "wrong_code", "totp_not_set_up", *_GUESSED),
    ),
    ("GET", "/api/v1/me"): Operation("getMe", "Who is logged in", shapes.MeAnswer, problems=("invalid_input", *_STORE)),
    ("PUT", "/api/v1/me/password"): Operation(
        "changePassword",
        "Change one's password",
        None,
        body=shapes.PasswordBody,
        problems=(*_BODY, "login_failed", *_GUESSED),
        success="204",
        description="All other devices and all API tokens end.",
    ),
    ("POST", "/api/v1/me/totp"): Operation(
        "beginTotp",
        "Begin to set up an authenticator app",
        shapes.TotpAnswer,
        body=shapes.AgainBody,
        is_body_optional=True,
        problems=(*_BODY, "totp_already_set_up", *_STORE),
    ),
    ("POST", "/api/v1/me/totp/confirm"): Operation(
        "confirmTotp",
        "Put the authenticator app to use, by its first code",
        shapes.ConfirmAnswer,
        body=shapes.ConfirmBody,
        problems=(*_BODY, "wrong_code", "totp_not_set_up", "totp_already_set_up", *_GUESSED),
    ),
    ("POST", "/api/v1/me/totp/recovery-codes"): Operation(
        "renewRecoveryCodes",
        "Fresh recovery codes in place of all that are left",
        shapes.RecoveryCodesAnswer,
        problems=_STORE,
    ),
    ("DELETE", "/api/v1/me/totp"): Operation(
        "removeTotp", "Take one's second factor away", None, problems=_STORE, success="204"
    ),
    ("GET", "/api/v1/me/devices"): Operation(
        "listDevices", "What is logged in as you", shapes.DevicesAnswer, problems=("invalid_input", *_STORE)
    ),
    ("PATCH", "/api/v1/me/devices/{id}"): Operation(
        "renameDevice",
        "Rename a device",
        shapes.DeviceShape,
        body=shapes.DeviceBody,
        parameters=(_DEVICE,),
        problems=(*_BODY, "not_found", *_STORE),
    ),
    ("DELETE", "/api/v1/me/devices/{id}"): Operation(
        "removeDevice",
        "End a device's login at once",
        None,
        parameters=(_DEVICE, _MINTED),
        problems=("invalid_input", "not_found", *_STORE),
        success="204",
    ),
    ("GET", "/api/v1/me/api-tokens"): Operation(
        "listApiTokens", "Tokens for programs", shapes.ApiTokensAnswer, problems=("invalid_input", *_STORE)
    ),
    ("POST", "/api/v1/me/api-tokens"): Operation(
        "createApiToken",
        "A new token for a program, such as Home Assistant",
        shapes.ApiTokenAnswer,
        body=shapes.ApiTokenBody,
        problems=(*_BODY, "too_many_tokens", *_STORE),
        success="201",
    ),
    ("DELETE", "/api/v1/me/api-tokens/{id}"): Operation(
        "removeApiToken",
        "End a token at once",
        None,
        parameters=(_TOKEN,),
        problems=("not_found", *_STORE),
        success="204",
    ),
    ("GET", "/api/v1/users"): Operation(
        "listUsers", "Everybody", shapes.AccountsAnswer, problems=("invalid_input", *_STORE)
    ),
    ("POST", "/api/v1/users"): Operation(
        "createUser",
        "Add a user",
        shapes.AccountShape,
        body=shapes.UserBody,
        problems=(*_BODY, "user_exists", *_STORE),
        success="201",
    ),
    ("GET", "/api/v1/users/{name}"): Operation(
        "getUser",
        "One user",
        shapes.AccountShape,
        parameters=(_NAME,),
        problems=("invalid_input", "not_found", "user_unknown", *_STORE),
    ),
    ("PATCH", "/api/v1/users/{name}"): Operation(
        "changeUser",
        "Change a user",
        shapes.AccountShape,
        body=shapes.UserChangeBody,
        parameters=(_NAME,),
        problems=(*_BODY, "not_found", "user_unknown", "last_admin", *_STORE),
    ),
    ("DELETE", "/api/v1/users/{name}"): Operation(
        "removeUser",
        "Delete a user; the charge sessions stay",
        None,
        parameters=(
            _NAME,
            Parameter(
                "pseudonymise",
                "`true` takes the name and the tags out of the sessions, also of a user who was deleted before",
                {"type": "string", "enum": ["true", "false"]},
            ),
        ),
        problems=("invalid_input", "not_found", "user_unknown", "last_admin", *_STORE),
        success="204",
    ),
    ("DELETE", "/api/v1/users/{name}/totp"): Operation(
        "removeUserTotp",
        "Take a user's second factor away, for whoever lost theirs",
        None,
        parameters=(_NAME,),
        problems=("not_found", "user_unknown", *_STORE),
        success="204",
    ),
    ("GET", "/api/v1/admin/audit"): Operation(
        "listAuditEntries",
        "Who did what, the newest first",
        shapes.AuditAnswer,
        parameters=(
            *_FILTERS,
            Parameter("limit", f"how many, at most {MOST_ITEMS}", {"type": "integer", "minimum": 1}),
            Parameter("cursor", "`next_cursor` of the page before", _TEXT),
        ),
        problems=("invalid_input", *_STORE),
    ),
    ("GET", "/api/v1/admin/audit.csv"): Operation(
        "exportAuditCsv",
        "The same as a file",
        str,
        parameters=_FILTERS,
        problems=("invalid_input", *_STORE),
        media_type="text/csv",
    ),
}
"""(method, path) → what it does."""
