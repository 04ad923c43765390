"""Cards at the reader → profiles: hears of scans, has profiles applied and put back, and tells what became of each
scan.

`edge/scans.py` says what a scan is, `common/profiles.py` what it does, `edge/profiles.py` how it goes on; this loop
carries. Every step is kept on disk before anything is done, so a restart in between loses nothing and repeats nothing.
A tag appears in no log but by its last two characters.
"""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import tzinfo
from typing import Any, Protocol

from common import logs
from common.backoff import Backoff
from common.clock import Clock, uptime_s
from common.commands import Command, CommandRecord
from common.errors import RedisUnavailable, StoreUnavailable
from common.health import Health, Status
from common.live_events import ScanEvent
from common.model import SiteState, Snapshot
from common.profiles import Book, Outcome, decide, learnt_by
from common.store.errors import StoreError
from common.store.rows import ScanRow
from common.tags import redacted
from edge import profiles
from edge.openwb import rfid
from edge.openwb.parsing import Unreadable
from edge.profiles import Journal, Step, Visit
from edge.scans import Discard, Memory, Scan, Scans

COMPONENT = "rfid"

LOOK_S = 0.5  # for messages; also how soon a stop and an unplugged car are noticed
MOST_MESSAGES = 1_000
"""That wait: fifty charge points of 2.x say three things each in a control cycle, and a frozen database takes 15 s."""

BOOK_KEPT_S = 86_400.0
"""For so long profiles read before serve while the database is away; whoever loses a card takes it away within a
day."""

BOOK_READ_EVERY_S = 300.0
"""So that there are profiles to fall back on: while nothing is scanned they are read as rarely as this."""

ONE_BY_ONE_S = 20.0
"""How long a card waits for another one's commands: openWB answers within seconds, or not at all."""

MOST_ROWS = 100  # of one transaction with the database

log = logs.get(__name__)


class Keeper(Protocol):
    """What is kept over restarts."""

    def load(self) -> Journal: ...

    def save(self, journal: Journal) -> str | None:
        """Why it could not be kept, in words for anybody; None if it was."""
        ...


class Cards(Protocol):
    """The database. Every method blocks for some seconds at most and raises StoreUnavailable or StoreError."""

    def book(self) -> Book: ...

    def learn(self, tag: str, now: int) -> str | None:
        """The name of the user whose tag it is from now on; None if nobody waits for one."""
        ...

    def save(self, rows: Sequence[ScanRow]) -> None: ...


class Wishes(Protocol):
    """The command queue. Every method raises RedisUnavailable."""

    def submit(self, command: Command) -> None:
        """Nothing happens if this id was submitted before."""
        ...

    def record(self, command_id: str) -> CommandRecord | None: ...


class Inbox:
    """Messages on RFID topics, in order; `hear` is called by the MQTT session's thread, `take` by the loop's.

    When it is full the oldest is dropped and counted.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._arrived = threading.Condition()  # guards the queue; held for its operations only
        self._messages: deque[tuple[str, bytes, bool]] = deque()

    def hear(self, topic: str, payload: bytes, is_retained: bool) -> None:
        with self._arrived:
            if len(self._messages) >= MOST_MESSAGES:
                self._messages.popleft()
                self._health.count("rfid_messages_dropped")
            self._messages.append((topic, payload, is_retained))
            self._arrived.notify()

    def wait(self, timeout_s: float) -> None:
        """Until there is a message."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._messages, timeout_s)

    def take(self) -> list[tuple[str, bytes, bool]]:
        """All that wait."""
        with self._arrived:
            messages = list(self._messages)
            self._messages.clear()
            return messages


