"""What of the tunnel's requests may reach the local api: pure decisions on method, path and fields, default deny.

The relay is not trusted, so everything is checked here again. There is no target address to choose: what passes goes
to the api's own socket. The path is decoded exactly once, to judge it; the api gets it as the phone sent it. What two
parsers could read differently is refused. Called by edge/loops/tunnel.py.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from common import legacy_app
from common.tunnel.frames import Fields

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_OPEN_PATHS = ("/", "/sw.js", "/openapi.json", "/openapi-legacy.json", "/docs")
_OPEN_PREFIXES = ("/api/", "/assets/", "/docs/")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_OWN_FIELDS = ("x-wallport-", "x-forwarded-")
_PER_HOP = frozenset(
    {
        "connection",
        "expect",
        "forwarded",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_WEBSOCKET_PER_HOP = "sec-websocket-"
CLIENT_ADDRESS_FIELD = "x-wallport-client-address"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request stays outside; `status` and `code` are what the phone is told."""

    status: int
    code: str
    detail: str


def refusal(method: str, target: str) -> Refusal | None:
    """None if the request may go to the api. `target` is path and query as sent."""
    if method not in METHODS:
        return Refusal(405, "method_not_allowed", "This method is not carried.")
    path = target.partition("?")[0]
    if not path.startswith("/") or _ESCAPE.search(path):
        return Refusal(400, "bad_path", "The path is malformed.")
    try:
        decoded = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return Refusal(400, "bad_path", "The path is not UTF-8.")
    if _CONTROL.search(decoded) or "\\" in decoded or "//" in decoded:
        return Refusal(400, "bad_path", "The path holds what may be misread.")
    if any(segment in (".", "..") for segment in decoded.split("/")) or "%2f" in path.lower():
        return Refusal(400, "bad_path", "The path holds what may be misread.")
    if path in _OPEN_PATHS or path.startswith(_OPEN_PREFIXES) or legacy_app.is_path(path):
        return None
    return Refusal(404, "not_found", "There is nothing here for the outside.")


def api_fields(fields: Fields, client_address: str) -> list[tuple[str, str]]:
    """The request's fields for the api: without what is not the phone's to say, with the address it came from."""
    kept = [
        (name, value)
        for name, value in fields
        if name not in _PER_HOP
        and not name.startswith(_OWN_FIELDS)
        and (not name.startswith(_WEBSOCKET_PER_HOP) or name == "sec-websocket-protocol")
    ]
    if client_address:
        kept.append((CLIENT_ADDRESS_FIELD, client_address))
    return kept


def answer_fields(fields: list[tuple[str, str]]) -> Fields:
    """The api's answer for the wire: lower-case names, hop-by-hop fields dropped, order and duplicates kept."""
    return tuple((name.lower(), value) for name, value in fields if name.lower() not in _PER_HOP)


def body_size(fields: Fields) -> int | None:
    """The body's length that the fields promise, None when they promise none. Raises ValueError for what is no length:
    bytes beyond it would be read as another request."""
    lengths = [value for name, value in fields if name == "content-length"]
    if not lengths:
        return None
    if len(lengths) > 1 or not re.fullmatch(r"[0-9]{1,15}", lengths[0]):
        raise ValueError("malformed content-length")
    return int(lengths[0])
