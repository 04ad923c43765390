"""A simulated site's past, run through the real recording code: what the wallbox published, minute by minute, becomes
the site's state by the edge's own tables, and that becomes samples and charge sessions.

Pure: no broker, no clock, no database. Called by simulator/history.py.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from common.store.rows import SampleRow, SessionRecord
from edge.mirror import Mirror
from edge.openwb.detect import DIALECTS
from edge.recorder import sample_from
from edge.sessions.look import Kind
from edge.sessions.machine import SessionMachine
from simulator.environment import draw
from simulator.physics import Site
from simulator.wallbox import Wallbox

STEP_S = 60

SCAN_ODDS = 0.8  # people forget it now and then

OWNERS: Mapping[str, str] = {"0004A376A2": "driver"}
"""Whose tag it is; the other one's owner has no login."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Satisfies edge.sessions.state.Scan."""

    tag: str
    scanned_at: float
    charge_point: str | None


def walk(wallbox: Wallbox, generation: str, until: float) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Let the wallbox live minute by minute; each instant, and what it published then that the edge listens to.

    Afterwards it begins to publish everything anew.
    """
    wallbox.publish_only(functools.cache(DIALECTS[generation].is_allowed))
    at = int(wallbox.at) // STEP_S * STEP_S
    while at + STEP_S <= until:
        at += STEP_S
        wallbox.run_until(at)
        yield at, {message.topic: message.payload.encode() for message in wallbox.publish()}
    wallbox.publish_only(None)
    wallbox.publish_all_again()


class Recording:
    """What was recorded so far: `samples`, the `ended` sessions, and the `machine` that goes on with the others."""

    def __init__(self, generation: str, site: Site, seed: int) -> None:
        self.samples: list[SampleRow] = []
        self.ended: list[SessionRecord] = []
        self.machine = SessionMachine()
        self._mirror = Mirror(DIALECTS[generation])
        self._seed = seed
        self._tags = {point.name: point.tags for point in site.charge_points}
        self._plugged: set[str] = set()

    def hear(self, at: int, batch: Mapping[str, bytes]) -> None:
        """One minute."""
        self._mirror.apply(batch, at)
        snapshot = self._mirror.snapshot(has_ages=False)
        self.samples.append(sample_from(snapshot, at))
        changes = self.machine.look(at, snapshot)
        for name, part in snapshot.state.charge_points.items() if snapshot is not None else ():
            if part.is_plugged and name not in self._plugged:
                self._scan(name, part.name, at)
            (self._plugged.add if part.is_plugged else self._plugged.discard)(name)
        self.ended += [owned(change.record) for change in changes if change.kind is Kind.ENDED]

    def _scan(self, charge_point: str, name: str | None, at: int) -> None:
        tags = self._tags.get(name or "", ())
        if tags and draw(self._seed, f"scan{charge_point}", at) < SCAN_ODDS:
            self.machine.note_scan(Scan(tags[0], at, charge_point))


def owned(record: SessionRecord) -> SessionRecord:
    """With the user to whom its tag belongs."""
    return replace(record, session=replace(record.session, user_name=OWNERS.get(record.session.tag or "")))
