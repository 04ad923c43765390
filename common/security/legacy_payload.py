"""The payload of a token that an existing iOS app can read. Pure; TokenKey signs it.

The app decodes a JWT's middle part by itself: with base64's standard alphabet, although JWTs use the URL's (RFC 7515),
and with as many `=` behind it as its length modulo 4, which is right for 0 and 2 only. So the payload is written such
that both alphabets and both paddings agree: ASCII without the characters that give `-` and `_`, of the right length.
"""

import json
from collections.abc import Mapping
from typing import Any

FILLER = "fill"
"""A claim that only takes room. Readers ignore claims that they do not know (RFC 7519 section 4)."""

_ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in ">?~\x7f"}
"""Of ASCII only these have six low bits of 62 or 63, and only at every third byte; they stand in texts alone."""


def encode(claims: Mapping[str, Any]) -> bytes:
    """`claims` as JSON, with a claim FILLER where the length needs it. Texts may hold anything."""
    for filler in ("", "x", "xx", "xxx"):
        told = {**claims, FILLER: filler} if filler else claims
        text = json.dumps(told, ensure_ascii=True, separators=(",", ":")).translate(_ESCAPED)
        if len(text) % 3 != 2:
            break
    return text.encode("ascii")
