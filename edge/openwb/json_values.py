"""Turns parts of a JSON payload into values with our units and signs, as `parsing.py` does with plain text.

Each function takes something that JSON can say, never null, and returns a value, None where openWB means "unknown", or
raises `Unreadable`; nothing else escapes. Used by the table of openWB 2.x only, whose core publishes JSON, and takes
what is not JSON as text.
"""

import html
import re
from collections.abc import Callable
from typing import Any, TypeGuard

import orjson

from common.model import Number, PerPhase, PriceSlots
from edge.openwb import parsing
from edge.openwb.parsing import LONGEST_FAULT, LONGEST_NAME, SkipReason, Unreadable, Value, in_order, one_line

_TAG = re.compile(r"<[^<>]{0,200}>")


def decode(text: str) -> Any:
    """What the payload says; what is not JSON is text. NaN, Infinity and numbers beyond a double are not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def compact(content: Any) -> str:
    """As JSON text, with umlauts as they are. Raises Unreadable for what is deeper than JSON is written."""
    try:
        return orjson.dumps(content).decode("utf-8")
    except orjson.JSONEncodeError as exc:
        raise Unreadable(SkipReason.NOT_AN_OBJECT) from exc


def is_object(content: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(content, dict)


def number(content: Any) -> Number:
    if isinstance(content, bool) or not isinstance(content, int | float):
        raise Unreadable(SkipReason.NOT_A_NUMBER)
    return content


def whole(content: Any) -> int:
    """A whole number, also when written as `3.0`."""
    value = number(content)
    if value != int(value):
        raise Unreadable(SkipReason.NOT_A_NUMBER)
    return int(value)


def flipped(content: Any) -> Number:
    """A number with the opposite sign, and 0 without one."""
    return 0 - number(content)


def wh(content: Any) -> int:
    """Wh, rounded to whole ones."""
    return round(number(content))


def per_wh_as_per_kwh(content: Any) -> float:
    """EUR/Wh as EUR/kWh."""
    return round(number(content) * 1000, 6)


def boolean(content: Any) -> bool:
    """As openWB's own validation takes it: true, false, 0 or 1."""
    if content not in (True, False) or isinstance(content, float):
        raise Unreadable(SkipReason.NOT_A_CHOICE)
    return bool(content)


def inverse(content: Any) -> bool:
    return not boolean(content)


def name(content: Any) -> str | None:
    """One line, at most LONGEST_NAME characters."""
    return one_line(_text(content), LONGEST_NAME)


def prose(content: Any) -> str | None:
    """Words for people; one line, at most LONGEST_FAULT characters."""
    return one_line(_text(content), LONGEST_FAULT)


def without_html(content: Any) -> Any:
    """Words for people without the HTML that openWB mixes in; what is no text stays."""
    return html.unescape(_TAG.sub(" ", content)) if isinstance(content, str) else content


def version(content: Any) -> str:
    """A release as openWB numbers them."""
    return parsing.version(_text(content))


def identifier(content: Any) -> str:
    """An id as text; openWB counts from 0."""
    value = whole(content)
    if not 0 <= value <= 9999:
        raise Unreadable(SkipReason.OUT_OF_RANGE)
    return str(value)


def per_phase(content: Any) -> PerPhase:
    """Up to three numbers, each known or null."""
    if not isinstance(content, list) or not 1 <= len(content) <= 3:
        raise Unreadable(SkipReason.NOT_A_LIST)
    phases = [None if part is None else number(part) for part in content]
    first, second, third = phases + [None] * (3 - len(phases))
    return first, second, third


def prices(content: Any) -> PriceSlots | None:
    """`{"<start in Unix seconds>": EUR/Wh}` in order, as EUR/kWh; an empty object is unknown."""
    if not is_object(content):
        raise Unreadable(SkipReason.NOT_AN_OBJECT)
    return in_order({_start(starts_at): per_wh_as_per_kwh(price) for starts_at, price in content.items()})


def at(*names: str, read: Callable[[Any], Value]) -> Callable[[Any], Value]:
    """Reads the member of an object, or of an object in it; a member that is missing or null is unknown."""

    def read_member(content: Any) -> Value:
        part = member(content, *names)
        return None if part is None else read(part)

    return read_member


def member(content: Any, *names: str) -> Any:
    """The member that these names lead to, None when one is missing; raises Unreadable for what is no object."""
    for step in names:
        if content is None:
            return None
        if not is_object(content):
            raise Unreadable(SkipReason.NOT_AN_OBJECT)
        content = content.get(step)
    return content


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, int | float):  # a name like 2024 that was published without quotes
        return str(content)
    raise Unreadable(SkipReason.NOT_TEXT)


def _start(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 11):
        raise Unreadable(SkipReason.NOT_A_NUMBER)
    return int(text)
