"""The OpenAPI documents as one HTML page without scripts, fonts or anything from elsewhere: it works offline. Pure."""

from collections.abc import Mapping
from html import escape
from typing import Any

SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h2{margin:2.5rem 0 .3rem;font-size:1.1rem}code{font-family:ui-monospace,monospace;font-size:.92em}
table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{border-bottom:1px solid #ddd;padding:.25rem .5rem}
td,th{text-align:left;vertical-align:top}pre{white-space:pre-wrap}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}td,th{border-color:#333}a{color:#8ab4f8}}
"""


def page(*documents: Mapping[str, Any]) -> str:
    """The whole page."""
    info = documents[0]["info"]
    title = escape(f"{info['title']} API {info['version']}")
    sections = [
        _operation(method, path, operation)
        for document in documents
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    known = {name: shape for document in documents for name, shape in document["components"]["schemas"].items()}
    shapes = [_shape(name, shape) for name, shape in known.items()]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}</h1><pre>{escape(info['description'])}</pre>"
        f"{''.join(sections)}<h1>Shapes</h1>{''.join(shapes)}</body></html>"
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])}"]
    if "description" in operation:
        parts.append(f"<br>{escape(operation['description'])}")
    parts.append("</p>")
    rows = [
        (parameter["name"], parameter["in"], escape(parameter["description"]))
        for parameter in operation.get("parameters", ())
    ]
    if "requestBody" in operation:
        rows.append(("body", "", _content(operation["requestBody"])))
    for status, answer in operation["responses"].items():
        rows.append((status, "", _content(answer) if status[0] in "12" else escape(answer["description"])))
    return f"{''.join(parts)}{_table(rows)}"


def _content(answer: Mapping[str, Any]) -> str:
    return ", ".join(_type(content["schema"]) for content in answer.get("content", {}).values())


def _shape(name: str, shape: Mapping[str, Any]) -> str:
    required = shape.get("required", ())
    rows = [
        (field, "" if field in required else "optional", f"{_type(kind)} {escape(kind.get('description', ''))}")
        for field, kind in shape.get("properties", {}).items()
    ]
    text = escape(shape.get("description", ""))
    values = ", ".join(f"<code>{escape(str(value))}</code>" for value in shape.get("enum", ()))
    return f'<h2 id="{escape(name)}"><code>{escape(name)}</code></h2><p>{text} {values}</p>{_table(rows)}'


def _type(kind: Mapping[str, Any]) -> str:
    if "$ref" in kind:
        name = escape(kind["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "oneOf" in kind:
        return " or ".join(_type(option) for option in kind["oneOf"])
    if "array" in kind.get("type", "") and isinstance(kind.get("items"), dict):
        or_null = " or null" if "null" in kind["type"] else ""
        return f"list of {_type(kind['items'])}{or_null}"
    if isinstance(kind.get("additionalProperties"), dict):
        return f"map of {_type(kind['additionalProperties'])}"
    if "enum" in kind:
        return escape(", ".join(map(str, kind["enum"])))
    named = kind.get("type", "anything")
    return escape(" or ".join(named) if isinstance(named, list) else str(named))


def _table(rows: list[tuple[str, str, str]]) -> str:
    """Rows of name, place and ready-made HTML."""
    cells = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(place)}</td><td>{html}</td></tr>"
        for name, place, html in rows
    )
    return f"<table>{cells}</table>" if cells else ""
