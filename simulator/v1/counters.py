"""openWB's own counting per charge point: the running or last charge (`ladelog.sh`), and since plug-in.

Fed once a loop with the readings of the loop before, as openWB does; so all of it lags one loop.
"""

from dataclasses import dataclass

CHARGING_ABOVE_W = 100
LOOPS_UNTIL_END = 6  # about a minute without power ends a charge, and without plug a plug-in


@dataclass(slots=True)
class Counters:
    """What is counted for one charge point. `charged_wh` keeps its value after the end, as does `since_plugged_wh`."""

    charged_wh: float = 0.0
    since_plugged_wh: float = 0.0
    plug_start_wh: float = 0.0
    is_tracking_plug: bool = False
    is_charge_active: bool = False
    _charge_start_wh: float = 0.0
    _loops_without_power: int = 0
    _loops_without_plug: int = 0

    def count(self, *, is_plugged: bool, power_w: float, meter_wh: float) -> None:
        """Take in one loop's readings."""
        if power_w > CHARGING_ABOVE_W:
            if not self.is_charge_active:
                self.is_charge_active = True
                self._charge_start_wh = meter_wh
            self._loops_without_power = 0
        elif self.is_charge_active:
            self._loops_without_power += 1
            self.is_charge_active = self._loops_without_power < LOOPS_UNTIL_END
        if self.is_charge_active:
            self.charged_wh = meter_wh - self._charge_start_wh
        if is_plugged:
            if not self.is_tracking_plug:
                self.is_tracking_plug = True
                self.plug_start_wh = meter_wh
            self._loops_without_plug = 0
        elif self.is_tracking_plug:
            self._loops_without_plug += 1
            self.is_tracking_plug = self._loops_without_plug < LOOPS_UNTIL_END
        if self.is_tracking_plug:
            self.since_plugged_wh = meter_wh - self.plug_start_wh

    def reset_charged(self) -> None:
        """`resetEnergyToCharge`; while a charge is active the next loop counts it anew from its start."""
        self.charged_wh = 0.0

    def shift(self, by_wh: float) -> None:
        """The meter counts from higher up; what was counted so far stays."""
        self.plug_start_wh += by_wh
        self._charge_start_wh += by_wh
