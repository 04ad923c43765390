"""How a simulated wallbox treats whoever talks to it: promptly as it should, or deaf, slow, or refusing.

Stands between the process (simulator/app.py) and a wallbox of either generation, and takes the knobs that both have
alike; the others it hands on. Pure: the instant is an argument. docs/simulator.md lists all knobs.
"""

from collections import deque

from common.errors import FieldError
from common.health import Health
from simulator import knobs
from simulator.wallbox import Message, Wallbox

MOST_HELD = 1000  # as many as the connection's inbox holds

_CLEARED_QOS = 2


class Manners:
    """One wallbox's manners. Set messages are answered in the order of their arrival, also while it is slow."""

    def __init__(self, wallbox: Wallbox, health: Health) -> None:
        self._wallbox = wallbox
        self._health = health
        self._is_deaf = False
        self._is_refusing = False
        self._delay_s = 0.0
        self._held: deque[tuple[float, str, bytes]] = deque()

    def next_due_at(self) -> float:
        """When the wallbox, or a message that waits for its answer, is due next."""
        due_at = self._wallbox.next_due_at()
        return min(due_at, self._held[0][0]) if self._held else due_at

    def handle(self, topic: str, payload: bytes, now: float) -> list[Message]:
        """A message from the broker, on a set topic or a knob; what is published at once. Raises as `Wallbox` does."""
        if topic.startswith(knobs.PREFIX):
            knob, _, argument = topic.removeprefix(knobs.PREFIX).partition("/")
            return self._turn(knob, argument, payload)
        if self._is_deaf:
            return []
        if not (self._delay_s or self._held):
            return self._answer(topic, payload)
        if len(self._held) >= MOST_HELD:
            self._health.count("manners.held_dropped")
        else:
            self._held.append((now + self._delay_s, topic, payload))
        return []

    def take_held(self, now: float) -> list[Message]:
        """The late answer to one message that has waited long enough; [] if none has."""
        if not self._held or self._held[0][0] > now:
            return []
        _, topic, payload = self._held.popleft()
        return self._answer(topic, payload)

    def _answer(self, topic: str, payload: bytes) -> list[Message]:
        if self._is_refusing:
            return [Message(topic, "", _CLEARED_QOS)] if payload else []
        return self._wallbox.receive(topic, payload)

    def _turn(self, knob: str, argument: str, payload: bytes) -> list[Message]:
        text = payload.decode("utf-8", errors="replace")
        match knob:
            case "deaf":
                self._is_deaf = knobs.switch(text)
            case "refuse":
                self._is_refusing = knobs.switch(text)
            case "slow":
                self._delay_s = knobs.delay_s(text)
            case "person":
                if not argument:
                    raise FieldError("bad knob", {"person": "needs the set topic without openWB/"})
                topic = f"openWB/{argument}"
                # Nobody hears a person's hand on the display as a message on the set topic, nor its clearing.
                return [message for message in self._wallbox.receive(topic, payload) if message.topic != topic]
            case _:
                return self._wallbox.turn(knob, argument, text)
        return []
