"""The pages for whoever comes with a browser and has nothing yet: the site's address itself, and the setup."""

from sanic import HTTPResponse, Request

from api import front_page, setup_page
from api.handlers import web
from api.handlers.answers import json_answer
from api.page_look import language_of
from common.console import command

API_COMMAND = command("api", "").strip()


async def page(request: Request) -> HTTPResponse:
    """The web app if it was built, else a page that says what this is; for a program JSON."""
    if front_page.wants_json(request.headers.get("accept", "")):
        return json_answer(front_page.FRONT, headers={"vary": "accept"})
    if request.app.ctx.web_files:
        return await web.page(request)
    return _html(front_page.page(_language(request), API_COMMAND), front_page.SECURITY_POLICY)


async def setup(request: Request) -> HTTPResponse:
    """The first admin by a setup link, and second factors."""
    return _html(setup_page.page(_language(request), API_COMMAND), setup_page.SECURITY_POLICY)


def _language(request: Request) -> str:
    return language_of(request.headers.get("accept-language", ""))


def _html(text: str, policy: str) -> HTTPResponse:
    headers = {"cache-control": "no-store", "content-security-policy": policy, "vary": "accept, accept-language"}
    return HTTPResponse(text, 200, headers, "text/html; charset=utf-8")
