"""An openWB 2.x as one object: feed it messages and time, take from it what is to be published.

It owns its household and openWB's own memory. Pure: time is an argument, nothing is sent from here. Not thread-safe.

The five-minute job's habit is kept: it writes back the core's older copy of a charge point, so what was written there
between the start of the last control cycle and the mark is undone shortly after the mark.
"""

import json
import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from simulator import knobs, physics
from simulator.environment import draw
from simulator.household import Household
from simulator.v2 import commands, setdata, tariff, topics
from simulator.v2.charge_point import ChargePoint
from simulator.v2.core import Core
from simulator.v2.installation import BATTERY, COUNTER, INVERTER, SUB_COUNTER
from simulator.v2.memory import CHARGE_POINT_VALUES
from simulator.v2.payloads import decode
from simulator.v2.tree import PREFIX, Tree
from simulator.wallbox import Message

MARK_S = 300  # the five-minute job starts at whole multiples
UNDONE_AFTER_S = 1.9  # as observed: a command 5 s before the mark was undone 6.9 s later

SET_PREFIX = "openWB/set/"
SET_FILTERS = (SET_PREFIX + "#",)
RESTORED_FILTERS = (
    "openWB/chargepoint/#",
    "openWB/vehicle/#",
    "openWB/general/#",
    "openWB/bat/#",
    "openWB/optional/rfid/active",
    "openWB/counter/+/get/+",
    "openWB/pv/+/get/+",
)
"""What a restarted core finds in the broker."""

_METERS = {
    f"counter/{COUNTER}/get/imported": "grid_imported_wh",
    f"counter/{COUNTER}/get/exported": "grid_exported_wh",
    f"pv/{INVERTER}/get/exported": "pv_wh",
    f"bat/{BATTERY}/get/imported": "battery_charged_wh",
    f"bat/{BATTERY}/get/exported": "battery_discharged_wh",
}
_MEASURED = re.compile(r"chargepoint/\d+/(get/(?!rfid$).*|set/(current|phases_to_use|log))")
"""What the next control cycle overwrites anyway."""

_CLEARED_QOS = 2
_PARTS_WITH_FAULTS = ("pv", "battery", "tariff")
_SUB_COUNTERS_CONFIG = f"system/device/0/component/{SUB_COUNTER}/"


