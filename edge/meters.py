"""What a meter reading is worth: the one place where that is decided. Pure; docs/records.md tells it to owners.

A reading is believed when it lasts. One odd message changes nothing that is billed, in either direction:

| reading | nothing held | readings held |
|---|---|---|
| a rise that the power explains | believed; sure when the next one confirms it | the held ones were odd; believed |
| between what is sure and what is believed | the last one was odd and is taken back | the same, for both |
| a rise that nothing explains, a fall, 0 | held | goes on with the held ones, or these were odd and it is held |

| time passes, the wallbox speaks | what comes of it |
|---|---|
| a believed reading stood for STOOD_S | it is sure: what does not change is not said again |
| held readings above 0 lasted for ODD_S, a rise within what MOST_W carries | believed, the same count |
| … a greater rise, a fall, or the first reading was a lone one | a new count, from its first reading on |
| held readings of 0 | never believed: openWB's meters read 0 when it boots |

What can have flowed is judged at the first held reading, so that no bound grows while a reading is odd.
`edge/mirror.py` drives this for every meter; the session machine, the recorder and the rollups go by what it says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from common.meters import Count, Held, Meter, OddOutcome, OddReading, Wh

ODD_S = 120.0
"""Readings out of line are believed after so long: twelve of openWB's control loops, its boot ends before."""

STOOD_S = 65.0
"""A reading that no other one has followed is sure after so long: openWB's longest control interval is 60 s, and a
session ends 70 s after its plug was pulled."""

GAP_S = 120.0
"""Two looks further apart say nothing of the time between. A 2.x wallbox may report as seldom as once a minute."""

MOST_W = 500_000.0
"""No home's grid connection and no charge point carries more; a meter that rose faster is another meter."""

EXCESS = 1.25
"""How far the power seen now and then may lie below what flowed in between."""

SLACK_WH = 400.0
"""22 kW for 65 s: power and meter come in topics of their own, as seldom as once a minute, and some meters count in
steps of 100 Wh. A greater rise that is true is believed after ODD_S all the same."""

SLACK_S = 60.0  # a reading may be as much older than the message that it came with

JITTER_WH = 10.0
"""A reading that is lower by so little is the same: meters and openWB round, and sums of floats fall by a hair."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The meter as it is now, and what became of readings that were held or taken back."""

    meter: Meter
    settled: tuple[OddReading, ...] = ()


def first(source: str, wh: Wh, at: float) -> Meter:
    """A meter of which nothing was known before this reading: there is nothing to doubt it by."""
    return Meter(source=source, wh=wh, sure_wh=wh, sure_at=at, at=at, risen_at=at, seen_at=at, is_lone=True)


def hear(
    meter: Meter | None, path: str, source: str, wh: Wh, now: float, power_w: float | None, *, is_gap: bool
) -> Judged:
    """A reading came. `power_w` is what flows into this meter, at least 0; None: unknown.

    `is_gap`: nobody knows what the wallbox said since the meter was judged last.
    """
    if meter is None or meter.wh <= 0 or meter.source != source:
        return Judged(replace(first(source, wh, now), power_w=power_w))
    meter = _passed(meter, now, power_w, is_gap=is_gap)
    if not _agrees(meter, wh):
        return _odd(meter, path, wh, now)
    settled = (_settled(path, meter, meter.held, wh),) if meter.held is not None else ()
    meter = replace(meter, held=None, at=now, is_lone=False)
    if wh > meter.wh:
        sure_at = now if meter.wh > meter.sure_wh else meter.sure_at
        return Judged(replace(meter, wh=wh, sure_wh=meter.wh, sure_at=sure_at, risen_at=now, possible_wh=0.0), settled)
    if wh >= meter.wh - JITTER_WH and wh <= meter.sure_wh:
        return Judged(replace(meter, wh=max(meter.sure_wh, wh)), settled)
    if wh < meter.wh:
        taken_back = Held(first_wh=meter.wh, first_at=meter.risen_at, last_wh=meter.wh, last_at=now)
        if meter.wh - wh > JITTER_WH:
            settled = (*settled, _odd_reading(path, meter.sure_wh, taken_back, OddOutcome.DROPPED))
        meter = replace(meter, wh=max(wh, meter.sure_wh), risen_at=now)
    return Judged(meter, settled)


def wait(meter: Meter, path: str, now: float, power_w: float | None, *, is_gap: bool) -> Judged:
    """Time has passed while the wallbox spoke; `is_gap` as for `hear`."""
    meter = _passed(meter, now, power_w, is_gap=is_gap)
    held = meter.held
    if held is None:
        has_stood = now - meter.risen_at >= STOOD_S
        if has_stood and meter.wh > meter.sure_wh:
            meter = replace(meter, sure_wh=meter.wh, sure_at=now)
        return Judged(replace(meter, is_lone=meter.is_lone and not has_stood))
    if held.lasted_s < ODD_S:
        return Judged(meter)
    most_wh = MOST_W * max(0.0, held.first_at - meter.at + SLACK_S) / 3600
    wh = held.last_wh
    believed = replace(
        meter, wh=wh, sure_wh=wh, sure_at=now, at=held.last_at, risen_at=held.last_at, possible_wh=0.0, held=None
    )
    believed = replace(believed, is_lone=False)
    if meter.wh <= held.first_wh <= meter.wh + most_wh and not meter.is_lone:
        return Judged(believed, (_odd_reading(path, meter.wh, held, OddOutcome.COUNTED),))
    count = Count(
        began_at=held.first_at,
        before_wh=meter.wh,
        first_wh=max(0, held.first_wh - (0 if meter.is_lone else held.bridged_wh)),
        seen_wh=held.first_wh,
    )
    return Judged(replace(believed, count=count), (_odd_reading(path, meter.wh, held, OddOutcome.NEW_COUNT),))


