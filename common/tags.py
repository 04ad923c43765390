"""What an RFID tag is: text. Never a number, which would lose leading zeros and the end of long ones.

Pure. Readers of different makes write one card in different ways, and openWB 2.x does not mind upper and lower case:
two spellings that differ in nothing else are one tag.
"""

import re

LONGEST_TAG = 64  # characters; a UUID of 10 bytes in hex has 20, a MAC address 17

_TAG = re.compile(rf"[0-9A-Za-z][0-9A-Za-z:._ -]{{0,{LONGEST_TAG - 1}}}")


def tag_of(text: str) -> str | None:
    """A tag without blanks around it; None for what is none. Zeros alone are openWB's words for "no tag"."""
    tag = text.strip()
    return tag if _TAG.fullmatch(tag) and tag.strip("0") else None


def key(tag: str) -> str:
    """What is equal for all spellings of one tag."""
    return tag.strip().upper()


def redacted(tag: str) -> str:
    """For the eyes of others: the last two characters."""
    return f"…{tag[-2:]}"
