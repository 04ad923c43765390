"""Keeps the pages of other web sites from trying logins with their visitors' browsers. Pure.

A page may make a browser send a POST anywhere, without asking first, if its body is a form or plain text (WHATWG Fetch,
"CORS-safelisted request-header"). It cannot read the answer, but each wrong password would count against its visitor.
What carries a token needs no such care: no page has one, nor can it set Authorization unasked.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from api.errors import ForeignOrigin, UnsupportedMediaType

JSON = "application/json"


def check_body(content_type: str | None, *, has_body: bool) -> None:
    """Raise UnsupportedMediaType for a body that is not declared as JSON; one without a type is what a Blob sends."""
    if has_body and (content_type or "").partition(";")[0].strip().lower() != JSON:
        raise UnsupportedMediaType(f"send the body as Content-Type: {JSON}")


def check_origin(origin: str | None, host: str | None, own_urls: Iterable[str]) -> None:
    """Raise ForeignOrigin for a page that is neither of the host that was asked nor of one of `own_urls`.

    `origin` None: no browser, or nothing that it calls another origin. Whoever is no browser may write what they like:
    that gains nothing.
    """
    if origin is None:
        return
    page = origin.lower()
    if host and page in (f"http://{host.lower()}", f"https://{host.lower()}"):
        return
    if not any(_origin_of(url) == page for url in own_urls):
        raise ForeignOrigin("a page of another web site may not log in here")


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
