"""The household behind a simulated wallbox: its physics in ticks, since the midnight before yesterday.

Pure: time is an argument. Shared by both generations; what openWB makes of it is theirs.
"""

from collections.abc import Mapping

from simulator import physics
from simulator.local_time import day_starts_at, local_day

TICK_S = 10.0  # openWB's usual control loop
LONG_TICK_S = 60.0  # when much time is to be caught up, only every sixth tick is computed
LONGEST_FINE_CATCH_UP_S = 3600.0


class Household:
    """`state` is the household at its last tick, `day_start` at the last local midnight."""

    def __init__(self, site: physics.Site, seed: int, at: float, past_days: int | None = None) -> None:
        """A household at yesterday's midnight, or at the one `past_days` ago: whose past is walked in minutes."""
        self.site = site
        self.seed = seed
        self.began_at = day_starts_at(at)
        for _ in range(1 if past_days is None else past_days):
            self.began_at = day_starts_at(self.began_at - 3600)
        self._coarse_until = 0.0 if past_days is None else at
        self.state = physics.start(site, seed, self.began_at)
        self.day_start = self.state
        self._plugged: list[bool | None] = [None] * len(site.charge_points)

    def next_tick_at(self) -> float:
        """Ticks lie on whole multiples of ten seconds, whenever the simulator was started."""
        return (self.state.at // TICK_S + 1) * TICK_S

    def due_tick(self, to_s: float) -> float | None:
        """The next tick that `step` has to be called with, None if none is due until `to_s`."""
        if self.next_tick_at() > to_s:
            return None
        is_long = to_s - self.state.at > LONGEST_FINE_CATCH_UP_S or self.state.at < self._coarse_until
        tick_s = LONG_TICK_S if is_long else TICK_S
        due_at = (self.state.at // tick_s + 1) * tick_s
        return due_at if due_at <= to_s else None

    def step(self, offered_a: tuple[float, ...], at: float) -> None:
        """Let time pass until the tick `at` while the wallbox offers these currents."""
        before = self.state
        self.state = physics.step(self.site, self.seed, before, physics.Inputs(offered_a, tuple(self._plugged)), at)
        if local_day(at)[0] != local_day(before.at)[0]:
            self.day_start = self.state

    def hold_plug(self, index: int, *, is_plugged: bool | None) -> None:
        """Keep a car plugged in or away from the next tick on; None gives it back to its own habits."""
        self._plugged[index] = is_plugged

    def fill_car(self, index: int, soc_percent: float) -> None:
        """Let a car be as full as this from now on."""
        self.state = physics.with_soc(self.site, self.state, index, soc_percent)

    def raise_meters(self, by_wh: Mapping[str, float], points_by_wh: tuple[float, ...]) -> None:
        """Let all meters count from higher up, see `physics.raised`; what the day brought so far stays."""
        self.state = physics.raised(self.state, by_wh, points_by_wh)
        self.day_start = physics.raised(self.day_start, by_wh, points_by_wh)
