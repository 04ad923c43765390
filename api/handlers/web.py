"""The web app: its page at `/`, its service worker, its files."""

from sanic import HTTPResponse, Request

from api import web_policy
from api.errors import NotFound


async def page(request: Request) -> HTTPResponse:
    return _answer(request, "index.html")


async def worker(request: Request) -> HTTPResponse:
    return _answer(request, "sw.js")


async def asset(request: Request, file: str) -> HTTPResponse:
    return _answer(request, f"assets/{file}")


def _answer(request: Request, name: str) -> HTTPResponse:
    found = request.app.ctx.web_files.get(name)
    media_type = web_policy.MEDIA_TYPES.get(f".{name.rpartition('.')[2]}")
    if found is None or media_type is None:
        raise NotFound("there is no such file" if request.app.ctx.web_files else "the web app was not built")
    encoding = web_policy.encoding_of(request.headers.get("accept-encoding", ""), frozenset(found.content))
    headers = {
        "cache-control": web_policy.cache_control(name),
        "etag": f'"{found.digest}{"-" + encoding if encoding else ""}"',
        "vary": "accept-encoding",
    }
    if request.headers.get("if-none-match", "") == headers["etag"]:
        return HTTPResponse(None, 304, headers)
    if name == "index.html":
        headers |= web_policy.PAGE_HEADERS
    if encoding:
        headers["content-encoding"] = encoding
    return HTTPResponse(found.content[encoding], 200, headers, media_type)
