"""What the OpenAPI document says of one route; operations.py lists them all. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

BOUNDARY: Mapping[str, Any] = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9:.]+([Zz]|[+-][0-9]{2}:?[0-9]{2}))?$",
    "examples": ["2026-11-23", "2026-11-23T10:15:30Z"],
}
"""Of `?from` and `?to`: an instant, or the site's midnight with which a day begins (api/periods.py).

One text for both, since generators know either a date or an instant.
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A text in the query, or in the path where its name stands in braces, or in a header field.

    `schema` is an enumeration of ours, or JSON Schema.
    """

    name: str
    description: str
    schema: Mapping[str, Any] | type
    is_header: bool = False


CODE = Parameter(
    "Wallport-Code",
    "a fresh code of the authenticator app, for this request alone; through a relay the only way to be elevated",
    {"type": "string"},
    is_header=True,
)


@dataclass(frozen=True, slots=True)
class Operation:
    """`id` names it in clients that are made from the document. `answer` is a type, bytes for a file, or None for no
    content. `problems` are the codes besides those that any route with this rule may answer.

    `is_command`: the answer is a command, 202 when it is not settled yet.
    """

    id: str
    summary: str
    answer: Any
    body: type[msgspec.Struct] | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[str, ...] = ()
    has_etag: bool = False
    media_type: str = "application/json"
    description: str = ""
    success: str = "200"
    is_command: bool = False
    is_body_optional: bool = False
