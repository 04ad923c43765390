"""Two cars within the time in which a plug that is gone counts as flapping: the wallbox's own signs tell them apart."""

from dataclasses import dataclass, field
from typing import Literal

import msgspec
import pytest

from common.store.rows import SessionRecord, SessionRow
from edge.mirror import Mirror
from edge.openwb import v2
from edge.scans import Scan
from edge.sessions.look import Kind
from edge.sessions.machine import SessionMachine
from edge.sessions.state import MachineState

START = 1_780_000_000
STEP_S = 5
LEAVES, ENDS = 1_200, 2_600
STEP_WH = 11_040 * STEP_S / 3600
HIERARCHY = '[{"id":0,"type":"counter","children":[{"id":3,"type":"cp","children":[]}]}]'

Sign = Literal["counter", "vehicle", "card", "early card"]


@dataclass
class Seen:
    ended: list[SessionRecord] = field(default_factory=list)
    true_wh: list[float] = field(default_factory=lambda: [0.0, 0.0])
    told: list[tuple[Kind, int]] = field(default_factory=list)

    @property
    def sessions(self) -> list[SessionRow]:
        return [record.session for record in self.ended]


def played(
    gap_s: int, signs: set[Sign], *, late_s: int = 0, glitch: bool = False, restart_at: int | None = None
) -> Seen:
    """Anna charges, the plug moves in `gap_s`, Ben charges; the wallbox gives these signs of it, `late_s` afterwards.

    `glitch`: the counter reads 0 in one message when the plug is back, and counts on.
    """
    mirror, machine, seen, back = Mirror(v2.DIALECT), SessionMachine(), Seen(), LEAVES + gap_s
    wh, plugged_wh = 2_000_000.0, 0.0
    for t in range(0, ENDS + 400, STEP_S):
        now = float(START + t)
        is_in = 60 <= t < LEAVES or back <= t < ENDS
        if "counter" in signs and t == back:
            plugged_wh = 0.0
        if is_in:
            wh += STEP_WH
            plugged_wh += STEP_WH
            seen.true_wh[t >= back] += STEP_WH
        is_ben = "vehicle" in signs and t >= back + late_s
        since_wh = 0.0 if glitch and t == back else plugged_wh
        words = {
            "openWB/counter/get/hierarchy": HIERARCHY,
            "openWB/chargepoint/3/config": '{"id":3,"name":"x"}',
            "openWB/system/boot_done": "true",
            "openWB/system/time": str(now),
            "openWB/chargepoint/3/get/plug_state": str(is_in).lower(),
            "openWB/chargepoint/3/get/power": "11040" if is_in else "0",
            "openWB/chargepoint/3/get/imported": f"{wh:.1f}",
            "openWB/chargepoint/3/get/connected_vehicle/info": f'{{"id": 1, "name": "{"Ben" if is_ben else "Anna"}"}}',
            "openWB/chargepoint/3/set/log": f'{{"imported_since_plugged": {since_wh:.1f}}}',
        }
        if t == 65:
            machine.note_scan(Scan("A1", now, "3"))
        if ("card" in signs and t == back + 5 + late_s) or ("early card" in signs and t == back - 5):
            machine.note_scan(Scan("B2", now, "3"))
        if t == restart_at:
            machine = SessionMachine(state=msgspec.json.decode(msgspec.json.encode(machine.state), type=MachineState))
        mirror.apply({topic: word.encode() for topic, word in words.items()}, now)
        mirror.tick(now)
        for change in machine.look(now, mirror.snapshot()):
            seen.told.append((change.kind, change.record.session.started_at - START))
            if change.kind is Kind.ENDED:
                seen.ended.append(change.record)
    assert machine.running() == []
    return seen


@pytest.mark.parametrize("gap_s", [10, 45, 65])
@pytest.mark.parametrize("signs", [{"counter"}, {"vehicle"}, {"card"}, {"early card"}, {"counter", "vehicle", "card"}])
def test_each_of_the_wallbox_s_signs_makes_two_sessions(gap_s: int, signs: set[Sign]) -> None:
    """Each with its own energy, card and car, from plug to unplug."""
    seen = played(gap_s, signs)
    anna, ben = seen.sessions
    assert [row.energy_wh for row in (anna, ben)] == [round(wh) for wh in seen.true_wh]
    assert (anna.started_at, anna.ended_at) == (START + 60, START + LEAVES)
    assert (ben.started_at, ben.ended_at) == (START + LEAVES + gap_s, START + ENDS)
    assert anna.meter_end_wh == ben.meter_start_wh
    assert (anna.tag, anna.vehicle) == ("A1", "Anna")
    assert ben.tag == ("B2" if signs & {"card", "early card"} else None)
    assert ben.vehicle == ("Ben" if "vehicle" in signs else "Anna")
    assert anna.charging_s == LEAVES - 60
    assert [kind for kind, _ in seen.told].count(Kind.STARTED) == [kind for kind, _ in seen.told].count(Kind.ENDED) == 2


@pytest.mark.parametrize("signs", [{"vehicle"}, {"card"}])
def test_a_sign_may_come_minutes_later(signs: set[Sign]) -> None:
    """Ben takes his time; what he charged until then is his all the same."""
    seen = played(45, signs, late_s=200)
    assert [row.energy_wh for row in seen.sessions] == [round(wh) for wh in seen.true_wh]
    assert seen.sessions[1].started_at == START + LEAVES + 45


@pytest.mark.parametrize("signs", [{"vehicle"}, {"card"}])
def test_a_sign_that_comes_too_late_is_none(signs: set[Sign]) -> None:
    """Somebody assigned another vehicle, or held a card to the reader, while one car charged."""
    assert len(played(45, signs, late_s=400).sessions) == 1


@pytest.mark.parametrize("gap_s", [5, 30, 65])
def test_without_a_sign_the_plug_flapped(gap_s: int) -> None:
    """One session, one stretch of charging."""
    seen = played(gap_s, set())
    (record,) = seen.ended
    assert record.session.energy_wh == round(sum(seen.true_wh))
    assert len(record.segments) == 1


def test_after_the_flap_s_time_it_is_another_plug_in_without_any_sign() -> None:
    assert len(played(80, set()).sessions) == 2


def test_one_odd_message_is_no_sign() -> None:
    """The counter reads 0 once, as values do when a plug comes back."""
    assert len(played(30, set(), glitch=True).sessions) == 1


@pytest.mark.parametrize("restart_at", [LEAVES, LEAVES + 20, LEAVES + 45, LEAVES + 50])
def test_a_restart_in_the_middle_forgets_no_sign(restart_at: int) -> None:
    """The file has the flap, too."""
    seen = played(45, {"vehicle"}, restart_at=restart_at)
    assert [row.energy_wh for row in seen.sessions] == [round(wh) for wh in seen.true_wh]
