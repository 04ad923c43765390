"""One look at one charge point: whether its session begins, goes on or ends, and what energy came since the last look.

Changes the memory of that charge point (edge/sessions/state.py) and says what is new. The rules: a session lasts from
plug to unplug, whatever the wallbox or the car does in between; what is unknown neither begins nor ends anything; the
energy is always the meter's.
"""

from dataclasses import dataclass
from enum import StrEnum

from common.model import SiteState
from common.store.rows import SessionRecord
from edge.sessions import tags
from edge.sessions.readings import Reading, Verdict, judge_meter
from edge.sessions.records import record_of
from edge.sessions.segments import begins_charging, follow, grow
from edge.sessions.state import Flow, MachineState, Point, Segment, Session, Site
from edge.sessions.supply import GAP_S, TARIFF, Prices, gather, price, shared

FLAP_S = 70.0
"""Unplugged for less is a plug that flapped, or a wallbox that restarts: openWB 1.9 waits for six loops of 10 s.

A 2.x may report once a minute only, so that one wrong report lasts as long.
"""

SHORTEST_S = 60.0
"""A session without energy that lasts less is nothing that anybody wants to read of."""

COUNTER_FELL_WH = 200.0
"""The wallbox's counter since plug-in is rounded and late by a loop or two; a fall by more is another plug-in."""

LARGEST_CHARGE_WH = 250_000.0
"""No car takes more: a counter since plug-in that says so lost its start (1.9, when the broker lost its memory)."""

LONGEST_CHARGE_S = 24 * 3600.0
"""What came in a longer time while nobody looked, and the car is gone since, may be another car's."""

KEY_CLASH_S = 3600.0
"""A clock that is set back by less must not begin a session within the one before; after a greater step it may."""


class Kind(StrEnum):
    STARTED = "started"
    CHANGED = "changed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Change:
    """A session of which something is new that should be known soon. STARTED and ENDED come once for each session."""

    kind: Kind
    record: SessionRecord


@dataclass(frozen=True, slots=True)
class World:
    """What is around the charge points at one instant: the site now and at the last look, and what else is known."""

    now: float
    state: SiteState
    site: Site
    site_before: Site | None
    memory: MachineState
    prices: Prices


