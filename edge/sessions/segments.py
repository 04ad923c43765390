"""The segments of a session, which tile it: stretches in which the mode stayed and current flowed, or did not."""

from edge.sessions.readings import Reading
from edge.sessions.state import Parts, Point, Seam, Segment, Session

PAUSE_S = 60.0
"""A shorter pause between two stretches of charging is a phase switch or a passing cloud: openWB 1.9's own bound."""

MOST_SEGMENTS = 300
"""A car that stays plugged in for a week of broken clouds has some hundred; of more the briefest are joined."""


def begins_charging(session: Session, reading: Reading) -> bool:
    """Whether what the meter grew by since the last look belongs to the segment that `follow` will begin."""
    return bool(reading.is_charging) and not session.segments[-1].is_charging


def follow(session: Session, reading: Reading, point: Point, now: float, energy_wh: float) -> bool:
    """Begin another segment where `reading` is of another kind; `energy_wh` came since the last look. True if it did.

    When charging began or ended between two looks the energy tells how long it lasted, at the power seen.
    """
    segment = session.segments[-1]
    is_charging = segment.is_charging if reading.is_charging is None else reading.is_charging
    mode = segment.mode if reading.mode is None else reading.mode
    if is_charging == segment.is_charging and mode == segment.mode:
        return False
    started_at = now
    if is_charging and not segment.is_charging and reading.power_w:
        started_at = max(point.seen_at, now - energy_wh * 3600 / reading.power_w)
    elif segment.is_charging and not is_charging and point.power_w and point.power_w > 0:
        started_at = min(now, point.seen_at + energy_wh * 3600 / point.power_w)
    _begin(session, int(min(started_at, now)), is_charging, mode)
    return True


def grow(session: Session, parts: Parts, meter_wh: float | None) -> None:
    """Give energy to the segment that runs; `meter_wh` is what the meter shows with it."""
    segment = session.segments[-1]
    segment.parts.add(parts)
    session.meter_end_wh = segment.meter_end_wh = meter_wh


def shrink(session: Session, meter_wh: float) -> None:
    """Take back what the meter had not counted: it shows `meter_wh`, less than before."""
    for segment in reversed(session.segments):
        start_wh, end_wh = segment.meter_start_wh, segment.meter_end_wh
        if start_wh is None or end_wh is None:
            break
        kept_wh = max(0.0, meter_wh - start_wh)
        segment.parts = segment.parts.scaled(min(1.0, kept_wh / (end_wh - start_wh)) if end_wh > start_wh else 0.0)
        segment.meter_end_wh = min(end_wh, meter_wh)
        if kept_wh > 0 or segment.begins is Seam.COUNT:
            segment.meter_start_wh = min(start_wh, meter_wh)
            break
        segment.meter_start_wh = segment.meter_end_wh
    session.meter_start_wh = next(
        (part.meter_start_wh for part in session.segments if part.meter_start_wh is not None), None
    )
    session.meter_end_wh = session.segments[-1].meter_end_wh


def begin_count(session: Session, began_at: float, now: float, first_wh: float) -> None:
    """The meter began a new count with `first_wh`: what follows is another segment, unless nothing was counted yet."""
    segments = session.segments
    last = segments[-1]
    if not any(segment.parts.all_wh for segment in segments):
        session.meter_start_wh = session.meter_end_wh = first_wh
        for segment in segments:
            segment.meter_start_wh = segment.meter_end_wh = first_wh
        return
    started_at = max(min(int(began_at), int(now)), last.started_at + 1)
    _append(session, started_at, last.is_charging, last.mode, first_wh, Seam.COUNT)


def begin_flap(session: Session, now: float) -> bool:
    """The plug is back, and may be another car's: what follows can be told apart. False if that is not possible."""
    last = session.segments[-1]
    if int(now) <= last.started_at:
        return False
    _append(session, int(now), last.is_charging, last.mode, session.meter_end_wh, Seam.FLAP)
    return True


def mend(session: Session) -> None:
    """The plug had flapped and it was the same car: as if nothing had been."""
    segments = session.segments
    number = _seam_of_flap(segments)
    if number is None:
        return
    segments[number].begins = None
    if _is_alike(segments[number - 1], segments[number]):
        _join(segments, number - 1)
    elif number > 1 and _is_pause_before(segments, number):
        _join(segments, number - 2)
        _join(segments, number - 2)


def parted(session: Session) -> list[Segment]:
    """Take what came after the plug flapped away from the session; empty if nothing did."""
    segments = session.segments
    number = _seam_of_flap(segments)
    if number is None:
        return []
    session.segments, rest = segments[:number], segments[number:]
    rest[0].begins = None
    session.meter_end_wh = session.segments[-1].meter_end_wh
    return rest


def _begin(session: Session, started_at: int, is_charging: bool, mode: str | None) -> None:
    segments = session.segments
    last = segments[-1]
    if started_at <= last.started_at:  # within a second, or the clock was set back
        last.is_charging, last.mode = is_charging, mode
        if len(segments) > 1 and _is_alike(segments[-2], last):
            _join(segments, len(segments) - 2)
        return
    if is_charging and len(segments) > 1 and not last.is_charging and started_at - last.started_at < PAUSE_S:
        before = segments[-2]
        if before.is_charging and before.mode == last.mode == mode and last.begins is None:
            _join(segments, len(segments) - 2)
            return
    _append(session, started_at, is_charging, mode, session.meter_end_wh)


def _append(
    session: Session,
    started_at: int,
    is_charging: bool,
    mode: str | None,
    meter_wh: float | None,
    begins: Seam | None = None,
) -> None:
    segments = session.segments
    segments[-1].ended_at = started_at
    session.meter_end_wh = meter_wh
    segments.append(
        Segment(
            started_at=started_at,
            is_charging=is_charging,
            mode=mode,
            meter_start_wh=meter_wh,
            meter_end_wh=meter_wh,
            begins=begins,
        )
    )
    if len(segments) > MOST_SEGMENTS:
        _join_briefest(segments)


def _join_briefest(segments: list[Segment]) -> None:
    """The two neighbours that together are shortest, the last one left alone, become one of the first one's kind."""
    lengths = {
        number: segments[number + 2].started_at - first.started_at
        for number, first in enumerate(segments[:-2])
        if segments[number + 1].begins is None
    }
    if not lengths:
        return
    number = min(lengths, key=lambda number: lengths[number])
    first, second = segments[number], segments[number + 1]
    if second.parts.all_wh > first.parts.all_wh:
        first.mode = second.mode
    first.is_charging = first.is_charging or second.is_charging
    _join(segments, number)


def _join(segments: list[Segment], number: int) -> None:
    """Let a segment have what the next one has."""
    first, second = segments[number], segments.pop(number + 1)
    first.ended_at = second.ended_at
    first.parts.add(second.parts)
    if first.meter_start_wh is None:
        first.meter_start_wh = second.meter_start_wh
    first.meter_end_wh = second.meter_end_wh


def _is_alike(first: Segment, second: Segment) -> bool:
    return second.begins is None and first.is_charging == second.is_charging and first.mode == second.mode


def _seam_of_flap(segments: list[Segment]) -> int | None:
    return next((number for number, segment in enumerate(segments) if segment.begins is Seam.FLAP), None)


def _is_pause_before(segments: list[Segment], number: int) -> bool:
    """Whether the segment before this one is but a brief pause in its charging."""
    before, pause, after = segments[number - 2 : number + 1]
    return (
        before.is_charging
        and not pause.is_charging
        and after.is_charging
        and before.mode == pause.mode == after.mode
        and pause.begins is None
        and after.started_at - pause.started_at < PAUSE_S
    )
