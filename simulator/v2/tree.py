"""What stands in the broker: which payload was sent last for each topic, and so what has to be sent. Pure."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from simulator.v2.payloads import encode
from simulator.wallbox import Message

PREFIX = "openWB/"

_PLAIN = (bool, int, float, str)
_NOTHING = object()


class Tree:
    def __init__(self) -> None:
        self._shown: dict[str, str] = {}
        self.is_heard: Callable[[str], bool] | None = None
        """Topics of which this is not true are left out of `update`; None: none."""
        self._plain: dict[str, Any] = {}  # values of what is shown that nobody can have changed inside

    def show(self, name: str, value: Any) -> Message:
        """Send a value at once, changed or not."""
        self._shown[name] = encode(name, value)
        self._plain.pop(name, None)
        return Message(PREFIX + name, self._shown[name])

    def update(self, values: Mapping[str, Any], always: Collection[str] = ()) -> list[Message]:
        """Send what changed, and what goes `always`. What is not in `values` stays as it is."""
        messages = []
        for name, value in values.items():
            if name not in always and self._is_shown(name, value):
                continue
            if self.is_heard is not None and not self.is_heard(PREFIX + name):
                continue
            payload = encode(name, value)
            if self._shown.get(name) != payload or name in always:
                self._shown[name] = payload
                messages.append(Message(PREFIX + name, payload))
            if isinstance(value, _PLAIN):
                self._plain[name] = value
        return messages

    def _is_shown(self, name: str, value: Any) -> bool:
        """Whether it is certain, without a look at the payload, which takes long."""
        known = self._plain.get(name, _NOTHING)
        return type(known) is type(value) and known == value and name in self._shown

    def remove(self, prefix: str) -> list[Message]:
        """Delete all that was sent below `prefix`, one by one."""
        gone = [name for name in self._shown if name.startswith(prefix)]
        for name in gone:
            del self._shown[name]
            self._plain.pop(name, None)
        return [Message(PREFIX + name, "") for name in gone]

    def forget(self) -> None:
        """Nothing was sent, as far as anybody knows."""
        self._shown.clear()
        self._plain.clear()
