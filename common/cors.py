"""Which pages of other origins may use a site: the "CORS protocol" of the Fetch Standard, for a list of origins. Pure.

Used by the api for its answers, and by the relay for preflights, which carry no token and so never reach the home line.
Logins are bearer tokens and never cookies, so no credentials are allowed: a page has what its own script was given.
sanic-ext's CORS would replace the answers' own `Vary`, and add an OPTIONS route to each path.
"""

import re
from collections.abc import Collection, Mapping

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
FIELDS = "authorization, content-type, idempotency-key, if-none-match, wallport-code"
EXPOSED = "content-disposition, etag, location, retry-after"
MAX_AGE_S = 7200  # the longest that Chromium remembers a preflight

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")


def is_origin(text: str) -> bool:
    """Whether a browser may send this as `Origin`: never `null`, which any page can be, nor a pattern."""
    return _ORIGIN.fullmatch(text) is not None


def preflight(origins: Collection[str], method: str, fields: Mapping[str, str]) -> dict[str, str] | None:
    """The fields of the 204 that answers a browser's question; None for all else, and for other origins.

    `fields` are the request's, by lower-case names.
    """
    origin = fields.get("origin", "")
    if method != "OPTIONS" or "access-control-request-method" not in fields or origin not in origins:
        return None
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": FIELDS,
        "access-control-max-age": str(MAX_AGE_S),
        "vary": "Origin",
    }


def answer_fields(origins: Collection[str], origin: str | None, vary: str | None) -> dict[str, str]:
    """What an answer carries besides, for a listed origin to read it; `vary` is the answer's own."""
    if not origins:
        return {}
    found = {"vary": f"{vary}, Origin" if vary else "Origin"}
    if origin in origins:
        found |= {"access-control-allow-origin": origin or "", "access-control-expose-headers": EXPOSED}
    return found
