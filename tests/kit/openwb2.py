"""The simulated openWB 2.x without a broker: what tests say to it and hear from it, as values."""

import copy
import json
from typing import Any

from simulator.physics import Site
from simulator.v2.wallbox import Wallbox
from simulator.wallbox import Message

AT = 1_795_420_810.0
"""Mon Nov 23 09:00:10 CET 2026, ten seconds past a five-minute mark."""

TEMPLATE_3 = "chargepoint/3/set/charge_template"
TEMPLATE_7 = "chargepoint/7/set/charge_template"
TEMPLATE_1 = "vehicle/template/charge_template/1"
LOCK = "chargepoint/3/set/manual_lock"

_BASE = Wallbox(Site(), 1, AT)  # its past takes a while, so tests get copies
_BASE.publish()


def new_wallbox() -> Wallbox:
    """A wallbox at AT that has published everything once."""
    return copy.deepcopy(_BASE)


def say(wallbox: Wallbox, name: str, value: Any) -> list[Message]:
    return wallbox.receive(f"openWB/set/{name}", json.dumps(value).encode())


def heard(messages: list[Message]) -> dict[str, Any]:
    """The last value of each topic; None for an emptied one."""
    return {
        message.topic.removeprefix("openWB/"): json.loads(message.payload) if message.payload else None
        for message in messages
    }


def shown(wallbox: Wallbox) -> dict[str, Any]:
    """All values as a late subscriber would find them."""
    wallbox.publish_all_again()
    return heard(wallbox.publish())


def cycle(wallbox: Wallbox, cycles: int = 1) -> dict[str, Any]:
    """What the next cycles publish."""
    messages = []
    for _ in range(cycles):
        wallbox.run_until(wallbox.next_due_at())
        messages += wallbox.publish()
    return heard(messages)


def plug_in_empty(wallbox: Wallbox, charge_point: int) -> None:
    """From the next cycle on a car is there that wants to charge."""
    wallbox.turn("soc", str(charge_point), "20")
    wallbox.turn("car", str(charge_point), "plugged")


def with_mode(template: dict[str, Any], mode: str) -> dict[str, Any]:
    return template | {"chargemode": template["chargemode"] | {"selected": mode}}
