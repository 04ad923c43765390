"""The audit trail: `audit(request, …)` for every handler that changes, commands or exports something; its reading.

Writing never makes a request wait or fail: entries go through a bounded queue into the database, and every one is
logged as well. What could not be written in time is counted, and readiness says so.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

from sanic import HTTPResponse, Request

from api import audit as decisions
from api import inputs
from api.handlers.answers import json_answer
from api.ports import Login, SiteStore, deps_of
from api.shapes_people import AuditAnswer, AuditEntryShape
from common import logs
from common.backoff import Backoff
from common.errors import AppError
from common.health import Status
from common.store import audit as store_audit
from common.store.errors import StoreError
from common.store.rows_people import AuditFilter, AuditRow

log = logs.get(__name__)

MOST_WAITING = 2_000
"""Entries that wait for the database, about 1 MB: an hour's outage with a command every two seconds."""

MOST_STRANGERS = 300
STRANGERS_WINDOW_S = 3600.0
"""Failures of nobody who is logged in, an hour: one every 12 s. What is more becomes one entry with a number."""

AT_ONCE = 100
SETTLE_S = 2.0
PURGE_EVERY_S = 3600.0
PURGE_PAUSE_S = 0.05
DAY_S = 86_400


def audit(
    request: Request,
    action: str,
    *,
    subject: str | None = None,
    old: Any = None,
    new: Any = None,
    result: str = "ok",
    user: str | None = None,
) -> None:
    """Note that whoever asked did `action` (at most 40 characters, like `user_change`) to `subject`.

    `old` and `new` are what JSON can say, without secrets. `result` is ok, a command's status or an error's code.
    `user` names who it was where nobody is logged in yet. Never waits and never raises.
    """
    login: Login | None = getattr(request.ctx, "login", None)
    row = decisions.row(
        happened_at=time.time(),
        user_name=user or (login.user if login else None),
        device=(login.session_id, login.device_name or "") if login else None,
        origin=request.ctx.origin,
        address=request.ctx.address,
        action=action,
        subject=subject,
        old=old,
        new=new,
        result=result,
    )
    trail_of(request).put(row)


def trail_of(request: Request) -> "Trail":
    trail: Trail = request.app.ctx.trail
    return trail


