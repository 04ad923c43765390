"""Whether a person's wishes may become a command: their form, what the site offers, who sends how many. Pure.

The form is common/commands.py's, what is offered the wallbox's own `Capabilities`; the edge checks both again against
what it hears itself. Called by handlers/control.py.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from api.errors import (
    CommandFailed,
    IdempotencyKeyReused,
    NotAllowed,
    NotPossible,
    TooManyChanges,
    TooManyCommands,
    UnknownChargePoint,
)
from api.sight import Sight
from common import commands
from common.commands import Command, CommandRecord, Status
from common.errors import FieldError
from common.model import Capabilities, LimitType, Mode, SiteState

MOST_CHANGES = 120
"""A minute and user, of what changes, exports or logs in and is no command: people are slower, and each is an entry of
the audit, which keeps two years of them."""

MOST_A_MINUTE = 120
"""Commands of one user: a finger on a slider makes one or two a second. Each costs Redis about 600 B for a day."""

MOST_USERS = 1_000
"""Users whose pace is remembered, about 1 kB each."""

LONGEST_KEY = 255

_Offers = Callable[[Capabilities, Any], bool]

_OFFERS: Mapping[str, _Offers] = {
    "mode": lambda can, mode: mode in can.modes,
    "current_a": lambda can, _: bool(can.modes),
    "limit": lambda can, limit: limit["type"] in can.limit_types,
    "is_enabled": lambda can, _: can.can_enable,
    "vehicle": lambda can, _: can.can_assign_vehicle,
    "soc_percent": lambda can, _: can.can_set_soc,
    "pv_min_current_a": lambda can, _: can.can_set_pv_min_current,
    "min_pv_current_a": lambda can, _: Mode.MIN_PV in can.modes,
    "max_price_per_kwh": lambda can, _: can.has_price_limit,
    "phases": lambda can, _: can.can_switch_phases,
    "reset_energy": lambda can, _: can.can_reset_energy,
}
"""wish → whether this charge point has it at all."""


def wishes_of(body: msgspec.Struct) -> dict[str, Any]:
    """The fields that a body has, as wishes; raises FieldError if one is out of every openWB's range, or none is there.

    Bodies are checked by their types first, so this finds what those cannot say.
    """
    wishes: dict[str, Any] = msgspec.to_builtins(body)
    if faults := commands.faults(wishes):
        raise FieldError("some fields are missing or wrong", faults)
    return wishes


def idempotency_key(fields: Sequence[str]) -> str | None:
    """The one `Idempotency-Key` of a request's fields, None if it has none; raises FieldError."""
    if not fields:
        return None
    key = fields[0]
    if len(fields) > 1 or not 1 <= len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
        words = f"must be given once and have 1 to {LONGEST_KEY} printable ASCII characters"
        raise FieldError("a header field is wrong", {"Idempotency-Key": words})
    return key


def check_same(record: CommandRecord, command: Command) -> None:
    """Raises IdempotencyKeyReused unless the record is that of these wishes for this charge point."""
    if record.charge_point != command.charge_point or dict(record.requested) != dict(command.wishes):
        raise IdempotencyKeyReused("this key was used for another request; use a new one for a new wish")


def check_possible(state: SiteState, charge_point: str | None, wishes: Mapping[str, Any]) -> None:
    """Raises UnknownChargePoint or NotPossible if the wallbox would surely refuse.

    What cannot be said from here is not judged: a charge point whose capabilities are not known yet, and what another
    vehicle or other phases would allow. The edge decides then, and the record tells.
    """
    if charge_point is None:
        if not state.charge_points:
            raise UnknownChargePoint("this site has no charge points")
        asked = list(state.charge_points)
    elif charge_point not in state.charge_points:
        raise UnknownChargePoint("there is no such charge point")
    else:
        asked = [charge_point]
    known = [can for name in asked if (can := state.charge_points[name].capabilities) is not None]
    judged = {"vehicle": wishes["vehicle"]} if "vehicle" in wishes else wishes
    bounded = () if "phases" in judged else judged
    faults = {wish: words for can in known for wish in bounded if (words := _out_of_range(can, wish, judged[wish]))}
    faults |= {wish: words for can in known for wish in judged if (words := _lack(can, wish, judged[wish]))}
    vehicle = wishes.get("vehicle")
    if vehicle is not None and state.vehicles and vehicle not in state.vehicles:
        faults.setdefault("vehicle", "is not a vehicle of this site")
    if faults:
        raise NotPossible("this wallbox does not take that", faults)


