"""Bodies and query strings, checked against the types that also make the OpenAPI document. Pure.

Everything wrong is named at once, by field. Unknown fields and parameters are refused, since a misspelt one would
otherwise be ignored in silence.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from types import GenericAlias
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from api.errors import MalformedBody
from common.errors import FieldError

LONGEST_QUERY = 4096  # characters
MOST_PARAMETERS = 20
LONGEST_NAME = 64  # characters of what a client called a field

_PLACE = re.compile(r" - at `\$\[0\]((?:\.\w+|\[[0-9]+\])*)`\Z")
_STEP = re.compile(r"\w+")
_NO_UTF_8 = re.compile("[\udc80-\udcff]")  # as "surrogateescape" writes each byte that is none
_ABOUT_A_FIELD = re.compile(r"Object (missing required|contains unknown) field `(.*)`\Z", re.DOTALL)

Body = TypeVar("Body", bound=msgspec.Struct)


def body(raw: bytes, shape: type[Body], *, ignores_unknown: bool = False) -> Body:
    """The JSON object in `raw` as `shape`; raises MalformedBody or FieldError, also for unknown fields.

    Faults are named by their path, like `cost.amount` or `weekdays[0]`; of those within one field the first is named.
    """
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise MalformedBody("the body must be a JSON object", detail=str(exc)) from exc
    if not isinstance(value, dict):
        raise MalformedBody("the body must be a JSON object")
    faults: dict[str, str] = {}
    known = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name in () if ignores_unknown else value.keys() - known.keys():
        faults[name[:LONGEST_NAME]] = "is not a known field"
    for name, field in known.items():
        if name not in value:
            if field.required:
                faults[name] = "is missing"
            continue
        try:
            # In a list, so that msgspec always tells a place, behind whatever a client wrote.
            msgspec.convert([value[name]], GenericAlias(list, (field.type,)))
        except msgspec.ValidationError as exc:
            faults |= _fault(exc, name, shape)
    if faults:
        raise FieldError("some fields are missing or wrong", faults)
    return msgspec.convert(value, shape)


def query(raw: str, allowed: Collection[str]) -> dict[str, str]:
    """The parameters of a query string, each at most once; raises FieldError for others, repeated and broken ones."""
    if len(raw) > LONGEST_QUERY:
        raise FieldError("the query is too long", {"query": f"must have at most {LONGEST_QUERY} characters"})
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="surrogateescape", max_num_fields=MOST_PARAMETERS)
    except ValueError as exc:
        words = f"must have at most {MOST_PARAMETERS} parameters"
        raise FieldError("the query is malformed", {"query": words}) from exc
    found: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            faults[name[:LONGEST_NAME].encode(errors="replace").decode()] = "is not a known parameter"
        elif name in found:
            faults[name] = "is given twice"
        elif _NO_UTF_8.search(value):
            faults[name] = "must be UTF-8"
        found[name] = value
    if faults:
        raise FieldError("some parameters are wrong", faults)
    return found


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """A parameter that is `true` or `false`, and false where it is left out; raises FieldError."""
    value = parameters.get(name, "false")
    if value not in ("true", "false"):
        raise FieldError("some parameters are wrong", {name: "must be true or false"})
    return value == "true"


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


def _fault(error: msgspec.ValidationError, name: str, shape: type[msgspec.Struct]) -> dict[str, str]:
    """What msgspec found in the field `name` of `shape`, without its words: they quote values and patterns."""
    text = str(error)
    place = _PLACE.search(text)
    path = name + (place[1] if place else "")
    about = _ABOUT_A_FIELD.match(text[: place.start()] if place else text)
    if about is not None:
        words = "is missing" if about[1].startswith("missing") else "is not a known field"
        return {f"{path}.{about[2][:LONGEST_NAME]}": words}
    document = _schema(shape)
    root = document["$defs"][shape.__name__]
    return {path: _accepted([*_nodes(root, _STEP.findall(path), document["$defs"])])}


@cache
def _schema(shape: type[msgspec.Struct]) -> dict[str, Any]:
    return msgspec.json.schema(shape)


def _nodes(node: dict[str, Any], steps: Sequence[str], defined: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The alternatives that a JSON Schema has for what is found by these names and positions."""
    if "$ref" in node:
        yield from _nodes(defined[node["$ref"].rpartition("/")[2]], steps, defined)
    elif "anyOf" in node:
        for choice in node["anyOf"]:
            yield from _nodes(choice, steps, defined)
    elif not steps:
        yield node
    elif "items" in node:
        yield from _nodes(node["items"], steps[1:], defined)
    elif steps[0] in node.get("properties", {}):
        yield from _nodes(node["properties"][steps[0]], steps[1:], defined)


def _accepted(nodes: Sequence[dict[str, Any]]) -> str:
    choices = [str(choice) for node in nodes for choice in node.get("enum", ())]
    kinds = [f"one of {', '.join(choices)}"] if choices else []
    kinds += [_kind(node) for node in nodes if "enum" not in node]
    return f"must be {' or '.join(dict.fromkeys(kinds))}"


def _kind(node: dict[str, Any]) -> str:
    match node.get("type"):
        case "integer":
            return f"a whole number{_between('from', node, 'minimum', 'maximum')}"
        case "number":
            return f"a number{_between('from', node, 'minimum', 'maximum')}"
        case "string" if "pattern" in node:
            return str(node["description"])
        case "string":
            return f"a text{_between('of', node, 'minLength', 'maxLength', ' characters')}"
        case "array":
            return f"a list{_between('of', node, 'minItems', 'maxItems', ' items')}"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case _:
            return "an object"


def _between(word: str, node: dict[str, Any], lowest: str, highest: str, unit: str = "") -> str:
    """Every shape with a lower bound has an upper one; what has none below is counted from 0."""
    return f" {word} {node.get(lowest, 0)} to {node[highest]}{unit}" if highest in node else ""
