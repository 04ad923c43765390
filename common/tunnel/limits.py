"""Every number of the tunnel with its reason; docs/protocol.md shows the same table.

Sizes in bytes, times in seconds. The upper-case constants belong to the wire and are the same for everybody;
`Limits` is what one end decides for itself.
"""

from dataclasses import dataclass

import msgspec

KIB = 1024

LONGEST_PAYLOAD = 16 * KIB
"""Of one frame, except DATA: what a head or a piece of a websocket message may make the other end hold at once."""

LONGEST_MESSAGE = 64 * KIB
"""Of one websocket message with all its frames: a message costs about 30 µs in Sanic, a frame under 2 µs here."""

LONGEST_DATA = LONGEST_MESSAGE - 12
"""Of one DATA frame: all of a message but its number and the frame's header. A download that is alone fills messages
with one frame each; where several share a message, each gets QUANTUM_BYTES of it (flow.py)."""

LONGEST_JSON = 4 * KIB
"""Of HELLO and WELCOME, which come from someone not yet known: an ordinary one has under 500 bytes."""

LONGEST_PATH = 8 * KIB
"""Of path and query; what common servers accept at least (RFC 9110 section 4.1 recommends 8000 octets)."""

MOST_FIELDS = 100
"""Of one OPEN or HEADERS: common servers' own limit; browsers send about 20."""

LONGEST_DETAIL = 64
"""Of RESET: a hint for the log, never a place for content."""

LONGEST_REASON = 123
"""Of WSCLOSE: what a websocket close frame can hold (RFC 6455 section 5.5)."""

FREE_FRAMES, FREE_FRAMES_PER_S = 2_000, 4_000
"""Of the frames that use up no credit, PING and CREDIT above all: so many at once, then so many a second. Each takes
2 µs or more. At 300 MB/s, the most that was measured through one tunnel, 2,300 credits a second go back; and no more
than 264 can have gathered behind a reader that was held up, since nothing is credited that was not taken."""

FREE_FRAME_BYTES = 256
"""A frame that is skipped counts once more for each of these bytes."""

SMALLEST_COST = 64
"""What a DATA or MSG frame costs at least: about what its objects take in memory, so that a million frames of one
byte cannot take a hundred times the window."""


class Announced(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """What one end accepts, told to the other in HELLO or WELCOME."""

    stream_window_bytes: int = 64 * KIB
    connection_window_bytes: int = 1024 * KIB
    streams: int = 128

    def is_sound(self) -> bool:
        """Whether a peer may say this: a window below one full frame would stall, one over 16 MiB is no bound."""
        return (
            LONGEST_PAYLOAD <= self.stream_window_bytes <= self.connection_window_bytes <= 16 * KIB * KIB
            and 1 <= self.streams <= 4096
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What this end decides. Defaults are for one household; all can be set where a shell is built."""

    stream_window_bytes: int = 6 * LONGEST_DATA
    """Per stream: six full messages. Credit comes back by halves, so three are on their way while three are taken; with
    four in all a download was a fifth slower (measured). At 100 ms round trip 30 Mbit/s: above most homes' upload."""

    connection_window_bytes: int = 48 * LONGEST_DATA
    """All streams together, 3 MiB, seven downloads that nobody takes among them before others wait for their end: what
    one edge may make the relay hold; 1000 edges are 3 GiB at the very worst. Its credit comes back by eighths, which
    are a stream's window: where one download runs, in the same message as the stream's."""

    streams: int = 128
    """Streams at once, also those that ended but are not yet consumed."""

    http_streams: int = 64
    """Of these, plain HTTP: leaves room for live push when a page loads everything at once. A quarter of what both
    ends allow is left in any case, see `most_plain`."""

    message_bytes: int = 1024 * KIB
    """One websocket message whole: the default of common websocket libraries."""

    assembly_bytes: int = 4 * KIB * KIB
    """Parts of websocket messages over one window that were credited before the application took them, all streams."""

    bulk_after_bytes: int = 256 * KIB
    """A plain answer that has sent this much is a download: it yields to short answers from then on."""

    live_reserve_bytes: int = 128 * KIB
    """Of the connection window, kept free for websockets and events, so that phones that never read their
    downloads cannot stop live push."""

    short_bytes: int = 64 * KIB
    """Of a plain stream: so much is a short answer, as nearly all are. Less than a stream window, so that a phone that
    takes nothing has used it up by the time it stands."""

    short_reserve_bytes: int = 256 * KIB
    """Of the connection window, kept free for the `short_bytes` of plain streams: phones that never read their
    downloads cannot stop the next one's short answer. Theirs have sent more, since buffers on the way take it."""

    control_queue_bytes: int = 64 * KIB
    """RESETs and the like waiting to be sent: over 800 of them; a peer that causes more and reads none is closed."""

    ping_after_s: float = 14.0
    """Without a byte received, ± 20 %: with `dead_after_s` at most 29 s, below the 60 s of common proxies."""

    dead_after_s: float = 12.0
    """After the PING without any byte received: native code that holds Python's lock for 10 s at home, or a mobile line
    that is gone for as long, must not cost the tunnel, also when the PING had just been sent."""

    answer_timeout_s: float = 30.0
    """From a complete request to HEADERS; the slowest answer the api gives on purpose takes 5 s."""

    progress_timeout_s: float = 60.0
    """Without a byte on a plain stream while the window is open. A closed window is not a stall."""

    slow_consumer_s: float = 60.0
    """Without one byte taken while content waits: a phone that reads less than about 1 KiB/s gives its window back."""

    handshake_timeout_s: float = 10.0
    """The shells': from the accepted websocket to WELCOME."""

    proof_timeout_s: float = 5.0
    """The shells': from CHALLENGE to PROOF, which costs one signature."""

    write_stall_s: float = 20.0
    """The shells': without a byte accepted by the kernel, as TCP_USER_TIMEOUT."""

    def most_plain(self, most: int) -> int:
        """Of `most` streams in all, how many may be plain HTTP: the rest is for live streams alone."""
        return min(self.http_streams, most - most // 4)

    def announced(self) -> Announced:
        return Announced(
            stream_window_bytes=self.stream_window_bytes,
            connection_window_bytes=self.connection_window_bytes,
            streams=self.streams,
        )
