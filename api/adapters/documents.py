"""Documents of charge sessions, made beside the event loop: PDF in memory, workbooks in a folder that is removed.

A request that ends early leaves nothing behind.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from api.adapters.executor import BoundedExecutor
from api.adapters.turns import Turns
from api.errors import DocumentFailed, Overloaded
from api.exports import pdf
from api.exports.lines import Heading, Line
from api.exports.summary import MeterTrail
from api.exports.xlsx import SessionsWorkbook

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 1  # each fights with the event loop for the interpreter's lock
MOST_WAITING = 8
MOST_WORKBOOKS = 4  # at once: each has a file of some megabytes, and takes turns at the one thread
PIECE = 64 * 1024


class Documents:
    """Implements api.ports.DocumentMaker."""

    def __init__(self) -> None:
        self._executor = BoundedExecutor("documents", threads=THREADS, most_waiting=MOST_WAITING)
        self._workbooks = 0
        self._turns = Turns()

    def turn(self, user: str) -> AbstractAsyncContextManager[None]:
        return self._turns.of(user)

    async def pdf(self, lines: Sequence[Line], meters: Sequence[MeterTrail], heading: Heading) -> bytes:
        return await self._executor.run(pdf.render, lines, meters, heading)

    @asynccontextmanager
    async def workbook(self, heading: Heading) -> AsyncIterator["_OpenWorkbook"]:
        if self._workbooks >= MOST_WORKBOOKS:
            raise Overloaded("too many workbooks are being made; try again", retry_after_s=10)
        self._workbooks += 1
        try:
            folder = await self._run(_new_folder)
            book: SessionsWorkbook | None = None
            try:
                path = folder / "sessions.xlsx"
                book = await self._run(SessionsWorkbook, path, folder, heading)
                yield _OpenWorkbook(self._run, path, book)
            finally:
                # Even when the request was cancelled, and not behind what waits for the thread.
                await asyncio.shield(asyncio.to_thread(_remove, folder, book))
        finally:
            self._workbooks -= 1

    def close(self) -> None:
        self._executor.close()

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._executor.run(work, *args, **kwargs)
        except OSError as exc:
            raise DocumentFailed("the document could not be written", detail=f"{type(exc).__name__}: {exc}") from exc


class _OpenWorkbook:
    """Implements api.ports.OpenWorkbook."""

    def __init__(self, run: "_Run", path: Path, book: SessionsWorkbook) -> None:
        self._run = run
        self._path = path
        self._book = book

    async def add(self, lines: Sequence[Line]) -> None:
        await self._run(self._book.add, lines)

    async def finished(self) -> tuple[int, AsyncIterator[bytes]]:
        await self._run(self._book.close)
        return self._path.stat().st_size, self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        with self._path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


class _Run(Protocol):
    """`Documents._run`."""

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...


def _remove(folder: Path, book: SessionsWorkbook | None) -> None:
    if book is not None:
        book.discard()
    shutil.rmtree(folder, ignore_errors=True)


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="wallport-"))
