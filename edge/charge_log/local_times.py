"""From the local times of a charge log to instants. Pure but for the zone, which the caller brings.

openWB writes local times without a zone, so one hour of each autumn stands for two instants, and one of each spring
for none. Which of the two is meant is told by how long the charge took, where the log says so, else by the order of
the entries, which are written as charges end; where both fit, the first. A time in the hour that is missing was
written by a clock that had not been set forward yet, and counts as that.
"""

from datetime import UTC, datetime, tzinfo

from edge.charge_log.entries import MOST_S, BadEntry, Entry

SLACK_S = 60  # 1.9 writes times and durations in whole minutes, each cut off
WRITTEN_S = 180  # it notes the end up to two minutes late, and one charge point after the other


def instants(local: datetime, zone: tzinfo) -> tuple[int, ...]:
    """All instants at which clocks of `zone` showed `local` (without a zone), in order; one for a missing hour."""
    first, second = (int(local.replace(tzinfo=zone, fold=fold).astimezone(UTC).timestamp()) for fold in (0, 1))
    return (first, second) if first < second else (first,)


def start_after(started_at: int, before: Entry | None) -> int:
    """A start that no other entry of the charge point has: of several in one minute each counts a second later.

    Where the wallbox's loop is fast a charge may end and the next one begin within a minute.
    """
    if before is not None and 0 <= before.started_at - started_at < SLACK_S:
        return before.started_at + 1
    return started_at


def span(
    start: datetime,
    end: datetime,
    zone: tzinfo,
    *,
    elapsed_s: float | None = None,
    least_s: float = 0,
    not_before: int | None = None,
    ends_after: int | None = None,
) -> tuple[int, int]:
    """The instants of an entry's start and end; raises BadEntry when there are none.

    `elapsed_s` is how long it took, `least_s` what it took at least, `not_before` the end of the entry before it on the
    same charge point, `ends_after` that of the entry before it on any, as they are written when charges end. Each
    decides only where the clock leaves a choice.
    """
    try:
        pairs = [(a, b) for a in instants(start, zone) for b in instants(end, zone) if b >= a]
    except (OverflowError, ValueError):  # the first and the last day of the calendar
        raise BadEntry("the times are out of range") from None
    if not pairs:
        raise BadEntry("it ends before it starts")
    pairs = [(a, b) for a, b in pairs if b - a >= least_s - SLACK_S] or pairs
    if elapsed_s is not None:
        nearest_s = min(abs(b - a - elapsed_s) for a, b in pairs)
        pairs = [(a, b) for a, b in pairs if abs(b - a - elapsed_s) <= nearest_s]
    if not_before is not None:
        pairs = [(a, b) for a, b in pairs if a >= not_before - SLACK_S] or pairs
    if ends_after is not None:
        in_order = [(a, b) for a, b in pairs if b >= ends_after - WRITTEN_S]
        if in_order and in_order[0] != pairs[0]:  # it ended in the second hour; nothing says that it began in the first
            pairs = [min(in_order, key=lambda pair: pair[1] - pair[0])]
    found = min(pairs)
    if found[1] - found[0] > MOST_S:
        raise BadEntry("it lasts too long")
    return found
