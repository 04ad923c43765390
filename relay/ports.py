"""What the handlers need from the outside, as protocols; `app.py` puts the adapters in. No I/O.

One name for each thing that may be slow, absent or foreign: the web server's websockets and answers, the registry of
sites, the presence in Redis.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from common.errors import AppError

FRESH_S = 15.0
"""Presence that is younger is believed: relays renew it every 5 s."""


class UpgradeRefused(AppError):
    """The client's opening handshake breaks RFC 6455; `status` is what to answer."""

    code = "bad_upgrade"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BadCode(AppError):
    """The enrolment code is wrong, used or expired; which of these is not told."""

    code = "bad_code"

    def __init__(self) -> None:
        super().__init__("The enrolment code is wrong, was used, or has expired; the relay's owner can make a new one.")


class WrongOrigin(AppError):
    """The edge was told another origin than the relay's own; no tunnel could come of it. The code is still good."""

    code = "wrong_origin"

    def __init__(self, own: str, told: str) -> None:
        super().__init__(
            f"This relay calls itself {own} (its setting WALLPORT_RELAY_ORIGIN), and was asked as {told}. "
            "One of the two is wrong; the code is still good."
        )


class BadRotation(AppError):
    """The old key did not sign the new one, or is not the site's; which of these is not told."""

    code = "bad_rotation"

    def __init__(self) -> None:
        super().__init__("The present key of the site did not sign the new one.")


class Socket(Protocol):
    """A websocket that calls back. Nothing here blocks or waits; all of it runs on the server's event loop."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def closed(self) -> asyncio.Event:
        """Set when the connection is gone; the request's handler must stay until then."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will come from the peer."""
        ...

    @property
    def is_paused(self) -> bool: ...

    @property
    def last_received_at(self) -> float:
        """On the loop's clock; of anything, pongs too."""
        ...

    @property
    def is_writable(self) -> bool:
        """False while the kernel does not keep up; what is sent all the same is buffered in memory."""
        ...

    @property
    def unsent_bytes(self) -> int: ...

    def listen(self, on_message: Callable[[bytes, bool], None], on_closed: Callable[[int | None, str], None]) -> None:
        """Must be called in the same step as the upgrade; again to hand the socket on.

        `on_message(data, is_text)` is called in order; text is valid UTF-8. `on_closed(code, reason)` is called once,
        with the code the peer gave, None for none and 1006 for a lost connection.
        """
        ...

    def when_writable(self, call: Callable[[], None]) -> None:
        """Call once when the kernel has caught up, or the connection is lost."""
        ...

    def send(self, data: bytes, *, is_text: bool = False) -> None:
        """Send one message; nothing happens on a socket that is closing."""
        ...

    def ping(self) -> None: ...

    def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Begin the closing handshake; None sends no code. A code that may not travel becomes 1011. Idempotent."""
        ...

    def abort(self) -> None:
        """Cut the connection; what was not sent is lost."""
        ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Answer(Protocol):
    """One answer to one request: `whole`; or `begin`, `write` as often as needed, `end`; or `abort` at any time."""

    @property
    def has_begun(self) -> bool: ...

    async def whole(self, status: int, fields: Iterable[tuple[str, str]], body: bytes) -> None:
        """The answer at once, with its length."""
        ...

    async def begin(self, status: int, fields: Iterable[tuple[str, str]], data: bytes) -> None:
        """The head with the first piece of the body, which may be empty."""
        ...

    async def write(self, data: bytes) -> None:
        """A piece; waits while the client does not keep up."""
        ...

    async def end(self, data: bytes = b"") -> None:
        """The last piece."""
        ...

    def abort(self) -> None:
        """Cut the connection, for a body that cannot be completed: the client must notice."""
        ...


@dataclass(frozen=True, slots=True)
class WebServer:
    """What the web server does with a request of its own; the request is passed through untouched.

    `check_upgrade(request)` raises UpgradeRefused and sends nothing. `upgrade(request, subprotocol)` answers 101 and
    takes the connection over, or raises UpgradeRefused before anything is sent. `keep(request)`: its connection is an
    edge's, for whom descriptors are kept.
    """

    check_upgrade: Callable[[Any], None]
    upgrade: Callable[[Any, str | None], Socket]
    answer: Callable[[Any], Answer]
    keep: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class SiteRow:
    """A registered site. `public_key` is base64, None before the first enrolment; instants are Unix seconds."""

    site_id: str
    name: str
    public_key: str | None
    code_expires_at: int | None
    created_at: int
    enrolled_at: int | None


class Register(Protocol):
    """The register of sites. Raises StoreUnavailable and StoreError besides what is named."""

    async def enrol(self, code: str, public_key: str, now: float) -> SiteRow:
        """Use up a code: its site's edge is from now on whoever has the key. Raises BadCode."""
        ...

    async def rotate(self, site_id: str, old_key: str, new_key: str) -> SiteRow:
        """Put a key in the place of another, whose consent the caller has checked. Raises BadRotation if that other one
        is not the site's; a repetition does nothing."""
        ...

    async def revision(self) -> int:
        """Grows with every change of a site."""
        ...

    async def find(self, site_id: str) -> SiteRow | None: ...

    async def find_named(self, name: str) -> SiteRow | None: ...

    async def keys_of(self, site_ids: Iterable[str]) -> dict[str, tuple[str, str | None]]:
        """`site_id` → (name, public key) of those sites that are still registered."""
        ...

    async def ping(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LastSeen:
    """Unix seconds; None when not known. `offline_since` is None while the site is, or was last known to be, online.

    `rival_at` is when two edges with its identity were last seen.
    """

    online_since: float | None
    last_seen_at: float | None
    offline_since: float | None
    rtt_s: float | None = None
    rival_at: float | None = None

    @property
    def gone_since(self) -> float | None:
        """Since when a site without a tunnel has been away: a relay that was killed could not note the end."""
        return self.offline_since if self.offline_since is not None else self.last_seen_at

    def is_fresh(self, now: float) -> bool:
        """Whether a relay had the site's tunnel moments ago, and has not lost it."""
        return self.offline_since is None and self.last_seen_at is not None and now - self.last_seen_at < FRESH_S


class Presence(Protocol):
    """When each site was last there. Every call is quick and may raise RedisUnavailable: traffic goes on without."""

    async def next_fence(self, site_id: str, key_id: str, known: int, told: int) -> int | None:
        """The number of a new connection by this key: above what the relay knows (`known`, and all given for the key
        before) and above `told` by the edge; None if that leaps (relay/sites.py)."""
        ...

    async def note_online(self, site_id: str, now: float) -> None: ...

    async def note_offline(self, site_id: str, key_id: str, fence: int, now: float) -> None:
        """The connection with this number ended; nothing happens if a newer one was given since, or by another key."""
        ...

    async def note_seen(self, rtts_s: Mapping[str, float | None], now: float) -> None:
        """All these sites are online; their round trips, None when not known."""
        ...

    async def fences(self, site_ids: Sequence[str]) -> dict[str, int]:
        """The number of each site's newest connection, at whatever relay; sites without one are left out."""
        ...

    async def note_node(self, node_id: str, now: float) -> None:
        """This relay process takes tunnels."""
        ...

    async def forget_node(self, node_id: str) -> None:
        """It does no longer."""
        ...

    async def has_other_node(self, node_id: str, now: float) -> bool:
        """Whether another relay process takes tunnels."""
        ...

    async def note_rival(self, site_id: str, now: float) -> None:
        """Two edges prove the site's identity in turns."""
        ...
        ...

    async def last_seen(self, site_id: str) -> LastSeen: ...

    async def ping(self) -> None: ...
