"""Which vehicle an RFID tag belongs to (`control/ev/ev.py`). Pure."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any


def vehicle_of(tag: str, tags: Mapping[int, Any]) -> int | None:
    """The first vehicle with this tag: as it is, whatever its case, then by patterns with `*` and `?`.

    `tags` maps vehicles to what stands in their `tag_id`, which nobody checked.
    """
    for is_match in (str.__eq__, fnmatchcase):
        for vehicle, known in tags.items():
            if any(is_match(tag.casefold(), candidate.casefold()) for candidate in _texts(known)):
                return vehicle
    return None


def is_valid(tag: str, valid_tags: Any) -> bool:
    """Whether a charge point's own list unlocks it for the tag."""
    return any(fnmatchcase(tag.casefold(), candidate.casefold()) for candidate in _texts(valid_tags))


def _texts(value: Any) -> Iterable[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
