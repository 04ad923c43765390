"""What happened on a tunnel, as told to a shell by `TunnelConnection.receive` and `tick`.

Values only. `stream_id` names the stream; the docstring of each says what the shell owes in return. For one stream the
order is: `StreamOpened` (edge) or `HeadersReceived` (relay), then data or messages, then one end: `is_ended`,
`WebsocketClosed` or `StreamReset`. After `StreamReset`, or `ConnectionClosed`, no event names the stream again.
"""

from dataclasses import dataclass

from common.tunnel.errors import ErrorCode, tunnel_close_code
from common.tunnel.frames import Fields, Kind


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """Edge only: start a request. `path` is as sent by the phone, with query; `client_address` "" when unknown.

    `is_ended`: there is no body. Answer with `send_headers`, or `reset(…, REFUSED)` when too busy to start.
    """

    stream_id: int
    kind: Kind
    method: str
    path: str
    fields: Fields
    client_address: str
    is_ended: bool


@dataclass(frozen=True, slots=True)
class HeadersReceived:
    """Relay only: the answer. Status 101 on a websocket stream: upgrade the phone now; otherwise plain HTTP."""

    stream_id: int
    status: int
    fields: Fields
    is_ended: bool


@dataclass(frozen=True, slots=True)
class DataReceived:
    """A piece of a body; empty only with `is_ended`. Owes `consumed(stream_id, len(data))` once taken."""

    stream_id: int
    data: bytes
    is_ended: bool


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """One whole websocket message; valid UTF-8 when `is_text`. Owes `consumed(stream_id, len(data))`, also for 0."""

    stream_id: int
    data: bytes
    is_text: bool


@dataclass(frozen=True, slots=True)
class WebsocketClosed:
    """The peer closed its direction; `code` None: close without a code. Owes `close_websocket`, if not yet called."""

    stream_id: int
    code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The stream was aborted: by the peer, or (`is_local`) by the core, with a lost connection or a timeout.

    Drop all of it; `errors.http_status` and `errors.phone_close_code` say what a phone is told. REFUSED: the edge has
    not started the request, it may be sent again on another connection.
    """

    stream_id: int
    error: ErrorCode
    detail: str
    is_local: bool


@dataclass(frozen=True, slots=True)
class StreamWritable:
    """`writable(stream_id)` was 0 and no longer is."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class GoAwayReceived:
    """The peer wants to end. Relay: no new streams here; those up to `last_id` may finish. Edge: with DRAIN dial again,
    after `reconnect_after_s` plus a random part of `spread_s`, and serve this connection too until it is closed."""

    last_id: int
    error: ErrorCode
    reconnect_after_s: float
    spread_s: float


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """Always the last event. Send what `data_to_send` still has if it can be done at once, and close the websocket
    with `close_code`; with `error` TIMEOUT (a dead peer) abort the socket in place of both."""

    error: ErrorCode
    detail: str

    @property
    def close_code(self) -> int:
        return tunnel_close_code(self.error)


Event = (
    StreamOpened
    | HeadersReceived
    | DataReceived
    | MessageReceived
    | WebsocketClosed
    | StreamReset
    | StreamWritable
    | GoAwayReceived
    | ConnectionClosed
)
