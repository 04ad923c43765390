"""Which tunnel carries a site's traffic. Decided here only: the newest authenticated connection wins, at once.

A claim never waits for the old connection to end (it may be half-open for minutes), and a connection that ends late
cannot take the site away from its successor. Pure; used by the handlers, on the event loop only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

from common.errors import AppError

MOST_LEAP = 1_000_000
"""By which an edge may know of a higher fence than the relay, whose Redis may have lost its memory: a connection a
minute for two years. With more, whoever has a site's key for a moment could use its numbers up."""


@dataclass(frozen=True, slots=True)
class Site:
    """`name` is what stands in URLs and may change; `site_id` is what the edge proves to be, and stays."""

    site_id: str
    name: str


class SiteOffline(AppError):
    """No tunnel of the site is up. `since` is an instant in Unix seconds, None when it was never seen."""

    code = "site_offline"
    is_retryable = True

    def __init__(self, since: float | None) -> None:
        super().__init__("The site's edge is not connected to this relay.")
        self.since = since


class UnknownSite(AppError):
    """No site has this name. Said plainly, since a mistyped name is common and a site's name is no secret: whoever asks
    an online site learns that it exists anyway."""

    code = "unknown_site"

    def __init__(self) -> None:
        super().__init__("There is no such site on this relay.")


class Link(Protocol):
    """A live tunnel, as far as this module cares."""

    site: Site

    @property
    def fence(self) -> int: ...

    @property
    def public_key(self) -> str:
        """That it was proven with; fences are counted for each key."""
        ...


L = TypeVar("L", bound=Link)


class Sites(Generic[L]):
    """The live tunnels, at most one a site."""

    def __init__(self) -> None:
        self._by_id: dict[str, L] = {}
        self._by_name: dict[str, L] = {}
        self._fences: dict[str, tuple[str, int]] = {}  # by key; bounded by the number of registered sites
        self._lost_at: dict[str, float] = {}  # site_id → instant; bounded likewise

    def __iter__(self) -> Iterator[L]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def highest_fence(self, site_id: str, public_key: str) -> int:
        """The highest that this process gave for the key."""
        known_key, fence = self._fences.get(site_id, ("", 0))
        return fence if known_key == public_key else 0

    def use_fence(self, site_id: str, public_key: str, fence: int) -> int:
        """Note a fence as given; returns it, or a higher one if it was overtaken while Redis was asked."""
        given = max(self.highest_fence(site_id, public_key) + 1, fence)
        self._fences[site_id] = public_key, given
        return given

    def claim(self, link: L) -> L | None:
        """Make `link` its site's tunnel. Returns the one it replaces, which the caller must close as superseded.

        A claim with a lower fence than the present tunnel's by the same key comes too late and returns itself.
        """
        present = self._by_id.get(link.site.site_id)
        if present is not None:
            if present.public_key == link.public_key and present.fence > link.fence:
                return link
            self._forget_name(present)
        self._by_id[link.site.site_id] = self._by_name[link.site.name] = link
        self._lost_at.pop(link.site.site_id, None)
        return present

    def release(self, link: L, now: float) -> bool:
        """The tunnel ended; False if another had taken its place, so that the site is not offline."""
        if self._by_id.get(link.site.site_id) is not link:
            return False
        del self._by_id[link.site.site_id]
        self._forget_name(link)
        self._lost_at[link.site.site_id] = now
        return True

    def rename(self, link: L, name: str) -> None:
        """The link's site has another name from now on; the old one is nobody's, or whoever's took it meanwhile."""
        self._forget_name(link)
        link.site = Site(link.site.site_id, name)
        if self._by_id.get(link.site.site_id) is link:
            self._by_name[name] = link

    def live(self, name: str) -> L | None:
        return self._by_name.get(name)

    def live_by_id(self, site_id: str) -> L | None:
        return self._by_id.get(site_id)

    def lost_at(self, site_id: str) -> float | None:
        """When this process lost the site's tunnel, Unix seconds; None if it never had one or it is up."""
        return self._lost_at.get(site_id)

    def _forget_name(self, link: L) -> None:
        if self._by_name.get(link.site.name) is link:
            del self._by_name[link.site.name]


def fence_after(known: int, told: int) -> int | None:
    """The fence of a new connection: above what the relay knows and the edge tells; None if that leaps."""
    return max(known, told) + 1 if told <= known + MOST_LEAP else None


def as_rfc3339(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
