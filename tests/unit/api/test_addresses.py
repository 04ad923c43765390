"""Whose word about an address counts."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access import Origin
from api.addresses import UNKNOWN, client_address, network_of

NGINX = (ip_network("127.0.0.1"), ip_network("172.18.0.0/16"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.168.1.9", None, "192.168.1.9"),
        ("192.168.1.9", "203.0.113.1", "192.168.1.9"),  # not a proxy of ours: its header counts for nothing
        ("127.0.0.1", "192.168.1.9", "192.168.1.9"),
        ("127.0.0.1", "6.6.6.6, 192.168.1.9", "192.168.1.9"),  # what the client itself sent stands further left
        ("127.0.0.1", "192.168.1.9, 172.18.0.4", "192.168.1.9"),
        ("127.0.0.1", "192.168.1.9,garbage", "127.0.0.1"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "::ffff:192.168.1.9", "192.168.1.9"),
        ("", "192.168.1.9", UNKNOWN),
    ],
)
def test_on_the_lan_a_header_counts_from_a_trusted_proxy_only(peer: str, forwarded: str | None, address: str) -> None:
    """Read from the right, up to the first hop that is no proxy of ours; the relay's header never."""
    found = client_address(Origin.LAN, peer, relayed="203.0.113.99", forwarded=forwarded, trusted=NGINX)
    assert found == address


@pytest.mark.parametrize(
    ("relayed", "address"),
    [("203.0.113.7", "203.0.113.7"), ("2001:DB8::1", "2001:db8::1"), ("x", UNKNOWN), (None, UNKNOWN)],
)
def test_through_the_relay_it_is_what_the_edge_says(relayed: str | None, address: str) -> None:
    """And no forwarded header, which the phone itself may have sent."""
    assert client_address(Origin.RELAY, "", relayed=relayed, forwarded="6.6.6.6", trusted=NGINX) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (UNKNOWN, UNKNOWN),
    ],
)
def test_a_throttle_counts_by_household(address: str, network: str) -> None:
    """One IPv6 household has 2**64 addresses."""
    assert network_of(address) == network


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(Origin))
def test_any_header_gives_an_address_or_unknown(relayed: str, forwarded: str, origin: Origin) -> None:
    """And raises nothing."""
    found = client_address(origin, "127.0.0.1", relayed=relayed, forwarded=forwarded, trusted=NGINX)
    assert found == UNKNOWN or network_of(found) != UNKNOWN
