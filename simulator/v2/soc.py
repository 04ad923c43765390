"""The states of charge that openWB 2.x knows: which vehicle's, how old, and what people type in.

Pure. A vehicle without a SoC module has none; openWB then shows 0 where it should show nothing. What the module reads
is the household's car of the same number, moved by what a person typed until the next drive.
"""

from typing import Any

from simulator.v2.memory import Memory
from simulator.v2.topics import NO_FAULT
from simulator.v2.tree import Tree
from simulator.wallbox import Message

MANUAL = "manual"
REQUEST_INTERVAL_S = 300  # while charging


class SocReader:
    """Reads the states of charge into the memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._shift_percent: dict[int, float] = {}
        self._read_at: dict[int, float] = {}
        self._faults: dict[int, str] = {}

    def known(self, vehicle: int) -> float | None:
        """The state of charge as it stands in the memory, in %."""
        value = self._memory.values.get(f"vehicle/{vehicle}/get/soc")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return value if is_number else None

    def range_km(self, vehicle: int) -> float | None:
        value = self._memory.values.get(f"vehicle/{vehicle}/get/range")
        return value if isinstance(value, int | float) else None

    def follow(self, vehicle: int, true_percent: float, at: float, *, has_arrived: bool, is_charging: bool) -> None:
        """One cycle: a reading when the car comes and every five minutes while it charges."""
        if has_arrived:
            self._shift_percent.pop(vehicle, None)
        is_due = is_charging and at - self._read_at.get(vehicle, 0.0) >= REQUEST_INTERVAL_S
        if has_arrived or is_due or vehicle not in self._read_at:
            self.read(vehicle, true_percent, at)

    def read(self, vehicle: int, true_percent: float, at: float) -> None:
        """Ask the module, if the vehicle has one."""
        if self._memory.soc_module(vehicle) is None:
            return
        if vehicle in self._faults:
            self._read_at[vehicle] = at
            self._set(vehicle, fault_state=2, fault_str=self._faults[vehicle])
            return
        soc_percent = round(min(100.0, max(0.0, true_percent + self._shift_percent.get(vehicle, 0.0))), 1)
        car = self._memory.car(vehicle)
        range_km = round(soc_percent / 100 * car.capacity_wh * car.efficiency * 100 / car.consumption_wh_per_100km)
        self._read_at[vehicle] = at
        self._set(vehicle, soc=soc_percent, range=range_km, soc_timestamp=at + 0.65, soc_request_timestamp=at + 0.649)
        self._set(vehicle, odometer=None, fault_state=0, fault_str=NO_FAULT, force_soc_update=False)

    def fail(self, vehicle: int, text: str) -> None:
        """Have the module fail with this account from its next reading on, which is due at once; empty: it works."""
        self._read_at.pop(vehicle, None)
        if text:
            self._faults[vehicle] = text
        else:
            self._faults.pop(vehicle, None)

    def type_in(self, vehicle: int, percent: float, true_percent: float, at: float, tree: Tree) -> list[Message]:
        """A value on `manual_soc`: taken over at once if the module is the one for typing, else only kept."""
        module = self._memory.soc_module(vehicle)
        if module is None:
            return []
        name = f"vehicle/{vehicle}/soc_module/calculated_soc_state"
        before = self._memory.values.get(name)
        state: dict[str, Any] = (before if isinstance(before, dict) else {}) | {"manual_soc": percent}
        self._memory.values[name] = state
        if module != MANUAL:
            return [tree.show(name, state)]
        self._shift_percent[vehicle] = percent - true_percent
        messages = [tree.show(name, state), tree.show(f"vehicle/{vehicle}/get/force_soc_update", True)]
        self.read(vehicle, true_percent, at)
        self._memory.values[f"vehicle/{vehicle}/get/soc"] = percent
        self._memory.values[name] = state | {"manual_soc": None}
        for leaf in ("get/soc", "get/range", "get/soc_timestamp", "get/force_soc_update"):
            messages.append(tree.show(f"vehicle/{vehicle}/{leaf}", self._memory.values[f"vehicle/{vehicle}/{leaf}"]))
        return [*messages, tree.show(name, self._memory.values[name])]

    def shown(self, vehicle: int, range_charged_km: float) -> dict[str, Any]:
        """`connected_vehicle/soc`."""
        values = self._memory.values
        soc_percent = self.known(vehicle)
        return {
            "fault_str": values.get(f"vehicle/{vehicle}/get/fault_str", NO_FAULT),
            "fault_state": values.get(f"vehicle/{vehicle}/get/fault_state", 0),
            "range_charged": range_charged_km,
            "range_unit": "km",
            "range": (self.range_km(vehicle) or 0) if soc_percent is not None else 0,
            "soc": soc_percent if soc_percent is not None else 0,
            "timestamp": values.get(f"vehicle/{vehicle}/get/soc_timestamp") if soc_percent is not None else None,
        }

    def _set(self, vehicle: int, **readings: Any) -> None:
        for name, value in readings.items():
            self._memory.values[f"vehicle/{vehicle}/get/{name}"] = value
