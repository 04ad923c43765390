"""Whatever happens in whatever order, what the session machine says can be true and adds up."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from common.model import Mode
from common.store.rows import SessionRecord
from edge.sessions.look import Change, Kind
from edge.sessions.machine import SessionMachine
from edge.sessions.state import MachineState
from tests.kit.charging import Site


@dataclass(frozen=True)
class Scan:
    tag: str
    scanned_at: float
    charge_point: str | None


@dataclass(frozen=True)
class Step:
    """Something happens, then time passes, then somebody looks."""

    does: Callable[[Site], object]
    name: str
    wait_s: float

    def __repr__(self) -> str:
        return f"{self.name} +{self.wait_s:g}s"


def _set(**values: object) -> Callable[[Site], None]:
    def does(site: Site) -> None:
        for name, value in values.items():
            setattr(site, name, value)

    return does


def _swap(reading_wh: float) -> Callable[[Site], None]:
    def does(site: Site) -> None:
        site.meter_at_plug_wh += reading_wh - site.meter_wh
        site.meter_wh = reading_wh

    return does


def _set_clock(by_s: float) -> Callable[[Site], None]:
    def does(site: Site) -> None:
        site.now += by_s

    return does


NORMAL: dict[str, Callable[[Site], object]] = {
    "nothing": _set(),
    "plug": Site.plug,
    "unplug": Site.unplug,
    "pause": _set(power_w=0.0),
    "charge": _set(power_w=11_000.0),
    "charge slowly": _set(power_w=1_380.4),
    "sun": _set(pv_w=8_000.0),
    "night": _set(pv_w=0.0),
    "battery": _set(battery_w=-2_000.0),
    "instant": _set(mode=Mode.INSTANT),
    "pv": _set(mode=Mode.PV),
    "dear": _set(price=0.40),
    "cheap": _set(price=0.10),
    "vehicle": _set(vehicle="Zoe"),
    "soc": _set(soc_percent=50.4),
}
TROUBLE: dict[str, Callable[[Site], object]] = {
    "stale": _set(is_stale=True),
    "awake": _set(is_stale=False),
    "plug unsaid": _set(is_said=False),
    "plug said": _set(is_said=True),
    "meter zero": _set(shown_meter_wh=0.0),
    "meter unknown": _set(shown_meter_wh=float("nan")),
    "meter odd": _set(shown_meter_wh=0.5),
    "meter shown": _set(shown_meter_wh=None),
    "meter reset": _swap(1.0),
    "meter swapped": _swap(900_000_000.0),
    "site unknown": _set(has_site=False),
    "site known": _set(has_site=True),
    "price unknown": _set(price=None),
    "mode unknown": _set(mode=None),
    "clock back": _set_clock(-90.0),
    "clock far back": _set_clock(-7_200.0),
}
WAITS = st.sampled_from([0.0, 0.5, 10.0, 10.0, 10.0, 40.0, 70.0, 130.0, 1_000.0, 8_000.0])


def steps(*tables: dict[str, Callable[[Site], object]]) -> st.SearchStrategy[list[Step]]:
    names = sorted(name for table in tables for name in table)
    does = {name: action for table in tables for name, action in table.items()}
    step = st.builds(lambda name, wait_s: Step(does[name], name, wait_s), st.sampled_from(names), WAITS)
    return st.lists(step, max_size=40)


def look(machine: SessionMachine, site: Site) -> list[Change]:
    return machine.look(site.now, site.snapshot())


def restarted(machine: SessionMachine) -> SessionMachine:
    """Another machine with what the file has of this one."""
    return SessionMachine(state=msgspec.json.decode(msgspec.json.encode(machine.state), type=MachineState))


def check(record: SessionRecord) -> None:
    """A record that can be true."""
    row, segments = record.session, record.segments
    until = row.ended_at if row.ended_at is not None else segments[-1].started_at
    assert row.started_at <= until
    assert row.charging_s >= 0
    if row.ended_at is not None:
        assert row.charging_s <= row.ended_at - row.started_at
    # The segments tile the session.
    assert segments[0].started_at == row.started_at
    assert segments[-1].ended_at == row.ended_at
    for first, second in pairwise(segments):
        assert first.ended_at == second.started_at > first.started_at
    # The energy is the meter's, and the segments' together.
    if row.energy_wh is None:
        assert row.meter_start_wh is None
        assert row.meter_end_wh is None
    else:
        assert row.meter_start_wh is not None
        assert row.meter_end_wh is not None
        assert row.energy_wh == row.meter_end_wh - row.meter_start_wh >= 0
    metered = [part for part in segments if part.meter_start_wh is not None and part.meter_end_wh is not None]
    energies = [(part.meter_end_wh or 0) - (part.meter_start_wh or 0) for part in metered]
    assert all(energy >= 0 for energy in energies)
    assert sum(energies) == (row.energy_wh or 0)
    # Sources and costs add up, or are unknown.
    for source in ("grid_wh", "pv_wh", "battery_wh", "cost_millicents"):
        known = [getattr(part, source) for part in metered]
        if getattr(row, source) is not None:
            assert getattr(row, source) == sum(known)
            assert source == "cost_millicents" or min(known) >= 0
    assert (row.sources_method is None) == (row.grid_wh is None)
    assert (row.cost_method is None) == (row.cost_millicents is None)
    if row.grid_wh is not None and row.pv_wh is not None and row.battery_wh is not None:
        assert row.grid_wh + row.pv_wh + row.battery_wh == row.energy_wh


@settings(max_examples=80, deadline=None)
@given(steps=steps(NORMAL, TROUBLE), counts=st.booleans())
def test_every_record_can_be_true(steps: list[Step], counts: bool) -> None:
    """Also of arbitrary nonsense; each session starts and ends once, one at a time, and has a key of its own."""
    # So high that no time of a test makes the way from there to zero or to the other meter a plausible charge.
    site = Site(counts_since_plug=counts, meter_wh=50_000_000.0, meter_at_plug_wh=50_000_000.0)
    machine = SessionMachine()
    running: int | None = None
    keys: set[int] = set()
    energy_wh = 0
    for step in steps:
        step.does(site)
        site.pass_time(step.wait_s)
        for change in look(machine, site):
            check(change.record)
            row = change.record.session
            if change.kind is Kind.STARTED:
                assert running is None
                assert row.started_at not in keys
                running = row.started_at
                keys.add(running)
            assert row.started_at == running
            if change.kind is Kind.ENDED:
                running = None
                energy_wh += row.energy_wh or 0
        for record in machine.running():
            check(record)
            assert record.session.started_at == running
    energy_wh += sum(record.session.energy_wh or 0 for record in machine.running())
    assert energy_wh <= site.delivered_wh + len(keys)  # a session's rounding is at most half a watt-hour at each end


@settings(max_examples=50, deadline=None)
@given(steps=steps(NORMAL, TROUBLE), counts=st.booleans())
def test_a_restart_at_any_step_changes_nothing(steps: list[Step], counts: bool) -> None:
    """What the file has is all that the machine knows: one that is restarted at every step says the same as ever."""
    site = Site(counts_since_plug=counts)
    steady, shaken = SessionMachine(), SessionMachine()
    for number, step in enumerate(steps):
        step.does(site)
        site.pass_time(step.wait_s)
        scan = Scan(f"tag {number}", site.now, "1" if number % 3 == 0 else None)
        assert restarted(shaken).note_scan(scan) == steady.note_scan(scan)
        shaken.note_scan(scan)
        shaken = restarted(shaken)
        snapshot = site.snapshot()
        assert shaken.look(site.now, snapshot) == steady.look(site.now, snapshot)
        assert shaken.state == steady.state


@settings(max_examples=50, deadline=None)
@given(steps=steps(NORMAL), looks=st.data())
def test_no_energy_is_lost(steps: list[Step], looks: st.DataObject) -> None:
    """Without trouble the sessions have all that was delivered, however long nobody looks while a car is there."""
    site = Site()
    machine = SessionMachine()
    ended: list[SessionRecord] = []
    look(machine, site)
    unseen_s = 0.0
    for step in steps:
        was_plugged = site.is_plugged
        step.does(site)
        for seconds in (10.0, step.wait_s):
            site.pass_time(seconds)
            unseen_s += seconds
            has_changed = site.is_plugged is not was_plugged
            if has_changed or not site.is_plugged or unseen_s > 60_000 or looks.draw(st.booleans()):
                ended += [change.record for change in look(machine, site) if change.kind is Kind.ENDED]
                was_plugged, unseen_s = site.is_plugged, 0.0
    site.unplug()
    for _ in range(10):
        site.pass_time(10.0)
        ended += [change.record for change in look(machine, site) if change.kind is Kind.ENDED]
    delivered_wh = sum(record.session.energy_wh or 0 for record in ended)
    assert abs(delivered_wh - site.delivered_wh) <= len(ended) + 0.01
