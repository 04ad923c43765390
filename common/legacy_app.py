"""Which requests come from the iOS app of an older backend: it has paths of its own beside the API's. Pure.

Both ends treat them apart: the app takes 403, never 401, for "log in", and sends its token without a scheme.
"""

import re

LOGIN_PATHS = frozenset({"/api/login", "/apilogin"})
"""The second one is what the app makes of an address that was typed without a slash at the end."""

_NEWER = re.compile(r"/api/v[0-9]+(/|$)")
_WITHOUT_SLASH = re.compile(r"/api(login|values|lademodus|ladelog|user/[^/]+)")


def is_path(path: str) -> bool:
    """Whether the app may ask for this; `path` is without a query."""
    return _WITHOUT_SLASH.fullmatch(path) is not None or (path.startswith("/api/") and not _NEWER.match(path))