class Trail:
    """Entries on their way into the database, in order. The event loop owns it."""

    def __init__(self, store: SiteStore, kept_days: int) -> None:
        self._store = store
        self._kept_s = kept_days * DAY_S
        self._waiting: deque[AuditRow] = deque()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._fault: str | None = None
        self._strangers = _Strangers()
        self.lost = 0

    def put(self, row: AuditRow) -> None:
        """Take an entry; the log has it whatever becomes of it."""
        log.info(
            "audited",
            action=row.action,
            user=row.user_name,
            origin=row.origin,
            address=row.address,
            subject=row.subject,
            result=row.result,
        )
        if row.device_id is None and row.result != "ok":
            admitted = self._strangers.admit(row, time.monotonic())
            if admitted is None:
                return
            row = admitted
        if len(self._waiting) >= MOST_WAITING:
            self._lose(row, "too many wait for the database")
            return
        self._waiting.append(row)
        self._empty.clear()
        self._news.set()

    def component(self) -> dict[str, Any]:
        """For readiness."""
        if self._fault is not None:
            return {"status": Status.FAILING, "detail": f"{len(self._waiting)} entries wait: {self._fault}"}
        detail = f"{self.lost} entries were lost since the start; the log has them" if self.lost else None
        return {"status": Status.OK, "detail": detail}

    async def settled(self) -> None:
        """Return when everything is written, or after SETTLE_S."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), SETTLE_S)

    async def run(self) -> None:
        """Write until cancelled, and forget what is older than the retention."""
        backoff = Backoff(first_s=0.2, longest_s=10.0)
        at_once = AT_ONCE
        purge_at = time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), max(0.0, purge_at - time.monotonic()))
            try:
                while self._waiting:
                    await self._write(at_once)
                    backoff.reset()
                    self._fault, at_once = None, AT_ONCE
                self._news.clear()
                self._empty.set()
                if time.monotonic() >= purge_at:
                    await self._purge()
                    purge_at = time.monotonic() + PURGE_EVERY_S
                    self._fault = None
            except StoreError as exc:
                # One of them is refused: find it by writing them one by one, and go on without it.
                if not self._waiting:
                    purge_at = time.monotonic() + PURGE_EVERY_S
                elif at_once == 1:
                    self._lose(self._waiting.popleft(), exc.detail or exc.message)
                at_once = 1
            except AppError as exc:
                if self._fault is None:
                    log.warning("audit_waits", detail=exc.detail or exc.message)
                self._fault = exc.message
                await asyncio.sleep(backoff.next_delay_s())

    async def _write(self, at_once: int) -> None:
        batch = [self._waiting[index] for index in range(min(at_once, len(self._waiting)))]
        await self._store.run(store_audit.append, batch)
        for _ in batch:
            self._waiting.popleft()

    async def _purge(self) -> None:
        while await self._store.run(store_audit.purge, int(time.time()) - self._kept_s):  # noqa: ASYNC110 -- a pause for others
            await asyncio.sleep(PURGE_PAUSE_S)

    def _lose(self, row: AuditRow, why: str) -> None:
        self.lost += 1
        log.error("audit_entry_lost", why=why, action=row.action, user=row.user_name, lost=self.lost)


class _Strangers:
    """Bounds what people can write into the audit who are not logged in."""

    def __init__(self) -> None:
        self._since = float("-inf")
        self._count = 0

    def admit(self, row: AuditRow, now: float) -> AuditRow | None:
        """The row to write, which tells of those left out in the window before; None to leave this one out, too."""
        left_out = max(0, self._count - MOST_STRANGERS)
        if now - self._since >= STRANGERS_WINDOW_S:
            self._since, self._count = now, 1
            return replace(row, new_value=f'{{"left_out_before":{left_out}}}') if left_out else row
        self._count += 1
        return row if self._count <= MOST_STRANGERS else None


async def entries(request: Request) -> HTTPResponse:
    """A page of the audit, the newest first."""
    parameters = inputs.query(request.query_string, decisions.FILTERS | {"limit", "cursor"})
    limit = decisions.page_size(parameters)
    wanted = decisions.wanted(parameters, deps_of(request).settings.time_zone)
    await trail_of(request).settled()
    rows = await deps_of(request).store.run(store_audit.find, wanted, limit + 1)
    shown = [AuditEntryShape.of(row) for row in rows[:limit]]
    cursor = str(rows[limit - 1].id) if len(rows) > limit else None
    return json_answer(AuditAnswer(shown, cursor))


async def export(request: Request) -> HTTPResponse | None:
    """All of the audit that the filters leave, as CSV, the newest first."""
    parameters = inputs.query(request.query_string, decisions.FILTERS)
    wanted = decisions.wanted(parameters, deps_of(request).settings.time_zone)
    audit(request, "export", subject="audit.csv", new=parameters)
    await trail_of(request).settled()
    pages = _pages(deps_of(request).store, wanted)
    first = await anext(pages)  # what fails at once is a problem, not a file that breaks off
    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="wallport-audit.csv"'}
    response: Any = await request.respond(headers=headers, content_type="text/csv; charset=utf-8; header=present")
    try:
        await response.send(decisions.csv_lines(first, has_head=True))
        async for page in pages:
            await response.send(decisions.csv_lines(page))
    except AppError as exc:
        log.warning("audit_export_broke_off", detail=exc.detail or exc.message)
        cast(asyncio.Transport, request.transport).abort()  # so that a part is not taken for the whole
        return None
    await response.eof()
    return None


async def _pages(store: SiteStore, wanted: AuditFilter) -> AsyncIterator[list[AuditRow]]:
    """At least one page, perhaps an empty one."""
    before_id = wanted.before_id
    while True:
        asked = AuditFilter(
            from_s=wanted.from_s,
            to_s=wanted.to_s,
            user_name=wanted.user_name,
            action=wanted.action,
            result=wanted.result,
            before_id=before_id,
        )
        page = await store.run(store_audit.find, asked, decisions.MOST_ITEMS)
        yield page
        if len(page) < decisions.MOST_ITEMS:
            return
        before_id = page[-1].id
