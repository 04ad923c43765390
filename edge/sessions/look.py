"""One look at one charge point: makes the move that edge/sessions/moves.py decides, and counts what the meter says.

Changes the memory of that charge point (edge/sessions/state.py) and says what is new. The energy is always the meter's.
"""

from dataclasses import dataclass
from enum import StrEnum

from common.meters import Meter
from common.model import SiteState
from common.store.rows import SessionRecord
from edge.meters import GAP_S, is_sure
from edge.sessions import tags
from edge.sessions.moves import SIGNS_S, SIGNS_SEEN, Move, Situation, Was, is_another_car, move
from edge.sessions.readings import Counted, Reading, Verdict, counted
from edge.sessions.records import record_of
from edge.sessions.segments import begin_count, begin_flap, begins_charging, follow, grow, mend, parted, shrink
from edge.sessions.state import Flap, Flow, MachineState, Parts, Point, Segment, Session, Site
from edge.sessions.supply import TARIFF, Prices, gather, price, shared

SHORTEST_S = 60.0
"""A session without energy that lasts less is nothing that anybody wants to read of."""

LARGEST_CHARGE_WH = 250_000.0
"""No car takes more: a counter since plug-in that says so lost its start (1.9, when the broker lost its memory)."""

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
    """One charge point at one instant; `judge` once. `meter` is how its meter was judged, None: nobody knows."""

    def __init__(self, name: str, point: Point, reading: Reading, world: World, meter: Meter | None = None) -> None:
        self._name = name
        self._point = point
        self._reading = reading
        self._world = world
        self._now = world.now
        self._meter = meter
        self._elapsed_s = max(0.0, world.now - point.seen_at)
        self._is_gap = self._elapsed_s > GAP_S
        self._counted = counted(point, reading.meter_wh, meter, world.now)
        self._has_news = False
        self._changes: list[Change] = []

    def judge(self) -> list[Change]:
        """Bring the point's memory up to date; answers what is new."""
        world = self._world
        gather(self._point.flow, world.site_before, world.state, world.site, self._elapsed_s)
        made = move(self._situation())
        match made:
            case Move.REST:
                self._take_meter()
            case Move.START:
                self._start()
            case Move.GO_ON:
                self._go_on()
            case Move.LEAVE | Move.LEAVE_UNSEEN:
                self._leave(is_anothers=made is Move.LEAVE_UNSEEN)
            case Move.REPLUG:
                self._replug()
            case Move.WAIT:
                self._count()
            case Move.RETURN:
                self._return()
            case Move.END:
                self._count()  # a meter that was late
                self._end(self._absent_since)
            case Move.ANOTHER:
                self._end(self._absent_since)
                self._start()
        self._remember()
        return self._changes

    def leave(self) -> list[Change]:
        """The charge point is gone for good."""
        self._end(self._point.seen_at)
        return self._changes

    @property
    def _absent_since(self) -> float:
        since = self._point.absent_since
        return self._now if since is None else since

    def _situation(self) -> Situation:
        point, reading = self._point, self._reading
        if point.absent_since is not None and reading.is_plugged is not None:
            point.absent_s += self._elapsed_s
        was = Was.FREE if point.session is None else Was.PLUGGED if point.absent_since is None else Was.ABSENT
        return Situation(
            was=was,
            is_plugged=reading.is_plugged,
            is_gap=self._is_gap,
            elapsed_s=self._elapsed_s,
            absent_s=point.absent_s,
            since_wh=reading.since_plugged_wh,
            since_before_wh=point.since_plugged_wh,
            energy_wh=self._counted.energy_wh,
            is_sure=self._meter is None or is_sure(self._meter),
        )

    def _start(self) -> None:
        point, reading = self._point, self._reading
        started_at = int(self._now)
        if point.last_ended_at is not None and 0 < point.last_ended_at - started_at < KEY_CLASH_S:
            started_at = point.last_ended_at
        before_wh = point.meter_wh
        if self._is_gap or self._counted.verdict is Verdict.NEW_COUNT or point.is_plugged is not False:
            # Nobody saw the car come. The meter counts from now on, or from where the wallbox says it was plugged in.
            self._take_meter()
            before_wh = self._meter_at_plug(before_wh)
        session = point.session = Session(started_at=started_at, soc_start_percent=reading.soc_percent)
        session.meter_start_wh = session.meter_end_wh = before_wh
        held = self._meter.held if self._meter is not None else None
        session.held_start_wh = point.held_wh if held is None or not self._is_gap else held.last_wh
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
            grow(session, self._parts_of(point.meter_wh - before_wh), point.meter_wh)
        elif not self._is_gap:
            self._count()
        self._note_car(session)
        self._show(session)

    def _meter_at_plug(self, before_wh: float | None) -> float | None:
        """The meter when a car was plugged in that nobody saw come; `before_wh` is what it was before."""
        meter_wh, since_wh = self._point.meter_wh, self._reading.since_plugged_wh
        if meter_wh is None or not since_wh or not 0 < since_wh <= min(meter_wh, LARGEST_CHARGE_WH):
            return meter_wh
        if before_wh is not None and meter_wh - since_wh < before_wh - 1:
            return meter_wh  # the counter is of the plug-in before, or the meter has begun anew since
        return max(meter_wh - since_wh, before_wh or 0.0)

    def _go_on(self) -> None:
        point = self._point
        session = point.session
        if session is None:
            return
        energy_wh = self._counted.energy_wh
        is_first = begins_charging(session, self._reading)
        if not is_first:
            self._count()
        self._has_news |= follow(session, self._reading, point, self._now, energy_wh)
        if is_first:
            self._count()
        if self._look_for_signs(session):
            self._part()
            return
        self._note_car(session)
        self._show(session)

    def _look_for_signs(self, session: Session) -> bool:
        """Whether a plug that flapped was another car's; after a while it is known that it was not."""
        flap, reading = session.flap, self._reading
        if flap is None:
            return False
        if not 0 <= self._now - flap.back_at < SIGNS_S:
            session.flap = None
            mend(session)
            return False
        is_sign = is_another_car(flap, reading.since_plugged_wh, reading.vehicle)
        flap.signs = flap.signs + 1 if is_sign else 0
        return flap.has_other_card or flap.signs >= SIGNS_SEEN

    def _return(self) -> None:
        point, session = self._point, self._point.session
        if session is None:
            return
        mend(session)
        session.flap = Flap(
            absent_since=self._absent_since,
            back_at=self._now,
            vehicle=session.vehicle,
            soc_end_percent=session.soc_end_percent,
            since_plugged_wh=point.since_plugged_wh,
        )
        point.absent_since, point.absent_s = None, 0.0
        if not begin_flap(session, self._now):
            session.flap = None
        tags.claim_after_flap(self._world.memory, self._name, session)
        self._go_on()

    def _part(self) -> None:
        """Another car came when the plug flapped: one session becomes two."""
        point = self._point
        session = point.session
        if session is None or session.flap is None:
            return
        flap, rest = session.flap, parted(session)
        if not rest:
            return
        vehicle, soc_percent = session.vehicle, session.soc_end_percent
        session.flap = None
        session.vehicle, session.soc_end_percent = flap.vehicle, flap.soc_end_percent
        flow, is_plugged = point.flow, point.is_plugged
        self._end(flap.absent_since)
        first = rest[0]
        new = point.session = Session(started_at=first.started_at, segments=rest, soc_start_percent=soc_percent)
        new.soc_end_percent, new.vehicle = soc_percent, vehicle if vehicle != flap.vehicle else None
        new.meter_start_wh, new.meter_end_wh = first.meter_start_wh, rest[-1].meter_end_wh
        new.price_kind, new.is_by_meters = session.price_kind, session.is_by_meters
        point.flow, point.is_plugged = flow, is_plugged
        tags.claim(self._world.memory, self._name, new)
        self._note_car(new)
        self._show(new)

    def _leave(self, *, is_anothers: bool) -> None:
        """The car is not plugged in; whether it is gone shows in a while."""
        point = self._point
        point.absent_since, point.absent_s = self._now, 0.0
        if self._is_gap:
            point.absent_since = self._gone_at(self._counted.energy_wh)
        if is_anothers:
            self._end(point.absent_since)
            self._take_meter()
            return
        self._count()

    def _gone_at(self, energy_wh: float) -> float:
        """When a car left while nobody looked: when its charging must have ended, at the earliest."""
        power_w = self._point.power_w or 0.0
        if energy_wh <= 0:
            return self._point.seen_at
        if not self._point.is_charging or power_w <= 0:
            return self._now
        return min(self._now, self._point.seen_at + energy_wh * 3600 / power_w)

    def _replug(self) -> None:
        point, since_wh = self._point, self._reading.since_plugged_wh or 0.0
        left_at = self._now
        if self._counted.verdict is Verdict.GROWN and point.meter_wh is not None and point.session is not None:
            old_wh = max(0.0, self._counted.energy_wh - since_wh)
            left_at = self._gone_at(old_wh)
            if old_wh > 0:
                point.meter_wh += old_wh
                grow(point.session, self._parts_of(old_wh), point.meter_wh)
        self._end(left_at)
        self._start()

    def _end(self, ended_at: float) -> None:
        point = self._point
        session = point.session
        if session is None:
            return
        session.flap = None
        mend(session)
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

    def _count(self) -> None:
        """Take the meter's reading and give what it counted to the session."""
        sure_wh = self._point.sure_wh
        counted, session = self._take_meter(), self._point.session
        if session is None or counted.verdict is Verdict.NONE:
            return
        if session.meter_start_wh is None:
            segment = session.segments[-1]
            session.meter_start_wh = session.meter_end_wh = counted.reading_wh
            segment.meter_start_wh = segment.meter_end_wh = counted.reading_wh
        elif counted.verdict is Verdict.NEW_COUNT:
            self._count_anew(session, counted)
        elif counted.energy_wh > 0:
            grow(session, self._parts_of(counted.energy_wh), counted.reading_wh)
        elif counted.energy_wh < 0:
            start_wh = session.meter_start_wh
            shrink(session, counted.reading_wh)
            if counted.reading_wh < start_wh and sure_wh is not None and sure_wh < counted.reading_wh:
                # It began with an odd reading; the one before that was right, and no car was there yet.
                begin_count(session, self._now, self._now, sure_wh)
                grow(session, self._parts_of(counted.reading_wh - sure_wh), counted.reading_wh)

    def _count_anew(self, session: Session, counted: Counted) -> None:
        """The meter began a new count while the car was there: the same session, in another segment."""
        first_wh, seen = counted.first_wh, self._meter.count if self._meter is not None else None
        if seen is not None and seen.began_at < session.started_at:  # before the car came
            first_wh = session.held_start_wh if session.held_start_wh is not None else seen.seen_wh
            first_wh = min(first_wh, counted.reading_wh)
        new_wh = max(0.0, counted.reading_wh - first_wh)
        parts = self._parts_of(counted.old_wh + new_wh)
        share = counted.old_wh / (counted.old_wh + new_wh) if counted.old_wh else 0.0
        if counted.old_wh and session.meter_end_wh is not None:
            grow(session, parts.scaled(share), session.meter_end_wh + counted.old_wh)
        begin_count(session, counted.began_at, self._now, first_wh)
        grow(session, parts.scaled(1 - share), counted.reading_wh)
        self._has_news = True

    def _parts_of(self, energy_wh: float) -> Parts:
        """Where energy that the session gets came from, and what it cost."""
        point, world = self._point, self._world
        parts = shared(energy_wh, point.flow)
        kind = price(parts, world.state.tariff, world.site_before, self._is_gap, world.prices)
        session = point.session
        if session is not None and kind != TARIFF:
            session.price_kind = kind
        if session is not None:
            session.is_by_meters = session.is_by_meters or (point.flow.is_by_meters and parts.known_wh > 0)
        point.flow = Flow()
        return parts

    def _take_meter(self) -> Counted:
        """The reading is the point's from now on; answers what was counted, once."""
        point, taken = self._point, self._counted
        self._counted = Counted(Verdict.NONE)
        if taken.verdict is Verdict.NONE:
            return taken
        point.meter_wh = point.sure_wh = taken.reading_wh
        if self._meter is not None:
            point.source, point.sure_wh = self._meter.source, self._meter.sure_wh
            point.count_at = self._meter.count.began_at if self._meter.count is not None else None
        return taken

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
        held = self._meter.held if self._meter is not None else None
        point.held_wh = held.last_wh if held is not None else None
        if reading.since_plugged_wh is not None and point.absent_since is None:
            point.since_plugged_wh = reading.since_plugged_wh

    def _tell(self, kind: Kind, record: SessionRecord) -> None:
        self._changes.append(Change(kind, record))
