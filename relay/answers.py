"""What of a site's answer goes on to the client: pure. Called by the handlers of the public side.

Under `/s/{site}` all sites share one origin with each other and with the relay, and nginx in front obeys fields of an
answer, too. So only fields that speak of this one answer pass. What acts on the whole origin (Set-Cookie,
Clear-Site-Data, Service-Worker-Allowed, Strict-Transport-Security, Alt-Svc, NEL, Report-To), on nginx (X-Accel-*) or on
the browser (Refresh, Link) does not, nor what nobody here has heard of. Whatever a browser may run as a page is put
into a sandbox (HTML Standard, section "Sandboxing"), where it has an origin of its own and no scripts. A 304 says
nothing of that: a browser would put it in the place of what came with the page that it keeps (RFC 9111 §3.2).
"""

import re
from collections.abc import Iterable

SANDBOX = "sandbox"
"""Content-Security-Policy of a page on the shared origin, beside the site's own policies: all of them hold."""

PASSED = frozenset(
    {
        "accept-ranges",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "access-control-max-age",
        "allow",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-range",
        "content-security-policy",
        "content-type",
        "cross-origin-resource-policy",
        "deprecation",
        "etag",
        "expires",
        "last-modified",
        "location",
        "referrer-policy",
        "retry-after",
        "sunset",
        "vary",
        "www-authenticate",
        "x-frame-options",
    }
)
"""Fields of other names are dropped: add one here when the api begins to send it, if it speaks of the answer alone."""

PASSIVE = frozenset(
    {
        "application/json",
        "application/octet-stream",
        "application/openmetrics-text",
        "application/pdf",
        "application/problem+json",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/zip",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/csv",
        "text/event-stream",
        "text/plain",
    }
)
"""Media types that no browser runs as a page, provided that it does not guess another. A PDF would not be shown in a
sandbox."""


_ONE_TYPE = re.compile(r"([a-z]+/[a-z0-9.+-]+)[ \t]*(?:;[^,]*)?", re.IGNORECASE | re.ASCII)
"""A browser takes the last of a list, also behind a parameter (Fetch Standard, "extract a MIME type")."""

NOT_MODIFIED = 304
_OF_A_PAGE = frozenset({"content-security-policy", "content-type"})


def answer_fields(status: int, fields: Iterable[tuple[str, str]], prefix: str) -> list[tuple[str, str]]:
    """The fields for the client, in order, with duplicates; names are lower case.

    `prefix` is the path under which the client knows the site, such as `/s/home`: a path in Location is the site's own
    and gets it back. "" is a host name of the site's own, an origin that it shares with nobody: its pages may do as
    they like there.
    """
    passed = PASSED if status != NOT_MODIFIED or not prefix else PASSED - _OF_A_PAGE
    kept = [(name, value) for name, value in fields if name in passed and not _asks_for_password(name, value)]
    told = [(name, f"{prefix}{value}" if name == "location" and _is_path(value) else value) for name, value in kept]
    told.append(("x-content-type-options", "nosniff"))
    may_be_page = not _is_passive([value for name, value in kept if name == "content-type"])
    if prefix and may_be_page and status != NOT_MODIFIED:
        told.append(("content-security-policy", SANDBOX))
    return told


def _is_path(location: str) -> bool:
    return location.startswith("/") and not location.startswith(("//", "/\\"))


def _is_passive(media_types: list[str]) -> bool:
    found = _ONE_TYPE.fullmatch(media_types[0]) if len(media_types) == 1 else None
    return found is not None and found[1].lower() in PASSIVE


def _asks_for_password(name: str, value: str) -> bool:
    """A browser asks for what is not Bearer in a window of its own, in the name of the whole origin."""
    return name == "www-authenticate" and value.lower().partition(" ")[0] != "bearer"
