"""What an edge signs to put a new key in the place of its old one, at one relay and for one site. Pure.

Signed by both keys: the old one says who may replace it, the new one that it is there. Worth nothing once it was used,
since it begins from a key that is then no longer the site's.
"""

import struct
from dataclasses import dataclass

from common.security.device_keys import DeviceKey, verify

LABEL = b"wallport edge key rotation v1"

_LENGTH = struct.Struct("!H")


@dataclass(frozen=True, slots=True)
class Rotation:
    """Public keys are 32 bytes. `relay_origin` is what the edge dials and the relay calls itself."""

    relay_origin: str
    site_id: str
    old_key: bytes
    new_key: bytes

    def statement(self) -> bytes:
        """The bytes to sign: each part with its length before it, so that no two sets of parts make the same bytes."""
        parts = (LABEL, self.relay_origin.encode(), self.site_id.encode(), self.old_key, self.new_key)
        return b"".join(_LENGTH.pack(len(part)) + part for part in parts)

    def is_proven(self, old_signature: bytes, new_signature: bytes) -> bool:
        """Whether both keys have signed it."""
        statement = self.statement()
        return verify(self.old_key, old_signature, statement) and verify(self.new_key, new_signature, statement)


def prove(relay_origin: str, site_id: str, old: DeviceKey, new: DeviceKey) -> tuple[bytes, bytes]:
    """The signatures of the old and of the new key."""
    statement = Rotation(relay_origin, site_id, old.public_key, new.public_key).statement()
    return old.sign(statement), new.sign(statement)
