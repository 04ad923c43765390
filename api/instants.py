"""Instants as RFC 3339 text in UTC, whole seconds: what every client's parser takes."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

_Instant = Annotated[datetime, msgspec.Meta(tz=True)]


def parse(text: str) -> float:
    """Unix seconds of an RFC 3339 instant with an offset; raises ValueError."""
    try:
        return msgspec.convert(text, _Instant).timestamp()
    except (msgspec.ValidationError, OverflowError) as exc:
        raise ValueError("must be an RFC 3339 instant with an offset, like 2026-11-23T10:15:30Z") from exc


def text(instant: float) -> str:
    """`2026-11-23T10:15:30Z`; fractions of a second are cut."""
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
