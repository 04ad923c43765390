"""How an edge asks through its relay's public URL whether it is reached itself: the feature `self-check`. Pure.

The request must pass the relay's door without being anybody's login, so the edge signs it with the key that the tunnel
was proven with, over the number of its present connection (the fence): it opens this one path for as long as that
connection is the site's, and fails when another edge has taken the site. See docs/protocol.md, "Self-check".
"""

import base64
import binascii
import struct

from common.security.device_keys import SIGNATURE_BYTES, DeviceKey, verify

FEATURE = "self-check"

PATH = "/self-check"
"""Behind the site's prefix; answered by the edge itself with 204, never by the api."""

SCHEME = "Wallport-Edge"
"""Of the Authorization field."""

LABEL = b"wallport edge self-check v1"

_LENGTH = struct.Struct("!H")


def authorization(key: DeviceKey, relay_origin: str, site_id: str, fence: int) -> str:
    """The value of the Authorization field."""
    signature = key.sign(_statement(relay_origin, site_id, fence))
    return f"{SCHEME} {base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def is_asked(path: str, value: str, public_key: bytes, relay_origin: str, site_id: str, fence: int) -> bool:
    """Whether a GET of `path` with this Authorization field is by the edge that has the site's tunnel now."""
    scheme, _, text = value.partition(" ")
    if path != PATH or scheme != SCHEME:
        return False
    try:
        signature = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(signature) == SIGNATURE_BYTES and verify(public_key, signature, _statement(relay_origin, site_id, fence))


def _statement(relay_origin: str, site_id: str, fence: int) -> bytes:
    """Each part with its length before it, so that no two sets of parts make the same bytes."""
    parts = (LABEL, relay_origin.encode(), site_id.encode(), str(fence).encode())
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)
