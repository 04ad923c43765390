"""JSON Schemas of msgspec in the plain form that client generators read. Pure; called by openapi.py.

Each rule here answers to a generator that refuses or misreads the other form, and none widens or narrows what a schema
accepts: tests/clients compiles and uses what they make of it.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from api.shapes import END

Schema = dict[str, Any]

_NAMES = {"Status": "CommandStatus"}
"""Class → component, where the class is named for the module it stands in."""

_NULL = {"type": "null"}
_TYPES: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def plain(schema: Mapping[str, Any]) -> Schema:
    """`schema` without what generators stumble over.

    Null stands in the `type` where there is one, and as an alternative of `oneOf` beside a reference. Integer and
    number are number. A list of fixed length has one form of item. An enumeration says its type. The default of a
    body's field stands in its description: as `default` it makes a field required, or a value that nobody sent.
    """
    found = {key: _part(key, value) for key, value in schema.items() if key not in ("default", "anyOf")}
    if "anyOf" in schema:
        found = _alternatives([plain(option) for option in schema["anyOf"]]) | found
    if "prefixItems" in found:
        found |= _list_of(found.pop("prefixItems"))
    if "enum" in found and "type" not in found:
        found["type"] = _TYPES[type(found["enum"][0])]
    if "description" in found:
        found["description"] = inspect.cleandoc(found["description"])
    if found.get("additionalProperties") is False:
        for name, kind in schema["properties"].items():
            _tell_default(found["properties"][name], kind.get("default"))
    return found


def called(name: str) -> str:
    """A component's name for people."""
    return _NAMES.get(name, name)


def whole(schema: Mapping[str, Any]) -> Schema:
    """The same of an object whose answer always has all of its fields."""
    return {**schema, "required": list(schema["properties"])}


def _part(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: plain(schema) for name, schema in value.items()}
    if key in ("items", "additionalProperties") and isinstance(value, Mapping):
        return plain(value)
    if key == "prefixItems":
        return [plain(schema) for schema in value]
    if key == "$ref":
        place, slash, name = value.rpartition("/")
        return f"{place}{slash}{called(name)}"
    if key == "pattern":
        return value.replace(END, "$")  # in a JSON Schema `$` is nothing but the end
    return value


def _alternatives(options: Sequence[Schema]) -> Schema:
    """What stands in place of `anyOf`."""
    rest = [option for option in options if option != _NULL]
    if {"type": "number"} in rest:
        rest = [option for option in rest if option != {"type": "integer"}]
    has_null = _NULL in options
    if len(rest) == 1 and "type" in rest[0] and "enum" not in rest[0]:
        return rest[0] | {"type": [rest[0]["type"], "null"] if has_null else rest[0]["type"]}
    return {"oneOf": [*rest, _NULL] if has_null else rest}


def _list_of(items: Sequence[Schema]) -> Schema:
    if any(item != items[0] for item in items):
        raise ValueError("a list whose items differ in form is one that generators cannot tell")
    return {"items": items[0], "minItems": len(items), "maxItems": len(items)}


def _tell_default(schema: Schema, value: Any) -> None:
    if value is None or value in ([], ()):
        return
    words = f"`{str(value).lower() if isinstance(value, bool) else value}` if absent"
    schema["description"] = f"{schema['description']}; {words}" if "description" in schema else words
