"""What openWB counts while a car is plugged in: the running log of a charge point, and the entries made of it.

Pure. A plug-in is one session; each change of the charge mode while charging ends a section of it, and each section
with energy becomes an entry of the charge log (`control/chargelog/chargelog.py`). Energies are differences of meter
readings as they are, with all digits that floats have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SOURCES = ("grid", "pv", "bat", "cp")
COST_STEP_S = 300  # costs and sources are worked out every five minutes
LEAST_KNOWN_WH = 100  # below it a section's sources count as unknown

NO_MODE = "_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One control cycle as the charge log sees it. `shares` are parts of the energy by source, `prices` € per Wh."""

    at: float
    is_plugged: bool
    is_charging: bool
    meter_wh: float
    mode: str
    is_prio: bool
    vehicle: int
    rfid: str | None
    soc_percent: float | None
    range_km: float | None
    km_per_wh: float
    shares: Mapping[str, float]
    prices: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A finished section. Instants in Unix seconds; `shares` are all 0 where the sources are unknown."""

    begin: float
    end: float
    meter_start_wh: float
    meter_end_wh: float
    energy_wh: float
    since_plugged_wh: float
    charged_s: float
    range_km: float
    costs: float
    shares: Mapping[str, float]
    mode: str
    is_prio: bool
    vehicle: int
    rfid: str | None
    soc_at_start: float | None
    soc_at_end: float | None
    range_at_start: float | None
    range_at_end: float | None


def _zeros() -> dict[str, float]:
    return dict.fromkeys(SOURCES, 0.0)


@dataclass(slots=True)
class SessionLog:
    """The running log of one charge point; `follow` is called once a cycle, `shown` is its retained topic."""

    is_plugged: bool = False
    has_energy: bool = False
    _plugged_wh: float = 0.0
    _section_wh: float = 0.0
    _section_at: float = 0.0
    _meter_wh: float = 0.0
    _last_at: float = 0.0
    _charged_s: float = 0.0
    _start_of_charge: float | None = None
    _by_source: dict[str, float] = field(default_factory=_zeros)
    _costs: float = 0.0
    _shown_by_source: dict[str, float] = field(default_factory=_zeros)
    _shown_costs: float = 0.0
    _last: Moment | None = None  # the last one with a charge
    _soc_at_start: float | None = None
    _range_at_start: float | None = None

    @property
    def since_plugged_wh(self) -> float:
        """Energy since the car was plugged in; limits by energy look at it."""
        return self._meter_wh - self._plugged_wh if self.is_plugged else 0.0

    def follow(self, now: Moment) -> Section | None:
        """Take in one cycle; the section that ended with it, if it had energy."""
        done = None
        if not now.is_plugged:
            if self.is_plugged:
                done = self._section(now)
                self._forget()
            return done
        if not self.is_plugged:
            self._forget()
            self.is_plugged = True
            self._plugged_wh = self._meter_wh = now.meter_wh
            self._begin_section(now)
        self._count(now)
        if now.is_charging:
            if self._last is not None and self._last.mode != now.mode:
                done = self._section(now)
                self._begin_section(now)
            if self._start_of_charge is None:
                self._start_of_charge = now.at
            self._last = now
        else:
            self._start_of_charge = None
        if now.at % COST_STEP_S == 0:
            self._shown_by_source, self._shown_costs = dict(self._by_source), self._costs
        self._last_at = now.at
        return done

    def shift(self, by_wh: float) -> None:
        """The meter counts from higher up; what was counted so far stays."""
        self._plugged_wh += by_wh
        self._section_wh += by_wh
        self._meter_wh += by_wh

    def shown(self) -> dict[str, Any]:
        """`set/log`."""
        last, is_plugged = self._last, self.is_plugged
        return {
            "chargemode_log_entry": last.mode if last else NO_MODE,
            "charged_energy_by_source": {name: round(self._shown_by_source[name], 3) for name in sorted(SOURCES)},
            "costs": round(self._shown_costs, 2),
            "end": None,
            "exported_at_mode_switch": 0,
            "exported_at_plugtime": 0,
            "exported_since_mode_switch": 0,
            "exported_since_plugged": 0,
            "imported_at_mode_switch": self._section_wh if is_plugged else 0,
            "imported_at_plugtime": self._plugged_wh if is_plugged else 0,
            "imported_since_mode_switch": last.meter_wh - self._section_wh if last else 0,
            "imported_since_plugged": last.meter_wh - self._plugged_wh if last else 0,
            "range_charged": (last.meter_wh - self._section_wh) * last.km_per_wh if last else 0,
            "time_charged": self._charged_s,
            "timestamp_start_charging": self._start_of_charge,
            "timestamp_mode_switch": self._section_at if is_plugged else None,
            "ev": last.vehicle if last else -1,
            "prio": last.is_prio if last else False,
            "rfid": last.rfid if last else None,
            "serial_number": None,
            "soc_at_start": self._soc_at_start if last else None,
            "soc_at_end": None,
            "range_at_start": self._range_at_start if last else None,
            "range_at_end": None,
            "odometer": None,
        }

    def _count(self, now: Moment) -> None:
        energy_wh = now.meter_wh - self._meter_wh
        self._meter_wh = now.meter_wh
        if energy_wh > 0:
            self.has_energy = True
            self._charged_s += now.at - self._last_at
            for name, share in now.shares.items():
                self._by_source[name] += energy_wh * share
                self._costs += energy_wh * share * now.prices[name]

    def _begin_section(self, now: Moment) -> None:
        self._section_wh = self._meter_wh
        self._section_at = self._last_at = now.at
        self._charged_s = 0.0
        self._costs = self._shown_costs = 0.0
        self._by_source, self._shown_by_source = _zeros(), _zeros()
        self._soc_at_start, self._range_at_start = now.soc_percent, now.range_km

    def _section(self, now: Moment) -> Section | None:
        energy_wh = self._meter_wh - self._section_wh
        last = self._last
        if last is None or energy_wh <= 0:
            return None
        is_known = energy_wh >= LEAST_KNOWN_WH
        return Section(
            begin=self._section_at,
            end=now.at,
            meter_start_wh=self._section_wh,
            meter_end_wh=self._meter_wh,
            energy_wh=energy_wh,
            since_plugged_wh=self._meter_wh - self._plugged_wh,
            charged_s=self._charged_s,
            range_km=energy_wh * last.km_per_wh,
            costs=self._costs,
            shares={name: self._by_source[name] / energy_wh if is_known else 0.0 for name in SOURCES},
            mode=last.mode,
            is_prio=last.is_prio,
            vehicle=last.vehicle,
            rfid=last.rfid,
            soc_at_start=self._soc_at_start,
            soc_at_end=last.soc_percent,
            range_at_start=self._range_at_start,
            range_at_end=last.range_km,
        )

    def _forget(self) -> None:
        fresh = SessionLog()
        for name in SessionLog.__slots__:
            setattr(self, name, getattr(fresh, name))
