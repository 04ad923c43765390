"""A new key needs the old one's consent, at this relay, for this site."""

from dataclasses import replace

from common.security.device_keys import DeviceKey
from common.security.key_rotation import Rotation, prove

OLD, NEW = DeviceKey.generate(), DeviceKey.generate()
ROTATION = Rotation("https://relay.example.org", "site-1", OLD.public_key, NEW.public_key)


def test_both_keys_have_to_sign() -> None:
    old_signature, new_signature = prove("https://relay.example.org", "site-1", OLD, NEW)
    assert ROTATION.is_proven(old_signature, new_signature)
    assert not ROTATION.is_proven(new_signature, new_signature)
    assert not ROTATION.is_proven(old_signature, old_signature)
    assert not ROTATION.is_proven(b"", new_signature)


def test_a_signature_is_for_these_four_parts_only() -> None:
    signatures = prove("https://relay.example.org", "site-1", OLD, NEW)
    stranger = DeviceKey.generate().public_key
    for other in (
        replace(ROTATION, relay_origin="https://relay.example.or"),
        replace(ROTATION, site_id="gsite-1"),
        replace(ROTATION, relay_origin="https://relay.example.orgsite", site_id="-1"),
        replace(ROTATION, old_key=stranger),
        replace(ROTATION, new_key=stranger),
        replace(ROTATION, old_key=NEW.public_key, new_key=OLD.public_key),
    ):
        assert not other.is_proven(*signatures)
