"""Finds out which generation of openWB speaks on a broker. Pure; driven by `edge/loops/mirror.py`.

A wallbox that was upgraded in place leaves the old one's topics in the broker for ever, so nothing that is merely
retained decides while a heartbeat says more. The other way round a wallbox may be upgraded while we listen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.openwb import v1, v2
from edge.openwb.dialect import Dialect
from edge.openwb.parsing import Unreadable
from edge.openwb.pulse import Pulse

DIALECTS: Mapping[str, Dialect] = {dialect.generation: dialect for dialect in (v1.DIALECT, v2.DIALECT)}
"""By generation, the older one first."""

UNDECIDED = Dialect(generation="unknown", readings=(), heartbeat="", stale_after_s=60)
"""What is listened to while nobody knows: nothing."""

SETTLE_S = 5.0
"""How long a broker takes to hand over what it retained, with room; without a heartbeat leftovers decide then."""

_CLUES = {
    v1.DIALECT.generation: (v1.HEARTBEAT, v1.VERSION),
    v2.DIALECT.generation: (v2.HEARTBEAT, v2.VERSION),
}
CLUES = frozenset(topic for topics in _CLUES.values() for topic in topics)
"""The topics to be listened to besides those of the chosen dialect."""


@dataclass(slots=True)
class _Trace:
    """What was heard of one generation. Both beat every 10 s; the longer of their patiences serves for both."""

    pulse: Pulse = field(default_factory=lambda: Pulse(max(known.stale_after_s for known in DIALECTS.values())))
    is_heard: bool = False


class Detector:
    """`chosen` is the generation's dialect, UNDECIDED until there is a reason for one."""

    def __init__(self) -> None:
        self.chosen = UNDECIDED
        self._traces = {generation: _Trace() for generation in DIALECTS}
        self._first_heard_at: float | None = None

    def assume(self, generation: str) -> None:
        """Begin with what was so when we last ran, as long as nothing else is known."""
        if self.chosen is UNDECIDED:
            self.chosen = DIALECTS.get(generation, UNDECIDED)

    def hear(self, messages: Mapping[str, bytes], now: float) -> bool:
        """Take in a batch, also an empty one, as time decides too. Whether `chosen` is another one now."""
        for generation, topics in _CLUES.items():
            for topic in topics:
                if messages.get(topic):
                    self._note(generation, topic, messages[topic], now)
        before, self.chosen = self.chosen, self._choose(now)
        return self.chosen is not before

    def _note(self, generation: str, topic: str, payload: bytes, now: float) -> None:
        dialect, trace = DIALECTS[generation], self._traces[generation]
        match = dialect.match(topic)
        if match is None:
            return
        try:
            (value, *_) = match.reading.read(payload).values
        except Unreadable:
            return
        trace.is_heard = True
        if self._first_heard_at is None:
            self._first_heard_at = now
        if topic == dialect.heartbeat and isinstance(value, int | float):
            trace.pulse.hear(value, now)

    def _choose(self, now: float) -> Dialect:
        """Who lives, and among several who was chosen before, else the newer one; without any life leftovers count."""
        living = [dialect for name, dialect in DIALECTS.items() if self._traces[name].pulse.is_beating(now)]
        if living:
            return self.chosen if self.chosen in living else living[-1]
        if self.chosen is not UNDECIDED or self._first_heard_at is None or now - self._first_heard_at < SETTLE_S:
            return self.chosen
        return [dialect for name, dialect in DIALECTS.items() if self._traces[name].is_heard][-1]
