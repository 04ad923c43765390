"""The session machine: looks at the wallbox again and again, and says which charge sessions begin, change and end.

Pure: instants and snapshots in, records out; its whole memory is `state`, which goes into a file. Driven by
edge/loops/sessions.py, or by `replay` for a past that was simulated. edge/sessions/look.py says what a look means.
"""

from collections.abc import Iterable, Iterator

from common.model import ChargePoint, Snapshot
from common.store.rows import SessionRecord
from edge.meters import GAP_S, ODD_S, STOOD_S, is_settled
from edge.sessions import tags
from edge.sessions.look import Change, Kind, Look, World
from edge.sessions.readings import is_judgeable, reading_of
from edge.sessions.records import record_of
from edge.sessions.state import MachineState, Point, Scan
from edge.sessions.supply import Prices, site_of

OLDEST_S = 120.0
"""Beyond this age a snapshot is judged no more, as in edge/recorder.py."""


MISSING_S = 24 * 3600.0
"""A charge point that the wallbox has not had for so long was taken away; its session ends where it was last seen."""


class SessionMachine:
    """Give `state` of a machine that was stopped to go on where it was. Single-threaded."""

    def __init__(self, prices: Prices | None = None, state: MachineState | None = None) -> None:
        self.state = state or MachineState()
        self._prices = prices or Prices()

    def look(self, now: float, snapshot: Snapshot | None, oldest_s: float = OLDEST_S) -> list[Change]:
        """Judge what the wallbox says at `now`; a wallbox that is silent changes nothing."""
        if snapshot is None or not is_judgeable(snapshot, now, oldest_s):
            return []
        memory, state = self.state, snapshot.state
        memory.meters, memory.odd_readings = dict(snapshot.meters), snapshot.odd_readings
        if self._is_unsure(now):
            return []
        world = World(now, state, site_of(state, now), memory.site, memory, self._prices)
        changes: list[Change] = []
        for name, part in state.charge_points.items():
            point = memory.points.setdefault(name, Point(seen_at=now))
            point.missing_since = None
            meter = snapshot.meters.get(f"charge_points.{name}.meter_wh")
            changes += Look(name, point, reading_of(part), world, meter).judge()
        for name in memory.points.keys() - state.charge_points.keys():
            changes += self._miss(name, world)
        memory.site = world.site
        return changes

    def note_scan(self, scan: Scan) -> list[Change]:
        """A tag was scanned."""
        name = tags.take(self.state, scan)
        return self._changed(name) if name is not None else []

    def drop_scan(self, tag: str, charge_point: str) -> list[Change]:
        """The wallbox threw away a tag that had waited at a charge point."""
        name = tags.drop(self.state, tag, charge_point)
        return self._changed(name) if name is not None else []

    def landmarks(self) -> tuple[object, ...]:
        """What a crash must not lose even if nothing is to be told yet: equal as long as there is nothing new."""
        points = self.state.points.items()
        plugs = [(name, point.session and point.session.started_at, point.absent_since) for name, point in points]
        meters = [(path, meter.count, meter.held and meter.held.first_at) for path, meter in self.state.meters.items()]
        return (*plugs, *meters, *(scan.tag for scan in self.state.scans))

    def running(self) -> list[SessionRecord]:
        """The sessions that run, as of the last look."""
        return [
            record_of(name, point.session, point.seen_at, None)
            for name, point in self.state.points.items()
            if point.session is not None and point.session.is_shown
        ]

    def _is_unsure(self, now: float) -> bool:
        """Whether nobody looked for a while, and what the meters have said since then may be odd: then that must show.

        For as long as it may take at most, however odd they are.
        """
        memory = self.state
        since = memory.site.at if memory.site is not None else now
        if now - since <= GAP_S or all(is_settled(meter, since) for meter in memory.meters.values()):
            memory.waits_since = None
            return False
        if memory.waits_since is None or memory.waits_since > now:
            memory.waits_since = now
        return now - memory.waits_since <= ODD_S + STOOD_S

    def _miss(self, name: str, world: World) -> list[Change]:
        """The wallbox has no such charge point (any more)."""
        point = self.state.points[name]
        if point.missing_since is None:
            point.missing_since = world.now
        if world.now - point.missing_since < MISSING_S:
            return []
        del self.state.points[name]
        return Look(name, point, reading_of(ChargePoint()), world).leave()

    def _changed(self, name: str) -> list[Change]:
        point = self.state.points[name]
        if point.session is None or not point.session.is_shown:
            return []
        return [Change(Kind.CHANGED, record_of(name, point.session, point.seen_at, None))]


def replay(
    looks: Iterable[tuple[float, Snapshot | None]], machine: SessionMachine, scans: Iterable[Scan] = ()
) -> Iterator[SessionRecord]:
    """Run a past through `machine`: (instant, snapshot) in the order of time, as close together as is known.

    Yields each session when it has ended, with its segments; `machine.running()` are those that still run afterwards,
    and `machine.state` goes on. `scans` in the order of time are taken in between.
    """
    waiting = iter(scans)
    scan = next(waiting, None)
    for now, snapshot in looks:
        while scan is not None and scan.scanned_at <= now:
            machine.note_scan(scan)
            scan = next(waiting, None)
        for change in machine.look(now, snapshot):
            if change.kind is Kind.ENDED:
                yield change.record
