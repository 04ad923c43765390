"""Only the edge that has the site's tunnel may ask through the relay's door whether it is reached."""

import base64
import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from common.security.device_keys import DeviceKey
from common.tunnel.self_check import PATH, SCHEME, authorization, is_asked

ORIGIN, SITE, FENCE = "https://relay.example.org", "site-1", 12
KEY = DeviceKey.generate()
VALUE = authorization(KEY, ORIGIN, SITE, FENCE)


def asked(
    path: str = PATH,
    value: str = VALUE,
    key: bytes = KEY.public_key,
    origin: str = ORIGIN,
    site: str = SITE,
    fence: int = FENCE,
) -> bool:
    return is_asked(path, value, key, origin, site, fence)


def test_the_edge_that_has_the_tunnel_passes() -> None:
    assert asked()


def test_the_signature_is_what_the_page_says() -> None:
    """Made here from the page's words alone."""
    parts = [b"wallport edge self-check v1", ORIGIN.encode(), SITE.encode(), b"12"]
    signed = b"".join(struct.pack("!H", len(part)) + part for part in parts)
    scheme, _, text = VALUE.partition(" ")
    assert scheme == "Wallport-Edge"
    signature = base64.urlsafe_b64decode(text + "==")
    Ed25519PublicKey.from_public_bytes(KEY.public_key).verify(signature, signed)


def test_it_is_for_one_path_key_relay_site_and_connection() -> None:
    """An edge that was replaced, and one whose key was, ask in vain: that is how they notice."""
    assert not asked(path="/api/v1/state")
    assert not asked(path=f"{PATH}/")
    assert not asked(key=DeviceKey.generate().public_key)
    assert not asked(origin="https://relay.example.or")
    assert not asked(site="site-11", fence=2)
    assert not asked(fence=FENCE + 1)


@pytest.mark.parametrize(
    "value",
    ["", SCHEME, f"{SCHEME} ", VALUE[:-1], f"{VALUE}A", VALUE.replace(SCHEME, "Bearer")],
    ids=["empty", "no value", "an empty value", "too short", "too long", "another scheme"],
)
def test_malformed_ones_do_not(value: str) -> None:
    assert not asked(value=value)


@given(st.text())
def test_any_text_is_decided(text: str) -> None:
    assert not asked(value=text)
    assert not asked(value=f"{SCHEME} {text}")
