"""`POST /enroll`: an edge spends its one-time code and leaves its public key. `POST /rotate-key`: it changes that key.

A code works once; a wrong, used and expired one are answered alike. A new key is signed by the old one. The tunnels of
other keys end when the change is noticed (app.py), within a second. Neither codes nor keys are logged.
"""

import base64
import binascii
import time
from typing import Annotated, Any, TypeVar

import msgspec
from sanic import HTTPResponse, Request

from common import logs
from common.errors import FieldError
from common.security.device_keys import decode_public_key, encode_public_key, key_id
from common.security.key_rotation import Rotation
from common.tunnel.errors import ErrorCode
from relay.handlers.link import TunnelLink
from relay.ports import BadRotation, Register, WrongOrigin
from relay.sites import Sites

LONGEST_BODY = 1024  # bytes; real ones have about 160 and 360

T = TypeVar("T")

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
_Origin = Annotated[str, msgspec.Meta(max_length=300, pattern=r"^https?://[!-~]+$")]  # a host name has 253

log = logs.get(__name__)


class Enrolment(msgspec.Struct, forbid_unknown_fields=True):
    code: _Text
    public_key: _Text
    relay_origin: _Origin


class KeyChange(msgspec.Struct, forbid_unknown_fields=True):
    """Keys and signatures are base64url without padding."""

    site_id: _Text
    old_key: _Text
    new_key: _Text
    old_signature: _Text
    new_signature: _Text


async def enroll(request: Request, register: Register, sites: Sites[TunnelLink], relay_origin: str) -> HTTPResponse:
    """Raises FieldError for a malformed body, WrongOrigin before the code is used up, BadCode, StoreUnavailable."""
    asked = _read(request, Enrolment)
    if asked.relay_origin != relay_origin:
        raise WrongOrigin(relay_origin, asked.relay_origin)
    public_key = decode_public_key(asked.public_key)
    row = await register.enrol(asked.code, asked.public_key, time.time())
    log.info("site_enrolled", site=row.name, key=key_id(public_key))
    link = sites.live_by_id(row.site_id)
    if link is not None:  # the edge that had the site before
        link.close(ErrorCode.REVOKED, "the site was enrolled anew")
    answer: dict[str, Any] = {"site_id": row.site_id, "site": row.name}
    return HTTPResponse(msgspec.json.encode(answer), 201, content_type="application/json")


async def rotate_key(request: Request, register: Register, relay_origin: str) -> HTTPResponse:
    """Raises FieldError for a malformed body, BadRotation, StoreUnavailable."""
    asked = _read(request, KeyChange)
    old_key, new_key = decode_public_key(asked.old_key), decode_public_key(asked.new_key)
    rotation = Rotation(relay_origin, asked.site_id, old_key, new_key)
    if not rotation.is_proven(_decoded(asked.old_signature), _decoded(asked.new_signature)):
        raise BadRotation
    row = await register.rotate(asked.site_id, encode_public_key(old_key), encode_public_key(new_key))
    log.info("key_rotated", site=row.name, key=key_id(new_key), before=key_id(old_key))
    return HTTPResponse(msgspec.json.encode({"site": row.name}), 200, content_type="application/json")


def _decoded(text: str) -> bytes:
    """What is not base64url becomes a signature that is never right."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _read(request: Request, shape: type[T]) -> T:
    if len(request.body) > LONGEST_BODY:
        raise FieldError("the body is too long", {"body": f"may have {LONGEST_BODY} bytes"})
    try:
        return msgspec.json.decode(request.body, type=shape)
    except msgspec.ValidationError as exc:
        raise FieldError("the body has the wrong form", {"body": _without_values(exc)}) from exc
    except msgspec.DecodeError as exc:
        raise FieldError("the body is not JSON", {"body": "must be JSON"}) from exc


def _without_values(exc: msgspec.ValidationError) -> str:
    """msgspec names types and fields, and of values only unknown field names."""
    return str(exc)[:200]
