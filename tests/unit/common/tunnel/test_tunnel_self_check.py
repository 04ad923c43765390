"""Only the edge that has the site's tunnel may ask through the relay's door whether it is reached."""

import pytest
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


def test_it_is_for_one_path_key_relay_site_and_connection() -> None:
    """An edge that was replaced, and one whose key was, ask in vain: that is how they notice."""
    assert not asked(path="/api/v1/state")
    assert not asked(path=f"{PATH}/")
    assert not asked(key=DeviceKey.generate().public_key)
    assert not asked(origin="https://relay.example.or")
    assert not asked(site="site-11", fence=2)
    assert not asked(fence=FENCE + 1)


@pytest.mark.parametrize("value", ["", SCHEME, f"{SCHEME} ", VALUE[:-1], f"{VALUE}A", VALUE.replace(SCHEME, "Bearer")])
def test_malformed_ones_do_not(value: str) -> None:
    assert not asked(value=value)


@given(st.text())
def test_any_text_is_decided(text: str) -> None:
    assert not asked(value=text)
    assert not asked(value=f"{SCHEME} {text}")
