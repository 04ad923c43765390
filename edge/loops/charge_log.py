"""Reads the wallbox's own charge log, and compares it with the recorded sessions: after a charge, and once a day.

What only the log has becomes a session, what the edge did not hear is filled in; energies that differ are told in the
log and in health, and stay. While the wallbox is silent nobody asks it.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from itertools import chain

from common import logs
from common.backoff import Backoff
from common.clock import Clock
from common.errors import AppError, StoreUnavailable
from common.health import Health, Status
from common.model import Snapshot
from common.store.errors import StoreError
from common.store.rows import SessionRow
from edge.charge_log import v1, v2
from edge.charge_log.entries import Parsed
from edge.charge_log.errors import ChargeLogUnavailable
from edge.charge_log.matching import SETTLED_S, Comparison, compare
from edge.charge_log.schedule import FIRST_AFTER_S, Month, Watch, months
from edge.charge_log.verdicts import LOG, LONGEST_SESSION_S, TOLERANCE_S
from edge.loops.reconciling import Done, SessionBook, carry_out

COMPONENT = "charge_log"

LOOK_S = 1.0  # at the state; a charge of interest lasts minutes
MOST_TRIES = (
    6  # with the pauses below some ten minutes: a reboot of the wallbox. Then it waits for the next charge or day
)

Reader = Callable[[Month, threading.Event], Parsed | None]
"""Reads a month of one generation's log; None: there is no file for it. Raises ChargeLogUnavailable."""

log = logs.get(__name__)


def log_readers(
    ask: Callable[[Month, threading.Event], bytes], fetch: Callable[[Month], bytes | None] | None, zone: tzinfo
) -> dict[str, Reader]:
    """How each generation's log is read: 2.x is asked by command, 1.9's file fetched from its web server, if at all."""

    def by_command(month: Month, stop: threading.Event) -> Parsed:
        parsed = v2.parse(ask(month, stop), zone)
        if parsed is None:
            raise ChargeLogUnavailable("the wallbox answered with something else than a charge log")
        return parsed

    readers: dict[str, Reader] = {"2.x": by_command}
    if fetch is not None:

        def by_file(month: Month, _stop: threading.Event) -> Parsed | None:
            content = fetch(month)
            return None if content is None else v1.parse(content, zone)

        readers["1.9"] = by_file
    return readers


