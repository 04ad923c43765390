"""One reader of the change stream for all live connections: hands every entry to their outboxes, in order, once.

Requests that wait for a command to settle are told of its records too.

Survives Redis: it goes on where it stopped, or, when the stream no longer holds that place, has every client take a
new snapshot. It also watches the edge's heartbeat, so that clients learn that nobody vouches for the values any more.
Run by app.py under its supervisor; the event loop owns all of it.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from api import live
from api.errors import Overloaded
from api.live import Entry, Outbox
from api.ports import StateReader
from common import logs
from common.backoff import Backoff
from common.commands import CommandRecord
from common.errors import RedisUnavailable

log = logs.get(__name__)

MOST_CONNECTIONS = 200
"""Live connections of one site; a household has ten. Each costs about 50 kB and its share of every change."""

HEARTBEAT_EVERY_S = 2.0  # how often the edge's heartbeat is looked at while changes keep the reader busy


class Watch:
    """The newest record of one command, as the stream tells it, for the one request that waits for it."""

    def __init__(self) -> None:
        self._record: CommandRecord | None = None
        self._told = asyncio.Event()

    def tell(self, record: CommandRecord) -> None:
        self._record = record
        self._told.set()

    async def next(self, timeout_s: float) -> CommandRecord | None:
        """The record told since the last call; waits for one, None if there was none by then."""
        try:
            await asyncio.wait_for(self._told.wait(), timeout_s)
        except TimeoutError:
            return None
        self._told.clear()
        return self._record


class Hub:
    """The connections and the place in the stream."""

    def __init__(self, state: StateReader) -> None:
        self._state = state
        self._outboxes: dict[Outbox, asyncio.Event] = {}
        self._watches: dict[Watch, str] = {}
        self._seq: int | None = None
        self._is_edge_alive = False
        self._is_wallbox_silent = True
        self._looked_at = 0.0

    @property
    def connections(self) -> int:
        """How many live connections there are."""
        return len(self._outboxes)

    def check_room(self) -> None:
        """Raises Overloaded if no connection more is taken."""
        if len(self._outboxes) >= MOST_CONNECTIONS:
            raise Overloaded("too many live connections", retry_after_s=10)

    @contextmanager
    def subscribed(self, outbox: Outbox) -> Iterator[asyncio.Event]:
        """Inside, `outbox` gets every change; the event is set whenever it has news."""
        wake = asyncio.Event()
        self._outboxes[outbox] = wake
        if self._seq is not None:
            outbox.put_staleness(self._is_stale(), time.time())
        try:
            yield wake
        finally:
            del self._outboxes[outbox]

    @contextmanager
    def watching(self, command_id: str) -> Iterator[Watch]:
        """Inside, the watch is told every new record of this command. There are as many as requests that wait."""
        watch = Watch()
        self._watches[watch] = command_id
        try:
            yield watch
        finally:
            del self._watches[watch]

    async def run(self) -> None:
        """Read until cancelled; Redis being away is waited for."""
        backoff = Backoff(first_s=0.2, longest_s=5.0)
        is_lost = False
        while True:
            try:
                await self._find_place()
                backoff.reset()
                if is_lost:
                    log.info("change_stream_back")
                    is_lost = False
                while True:
                    await self._read_once()
            except RedisUnavailable as exc:
                (log.debug if is_lost else log.warning)("change_stream_lost", detail=exc.detail)
                is_lost = True
                self._is_edge_alive = False
                self._judge()
                await asyncio.sleep(backoff.next_delay_s())

    async def _find_place(self) -> None:
        """After a start or a loss: go on after the last entry handed out if the stream still has it."""
        seen = await self._state.observe()
        if self._seq is not None and self._seq > 0:
            entries = await self._state.entries_from(self._seq, 1)
            is_there = bool(entries) and entries[0].seq == self._seq
        else:
            is_there = False
        if not is_there:
            is_first = self._seq is None
            self._seq = seen.snapshot.seq if seen.snapshot is not None else 0
            if seen.snapshot is not None:
                self._is_wallbox_silent = seen.snapshot.state.meta.is_stale
            if not is_first:
                for outbox in self._outboxes:
                    outbox.start_over()
        self._is_edge_alive = seen.is_edge_alive
        self._looked_at = asyncio.get_running_loop().time()
        self._judge()

    async def _read_once(self) -> None:
        entries = await self._state.next_entries(self._seq or 0)
        for entry in entries:
            self._hand_out(entry)
        now = asyncio.get_running_loop().time()
        if now - self._looked_at >= HEARTBEAT_EVERY_S:
            self._looked_at = now
            self._is_edge_alive = (await self._state.observe()).is_edge_alive
        self._judge()

    def _hand_out(self, entry: Entry) -> None:
        told = live.told(entry)
        self._is_wallbox_silent = bool(entry.changes.get("meta.is_stale", self._is_wallbox_silent))
        for outbox in self._outboxes:
            outbox.put(told)
        if isinstance(entry.event, CommandRecord):
            for watch, command_id in self._watches.items():
                if command_id == entry.event.id:
                    watch.tell(entry.event)
        self._seq = entry.seq

    def _judge(self) -> None:
        now = time.time()
        for outbox, wake in self._outboxes.items():
            outbox.put_staleness(self._is_stale(), now)
            if outbox.has_news():
                wake.set()

    def _is_stale(self) -> bool:
        return self._is_wallbox_silent or not self._is_edge_alive
