"""Asks who is logged in to prove it again, before anything is minted that outlives the token they came with."""

from sanic import Request

from api.errors import PasswordRequired
from api.handlers.codes import require_elevation
from api.handlers.opening import own_password
from api.ports import login_of


async def check_again(request: Request, password: str | None, action: str) -> None:
    """Return if they proved it: a user with a second factor by elevation, any other by `password`.

    Every handler whose rule says `asks_again` calls it. `action` is what a wrong password is called in the audit.
    Raises what `require_elevation` raises, or PasswordRequired, LoginFailed or TooManyAttempts.
    """
    if login_of(request).has_totp:
        await require_elevation(request)
    elif password is None:
        raise PasswordRequired("send your password again, as `password`")
    else:
        await own_password(request, password, action)
