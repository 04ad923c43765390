"""What a browser may do with the web app's page: only what this origin serves, and no script made of text. Pure."""

import re

SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",  # QR codes come as data
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types wallport",
    )
)

PAGE_HEADERS = {
    "content-security-policy": SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
}

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""By a file's ending; a file of another kind is not served."""


_NAMED_BY_CONTENT = re.compile(r"assets/[\w.-]+-[\w-]{8}\.(js|css|woff2)")
"""What Vite names so."""


def encoding_of(accepted: str, available: frozenset[str]) -> str:
    """Return the best encoding that the client takes (`Accept-Encoding`) and the file has; "" is none."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        try:
            weights[name.strip()] = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
    return next((name for name in ("br", "gzip") if name in available and weights.get(name, 0) > 0), "")


def cache_control(name: str) -> str:
    """Return how long a file may be kept: one whose name has a digest of its content for ever, others never unasked."""
    is_named_by_content = _NAMED_BY_CONTENT.fullmatch(name) is not None
    return "public, max-age=31536000, immutable" if is_named_by_content else "no-cache"
