"""The numbers of the live channel (`seq`): each entry of the edge's change stream has one, with room behind it. Pure.

What the api itself finds out, that nobody vouches for the values any more, is no entry, and has a number all the
same: one of those between two entries. A number says its entry, so any process can resume from it.
"""

ROOM = 100
"""Numbers from one entry to the next. The edge's begin at its clock's milliseconds, so they stay below 2^53, which
JavaScript can hold, for two centuries."""


def of_entry(seq: int) -> int:
    """Return the number that clients know an entry of the change stream by."""
    return seq * ROOM


def between(seq: int, nth: int) -> int:
    """Return the number of the `nth` message (from 1, below ROOM) that follows an entry without being one."""
    return seq * ROOM + nth


def entry_and_nth(number: int) -> tuple[int, int]:
    """Return the entry that a number belongs to, and which message behind it; 0 is the entry itself."""
    return divmod(number, ROOM)