def check_done(record: CommandRecord, told: Mapping[str, Any]) -> None:
    """Raises NotPossible or CommandFailed with `told`, its JSON, for a command of which nothing will come any more."""
    if record.status is Status.REJECTED:
        raise NotPossible(record.detail or "this wallbox does not take that", faults_of(record), told)
    if record.status.is_settled and record.status is not Status.CONFIRMED:
        raise CommandFailed(record.detail or f"the wallbox did not follow: {record.status.value}", told)


def faults_of(record: CommandRecord) -> dict[str, str]:
    """wish → why the edge rejected it: it says `wish: words`, or of several `wish, wish: words`."""
    names, _, words = (record.detail or "").partition(": ")
    named = names.split(", ")
    return dict.fromkeys(named, words) if words and set(named) <= record.requested.keys() else {}


def check_sight(state: SiteState, sight: Sight, charge_point: str | None, wishes: Mapping[str, Any]) -> None:
    """Raises UnknownChargePoint or NotAllowed for what a limited user may not steer.

    openWB 1.9 has one mode for all charge points, so there it is for those alone who may steer all of them.
    """
    if not sight.is_limited:
        return
    if charge_point is None:
        raise NotAllowed("you may steer some charge points of this site, so name one")
    if not sight.sees(charge_point):
        raise UnknownChargePoint("there is no such charge point")
    is_shared = not wishes.keys().isdisjoint(site_wide(state))
    if is_shared and not all(sight.sees(name) for name in state.charge_points):
        raise NotAllowed("the mode is the whole site's here, and you may steer some of its charge points only")


def site_wide(state: SiteState) -> frozenset[str]:
    """The wishes of a driver that change every charge point of the site."""
    return frozenset({"mode"}) if state.meta.generation.startswith("1.") else frozenset()


def common_modes(state: SiteState) -> list[Mode]:
    """The modes that every charge point of the site offers, in the order of `Mode`."""
    offers = [set(point.capabilities.modes) for point in state.charge_points.values() if point.capabilities is not None]
    return [mode for mode in Mode if offers and all(mode in modes for modes in offers)]


def _lack(can: Capabilities, wish: str, value: Any) -> str | None:
    offers = _OFFERS.get(wish)
    if offers is None or offers(can, value):
        return None
    choices = {"mode": can.modes, "limit": can.limit_types}.get(wish)
    return f"is not offered here; possible: {', '.join(choices)}" if choices else "is not offered here"


def _out_of_range(can: Capabilities, wish: str, value: Any) -> str | None:
    if wish == "current_a":
        lowest, highest = can.lowest_current_a, can.highest_current_a
        is_fine = lowest <= value <= highest
        return None if is_fine else f"must be from {lowest:g} to {highest:g} A at this charge point"
    if wish == "limit" and value["type"] == LimitType.ENERGY:
        step_wh, highest_wh = can.energy_limit_step_wh, can.highest_energy_limit_wh
        is_fine = value["energy_wh"] % step_wh == 0 and value["energy_wh"] <= highest_wh
        return None if is_fine else f"must be a multiple of {step_wh} Wh, up to {highest_wh} Wh, at this charge point"
    return None


class Pace:
    """How many commands, or changes, each user made within the last minute: above `most` it raises `refused`.

    `now` is any steady seconds; the event loop owns it.
    """

    def __init__(
        self, most: int = MOST_A_MINUTE, refused: type[TooManyCommands | TooManyChanges] = TooManyCommands
    ) -> None:
        self._most = most
        self._refused = refused
        self._made: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, user: str, now: float) -> None:
        """Count one, or raise."""
        made = self._made.pop(user, None) or deque()
        self._made[user] = made
        while len(self._made) > MOST_USERS:
            self._made.popitem(last=False)
        while made and made[0] <= now - 60:
            made.popleft()
        if len(made) >= self._most:
            raise self._refused("too many of these within a minute", retry_after_s=made[0] + 60 - now)
        made.append(now)