class RfidLoop:
    """`on_scan` are called with each scan, then `on_discard` with each tag that the wallbox threw away, once.

    In this loop's thread; they must not block.

    `site_wide` names the wishes of each generation that hold for all charge points. `zone` is the site's. `announce`
    tells the live channel.
    """

    def __init__(
        self,
        inbox: Inbox,
        keeper: Keeper,
        cards: Cards,
        wishes: Wishes,
        current_state: Callable[[], Snapshot | None],
        on_scan: Sequence[Callable[[Scan], None]],
        site_wide: Mapping[str, frozenset[str]],
        zone: tzinfo,
        health: Health,
        clock: Clock,
        backoff: Backoff | None = None,
        announce: Callable[[Mapping[str, Any]], None] | None = None,
        on_discard: Sequence[Callable[[Discard], None]] = (),
    ) -> None:
        self._announce = announce
        self._inbox = inbox
        self._keeper = keeper
        self._cards = cards
        self._wishes = wishes
        self._current_state = current_state
        self._on_scan = on_scan
        self._on_discard = on_discard
        self._site_wide = site_wide
        self._zone = zone
        self._health = health
        self._clock = clock
        self._backoff = backoff or Backoff(first_s=0.5, longest_s=30.0)
        self._visits: list[Visit] = []
        self._scans = Scans(Memory())
        self._is_changed = False
        self._book: Book | None = None
        self._book_at = 0.0  # uptime, as all instants below
        self._book_asked_at = 0.0
        self._store_at = 0.0

    def run(self, stop: threading.Event) -> None:
        journal = self._keeper.load()
        self._scans, self._visits = Scans(journal.memory), journal.visits
        self._book_asked_at = -BOOK_READ_EVERY_S
        self._health.report(COMPONENT, Status.OK)
        while not stop.is_set():
            snapshot = self._current_state()
            if snapshot is None or snapshot.state.meta.generation not in self._site_wide:
                # What is retained of another generation is nobody's scan: wait until it is known which one lives.
                self._store()
                stop.wait(LOOK_S)
                continue
            self._turn(snapshot.state)
            if self._scans.is_arriving:
                stop.wait(LOOK_S / 5)
            else:
                self._inbox.wait(LOOK_S)

    def _turn(self, state: SiteState) -> None:
        scanned = self._hear(state.meta.generation)
        self._visits = profiles.bounded([*self._visits, *scanned])
        self._keep()
        for visit in scanned:
            self._tell(visit.scan)
            self._tell_live(visit)
        for discard in self._scans.thrown_away(uptime_s()):
            self._tell_discard(discard)
        self._advance(state)
        self._keep()
        self._store()

    def _hear(self, generation: str) -> list[Visit]:
        """The scans that messages told of."""
        for topic, payload, is_retained in self._inbox.take():
            if rfid.generation_of(topic) != generation:
                continue
            try:
                said = rfid.read(topic, payload)
            except Unreadable as exc:
                self._health.count(f"rfid_skipped_{exc.reason}")
                log.debug("rfid_message_skipped", topic=topic, reason=exc.reason)
                continue
            self._scans.hear(topic, said, is_retained=is_retained, now=self._clock.now(), uptime=uptime_s())
        now = time.time()
        return [
            profiles.begin(scan, secrets.token_hex(16), now) for scan in self._scans.due(self._clock.now(), uptime_s())
        ]

    def _tell(self, scan: Scan) -> None:
        self._health.count("rfid_scans")
        log.info("card_scanned", tag=redacted(scan.tag), charge_point=scan.charge_point, is_fresh=scan.is_fresh)
        for listener in self._on_scan:
            try:
                listener(scan)
            except Exception as exc:  # noqa: BLE001 -- the handler of one inbound message: the others go on
                log.error("scan_listener_failed", error=type(exc).__name__)  # its words may quote the tag

    def _tell_live(self, visit: Visit) -> None:
        if self._announce is not None:
            event = ScanEvent(
                charge_point=visit.charge_point, scanned_at=visit.scan.scanned_at, outcome=visit.outcome.value
            )
            self._announce(asdict(event))

    def _tell_discard(self, discard: Discard) -> None:
        self._health.count("rfid_discards")
        log.info("card_thrown_away", tag=redacted(discard.tag), charge_point=discard.charge_point)
        for listener in self._on_discard:
            try:
                listener(discard)
            except Exception as exc:  # noqa: BLE001 -- as in `_tell`
                log.error("scan_listener_failed", error=type(exc).__name__)

    def _advance(self, state: SiteState) -> None:
        for key in [visit.key for visit in self._visits]:
            visit = next(one for one in self._visits if one.key == key)  # what was done for another may have changed it
            try:
                after = self._next(visit, state)
            except RedisUnavailable as exc:  # the mirror loop tells about it
                log.debug("rfid_waits_for_redis", detail=exc.detail)
                return
            if after is not visit:
                self._replace(visit, after, state.meta.generation)

    def _next(self, visit: Visit, state: SiteState) -> Visit:
        """One visit's next step, if it is time for one."""
        now = time.time()
        point = state.charge_points.get(visit.charge_point or "")
        is_plugged = None if point is None else point.is_plugged
        match visit.step:
            case Step.HEARD | Step.HELD:
                is_held = self._scans.is_held(visit.scan.tag, visit.scan.charge_point)
                visit = profiles.held(visit, now, is_held=is_held, is_plugged=is_plugged)
                if profiles.is_too_old(visit, now):
                    return profiles.ended(visit, Outcome.LATE, "Wallport did not run then", now)
                settles = rfid.has_templates(state.meta.generation)
                is_ripe = profiles.is_ripe(visit, now, settles=settles) and not self._is_in_the_way(visit, now)
                return self._judged(visit, state) if is_ripe else visit
            case Step.APPLYING | Step.RESTORING:
                command = profiles.command(visit, now)
                if command is None:
                    return visit
                record = self._wishes.record(command.id)
                if record is None:
                    self._wishes.submit(command)
                return profiles.followed(visit, record, now)
            case Step.APPLIED if point is not None and not state.meta.is_stale:
                visit = profiles.watched(visit, point, now)
        if now < visit.watched_until and visit.commands:
            record = self._wishes.record(visit.commands[-1].id)
            return visit if record is None else profiles.noted(visit, record)
        return visit

    def _is_in_the_way(self, visit: Visit, now: float) -> bool:
        """Whether another card's commands are under way: what was before would be a mixture."""
        is_patient = now - visit.since < ONE_BY_ONE_S
        return is_patient and any(one.step in (Step.APPLYING, Step.RESTORING) for one in self._visits)

    def _judged(self, visit: Visit, state: SiteState) -> Visit:
        now, tag = time.time(), visit.scan.tag
        book = self._read_book()
        if book is None:
            if now - visit.since < profiles.PROFILES_WITHIN_S:
                return visit
            return profiles.ended(visit, Outcome.PROFILES_UNKNOWN, "the database is away", now)
        plugs = {number: point.is_plugged for number, point in state.charge_points.items()}
        generation = state.meta.generation
        decision = decide(
            *(book, tag, visit.scan.scanned_at, visit.scan.charge_point, plugs, self._zone),
            site_wide=self._site_wide[generation],
        )
        if decision.outcome is Outcome.UNKNOWN and (learner := self._learn(tag)) is not None:
            return profiles.ended(visit, Outcome.LEARNED, learnt_by(learner), now)
        point = state.charge_points.get(decision.charge_point or "")
        return profiles.judged(visit, decision, now, point, is_by_mode=rfid.has_templates(generation))

    def _learn(self, tag: str) -> str | None:
        try:
            return self._cards.learn(tag, int(time.time()))
        except (StoreUnavailable, StoreError) as exc:
            log.warning("card_not_learnt", reason=exc.code)
            return None

    def _read_book(self) -> Book | None:
        """All tags and profiles, as new as can be had; None if none are known that are young enough."""
        self._book_asked_at = uptime_s()
        try:
            self._book = self._cards.book()
            self._book_at = uptime_s()
        except (StoreUnavailable, StoreError) as exc:  # the delivery loop tells about it
            log.debug("profiles_unread", reason=exc.code)
        return self._book if uptime_s() - self._book_at <= BOOK_KEPT_S else None

    def _replace(self, visit: Visit, after: Visit, generation: str) -> None:
        """Take `after` for `visit`, with what it changes of others."""
        others = [one for one in self._visits if one.key != visit.key]
        was_applying = visit.step is Step.APPLYING and after.step is not Step.APPLYING
        if was_applying and (after.outcome is Outcome.APPLIED or after.previous):
            after, *others = profiles.took_over(after, others, self._site_wide[generation], time.time())
        known = {one.key: one for one in (after, *others)}
        self._visits = [known[one.key] for one in self._visits]
        self._is_changed = True
        if after.outcome is not visit.outcome:
            self._tell_live(after)
        if after.outcome is not visit.outcome or (after.step is Step.OVER and visit.step is not Step.OVER):
            log.info("card", outcome=after.outcome.value, tag=redacted(after.scan.tag), user=after.user)
            if after.step is Step.OVER:
                self._health.count(f"rfid_{after.outcome}")

    def _keep(self) -> None:
        """On disk. While a scan is still arriving the words that told of it are not: after a restart they are news."""
        if self._scans.is_arriving or not (self._is_changed or self._scans.is_changed):
            return
        fault = self._keeper.save(Journal(self._scans.memory, self._visits))
        self._is_changed = self._scans.is_changed = False
        if fault is None:
            self._health.report(COMPONENT, Status.OK)
        elif self._health.report(COMPONENT, Status.FAILING, f"scans are not kept over a restart: {fault}"):
            log.warning("rfid_file_failed", reason=fault)

    def _store(self) -> None:
        """Into the database; and now and then read what it says."""
        if uptime_s() < self._store_at:
            return
        waiting = [visit for visit in self._visits if not visit.is_stored][:MOST_ROWS]
        if not waiting:
            self._forget()
            if uptime_s() - self._book_asked_at >= BOOK_READ_EVERY_S:
                self._read_book()
            return
        try:
            self._cards.save([profiles.row(visit) for visit in waiting])
        except (StoreUnavailable, StoreError) as exc:
            log.debug("scans_wait_for_store", reason=exc.code)
            self._store_at = uptime_s() + self._backoff.next_delay_s()
            return
        self._backoff.reset()
        stored = {visit.key for visit in waiting}
        self._visits = [replace(one, is_stored=True) if one.key in stored else one for one in self._visits]
        self._is_changed = True

    def _forget(self) -> None:
        now = time.time()
        left = [visit for visit in self._visits if not profiles.is_done(visit, now)]
        self._is_changed = self._is_changed or len(left) < len(self._visits)
        self._visits = left
