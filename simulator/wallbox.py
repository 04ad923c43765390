"""What a simulated wallbox is to the process around it, whichever generation it speaks.

`simulator/v1` and `simulator/v2` have a class each that satisfies `Wallbox`; simulator/app.py drives it by way of
simulator/manners.py. None of them knows a socket or a clock: time is an argument, messages come back as values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out. An empty payload deletes a retained topic."""

    topic: str
    payload: str
    qos: int = 0
    is_retained: bool = True


class Wallbox(Protocol):
    """One wallbox with its household. Not thread-safe."""

    @property
    def at(self) -> float:
        """The instant of the last loop, Unix seconds."""
        ...

    def next_due_at(self) -> float:
        """When something happens by itself next: `run_until` and `publish` are due then."""
        ...

    def run_until(self, to_s: float) -> None:
        """Do all that is due until `to_s`; nothing if nothing is."""
        ...

    def receive(self, topic: str, payload: bytes) -> list[Message]:
        """Handle one message on a set topic; what is published at once. May raise on bytes that are no text."""
        ...

    def turn(self, knob: str, argument: str, payload: str) -> list[Message]:
        """Do as a knob of docs/simulator.md says; what is published at once. Raises FieldError for what it has not."""
        ...

    def publish(self) -> list[Message]:
        """What changed since the last call, and what goes out always."""
        ...

    def publish_only(self, is_heard: Callable[[str], bool] | None) -> None:
        """From now on publish only topics of which this is true; None: all. For a past that somebody listens to."""
        ...

    def publish_all_again(self) -> None:
        """Forget what was published, so that the next `publish` says everything."""
        ...

    def file(self, path: str) -> bytes | None:
        """What its web server has at a path, None for nothing. The one method that any thread may call."""
        ...

    def restore(self, retained: Mapping[str, str]) -> None:
        """Go on from what an earlier run left in the broker: settings as they were set, meters that do not go back."""
        ...
