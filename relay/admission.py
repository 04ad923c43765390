"""Who may pass a site's door: strangers do not reach the home line. Pure: clocks and signatures are arguments.

A request passes with a valid token of that very site, or with a ticket where browsers cannot send a token, or when it
goes to a login path, as often as throttle.py lets it. The key that tells a site's tokens comes from its edge, in HELLO,
and cannot make any. Who a token is for and what it opens is not looked at: the site's api checks everything itself, and
when it refuses a token, the door learns that its login has ended.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import ClassVar
from urllib.parse import parse_qsl

from common import legacy_app
from common.errors import AppError
from relay.door import Admitted
from relay.throttle import LoginThrottle

LOGIN_PATHS = frozenset({"/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/pair"}) | legacy_app.LOGIN_PATHS
"""POST to these passes without a valid token. Exactly as written: another spelling is another path."""

TICKET_PATHS = frozenset(
    {
        "/docs",
        "/openapi.json",
        "/api/v1/history.csv",
        "/api/v1/sessions.csv",
        "/api/v1/sessions.pdf",
        "/api/v1/sessions.xlsx",
    }
)
"""Where a ticket stands in for a token, besides on websockets: what a browser is sent to by a link."""

MOST_REMEMBERED = 64
"""Tokens of one site that were found valid lately: a household's. Signatures cost 0.1 ms, and apps ask each second."""

MOST_REFUSED = 256
"""Tokens of one site that it refused lately, though they are signed and not expired: of logins that have ended."""

REFUSED_FOR_S = 900.0
"""Then the site is asked again: an access token is over by then, and an API token that was refused by mistake, such as
while the clock at home was wrong, is not lost."""

MOST_PARAMETERS = 100  # of a query with a ticket; real ones have three

TokenCheck = Callable[[str, bool], float | None]
"""(token, whether it must be a ticket) → until when it passes, Unix seconds; None when it does not."""

SelfCheck = Callable[[str, str], bool]
"""(path, Authorization) → whether the edge that has the tunnel asks if it is reached (common/tunnel/self_check.py)."""


class NotAdmitted(AppError):
    """The request stays outside. `is_legacy`: it came from the existing app, which knows 403 only."""

    code: ClassVar[str] = "login_required"

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.is_legacy = legacy_app.is_path(path)


class LoginRequired(NotAdmitted):
    """The request carries no token, and goes to no login path."""

    code = "login_required"

    def __init__(self, path: str) -> None:
        super().__init__("log in first", path)


class TokenRefused(NotAdmitted):
    """The token or ticket is expired, of another site, or not the site's at all; which one is not told."""

    code = "invalid_token"

    def __init__(self, path: str) -> None:
        super().__init__("the token is not valid", path)


class TokenKeyUnknown(AppError):
    """The site's edge has not told the public key of its tokens: its api has not been up yet, or it is too old."""

    code = "token_key_unknown"
    is_retryable = True

    def __init__(self) -> None:
        super().__init__("The site is connected, but not ready for requests yet.")


class Gate:
    """One site's door, as long as its tunnel. `check` None: no key is known, and nothing but logins passes, and the
    edge's own question whether it is reached."""

    def __init__(
        self, site_id: str, check: TokenCheck | None, throttle: LoginThrottle, is_self_check: SelfCheck | None = None
    ) -> None:
        self._site_id = site_id
        self._check = check
        self._throttle = throttle
        self._is_self_check = is_self_check
        self._remembered: OrderedDict[bytes, float] = OrderedDict()  # SHA-256 of a valid token → until when it is
        self._refused: OrderedDict[bytes, float] = OrderedDict()  # of one that the site refuses → until when we do

    def admit(self, request: Admitted, address: str, *, now: float, steady_now: float) -> None:
        """Return if the request may travel. `now` is Unix seconds, `steady_now` any that are steady.

        Raises LoginRequired, TokenRefused, TokenKeyUnknown, TooManyAttempts.
        """
        path, _, query = request.target.partition("?")
        if request.method == "POST" and path in LOGIN_PATHS:
            self._throttle.admit(self._site_id, address, steady_now)
            return
        authorization = next((value for name, value in request.fields if name == "authorization"), None)
        if authorization is not None and self._is_by_edge(request, path, authorization):
            return
        if self._check is None:
            raise TokenKeyUnknown
        if authorization is not None:
            is_valid = self._is_token(self._check, bearer(authorization), now)
        elif request.method == "GET" and (request.is_websocket or path in TICKET_PATHS):
            is_valid = self._check(_ticket(query, path), True) is not None
        else:
            raise LoginRequired(path)
        if not is_valid:
            raise TokenRefused(path)
        self._throttle.note_valid(self._site_id, address, steady_now)

    def note_answer(self, request: Admitted, status: int, fields: Iterable[tuple[str, str]], now: float) -> None:
        """The site has answered: a token that it calls invalid is refused here from now on. `now` is Unix seconds."""
        path = request.target.partition("?")[0]
        authorization = next((value for name, value in request.fields if name == "authorization"), None)
        if status != 401 or authorization is None or (request.method == "POST" and path in LOGIN_PATHS):
            return
        if any(name == "www-authenticate" and _SAYS_INVALID.search(value) for name, value in fields):
            digest = _digest(bearer(authorization))
            self._remembered.pop(digest, None)
            self._refused[digest] = now + REFUSED_FOR_S
            if len(self._refused) > MOST_REFUSED:
                self._refused.popitem(last=False)

    def _is_by_edge(self, request: Admitted, path: str, authorization: str) -> bool:
        is_plain = request.method == "GET" and not request.is_websocket and not request.has_body
        return is_plain and self._is_self_check is not None and self._is_self_check(path, authorization)

    def _is_token(self, check: TokenCheck, token: str, now: float) -> bool:
        digest = _digest(token)
        if self._refused.get(digest, 0.0) > now:
            return False
        if self._remembered.get(digest, 0.0) > now:
            return True
        self._remembered.pop(digest, None)
        until = check(token, False)
        if until is None:
            return False
        self._remembered[digest] = until
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return True


_SAYS_INVALID = re.compile(r'^Bearer\b.*\berror="?invalid_token\b', re.IGNORECASE)  # RFC 6750 §3.1


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def bearer(authorization: str) -> str:
    """The token of `Bearer …`, or the bare one that the existing app sends; "" for another scheme."""
    scheme, _, token = authorization.strip().partition(" ")
    if not token:
        return scheme
    return token.strip() if scheme.lower() == "bearer" else ""


def _ticket(query: str, path: str) -> str:
    """Exactly one; "" is none that could be valid."""
    try:
        named = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        return ""
    tickets = [value for name, value in named if name == "ticket"]
    if not tickets:
        raise LoginRequired(path)
    return tickets[0] if len(tickets) == 1 else ""
