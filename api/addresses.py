"""Whose address a request has: the last hop that can be believed. Pure.

On the relay's listener only the edge connects; it passes on the phone's address as the relay told it. On the LAN
listener it is the peer, or, behind a proxy that the settings trust, what that proxy saw. A header of anybody else
counts for nothing. The address is for throttles and logs; nothing is ever allowed because of it.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from api.access import Origin

RELAYED_HEADER = "x-wallport-client-address"
FORWARDED_HEADER = "x-forwarded-for"
MOST_HOPS = 20

UNKNOWN = "unknown"

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def client_address(
    origin: Origin, peer: str, *, relayed: str | None, forwarded: str | None, trusted: Sequence[Network]
) -> str:
    """The client's address as text, or `unknown`. `relayed` and `forwarded` are the two headers as received."""
    if origin is Origin.RELAY:
        address = _address(relayed or "")
        return str(address) if address else UNKNOWN
    hop = _address(peer)
    if hop is None:
        return UNKNOWN
    # Each proxy appends whom it saw: from the right, the first one that is no proxy of ours is the client.
    for text in reversed((forwarded or "").split(",")[-MOST_HOPS:]):
        if not any(hop in network for network in trusted):
            break
        seen = _address(text)
        if seen is None:
            break
        hop = seen
    return str(hop)


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Whether a peer is a proxy that the settings trust."""
    hop = _address(peer)
    return hop is not None and any(hop in network for network in trusted)


def network_of(address: str) -> str:
    """Where a household is: an IPv4 address, the /64 of an IPv6 one (a household has at least that)."""
    return _widened(address, 64)


def area_of(address: str) -> str:
    """What one person can have easily: an IPv4 address, the /48 of an IPv6 one, which has 65,536 of the networks."""
    return _widened(address, 48)


def _widened(address: str, prefix: int) -> str:
    parsed = _address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, prefix), strict=False))
    return str(parsed) if parsed else UNKNOWN


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.scope_id is not None:
            return IPv6Address(int(address))
    return address
