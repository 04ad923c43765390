"""A session in the making as the record that is stored: whole numbers which add up digit by digit.

The meter is rounded, never the energy, so segments tile the session's energy; sources are rounded so that they add up.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from common.store.rows import SegmentRow, SessionRecord, SessionRow
from edge.sessions.state import Parts, Segment, Session

Key: TypeAlias = tuple[str, int]
"""Charge point and start: what a session is known by."""

MOST_GUESSED = 0.1
"""Of the energy; up to this share what is unknown is reckoned like the rest, and the method says so."""

BY_POWERS = "shares"
BY_METERS = "shares_meters"
GUESSED = "shares_gaps"
GUESSED_COST = "_gaps"


@dataclass(frozen=True, slots=True)
class Batch:
    """Sessions that wait for the database, in the order of their last change.

    `source` and `through` are for the file that handed them out.
    """

    records: Sequence[SessionRecord]
    source: int
    through: int


def key_of(record: SessionRecord) -> Key:
    return record.session.charge_point, record.session.started_at


def record_of(charge_point: str, session: Session, now: float, ended_at: int | None) -> SessionRecord:
    """The record as of `now`; `ended_at` None: it runs."""
    segments = session.segments
    total = Parts()
    for segment in segments:
        total.add(segment.parts)
    rows = [_row(segment, total) for segment in segments]
    if rows and ended_at is not None:
        rows[-1] = replace(rows[-1], ended_at=max(ended_at, rows[-1].started_at))
    until = ended_at if ended_at is not None else int(now)
    charging = [row for row in rows if row.is_charging]
    start_wh, end_wh = _whole(session.meter_start_wh), _whole(session.meter_end_wh)
    grid_wh, pv_wh, battery_wh, sources_method = _sources(session, rows, total)
    cost_millicents, cost_method = _cost(session, rows, total)
    row = SessionRow(
        charge_point=charge_point,
        started_at=session.started_at,
        ended_at=ended_at,
        charging_s=sum(max(0, (row.ended_at or until) - row.started_at) for row in charging),
        first_charged_at=charging[0].started_at if charging else None,
        last_charged_at=max(charging[-1].ended_at or until, charging[-1].started_at) if charging else None,
        meter_start_wh=start_wh,
        meter_end_wh=end_wh,
        energy_wh=_energy(rows) if start_wh is not None and end_wh is not None else None,
        grid_wh=grid_wh,
        pv_wh=pv_wh,
        battery_wh=battery_wh,
        sources_method=sources_method,
        cost_millicents=cost_millicents,
        cost_method=cost_method,
        soc_start_percent=session.soc_start_percent,
        soc_end_percent=session.soc_end_percent,
        mode=_main_mode(segments),
        vehicle=_fitting(session.vehicle),
        tag=_fitting(session.tag),
    )
    return SessionRecord(session=row, segments=tuple(rows))


def with_user(record: SessionRecord, owner_of: Callable[[str], str | None]) -> SessionRecord:
    """The record with the user whose tag it has; `owner_of` is asked for tags only, and answers None for nobody's."""
    tag = record.session.tag
    if tag is None or record.session.user_name is not None:
        return record
    return replace(record, session=replace(record.session, user_name=_fitting(owner_of(tag))))


def apportioned(total: int, weights: Sequence[float]) -> list[int]:
    """`total` in whole parts as near to `weights` as can be; none negative, together exactly `total`."""
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    parts = [int(part) for part in exact]
    by_rest = sorted(range(len(parts)), key=lambda number: parts[number] - exact[number])
    for number in by_rest[: total - sum(parts)]:
        parts[number] += 1
    return parts


def _row(segment: Segment, total: Parts) -> SegmentRow:
    start_wh, end_wh = _whole(segment.meter_start_wh), _whole(segment.meter_end_wh)
    row = SegmentRow(
        started_at=segment.started_at,
        ended_at=segment.ended_at,
        is_charging=segment.is_charging,
        mode=segment.mode,
        meter_start_wh=start_wh,
        meter_end_wh=end_wh,
    )
    if start_wh is None or end_wh is None:
        return row
    parts = segment.parts
    if parts.unknown_wh == 0 or _may_guess(total.unknown_wh, total.all_wh):
        # What is unknown is shared as what is known of the whole session.
        more = parts.unknown_wh / total.known_wh if parts.unknown_wh else 0.0
        weights = (
            parts.grid_wh + more * total.grid_wh,
            parts.pv_wh + more * total.pv_wh,
            parts.battery_wh + more * total.battery_wh,
        )
        grid_wh, pv_wh, battery_wh = apportioned(end_wh - start_wh, weights) if sum(weights) > 0 else (0, 0, 0)
        if grid_wh + pv_wh + battery_wh == end_wh - start_wh:  # else the rounded meter grew, and nothing was shared yet
            row = replace(row, grid_wh=grid_wh, pv_wh=pv_wh, battery_wh=battery_wh)
    if parts.unpriced_wh == 0 or _may_guess(total.unpriced_wh, total.all_wh):
        more = parts.unpriced_wh / (total.all_wh - total.unpriced_wh) if parts.unpriced_wh else 0.0
        row = replace(row, cost_millicents=round(parts.cost_millicents + more * total.cost_millicents))
    return row


def _energy(rows: Sequence[SegmentRow]) -> int:
    """The last reading less the first one, unless the meter began a new count in between."""
    return sum(
        row.meter_end_wh - row.meter_start_wh
        for row in rows
        if row.meter_start_wh is not None and row.meter_end_wh is not None
    )


def _sources(
    session: Session, rows: Sequence[SegmentRow], total: Parts
) -> tuple[int | None, int | None, int | None, str | None]:
    metered = [row for row in rows if row.meter_start_wh is not None]
    sources = [(row.grid_wh, row.pv_wh, row.battery_wh) for row in metered]
    known = [(grid, pv, battery) for grid, pv, battery in sources if None not in (grid, pv, battery)]
    if session.meter_start_wh is None or len(known) < len(metered):
        return None, None, None, None
    method = GUESSED if total.unknown_wh else BY_METERS if session.is_by_meters else BY_POWERS
    return (*(sum(column[place] or 0 for column in known) for place in range(3)), method)  # type: ignore[return-value]


def _cost(session: Session, rows: Sequence[SegmentRow], total: Parts) -> tuple[int | None, str | None]:
    costs = [row.cost_millicents for row in rows if row.meter_start_wh is not None]
    known = [cost for cost in costs if cost is not None]
    if session.meter_start_wh is None or len(known) < len(costs):
        return None, None
    return sum(known), session.price_kind + (GUESSED_COST if total.unpriced_wh else "")


def _may_guess(unknown_wh: float, all_wh: float) -> bool:
    return unknown_wh <= MOST_GUESSED * all_wh


def _main_mode(segments: Sequence[Segment]) -> str | None:
    """The mode of most energy; of equals the one that came last."""
    energy_wh: dict[str, float] = {}
    for segment in segments:
        if segment.mode is not None:
            energy_wh[segment.mode] = energy_wh.pop(segment.mode, 0.0) + segment.parts.all_wh
    return max(reversed(energy_wh), key=lambda mode: energy_wh[mode]) if energy_wh else None


def _fitting(text: str | None) -> str | None:
    """As much as the store's column holds."""
    return text[:64] or None if text is not None else None


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