def is_sure(meter: Meter) -> bool:
    """Whether nothing that it said waits to be confirmed, or to last."""
    return is_silent(meter) if meter.held is not None else meter.wh <= meter.sure_wh


def is_settled(meter: Meter, since: float) -> bool:
    """Whether something of what was heard after `since` is sure, or nothing was heard that is not."""
    if meter.held is not None:
        return is_silent(meter)
    return meter.wh <= meter.sure_wh or meter.risen_at <= since or meter.sure_at > since


def is_silent(meter: Meter) -> bool:
    """Whether the meter has said 0 for so long that nobody knows what it stands at."""
    return meter.held is not None and meter.held.lasted_s == 0 and meter.held.held_s >= ODD_S


class Sampled(Protocol):
    """A meter's reading at a tick."""

    @property
    def wh(self) -> int: ...


T = TypeVar("T", bound=Sampled)


def lasting(readings: Sequence[T], possible_wh: Callable[[T, T], float]) -> list[T]:
    """Of readings that were stored as they came, in order: those that the ones beside them do not make odd.

    Where the one before and the one after agree, one above both was odd. So was one below both, unless `possible_wh`,
    what power says can have flowed between two of them, explains how the meter came back: then it began anew, and had
    counted little. First and last stay.
    """
    kept = list(readings[:1])
    for index in range(1, len(readings)):
        reading = readings[index]
        if index + 1 < len(readings):
            before, after = kept[-1], readings[index + 1]
            is_spike = before.wh <= after.wh < reading.wh
            is_dip = reading.wh < before.wh <= after.wh
            if is_spike or (is_dip and not _explains(possible_wh(reading, after), after.wh - reading.wh)):
                continue
        kept.append(reading)
    return kept


def _explains(possible_wh: float, rise_wh: float) -> bool:
    return rise_wh <= EXCESS * possible_wh + SLACK_WH


def _passed(meter: Meter, now: float, power_w: float | None, *, is_gap: bool) -> Meter:
    """Time has passed: more can have flowed, and what is held has lasted longer. A clock set back counts from there."""
    elapsed_s = max(0.0, now - meter.seen_at)
    known = [power for power in (meter.power_w, power_w) if power is not None]
    flowing_w = MOST_W if is_gap or len(known) < 2 else max(known)
    flowed_wh = flowing_w * elapsed_s / 3600
    held = meter.held
    if held is not None:
        counted_s = 0.0 if is_gap else elapsed_s
        held = replace(
            held,
            possible_wh=held.possible_wh + flowed_wh,
            held_s=held.held_s + counted_s,
            lasted_s=held.lasted_s + (counted_s if held.last_wh > 0 else 0.0),
        )
    return replace(
        meter,
        at=min(meter.at, now),
        risen_at=min(meter.risen_at, now),
        seen_at=now,
        power_w=power_w,
        possible_wh=meter.possible_wh + flowed_wh,
        held=held,
    )


def _agrees(meter: Meter, wh: Wh) -> bool:
    """Whether it goes on from what is believed, or takes back what is not sure."""
    return wh > 0 and wh >= meter.sure_wh - JITTER_WH and _explains(meter.possible_wh, wh - meter.wh)


def _odd(meter: Meter, path: str, wh: Wh, now: float) -> Judged:
    held = meter.held
    if held is not None and _goes_on(held, wh):
        went_on = replace(held, last_wh=max(held.last_wh, wh), last_at=now, possible_wh=0.0)
        return Judged(replace(meter, held=went_on))
    settled = (_odd_reading(path, meter.wh, held, OddOutcome.DROPPED),) if held is not None else ()
    bridged_wh = 0.0
    if meter.power_w is not None and now - meter.at <= GAP_S:
        bridged_wh = meter.power_w * (now - meter.at) / 3600
    first = Held(first_wh=wh, first_at=now, last_wh=wh, last_at=now, bridged_wh=bridged_wh)
    return Judged(replace(meter, held=first), settled)


def _goes_on(held: Held, wh: Wh) -> bool:
    if wh <= 0:
        return held.last_wh <= 0
    return wh >= held.last_wh - JITTER_WH and _explains(held.possible_wh, wh - held.last_wh)


def _settled(path: str, meter: Meter, held: Held, wh: Wh) -> OddReading:
    """What the held readings were, now that `wh` is believed."""
    is_passed = meter.wh <= held.first_wh <= wh
    return _odd_reading(path, meter.wh, held, OddOutcome.COUNTED if is_passed else OddOutcome.DROPPED)


def _odd_reading(path: str, before_wh: Wh, held: Held, outcome: OddOutcome) -> OddReading:
    return OddReading(
        meter=path,
        from_s=int(held.first_at),
        to_s=int(held.last_at),
        before_wh=round(before_wh),
        first_wh=round(held.first_wh),
        last_wh=round(held.last_wh),
        outcome=outcome,
    )
