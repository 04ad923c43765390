"""What a relay is called: the origin that edges dial, that the relay's settings name, and that proofs are signed for.

Both sides compare such texts octet by octet, so both write them in this one form.
"""

from urllib.parse import urlsplit

DEFAULT_PORTS = {"https": 443, "http": 80}


def origin_of(url: str) -> str:
    """Scheme, host and port of the URL in small letters, without a port that the scheme implies (RFC 6454, section 6).

    Raises ValueError for a port that is none.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    if parts.port is None or parts.port == DEFAULT_PORTS.get(parts.scheme):
        host = host.removesuffix(f":{parts.port if parts.port is not None else ''}")
    return f"{parts.scheme}://{host}"
