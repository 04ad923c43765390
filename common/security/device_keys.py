"""The edge's own Ed25519 key: made on site, never leaves it; the relay knows the public half (RFC 8032).

The key's file is PEM (PKCS 8), readable by its owner only. Public keys travel as unpadded base64url text of 32 bytes,
and are named in logs by `key_id`. The edge and the tunnel's handshake call this.
"""

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from common.errors import AppError, FieldError

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
LONGEST_KEY_FILE = 4096  # bytes; an Ed25519 key in PEM has about 120


class DeviceKeyUnusable(AppError):
    """The key's file is missing, not a private Ed25519 key, or readable by others. Enrol again, or restore it."""

    code = "device_key_unusable"


class DeviceKey:
    """A private key; holds it in memory only."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> "DeviceKey":
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> "DeviceKey":
        """Read a key's file; raises DeviceKeyUnusable."""
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise DeviceKeyUnusable("the edge's key file must not be accessible by others", detail=str(path))
                private = load_pem_private_key(file.read(LONGEST_KEY_FILE), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise DeviceKeyUnusable("the edge's key file cannot be read", detail=f"{path}: {exc}") from exc
        if not isinstance(private, Ed25519PrivateKey):
            raise DeviceKeyUnusable("the edge's key file holds another kind of key", detail=str(path))
        return cls(private)

    def save(self, path: Path) -> None:
        """Write the key's file, whole or not at all, in place of an older one; OSError when the folder refuses."""
        content = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    @property
    def public_key(self) -> bytes:
        """32 bytes."""
        return self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(message)


def verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is over `message` by the owner of `public_key`; False for malformed ones too."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id(public_key: bytes) -> str:
    """A short public name for a key: 16 hex digits of its SHA-256. For people and logs, never for a decision."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def encode_public_key(public_key: bytes) -> str:
    """43 characters."""
    return base64.urlsafe_b64encode(public_key).rstrip(b"=").decode()


def decode_public_key(text: str) -> bytes:
    """The inverse; raises FieldError (`public_key`) for anything but 32 bytes in canonical form."""
    try:
        raw = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != PUBLIC_KEY_BYTES or encode_public_key(raw) != text:
        raise FieldError("bad public key", {"public_key": "must be 32 bytes of Ed25519 as base64url without padding"})
    return raw
