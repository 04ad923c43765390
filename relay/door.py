"""What may pass from the internet to a site: pure decisions on a request's head, before anything is sent home.

The head is judged as Sanic parsed it, and once more by us, since two parsers that disagree are how requests are
smuggled (RFC 9112 §6 and §11.2): whatever is doubtful is refused, never repaired. Of the fields, hop-by-hop ones (RFC
9110 §7.6.1) and everything that only a proxy may claim (Forwarded, X-Forwarded-*, X-Wallport-*) are dropped. Called
by the handlers of the public side; authentication is the site's own business.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common.errors import AppError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PREFIX = "/s/"
"""Everything under `/s/{site}` belongs to that site."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that are carried. CONNECT and TRACE are the relay's to refuse; nothing at a site answers others."""

LONGEST_TARGET = 8192  # bytes of path and query; the wire's own limit for an OPEN

MOST_FIELDS = 90  # the wire carries 100; the rest is room for what the edge adds

LONGEST_FIELDS = 15 * 1024  # bytes of names and values; the wire carries 16 KiB, less room for what the edge adds

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TARGET = re.compile(rb"/[\x21-\x7e]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110 §5.6.2, lower case as Sanic hands names over
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # controls but the tab
_DIGITS = re.compile(r"[0-9]{1,15}")
_PER_HOP = frozenset(
    {
        "connection",
        "expect",  # answered by the relay itself
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-version",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "forwarded",
        "x-real-ip",
    }
)
_PROXY_CLAIMS = ("x-forwarded-", "x-wallport-")


class BadRequest(AppError):
    """The request's head breaks HTTP, or is written in a form that two parsers may read differently."""

    code = "bad_request"


class MethodNotAllowed(AppError):
    code = "method_not_allowed"


class TargetTooLong(AppError):
    code = "target_too_long"


class FieldsTooLarge(AppError):
    code = "fields_too_large"


class UnknownPath(AppError):
    """Nothing of the relay's own, and not of the form `/s/{site}/…`."""

    code = "not_found"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request as it may travel: `target` is path and query behind the prefix, percent-encoding as the client sent it.

    `body_size` is None when there is no body or its length is unknown (chunked); `has_body` tells which.
    """

    site: str
    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    is_websocket: bool
    has_body: bool
    body_size: int | None


def is_site_name(name: str) -> bool:
    """Whether `name` can be a site's: lower-case letters, digits and inner hyphens, at most 63, as in a host name."""
    return _SLUG.fullmatch(name) is not None


def admit(method: str, raw_target: bytes, fields: Sequence[tuple[str, str]]) -> Admitted:
    """The request to carry, or the reason to refuse it. `fields` have lower-case names, in order, with duplicates."""
    if method not in METHODS:
        raise MethodNotAllowed(f"{method[:20]!r} is not carried")
    site, target = _split(raw_target)
    named = _checked(fields)
    if len(named.get("host", ())) != 1:
        raise BadRequest("exactly one Host field is needed")
    if len(named.get("authorization", ())) > 1:
        raise BadRequest("Authorization may stand once")
    body_size, has_body = _framing(named)
    is_websocket = [value.lower() for value in named.get("upgrade", ())] == ["websocket"]
    if is_websocket and (method != "GET" or has_body):
        raise BadRequest("a websocket begins with a GET without a body")
    return Admitted(
        site=site,
        method=method,
        target=target,
        fields=tuple(_end_to_end(fields, named.get("connection", ()))),
        is_websocket=is_websocket,
        has_body=has_body,
        body_size=body_size,
    )


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client's address: the last hop that is not one of our own proxies.

    `forwarded_for` are the values of X-Forwarded-For in order; an entry counts only as far as it was written by a
    trusted proxy, and a malformed one ends the walk at the proxy that wrote it. "" when the peer has no address.
    """
    address = _address(peer)
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while address is not None and hops and any(address in network for network in trusted):
        seen = _address(hops.pop())
        if seen is None:
            break
        address = seen
    return str(address) if address is not None else ""


def _address(text: str) -> Address | None:
    """As everybody writes it: an IPv4 address in an IPv6 socket's dress is IPv4, and a link's name is local to us."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address


def _split(raw_target: bytes) -> tuple[str, str]:
    if len(raw_target) > LONGEST_TARGET:
        raise TargetTooLong(f"path and query may have {LONGEST_TARGET} bytes")
    if not _TARGET.fullmatch(raw_target) or b"#" in raw_target:  # absolute-form, authority-form, controls, fragments
        raise BadRequest("the request target must be a path")
    target = raw_target.decode("ascii")
    if not target.startswith(PREFIX):
        raise UnknownPath("there is nothing here")
    site = re.split(r"[/?]", target[len(PREFIX) :], maxsplit=1)[0]
    if not is_site_name(site):
        raise UnknownPath("there is no such site")
    rest = target[len(PREFIX) + len(site) :]
    return site, rest if rest.startswith("/") else f"/{rest}"


def _checked(fields: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    size = sum(len(name) + len(value) for name, value in fields)
    if len(fields) > MOST_FIELDS or size > LONGEST_FIELDS:
        raise FieldsTooLarge(f"at most {MOST_FIELDS} fields with {LONGEST_FIELDS} bytes are carried")
    named: dict[str, list[str]] = {}
    for name, value in fields:
        if not _TOKEN.fullmatch(name):
            raise BadRequest("a field's name is malformed")
        if _BAD_VALUE.search(value) or not _is_encodable(value):
            raise BadRequest("a field's value holds control characters or is not UTF-8")
        named.setdefault(name, []).append(value)
    return named


def _is_encodable(value: str) -> bool:
    try:
        value.encode("utf-8")  # Sanic decodes bytes that are not UTF-8 to lone surrogates
    except UnicodeEncodeError:
        return False
    return True


def _framing(named: dict[str, list[str]]) -> tuple[int | None, bool]:
    lengths, codings = named.get("content-length", []), named.get("transfer-encoding", [])
    if len(lengths) + len(codings) > 1:
        raise BadRequest("Content-Length and Transfer-Encoding may stand once, and not together")
    if codings:
        if codings[0] != "chunked":
            raise BadRequest("the only transfer coding is chunked")
        return None, True
    if not lengths:
        return None, False
    if not _DIGITS.fullmatch(lengths[0]):
        raise BadRequest("Content-Length must be a number")
    return int(lengths[0]), int(lengths[0]) > 0


def _end_to_end(fields: Iterable[tuple[str, str]], connection: Sequence[str]) -> Iterable[tuple[str, str]]:
    nominated = {option.strip().lower() for value in connection for option in value.split(",")}
    nominated -= {"host", "content-length", "authorization"}  # without these the request would mean something else
    for name, value in fields:
        if name in _PER_HOP or name in nominated or name.startswith(_PROXY_CLAIMS):
            continue
        yield name, value
