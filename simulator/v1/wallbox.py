"""An openWB 1.9 as one object: feed it messages and time, take from it what is to be published.

It owns the physics of its household and openWB's own memory (settings, counters, what was last published). Pure: time
is an argument, nothing is sent from here. Not thread-safe. Called by simulator/app.py and by whoever needs a past.
"""

from collections.abc import Callable, Mapping
from math import isfinite

from simulator import knobs, physics
from simulator.household import Household
from simulator.v1 import commands, control, topics
from simulator.v1.charge_log import ChargeLog
from simulator.v1.counters import Counters
from simulator.wallbox import Message

DAILY_JOB_S = 300  # cron5min.sh

PREFIX = "openWB/"
SET_FILTERS = ("openWB/set/#", "openWB/config/set/#")
RESTORED_FILTERS = (
    "openWB/global/ChargeMode",
    "openWB/config/get/#",
    "openWB/evu/+",
    "openWB/pv/WhCounter",
    "openWB/housebattery/+",
    "openWB/lp/+/+",
)
"""What a restarted wallbox looks up in the broker."""

_METERS = {  # the site's meters: topic → name in physics.State
    "evu/WhImported": "grid_imported_wh",
    "evu/WhExported": "grid_exported_wh",
    "pv/WhCounter": "pv_wh",
    "housebattery/WhImported": "battery_charged_wh",
    "housebattery/WhExported": "battery_discharged_wh",
}
_PARTS_WITH_FAULTS = {"pv": "pv/1", "battery": "housebattery"}


