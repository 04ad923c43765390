"""The real api with one route more: `GET /api/v1/bench/<size>` answers with so many bytes, streamed.

`python -m bench.api run` in place of `python -m api run`; only the benches do.
"""

from typing import Any, cast

from sanic import Request

from api import access, app
from api.__main__ import main

PIECE = b"0123456789abcdef" * 4096  # 64 KiB, as an export would stream


async def bulk(request: Request, size: int) -> None:
    answer = await request.respond(headers={"content-length": str(size)}, content_type="application/octet-stream")
    while size:
        piece = PIECE[:size]
        size -= len(piece)
        await answer.send(piece)
    await answer.eof()


if __name__ == "__main__":
    cast(dict[tuple[str, str], Any], app.ROUTES)["GET", "/api/v1/bench/<size:int>"] = bulk
    cast(dict[tuple[str, str], Any], access.RULES)["GET", "/api/v1/bench/{size}"] = access.LOGGED_IN
    main()
