"""What an existing iOS app sends, as the types that check it, and what it is answered, for the OpenAPI document. Pure.

The app sends what it always sent, so fields that are not known are ignored here. Answers: legacy.py.
"""

from typing import Annotated, Any

import msgspec

from api.shapes import Name
from api.shapes_people import Password


class LegacyLoginBody(msgspec.Struct, frozen=True):
    """`password` may have a code of the authenticator app right behind it."""

    username: Name
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=262)]


class LegacyPasswordBody(msgspec.Struct, frozen=True):
    password: Password


class LegacyUserBody(msgspec.Struct, frozen=True):
    username: Name
    password: Password | msgspec.UnsetType = msgspec.UNSET
    admin: bool | msgspec.UnsetType = msgspec.UNSET


class ModeAnswer(msgspec.Struct, frozen=True):
    modusName: str  # noqa: N815 -- the app's own word
    modus: Annotated[int, msgspec.Meta(ge=0, le=4)]


class LegacyPerson(msgspec.Struct, frozen=True):
    username: str
    tagName: str  # noqa: N815 -- the app's own word
    admin: bool


class LogEntry(msgspec.Struct, frozen=True):
    """Instants in milliseconds."""

    start: int
    ende: int
    km: int
    kWh: float  # noqa: N815 -- the app's own word
    kW: float  # noqa: N815 -- the app's own word
    ladepunkt: str
    modus: int


class LogAnswer(msgspec.Struct, frozen=True):
    log: list[LogEntry]


Readings = dict[str, Any]
"""Groups of numbers; docs/legacy-app.md and legacy.py have the names."""
