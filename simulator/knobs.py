"""How the values of knobs are read: topics `simulator/control/<knob>[/<argument>]`, listed in docs/simulator.md.

Pure. A knob makes a simulated wallbox do what a real one does on bad days, so that tests and owners can provoke it.
"""

from collections.abc import Collection
from math import isfinite

from common.errors import FieldError

PREFIX = "simulator/control/"
FILTER = PREFIX + "#"
LONGEST_DELAY_S = 3600.0


def switch(payload: str) -> bool:
    """`1` or `0`."""
    if payload not in ("0", "1"):
        raise FieldError("bad knob", {"payload": "must be 0 or 1"})
    return payload == "1"


def delay_s(payload: str) -> float:
    """Seconds from 0 to an hour."""
    try:
        seconds = float(payload)
    except ValueError:
        seconds = -1.0
    if not (isfinite(seconds) and 0 <= seconds <= LONGEST_DELAY_S):
        raise FieldError("bad knob", {"payload": f"must be seconds, 0 to {LONGEST_DELAY_S:.0f}"})
    return seconds


def plug(payload: str) -> bool | None:
    """`plugged`, `away`, or `free` for a car's own habits."""
    meanings = {"plugged": True, "away": False, "free": None}
    if payload not in meanings:
        raise FieldError("bad knob", {"payload": f"must be one of {', '.join(meanings)}"})
    return meanings[payload]


def percent(payload: str) -> float:
    """From 0 to 100."""
    try:
        number = float(payload)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise FieldError("bad knob", {"payload": "must be a percentage, 0 to 100"})
    return number


def one_of(known: Collection[int], text: str) -> int:
    """The number of something that exists."""
    for number in known:
        if text == str(number):
            return number
    raise FieldError("bad knob", {"number": f"must be one of {', '.join(map(str, known))}"})


def unknown(knob: str) -> FieldError:
    """For raising where this wallbox has no such knob."""
    return FieldError("bad knob", {"knob": f"{knob[:40]!r} is none of this wallbox's"})
