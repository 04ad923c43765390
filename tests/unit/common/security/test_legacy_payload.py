"""The payload of the existing app's tokens, decoded as the app does."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from common.security import legacy_payload


def decoded_by_the_app(part: str) -> Any:
    """The app's own decoder: `length % 4` equals signs, the standard alphabet, nothing else."""
    padded = part + "=" * (len(part) % 4)
    assert len(padded) % 4 == 0
    return json.loads(base64.b64decode(padded, validate=True))


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=40) | st.booleans() | st.integers(), max_size=6))
def test_the_app_reads_whatever_stands_in_the_claims(claims: dict[str, Any]) -> None:
    """Every name, of any length and script, gives a payload that the app decodes to the same claims."""
    part = base64.urlsafe_b64encode(legacy_payload.encode(claims)).rstrip(b"=").decode()
    told = decoded_by_the_app(part)
    told.pop(legacy_payload.FILLER, None)
    assert told == claims


def test_the_filler_is_short() -> None:
    """A token goes with each of the app's requests."""
    lengths = [len(legacy_payload.encode({"username": "u" * count})) for count in range(30)]
    plain = [len(json.dumps({"username": "u" * count}, separators=(",", ":"))) for count in range(30)]
    assert max(got - was for got, was in zip(lengths, plain, strict=True)) <= 12
