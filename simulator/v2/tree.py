"""What stands in the broker: which payload was sent last for each topic, and so what has to be sent. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from simulator.v2.payloads import encode
from simulator.wallbox import Message

PREFIX = "openWB/"


class Tree:
    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def show(self, name: str, value: Any) -> Message:
        """Send a value at once, changed or not."""
        self._shown[name] = encode(name, value)
        return Message(PREFIX + name, self._shown[name])

    def update(self, values: Mapping[str, Any], always: Collection[str] = ()) -> list[Message]:
        """Send what changed, and what goes `always`. What is not in `values` stays as it is."""
        messages = []
        for name, value in values.items():
            payload = encode(name, value)
            if self._shown.get(name) != payload or name in always:
                self._shown[name] = payload
                messages.append(Message(PREFIX + name, payload))
        return messages

    def remove(self, prefix: str) -> list[Message]:
        """Delete all that was sent below `prefix`, one by one."""
        gone = [name for name in self._shown if name.startswith(prefix)]
        for name in gone:
            del self._shown[name]
        return [Message(PREFIX + name, "") for name in gone]

    def forget(self) -> None:
        """Nothing was sent, as far as anybody knows."""
        self._shown.clear()
