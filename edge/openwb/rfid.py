"""The topics in which both generations speak of RFID tags, and what a payload there says.

Kept apart from the dialect tables on purpose: tags are personal, so these topics reach `edge/scans.py` and nothing
else, neither mirror nor state nor log. Pure. Obeys openWB 1.9.304 (`runs/rfid/rfidDaemon.py`, `rfidtag.sh`,
`loadvars.sh`) and 2.x (`control/chargepoint/chargepoint.py`, `control/optional.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from common.tags import tag_of
from edge.openwb import json_values, parsing
from edge.openwb.parsing import SkipReason, Unreadable

LONGEST_PAYLOAD = 200  # bytes; a tag, an instant, a result and their commas have about 90


class Word(Enum):
    """What a topic tells."""

    SCANNED = (
        auto()
    )  # a scan; with its instant, but for 1.9's mode 2, which assigns a tag to a charge point without one
    WAITING = auto()  # 2.x: the tag that waits at a charge point to be bound, or thrown away
    STAMP = auto()  # 2.x: when it came
    BOUND = auto()  # 2.x: the tag of the running session


@dataclass(frozen=True, slots=True)
class Said:
    """`tag` None: there is none now. `at` is in Unix seconds, None where the wallbox does not say it.

    `is_refused`: 1.9 does not let this tag charge here.
    """

    word: Word
    charge_point: str | None
    tag: str | None
    at: float | None = None
    is_refused: bool = False


_TOPICS: Mapping[str, Mapping[str, Word]] = {
    "1.9": {
        "openWB/system/lastRfId": Word.SCANNED,
        "openWB/lp/{n}/lastRfId": Word.SCANNED,
        "openWB/lp/{n}/tagScanInfo": Word.SCANNED,
    },
    "2.x": {
        "openWB/chargepoint/{n}/get/rfid": Word.WAITING,
        "openWB/chargepoint/{n}/get/rfid_timestamp": Word.STAMP,
        "openWB/chargepoint/{n}/set/rfid": Word.BOUND,
    },
}
SUBSCRIPTIONS = tuple(topic.replace("{n}", "+") for topics in _TOPICS.values() for topic in topics)

_PATTERNS = [
    (generation, re.compile(topic.replace("{n}", "(0|[1-9][0-9]{0,3})")), word)
    for generation, topics in _TOPICS.items()
    for topic, word in topics.items()
]


_NAMED = re.compile(
    r"\b((?i:ID|RFID)[- ]?(?i:Tags?|Karten?)?:?\s+[\\\"'„“<>b]*)((?=\S*[0-9])[0-9A-Za-z:._-]+|[A-Z]{3,})"
)
_LONG = re.compile(r"\b(?=[0-9A-Fa-f:]*[0-9])[0-9A-Fa-f:]{8,}\b")


def without_tags(text: str) -> str:
    """A sentence of the wallbox without the tags in it: 2.x tells people why it threw one away, and names it."""
    return _LONG.sub("…", _NAMED.sub(r"\1…", text))


def has_templates(generation: str) -> bool:
    """Whether the wallbox binds a tag to a session itself, with a vehicle's template, which has limits by mode."""
    return generation == "2.x"


def generation_of(topic: str) -> str | None:
    """Whose topic it is; None if it is none of these."""
    found = _match(topic)
    return None if found is None else found[0]


def read(topic: str, payload: bytes) -> Said:
    """What a message says. Raises Unreadable, and nothing else."""
    found = _match(topic)
    if found is None:
        raise Unreadable(SkipReason.NOT_ALLOWED)
    _, word, number = found
    if len(payload) > LONGEST_PAYLOAD:
        raise Unreadable(SkipReason.TOO_BIG)
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError as exc:
        raise Unreadable(SkipReason.NOT_TEXT) from exc
    if word is Word.SCANNED:
        return _scanned(text, number, is_instant_first=topic.endswith("/tagScanInfo"))
    if word is Word.STAMP:
        return Said(word, number, None, _instant(text) if text not in ("", "null") else None)
    if text in ("", "null"):
        return Said(word, number, None)
    # Digits without quotes are text, too: as JSON they would lose leading zeros, and the end of what is long.
    content = json_values.decode(text) if text.startswith('"') else text
    if not isinstance(content, str):
        raise Unreadable(SkipReason.NOT_TEXT)
    return Said(word, number, _tag(content))


def _scanned(text: str, number: str | None, *, is_instant_first: bool) -> Said:
    """`tag,instant`, `tag`, `0`, or `instant,tag,result`; a result of 0 refuses the charge point, and is a scan too."""
    parts = [part.strip() for part in text.split(",")]
    is_refused = False
    if is_instant_first:
        if len(parts) != 3:
            raise Unreadable(SkipReason.NOT_A_LIST)
        is_refused = parts[2] == "0"
        parts = [parts[1], parts[0]]
    if len(parts) > 2:
        raise Unreadable(SkipReason.NOT_A_LIST)
    tag = _tag(parts[0])
    at = _instant(parts[1]) if len(parts) == 2 and tag is not None else None
    return Said(Word.SCANNED, number, tag, at, is_refused)


def _tag(text: str) -> str | None:
    """None for openWB's "none"; raises Unreadable for what is no tag."""
    tag = tag_of(text)
    if tag is None and text.strip("0 "):
        raise Unreadable(SkipReason.NOT_A_CHOICE)
    return tag


def _instant(text: str) -> float:
    value = float(parsing.number(text))
    if not 0 <= value < 1e11:
        raise Unreadable(SkipReason.OUT_OF_RANGE)
    return value


def _match(topic: str) -> tuple[str, Word, str | None] | None:
    for generation, pattern, word in _PATTERNS:
        match = pattern.fullmatch(topic)
        if match is not None:
            return generation, word, match[1] if match.lastindex else None
    return None
