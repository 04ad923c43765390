"""Two tunnel cores joined back to back, without sockets: what transcripts and the state machine drive."""

from collections import deque

from common.tunnel.connection import TunnelConnection
from common.tunnel.events import Event
from common.tunnel.frames import Frame, decode_message
from common.tunnel.limits import LONGEST_MESSAGE, Limits
from common.tunnel.session import HANDSHAKE_MESSAGES
from common.tunnel.states import Role


class End:
    """One core, the messages on their way from it, and what happened at it."""

    def __init__(self, role: Role, limits: Limits, peer: Limits) -> None:
        self.core = TunnelConnection(role, now=0.0, limits=limits, peer=peer.announced())
        self.wire: deque[bytes] = deque()
        self.sent: list[Frame] = []  # every frame that went to the wire
        self._messages = HANDSHAKE_MESSAGES

    def flush(self, budget: int = LONGEST_MESSAGE, most: int = 1_000_000) -> int:
        """Put up to `most` messages on the wire; how many it were."""
        count = 0
        while count < most:
            is_due = self.core.is_due
            message = self.core.data_to_send(budget)
            if message is None:
                break
            assert is_due, "a shell that asks first would not have sent this"
            self.sent += decode_message(message, self._messages)
            self._messages += 1
            self.wire.append(message)
            count += 1
        return count

    def take_sent(self) -> list[Frame]:
        frames, self.sent = self.sent, []
        return frames


class Pair:
    """A relay and an edge. `exchange` carries all there is both ways and returns the events (relay's, edge's)."""

    def __init__(self, limits: Limits | None = None, relay_limits: Limits | None = None) -> None:
        edge_limits = limits or Limits()
        relay_limits = relay_limits or edge_limits
        self.relay = End(Role.RELAY, relay_limits, edge_limits)
        self.edge = End(Role.EDGE, edge_limits, relay_limits)
        self.now = 0.0

    def exchange(self) -> tuple[list[Event], list[Event]]:
        at_relay: list[Event] = []
        at_edge: list[Event] = []
        while self.relay.flush() + self.edge.flush() or self.relay.wire or self.edge.wire:
            while self.relay.wire:
                at_edge += self.edge.core.receive(self.relay.wire.popleft(), self.now)
            while self.edge.wire:
                at_relay += self.relay.core.receive(self.edge.wire.popleft(), self.now)
        return at_relay, at_edge
