"""What happens at a charge point: the table of what was, what is, and what comes of it. Pure.

A session lasts from plug to unplug, whatever the wallbox or the car does in between; what is unknown neither begins nor
ends anything. Unplugged for less than FLAP_S is a plug that flapped; whether the wallbox itself says afterwards that
another car came shows in a while (`is_another_car`). What the meter does decides nothing here: edge/sessions/look.py
counts, whatever the move.
"""

from dataclasses import dataclass
from enum import Enum, auto

from edge.sessions.state import Flap

FLAP_S = 70.0
"""Unplugged for less is a plug that flapped, or a wallbox that restarts: openWB 1.9 waits for six loops of 10 s.

A 2.x may report once a minute only, so that one wrong report lasts as long.
"""

SETTLE_S = 120.0
"""So much longer a session waits for its end while a reading of its meter is not sure; by then it is, or was odd."""

COUNTER_FELL_WH = 200.0
"""The wallbox's counter since plug-in is rounded and late by a loop or two; a fall by more is another plug-in."""

SIGNS_S = 300.0
"""For so long after a flap the wallbox's signs of another car count: it lets people hold their card to the reader for
five minutes."""

SIGNS_SEEN = 2
"""Looks in a row at which counter or vehicle must show it: both are republished one by one when a plug comes back."""

LONGEST_CHARGE_S = 24 * 3600.0
"""What came in a longer time while nobody looked, and the car is gone since, may be another car's."""


class Was(Enum):
    """At the last look."""

    FREE = auto()  # no session
    PLUGGED = auto()  # a session whose car is there, as far as is known
    ABSENT = auto()  # a session whose car was not plugged in


class Move(Enum):
    REST = auto()  # nothing but a meter that is read
    START = auto()
    GO_ON = auto()
    LEAVE = auto()  # the car is not plugged in; whether it is gone shows in a while
    LEAVE_UNSEEN = auto()  # it left while nobody looked, and what the meter counted may be another car's
    REPLUG = auto()  # while nobody looked it left, and one came
    WAIT = auto()  # it is still away, or nothing says whether it is
    RETURN = auto()  # the plug flapped, as far as is known yet
    END = auto()
    ANOTHER = auto()  # away for so long that this is another plug-in


@dataclass(frozen=True, slots=True)
class Situation:
    """`is_gap`: nobody looked for a while (`elapsed_s`). `absent_s` counts from the look that first missed the car.

    `since_wh` and `since_before_wh` are the wallbox's counter since plug-in, now and when the car was last seen;
    `energy_wh` is what the meter counted since the last look. `is_sure`: nothing that it says waits to be confirmed.
    """

    was: Was
    is_plugged: bool | None
    is_gap: bool
    elapsed_s: float
    absent_s: float
    since_wh: float | None
    since_before_wh: float | None
    energy_wh: float
    is_sure: bool = True


def move(now: Situation) -> Move:
    """Whatever the situation, exactly one of these."""
    match now.was, now.is_plugged:
        case Was.FREE, True:
            return Move.START
        case Was.FREE, _:
            return Move.REST
        case Was.PLUGGED, False:
            return Move.LEAVE_UNSEEN if now.is_gap and _may_be_anothers(now) else Move.LEAVE
        case Was.PLUGGED, True:
            return (
                Move.REPLUG
                if now.is_gap and bool(now.since_wh) and has_fallen(now.since_wh, now.since_before_wh)
                else Move.GO_ON
            )
        case Was.PLUGGED, _:
            return Move.GO_ON
        case Was.ABSENT, None:
            return Move.WAIT
        case Was.ABSENT, False:
            return Move.END if now.absent_s >= FLAP_S + (0.0 if now.is_sure else SETTLE_S) else Move.WAIT
        case _:
            return _back(now)


def has_fallen(since_wh: float | None, before_wh: float | None) -> bool:
    """Whether the wallbox's counter since plug-in says that another one began: it fell, or is back at 0."""
    if since_wh is None or before_wh is None:
        return False
    return since_wh < before_wh - COUNTER_FELL_WH or since_wh <= 0 < before_wh


def is_another_car(flap: Flap, since_wh: float | None, vehicle: str | None) -> bool:
    """Whether the wallbox names another car than before the plug flapped: by its counter, or by its vehicle."""
    is_other_vehicle = vehicle is not None and flap.vehicle is not None and vehicle != flap.vehicle
    return is_other_vehicle or has_fallen(since_wh, flap.since_plugged_wh)


def _back(now: Situation) -> Move:
    is_counted_on = now.is_gap and bool(now.since_wh and now.since_before_wh)
    is_counted_on = is_counted_on and (now.since_wh or 0.0) >= (now.since_before_wh or 0.0)
    return Move.RETURN if now.absent_s < FLAP_S or is_counted_on else Move.ANOTHER


def _may_be_anothers(now: Situation) -> bool:
    if now.since_wh and has_fallen(now.since_wh, now.since_before_wh):
        return True
    return now.energy_wh > 0 and now.elapsed_s > LONGEST_CHARGE_S
