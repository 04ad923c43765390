"""Whether the peer lives: PING when nothing comes, dead when nothing follows.

Times are monotonic seconds and come in as arguments. A tick that comes late (the process was stopped, or the machine
slept) proves nothing about the peer, so it is asked once more (docs/protocol.md, "Liveness").
"""

import struct

LATE_S = 2.0
"""A tick this late means that we slept, not that the peer is dead; timers are late by milliseconds."""

_PAYLOAD = struct.Struct("!Q")


class Liveness:
    def __init__(self, now: float, ping_after_s: float, dead_after_s: float) -> None:
        self.rtt_s: float | None = None
        self._ping_after_s = ping_after_s
        self._dead_after_s = dead_after_s
        self._last_received = now
        self._asked_at: float | None = None  # of the PING that waits for any byte
        self._is_excused = False
        self._pings = 0
        self._sent_at = now  # of the last PING, for the round trip

    @property
    def deadline(self) -> float:
        if self._asked_at is not None:
            return self._asked_at + self._dead_after_s
        return self._last_received + self._ping_after_s

    def received(self, now: float) -> None:
        self._last_received = now
        self._asked_at = None
        self._is_excused = False

    def ponged(self, payload: bytes, now: float) -> None:
        if payload == _PAYLOAD.pack(self._pings) and self._pings:
            self.rtt_s = now - self._sent_at

    def tick(self, now: float) -> bytes | None:
        """The payload of a PING to send now, if any; raises TimeoutError when the peer is dead."""
        if now < self.deadline:
            return None
        if self._asked_at is not None:
            if self._is_excused or now - self.deadline < LATE_S:
                raise TimeoutError("no byte received after PING")
            self._is_excused = True
        self._asked_at = self._sent_at = now
        self._pings += 1
        return _PAYLOAD.pack(self._pings)
