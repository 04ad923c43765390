"""Which charge points a user may see and steer, and what remains of state, changes and events for them. Pure.

Users are not limited unless an admin says so; then everything about other charge points is as if it did not exist, and
what concerns the whole site at once is closed to them. Handlers get a user's `Sight` from `api.ports.sight_of`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from common.model import Snapshot

_COLLECTION = "charge_points."


@dataclass(frozen=True, slots=True)
class Sight:
    """`charge_points` None: all of them."""

    charge_points: frozenset[str] | None = None

    @property
    def is_limited(self) -> bool:
        return self.charge_points is not None

    def sees(self, charge_point: str | None) -> bool:
        """Whether a charge point is theirs; None is the site as a whole, which is nobody's who is limited."""
        return self.charge_points is None or charge_point in self.charge_points

    def sees_path(self, path: str) -> bool:
        """Whether a path of the state (`charge_points.1.power_w`) may be told."""
        if self.charge_points is None or not path.startswith(_COLLECTION):
            return True
        return path.split(".", 2)[1] in self.charge_points

    def sees_event(self, event: Mapping[str, Any]) -> bool:
        """Whether an event of the live channel may be told: one about a charge point of theirs."""
        if self.charge_points is None:
            return True
        about = event.get("command", event)
        return isinstance(about, Mapping) and about.get("charge_point") in self.charge_points

    def of(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot without the other charge points."""
        if self.charge_points is None:
            return snapshot
        state = snapshot.state
        shown = {name: point for name, point in state.charge_points.items() if name in self.charge_points}
        heard = {path: at for path, at in snapshot.heard_at.items() if self.sees_path(path)}
        return replace(snapshot, state=replace(state, charge_points=shown), heard_at=heard)

    @property
    def key(self) -> tuple[str, ...] | None:
        """What makes answers to different sights different, for ETags."""
        return None if self.charge_points is None else tuple(sorted(self.charge_points))


EVERYTHING = Sight()
