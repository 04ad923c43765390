"""Meter readings that were out of line → the JSON of the API. Pure."""

from collections.abc import Sequence
from typing import Any

from api import instants
from common.meters import OddReading
from common.store.rows import SessionRow


def shown(readings: Sequence[OddReading]) -> list[dict[str, Any]]:
    """As reconciliation and a charge session list them, in the given order."""
    return [
        {
            "meter": reading.meter,
            "from": instants.text(reading.from_s),
            "to": instants.text(reading.to_s),
            "before_wh": reading.before_wh,
            "first_wh": reading.first_wh,
            "last_wh": reading.last_wh,
            "outcome": reading.outcome.value,
        }
        for reading in readings
    ]


def wanted(session: SessionRow, now: float) -> tuple[int, int, str]:
    """The period (from, to) and the meter of a session's odd readings."""
    until = session.ended_at if session.ended_at is not None else int(now)
    return session.started_at, until + 1, f"charge_points.{session.charge_point}.meter_wh"
