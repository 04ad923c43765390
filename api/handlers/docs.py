"""The API's own description, for programs and for people. Made once; it never changes while the process runs."""

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from api import docs_page, openapi
from api.handlers.answers import tagged_answer

_HTML_HEADERS = {"cache-control": "no-store", "content-security-policy": docs_page.SECURITY_POLICY}


async def document(request: Request) -> HTTPResponse:
    raw, digest = _encoded(openapi.document)
    return tagged_answer(request, raw, digest)


async def legacy_document(request: Request) -> HTTPResponse:
    """The existing app's routes."""
    raw, digest = _encoded(openapi.legacy_document)
    return tagged_answer(request, raw, digest)


async def page(_request: Request) -> HTTPResponse:
    return HTTPResponse(_page(), 200, _HTML_HEADERS, "text/html; charset=utf-8")


@cache
def _encoded(document: Callable[[], dict[str, Any]]) -> tuple[msgspec.Raw, str]:
    encoded = msgspec.json.encode(document())
    return msgspec.Raw(encoded), hashlib.sha256(encoded).hexdigest()


@cache
def _page() -> str:
    return docs_page.page(openapi.document(), openapi.legacy_document())