class Look:
    """One charge point at one instant; `judge` once."""

    def __init__(self, name: str, point: Point, reading: Reading, world: World) -> None:
        self._name = name
        self._point = point
        self._reading = reading
        self._world = world
        self._now = world.now
        self._elapsed_s = max(0.0, world.now - point.seen_at)
        self._is_gap = self._elapsed_s > GAP_S
        self._has_news = False
        self._changes: list[Change] = []

    def judge(self) -> list[Change]:
        """Bring the point's memory up to date; answers what is new."""
        point, reading, world = self._point, self._reading, self._world
        verdict = judge_meter(point, reading.meter_wh, self._now)
        gather(point.flow, world.site_before, world.state, world.site, self._elapsed_s)
        if point.absent_since is not None and reading.is_plugged is not None:
            self._wait_for_flap(verdict, point.absent_since)
        if point.session is None and reading.is_plugged:
            self._start(verdict)
        elif point.session is not None and reading.is_plugged is False:
            self._miss(verdict)
        elif point.session is not None:
            self._go_on(verdict)
        else:
            self._take_meter(verdict)
        self._remember()
        return self._changes

    def _wait_for_flap(self, verdict: Verdict, absent_since: float) -> None:
        """The car was not plugged in at the last look. Is it back, or is it gone for long enough?"""
        point = self._point
        point.absent_s += self._elapsed_s
        if self._reading.is_plugged and (point.absent_s < FLAP_S or self._is_counted_on()):
            point.absent_since, point.absent_s = None, 0.0
            return
        if point.absent_s < FLAP_S:
            return
        if not self._reading.is_plugged and verdict is not Verdict.SWAPPED:
            self._count(verdict)  # a meter that was late
        self._end(absent_since)

    def _is_counted_on(self) -> bool:
        """Whether nobody looked, and the wallbox itself says that it is still the same plug-in."""
        since_wh, before_wh = self._reading.since_plugged_wh, self._point.since_plugged_wh
        return self._is_gap and bool(since_wh and before_wh) and (since_wh or 0.0) >= (before_wh or 0.0)

    def leave(self) -> list[Change]:
        """The charge point is gone for good."""
        self._end(self._point.seen_at)
        return self._changes

    def _start(self, verdict: Verdict) -> None:
        point, reading = self._point, self._reading
        started_at = int(self._now)
        if point.last_ended_at is not None and 0 < point.last_ended_at - started_at < KEY_CLASH_S:
            started_at = point.last_ended_at
        before_wh = point.meter_wh
        if self._is_gap or verdict is Verdict.SWAPPED or point.is_plugged is not False:
            # Nobody saw the car come. The meter counts from now on, or from where the wallbox says it was plugged in.
            self._take_meter(verdict)
            before_wh = self._meter_at_plug(before_wh)
        session = point.session = Session(started_at=started_at, soc_start_percent=reading.soc_percent)
        session.meter_start_wh = session.meter_end_wh = before_wh
        session.segments.append(
            Segment(
                started_at=started_at,
                is_charging=bool(reading.is_charging),
                mode=reading.mode,
                meter_start_wh=before_wh,
                meter_end_wh=before_wh,
            )
        )
        tags.claim(self._world.memory, self._name, session)
        if before_wh is not None and point.meter_wh is not None and point.meter_wh > before_wh:
            point.flow, self._is_gap = Flow(), True  # of that time nobody knows what fed it
            self._charge(point.meter_wh - before_wh)
        elif not self._is_gap:
            self._count(verdict)
        self._note_car(session)
        self._show(session)

    def _meter_at_plug(self, before_wh: float | None) -> float | None:
        """The meter when a car was plugged in that nobody saw come; `before_wh` is what it was before."""
        meter_wh, since_wh = self._point.meter_wh, self._reading.since_plugged_wh
        if meter_wh is None or not since_wh or not 0 < since_wh <= min(meter_wh, LARGEST_CHARGE_WH):
            return meter_wh
        if before_wh is not None and meter_wh - since_wh < before_wh - 1:
            return meter_wh  # the counter is of the plug-in before
        return max(meter_wh - since_wh, before_wh or 0.0)

    def _go_on(self, verdict: Verdict) -> None:
        point = self._point
        if self._was_replugged():
            self._replug(verdict)
            return
        if verdict is Verdict.SWAPPED:
            self._swap()
            return
        session = point.session
        if session is None:
            return
        if point.absent_since is not None:  # and now it is unknown whether it is plugged in
            self._count(verdict)
            return
        energy_wh = self._growth(verdict)
        is_first = begins_charging(session, self._reading)
        if not is_first:
            self._count(verdict)
        self._has_news |= follow(session, self._reading, point, self._now, energy_wh)
        if is_first:
            self._count(verdict)
        self._note_car(session)
        self._show(session)

    def _miss(self, verdict: Verdict) -> None:
        """The car is not plugged in; whether it is gone shows in a while."""
        point = self._point
        if point.absent_since is None:
            energy_wh = self._growth(verdict)
            point.absent_since, point.absent_s = self._now, 0.0
            if self._is_gap:
                point.absent_since = self._gone_at(energy_wh)
                if self._is_another(energy_wh):
                    self._end(point.absent_since)
                    self._take_meter(verdict)
                    return
        if verdict is not Verdict.SWAPPED:
            self._count(verdict)
            return
        self._end(point.absent_since)
        self._take_meter(verdict)

    def _is_another(self, energy_wh: float) -> bool:
        """Whether energy that came while nobody looked is not this session's: the car may have left long ago."""
        since_wh, before_wh = self._reading.since_plugged_wh, self._point.since_plugged_wh
        if since_wh and before_wh is not None and since_wh < before_wh - COUNTER_FELL_WH:
            return True
        return energy_wh > 0 and self._elapsed_s > LONGEST_CHARGE_S

    def _gone_at(self, energy_wh: float) -> float:
        """When a car left while nobody looked: when its charging must have ended, at the earliest."""
        power_w = self._point.power_w or 0.0
        if energy_wh <= 0:
            return self._point.seen_at
        if not self._point.is_charging or power_w <= 0:
            return self._now
        return min(self._now, self._point.seen_at + energy_wh * 3600 / power_w)

    def _was_replugged(self) -> bool:
        """Whether while nobody looked the car left and one came: the counter since plug-in has fallen."""
        since_wh, before_wh = self._reading.since_plugged_wh, self._point.since_plugged_wh
        if not self._is_gap or not since_wh or before_wh is None or self._reading.is_plugged is not True:
            return False
        return since_wh < before_wh - COUNTER_FELL_WH

    def _replug(self, verdict: Verdict) -> None:
        point, since_wh = self._point, self._reading.since_plugged_wh or 0.0
        left_at = self._now
        if verdict is Verdict.GROWN and point.meter_wh is not None and self._reading.meter_wh is not None:
            old_wh = max(0.0, self._reading.meter_wh - since_wh - point.meter_wh)
            left_at = self._gone_at(old_wh)
            if old_wh > 0:
                point.meter_wh += old_wh
                self._charge(old_wh)
        self._end(left_at)
        self._start(verdict)

    def _swap(self) -> None:
        """Another meter, the same car: one session ends with the old meter, and one begins with the new."""
        point, old = self._point, self._point.session
        if old is None:
            return
        point.meter_wh, point.metered_at = point.odd_first_wh, self._now
        point.odd_first_wh = point.odd_wh = None
        if not any(segment.parts.all_wh for segment in old.segments):  # the old meter has nothing to tell
            old.meter_start_wh = old.meter_end_wh = point.meter_wh
            for segment in old.segments:
                segment.meter_start_wh = segment.meter_end_wh = point.meter_wh
            self._count(Verdict.GROWN)
            self._show(old)
            return
        self._end(self._now)
        self._is_gap = False  # what the new meter shows since its first reading is the new session's
        self._start(Verdict.GROWN)
        if point.session is not None:
            new = point.session
            new.tag, new.vehicle = old.tag, old.vehicle or new.vehicle

    def _end(self, ended_at: float) -> None:
        point = self._point
        session = point.session
        if session is None:
            return
        # At least a second, so that the next one has another key.
        end = max(int(ended_at), session.started_at + 1, session.segments[-1].started_at)
        record = record_of(self._name, session, self._now, end)
        point.session = None
        point.absent_since, point.absent_s = None, 0.0
        point.last_ended_at = end
        point.is_plugged = False
        if session.is_shown or record.session.energy_wh or end - session.started_at >= SHORTEST_S:
            if not session.is_shown:
                self._tell(Kind.STARTED, record)
            self._tell(Kind.ENDED, record)

    def _growth(self, verdict: Verdict) -> float:
        point, reading = self._point, self._reading
        if verdict is not Verdict.GROWN or point.meter_wh is None or reading.meter_wh is None:
            return 0.0
        return reading.meter_wh - point.meter_wh

    def _count(self, verdict: Verdict) -> None:
        """Take the meter's reading and give what it grew by to the session."""
        energy_wh = self._growth(verdict)
        self._take_meter(verdict)
        session = self._point.session
        if session is None or self._point.meter_wh is None:
            return
        if session.meter_start_wh is None:
            segment = session.segments[-1]
            session.meter_start_wh = session.meter_end_wh = self._point.meter_wh
            segment.meter_start_wh = segment.meter_end_wh = self._point.meter_wh
        elif energy_wh > 0:
            self._charge(energy_wh)

    def _charge(self, energy_wh: float) -> None:
        """Energy for the session; the point's meter shows it already."""
        point = self._point
        session = point.session
        if session is None:
            return
        world = self._world
        parts = shared(energy_wh, point.flow)
        kind = price(parts, world.state.tariff, world.site_before, self._is_gap, world.prices)
        if kind != TARIFF:
            session.price_kind = kind
        session.is_by_meters = session.is_by_meters or (point.flow.is_by_meters and parts.known_wh > 0)
        session.meter_end_wh = point.meter_wh
        grow(session, parts)
        point.flow = Flow()

    def _take_meter(self, verdict: Verdict) -> None:
        point = self._point
        if verdict is not Verdict.NONE and self._reading.meter_wh is not None:
            point.meter_wh, point.metered_at = self._reading.meter_wh, self._now
            point.odd_first_wh = point.odd_wh = None

    def _note_car(self, session: Session) -> None:
        reading = self._reading
        if reading.vehicle is not None and reading.vehicle != session.vehicle:
            session.vehicle = reading.vehicle
            self._has_news = True
        if reading.soc_percent is None:
            return
        # The car is asked when it is plugged in: until current flows a newer answer is nearer to the truth.
        has_charged = any(segment.is_charging for segment in session.segments)
        if session.soc_start_percent is None or not has_charged:
            session.soc_start_percent = reading.soc_percent
        session.soc_end_percent = reading.soc_percent

    def _show(self, session: Session) -> None:
        if session.is_shown and not self._has_news:
            return
        record = record_of(self._name, session, self._now, None)
        if session.is_shown:
            self._tell(Kind.CHANGED, record)
        elif record.session.energy_wh or self._now - session.started_at >= SHORTEST_S:
            session.is_shown = True
            self._tell(Kind.STARTED, record)

    def _remember(self) -> None:
        point, reading = self._point, self._reading
        if point.session is None or (reading.is_charging is False and not point.is_charging):
            point.flow = Flow()  # what fed the site while nothing was charged does not count
        point.seen_at = self._now
        if reading.is_plugged is not None:
            point.is_plugged = reading.is_plugged
        point.power_w = reading.power_w
        if reading.is_charging is not None:
            point.is_charging = reading.is_charging
        if reading.since_plugged_wh is not None:
            point.since_plugged_wh = reading.since_plugged_wh

    def _tell(self, kind: Kind, record: SessionRecord) -> None:
        self._changes.append(Change(kind, record))