class ChargeLogLoop:
    """`readers` are by generation; one that has none is not asked. `current` gives the newest snapshot.

    `undelivered` gives the sessions that wait for the database, None when nobody knows; else they would count twice.
    """

    def __init__(
        self,
        readers: Mapping[str, Reader],
        current: Callable[[], Snapshot | None],
        book: SessionBook,
        zone: tzinfo,
        health: Health,
        clock: Clock,
        *,
        owner_of: Callable[[str], str | None] = lambda _tag: None,
        undelivered: Callable[[], Sequence[SessionRow] | None] = lambda: (),
        first_after_s: float = FIRST_AFTER_S,
        backoff: Backoff | None = None,
    ) -> None:
        self._readers = readers
        self._current = current
        self._book = book
        self._zone = zone
        self._health = health
        self._clock = clock
        self._owner_of = owner_of
        self._undelivered = undelivered
        self._first_after_s = first_after_s
        self._backoff = backoff or Backoff(first_s=10.0, longest_s=300.0)
        self._told: set[object] = set()  # findings of the last look, so that each is logged once

    def run(self, stop: threading.Event) -> None:
        self._health.report(COMPONENT, Status.OK, "not read yet")
        watch = Watch(self._clock.now() + self._first_after_s)
        tries = 0
        while not stop.is_set():
            pause_s = LOOK_S
            snapshot = self._current()
            if snapshot is not None and not snapshot.state.meta.is_stale:
                watch.follow(snapshot.state.charge_points, self._clock.now())
                if self._clock.now() >= watch.due_at:
                    pause_s, tries = self._turn(snapshot.state.meta.generation, watch, tries, stop)
            stop.wait(pause_s)

    def _turn(self, generation: str, watch: Watch, tries: int, stop: threading.Event) -> tuple[float, int]:
        """One look; answers how long to pause, and how often it failed in a row."""
        reader = self._readers.get(generation)
        if reader is None:
            watch.looked(self._clock.now())
            self._health.report(COMPONENT, Status.DISABLED)
            return LOOK_S, 0
        try:
            found, done = self._look(reader, stop)
        except (ChargeLogUnavailable, StoreUnavailable, StoreError) as exc:
            return (0.0, tries) if stop.is_set() else self._failed(exc, watch, tries + 1)
        now = self._clock.now()
        watch.looked(now)
        if found.waiting:
            watch.want(max(row.ended_at for row in found.waiting) + SETTLED_S + 1)
        self._backoff.reset()
        self._health.count("charge_log_reads")
        self._health.count("charge_log_sessions_added", done.added)
        self._health.count("charge_log_sessions_filled", done.filled)
        if self._health.report(COMPONENT, Status.OK, _summary(found)):
            log.info("charge_log_readable")
        return LOOK_S, 0

    def _failed(self, exc: AppError, watch: Watch, tries: int) -> tuple[float, int]:
        if tries < MOST_TRIES:
            log.debug("charge_log_failed", reason=exc.code, why=exc.message, detail=exc.detail)
            return self._backoff.next_delay_s(), tries
        watch.looked(self._clock.now())
        changed = self._health.report(COMPONENT, Status.FAILING, exc.message)
        tell = log.warning if changed else log.debug  # the first failure loudly, its repeats quietly
        tell("charge_log_failed", reason=exc.code, why=exc.message, detail=exc.detail)
        self._backoff.reset()
        return LOOK_S, 0

    def _look(self, reader: Reader, stop: threading.Event) -> tuple[Comparison, Done]:
        now = self._clock.now()
        wanted = months(now, self._zone)
        read = [reader(month, stop) for month in wanted]
        if all(part is None for part in read):
            raise ChargeLogUnavailable("the wallbox's web server has no charge log")
        parts = [part for part in read if part is not None]
        begins_at = wanted[0].starts_at(self._zone)
        undelivered = self._undelivered()  # before those that are stored: what is delivered meanwhile is among both
        if undelivered is None:
            raise ChargeLogUnavailable("the sessions that wait for the database cannot be read")
        found = compare(
            list(chain.from_iterable(part.entries for part in parts)),
            self._book.sessions(begins_at - LONGEST_SESSION_S, int(now) + TOLERANCE_S),
            now=int(now),
            origin=LOG,
            complete=(begins_at, int(now)),
            owner_of=self._owner_of,
            undelivered=undelivered,
            stored=self._book.entries(begins_at - LONGEST_SESSION_S, int(now) + TOLERANCE_S),
        )
        done = carry_out(self._book, found)
        self._tell(found, sum(len(part.bad) for part in parts))
        return found, done

    def _tell(self, found: Comparison, bad: int) -> None:
        """Each finding once: the same months are read again and again."""
        findings: set[object] = {*found.differences, *((row.charge_point, row.started_at) for row in found.unlogged)}
        findings |= {("merged", row.charge_point, row.started_at) for row in found.merged}
        for row in found.merged:
            if ("merged", row.charge_point, row.started_at) not in self._told:
                log.warning("session_is_several_in_log", charge_point=row.charge_point, started_at=row.started_at)
        for difference in found.differences:
            if difference not in self._told:
                log.warning(
                    "energy_differs",
                    charge_point=difference.charge_point,
                    started_at=difference.started_at,
                    recorded_wh=difference.recorded_wh,
                    logged_wh=difference.logged_wh,
                )
        for row in found.unlogged:
            if (row.charge_point, row.started_at) not in self._told:
                log.info("session_not_in_log", charge_point=row.charge_point, started_at=row.started_at)
        if bad and ("bad", bad) not in self._told:
            log.warning("charge_log_lines_bad", count=bad)
        self._told = findings | ({("bad", bad)} if bad else set())


def _summary(found: Comparison) -> str | None:
    parts = [
        f"{count} {what}"
        for count, what in (
            (len(found.differences), "sessions differ in energy from the wallbox's log"),
            (len(found.unlogged), "are not in it"),
            (len(found.merged), "are several plug-ins there"),
        )
        if count
    ]
    return ", ".join(parts) or None
