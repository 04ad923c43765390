"""JSON as openWB 2.x reads and writes it: what is no JSON is text; umlauts are escapes here and UTF-8 there.

Pure. `encode` never fails on what `decode` returns.
"""

import json
from typing import Any

RAW_UTF8_ENDINGS = ("/name",)  # vehicles' names; the core escapes everything else that it writes


def decode(payload: bytes) -> Any:
    """The JSON value, or the text itself if it is none. Raises UnicodeDecodeError for what is no UTF-8."""
    text = payload.decode("utf-8")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def encode(name: str, value: Any) -> str:
    """The payload that shows `value` at the topic `name`."""
    if name.endswith(RAW_UTF8_ENDINGS):
        raw = json.dumps(value, ensure_ascii=False)
        if raw.isprintable():  # half a surrogate pair, which JSON may spell, is no UTF-8
            return raw
    return json.dumps(value)


def rounded(value: float, digits: int = 2) -> int | float:
    """A reading as it goes out: whole numbers without a point, so that integers and decimals alternate."""
    value = round(value, digits)
    return int(value) if value == int(value) else value
