"""`POST /enroll`: an edge spends its one-time code and leaves its public key.

The answer tells the edge who it is. A code works once; a wrong, used and expired one are answered alike. Neither code
nor key is logged.
"""

import time
from typing import Annotated, Any

import msgspec
from sanic import HTTPResponse, Request

from common import logs
from common.errors import FieldError
from common.security.device_keys import decode_public_key, key_id
from common.tunnel.errors import ErrorCode
from relay.handlers.link import TunnelLink
from relay.ports import Register
from relay.sites import Sites

LONGEST_BODY = 1024  # bytes; a real one has about 110

log = logs.get(__name__)


class Enrolment(msgspec.Struct, forbid_unknown_fields=True):
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    public_key: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


async def enroll(request: Request, register: Register, sites: Sites[TunnelLink]) -> HTTPResponse:
    """Raises FieldError for a malformed body, BadCode, StoreUnavailable."""
    asked = _read(request)
    public_key = decode_public_key(asked.public_key)
    row = await register.enrol(asked.code, asked.public_key, time.time())
    log.info("site_enrolled", site=row.name, key=key_id(public_key))
    for link in sites:
        if link.site.site_id == row.site_id:  # the edge that had the site before
            link.close(ErrorCode.REVOKED, "the site was enrolled anew")
    answer: dict[str, Any] = {"site_id": row.site_id, "site": row.name}
    return HTTPResponse(msgspec.json.encode(answer), 201, content_type="application/json")


def _read(request: Request) -> Enrolment:
    if len(request.body) > LONGEST_BODY:
        raise FieldError("the body is too long", {"body": f"may have {LONGEST_BODY} bytes"})
    try:
        return msgspec.json.decode(request.body, type=Enrolment)
    except msgspec.ValidationError as exc:
        raise FieldError("the body has the wrong form", {"body": _without_values(exc)}) from exc
    except msgspec.DecodeError as exc:
        raise FieldError("the body is not JSON", {"body": "must be JSON"}) from exc


def _without_values(exc: msgspec.ValidationError) -> str:
    """msgspec names types and fields, and of values only unknown field names."""
    return str(exc)[:200]
