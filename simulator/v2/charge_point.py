"""One charge point of openWB 2.x through its days: which vehicle it takes for connected, its lock, its running log.

Pure. Called once a control cycle by simulator/v2/wallbox.py; what it changes stands in the memory. The order within a
cycle is openWB's: the tag, the vehicle and its template, the log, and at last what an unplugging resets.
"""

from dataclasses import dataclass, field
from typing import Any

from simulator.physics import ChargePointState
from simulator.v2 import identification
from simulator.v2.installation import STANDARD_VEHICLE
from simulator.v2.memory import Memory
from simulator.v2.sessions import Moment, Section, SessionLog
from simulator.v2.soc import SocReader

TAG_WAITS_S = 300  # for a plug


@dataclass(slots=True)
class ChargePoint:
    """`number` is its id, `index` its place in the household, `fault` the text of one, None while all is well."""

    number: int
    index: int
    log: SessionLog = field(default_factory=SessionLog)
    phases_in_use: int | None = None  # now, or when a car last charged; None before the first
    fault: str | None = None
    message: str = ""  # a sentence about the last tag, for people
    vehicle: int = STANDARD_VEHICLE  # shown as connected
    loaded: tuple[int, int] | None = None  # vehicle and template number that the copy was made from

    @property
    def topic(self) -> str:
        return f"chargepoint/{self.number}"

    def identify(self, memory: Memory, *, is_plugged: bool, at: float) -> None:
        """Follow a scanned tag, and load the template when the vehicle or its template changed."""
        scanned = self._take_tag(memory, is_plugged=is_plugged, at=at)
        bound = memory.values[f"{self.topic}/set/rfid"]
        if isinstance(bound, str):
            owner = identification.vehicle_of(bound, memory.tags())
            if owner is not None and owner != memory.vehicle_of(self.number):
                memory.assign(self.number, owner, keeps_ev=False)
        vehicle = memory.vehicle_of(self.number)
        link = (vehicle, memory.template_number(vehicle))
        if self.loaded is None:
            self.loaded = link
        elif link != self.loaded:
            if vehicle != self.loaded[0] and "ev" in memory.config(self.number):
                memory.assign(self.number, vehicle, keeps_ev=True)
            memory.load_template(self.number)
            self.loaded = link
        self.vehicle = vehicle if scanned is None else scanned

    def count(self, memory: Memory, now: Moment) -> Section | None:
        """Take the cycle into the log; the section that ended with it. Then reset what unplugging resets."""
        was_plugged = self.log.is_plugged
        done = self.log.follow(now)
        if was_plugged and not now.is_plugged:
            self._reset(memory)
        if not now.is_plugged and memory.charge_point_template(self.number).get("disable_after_unplug") is True:
            memory.values[f"{self.topic}/set/manual_lock"] = True
        return done

    def connected(self, memory: Memory, socs: SocReader) -> dict[str, Any]:
        """The topics below `connected_vehicle`."""
        template = memory.charge_template(self.number)
        range_km = self.log.shown()["range_charged"]
        return {
            "info": {"id": self.vehicle, "name": memory.values.get(f"vehicle/{self.vehicle}/name")},
            "config": {
                "average_consumption": memory.car(self.vehicle).consumption_wh_per_100km,
                "charge_template": template.number,
                "chargemode": template.selected,
                "current_plan": None,
                "ev_template": memory.values.get(f"vehicle/{self.vehicle}/ev_template"),
                "priority": template.is_prio,
                "time_charging_in_use": False,
            },
            "soc": socs.shown(self.vehicle, round(range_km, 2)),
        }

    def state_text(self, reason: str, state: ChargePointState) -> str:
        """Sentences for people."""
        if self.fault is not None:
            return f"Ladepunkt nicht erreichbar. {self.message}"
        if state.is_drawing:
            return f"Fahrzeug lädt. {self.message}"
        if reason:
            return f"Keine Ladung, da: {reason}{self.message}"
        return f"Fahrzeug nimmt keine Leistung auf. {self.message}"

    def _take_tag(self, memory: Memory, *, is_plugged: bool, at: float) -> int | None:
        """Bind a scanned tag to the session that begins; the vehicle of a tag that waits for a plug."""
        values, topic = memory.values, self.topic
        tag = values[f"{topic}/get/rfid"]
        if not isinstance(tag, str):
            values[f"{topic}/get/rfid_timestamp"] = None
            return None
        if values[f"{topic}/get/rfid_timestamp"] is None:
            values[f"{topic}/get/rfid_timestamp"] = at
        owner = identification.vehicle_of(tag, memory.tags())
        unlocks = identification.is_valid(tag, memory.charge_point_template(self.number).get("valid_tags"))
        self.message = self._objection(memory, tag, is_known=owner is not None or unlocks, is_plugged=is_plugged, at=at)
        if not self.message and unlocks:
            values[f"{topic}/set/manual_lock"] = False
        if not self.message and not is_plugged:
            return owner
        if not self.message:
            values[f"{topic}/set/rfid"] = tag
        values[f"{topic}/get/rfid"] = values[f"{topic}/get/rfid_timestamp"] = None
        return None

    def _objection(self, memory: Memory, tag: str, *, is_known: bool, is_plugged: bool, at: float) -> str:
        """Why a tag is thrown away, in words for people; empty if it is not."""
        values = memory.values
        if not values["optional/rfid/active"]:
            return "RFID ist nicht aktiviert. "
        if not is_known:
            return f"Dem ID-Tag {tag} ist kein Fahrzeug zugeordnet. "
        if is_plugged and (self.log.has_energy or values[f"{self.topic}/set/rfid"] is not None):
            return f"Der ID-Tag {tag} wurde verworfen, da bereits eine Ladung läuft. "
        scanned_at = values[f"{self.topic}/get/rfid_timestamp"]
        if not isinstance(scanned_at, int | float) or at - scanned_at > TAG_WAITS_S:
            return f"Der ID-Tag {tag} wurde verworfen, da kein Fahrzeug angesteckt wurde. "
        return ""

    def _reset(self, memory: Memory) -> None:
        memory.values[f"{self.topic}/set/rfid"] = None
        self.message = ""
        if memory.charge_template(self.number).loads_default:
            memory.assign(self.number, STANDARD_VEHICLE, keeps_ev=True)
        if memory.is_temporary() or memory.charge_template(self.number).loads_default:
            memory.load_template(self.number)
