"""What the tunnel's loop decides and needs: how long to wait before the next try, and its outside as protocols.

Pure. The loop is edge/loops/tunnel.py; the adapters behind the protocols are relay_socket.py, local_api.py and
enrolment.py, put together in app.py.
"""

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

from common.backoff import Backoff
from common.errors import AppError
from common.security.device_keys import DeviceKey
from common.tunnel.errors import ErrorCode, tunnel_close_code

REFUSED_PAUSE_S = 900.0
"""After the relay refused our identity or version: only a person can change that, and enrolling anew ends the pause."""

SUPERSEDED_PAUSE_S = 60.0
"""After a newer connection of this site: two edges with one identity must not throw each other out all the time."""

LONG_PAUSE_S = 20.0
"""A pause from here on is told; whoever reads of a shorter one would see it end."""

HEALTHY_AFTER_S = 30.0
"""A connection that lived so long was good; one that ended sooner keeps the pauses growing."""

LONGEST_AWAY_S = 300.0
"""Which a relay may keep us from dialling, by its GOAWAY or its WELCOME: as long as a connection that it took leave of
is kept. 500 edges that come back over so long are two a second."""

Pairs = Sequence[tuple[str, str]]


class RelayUnavailable(AppError):
    """The relay cannot be reached, or the connection ended. `close_code` is the relay's, None when it gave none."""

    code = "relay_unavailable"
    is_retryable = True

    def __init__(self, message: str, *, close_code: int | None = None, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.close_code = close_code


class ApiUnavailable(AppError):
    """The local api cannot be reached, or broke off in the middle."""

    code = "api_unavailable"
    is_retryable = True


class NoThreadLeft(AppError):
    """The system lets this process have no more threads (`TasksMax`, `pids_limit`)."""

    code = "no_thread_left"
    is_retryable = True


class WebsocketRefused(AppError):
    """The api answered the upgrade with plain HTTP."""

    code = "websocket_refused"

    def __init__(self, status: int, fields: Pairs, body: bytes) -> None:
        super().__init__("the api refused the websocket")
        self.status = status
        self.fields = fields
        self.body = body


class EnrolmentUnusable(AppError):
    """The enrolment's files are damaged, or cannot be read or written; enrol again."""

    code = "enrolment_unusable"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an edge knows of its relay. `relay_url` is http(s)://host[:port]; `site_id` stays when `site` is renamed.

    `key_stamp` changes whenever the edge's key file is written; 0 when there is none.
    """

    relay_url: str
    site_id: str
    site: str = field(compare=False)  # another name is nobody's other identity
    key_stamp: int = 0


class Enrolments(Protocol):
    def load(self) -> Enrolment | None:
        """None before the first enrolment; raises EnrolmentUnusable."""
        ...

    def key(self) -> DeviceKey:
        """Raises DeviceKeyUnusable."""
        ...

    def rename(self, enrolment: Enrolment, site: str) -> None:
        """Note the name that the relay uses now; raises EnrolmentUnusable."""
        ...


class RelaySocket(Protocol):
    """`send` from one thread, `receive` from one other, `abort` from any."""

    def send(self, message: bytes) -> None:
        """Blocks while the kernel takes nothing; raises RelayUnavailable."""
        ...

    def receive(self, timeout_s: float) -> bytes | None:
        """The next message, or None when none came in time; raises RelayUnavailable, also for text."""
        ...

    def acknowledged_bytes(self) -> int | None:
        """All that the relay's host has acknowledged so far; None where the system cannot tell. Never blocks."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, waiting at most a second for the answer; not while another thread sends."""
        ...

    def abort(self) -> None:
        """Cut the connection now; blocked senders and receivers fail at once."""
        ...


class Relay(Protocol):
    def connect(self, relay_url: str) -> AbstractContextManager[RelaySocket]:
        """Raises RelayUnavailable."""
        ...


class Exchange(Protocol):
    """One request to the api and its answer. One thread uses it; `abort` is for others. Raises ApiUnavailable."""

    def send(self, data: bytes) -> None:
        """A piece of the body; dropped once the api has answered without waiting for the whole."""
        ...

    @property
    def is_answered_early(self) -> bool: ...

    def end_body(self) -> None: ...

    def answer(self) -> tuple[int, list[tuple[str, str]]]:
        """Wait for the answer: status and fields."""
        ...

    @property
    def size_left(self) -> int | None:
        """Bytes of the answer's body that are still to come; None when its length is not known."""
        ...

    def read(self) -> bytes:
        """The next piece of the answer's body as it comes; empty after the last."""
        ...

    def finish(self) -> None:
        """Done with it; must be called in every case."""
        ...

    def abort(self) -> None:
        """Cut the connection: whoever waits on it fails at once, and the api sees its client leave."""
        ...


class ApiWebsocket(Protocol):
    """`send` from one thread, `receive` from one other, `abort` from any."""

    @property
    def subprotocol(self) -> str | None: ...

    def send(self, data: bytes, is_text: bool) -> None:
        """Raises ApiUnavailable."""
        ...

    def receive(self) -> tuple[bytes, bool] | None:
        """The next message and whether it is text; None once it is closed: see `closed_with`."""
        ...

    @property
    def closed_with(self) -> tuple[int | None, str] | None:
        """Code (None for none) and reason the api closed with; None when the connection was lost."""
        ...

    def close(self, code: int | None, reason: str) -> None:
        """Close towards the api; waits up to 2 s for its part, which the thread in `receive` sees."""
        ...

    def abort(self) -> None:
        """Cut the connection; whoever waits on it fails at once."""
        ...

    def finish(self) -> None:
        """Let go of the connection; for who receives, as the last thing, or for who never began to."""
        ...


class LocalApi(Protocol):
    """The only place that the tunnel leads to. Any thread; raises ApiUnavailable."""

    def request(self, method: str, target: str, fields: Pairs, *, has_body: bool) -> Exchange: ...

    def websocket(self, target: str, fields: Pairs) -> ApiWebsocket:
        """Raises WebsocketRefused when the api answers with anything but 101."""
        ...

    def close(self) -> None:
        """Drop what is kept for the next request; that one starts afresh."""
        ...


class Ending(Enum):
    """How a connection, or the try for one, ended, as far as the next try is concerned."""

    LOST = "lost"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    RENEWED = "renewed"  # by ourselves, to say HELLO anew


@dataclass(frozen=True, slots=True)
class Outcome:
    """`lived_s` is how long the connection was up, None if it never was."""

    ending: Ending
    lived_s: float | None


_ENDINGS = {
    tunnel_close_code(ErrorCode.AUTH): Ending.REFUSED,
    tunnel_close_code(ErrorCode.REVOKED): Ending.REFUSED,
    tunnel_close_code(ErrorCode.VERSION): Ending.REFUSED,
    tunnel_close_code(ErrorCode.SUPERSEDED): Ending.SUPERSEDED,
}


def ending_of(close_code: int | None) -> Ending:
    """What the relay's close code means for the next try."""
    return _ENDINGS.get(close_code or 0, Ending.LOST)


def pause_after_goodbye_s(after_s: float, spread_s: float, lived_s: float | None, backoff: Backoff) -> float:
    """Seconds until the next try when the relay asked for one while this connection still serves.

    LONGEST_AWAY_S is the most of what it may ask for.
    A relay that says so again and again meets growing pauses.
    """
    pause_s = min(LONGEST_AWAY_S, after_s + backoff.draw.uniform(0.0, spread_s))
    if lived_s is not None and lived_s >= HEALTHY_AFTER_S:
        backoff.reset()
        return pause_s
    return max(pause_s, backoff.next_delay_s())


def next_try_text(pause_s: float, now: float) -> str:
    """What is added to the reason of a failure for who would otherwise wait and wonder; "" for short pauses."""
    if pause_s < LONG_PAUSE_S:
        return ""
    at = datetime.fromtimestamp(now + pause_s, UTC)
    return f"; the next try is at {at:%H:%M:%S} UTC, or when this site is enrolled anew"


def next_pause_s(
    ending: Ending, lived_s: float | None, spread_s: float, backoff: Backoff, draw: random.Random | None = None
) -> float:
    """Seconds until the next try. `lived_s` is how long the connection was up, None if it never was.

    The first try after a good connection waits a random part of `spread_s`, which the relay chose so that all its edges
    do not come back in the same moment; at most LONGEST_AWAY_S.
    """
    draw = draw or backoff.draw
    if ending is Ending.RENEWED:
        return 0.0
    if ending is Ending.REFUSED:
        return REFUSED_PAUSE_S * draw.uniform(0.8, 1.2)
    if ending is Ending.SUPERSEDED:
        return SUPERSEDED_PAUSE_S * draw.uniform(0.5, 1.5)
    if lived_s is not None and lived_s >= HEALTHY_AFTER_S:
        backoff.reset()
        return draw.uniform(0.0, min(LONGEST_AWAY_S, spread_s))
    return backoff.next_delay_s()
