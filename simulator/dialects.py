"""The two openWB generations that the simulator speaks: which wallbox, on which topics.

Called by simulator/app.py and by the command lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from simulator import knobs
from simulator.physics import Site
from simulator.v1 import wallbox as v1
from simulator.v2 import wallbox as v2
from simulator.wallbox import Wallbox


class Generation(StrEnum):
    V1 = "1.9"
    V2 = "2.x"


class MakeWallbox(Protocol):
    """At `at` with a day behind it; or at the midnight `past_days` before, to be walked through until `at`."""

    def __call__(self, site: Site, seed: int, at: float, past_days: int | None = None) -> Wallbox: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """`make` makes a wallbox; commands come on `set_filters`; a restart reads `restored_filters` back."""

    generation: Generation
    make: MakeWallbox
    client_id: str
    set_filters: tuple[str, ...]
    restored_filters: tuple[str, ...]

    def is_heard_always(self, topic: str) -> bool:
        """Whether the topic is a command or a knob, not something that a restart reads back."""
        return topic.startswith(
            tuple(topic_filter.removesuffix("#") for topic_filter in (*self.set_filters, knobs.FILTER))
        )


DIALECTS: Mapping[Generation, Dialect] = {
    Generation.V1: Dialect(Generation.V1, v1.Wallbox, "mqttsub", v1.SET_FILTERS, v1.RESTORED_FILTERS),
    Generation.V2: Dialect(Generation.V2, v2.Wallbox, "openwb-core", v2.SET_FILTERS, v2.RESTORED_FILTERS),
}
