"""Notices two edges with one identity, which throw each other out in turns, and ends that. Pure: time is an argument.

The newest connection of a site wins. An edge that was replaced and comes back is no restart, since each start of the
process has a boot id of its own; after RETURNS of them within WINDOW_S the newest is held, and its rival waits as long
as it lives. Used by the tunnels' handler, on the event loop only. See docs/protocol.md, "Fence".
"""

from collections import OrderedDict
from dataclasses import dataclass, field

RETURNS = 2
"""One may be an owner who moves the edge to another machine and starts both for a moment."""

WINDOW_S = 600.0
"""An edge that was replaced stays away for a minute (edge/tunnel.py), so two returns take about three."""

HOLD_S = 600.0
"""Then the newest wins again: the rival may be the one that the owner wants."""

MOST_CLAIMS = 8  # of one site that are remembered: enough to see RETURNS

MOST_SITES = 10_000  # the one that claimed longest ago goes first; about 1 KiB each


@dataclass(slots=True)
class _Claims:
    by_turn: list[tuple[float, str]] = field(default_factory=list)  # (when, boot id), without repeats in a row
    holder: str = ""
    held_until: float = 0.0


class Rivals:
    def __init__(self) -> None:
        self._sites: OrderedDict[str, _Claims] = OrderedDict()

    def must_wait(self, site_id: str, boot_id: str, now: float) -> bool:
        """Whether this edge has to leave the site to its rival, provided that one's tunnel is still up."""
        claims = self._sites.get(site_id)
        return claims is not None and claims.held_until > now and claims.holder != boot_id

    def claim(self, site_id: str, boot_id: str, now: float) -> bool:
        """Note that this edge has the site now; True if it is contested, so that this one is held."""
        claims = self._sites.pop(site_id, None) or _Claims()
        self._sites[site_id] = claims
        if len(self._sites) > MOST_SITES:
            self._sites.popitem(last=False)
        claims.by_turn = [turn for turn in claims.by_turn if turn[0] > now - WINDOW_S][-MOST_CLAIMS:]
        if not claims.by_turn or claims.by_turn[-1][1] != boot_id:
            claims.by_turn.append((now, boot_id))
        if _returns(claims.by_turn) < RETURNS:
            return False
        claims.holder, claims.held_until = boot_id, now + HOLD_S
        return True


def _returns(by_turn: list[tuple[float, str]]) -> int:
    seen: set[str] = set()
    returns = 0
    for _, boot_id in by_turn:
        returns += boot_id in seen
        seen.add(boot_id)
    return returns