class Wallbox:
    """openWB 1.9 and its household. `at` is the instant of the last loop."""

    def __init__(self, site: physics.Site, seed: int, at: float, past_days: int | None = None) -> None:
        """A wallbox that has been running since yesterday's midnight, so that the day has a past.

        With `past_days` it stands at the midnight so many days ago, for somebody who walks through this past.
        """
        self._site = site
        self._house = Household(site, seed, at, past_days)
        self._values = (
            commands.DEFAULTS
            | {commands.MAX_PRICE: "0", "global/boolRse": "0"}
            | topics.initial_faults(len(site.charge_points))
        )
        self._counters = tuple(Counters() for _ in site.charge_points)
        self._charge_log = ChargeLog()
        self._phases = [3] * len(site.charge_points)  # openWB's guess until a car has charged
        self._decision = control.Decision((0,) * len(site.charge_points))
        self._waiting_tag: str | None = None
        self._last_tag = "0"
        self._last_tags: dict[int, str] = {}
        self._absent: set[int] = set()
        self._is_booting = False
        self._mode_before_rse: str | None = None
        self._daily: dict[str, str] = {}
        self._published: dict[str, str] = {}
        self._is_heard: Callable[[str], bool] | None = None
        if past_days is None:
            self.run_until(at)

    @property
    def at(self) -> float:
        return self._house.state.at

    @property
    def state(self) -> physics.State:
        """The household as it really is."""
        return self._house.state

    def next_due_at(self) -> float:
        """The next loop."""
        return self._house.next_tick_at()

    def run_until(self, to_s: float) -> None:
        """Make all loops that are due until `to_s`; nothing if none is."""
        while (at := self._house.due_tick(to_s)) is not None:
            self._loop(at)

    def receive(self, topic: str, payload: bytes) -> list[Message]:
        """Handle one message on a set topic; what openWB publishes at once.

        Raises UnicodeDecodeError for what is no UTF-8: that ends the real openWB's listener.
        """
        outcome = commands.decide(topic, payload.decode("utf-8"))
        if outcome is None:
            return []
        self._values.update(outcome.writes)
        messages = [Message(PREFIX + name, text) for name, text in outcome.echoes.items()]
        self._published.update(outcome.echoes)
        match outcome.event:
            case commands.Renew():
                messages.append(Message(topic, "0"))
                self._published.clear()
            case commands.EnergyReset(n) if n <= len(self._counters):
                self._counters[n - 1].reset_charged()
            case commands.TagScanned(tag):
                self._waiting_tag = tag
            case _:
                pass
        if outcome.is_cleared:
            messages.append(Message(topic, "", qos=2))
        return messages

    def turn(self, knob: str, argument: str, payload: str) -> list[Message]:
        """Do as a knob says; see docs/simulator.md. Raises FieldError for a knob or charge point that it has not."""
        match knob:
            case "restart":
                self._is_booting = True
                self._charge_log.forget_running()
                self._values["global/ChargeMode"] = str(control.STOP)  # its default `bootmodus`
                self._last_tag = "0"
                self.publish_all_again()
                return self.publish()
            case "rse":
                self._switch_rse(is_closed=knobs.switch(payload))
            case "vanish":
                self._absent.add(self._known(payload, first=2))  # LP1 always is configured
            case "appear":
                self._absent.discard(self._known(payload, first=2))
            case "car":
                self._house.hold_plug(self._known(argument) - 1, is_plugged=knobs.plug(payload))
            case "soc":
                self._house.fill_car(self._known(argument) - 1, knobs.percent(payload))
            case "fault":
                part = _PARTS_WITH_FAULTS.get(argument) or f"lp/{self._known(argument)}"
                self._values[f"{part}/faultState"] = "2" if payload else "0"
                self._values[f"{part}/faultStr"] = payload or topics.NO_FAULT
            case "soc-fault":
                n = knobs.one_of(range(1, min(2, len(self._site.charge_points)) + 1), argument)
                self._values[f"lp/{n}/socFaultState"] = "2" if payload else "0"
                self._values[f"lp/{n}/socFaultStr"] = payload or topics.NO_FAULT
            case "scan":
                if argument:
                    self._known(argument)
                self.receive("openWB/set/system/SimulateRFID", payload.encode())
            case _:
                raise knobs.unknown(knob)
        return []

    def file(self, path: str) -> bytes | None:
        """What its web server has: the charge log by months."""
        return self._charge_log.file(path)

    def restore(self, retained: Mapping[str, str]) -> None:
        """Go on from what the broker still holds: settings as they were set, meters that do not go back."""
        for topic, text in retained.items():
            name = topic.removeprefix(PREFIX)
            if commands.is_valid(name, text):
                self._values[name] = text
        by_wh = {
            name: max(0.0, _number(retained.get(PREFIX + topic)) - getattr(self._house.state, name))
            for topic, name in _METERS.items()
        }
        points_by_wh = tuple(
            max(0.0, 1000 * _number(retained.get(f"{PREFIX}lp/{n}/kWhCounter")) - point.meter_wh)
            for n, point in enumerate(self._house.state.charge_points, 1)
        )
        self._house.raise_meters(by_wh, points_by_wh)
        for counters, more_wh in zip(self._counters, points_by_wh, strict=True):
            counters.shift(more_wh)

    def publish(self) -> list[Message]:
        """What this loop sends: all that changed since the last call, and what goes out always."""
        view = self._view()
        if not self._daily:
            self._daily = topics.daily_yields(view)
        current = topics.ordinary(view) | self._daily
        current["pv/CounterTillStartPvCharging"] = str(int(self._decision.stop_timer_s))
        if self._is_booting:  # until the first reading all charge points' meters stand at 0
            current |= {f"lp/{n}/kWhCounter": "0" for n in range(1, len(self._counters) + 1)}
        changed = {name: text for name, text in current.items() if self._published.get(name) != text}
        self._published.update(changed)
        messages = [Message(PREFIX + name, text) for name, text in (changed | topics.every_loop(view)).items()]
        is_heard = self._is_heard
        return messages if is_heard is None else [message for message in messages if is_heard(message.topic)]

    def publish_only(self, is_heard: Callable[[str], bool] | None) -> None:
        """Tell others nothing; None: tell everything again."""
        self._is_heard = is_heard

    def publish_all_again(self) -> None:
        """Forget what was published, as openWB does on `RenewMQTT` and after a boot."""
        self._published.clear()

    def _loop(self, at: float) -> None:
        before = self._house.state
        self._is_booting = False
        for counters, point in zip(self._counters, before.charge_points, strict=True):
            counters.count(is_plugged=point.is_plugged, power_w=point.power_w, meter_wh=point.meter_wh)
        for n, counters in enumerate(self._counters, 1):
            tag = self._last_tags.get(n, "0").partition(",")[0]
            self._charge_log.follow(n, counters, at, self._values["global/ChargeMode"], tag)
        self._house.step(self._offered_a(), at)
        if at // DAILY_JOB_S != before.at // DAILY_JOB_S:
            self._daily = topics.daily_yields(self._view())
        self._follow_plugs(before)
        self._take_tag()
        if self._mode_before_rse is not None:
            self._values["global/ChargeMode"] = str(control.STOP)
        self._decision = control.decide(
            self._values,
            self._readings(),
            self._decision,
            grid_w=self._house.state.grid_w,
            battery_w=self._house.state.battery_w,
            loop_s=at - before.at,
        )

    def _offered_a(self) -> tuple[float, ...]:
        return tuple(
            float(current_a) if self._is_enabled(n) and n not in self._absent else 0.0
            for n, current_a in enumerate(self._decision.currents_a, 1)
        )

    def _readings(self) -> tuple[control.Reading, ...]:
        readings = []
        for n, (point, counters) in enumerate(zip(self._house.state.charge_points, self._counters, strict=True), 1):
            in_use = sum(a >= topics.LOWEST_COUNTED_CURRENT_A for a in point.currents_a)
            self._phases[n - 1] = in_use or self._phases[n - 1]
            readings.append(
                control.Reading(
                    is_plugged=point.is_plugged and n not in self._absent,
                    is_enabled=self._is_enabled(n),
                    power_w=point.power_w,
                    phases=self._phases[n - 1],
                    soc_percent=int(point.soc_percent) if n <= 2 else None,
                    charged_wh=counters.charged_wh,
                )
            )
        return tuple(readings)

    def _is_enabled(self, n: int) -> bool:
        return int(self._values[f"lp/{n}/ChargePointEnabled"]) == 1

    def _follow_plugs(self, before: physics.State) -> None:
        """Lock after unplugging, and the PV modes' SoC limit, which locks and unlocks whatever a command said."""
        is_pv_mode = int(self._values["global/ChargeMode"]) in (control.MIN_PV, control.PV)
        for n, (was, point) in enumerate(zip(before.charge_points, self._house.state.charge_points, strict=True), 1):
            enabled = f"lp/{n}/ChargePointEnabled"
            was_unplugged = was.is_plugged and not point.is_plugged
            if was_unplugged and int(self._values[f"config/get/lp/{n}/stopchargeafterdisc"]):
                self._values[enabled] = "0"
            if n <= 2 and is_pv_mode and int(self._values[f"config/get/pv/lp/{n}/socLimitation"]):
                limit_percent = int(self._values[f"config/get/pv/lp/{n}/maxSoc"])
                self._values[enabled] = str(int(point.soc_percent < limit_percent))

    def _take_tag(self) -> None:
        """RFID mode 1: the last tag since the loop before counts; a charge point's own tags unlock it."""
        tag, self._waiting_tag = self._waiting_tag, None
        if tag is None or int(self._values["global/rfidConfigured"]) == 0:
            return
        self._last_tag = f"{tag},{int(self._house.state.at)}"
        for n, point in enumerate(self._site.charge_points, 1):
            if tag in point.tags:
                self._last_tags[n] = self._last_tag
                self._values[f"lp/{n}/ChargePointEnabled"] = "1"

    def _switch_rse(self, *, is_closed: bool) -> None:
        """The grid operator's ripple control: while its contact is closed the mode is Stop, then what it was before."""
        if is_closed and self._mode_before_rse is None:
            self._mode_before_rse = self._values["global/ChargeMode"]
        elif not is_closed and self._mode_before_rse is not None:
            self._values["global/ChargeMode"], self._mode_before_rse = self._mode_before_rse, None
        self._values["global/boolRse"] = str(int(is_closed))

    def _known(self, text: str, first: int = 1) -> int:
        return knobs.one_of(range(first, len(self._site.charge_points) + 1), text)

    def _view(self) -> topics.View:
        return topics.View(
            site=self._site,
            state=self._house.state,
            values=self._values,
            decision=self._decision,
            counters=self._counters,
            day_start=self._house.day_start,
            last_tag=self._last_tag,
            last_tags=self._last_tags,
            absent=frozenset(self._absent),
            booted_at=self._house.began_at,
        )


def _number(text: str | None) -> float:
    """A meter reading from the broker; 0 if there is none."""
    try:
        number = float(text or 0)
    except ValueError:
        return 0.0
    return number if isfinite(number) else 0.0
