"""Bodies and query strings, checked against the types that also make the OpenAPI document. Pure.

Everything wrong is named at once, by field. Unknown fields and parameters are refused, since a misspelt one would
otherwise be ignored in silence.
"""

from collections.abc import Collection
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from api.errors import MalformedBody
from common.errors import FieldError

LONGEST_QUERY = 4096  # characters
MOST_PARAMETERS = 20
LONGEST_WORDS = 160  # characters of what is said of one field; the longest pattern fits

Body = TypeVar("Body", bound=msgspec.Struct)


def body(raw: bytes, shape: type[Body], *, ignores_unknown: bool = False) -> Body:
    """The JSON object in `raw` as `shape`; raises MalformedBody or FieldError, also for unknown fields."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedBody("the body must be a JSON object", detail=str(exc)) from exc
    if not isinstance(value, dict):
        raise MalformedBody("the body must be a JSON object")
    faults: dict[str, str] = {}
    known = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name in () if ignores_unknown else value.keys() - known.keys():
        faults[name[:64]] = "is not a known field"
    for name, field in known.items():
        if name not in value:
            if field.required:
                faults[name] = "is missing"
            continue
        try:
            msgspec.convert(value[name], field.type)
        except msgspec.ValidationError as exc:
            faults[name] = _words(exc)
    if faults:
        raise FieldError("some fields are missing or wrong", faults)
    return msgspec.convert(value, shape)


def query(raw: str, allowed: Collection[str]) -> dict[str, str]:
    """The parameters of a query string, each at most once; raises FieldError for others, repeated and broken ones."""
    if len(raw) > LONGEST_QUERY:
        raise FieldError("the query is too long", {"query": f"must have at most {LONGEST_QUERY} characters"})
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError as exc:
        raise FieldError("the query is malformed", {"query": "must be at most 20 UTF-8 name=value pairs"}) from exc
    found: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            faults[name[:64]] = "is not a known parameter"
        elif name in found:
            faults[name] = "is given twice"
        found[name] = value
    if faults:
        raise FieldError("some parameters are wrong", faults)
    return found


def label(text: str, field: str) -> str:
    """What a person calls a thing of theirs, without blanks around it; raises FieldError for what no line can show."""
    kept = text.strip()
    if not kept or not kept.isprintable():
        raise FieldError("some fields are missing or wrong", {field: "must be 1 to 64 printable characters"})
    return kept


def whole_number(text: str, *, lowest: int, highest: int) -> int:
    """A number in plain decimal digits; raises ValueError with words for the client."""
    words = f"must be a whole number from {lowest} to {highest}"
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(words)
    number = int(text)
    if not lowest <= number <= highest:
        raise ValueError(words)
    return number


def _words(error: msgspec.ValidationError) -> str:
    """msgspec's own words, but where they quote the value, or a field's name at whatever length."""
    text = str(error)
    if text.startswith(("Invalid enum value", "Invalid value")):
        return "is not one of the values that are taken"
    text = text.partition(" - at ")[0][:LONGEST_WORDS]
    return text[:1].lower() + text[1:]
