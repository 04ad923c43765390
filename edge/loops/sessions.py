"""Looks at the mirror's state every few seconds, drives the session machine, and keeps what it says on disk.

Never waits for the database: edge/loops/session_delivery.py does. A session that begins or changes is on disk before
anybody hears of it; while nothing changes the machine's memory is written once a minute, since the meter catches up
after a crash.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from common import logs
from common.clock import Clock
from common.health import Health, Status
from common.live_events import SessionEvent, SessionEventType
from common.model import Snapshot
from common.store.rows import SessionRecord
from edge.scans import Discard
from edge.sessions.look import Change, Kind
from edge.sessions.machine import OLDEST_S, SessionMachine
from edge.sessions.records import Key
from edge.sessions.state import MachineState, Scan
from edge.sessions.supply import Prices, missing_price

PRICES = "prices"

TICK_S = 5.0
"""openWB reports every 10 s; half of that sees each report soon, and once."""

LEAST_PAUSE_S = 0.05  # real seconds: a clock that runs fast must not keep a core busy
LOOK_S = 1.0  # the longest pause: for scans, for a clock that was set, and for a stop
SAVE_S = 60.0  # of the clock: what a crash may cost is told apart by the meters of the site
LEAST_SAVE_S = 1.0  # real seconds: a clock that runs fast must not wear out a card
LEAST_STALE_S = 2.0  # real seconds, as in edge/loops/mirror.py: under a fast clock minutes pass between two messages
ID_WITHIN_S = 5.0
"""Real seconds that an event waits for the id that the database gives its session: while it answers, one or two."""

MOST_IDS = 1_000  # sessions whose ids are remembered: those that run, and some that ended
MOST_SCANS = 100
"""Scans that wait for the next look; people scan one card at a time, so more is noise, and the oldest may go."""

log = logs.get(__name__)


class SessionMemory(Protocol):
    """What outlives the process."""

    def load(self) -> MachineState | None:
        """None: nothing is known."""
        ...

    def save(self, state: MachineState, records: Sequence[SessionRecord]) -> None:
        """Keep both, whatever is broken; what is lost is counted and shown there."""
        ...


class SessionLoop:
    """`run` is the loop's thread; `note_scan` and `note_discard` may be called from any.

    `current` gives the newest snapshot; `announce` tells the live channel of sessions that started and ended.
    """

    def __init__(
        self,
        current: Callable[[], Snapshot | None],
        memory: SessionMemory,
        health: Health,
        clock: Clock,
        prices: Prices | None = None,
        announce: Callable[[Mapping[str, Any]], None] | None = None,
        least_pause_s: float = LEAST_PAUSE_S,
    ) -> None:
        self._current = current
        self._memory = memory
        self._health = health
        self._clock = clock
        self._prices = prices
        self._announce = announce
        self._least_pause_s = least_pause_s
        self._scans: deque[Scan] = deque(maxlen=MOST_SCANS)
        self._discards: deque[Discard] = deque(maxlen=MOST_SCANS)
        self._stored: deque[tuple[Key, int]] = deque(maxlen=MOST_IDS)
        self._untold: list[tuple[float, SessionEvent]] = []  # with the monotonic instant up to which it waits
        self._machine = SessionMachine(prices)
        self._oldest_s = OLDEST_S
        self._landmarks: tuple[object, ...] = ()  # as saved
        self._saved_at = 0.0
        self._saved_monotonic_s = 0.0

    def note_scan(self, scan: Scan) -> None:
        """A tag was scanned; never blocks."""
        self._scans.append(scan)

    def note_stored(self, key: Key, session_id: int) -> None:
        """The database has a session, by this id; never blocks."""
        self._stored.append((key, session_id))

    def note_discard(self, discard: Discard) -> None:
        """The wallbox threw a tag away; never blocks."""
        self._discards.append(discard)

    def run(self, stop: threading.Event) -> None:
        self.restore()
        while not stop.is_set():
            now = self._clock.now()
            self.turn(now)
            pause_s = self._clock.real_seconds_until(now + TICK_S)
            if pause_s > 0:
                self._oldest_s = max(OLDEST_S, LEAST_STALE_S * TICK_S / pause_s)
            stop.wait(min(max(pause_s, self._least_pause_s), LOOK_S))
        self._save([])
        self._tell(is_last=True)

    def restore(self) -> None:
        """Go on where the last process was."""
        self._machine = SessionMachine(self._prices, self._memory.load())

    def turn(self, now: float) -> None:
        """One look."""
        changes: list[Change] = []
        while self._scans:
            changes += self._machine.note_scan(self._scans.popleft())
        snapshot = self._current()
        if snapshot is not None and not snapshot.state.meta.is_stale:
            self._health.report(PRICES, Status.OK, missing_price(snapshot.state.tariff))
        while self._discards:
            discard = self._discards.popleft()
            changes += self._machine.drop_scan(discard.tag, discard.charge_point)
        changes += self._machine.look(now, snapshot, self._oldest_s)
        landmarks = self._machine.landmarks()
        is_time = not 0 <= now - self._saved_at < SAVE_S and self._may_save_again()
        if changes or is_time or landmarks != self._landmarks:
            self._saved_at, self._landmarks = now, landmarks
            self._save([change.record for change in changes])
        for change in changes:
            self._note(change)
        self._tell()

    def _save(self, records: list[SessionRecord]) -> None:
        self._saved_monotonic_s = time.monotonic()
        self._memory.save(self._machine.state, [*records, *self._machine.running()])

    def _may_save_again(self) -> bool:
        return time.monotonic() - self._saved_monotonic_s >= LEAST_SAVE_S

    def _note(self, change: Change) -> None:
        row = change.record.session
        if change.kind is Kind.CHANGED:
            return
        self._health.count(f"sessions_{change.kind}")
        log.info(f"session_{change.kind}", charge_point=row.charge_point, energy_wh=row.energy_wh)
        event = SessionEvent(
            type=SessionEventType.STARTED if change.kind is Kind.STARTED else SessionEventType.ENDED,
            charge_point=row.charge_point,
            started_at=row.started_at,
            ended_at=row.ended_at,
            energy_wh=row.energy_wh,
        )
        self._untold.append((time.monotonic() + ID_WITHIN_S, event))

    def _tell(self, *, is_last: bool = False) -> None:
        """Announce the events, in order, of which the id is known or was waited for long enough."""
        ids = dict(self._stored)
        while self._untold and self._announce is not None:
            until, event = self._untold[0]
            known = ids.get((event.charge_point, event.started_at))
            if known is None and time.monotonic() < until and not is_last:
                return
            self._announce(asdict(replace(event, id=known)))
            del self._untold[0]
