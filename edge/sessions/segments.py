"""The segments of a session, which tile it: stretches in which the mode stayed and current flowed, or did not."""

from edge.sessions.readings import Reading
from edge.sessions.state import Parts, Point, Segment, Session

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


def grow(session: Session, parts: Parts) -> None:
    """Give energy to the segment that runs; the session's meter shows it already."""
    segment = session.segments[-1]
    segment.parts.add(parts)
    segment.meter_end_wh = session.meter_end_wh


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
        if before.is_charging and before.mode == last.mode == mode:
            _join(segments, len(segments) - 2)
            return
    last.ended_at = started_at
    meter_wh = session.meter_end_wh
    segments.append(
        Segment(
            started_at=started_at, is_charging=is_charging, mode=mode, meter_start_wh=meter_wh, meter_end_wh=meter_wh
        )
    )
    if len(segments) > MOST_SEGMENTS:
        _join_briefest(segments)


def _join_briefest(segments: list[Segment]) -> None:
    """The two neighbours that together are shortest, the last one left alone, become one of the first one's kind."""
    lengths = [later.started_at - first.started_at for first, later in zip(segments, segments[2:], strict=False)]
    number = lengths.index(min(lengths))
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
    return first.is_charging == second.is_charging and first.mode == second.mode