class Wallbox:
    """openWB 2.x and its household. `at` is the instant of the last tick; some of them are control cycles."""

    def __init__(self, site: physics.Site, seed: int, at: float, past_days: int | None = None) -> None:
        """A wallbox that has been running since yesterday's midnight, so that its charge log has a past.

        With `past_days` it stands at the midnight so many days ago, for somebody who walks through this past.
        """
        self._seed = seed
        self._house = Household(site, seed, at, past_days)
        self._core = Core(self._house)
        self._memory = self._core.memory
        self._tree = Tree()
        self._vanished: list[ChargePoint] = []
        self._before: dict[str, Any] = {}  # what stood at a charge point's values before they were written this cycle
        self._undo: tuple[float, dict[str, Any]] | None = None  # when, and what is written back then
        self._now = self._house.state.at
        self._daily: dict[str, Any] = {}
        self._has_cycled = False
        if past_days is None:
            self.run_until(at)
        self._five_minutes(self._house.state.at)

    @property
    def at(self) -> float:
        return self._house.state.at

    @property
    def state(self) -> physics.State:
        """The household as it really is."""
        return self._house.state

    def next_due_at(self) -> float:
        """The next tick, or the end of the five-minute job if that comes first."""
        tick_at = self._house.next_tick_at()
        return min(tick_at, self._undo[0]) if self._undo else tick_at

    def run_until(self, to_s: float) -> None:
        """Do all that is due until `to_s`; nothing if nothing is."""
        while True:
            tick_at = self._house.due_tick(to_s)
            if self._undo and self._undo[0] <= (to_s if tick_at is None else tick_at):
                self._write_back(self._undo[1])
                self._undo = None
            elif tick_at is not None:
                self._tick(tick_at)
            else:
                break
        self._now = max(self._now, to_s)

    def receive(self, topic: str, payload: bytes) -> list[Message]:
        """Handle one message on a set topic; what openWB publishes at once, and nothing for what is no UTF-8."""
        name = topic.removeprefix(SET_PREFIX)
        if not payload or name == topic:
            return []
        try:
            value = decode(payload)
        except UnicodeDecodeError:
            return []
        cleared = Message(topic, "", _CLEARED_QOS)
        if name.startswith("command/"):
            return [*commands.answer(name, value, self._core.charge_log, self._now), cleared]
        match setdata.decide(name, value, self._memory.known()):
            case setdata.Verdict.IGNORED:
                return []
            case setdata.Verdict.REFUSED:
                return [cleared]
        echoes = self._accept(name, value)
        # Templates come back two to four times: the bridge's subscriptions overlap.
        again = int(draw(self._seed, name, int(self._now)) * 3) + 1 if name.endswith("/charge_template") else 0
        return [*echoes, cleared, *(echoes * again)]

    def turn(self, knob: str, argument: str, payload: str) -> list[Message]:
        """Do as a knob says; see docs/simulator.md. Raises FieldError for a knob or charge point that it has not."""
        match knob:
            case "restart":
                self._tree.forget()
                self._has_cycled = True
                booting = self._tree.show("system/boot_done", False)
                return [booting, *sorted(self.publish(), key=lambda message: message.topic.endswith("/boot_done"))]
            case "mark":
                self._end_of_five_minutes(self._now)
            case "vanish":
                return self._vanish(self._known(payload))
            case "appear":
                self._appear(payload)
            case "car":
                self._house.hold_plug(self._known(argument).index, is_plugged=knobs.plug(payload))
            case "soc":
                self._house.fill_car(self._known(argument).index, knobs.percent(payload))
            case "fault" if argument in _PARTS_WITH_FAULTS:
                self._core.faults = {name: text for name, text in self._core.faults.items() if name != argument}
                if payload:
                    self._core.faults[argument] = payload
            case "fault":
                self._known(argument).fault = payload or None
            case "soc-fault":
                self._core.socs.fail(self._memory.vehicle_of(self._known(argument).number), payload)
            case "meter":
                self._memory.name_sub_counter(payload)
                self._core.view = self._core.look()
                if not payload:
                    return [*self._tree.remove(f"counter/{SUB_COUNTER}/"), *self._tree.remove(_SUB_COUNTERS_CONFIG)]
            case "scan":
                point = self._known(argument) if argument else self._core.points[0]
                topic = f"{SET_PREFIX}{point.topic}/get/rfid"
                return [one for one in self.receive(topic, json.dumps(payload).encode()) if one.topic != topic]
            case _:
                raise knobs.unknown(knob)
        return []

    def publish(self) -> list[Message]:
        """What changed since the last call, and what each cycle sends, if there was one."""
        every_cycle = topics.every_cycle(self._core.view) if self._has_cycled else {}
        for point in self._core.view.points:
            names = (f"chargepoint/{point.number}/get/{leaf}" for leaf in ("rfid", "rfid_timestamp"))
            every_cycle |= {name: self._memory.values[name] for name in names if self._has_cycled}
        self._has_cycled = False
        tick = {"system/time": self._house.state.at + 0.0123}
        current = topics.changing(self._core.view) | self._daily | self._memory.values | every_cycle | tick
        return self._tree.update(current, every_cycle)

    def publish_only(self, is_heard: Callable[[str], bool] | None) -> None:
        """Tell others nothing; None: tell everything again."""
        self._tree.is_heard = is_heard

    def publish_all_again(self) -> None:
        """Forget what was published."""
        self._tree.forget()
        self._has_cycled = True

    def file(self, path: str) -> bytes | None:
        """Its web server has nothing that anybody reads here."""
        return None

    def restore(self, retained: Mapping[str, str]) -> None:
        """Go on from what the broker still holds: settings as they were set, meters that do not go back."""
        known = {topic.removeprefix(PREFIX): payload for topic, payload in retained.items()}
        for name, payload in known.items():
            self._memory.restore(name, payload)
        by_wh = {
            name: max(0.0, _number(known.get(topic)) - getattr(self._house.state, name))
            for topic, name in _METERS.items()
        }
        points_by_wh = [0.0] * len(self._house.site.charge_points)
        for point in self._core.points:
            meter_wh = self._house.state.charge_points[point.index].meter_wh
            more_wh = max(0.0, _number(known.get(f"{point.topic}/get/imported")) - meter_wh)
            points_by_wh[point.index] = more_wh
            point.log.shift(more_wh)
            point.loaded = None  # its template is what the broker holds
        self._house.raise_meters(by_wh, tuple(points_by_wh))
        self._core.view = self._core.look()
        self._has_cycled = True

    def _tick(self, at: float) -> None:
        before = self._house.state
        self._house.step(self._core.offered_a(), at)
        is_mark = at // MARK_S != before.at // MARK_S
        if is_mark:
            self._end_of_five_minutes(at)
        interval_s = self._memory.interval_s()
        if at // interval_s != before.at // interval_s:
            self._before.clear()
            self._core.cycle(at)
            self._has_cycled = True
        if is_mark:
            self._five_minutes(at)

    def _end_of_five_minutes(self, at: float) -> None:
        """The job begins at the mark with the copy from before this cycle; its end is when it shows."""
        if self._before:
            self._undo = (at + UNDONE_AFTER_S, dict(self._before))

    def _five_minutes(self, at: float) -> None:
        self._daily = topics.daily(self._core.look())
        prices = tariff.known_prices(self._seed, at)
        self._daily |= {"optional/ep/get/prices": prices, "optional/ep/flexible_tariff/get/prices": prices}
        self._daily["optional/ep/flexible_tariff/get/next_query_time"] = at // 3600 * 3600 + 3600

    def _accept(self, name: str, value: Any) -> list[Message]:
        """Take an accepted value in; the echoes of all that changed by it."""
        head, _, leaf = name.partition("/soc_module/calculated_soc_state/")
        if leaf:
            vehicle = int(head.removeprefix("vehicle/"))
            cars = self._house.state.charge_points
            true_percent = cars[vehicle - 1].soc_percent if 0 < vehicle <= len(cars) else 0.0
            return self._core.socs.type_in(vehicle, value, true_percent, self._now, self._tree)
        if _MEASURED.fullmatch(name):
            return [self._tree.show(name, value)]
        before = dict(self._memory.values)
        names = self._memory.write(name, value)
        for changed in names:
            if CHARGE_POINT_VALUES.fullmatch(changed):
                self._before.setdefault(changed, before.get(changed))
        return [self._tree.show(changed, self._memory.values[changed]) for changed in names]

    def _write_back(self, old: Mapping[str, Any]) -> None:
        """Write the core's older copy; by the same way as everybody's, so a template's scope holds here too."""
        for name, value in old.items():
            number = int(name.split("/")[1])
            if number not in self._memory.charge_points:
                continue
            self._memory.write(name, value)
            if name.endswith("/config"):
                self._memory.assign(number, self._memory.vehicle_of(number), keeps_ev=False)

    def _vanish(self, point: ChargePoint) -> list[Message]:
        """A charge point is deleted: all its topics are emptied one by one, then the hierarchy changes."""
        self._core.remove(point)
        self._vanished.append(point)
        self._daily = {name: value for name, value in self._daily.items() if not name.startswith(f"{point.topic}/")}
        return [*self._tree.remove(f"{point.topic}/"), *self.publish()]

    def _appear(self, payload: str) -> None:
        """The charge point that vanished last is installed again, under any free number."""
        taken = {COUNTER, INVERTER, BATTERY, *self._memory.charge_points}
        number = knobs.one_of([n for n in range(100) if n not in taken] if self._vanished else [], payload)
        self._core.install(ChargePoint(number, self._vanished.pop().index))

    def _known(self, text: str) -> ChargePoint:
        number = knobs.one_of(self._memory.charge_points, text)
        return next(point for point in self._core.points if point.number == number)


def _number(payload: str | None) -> float:
    """A meter reading from the broker; 0 if there is none."""
    try:
        number = float(payload or 0)
    except ValueError:
        return 0.0
    return number if isfinite(number) else 0.0
