"""The edge's key on disk, and public keys as text."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from common.errors import FieldError
from common.security.device_keys import (
    DeviceKey,
    DeviceKeyUnusable,
    decode_public_key,
    encode_public_key,
    key_id,
    verify,
)


def test_a_saved_key_signs_as_before(tmp_path: Path) -> None:
    key = DeviceKey.generate()
    key.save(tmp_path / "edge_key.pem")
    loaded = DeviceKey.load(tmp_path / "edge_key.pem")
    assert verify(key.public_key, loaded.sign(b"message"), b"message")
    assert not verify(key.public_key, loaded.sign(b"message"), b"another")
    assert not verify(DeviceKey.generate().public_key, loaded.sign(b"message"), b"message")
    assert not verify(b"short", b"short", b"message")


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    """Also when it replaces an open one, and no draft is left."""
    path = tmp_path / "edge_key.pem"
    path.write_text("old")
    path.chmod(0o644)
    DeviceKey.generate().save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["edge_key.pem"]  # noqa: PTH208


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "edge_key.pem"
    DeviceKey.generate().save(path)
    path.chmod(0o640)
    with pytest.raises(DeviceKeyUnusable):
        DeviceKey.load(path)


def test_files_that_hold_no_such_key_are_refused(tmp_path: Path) -> None:
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"not a key", b"x" * 10_000, other):
        path = tmp_path / "edge_key.pem"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(DeviceKeyUnusable):
            DeviceKey.load(path)
    with pytest.raises(DeviceKeyUnusable):
        DeviceKey.load(tmp_path / "missing.pem")


def test_public_keys_as_text() -> None:
    public = DeviceKey.generate().public_key
    text = encode_public_key(public)
    assert len(text) == 43
    assert decode_public_key(text) == public
    assert len(key_id(public)) == 16


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 43 + "=", "+" * 43, "ä" * 43])
def test_texts_that_are_no_public_key(text: str) -> None:
    with pytest.raises(FieldError):
        decode_public_key(text)
