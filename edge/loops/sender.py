"""Sends what the tunnel's core has to send: one thread at a time, whichever it is.

A thread that has queued something sends it itself, which saves waking another one; but only one message, so that none
is kept from its own work by what others queue meanwhile. The rest, and whatever arises where nobody may block, is left
to the writer. The lock is the session's; nobody holds it over I/O.
"""

import threading
import time
from collections.abc import Callable

from common.tunnel.connection import TunnelConnection
from edge.tunnel import RelaySocket, RelayUnavailable


class Sender:
    """`run` is the writer's thread. Whoever sets `_is_busy` looks for more before giving it up: nothing is left lying.

    `sending_since` is for the watchdog: when the message that is being sent was begun, None while none is.
    """

    def __init__(
        self,
        connection: TunnelConnection,
        lock: threading.Lock,
        socket: RelaySocket,
        on_failure: Callable[[RelayUnavailable], None],
    ) -> None:
        self.sending_since: float | None = None
        self._connection = connection
        self._lock = lock  # guards the connection and the rest
        self._socket = socket
        self._on_failure = on_failure
        self._changed = threading.Condition(lock)
        self._handed_over: bytes | None = None
        self._is_busy = False
        self._is_broken = False
        self._is_ending = False

    def take(self) -> bytes | None:
        """Under the lock: a message that the caller must `send` now; None if there is none, or somebody is at it."""
        if self._is_busy or self._is_broken:
            return None
        message = self._connection.data_to_send()
        self._is_busy = message is not None
        return message

    def send(self, message: bytes) -> None:
        """Not under the lock: send what `take` gave; blocks while the kernel takes nothing."""
        self.sending_since = time.monotonic()
        failure = None
        try:
            self._socket.send(message)
        except RelayUnavailable as exc:
            failure = exc
        self.sending_since = None
        with self._lock:
            self._is_busy = False
            self._is_broken = failure is not None
            self.hand_over()
            if self._is_ending:
                self._changed.notify()
        if failure is not None:
            self._on_failure(failure)

    def hand_over(self) -> None:
        """Under the lock: leave what there is to send to the writer."""
        if (message := self.take()) is not None:
            self._handed_over = message
            self._changed.notify()

    def end(self) -> None:
        """Under the lock: `run` returns once what is left is sent, or cannot be sent."""
        self._is_ending = True
        self.hand_over()
        self._changed.notify()

    def run(self) -> None:
        while True:
            with self._lock:
                while self._handed_over is None:
                    if self._is_ending and not self._is_busy:
                        return
                    self._changed.wait()
                message, self._handed_over = self._handed_over, None
            self.send(message)
