"""What the Python programs of this folder are given and tell."""

import json
import sys

URL, USERNAME, PASSWORD = sys.argv[1:4]
LIMIT_WH = int(sys.argv[4])
ASKED: list[str] = []
"""The address of each request."""


def tell(token: str, **told: object) -> None:
    """Print what was found out; raises when a token stood in an address."""
    assert token
    assert len(ASKED) >= 8, ASKED
    assert not any("ticket" in address or token in address for address in ASKED), "a secret stands in an address"
    sys.stdout.write(json.dumps(told))
