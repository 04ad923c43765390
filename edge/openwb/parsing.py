"""Turns one payload's text into one value with our units and signs.

Each function takes stripped, non-empty text and returns a value, None where openWB itself says "unknown", or raises
`Unreadable`; nothing else escapes. Used by the dialect tables only. Source: openWB 1.9's publishers, whose numbers come
from shell arithmetic (`.45`, `-.5`) and whose texts come from shell or, JSON-quoted, from Python.
"""

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from common.errors import AppError
from common.model import Limit, Mode, Number, PerPhase, PriceSlots

T = TypeVar("T")
Value = int | float | bool | str | PerPhase | PriceSlots | Limit | frozenset[str] | None
"""What a field may hold. Sets are of ids or names, and for `fact.` fields only."""

LONGEST_NUMBER = 32  # characters; a float's repr has at most 24
LONGEST_NAME = 100  # characters; openWB's own form allows fewer
HIGHEST_PRICE = 10  # EUR/kWh, of either sign; exchanges stop at 4
MOST_PRICES = 500  # slots; two days of quarter hours have 192
LONGEST_FAULT = 500  # characters; Python modules publish whole tracebacks, the first lines say what happened

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_PRICE_LINE = re.compile(r"[0-9]{1,11},[0-9.+-]{1,16}")
_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){1,3}(?:[-+ ][A-Za-z]{1,10}(?:\.?[0-9]{1,4})?)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MODES = {"0": Mode.INSTANT, "1": Mode.MIN_PV, "2": Mode.PV, "3": Mode.STOP, "4": Mode.STANDBY}
_LIMITS = {"0": "none", "1": "energy", "2": "soc"}
_PHASES = {"1": 1, "2": 2, "3": 3, "4": 0}
_FAULTS = {"0": "ok", "1": "warning", "2": "error"}
_BOOLEANS = {"0": False, "1": True, "false": False, "true": True}


class SkipReason(StrEnum):
    """Why a message was dropped; each has a counter in health."""

    NOT_ALLOWED = "not_allowed"
    TOO_BIG = "too_big"
    NOT_TEXT = "not_text"
    NOT_A_NUMBER = "not_a_number"
    NOT_A_CHOICE = "not_a_choice"
    NOT_A_LIST = "not_a_list"
    NOT_AN_OBJECT = "not_an_object"
    OUT_OF_RANGE = "out_of_range"
    METER_ODD = "meter_odd"
    TOO_MANY_TOPICS = "too_many_topics"


class Unreadable(AppError):
    """A payload that is not what its topic promises; `reason` says in which way."""

    code = "unreadable_payload"

    def __init__(self, reason: SkipReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def number(text: str) -> Number:
    """As written: whole numbers are int, those with a point or exponent are float; never NaN or infinite."""
    if len(text) > LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise Unreadable(SkipReason.NOT_A_NUMBER)
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def whole(text: str) -> int:
    """A whole number, also when written as `3.0`."""
    value = number(text)
    if value != int(value):
        raise Unreadable(SkipReason.NOT_A_NUMBER)
    return int(value)


def flipped(text: str) -> Number:
    """A number with the opposite sign, and 0 without one."""
    return 0 - number(text)


def wh(text: str) -> int:
    """Wh, rounded to whole ones."""
    return round(number(text))


def kwh_as_wh(text: str) -> int:
    """kWh, as whole Wh."""
    return round(number(text) * 1000)


def cents_as_eur(text: str) -> float | None:
    """ct/kWh as EUR/kWh; 1000 is openWB's sign that fetching the price failed."""
    cents = number(text)
    return None if cents == 1000 else round(cents / 100, 6)


def boolean(text: str) -> bool:
    return _choice(_BOOLEANS, text.lower())


def mode(text: str) -> Mode:
    return _choice(_MODES, text)


def limit_type(text: str) -> str:
    return _choice(_LIMITS, text)


def phases(text: str) -> int:
    """How many phases charging shall use; openWB's 4 is "automatic"."""
    return _choice(_PHASES, text)


def temperature(text: str) -> Number | None:
    """°C; 300 is openWB's sign that there is no sensor."""
    value = number(text)
    return None if value == 300 else value


def prices(text: str) -> PriceSlots | None:
    """A module's name, then one `<Unix seconds>,<ct/kWh>` a line; as EUR/kWh, in order."""
    slots: dict[int, Number] = {}
    for line in text.splitlines()[1:]:
        starts_at, comma, cents = line.strip().partition(",")
        if comma and (price := cents_as_eur(cents)) is not None:
            slots[whole(starts_at)] = price
    return in_order(slots)


def price_lines(text: str) -> str:
    """A price list without anything that is no price: of the module's name nothing is kept."""
    return "\n".join(["", *(line.strip() for line in text.splitlines()[1:] if _PRICE_LINE.fullmatch(line.strip()))])


def in_order(slots: Mapping[int, Number]) -> PriceSlots | None:
    """By their start; None when there are none."""
    if len(slots) > MOST_PRICES or any(not -HIGHEST_PRICE <= price <= HIGHEST_PRICE for price in slots.values()):
        raise Unreadable(SkipReason.OUT_OF_RANGE)
    return tuple(sorted(slots.items())) or None


def fault_level(text: str) -> str:
    return _choice(_FAULTS, text)


def name(text: str) -> str | None:
    """One line, at most LONGEST_NAME characters."""
    return one_line(unquoted(text), LONGEST_NAME)


def version(text: str) -> str:
    """A release as openWB numbers them: `1.9.304.0`, `2.1.9-Patch.2`; nothing else is kept of such a topic."""
    release = unquoted(text)
    if not _VERSION.fullmatch(release):
        raise Unreadable(SkipReason.NOT_A_CHOICE)
    return release


def fault_text(text: str) -> str | None:
    """At most LONGEST_FAULT characters."""
    return one_line(unquoted(text), LONGEST_FAULT)


def one_line(text: str, longest: int) -> str | None:
    """Without control characters; None when nothing is left."""
    # Lone surrogates come out of JSON escapes and cannot be written as UTF-8.
    clean = _CONTROL.sub(" ", text).encode("utf-8", "replace").decode("utf-8").strip()
    return (clean if len(clean) <= longest else f"{clean[: longest - 1]}…") or None


def unquoted(text: str) -> str:
    """Plain, or a JSON string with quotes and escapes, as Python modules publish it. Never begins with a quote."""
    if not text.startswith('"'):
        return text
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    return content.strip('"') if isinstance(content, str) else text.strip('"')


def _choice(choices: dict[str, T], text: str) -> T:
    if text not in choices:
        raise Unreadable(SkipReason.NOT_A_CHOICE)
    return choices[text]
