"""A small api behind a unix socket, in place of the real one: `python -m tests.kit.site_api SOCKET`.

It answers in every way that is hard to carry: streamed and sized bodies both ways, events that wait, many cookies, no
body at all, websockets with any close code. `/api/counts` tells how many slow requests there were, and how many of
them were cancelled.
"""

import asyncio
import hashlib
import sys
from typing import Any

from sanic import Request, Sanic, Websocket, response
from sanic.response import HTTPResponse

from tests.kit import site_tokens

app: Sanic[Any, Any] = Sanic("site-api", configure_logging=False)
app.config.AUTO_EXTEND = False
app.ctx.counts = dict.fromkeys(
    ("slow", "cancelled", "websockets", "marked", "uploads", "uploads_broken", "upload_bytes"), 0
)
app.ctx.gate = asyncio.Event()


@app.get("/api/v1/state")
async def state(_: Request) -> HTTPResponse:
    return response.json({"seq": 1, "grid": {"power_w": -3120}})


@app.get("/internal/token-key")
async def token_key(_: Request) -> HTTPResponse:
    return response.json({"site": site_tokens.KEY.site, "key": site_tokens.KEY.public_text})


@app.get("/api/request/<path:path>")
async def request_seen(request: Request, path: str) -> HTTPResponse:
    """The request as it arrived."""
    return response.json({"target": request.raw_url.decode(), "path": path, "headers": list(request.headers.items())})


@app.post("/api/upload", stream=True)
async def upload(request: Request) -> HTTPResponse:
    digest, size = hashlib.sha256(), 0
    app.ctx.counts["uploads"] += 1
    try:
        async for piece in request.stream:  # type: ignore[union-attr]
            digest.update(piece)
            size += len(piece)
            app.ctx.counts["upload_bytes"] += len(piece)
    except BaseException:
        app.ctx.counts["uploads_broken"] += 1
        raise
    return response.json({"size": size, "sha256": digest.hexdigest()})


@app.post("/api/upload-refused", stream=True)
async def upload_refused(_: Request) -> HTTPResponse:
    """An answer that does not wait for the body."""
    return response.text("no", status=403)


@app.get("/api/download")
async def download(request: Request) -> None:
    """`size` bytes, each 64 KiB its own pattern; with a content-length when `sized`."""
    size = int(request.args.get("size", "0"))
    headers = {"content-length": str(size)} if request.args.get("sized") else {}
    answer = await request.respond(headers=headers, content_type="application/octet-stream")
    for at in range(0, size, 65_536):
        await answer.send(pattern(at, min(65_536, size - at)))
    await answer.eof()


@app.get("/api/events")
async def events(request: Request) -> None:
    """One event at once, another when `/api/open-gate` was called."""
    app.ctx.gate.clear()
    answer = await request.respond(content_type="text/event-stream; charset=utf-8")
    await answer.send("data: first\n\n")
    await app.ctx.gate.wait()
    await answer.send("data: second\n\n")
    await answer.eof()


@app.post("/api/open-gate")
async def open_gate(_: Request) -> HTTPResponse:
    app.ctx.gate.set()
    return response.empty()


@app.get("/api/varies")
async def varies(_: Request) -> HTTPResponse:
    answer = response.text("")
    for number in range(5):
        answer.headers.add("Vary", f"x-{number}")
    return answer


STEERING = {
    "X-Accel-Redirect": "/healthz",
    "X-Accel-Buffering": "yes",
    "X-Accel-Limit-Rate": "1",
    "X-Accel-Charset": "koi8-r",
    "X-Accel-Expires": "86400",
    "Set-Cookie": "a=b; Path=/s/other",
    "Clear-Site-Data": '"*"',
    "Service-Worker-Allowed": "/",
    "Strict-Transport-Security": "max-age=0",
    "Alt-Svc": 'h2="evil.example:443"',
    "NEL": '{"report_to":"x","max_age":1}',
    "Report-To": '{"group":"x","max_age":1,"endpoints":[{"url":"https://evil.example"}]}',
    "Public-Key-Pins": "max-age=1",
    "Refresh": "0; url=https://evil.example",
}


@app.get("/api/steering")
async def steering(_: Request) -> HTTPResponse:
    """A page with all that acts on more than this answer."""
    return HTTPResponse("<script>alert(1)</script>", 200, STEERING, "text/html")


@app.route("/api/status/<status:int>", methods=["GET", "HEAD", "DELETE"])
async def status(_: Request, status: int) -> HTTPResponse:
    return HTTPResponse("" if status in (204, 304) else "body", status, {"etag": '"x"'})


@app.get("/api/slow")
async def slow(_: Request) -> None:
    """Never answers."""
    app.ctx.counts["slow"] += 1
    try:
        await asyncio.Event().wait()  # for ever
    except asyncio.CancelledError:
        app.ctx.counts["cancelled"] += 1
        raise


@app.route("/api/marked/<_:path>", methods=["GET", "POST", "DELETE"])
async def marked(_request: Request, _: str) -> HTTPResponse:
    """What must never arrive; `/api/counts` tells how often it did."""
    app.ctx.counts["marked"] += 1
    return response.empty()


@app.get("/api/half")
async def half(request: Request) -> None:
    """The beginning of an answer whose end never comes."""
    answer = await request.respond(content_type="text/plain")
    await answer.send("so far")
    await asyncio.Event().wait()  # for ever


@app.get("/api/counts")
async def counts(_: Request) -> HTTPResponse:
    return response.json(app.ctx.counts)


async def talk(_: Request[Any, Any], ws: Websocket) -> None:
    """Echoes; `close CODE REASON` closes with that, `close none` without a code; says hello when a sub-protocol was
    agreed on."""
    app.ctx.counts["websockets"] += 1
    if ws.subprotocol:
        await ws.send(f"speaking {ws.subprotocol}")
    try:
        while True:
            message = await ws.recv()
            if message == "close none":
                ws.ws_proto.send_close()
                await ws.send_data(ws.ws_proto.data_to_send())  # type: ignore[no-untyped-call]
            elif isinstance(message, str) and message.startswith("close "):
                command = message.split(" ", 2)
                await ws.close(int(command[1]), command[2])
                return
            else:
                await ws.send(message)  # type: ignore[arg-type]
    finally:
        app.ctx.counts["websockets"] -= 1
        app.ctx.counts["last_close"] = ws.ws_proto.close_rcvd.code if ws.ws_proto.close_rcvd else None


async def deaf(_: Request[Any, Any], _ws: Websocket) -> None:
    """Reads nothing."""
    await asyncio.Event().wait()  # for ever


app.add_websocket_route(talk, "/api/ws", name="ws")
app.add_websocket_route(deaf, "/api/ws-deaf", name="ws_deaf")
app.add_websocket_route(talk, "/api/ws-spoken", subprotocols=["wallport.v1"], name="ws_spoken")


@app.get("/api/ws-refused")
async def websocket_refused(_: Request) -> HTTPResponse:
    return response.json({"code": "not_allowed"}, status=403, headers={"www-authenticate": "Bearer"})


def pattern(at: int, size: int) -> bytes:
    """What `/api/download` has at this offset, a multiple of 64 KiB."""
    return bytes((at // 65_536 + index) % 251 for index in range(256)) * (size // 256) + b"." * (size % 256)


if __name__ == "__main__":
    app.run(unix=sys.argv[1], single_process=True, access_log=False, motd=False)
