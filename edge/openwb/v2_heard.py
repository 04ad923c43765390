"""What openWB 2.x published, as its commands look at it: JSON by topic. Pure; nothing escapes but None for unknown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge.openwb import json_values
from edge.openwb.parsing import Unreadable
from edge.openwb.planning import Texts

PREFIX = "openWB/"
_USUAL_INTERVAL_S = 10
_INTERVALS_S = (10, 20, 60)


@dataclass(frozen=True, slots=True)
class Heard:
    """Topics are named without `openWB/`. None: never heard, emptied, or not what it should be."""

    texts: Texts

    def content(self, topic: str) -> Any:
        text = self.texts.get(PREFIX + topic, "").strip()
        return json_values.decode(text) if text else None

    def member(self, topic: str, name: str) -> Any:
        content = self.content(topic)
        return content.get(name) if isinstance(content, dict) else None

    def configuration(self, number: str, name: str) -> Any:
        return self.member(f"chargepoint/{number}/config", name)

    def vehicle_configuration(self, number: str, name: str) -> Any:
        """Of the vehicle that is assigned to a charge point."""
        return self.member(f"chargepoint/{number}/get/connected_vehicle/config", name)

    def charge_points(self) -> list[str]:
        """The ids of all that are configured, in order."""
        levels = [topic.split("/") for topic, text in self.texts.items() if text.strip()]
        found = {level[2] for level in levels if len(level) == 4 and level[1] == "chargepoint" and level[3] == "config"}
        return sorted((number for number in found if number.isdecimal()), key=int)

    def interval_s(self) -> float:
        """The length of a control loop."""
        interval_s = self.content("general/control_interval")
        return interval_s if isinstance(interval_s, int) and interval_s in _INTERVALS_S else _USUAL_INTERVAL_S


def reader(topic: str, read: Callable[[Any], Any]) -> Callable[[Texts], Any]:
    """Reads one topic, named without `openWB/`."""
    read_safely = safely(read)

    def read_topic(texts: Texts) -> Any:
        content = Heard(texts).content(topic)
        return None if content is None else read_safely(content)

    return read_topic


def safely(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """None in place of Unreadable."""

    def read_or_none(content: Any) -> Any:
        try:
            return read(content)
        except Unreadable:
            return None

    return read_or_none
