"""What the OpenAPI document says of one route; operations.py lists them all. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

BOUNDARY: Mapping[str, Any] = {
    "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
}
"""Of `?from` and `?to`: an instant, or the site's midnight with which a day begins (api/periods.py)."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A text in the query, or in the path where its name stands in braces, or in a header field."""

    name: str
    description: str
    schema: Mapping[str, Any]
    is_header: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """`problems` are the codes besides those that any route with this rule may answer.

    `is_command`: the answer is a command, 202 when it is not settled yet. `answer` None: there is no content.
    """

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
