"""What of a profile is put back, and in which commands.

Pure; used by `edge/profiles.py`. A slot is where the wallbox keeps a value: a wish's name, with `@` and the mode that
it belongs to where limits and currents have one each (openWB 2.x).
"""

from collections.abc import Mapping
from typing import Any

from common.model import ChargePoint, Mode
from edge.openwb.v2_objects import SECTIONS

Slots = Mapping[str, Any]


def groups(previous: Slots, applied: Slots, shown: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """What to put back: what still is as the profile made it."""
    group = {wish: before for wish, before in previous.items() if shown.get(wish) == applied.get(wish)}
    return (group,) if group else ()


def groups_by_mode(previous: Slots, applied: Slots, shown: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The same where limits and currents belong to modes: a mode is switched on to put back what belongs to it.

    What does not belong to the present mode the wallbox does not show: what earlier cards set there is put back unseen.
    """
    mode = shown["mode"]
    by_owner: dict[str, dict[str, Any]] = {mode: {}}
    for slot, before in previous.items():
        wish, _, owner = slot.partition("@")
        if not owner:
            continue
        if owner != _owner(wish, mode):
            by_owner.setdefault(owner, {"mode": owner})[wish] = before
        elif shown.get(wish) == applied.get(slot):
            by_owner[mode][wish] = before
    found = [group for group in by_owner.values() if group]
    last_mode = previous.get("mode", mode)
    if last_mode != (found[-1].get("mode", mode) if found else mode):
        found.append({"mode": last_mode})
    return tuple(found)


def by_mode(wishes: Mapping[str, Any], mode: str | None) -> dict[str, Any]:
    """By slot, for a command that was carried out in a mode."""
    return {wish if wish == "mode" else f"{wish}@{_owner(wish, mode)}": value for wish, value in wishes.items()}


def without(values: Slots, slots: set[str]) -> dict[str, Any]:
    return {slot: value for slot, value in values.items() if slot not in slots}


def shown(point: ChargePoint) -> dict[str, Any]:
    """What the wallbox shows, in the form of wishes."""
    limit: dict[str, Any] | None = None
    if point.limit is not None:
        parts = {"energy_wh": point.limit.energy_wh, "soc_percent": point.limit.soc_percent}
        limit = {"type": point.limit.type, **{name: value for name, value in parts.items() if value is not None}}
    mode = None if point.mode is None else point.mode.value
    return {"mode": mode, "current_a": point.current_a, "limit": limit}


def _owner(wish: str, mode: str | None) -> str:
    """The mode whose limit or current is the one of `mode`, as edge/openwb/v2_template.py has it."""
    own = (Mode.ECO,) if wish == "current_a" else tuple(SECTIONS)
    return mode if mode in own else Mode.INSTANT.value
