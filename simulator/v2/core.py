"""The core of openWB 2.x: its memory, its charge points, and what one control cycle does with them.

Pure: the household's readings come in, currents go out. simulator/v2/wallbox.py gives it time and speaks for it.
"""

from collections.abc import Mapping
from dataclasses import replace

from simulator.household import Household
from simulator.physics import ChargePointState
from simulator.v2 import control, tariff, topics
from simulator.v2.charge_point import ChargePoint
from simulator.v2.chargelog import ChargeLog
from simulator.v2.installation import charge_point_config, charge_point_ids
from simulator.v2.memory import Memory
from simulator.v2.payloads import rounded
from simulator.v2.sessions import Moment
from simulator.v2.soc import SocReader

GUESSED_PHASES = 3  # until a car has charged


class Core:
    """What openWB knows and decides. `view` is what it knew at the end of the last cycle."""

    def __init__(self, house: Household) -> None:
        self._house = house
        self.memory = Memory(house.site)
        self.socs = SocReader(self.memory)
        self.charge_log = ChargeLog()
        self.points: list[ChargePoint] = []
        self._decision = control.Decision((), ())
        self._cycle_at = house.state.at
        self.faults: dict[str, str] = {}  # of pv, battery and tariff
        for index, number in enumerate(charge_point_ids(len(house.site.charge_points))):
            self.install(ChargePoint(number, index))
            self.memory.assign(number, index + 1, keeps_ev=index == 0)
        self.view = self.look()

    def install(self, point: ChargePoint) -> None:
        """Begin to control a charge point that belongs to the vehicle of its place."""
        self.points.append(point)
        self._decision = replace(
            self._decision, currents_a=(*self._decision.currents_a, 0.0), reasons=(*self._decision.reasons, "")
        )
        name = self._house.site.charge_points[point.index].name
        self.memory.add_charge_point(point.number, charge_point_config(point.number, name, point.index + 1))

    def remove(self, point: ChargePoint) -> None:
        """Forget a charge point and all that is known of it."""
        place = self.points.index(point)
        del self.points[place]
        self._decision = replace(
            self._decision,
            currents_a=self._decision.currents_a[:place] + self._decision.currents_a[place + 1 :],
            reasons=self._decision.reasons[:place] + self._decision.reasons[place + 1 :],
        )
        self.memory.remove_charge_point(point.number)
        self.view = self.look()

    def offered_a(self) -> tuple[float, ...]:
        """The currents offered now, by place in the household; none where the charge point cannot be reached."""
        offered_a = [0.0] * len(self._house.site.charge_points)
        for point, current_a in zip(self.points, self._decision.currents_a, strict=True):
            offered_a[point.index] = 0.0 if point.fault is not None else current_a
        return tuple(offered_a)

    def cycle(self, at: float) -> None:
        """One control cycle: read, follow tags, vehicles and plugs, decide."""
        state, site = self._house.state, self._house.site
        for index, car in enumerate(state.charge_points):
            has_arrived = car.is_plugged and not self.view.state.charge_points[index].is_plugged
            self.socs.follow(index + 1, car.soc_percent, at, has_arrived=has_arrived, is_charging=car.is_drawing)
        shares, prices = self._shares(), self._prices(at)
        readings = []
        for point in self.points:
            car = state.charge_points[point.index]
            point.identify(self.memory, is_plugged=car.is_plugged, at=at)
            section = point.count(self.memory, self._moment(point, at, shares, prices))
            if section is not None:
                vehicle_name = str(self.memory.values.get(f"vehicle/{section.vehicle}/name"))
                self.charge_log.add(section, (point.number, self.memory.name_of(point.number)), vehicle_name)
            point.phases_in_use = sum(a > 0 for a in car.currents_a) or point.phases_in_use
            readings.append(self._reading(point, car))
        house = control.House(
            grid_w=state.grid_w,
            battery_w=state.battery_w,
            battery_soc_percent=topics.battery_soc(site, state) if site.battery else None,
            price=prices["grid"],
        )
        self._decision = control.decide(
            self.memory.values, tuple(readings), house, self._decision, cycle_s=at - self._cycle_at
        )
        self._cycle_at = at
        self.view = self.look()

    def look(self) -> topics.View:
        """What is known now."""
        points = zip(self.points, self._decision.currents_a, self._decision.reasons, strict=True)
        socs = {vehicle: self.socs.known(vehicle) for vehicle in self.memory.vehicles}
        return topics.View(
            site=self._house.site,
            state=self._house.state,
            day_start=self._house.day_start,
            points=tuple(
                topics.PointView(
                    number=point.number,
                    index=point.index,
                    current_a=current_a,
                    phases_in_use=point.phases_in_use,
                    phases_to_use=point.phases_in_use or GUESSED_PHASES,
                    state_text=point.state_text(reason, self._house.state.charge_points[point.index]),
                    fault=point.fault,
                    connected=point.connected(self.memory, self.socs),
                    log=point.log.shown(),
                )
                for point, current_a, reason in points
            ),
            socs={vehicle: soc for vehicle, soc in socs.items() if soc is not None},
            faults=dict(self.faults),
            has_sub_counter=self.memory.has_sub_counter,
        )

    def _shares(self) -> dict[str, float]:
        """Where the energy of now comes from, as parts of all that is consumed."""
        state = self._house.state
        sources_w = {"grid": max(0.0, state.grid_w), "pv": state.pv_w, "bat": max(0.0, -state.battery_w)}
        total_w = sum(sources_w.values()) or 1.0
        return {name: watts / total_w for name, watts in sources_w.items()}

    def _prices(self, at: float) -> dict[str, float]:
        prices: dict[str, float] = {
            name: self.memory.values[f"general/prices/{name}"] for name in ("grid", "pv", "bat")
        }
        if self.memory.values["optional/ep/configured"]:
            prices["grid"] = tariff.price_at(self._house.seed, at)
        return prices

    def _moment(
        self, point: ChargePoint, at: float, shares: Mapping[str, float], prices: Mapping[str, float]
    ) -> Moment:
        reading = self._house.state.charge_points[point.index]
        template = self.memory.charge_template(point.number)
        car = self.memory.car(point.vehicle)
        rfid = self.memory.values[f"{point.topic}/set/rfid"]
        return Moment(
            at=at,
            is_plugged=reading.is_plugged,
            is_charging=reading.is_drawing,
            meter_wh=rounded(reading.meter_wh),
            mode=template.selected,
            is_prio=template.is_prio,
            vehicle=point.vehicle,
            rfid=rfid if isinstance(rfid, str) else None,
            soc_percent=self.socs.known(point.vehicle),
            range_km=self.socs.range_km(point.vehicle),
            km_per_wh=100 * car.efficiency / car.consumption_wh_per_100km,
            shares=shares,
            prices=prices,
        )

    def _reading(self, point: ChargePoint, reading: ChargePointState) -> control.Reading:
        return control.Reading(
            is_plugged=reading.is_plugged,
            is_locked=bool(self.memory.values[f"{point.topic}/set/manual_lock"]),
            power_w=reading.power_w,
            phases=point.phases_in_use or GUESSED_PHASES,
            soc_percent=self.socs.known(point.vehicle),
            since_plugged_wh=point.log.since_plugged_wh,
            template=self.memory.charge_template(point.number),
            car=self.memory.car(point.vehicle),
        )
