"""What is made of the entries of one time plugged in: a session that only the log has, and the rows to keep of them.

Pure; called by edge/charge_log/matching.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from common.store.rows import LogEntryRow, SessionRecord, SessionRow
from edge.charge_log.entries import Entry

Group = tuple[Entry, ...]
"""The entries of one time plugged in, as far as the log tells, oldest first."""

METHOD = "wallbox_log"
"""How sources and cost of such a session were computed: by openWB."""


def session_of(
    group: Group, origin: str, owner_of: Callable[[str], str | None], doubt: str | None = None
) -> SessionRecord:
    """A session made of nothing but entries of the log."""
    first, last = group[0], group[-1]
    energy_wh = energy_of(group)
    is_metered = (
        first.meter_start_wh is not None
        and last.meter_end_wh is not None
        and last.meter_end_wh - first.meter_start_wh == energy_wh
        and all(before.meter_end_wh == after.meter_start_wh for before, after in pairwise(group))
    )
    sources = _sources(group)
    tag = agreed(entry.tag for entry in group)
    costs = [entry.cost_millicents for entry in group if entry.cost_millicents is not None]
    is_priced = len(costs) == len(group)
    session = SessionRow(
        charge_point=first.charge_point,
        started_at=first.started_at,
        ended_at=last.ended_at,
        charging_s=sum(_charging_s(entry) for entry in group),
        first_charged_at=first.started_at,
        last_charged_at=last.ended_at,
        meter_start_wh=first.meter_start_wh if is_metered else None,
        meter_end_wh=last.meter_end_wh if is_metered else None,
        energy_wh=energy_wh,
        grid_wh=sources[0] if sources else None,
        pv_wh=sources[1] if sources else None,
        battery_wh=sources[2] if sources else None,
        sources_method=METHOD if sources else None,
        cost_millicents=sum(costs) if is_priced else None,
        cost_method=METHOD if is_priced else None,
        soc_start_percent=first.soc_start_percent,
        soc_end_percent=last.soc_end_percent,
        mode=_main_mode(group),
        vehicle=agreed(entry.vehicle for entry in group),
        tag=tag,
        user_name=user_of(group, tag, owner_of),
        origin=origin,
        doubt=doubt,
        discharged_wh=discharged(group),
    )
    return SessionRecord(session=session)  # no segments: the log does not tell when current flowed


def row_of(entry: Entry, read_at: int) -> LogEntryRow:
    """As it is kept, without a session yet."""
    return LogEntryRow(
        charge_point=entry.charge_point,
        started_at=entry.started_at,
        ended_at=entry.ended_at,
        energy_wh=entry.energy_wh,
        mode=entry.mode,
        vehicle=entry.vehicle,
        tag=entry.tag,
        read_at=read_at,
    )


def energy_of(group: Group) -> int:
    """Wh."""
    return sum(entry.energy_wh for entry in group)


def user_of(entries: Sequence[Entry], tag: str | None, owner_of: Callable[[str], str | None]) -> str | None:
    """Who charged: as the log names somebody, else whose `tag` is now."""
    named = agreed(entry.user_name for entry in entries)
    return owner_of(tag) if named is None and tag is not None else named


def agreed(values: Iterable[str | None]) -> str | None:
    """What all say who say something; None when they do not agree."""
    known = {value for value in values if value is not None}
    return known.pop() if len(known) == 1 else None


def _charging_s(entry: Entry) -> int:
    lasted_s = entry.ended_at - entry.started_at
    return lasted_s if entry.charging_s is None else min(entry.charging_s, lasted_s)


def discharged(entries: Iterable[Entry]) -> int | None:
    """Wh that the car gave back; None: none that is known."""
    return sum(entry.discharged_wh or 0 for entry in entries) or None


def _sources(group: Group) -> tuple[int, int, int] | None:
    """What is known of them; entries without are among the unknown."""
    known = [entry.sources for entry in group if entry.sources is not None]
    if not known:
        return None
    grid_wh, pv_wh, battery_wh = (sum(parts) for parts in zip(*known, strict=True))
    return grid_wh, pv_wh, battery_wh


def _main_mode(group: Group) -> str | None:
    """The mode that most energy was charged in."""
    energies: Mapping[str | None, list[int]] = defaultdict(list)
    for entry in group:
        energies[entry.mode].append(entry.energy_wh)
    return max(energies, key=lambda mode: sum(energies[mode]))
