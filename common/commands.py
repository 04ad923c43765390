"""What a person wants of the wallbox, and what became of it: the contract between api and edge.

The api, or the edge for a scanned card, checks a request with `faults`, writes its first `CommandRecord` and appends
the `Command` to the stream of `common.keys.commands`; from then on only the edge rewrites the record: it checks the
wishes against the wallbox's own limits, publishes them and watches the wallbox's state. Nobody but the wallbox
confirms. Instants are real Unix seconds, also where a demo's time runs faster.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from common.model import Mode

DEADLINE_S = 30.0
"""A command that was not published this long after its acceptance is never sent: nobody expects it any more."""

COMMANDS_KEPT = 1_000
"""Entries the command stream keeps; a person makes a few a day, and each is void after DEADLINE_S."""

RECORD_KEPT_S = 86_400
"""Records and idempotency keys live a day: a client's retry after that is a new wish."""

EVENT_TYPE = "command"
"""The `type` of the events on the live channel that carry a record."""


class Status(StrEnum):
    """`accepted → published → confirmed | timed_out | rejected`; `accepted → timed_out | rejected | superseded`.

    `confirmed`: the wallbox's own topics show the wish. openWB 2.x undoes some accepted settings at its five-minute
    mark: then the wish is sent again and the record goes back to `published`, at most twice. A confirmed record becomes
    `superseded` when somebody changed the value soon after.
    `timed_out`: never sent because its deadline passed, or sent and not shown by the wallbox, or undone by it; `detail`
    says which.
    `rejected`: the wallbox's limits or kind forbid it, or too many commands are open; it was not sent.
    `superseded`: a newer command or somebody at the wallbox changed the same thing.
    """

    ACCEPTED = "accepted"
    PUBLISHED = "published"
    CONFIRMED = "confirmed"
    TIMED_OUT = "timed_out"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"

    @property
    def is_settled(self) -> bool:
        return self not in (Status.ACCEPTED, Status.PUBLISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One or several wishes for one charge point; None is the whole site. `by` is a user's name, `origin` api or rfid.

    `wishes` maps names to values as `faults` accepts them:
    `mode` (a `common.model.Mode`), `current_a` (whole A; more than 32 is for DC), `limit` ({"type": "none"}, {"type":
    "energy", "energy_wh"} or {"type": "soc", "soc_percent"}), `is_enabled`, `vehicle` (the id of a vehicle, text),
    `soc_percent` (0–100, read from the car by a person), `pv_min_current_a` (whole A; 0 is surplus only),
    `min_pv_current_a` (whole A, for the mode `min_pv`), `max_price_per_kwh` (EUR), `phases` (0 automatic, 1, 3),
    `reset_energy` (true).
    """

    id: str
    charge_point: str | None
    wishes: Mapping[str, Any]
    accepted_at: float
    by: str
    origin: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRecord:
    """What became of a command. `previous` and `observed` hold the wishes' names with the wallbox's own values.

    `previous` is from just before it was published, `observed` the newest; a name that is missing or None is unknown.
    Their values have the wishes' form, except that `reset_energy` holds the counted energy in Wh. `detail` is for
    people, `affects` names the other charge points that the wallbox changes too.
    """

    id: str
    status: Status
    charge_point: str | None
    requested: Mapping[str, Any]
    accepted_at: float
    by: str = ""
    previous: Mapping[str, Any] = field(default_factory=dict)
    observed: Mapping[str, Any] = field(default_factory=dict)
    detail: str | None = None
    affects: tuple[str, ...] = ()
    published_at: float | None = None
    settled_at: float | None = None
    origin: str = "api"


def accepted(command: Command) -> CommandRecord:
    """The first record of a command."""
    return CommandRecord(
        id=command.id,
        status=Status.ACCEPTED,
        charge_point=command.charge_point,
        requested=command.wishes,
        accepted_at=command.accepted_at,
        by=command.by,
        origin=command.origin,
    )


def faults(wishes: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the wishes' form, by name, whatever the wallbox; empty when nothing is.

    Ranges are the widest that any openWB takes; the edge applies the wallbox's own.
    """
    if not wishes:
        return {"body": "must wish for something"}
    return {name: fault for name, value in wishes.items() if (fault := _fault(name, value)) is not None}


def _fault(name: str, value: Any) -> str | None:
    check = _CHECKS.get(name)
    return "is not known" if check is None else check(value)


def _mode(value: Any) -> str | None:
    known = [mode.value for mode in Mode]
    return None if isinstance(value, str) and value in known else f"must be one of {', '.join(known)}"


def _whole(lowest: int, highest: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        is_fine = isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest
        return None if is_fine else f"must be a whole number from {lowest} to {highest}"

    return check


def _one_of(*choices: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        is_fine = isinstance(value, int) and not isinstance(value, bool) and value in choices
        return None if is_fine else f"must be one of {', '.join(map(str, choices))}"

    return check


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _only_true(value: Any) -> str | None:
    return None if value is True else "must be true"


def _price(value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # Prices may be negative. NaN compares false, so it is refused too.
    return None if is_number and -1 <= value <= 10 else "must be a number from -1 to 10, in EUR per kWh"


def _vehicle(value: Any) -> str | None:
    is_id = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 6
    is_fine = is_id and (value == "0" or not value.startswith("0"))
    return None if is_fine else "must be the id of a vehicle, a whole number as text"


_LIMIT_PARTS: Mapping[str, Mapping[str, Callable[[Any], str | None]]] = {
    "none": {},
    "energy": {"energy_wh": _whole(1, 1_000_000)},
    "soc": {"soc_percent": _whole(1, 100)},
}


def _limit(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    parts = _LIMIT_PARTS.get(kind) if isinstance(kind, str) else None
    if parts is None:
        return "must be an object whose type is none, energy or soc"
    if value.keys() != {"type", *parts}:
        return f"must have exactly {', '.join(['type', *parts])} for the type {kind}"
    for name, check in parts.items():
        if (fault := check(value[name])) is not None:
            return f"{name} {fault}"
    return None


_CHECKS: Mapping[str, Callable[[Any], str | None]] = {
    "mode": _mode,
    "current_a": _whole(1, 450),
    "limit": _limit,
    "is_enabled": _boolean,
    "vehicle": _vehicle,
    "soc_percent": _whole(0, 100),
    "pv_min_current_a": _whole(0, 16),
    "min_pv_current_a": _whole(6, 16),
    "max_price_per_kwh": _price,
    "phases": _one_of(0, 1, 3),
    "reset_energy": _only_true,
}

WISHES = tuple(_CHECKS)
"""Every wish there is, by name."""
