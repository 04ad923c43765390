"""What openWB 2.x remembers: settings, templates, links between them; and what one write changes besides itself.

Pure. Whatever stands here may have been written by anybody without a check, so reading bears anything. Written by
simulator/v2/wallbox.py, for commands and for the core's own changes alike.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from simulator.physics import Site
from simulator.v2 import installation, setdata, templates
from simulator.v2.payloads import decode

_TEMPLATE_COPY = re.compile(r"chargepoint/(\d+)/set/charge_template")
_TEMPLATE = re.compile(r"vehicle/template/charge_template/(\d+)")
_CONFIG_PART = re.compile(r"(chargepoint/\d+/config)/(ev|template)")
_RESTORED = re.compile(
    r"chargepoint/(\d+/(config|set/charge_template|set/manual_lock)|template/\d+)"
    r"|vehicle/(\d+/(name|color|info|tag_id|charge_template|ev_template)|template/.*)"
    r"|(general|bat/config|optional/rfid)/.*"
)
_OBJECTS = re.compile(r".*/(config|set/charge_template|(charge_|ev_|)template/\d+)")

CHARGE_POINT_VALUES = re.compile(r"chargepoint/\d+/(config|set/(manual_lock|rfid|charge_template))")
"""What the core writes back from its own copy, see `Wallbox`."""


class Memory:
    """All values that are not measured, by topic without `openWB/`. Nothing in `values` is changed in place."""

    def __init__(self, site: Site) -> None:
        self.values = installation.installed(site)
        self.charge_points: list[int] = []
        self._has_battery = site.battery is not None
        self.has_sub_counter = False
        self.vehicles = range(len(site.charge_points) + 1)
        self._charge_templates: dict[int, tuple[Any, templates.ChargeTemplate]] = {}  # what was read, and as what
        self._cars: dict[int, tuple[Any, templates.EvTemplate]] = {}

    def known(self) -> Mapping[str, Collection[int]]:
        """The ids that exist, for `setdata.decide`."""
        prefix = "vehicle/template/charge_template/"
        return {
            "charge_point": self.charge_points,
            "charge_point_template": (0,),
            "vehicle": self.vehicles,
            "charge_template": [int(name.removeprefix(prefix)) for name in self.values if name.startswith(prefix)],
            "ev_template": self.vehicles,  # one for each vehicle
            "counter": (installation.COUNTER,),
            "inverter": (installation.INVERTER,),
            "battery": (installation.BATTERY,) if self._has_battery else (),
        }

    def add_charge_point(self, number: int, config: dict[str, Any]) -> None:
        """Install a charge point, unlocked, with its vehicle's template."""
        self.charge_points.append(number)
        point = f"chargepoint/{number}"
        self.values[f"{point}/config"] = config
        self.values[f"{point}/set/manual_lock"] = False
        self.values[f"{point}/set/rfid"] = None
        self.values[f"{point}/get/rfid"] = None
        self.values[f"{point}/get/rfid_timestamp"] = None
        # Written when a charge point is made, and never again: it has always been wrong since.
        self.values[f"{point}/get/connected_vehicle"] = _STALE_CONNECTED_VEHICLE
        self.load_template(number)
        self._show_hierarchy()

    def name_sub_counter(self, name: str) -> None:
        """Install the counter below the grid's, or remove it: without a name."""
        topic = f"system/device/0/component/{installation.SUB_COUNTER}/config"
        self.has_sub_counter = bool(name)
        if name:
            self.values[topic] = installation.component(installation.SUB_COUNTER, "counter", name)
        else:
            self.values.pop(topic, None)
        self._show_hierarchy()

    def remove_charge_point(self, number: int) -> None:
        self.charge_points.remove(number)
        for name in [name for name in self.values if name.startswith(f"chargepoint/{number}/")]:
            del self.values[name]
        self._show_hierarchy()

    def write(self, name: str, value: Any) -> list[str]:
        """Take an accepted value in; the names of all values that changed by it, itself first."""
        if match := _CONFIG_PART.fullmatch(name):
            config = self.values.get(match[1])
            self.values[match[1]] = (config if isinstance(config, dict) else {}) | {match[2]: value}
            return [match[1]]
        self.values[name] = value
        number = templates.template_id(value)
        if _TEMPLATE_COPY.fullmatch(name) and number is not None and not self.is_temporary():
            template = f"vehicle/template/charge_template/{number}"
            self.values[template] = value
            return [name, template, *self._copy_template(number, besides=name)]
        if match := _TEMPLATE.fullmatch(name):
            return [name, *self._copy_template(int(match[1]))]
        return [name]

    def restore(self, name: str, payload: str) -> None:
        """Take a setting over that an earlier run left in the broker; what is none, or absurd, is left out."""
        value = decode(payload.encode())
        if not _RESTORED.fullmatch(name) or (_OBJECTS.fullmatch(name) and not isinstance(value, dict)):
            return
        if setdata.decide(name, value, self.known()) is setdata.Verdict.ACCEPTED:
            self.values[name] = value

    def interval_s(self) -> int:
        return int(self.values["general/control_interval"])

    def config(self, charge_point: int) -> dict[str, Any]:
        config = self.values.get(f"chargepoint/{charge_point}/config")
        return config if isinstance(config, dict) else {}

    def name_of(self, charge_point: int) -> str:
        return str(self.config(charge_point).get("name"))

    def vehicle_of(self, charge_point: int) -> int:
        """The assigned vehicle; one that does not exist behaves as the standard vehicle."""
        config = self.config(charge_point)
        vehicle = config.get("ev", config.get("_ev"))
        return next((known for known in self.vehicles if known == vehicle), installation.STANDARD_VEHICLE)

    def assign(self, charge_point: int, vehicle: int, *, keeps_ev: bool) -> None:
        """Write a charge point's configuration as the core does, with this vehicle."""
        config = installation.as_core_writes(self.config(charge_point), vehicle, keeps_ev=keeps_ev)
        self.values[f"chargepoint/{charge_point}/config"] = config

    def template_number(self, vehicle: int) -> int:
        """The charge template that a vehicle is linked to; 0 in place of one that does not exist."""
        number: int = self.values[f"vehicle/{vehicle}/charge_template"]  # checked when it was written
        return number if f"vehicle/template/charge_template/{number}" in self.values else 0

    def load_template(self, charge_point: int) -> None:
        """Replace the charge point's copy by its vehicle's template."""
        number = self.template_number(self.vehicle_of(charge_point))
        template = self.values[f"vehicle/template/charge_template/{number}"]
        self.values[f"chargepoint/{charge_point}/set/charge_template"] = template

    def charge_template(self, charge_point: int) -> templates.ChargeTemplate:
        value = self.values.get(f"chargepoint/{charge_point}/set/charge_template")
        read = self._charge_templates.get(charge_point)
        if read is None or read[0] is not value:
            read = self._charge_templates[charge_point] = (value, templates.charge_template(value))
        return read[1]

    def car(self, vehicle: int) -> templates.EvTemplate:
        number = self.values.get(f"vehicle/{vehicle}/ev_template")
        value = self.values.get(f"vehicle/template/ev_template/{number}")
        read = self._cars.get(vehicle)
        if read is None or read[0] is not value:
            read = self._cars[vehicle] = (value, templates.ev_template(value))
        return read[1]

    def soc_module(self, vehicle: int) -> str | None:
        """The type of the vehicle's SoC module, None if it has none."""
        config = self.values.get(f"vehicle/{vehicle}/soc_module/config")
        kind = config.get("type") if isinstance(config, dict) else None
        return kind if isinstance(kind, str) else None

    def tags(self) -> dict[int, Any]:
        return {vehicle: self.values.get(f"vehicle/{vehicle}/tag_id") for vehicle in self.vehicles}

    def charge_point_template(self, charge_point: int) -> dict[str, Any]:
        template = self.values.get(f"chargepoint/template/{self.config(charge_point).get('template')}")
        return template if isinstance(template, dict) else {}

    def is_temporary(self) -> bool:
        """Whether a charge point's template is its own, until the car is unplugged."""
        return bool(self.values["general/temporary_charge_templates_active"])

    def _copy_template(self, number: int, besides: str = "") -> list[str]:
        """Copy a template to all charge points whose vehicle uses it; the names of these copies."""
        copies = [
            f"chargepoint/{charge_point}/set/charge_template"
            for charge_point in self.charge_points
            if self.template_number(self.vehicle_of(charge_point)) == number
        ]
        copies = [name for name in copies if name != besides]
        self.values |= dict.fromkeys(copies, self.values[f"vehicle/template/charge_template/{number}"])
        return copies

    def _show_hierarchy(self) -> None:
        has = {"has_battery": self._has_battery, "has_sub_counter": self.has_sub_counter}
        shown = installation.hierarchy(self.charge_points, **has)
        self.values["counter/get/hierarchy"] = shown


_STALE_CONNECTED_VEHICLE = {
    "config": {
        "average_consumption": 17,
        "charge_template": 0,
        "chargemode": "stop",
        "current_plan": 0,
        "ev_template": 0,
        "priority": False,
        "time_charging_in_use": False,
    },
    "info": {"id": 0, "name": "Ladepunkt"},
    "soc": {
        "fault_str": "Kein Fehler.",
        "fault_state": 0,
        "range_charged": 0,
        "range_unit": "km",
        "range": 0,
        "soc": 0,
        "timestamp": None,
    },
}
