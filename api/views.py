"""State → the JSON of the API. Pure. The shapes stand in shapes.py; design: names and units are those of the model.

Also renames the paths of changes, so that what `live` sends fits into what `state` answers.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from api import instants, numbers
from api.control import common_modes
from api.exports.figures import CURRENCY
from api.fields import COLLECTIONS, EVERYTHING, PARTS, Selection
from common.commands import EVENT_TYPE, CommandRecord
from common.live_events import ScanEvent, SessionEvent
from common.model import ChargePoint, Snapshot

_META = {
    "meta.is_stale": "is_stale",
    "meta.generation": "site.openwb_generation",
    "meta.version": "site.openwb_version",
    "meta.is_secondary": "site.is_secondary",
}


def state(
    snapshot: Snapshot, *, site_name: str, now: float, is_edge_alive: bool, selected: Selection = EVERYTHING
) -> dict[str, Any]:
    """`GET state`. Of a selection only the selected values are there; what the site lacks is None."""
    return {
        **head(snapshot, is_edge_alive=is_edge_alive),
        "site": _site(snapshot, site_name),
        **_parts(snapshot, selected),
        "ages_s": {
            path: round(max(0.0, now - heard_at), 1)
            for path, heard_at in snapshot.heard_at.items()
            if selected.has(path)
        },
    }


def site(snapshot: Snapshot, *, site_name: str, time_zone: str, version: str, is_edge_alive: bool) -> dict[str, Any]:
    """`GET site`: what the site is and has."""
    return {
        **_site(snapshot, site_name),
        "version": version,
        "time_zone": time_zone,
        "currency": CURRENCY,
        "updated_at": instants.text(snapshot.updated_at),
        "is_stale": is_stale(snapshot, is_edge_alive=is_edge_alive),
        "parts": [part for part in PARTS if getattr(snapshot.state, part) is not None],
        "charge_points": list(snapshot.state.charge_points),
        "modes": common_modes(snapshot.state),
    }


def charge_point(identifier: str, shown: ChargePoint) -> dict[str, Any]:
    """One charge point with its id, as in `GET chargepoints`."""
    return {"id": identifier, **_values(shown)}


def head(snapshot: Snapshot, *, is_edge_alive: bool) -> dict[str, Any]:
    """What every answer about the present begins with."""
    return {
        "seq": numbers.of_entry(snapshot.seq),
        "updated_at": instants.text(snapshot.updated_at),
        "is_stale": is_stale(snapshot, is_edge_alive=is_edge_alive),
    }


def is_stale(snapshot: Snapshot, *, is_edge_alive: bool) -> bool:
    """Nobody vouches for the values any more: the wallbox fell silent, or the edge did."""
    return snapshot.state.meta.is_stale or not is_edge_alive


def changes(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The paths and values of an entry of the change stream as clients know them."""
    return {_META.get(path, path): _told(path, value) for path, value in raw.items()}


def command(record: CommandRecord) -> dict[str, Any]:
    """What became of a command. Who wished it is nobody else's business: only the log says."""
    return {
        "id": record.id,
        "status": record.status.value,
        "charge_point": record.charge_point,
        "requested": dict(record.requested),
        "previous": dict(record.previous),
        "observed": dict(record.observed),
        "detail": record.detail,
        "affects": list(record.affects),
        "accepted_at": instants.text(record.accepted_at),
        "published_at": _instant(record.published_at),
        "settled_at": _instant(record.settled_at),
    }


def command_event(record: CommandRecord) -> dict[str, Any]:
    """The `event` of the live channel that tells of a command."""
    return {"type": EVENT_TYPE, "command": command(record)}


def session_event(event: SessionEvent) -> dict[str, Any]:
    """The `event` of the live channel that tells of a charge session."""
    return {
        "type": event.type.value,
        "id": event.id,
        "charge_point": event.charge_point,
        "started_at": instants.text(event.started_at),
        "ended_at": _instant(event.ended_at),
        "energy_wh": event.energy_wh,
    }


def scan_event(event: ScanEvent) -> dict[str, Any]:
    """The `event` of the live channel that tells of a scanned card."""
    return {
        "type": event.type,
        "charge_point": event.charge_point,
        "scanned_at": instants.text(event.scanned_at),
        "outcome": event.outcome,
    }


def is_always_told(path: str) -> bool:
    """What no selection hides, since every state has it."""
    return path == "is_stale" or path.startswith("site.")


def _instant(instant: float | None) -> str | None:
    return None if instant is None else instants.text(instant)


def _site(snapshot: Snapshot, site_name: str) -> dict[str, Any]:
    meta = snapshot.state.meta
    return {
        "name": site_name,
        "openwb_generation": meta.generation,
        "openwb_version": meta.version,
        "is_secondary": meta.is_secondary,
    }


def _parts(snapshot: Snapshot, selected: Selection) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for part in PARTS:
        if selected.touches(part):
            value = getattr(snapshot.state, part)
            shown[part] = None if value is None else _picked(part, _values(value), selected)
    for collection in COLLECTIONS:
        if selected.touches(collection):
            shown[collection] = {
                identifier: _picked(f"{collection}.{identifier}", _values(value), selected)
                for identifier, value in getattr(snapshot.state, collection).items()
                if selected.touches(f"{collection}.{identifier}")
            }
    return shown


def _picked(prefix: str, values: dict[str, Any], selected: Selection) -> dict[str, Any]:
    return {name: value for name, value in values.items() if selected.has(f"{prefix}.{name}")}


def _values(part: Any) -> dict[str, Any]:
    """The fields of one object of the model."""
    values: dict[str, Any] = msgspec.to_builtins(part)
    return {name: _told(name, value) for name, value in values.items()}


def _told(path: str, value: Any) -> Any:
    """A limit without the amounts that its type does not use; the slots of a tariff with instants as elsewhere."""
    name = path.rpartition(".")[2]
    if name == "limit" and isinstance(value, dict):
        return {key: amount for key, amount in value.items() if amount is not None}
    if name == "prices" and isinstance(value, list | tuple):
        return [{"starts_at": instants.text(starts_at), "price_per_kwh": price} for starts_at, price in value]
    return value
